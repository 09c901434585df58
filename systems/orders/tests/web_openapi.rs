//! The OpenAPI document is true: it has every operation once, refers to nothing that is not there,
//! and says of an order what an order is.

use std::collections::BTreeSet;

use orders::order::{NewOrder, Order, State, StateChange};
use serde_json::{Value, json};

fn document() -> Value {
    serde_json::to_value(orders::api::document()).unwrap()
}

fn members(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().unwrap().iter()
}

/// Every value in a document, from the outside in.
fn everything(value: &Value) -> Vec<&Value> {
    let inside: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => vec![],
    };
    let inside = inside.into_iter().flat_map(everything);
    [value].into_iter().chain(inside).collect()
}

#[test]
fn every_operation_is_there_once() {
    let document = document();
    let mut operations = Vec::new();
    let mut ids = BTreeSet::new();
    for (path, item) in members(&document["paths"]) {
        for (method, operation) in members(item) {
            operations.push(format!("{} {path}", method.to_uppercase()));
            let id = operation["operationId"].as_str().unwrap().to_owned();
            assert!(ids.insert(id), "{path}: its operationId is taken");
            assert!(operation["summary"].is_string(), "{path}");
            assert!(operation["responses"]["200"].is_object(), "{path}");
        }
    }
    operations.sort();
    assert_eq!(
        operations,
        [
            "DELETE /orders",
            "GET /create_order",
            "GET /health",
            "GET /list_orders",
            "GET /orders/",
            "GET /orders/{id}",
            "POST /create_order",
            "POST /orders/",
            "PUT /orders/{id}",
        ]
    );
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let references = everything(&document)
        .into_iter()
        .filter_map(|value| value.get("$ref")?.as_str());
    let mut count = 0;
    for reference in references {
        let target = document.pointer(reference.trim_start_matches('#'));
        assert!(target.is_some(), "{reference}");
        count += 1;
    }
    assert!(count > 10);
}

#[test]
fn a_schema_has_what_its_type_has() {
    let schemas = &document()["components"]["schemas"];
    let order = json!({
        "id": 1, "user_id": 1, "pokemon": "pidgey", "country": "Chile", "price": 20.5,
        "state": "pending", "timestamp": "2024-08-14T05:38:58.922008",
    });
    let read = |value: &Value| -> (Order, NewOrder, StateChange) {
        (
            serde_json::from_value(value.clone()).unwrap(),
            serde_json::from_value(value.clone()).unwrap(),
            serde_json::from_value(value.clone()).unwrap(),
        )
    };
    let (whole, new, change) = read(&order);
    for (name, value) in [
        ("Order", json!(whole)),
        ("NewOrder", json!(new)),
        ("StateChange", json!(change)),
    ] {
        let fields: Vec<&String> = members(&value).map(|(field, _)| field).collect();
        let described: Vec<&String> = members(&schemas[name]["properties"])
            .map(|(field, _)| field)
            .collect();
        assert_eq!(described, fields, "{name}");
        assert_eq!(schemas[name]["required"], json!(fields), "{name}");
    }
    assert_eq!(schemas["State"]["enum"], json!(State::ALL));
    for name in ["pokemon", "country"] {
        let described = &schemas["NewOrder"]["properties"][name];
        assert_eq!(described["maxLength"], 255);
    }
}
