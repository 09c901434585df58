//! What `requests` makes of the values it is given: `params=`, `data=`, `headers=`.

use shaketable_dialect::{Raised, Value, text};

use super::url::quote;
use super::{Body, Query};

impl Query {
    /// The query `requests` makes of a value given as `params=`: `None` values dropped, lists
    /// repeated, everything else as Python's `str()`.
    ///
    /// # Errors
    /// The exception `requests` raises.
    pub fn of(arguments: &Value) -> Result<Self, Raised> {
        match arguments {
            Value::None => Ok(Self::None),
            Value::Str(text) => Ok(Self::Text(text.clone())),
            Value::Bytes(bytes) => Ok(Self::Text(String::from_utf8_lossy(bytes).into_owned())),
            Value::Dict(_) | Value::List(_) => Ok(Self::Pairs(pairs(arguments)?)),
            other if !other.is_truthy() => Ok(Self::None),
            _ => Err(Raised::new(
                "TypeError",
                "Cannot mix str and non-str arguments",
            )),
        }
    }

    /// As it is added to a URL.
    pub(crate) fn encoded(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Pairs(pairs) => encode(pairs),
            Self::Text(text) => text.clone(),
        }
    }
}

impl Body {
    /// The body `requests` makes of a value given as `data=`: text as it is, a mapping (or a list
    /// of pairs) as a form, nothing of what is falsy.
    ///
    /// # Errors
    /// The exception `requests` raises.
    pub fn data(arguments: &Value) -> Result<Self, Raised> {
        match arguments {
            falsy if !falsy.is_truthy() => Ok(Self::None),
            Value::Str(text) => Ok(Self::Text(text.clone())),
            Value::Bytes(bytes) => Ok(Self::Text(String::from_utf8_lossy(bytes).into_owned())),
            Value::Dict(_) | Value::List(_) => Ok(Self::Form(pairs(arguments)?)),
            other => Err(Raised::new(
                "TypeError",
                format!(
                    "'body' must be a bytes-like object, file-like object, or iterable. Instead was {}",
                    text::repr(other)
                ),
            )),
        }
    }
}

/// The headers of a mapping, and those whose value is `None`.
type Headers = (Vec<(String, String)>, Vec<String>);

/// The headers of a mapping.
pub(crate) fn headers_of(mapping: &Value) -> Result<Headers, Raised> {
    let (mut headers, mut without) = (Vec::new(), Vec::new());
    for (name, value) in mapping
        .as_dict()
        .into_iter()
        .flat_map(|mapping| mapping.iter())
    {
        let Some(name) = name.as_str() else {
            let kind = name.to_value().type_name();
            let message = format!("'{kind}' object has no attribute 'lower'");
            return Err(Raised::new("AttributeError", message));
        };
        match value {
            Value::None => without.push(name.to_owned()),
            Value::Str(value) => headers.push((name.to_owned(), value.clone())),
            Value::Bytes(value) => headers.push((
                name.to_owned(),
                value.iter().map(|byte| char::from(*byte)).collect(),
            )),
            other => {
                let part = text::repr(other);
                let message = format!(
                    "Header part ({part}) from ({}, {part}) must be of type str or bytes, not <class '{}'>",
                    text::repr(&name.into()),
                    other.type_name()
                );
                return Err(Raised::new("InvalidHeader", message));
            }
        }
    }
    Ok((headers, without))
}

/// Names and values of a mapping or a list of pairs, lists repeated, `None` dropped.
fn pairs(arguments: &Value) -> Result<Vec<(String, String)>, Raised> {
    let mut named: Vec<(Value, &Value)> = Vec::new();
    match arguments {
        Value::Dict(mapping) => {
            named.extend(mapping.iter().map(|(key, value)| (key.to_value(), value)))
        }
        Value::List(items) => {
            for item in items {
                match item {
                    Value::List(pair) if pair.len() == 2 => named.push((pair[0].clone(), &pair[1])),
                    Value::List(pair) => return Err(unpacking(pair.len())),
                    other => {
                        let message =
                            format!("cannot unpack non-iterable {} object", other.type_name());
                        return Err(Raised::new("TypeError", message));
                    }
                }
            }
        }
        _ => {}
    }
    let mut pairs = Vec::new();
    for (name, value) in named {
        let name = text::str(&name);
        let mut add = |value: &Value| pairs.push((name.clone(), text::str(value)));
        match value {
            Value::None => {}
            Value::List(values) => {
                values
                    .iter()
                    .filter(|value| !value.is_none())
                    .for_each(|value| match value {
                        // Python's urlencode takes apart what is still a sequence then.
                        Value::List(inner) => inner.iter().for_each(&mut add),
                        Value::Dict(inner) => inner.keys().for_each(|key| add(&key.to_value())),
                        value => add(value),
                    })
            }
            Value::Dict(values) => values
                .keys()
                .map(|key| key.to_value())
                .filter(|key| !key.is_none())
                .for_each(|key| add(&key)),
            value => add(value),
        }
    }
    Ok(pairs)
}

/// What Python says when it wants two and gets `count`.
fn unpacking(count: usize) -> Raised {
    Raised::new(
        "ValueError",
        if count < 2 {
            format!("not enough values to unpack (expected 2, got {count})")
        } else {
            "too many values to unpack (expected 2)".to_owned()
        },
    )
}

/// Pairs as `application/x-www-form-urlencoded`.
pub(crate) fn encode(pairs: &[(String, String)]) -> String {
    let part = |text: &str| quote(text.as_bytes(), b" ").replace(' ', "+");
    pairs
        .iter()
        .map(|(name, value)| format!("{}={}", part(name), part(value)))
        .collect::<Vec<_>>()
        .join("&")
}
