//! Orders, their JSON, and the detective's decision about them.

use orders::detective::decide;
use orders::fraud;
use orders::order::{NewOrder, Order, State};
use serde_json::{Value, json};

fn order() -> Order {
    Order {
        id: 4711,
        user_id: 1,
        pokemon: "pidgey".to_owned(),
        country: "Chile".to_owned(),
        price: 20.0,
        state: State::Pending,
        timestamp: "2024-08-14T05:38:58.922008".to_owned(),
    }
}

#[test]
fn the_fraud_rule_rejects_what_is_dear_or_by_user_5_or_begins_with_d_f_or_a() {
    let table = [
        (200.0, 1, "pidgey", State::Success),
        (200.01, 1, "pidgey", State::Rejected),
        (0.0, 1, "pidgey", State::Success),
        (1.0, 5, "pidgey", State::Rejected),
        (1.0, 4, "pidgey", State::Success),
        (1.0, 6, "pidgey", State::Success),
        (1.0, 1, "ditto", State::Rejected),
        (1.0, 1, "flareon", State::Rejected),
        (1.0, 1, "abra", State::Rejected),
        (1.0, 1, "Abra", State::Success),
        (1.0, 1, "pidgeot-d", State::Success),
        (1.0, 1, "", State::Success),
        (300.0, 5, "abra", State::Rejected),
    ];
    for (price, user_id, pokemon, expected) in table {
        let decided = fraud::decide(price, user_id, pokemon);
        assert_eq!(
            decided, expected,
            "price {price}, user {user_id}, {pokemon:?}"
        );
    }
}

#[test]
fn an_order_has_the_original_fields_in_the_original_order() {
    let shown = serde_json::to_string(&order()).expect("an order is JSON");
    assert_eq!(
        shown,
        r#"{"id":4711,"user_id":1,"pokemon":"pidgey","country":"Chile","price":20.0,"state":"pending","timestamp":"2024-08-14T05:38:58.922008"}"#
    );
}

#[test]
fn a_message_is_the_order_with_the_timestamp_as_the_original_renders_it() {
    let message: Value = serde_json::from_str(&order().message()).expect("a message is JSON");
    let mut expected = json!(order());
    expected["timestamp"] = json!("2024-08-14 05:38:58.922008");
    assert_eq!(message, expected);
}

#[test]
fn a_decision_changes_the_state_and_nothing_else() {
    let message = r#"{"id":7,"user_id":1,"pokemon":"abra","country":"Chile","price":3,"state":"pending","later":[1]}"#;
    let decision = decide(message.as_bytes()).expect("a whole order is decided");
    assert_eq!(decision.key, "7");
    assert_eq!(decision.payload, message.replace("pending", "rejected"));
}

#[test]
fn a_message_that_is_cut_off_or_lacks_a_field_is_an_error() {
    let cut_off = br#"{"id": 4054, "user_id": 2, "pokemon": "rapidash", "country": "Germany", "price": 246.0, "state": "pending", "timestamp": "2024-08-14 05:38:58.922008"#;
    let reason = decide(cut_off).expect_err("it is cut off");
    assert_eq!(reason.to_string(), "the message is not JSON");
    let reason = decide(br#"{"id": 1, "user_id": 2, "pokemon": "mew"}"#).expect_err("no price");
    assert_eq!(reason.to_string(), "the message is no order");
    assert!(decide(b"").is_err());
}

#[test]
fn a_posted_order_needs_every_field_in_its_type() {
    let whole = br#"{"user_id": 1, "pokemon": "mew", "country": "Chile", "price": 20}"#;
    let parsed = NewOrder::parse(whole).expect("a whole order");
    assert_eq!(parsed.price, 20.0);
    for wrong in [
        r#"{"pokemon": "mew", "country": "Chile", "price": 20}"#,
        r#"{"user_id": "one", "pokemon": "mew", "country": "Chile", "price": 20}"#,
        r#"{"user_id": 3000000000, "pokemon": "mew", "country": "Chile", "price": 20}"#,
        r#"{"user_id": 1, "pokemon": "m\u0000w", "country": "Chile", "price": 20}"#,
        "",
    ] {
        assert!(NewOrder::parse(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn states_are_read_by_the_names_they_are_written_with() {
    for state in State::ALL {
        assert_eq!(state.name().parse(), Ok(state));
        assert_eq!(json!(state), json!(state.name()));
    }
    let reason = "lost".parse::<State>().expect_err("no such state");
    assert!(reason.contains("pending, rejected, failed, success, reversed"));
}
