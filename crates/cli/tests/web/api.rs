//! The endpoints for programs.

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::system::System;

/// What was answered: the status and the JSON.
async fn ask(system: &System, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let client = Client::builder().no_proxy().build().unwrap();
    let mut request = client.request(method, format!("{}{path}", system.api));
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    (status, json)
}

async fn get(system: &System, path: &str) -> (u16, Value) {
    ask(system, Method::GET, path, None).await
}

fn ids(orders: &Value) -> Vec<i64> {
    let orders = orders.as_array().unwrap().iter();
    orders.map(|order| order["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn a_client_of_fastapi_finds_what_it_expects() {
    let system = System::without_kafka("web-api");
    orders_are_made_read_and_changed(&system).await;
    lists_are_cut_and_filtered(&system).await;
    every_problem_is_told_at_once(&system).await;
    what_there_is_not_is_said_in_json(&system).await;
    the_document_and_the_files_are_served(&system).await;
    all_orders_are_deleted(&system).await;
}

async fn orders_are_made_read_and_changed(system: &System) {
    let order = json!({"user_id": 1, "pokemon": "pidgey", "country": "Chile", "price": 20});
    for path in ["/orders/", "/orders"] {
        let (status, made) = ask(system, Method::POST, path, Some(order.clone())).await;
        assert_eq!(status, 200, "{made}");
        assert_eq!(made["state"], "pending");
        assert_eq!(made["price"], 20.0);
        let read = get(system, &format!("/orders/{}", made["id"])).await;
        assert_eq!(read, (200, made));
    }
    // As FastAPI reads it: texts that are numbers are numbers.
    let order = json!({"user_id": "3", "pokemon": "onix", "country": "Chad", "price": "1.5"});
    let (status, made) = ask(system, Method::POST, "/orders/", Some(order)).await;
    assert_eq!(
        (status, &made["user_id"], &made["price"]),
        (200, &json!(3), &json!(1.5))
    );

    let path = format!("/orders/{}", made["id"]);
    let success = json!({"state": "success"});
    let (status, changed) = ask(system, Method::PUT, &path, Some(success)).await;
    assert_eq!((status, &changed["state"]), (200, &json!("success")));
    let reversed = json!({"state": "reversed"});
    let (status, refused) = ask(system, Method::PUT, &path, Some(reversed)).await;
    assert_eq!(status, 409);
    assert!(refused["detail"].as_str().unwrap().contains("is success"));
}

async fn lists_are_cut_and_filtered(system: &System) {
    let (_, all) = get(system, "/orders/").await;
    let all = ids(&all);
    assert_eq!(all.len(), 3);
    let (_, part) = get(system, "/orders?skip=1&limit=1").await;
    assert_eq!(ids(&part), [all[1]]);
    let (_, settled) = get(system, "/orders/?state=success").await;
    assert_eq!(ids(&settled), [all[2]]);
}

async fn every_problem_is_told_at_once(system: &System) {
    let (status, answer) = get(system, "/orders/?state=gone&skip=-1&limit=0").await;
    assert_eq!(status, 422);
    assert_eq!(
        answer,
        json!({"detail": [
            {
                "type": "enum",
                "loc": ["query", "state"],
                "msg": "Input should be 'pending', 'rejected', 'failed', 'success' or 'reversed'",
                "input": "gone",
                "ctx": {"expected": "'pending', 'rejected', 'failed', 'success' or 'reversed'"},
            },
            {
                "type": "greater_than_equal",
                "loc": ["query", "skip"],
                "msg": "Input should be greater than or equal to 0",
                "input": "-1",
                "ctx": {"ge": 0},
            },
            {
                "type": "greater_than",
                "loc": ["query", "limit"],
                "msg": "Input should be greater than 0",
                "input": "0",
                "ctx": {"gt": 0},
            },
        ]})
    );
    // The path and the body of one request.
    let change = json!({"state": 5});
    let (status, answer) = ask(system, Method::PUT, "/orders/first", Some(change)).await;
    assert_eq!(status, 422);
    let places: Vec<&Value> = answer["detail"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["loc"])
        .collect();
    assert_eq!(places, [&json!(["path", "id"]), &json!(["body", "state"])]);

    let (status, answer) = ask(system, Method::POST, "/orders/", None).await;
    assert_eq!(status, 422);
    assert_eq!(answer["detail"][0]["type"], "missing");
}

async fn what_there_is_not_is_said_in_json(system: &System) {
    let missing = json!({"detail": "Order not found"});
    assert_eq!(
        get(system, "/orders/2147483647").await,
        (404, missing.clone())
    );
    let change = json!({"state": "success"});
    let answer = ask(system, Method::PUT, "/orders/2147483647", Some(change)).await;
    assert_eq!(answer, (404, missing));
    assert_eq!(
        get(system, "/ordres").await,
        (404, json!({"detail": "Not Found"}))
    );
    assert_eq!(get(system, "/static/..%2FCargo.toml").await.0, 404);
    let answer = ask(system, Method::PUT, "/health", None).await;
    assert_eq!(answer, (405, json!({"detail": "Method Not Allowed"})));
}

async fn the_document_and_the_files_are_served(system: &System) {
    let (status, document) = get(system, "/openapi.json").await;
    assert_eq!(status, 200);
    assert!(document["paths"]["/orders/{id}"]["put"].is_object());

    let client = Client::builder().no_proxy().build().unwrap();
    let style = client.get(format!("{}/static/style.css", system.api));
    let style = style.send().await.unwrap();
    assert_eq!(style.status(), StatusCode::OK);
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
}

async fn all_orders_are_deleted(system: &System) {
    let (status, answer) = ask(system, Method::DELETE, "/orders", None).await;
    assert_eq!(status, 200);
    assert!(answer["detail"].is_string());
    assert_eq!(get(system, "/orders/").await, (200, json!([])));
}
