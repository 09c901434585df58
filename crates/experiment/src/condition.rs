//! Conditions: what one output has to be, by the Chaos Toolkit's rules.
//!
//! Where the Chaos Toolkit's comparison would crash on a value of another type, a condition of ours
//! does not hold.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Value, json};
use shaketable_dialect::{Dict, Raised, Value as PythonValue, tolerance};

/// What one output has to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
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
        /// The key of the output that is meant; the output itself if none is given.
        target: Option<String>,
    },
    /// Text in which a pattern is found; the pattern is one of Python's.
    Regex {
        /// The pattern.
        pattern: String,
        /// The key of the output that is meant; the output itself if none is given.
        target: Option<String>,
    },
    /// Something that is found at a path; the path is one of Python's jsonpath2.
    JsonPath {
        /// The path.
        path: String,
        /// The key of the output that is meant; the output itself if none is given.
        target: Option<String>,
        /// How many matches there have to be; at least one if this is not given.
        count: Option<u64>,
        /// What the matches have to be.
        expect: Option<Value>,
    },
}

impl Condition {
    /// Whether the output is tolerated.
    pub fn holds(&self, value: &Value) -> bool {
        match self {
            Condition::Bool(expected) => equal(value, &Value::Bool(*expected)),
            Condition::Integer(expected) => equal(subject(value), &Value::from(*expected)),
            Condition::Number(expected) => equal(subject(value), &Value::from(*expected)),
            Condition::Text(expected) => value.as_str() == Some(expected),
            Condition::List(expected) => match (status(value), expected.as_slice()) {
                (None, [low, high]) => within(value, low, high),
                (status, _) => {
                    let value = status.unwrap_or(value);
                    expected.iter().any(|one| equal(value, one))
                }
            },
            Condition::Range { low, high, target } => {
                let value = match target {
                    Some(key) => value.get(key).unwrap_or(value),
                    None => value,
                };
                let number = match value {
                    Value::String(text) => text.trim().parse().ok(),
                    _ => value.as_f64(),
                };
                number.is_some_and(|number| (*low..=*high).contains(&number))
            }
            Condition::Regex { .. } | Condition::JsonPath { .. } => self
                .dialect()
                .is_some_and(|tolerance| in_dialect(&tolerance, value).unwrap_or(false)),
        }
    }

    /// Finds what is wrong with a pattern or a path.
    pub(crate) fn check(&self) -> Result<(), Raised> {
        match self.dialect() {
            Some(definition) => tolerance::check(&PythonValue::from(definition)),
            None => Ok(()),
        }
    }

    /// A condition that is left to the Chaos Toolkit's dialect, as it is written there.
    fn dialect(&self) -> Option<Value> {
        let (mut definition, target) = match self {
            Condition::Regex { pattern, target } => {
                (json!({ "type": "regex", "pattern": pattern }), target)
            }
            Condition::JsonPath {
                path,
                target,
                count,
                expect,
            } => {
                let mut definition = json!({ "type": "jsonpath", "path": path });
                if let Some(count) = count {
                    definition["count"] = json!(count);
                }
                if let Some(expect) = expect {
                    definition["expect"] = expect.clone();
                }
                (definition, target)
            }
            _ => return None,
        };
        if let Some(target) = target {
            definition["target"] = json!(target);
        }
        Some(definition)
    }
}

fn in_dialect(definition: &Value, value: &Value) -> Result<bool, Raised> {
    let nothing = Dict::new();
    tolerance::holds(
        &PythonValue::from(definition.clone()),
        &PythonValue::from(value.clone()),
        &nothing,
        &nothing,
    )
}

impl fmt::Display for Condition {
    /// In words, as what is tolerated.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |target: &Option<String>| match target {
            Some(target) => format!(" in `{target}`"),
            None => String::new(),
        };
        match self {
            Condition::Bool(value) => write!(formatter, "{value}"),
            Condition::Integer(value) => write!(formatter, "{value}"),
            Condition::Number(value) => write!(formatter, "{value}"),
            Condition::Text(text) => write!(formatter, "\"{text}\""),
            Condition::List(values) => write!(formatter, "{}", Value::Array(values.clone())),
            Condition::Range { low, high, target } => {
                write!(formatter, "{low} to {high}{}", of(target))
            }
            Condition::Regex { pattern, target } => {
                write!(formatter, "text that matches /{pattern}/{}", of(target))
            }
            Condition::JsonPath {
                path,
                target,
                count,
                expect,
            } => {
                match (expect, count) {
                    (Some(expect), _) => write!(formatter, "{expect} at {path}")?,
                    (None, Some(count)) => write!(formatter, "{count} values at {path}")?,
                    (None, None) => write!(formatter, "a value at {path}")?,
                }
                formatter.write_str(&of(target))
            }
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
