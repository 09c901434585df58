//! Conditions: every form against every type of value.

use serde_json::{Value, json};
use shaketable_experiment::Condition;

#[test]
fn every_form_against_every_value() {
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(200),
        json!(1.0),
        json!(1.5),
        json!("1"),
        json!("up"),
        json!(""),
        json!([1]),
        json!({}),
        json!({"status": 1}),
        json!({"status": 200, "body": "up"}),
        json!({"status": null}),
    ];
    let list = |items: Value| Condition::List(items.as_array().expect("a list").clone());
    let range = |low, high| Condition::Range {
        low,
        high,
        target: None,
    };
    let all = |chosen: &[usize]| chosen.iter().map(|&index| values[index].clone()).collect();
    let cases: [(Condition, Vec<Value>); 17] = [
        (Condition::Bool(true), all(&[1, 4, 6])),
        (Condition::Bool(false), all(&[2, 3])),
        (Condition::Integer(1), all(&[1, 4, 6, 13])),
        (Condition::Integer(0), all(&[2, 3])),
        (Condition::Integer(200), all(&[5, 14])),
        (Condition::Number(1.5), all(&[7])),
        (Condition::Number(1.0), all(&[1, 4, 6, 13])),
        (Condition::Text("up".to_owned()), all(&[9])),
        (Condition::Text("1".to_owned()), all(&[8])),
        (list(json!([1, 200])), all(&[1, 4, 5, 6, 7, 13, 14])),
        (list(json!([0, 1.2])), all(&[1, 2, 3, 4, 6])),
        (list(json!(["a", "z"])), all(&[9])),
        (list(json!(["1", "up"])), all(&[8, 9])),
        (list(json!([1, "up", null])), all(&[0, 1, 4, 6, 9, 13, 15])),
        (list(json!([])), all(&[])),
        (range(0.0, 1.0), all(&[3, 4, 6, 8])),
        (range(1.2, 1e9), all(&[5, 7])),
    ];
    for (tolerance, tolerated) in cases {
        for value in &values {
            let expected = tolerated.contains(value);
            assert_eq!(tolerance.holds(value), expected, "{tolerance:?} {value}");
        }
    }
}

#[test]
fn a_status_is_one_of_two_and_not_between_them() {
    let tolerance = Condition::List(vec![json!(0), json!(5)]);
    assert!(tolerance.holds(&json!({"status": 5})));
    assert!(!tolerance.holds(&json!({"status": 3})));
    assert!(tolerance.holds(&json!(3)));
}

#[test]
fn large_whole_numbers_are_compared_exactly() {
    assert!(!Condition::Integer(i64::MAX).holds(&json!(i64::MAX - 1)));
    assert!(!Condition::Integer(i64::MAX).holds(&json!(u64::MAX)));
    assert!(Condition::Integer(i64::MAX).holds(&json!(i64::MAX)));
}
