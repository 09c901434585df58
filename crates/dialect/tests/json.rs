//! JSON against the recorded results of Python's `json`, and round trips.

use proptest::prelude::*;
use shaketable_dialect::{Dict, Key, Value, json, text};

mod case;
use case::{Case, report};

#[test]
fn reads_what_python_reads_and_refuses_the_rest_in_its_words() {
    let mut differences = Vec::new();
    for case in Case::all(include_str!("recorded/json.ndjson")) {
        let ours = json::parse(case.text("text"));
        let ours = ours
            .map(|value| text::repr(&value))
            .map_err(|raised| raised.to_string());
        if ours != case.outcome() {
            let theirs = case.outcome();
            differences.push(format!(
                "{:?}: {ours:?}, recorded {theirs:?}",
                case.text("text")
            ));
        }
    }
    report(&differences);
}

#[test]
fn a_lone_surrogate_is_replaced() {
    for source in [r#""a\ud800b""#, r#""a\udc00b""#] {
        assert_eq!(json::parse(source), Ok(Value::from("a\u{fffd}b")));
    }
}

#[test]
fn deep_nesting_is_refused() {
    let raised = json::parse(&"[".repeat(100_000)).expect_err("nested too deep");
    assert_eq!(raised.kind, "RecursionError");
}

/// Values that JSON can hold: keys are text, numbers finite.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i128>().prop_map(Value::Int),
        any::<f64>()
            .prop_filter("finite", |n| n.is_finite())
            .prop_map(Value::Float),
        any::<String>().prop_map(Value::Str),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|pairs| Value::Dict(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(value in value(), indent in prop::option::of(0usize..5)) {
        for written in [json::dump(&value, indent).unwrap(), json::dump_ascii(&value).unwrap()] {
            let read = json::parse(&written).unwrap();
            prop_assert_eq!(text::repr(&read), text::repr(&value));
        }
        prop_assert!(json::dump_ascii(&value).unwrap().is_ascii());
    }

    #[test]
    fn no_text_makes_it_panic(source in "([\\[\\]{}\",:\\\\]|\\\\u[0-9a-f]{0,4}|[0-9.eE+-]|true|null|NaN|\\PC){0,30}") {
        let _ = json::parse(&source);
    }
}

#[test]
fn names_that_are_no_text_become_text() {
    let dict: Dict = [(Key::None, 1), (Key::Bool(true), 2), (Key::Float(1e16), 3)]
        .into_iter()
        .collect();
    let written = json::dump(&Value::Dict(dict), None);
    assert_eq!(
        written.as_deref(),
        Ok(r#"{"null": 1, "true": 2, "1e+16": 3}"#)
    );
}
