//! What a client sent is refused as FastAPI refuses it, and accepted as FastAPI accepts it.

use orders::api::field::{ID, NEW_ORDER, SELECTION, STATE_CHANGE};
use orders::api::validation::{Problems, Validation};
use orders::order::{NewOrder, State, StateChange};
use serde_json::{Value, json};

fn order(body: &str) -> Result<NewOrder, Problems> {
    let mut validation = Validation::default();
    let order = validation.body(NEW_ORDER, body.as_bytes());
    validation.finish(order)
}

/// What is wrong with an order, as a client gets it.
fn problems(body: &str) -> Value {
    let problems = order(body).expect_err("it is refused");
    json!(problems)["detail"].clone()
}

/// An order in which one field has this value.
fn with(field: &str, value: Value) -> String {
    let mut order = json!({"user_id": 1, "pokemon": "pidgey", "country": "Chile", "price": 20});
    order[field] = value;
    order.to_string()
}

#[test]
fn an_order_is_read_as_it_was_sent() {
    let body = r#"{"user_id":1,"pokemon":"pidgey","country":"Chile","price":200.01,"state":"x"}"#;
    let expected = NewOrder {
        user_id: 1,
        pokemon: "pidgey".to_owned(),
        country: "Chile".to_owned(),
        price: 200.01,
    };
    assert_eq!(order(body), Ok(expected));
}

#[test]
fn a_value_may_be_of_another_type_when_nothing_is_lost() {
    for user in [
        json!("7"),
        json!(" 7 "),
        json!("+7"),
        json!("7.0"),
        json!(7.0),
    ] {
        assert_eq!(order(&with("user_id", user)).unwrap().user_id, 7);
    }
    assert_eq!(order(&with("user_id", json!(true))).unwrap().user_id, 1);
    for price in [json!("20.5"), json!(" 2.05e1 ")] {
        assert_eq!(order(&with("price", price)).unwrap().price, 20.5);
    }
    assert_eq!(order(&with("pokemon", json!(""))).unwrap().pokemon, "");
}

#[test]
fn a_name_has_255_characters_at_most() {
    let longest = "é".repeat(255);
    let accepted = order(&with("pokemon", json!(longest))).unwrap();
    assert_eq!(accepted.pokemon, longest);
    let too_long = "é".repeat(256);
    let problem = &problems(&with("pokemon", json!(too_long)))[0];
    assert_eq!(problem["msg"], "String should have at most 255 characters");
    assert_eq!(problem["ctx"], json!({"max_length": 255}));
}

#[test]
fn every_wrong_value_has_its_own_problem() {
    let table = [
        ("user_id", json!("seven"), "int_parsing"),
        ("user_id", json!("7.5"), "int_parsing"),
        ("user_id", json!(""), "int_parsing"),
        ("user_id", json!(7.5), "int_from_float"),
        ("user_id", json!(null), "int_type"),
        ("user_id", json!([7]), "int_type"),
        ("user_id", json!(2_147_483_648_u32), "less_than_equal"),
        ("user_id", json!(u64::MAX), "less_than_equal"),
        ("user_id", json!(1e300), "less_than_equal"),
        ("user_id", json!(-2_147_483_649_i64), "greater_than_equal"),
        ("price", json!("cheap"), "float_parsing"),
        ("price", json!("nan"), "finite_number"),
        ("price", json!("1e999"), "finite_number"),
        ("price", json!({}), "float_type"),
        ("pokemon", json!(5), "string_type"),
        ("pokemon", json!(null), "string_type"),
        ("pokemon", json!("a\0b"), "value_error"),
        ("pokemon", json!("é".repeat(256)), "string_too_long"),
        ("country", json!("C".repeat(10_000)), "string_too_long"),
    ];
    for (field, value, kind) in table {
        let problems = problems(&with(field, value.clone()));
        assert_eq!(problems.as_array().unwrap().len(), 1, "{problems}");
        assert_eq!(problems[0]["type"], kind, "{field}: {value}");
        assert_eq!(problems[0]["loc"], json!(["body", field]));
        assert_eq!(problems[0]["input"], value);
    }
}

