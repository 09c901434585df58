//! Reading a document as Python does: a value of the wrong type raises what Python raises.
//!
//! The reference reads documents without asking for types first, so a list where it expects a mapping is an
//! `AttributeError`, in the middle of whatever it was doing. These functions keep that.

use std::borrow::Cow;

use shaketable_dialect::{Dict, Value};

use crate::problem::Problem;

/// `value.get(key)`: nothing when the mapping does not have the key.
pub(crate) fn get<'a>(value: &'a Value, key: &str) -> Result<Option<&'a Value>, Problem> {
    Ok(mapping(value, "get")?.get(key))
}

/// `value.get(key)` where a missing key is as good as `None`, and only what is truthy matters.
pub(crate) fn get_truthy<'a>(value: &'a Value, key: &str) -> Result<Option<&'a Value>, Problem> {
    Ok(get(value, key)?.filter(|value| value.is_truthy()))
}

/// `value["key"]`.
pub(crate) fn item<'a>(value: &'a Value, key: &str) -> Result<&'a Value, Problem> {
    match value {
        Value::Dict(dict) => dict
            .get(key)
            .ok_or_else(|| Problem::crash("KeyError", format!("'{key}'"))),
        Value::Str(_) | Value::List(_) | Value::Bytes(_) => {
            let what = match value {
                Value::Str(_) => "string indices must be integers, not 'str'",
                Value::Bytes(_) => "byte indices must be integers or slices, not str",
                _ => "list indices must be integers or slices, not str",
            };
            Err(Problem::crash("TypeError", what))
        }
        _ => Err(Problem::crash(
            "TypeError",
            format!("'{}' object is not subscriptable", value.type_name()),
        )),
    }
}

/// `value.METHOD`, a method that only mappings have.
pub(crate) fn mapping<'a>(value: &'a Value, method: &str) -> Result<&'a Dict, Problem> {
    value.as_dict().ok_or_else(|| {
        Problem::crash(
            "AttributeError",
            format!("'{}' object has no attribute '{method}'", value.type_name()),
        )
    })
}

/// `for item in value`.
pub(crate) fn iterate(value: &Value) -> Result<Vec<Cow<'_, Value>>, Problem> {
    match value {
        Value::List(items) => Ok(items.iter().map(Cow::Borrowed).collect()),
        Value::Dict(dict) => Ok(dict.keys().map(|key| Cow::Owned(key.to_value())).collect()),
        Value::Str(text) => Ok(text
            .chars()
            .map(|letter| Cow::Owned(Value::Str(letter.to_string())))
            .collect()),
        Value::Bytes(bytes) => Ok(bytes
            .iter()
            .map(|byte| Cow::Owned(Value::Int(i128::from(*byte))))
            .collect()),
        _ => Err(Problem::crash(
            "TypeError",
            format!("'{}' object is not iterable", value.type_name()),
        )),
    }
}

/// `for item in value.get(key, [])`: nothing to go through when the key is missing.
pub(crate) fn iterate_key<'a>(value: &'a Value, key: &str) -> Result<Vec<Cow<'a, Value>>, Problem> {
    match get(value, key)? {
        Some(items) => iterate(items),
        None => Ok(Vec::new()),
    }
}

/// `key in value`.
pub(crate) fn contains(value: &Value, key: &str) -> Result<bool, Problem> {
    match value {
        Value::Dict(dict) => Ok(dict.contains(key)),
        Value::Str(text) => Ok(text.contains(key)),
        Value::List(items) => Ok(items.iter().any(|item| item.as_str() == Some(key))),
        _ => Err(Problem::crash(
            "TypeError",
            format!("argument of type '{}' is not iterable", value.type_name()),
        )),
    }
}
