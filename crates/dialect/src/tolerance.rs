//! Tolerances: whether the value of a probe is what the hypothesis says it should be.
//!
//! As in the reference, quirks included: `1` meets `true`; a list of two is a range for a plain value
//! and a choice for the `status` of a mapping; whatever has no rule is never met; values that cannot
//! be compared raise. A tolerance of the type `probe` is an activity, and the caller's business.

mod order;

use std::borrow::Cow;

use crate::decimal::Decimal;
use crate::jsonpath::Path;
use crate::pattern::Pattern;
use crate::{Dict, Key, Raised, Value, json, template, text};

/// Whether a value is within a tolerance. A tolerance that is text is compared as it is: its
/// references are the caller's to substitute; those of a mapping are substituted here.
///
/// # Errors
///
/// What the reference would have raised: the types do not fit, the pattern or the path is invalid.
/// `InvalidActivity` for a tolerance of the type `probe`.
pub fn holds(
    tolerance: &Value,
    value: &Value,
    configuration: &Dict,
    secrets: &Dict,
) -> Result<bool, Raised> {
    match tolerance {
        Value::Bool(_) | Value::Str(_) => Ok(value == tolerance),
        Value::Int(_) => Ok(value.get("status").unwrap_or(value) == tolerance),
        Value::List(items) => match (value.get("status"), items.as_slice()) {
            (Some(status), _) => Ok(items.contains(status)),
            (None, [low, high]) => Ok(order::at_most(low, value)? && order::at_most(value, high)?),
            (None, _) => Ok(items.contains(value)),
        },
        Value::Dict(rule) => {
            let substituted = |key: &str| {
                let found = rule.get(key).unwrap_or(&Value::None);
                template::substitute(found, configuration, secrets)
            };
            match rule.get("type").and_then(Value::as_str) {
                Some("regex") => {
                    let pattern = substituted("pattern")?;
                    matches(&pattern, || target(rule, value))
                }
                Some("jsonpath") => {
                    let path = substituted("path")?;
                    let expect = || match rule.contains("expect") {
                        true => substituted("expect").map(Some),
                        false => Ok(None),
                    };
                    leads_to(rule, &path, value, expect)
                }
                Some("range") => is_between(rule, target(rule, value)?),
                Some("probe") => Err(Raised::new(
                    "InvalidActivity",
                    "a probe as a tolerance has to be run, not compared",
                )),
                _ => Ok(false),
            }
        }
        _ => Ok(false),
    }
}

/// Whether a tolerance is well-formed.
///
/// # Errors
///
/// `InvalidActivity` with the reference's message; another kind where the reference itself breaks.
/// A tolerance of the type `probe` passes: checking an activity is the caller's business.
pub fn check(tolerance: &Value) -> Result<(), Raised> {
    let rule = match tolerance {
        Value::Bool(_) | Value::Int(_) | Value::List(_) | Value::Str(_) => return Ok(()),
        Value::Dict(rule) => rule,
        _ => {
            return Err(invalid(
                "hypothesis probe tolerance must either be an integer, \
                 a string, a boolean or a pair of values for boundaries. \
                 It can also be a dictionary which is a probe activity \
                 definition that takes an argument called `value` with \
                 the value of the probe itself to be validated",
            ));
        }
    };
    let kind = rule.get("type").unwrap_or(&Value::None);
    match kind.as_str() {
        Some("probe") => Ok(()),
        Some("regex") => check_pattern(rule),
        Some("jsonpath") => check_path(rule),
        Some("range") => check_range(rule),
        _ => Err(invalid(format!(
            "hypothesis probe tolerance type '{}' is unsupported",
            text::str(kind)
        ))),
    }
}

fn invalid(message: impl Into<String>) -> Raised {
    Raised::new("InvalidActivity", message)
}

fn check_pattern(rule: &Dict) -> Result<(), Raised> {
    let Some(pattern) = rule.get("pattern") else {
        return Err(invalid(
            "hypothesis regex probe tolerance must have a `pattern` key",
        ));
    };
    compile(pattern).map(drop).map_err(|raised| {
        let shown = text::str(pattern);
        match raised.kind.as_str() {
            "TypeError" => invalid(format!(
                "hypothesis probe tolerance pattern {shown} has an invalid type"
            )),
            "error" => invalid(format!(
                "hypothesis probe tolerance pattern {shown} seems invalid: {}",
                raised.message
            )),
            _ => raised,
        }
    })
}

