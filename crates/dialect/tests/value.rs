//! Values behave as Python's do.

use shaketable_dialect::{Dict, Key, Value};

#[test]
fn numbers_of_different_types_are_equal_by_value() {
    assert_eq!(Value::Int(1), Value::Bool(true));
    assert_eq!(Value::Float(1.0), Value::Bool(true));
    assert_eq!(Value::Float(0.0), Value::Float(-0.0));
    assert_ne!(Value::Float(f64::NAN), Value::Float(f64::NAN));
    assert_ne!(Value::Str("1".into()), Value::Int(1));
    assert_ne!(Value::None, Value::Bool(false));
    // 2^53 + 1 is no float: the comparison is exact, not by conversion.
    assert_ne!(Value::Int((1 << 53) + 1), Value::Float(2f64.powi(53)));
    assert_ne!(Value::Int(i128::MAX), Value::Float(2f64.powi(127)));
    assert_eq!(Value::Int(i128::MIN), Value::Float(-(2f64.powi(127))));
}

#[test]
fn one_key_is_there_once_and_keeps_its_place_and_spelling() {
    let mut dict = Dict::new();
    dict.insert(Key::Int(1), "int");
    dict.insert("a", "text");
    assert_eq!(dict.insert(Key::Bool(true), "bool"), Some("int".into()));
    assert_eq!(dict.insert(Key::Float(1.0), "float"), Some("bool".into()));
    assert_eq!(dict.len(), 2);
    let (key, value) = dict.iter().next().expect("a key");
    assert!(matches!(key, Key::Int(1)), "{key:?}");
    assert_eq!(value, &Value::from("float"));
}

#[test]
fn mappings_are_equal_in_any_order() {
    let left: Dict = [("a", 1), ("b", 2)].into_iter().collect();
    let right: Dict = [("b", 2), ("a", 1)].into_iter().collect();
    assert_eq!(left, right);
    assert_ne!(left, [("a", 1)].into_iter().collect());
}

#[test]
fn text_keys_are_found_by_their_text() {
    let mut dict: Dict = [("a", 1), ("b", 2), ("c", 3)].into_iter().collect();
    assert_eq!(dict.get("b"), Some(&Value::Int(2)));
    assert!(dict.contains("c") && !dict.contains("d"));
    if let Some(value) = dict.get_mut("a") {
        *value = Value::None;
    }
    assert_eq!(dict.remove("b"), Some(Value::Int(2)));
    let keys: Vec<_> = dict.keys().filter_map(Key::as_str).collect();
    assert_eq!(keys, ["a", "c"]);
    dict.insert(Key::Date("2020-01-01".into()), 1);
    assert_eq!(dict.get("2020-01-01"), None);
}

#[test]
fn emptiness_and_zero_are_false() {
    let empty = [
        Value::None,
        false.into(),
        0.into(),
        (-0.0).into(),
        "".into(),
        Value::Bytes(vec![]),
        Value::List(vec![]),
        Dict::new().into(),
    ];
    assert!(empty.iter().all(|value| !value.is_truthy()));
    let full = [
        true.into(),
        f64::NAN.into(),
        "0".into(),
        Value::List(vec![Value::None]),
    ];
    assert!(full.iter().all(Value::is_truthy));
}

#[test]
fn types_are_not_mixed_up() {
    assert_eq!(Value::Bool(true).as_int(), None);
    assert_eq!(Value::Bool(true).as_f64(), Some(1.0));
    assert_eq!(Value::Int(1).as_bool(), None);
    assert_eq!(Value::Date("2020-01-01".into()).type_name(), "date");
    assert_eq!(
        Value::Date("2020-01-01T00:00:00".into()).type_name(),
        "datetime"
    );
    assert_eq!(Value::from(None::<&str>), Value::None);
}

#[test]
fn lists_are_no_keys() {
    let raised = Key::try_from(Value::List(vec![])).expect_err("no key");
    assert_eq!(raised.to_string(), "TypeError: unhashable type: 'list'");
}

#[test]
fn json_of_our_own_never_fails() {
    let dict: Dict = [
        (Key::Bool(true), Value::Float(f64::NAN)),
        (Key::from("b"), Value::Bytes(vec![b'x', 0xff])),
        (Key::from("d"), Value::Date("2020-01-01".into())),
        (Key::from("i"), Value::Int(i64::MIN.into())),
        (Key::from("u"), Value::Int(u64::MAX.into())),
        (Key::from("huge"), Value::Int(1 << 100)),
    ]
    .into_iter()
    .collect();
    let json = Value::Dict(dict).to_json();
    let wanted = serde_json::json!({
        "true": null, "b": "x\u{fffd}", "d": "2020-01-01", "i": i64::MIN, "u": u64::MAX, "huge": 2f64.powi(100)
    });
    assert_eq!(json, wanted);
    assert_eq!(
        Value::from(json).get("u"),
        Some(&Value::Int(u64::MAX.into()))
    );
}
