//! Tolerances: what a probe's output has to be, by the Chaos Toolkit's rules.
//!
//! Where the Chaos Toolkit's comparison would crash on a value of another type, a tolerance of ours
//! does not hold.

use std::cmp::Ordering;

use serde_json::Value;
use shaketable_document::{Data, Node};

/// What a probe's output has to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Tolerance {
    /// Equal, where 1 equals true and 0 equals false.
    Bool(bool),
    /// Equal; a map with `status` is compared by its status.
    Integer(i64),
    /// Equal; a map with `status` is compared by its status.
    Number(f64),
    /// Equal text.
    Text(String),
    /// For a map with `status`: its status is one of these. Otherwise two items are an inclusive
    /// range, and more or fewer are the values that are allowed.
    List(Vec<Value>),
    /// A number, or text that is one, in this inclusive range.
    Range {
        /// Lowest number.
        low: f64,
        /// Highest number.
        high: f64,
    },
}

impl Tolerance {
    /// Whether the output is tolerated.
    pub fn holds(&self, value: &Value) -> bool {
        match self {
            Tolerance::Bool(expected) => equal(value, &Value::Bool(*expected)),
            Tolerance::Integer(expected) => equal(subject(value), &Value::from(*expected)),
            Tolerance::Number(expected) => equal(subject(value), &Value::from(*expected)),
            Tolerance::Text(expected) => value.as_str() == Some(expected),
            Tolerance::List(expected) => match (status(value), expected.as_slice()) {
                (None, [low, high]) => within(value, low, high),
                (status, _) => {
                    let value = status.unwrap_or(value);
                    expected.iter().any(|one| equal(value, one))
                }
            },
            Tolerance::Range { low, high } => {
                let number = match value {
                    Value::String(text) => text.trim().parse().ok(),
                    _ => value.as_f64(),
                };
                number.is_some_and(|number| (*low..=*high).contains(&number))
            }
        }
    }

    /// From a checked node; `None` if it is of no form of a tolerance.
    pub(crate) fn read(node: &Node) -> Option<Tolerance> {
        match &node.data {
            Data::Bool(value) => Some(Tolerance::Bool(*value)),
            Data::Int(value) => Some(Tolerance::Integer(*value)),
            Data::Float(value) => Some(Tolerance::Number(*value)),
            Data::Text(text) => Some(Tolerance::Text(text.clone())),
            Data::List(items) => Some(Tolerance::List(items.iter().map(Node::to_json).collect())),
            Data::Map(_) => match node.get("range")?.items() {
                [low, high] => Some(Tolerance::Range {
                    low: low.as_number()?,
                    high: high.as_number()?,
                }),
                _ => None,
            },
            Data::Null => None,
        }
    }
}

/// The `status` of an output that has one.
fn status(value: &Value) -> Option<&Value> {
    value.as_object()?.get("status")
}

/// What a number is compared with: an output's status, or the output itself.
fn subject(value: &Value) -> &Value {
    status(value).unwrap_or(value)
}

fn within(value: &Value, low: &Value, high: &Value) -> bool {
    let at_least = |left, right| {
        matches!(
            order(left, right),
            Some(Ordering::Greater | Ordering::Equal)
        )
    };
    at_least(value, low) && at_least(high, value)
}

fn equal(left: &Value, right: &Value) -> bool {
    match order(left, right) {
        Some(ordering) => ordering == Ordering::Equal,
        None => left == right,
    }
}

/// Order of two texts, or of two numbers, where true is 1 and false is 0; otherwise none.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    if let (Value::String(left), Value::String(right)) = (left, right) {
        return Some(left.cmp(right));
    }
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => number(left)?.partial_cmp(&number(right)?),
    }
}

fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::Bool(value) => Some(i128::from(*value)),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Some(i128::from(number)),
            None => number.as_u64().map(i128::from),
        },
        _ => None,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        _ => value.as_f64(),
    }
}
