//! Tolerances against the recorded answers of the reference.

mod anything;
mod matrix;

use matrix::{Matrix, list, text};
use proptest::prelude::*;
use shaketable_dialect::tolerance::{check, holds};
use shaketable_dialect::{Dict, Value, json};

/// What the recording's `${...}` stand for.
fn configuration() -> Dict {
    let mut configuration = Dict::new();
    configuration.insert("p", "a|b");
    configuration.insert("path", "$.a");
    configuration.insert("x", 1_i64);
    configuration
}

#[test]
fn every_recorded_value_is_judged_as_the_reference_judges_it() {
    let matrix = Matrix::read(include_str!("recorded/tolerance.ndjson"));
    let configuration = configuration();
    let (mut wrong, mut judged) = (Vec::new(), 0);
    for row in &matrix.rows {
        for (value, recorded) in matrix.values.iter().zip(list(&row[1])) {
            let ours = match holds(&row[0], value, &configuration, &Dict::new()) {
                Ok(held) => Value::Int(i128::from(held)),
                Err(raised) => Value::Str(format!("!{}", raised.kind)),
            };
            judged += 1;
            if ours != *recorded {
                wrong.push(format!(
                    "{:?} of {value:?}: {ours:?}, recorded {recorded:?}",
                    row[0]
                ));
            }
        }
    }
    assert!(judged > 3000, "{judged} pairs are recorded");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_recorded_tolerance_is_checked_as_the_reference_checks_it() {
    let mut wrong = Vec::new();
    for line in include_str!("recorded/check.ndjson").lines() {
        let row = json::parse(line).expect("JSON");
        let [tolerance, recorded] = list(&row) else {
            panic!("{line}");
        };
        let recorded = recorded
            .as_list()
            .map(|r| (text(&r[0]).to_owned(), text(&r[1]).to_owned()));
        let ours = check(tolerance)
            .err()
            .map(|raised| (raised.kind, raised.message));
        if ours != recorded {
            wrong.push(format!("{tolerance:?}: {ours:?}, recorded {recorded:?}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_probe_is_not_judged_here() {
    let probe = json::parse(r#"{"type": "probe", "name": "p"}"#).expect("JSON");
    assert_eq!(check(&probe), Ok(()));
    let judged = holds(&probe, &Value::None, &Dict::new(), &Dict::new());
    assert_eq!(judged.unwrap_err().kind, "InvalidActivity");
}

#[test]
fn bytes_are_read_as_text_and_as_json() {
    let tolerance =
        json::parse(r#"{"type": "jsonpath", "path": "$.a", "expect": 1}"#).expect("JSON");
    let judge = |bytes: &[u8]| {
        holds(
            &tolerance,
            &Value::Bytes(bytes.to_vec()),
            &Dict::new(),
            &Dict::new(),
        )
    };
    assert_eq!(judge(b"{\"a\": 1}"), Ok(true));
    assert_eq!(judge(b"{\"a\": 2}"), Ok(false));
    assert_eq!(judge(b"\xff").unwrap_err().kind, "UnicodeDecodeError");
}

fn any_tolerance() -> impl Strategy<Value = Value> {
    let rule = (
        prop_oneof!["regex", "jsonpath", "range", "[a-z]{1,3}"],
        proptest::collection::vec(
            ("pattern|path|range|target|count|expect", anything::value()),
            0..5,
        ),
        "\\$(\\.[ab*]|\\[[0-2*]\\])*|[a-c.*+()]{0,6}",
    );
    let rule = rule.prop_map(|(kind, items, source)| {
        let mut rule = items.into_iter().collect::<Dict>();
        rule.insert("type", kind);
        if !rule.contains("path") {
            rule.insert("path", source.clone());
        }
        if !rule.contains("pattern") {
            rule.insert("pattern", source);
        }
        Value::Dict(rule)
    });
    prop_oneof![anything::value(), rule]
}

proptest! {
    #[test]
    fn nothing_panics(tolerance in any_tolerance(), value in anything::value()) {
        let _ = check(&tolerance);
        let _ = holds(&tolerance, &value, &configuration(), &Dict::new());
    }
}