fn check_path(rule: &Dict) -> Result<(), Raised> {
    let Some(path) = rule.get("path") else {
        return Err(invalid(
            "hypothesis jsonpath probe tolerance must have a `path` key",
        ));
    };
    let text = match path {
        Value::Str(text) => text,
        Value::Bytes(bytes) => {
            let stripped = Value::Bytes(bytes.trim_ascii().to_vec());
            return Err(invalid(match bytes.trim_ascii() {
                [] => "hypothesis probe tolerance JSON path cannot be empty".to_owned(),
                _ => format!(
                    "hypothesis probe tolerance JSON path {} has an invalid type",
                    text::str(&stripped)
                ),
            }));
        }
        other => {
            return Err(Raised::new(
                "AttributeError",
                format!("'{}' object has no attribute 'strip'", other.type_name()),
            ));
        }
    };
    let space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    let text = text.trim_matches(space);
    if text.is_empty() {
        return Err(invalid(
            "hypothesis probe tolerance JSON path cannot be empty",
        ));
    }
    Path::parse(text).map(drop).map_err(|raised| {
        if raised.kind == "ValueError" {
            invalid(format!(
                "hypothesis probe tolerance JSON path {text} is invalid"
            ))
        } else {
            raised
        }
    })
}

fn check_range(rule: &Dict) -> Result<(), Raised> {
    let Some(range) = rule.get("range") else {
        return Err(invalid(
            "hypothesis range probe tolerance must have a `range` key",
        ));
    };
    let Value::List(bounds) = range else {
        return Err(invalid("hypothesis range must be a sequence"));
    };
    let [low, high] = bounds.as_slice() else {
        return Err(invalid(
            "hypothesis range sequence must be made of two values",
        ));
    };
    let number = |value: &Value| matches!(value, Value::Bool(_) | Value::Int(_) | Value::Float(_));
    if !number(low) {
        return Err(invalid("hypothesis range lower boundary must be a number"));
    }
    if !number(high) {
        return Err(invalid("hypothesis range upper boundary must be a number"));
    }
    Ok(())
}

/// What a rule's `target` names: an item of the value, or the value itself if there is none.
fn target<'v>(rule: &Dict, value: &'v Value) -> Result<&'v Value, Raised> {
    let Some(name) = rule.get("target").filter(|name| name.is_truthy()) else {
        return Ok(value);
    };
    let Value::Dict(items) = value else {
        return Err(Raised::new(
            "AttributeError",
            format!("'{}' object has no attribute 'get'", value.type_name()),
        ));
    };
    let key = match name {
        Value::Str(key) => Key::Str(key.clone()),
        Value::Bool(key) => Key::Bool(*key),
        Value::Int(key) => Key::Int(*key),
        Value::Float(key) => Key::Float(*key),
        Value::Date(key) => Key::Date(key.clone()),
        Value::None | Value::Bytes(_) => return Ok(value),
        Value::List(_) | Value::Dict(_) => {
            return Err(Raised::new(
                "TypeError",
                format!("unhashable type: '{}'", name.type_name()),
            ));
        }
    };
    Ok(items.0.get(&key).unwrap_or(value))
}

enum Compiled {
    Text(Pattern),
    Bytes(Pattern),
}

fn compile(pattern: &Value) -> Result<Compiled, Raised> {
    let wrong = |message: String| Err(Raised::new("TypeError", message));
    match pattern {
        Value::Str(pattern) => Pattern::new(pattern).map(Compiled::Text),
        Value::Bytes(pattern) => Pattern::of_bytes(pattern).map(Compiled::Bytes),
        Value::List(_) | Value::Dict(_) => {
            wrong(format!("unhashable type: '{}'", pattern.type_name()))
        }
        _ => wrong("first argument must be string or compiled pattern".to_owned()),
    }
}

