//! Identities: taken by a path, rendered as text.

use serde_json_path::JsonPath;
use shaketable_kafka::identity;

fn at(path: &str, message: &str) -> Option<String> {
    identity::at(&JsonPath::parse(path).unwrap(), message.as_bytes())
}

#[test]
fn strings_and_integers_are_the_same_text() {
    assert_eq!(at("$.id", r#"{"id":"4711"}"#).as_deref(), Some("4711"));
    assert_eq!(at("$.id", r#"{"id":4711}"#).as_deref(), Some("4711"));
    assert_eq!(
        at("$.id", r#"{"id":18446744073709551615}"#).as_deref(),
        Some("18446744073709551615")
    );
    assert_eq!(
        at("$.order.id", r#"{"order":{"id":-1}}"#).as_deref(),
        Some("-1")
    );
}

#[test]
fn whatever_is_no_single_identity_is_none() {
    assert_eq!(at("$.id", r#"{"id":1.5}"#), None);
    assert_eq!(at("$.id", r#"{"id":null}"#), None);
    assert_eq!(at("$.id", r#"{"name":"x"}"#), None);
    assert_eq!(at("$..id", r#"[{"id":1},{"id":2}]"#), None);
    assert_eq!(at("$.id", "not json"), None);
}