#[test]
fn all_problems_are_told_at_once_and_in_full() {
    let body = r#"{"user_id": 2147483648, "pokemon": 5, "price": "cheap"}"#;
    let sent: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        problems(body),
        json!([
            {
                "type": "less_than_equal",
                "loc": ["body", "user_id"],
                "msg": "Input should be less than or equal to 2147483647",
                "input": 2_147_483_648_u32,
                "ctx": {"le": 2_147_483_647},
            },
            {
                "type": "string_type",
                "loc": ["body", "pokemon"],
                "msg": "Input should be a valid string",
                "input": 5,
            },
            {"type": "missing", "loc": ["body", "country"], "msg": "Field required", "input": sent},
            {
                "type": "float_parsing",
                "loc": ["body", "price"],
                "msg": "Input should be a valid number, unable to parse string as a number",
                "input": "cheap",
            },
        ])
    );
}

#[test]
fn a_body_that_is_no_object_is_refused_as_a_whole() {
    assert_eq!(
        problems(""),
        json!([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": null}])
    );
    let list = problems("[1]");
    assert_eq!(list[0]["type"], "model_attributes_type");
    assert_eq!(
        (&list[0]["loc"], &list[0]["input"]),
        (&json!(["body"]), &json!([1]))
    );
}

#[test]
fn broken_json_is_refused_with_its_place() {
    // In characters from the start, lines and letters of more than one byte included.
    for (body, place) in [("x", 0), ("{\"user_id\": 1,}", 14), ("{\n\"ü\": x}", 7)] {
        let problems = problems(body);
        assert_eq!(problems[0]["type"], "json_invalid", "{body}");
        assert_eq!(problems[0]["loc"], json!(["body", place]), "{body}");
        assert_eq!(problems[0]["msg"], "JSON decode error");
        assert!(problems[0]["ctx"]["error"].is_string());
    }
    assert_eq!(problems("{\"price\": 1e999}")[0]["type"], "json_invalid");
    assert_eq!(problems(&"[".repeat(10_000))[0]["type"], "json_invalid");
}

#[test]
fn the_path_and_the_body_are_checked_together() {
    let mut validation = Validation::default();
    let id: Option<i32> = validation.path(&ID, "first");
    let change: Option<StateChange> = validation.body(STATE_CHANGE, br#"{"state": "gone"}"#);
    let problems = json!(validation.finish(id.zip(change)).unwrap_err());
    assert_eq!(problems["detail"][0]["loc"], json!(["path", "id"]));
    assert_eq!(problems["detail"][1]["type"], "enum");
    let states = "'pending', 'rejected', 'failed', 'success' or 'reversed'";
    assert_eq!(problems["detail"][1]["ctx"], json!({"expected": states}));
}

#[test]
fn a_query_has_defaults_and_its_last_value_counts() {
    let query = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        let mut validation = Validation::default();
        let read: Option<Value> = validation.query(SELECTION, pairs.collect());
        validation.finish(read)
    };
    assert_eq!(query(&[]), Ok(json!({"skip": 0, "limit": 20})));
    let both = query(&[("limit", "5"), ("state", "failed"), ("limit", "7")]);
    assert_eq!(
        both,
        Ok(json!({"state": State::Failed, "skip": 0, "limit": 7}))
    );
    let wrong = query(&[("skip", "-1"), ("limit", ""), ("state", "")]).unwrap_err();
    let kinds: Vec<&str> = wrong.detail.iter().map(|problem| problem.kind).collect();
    assert_eq!(kinds, ["enum", "greater_than_equal", "int_parsing"]);
    let none = query(&[("limit", "0")]).unwrap_err();
    assert_eq!(none.detail[0].kind, "greater_than");
}

#[test]
fn an_empty_field_of_a_form_is_missing() {
    let form = [
        ("user_id", "1"),
        ("pokemon", ""),
        ("country", "Chile"),
        ("price", "20"),
    ];
    let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut validation = Validation::default();
    let order: Option<NewOrder> = validation.form(NEW_ORDER, form.to_vec());
    let problems = validation.finish(order).unwrap_err();
    assert_eq!(problems.detail.len(), 1);
    assert_eq!(problems.detail[0].kind, "missing");
    assert_eq!(json!(problems.detail[0].loc), json!(["body", "pokemon"]));
}