fn matches<'v>(
    pattern: &Value,
    target: impl FnOnce() -> Result<&'v Value, Raised>,
) -> Result<bool, Raised> {
    let compiled = compile(pattern)?;
    let message = match (compiled, target()?) {
        (Compiled::Text(pattern), Value::Str(text)) => return pattern.search(text),
        (Compiled::Bytes(pattern), Value::Bytes(bytes)) => return pattern.search_bytes(bytes),
        (Compiled::Text(_), Value::Bytes(_)) => {
            "cannot use a string pattern on a bytes-like object".to_owned()
        }
        (Compiled::Bytes(_), Value::Str(_)) => {
            "cannot use a bytes pattern on a string-like object".to_owned()
        }
        (_, other) => format!(
            "expected string or bytes-like object, got '{}'",
            other.type_name().rsplit('.').next().unwrap_or_default()
        ),
    };
    Err(Raised::new("TypeError", message))
}

fn leads_to(
    rule: &Dict,
    path: &Value,
    value: &Value,
    expect: impl FnOnce() -> Result<Option<Value>, Raised>,
) -> Result<bool, Raised> {
    let Value::Str(path) = path else {
        return Err(Raised::new(
            "TypeError",
            format!("a json path is text, not {}", path.type_name()),
        ));
    };
    let path = Path::parse(path)?;
    let value = decoded(target(rule, value)?)?;
    let found = path.find(&value)?;
    if let Some(expected) = expect()? {
        let expected = match &expected {
            Value::List(items) => items.as_slice(),
            single => std::slice::from_ref(single),
        };
        let pairs = found.iter().zip(expected);
        return Ok(found.len() == expected.len() && pairs.into_iter().all(|(f, e)| **f == *e));
    }
    match rule.get("count").filter(|count| !count.is_none()) {
        Some(count) => Ok(Value::Int(found.len() as i128) == *count),
        None => Ok(!found.is_empty()),
    }
}

/// Bytes as text, and text as the JSON document it is, if it is one.
fn decoded(value: &Value) -> Result<Cow<'_, Value>, Raised> {
    let text = match value {
        Value::Str(text) => text.as_str(),
        Value::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to();
            let message = format!("'utf-8' codec can't decode bytes from position {at} on");
            Raised::new("UnicodeDecodeError", message)
        })?,
        _ => return Ok(Cow::Borrowed(value)),
    };
    match json::parse(text) {
        Ok(document) => Ok(Cow::Owned(document)),
        Err(raised) if raised.kind == "JSONDecodeError" => {
            Ok(Cow::Owned(Value::Str(text.to_owned())))
        }
        Err(raised) => Err(raised),
    }
}

fn is_between(rule: &Dict, value: &Value) -> Result<bool, Raised> {
    let value = match Decimal::parse(value) {
        Ok(number) => number,
        Err(raised) if raised.kind == "InvalidOperation" => return Ok(false),
        Err(raised) => return Err(raised),
    };
    let range = rule.get("range").unwrap_or(&Value::None);
    let (low, high) = (item(range, 0)?, item(range, 1)?);
    Ok(at_most(&Decimal::parse(&low)?, &value)? && at_most(&value, &Decimal::parse(&high)?)?)
}

fn at_most(left: &Decimal, right: &Decimal) -> Result<bool, Raised> {
    let order = left
        .partial_cmp(right)
        .ok_or_else(|| Raised::new("InvalidOperation", "[<class 'decimal.InvalidOperation'>]"))?;
    Ok(order.is_le())
}

/// `range[index]`
fn item(range: &Value, index: usize) -> Result<Value, Raised> {
    let (found, what) = match range {
        Value::List(items) => (items.get(index).cloned(), "list"),
        Value::Str(text) => {
            let character = text.chars().nth(index);
            (character.map(|c| Value::Str(c.to_string())), "string")
        }
        Value::Bytes(bytes) => {
            let byte = bytes.get(index);
            (byte.map(|byte| Value::Int(i128::from(*byte))), "index")
        }
        Value::Dict(items) => {
            let found = items.0.get(&Key::Int(index as i128)).cloned();
            return found.ok_or_else(|| Raised::new("KeyError", index.to_string()));
        }
        other => {
            let message = format!("'{}' object is not subscriptable", other.type_name());
            return Err(Raised::new("TypeError", message));
        }
    };
    found.ok_or_else(|| Raised::new("IndexError", format!("{what} index out of range")))
}
