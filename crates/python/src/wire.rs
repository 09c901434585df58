//! Values on the wire to the host: JSON, with tags for what JSON has not.
//!
//! An object with one member whose name starts with `$` is a tag: `{"$bytes": "hex"}`, `{"$date":
//! "isoformat"}`, `{"$float": "nan"}`, `{"$int": "digits"}` (beyond 64 bits; only the host writes it), `{"$dict": [[key,
//! value], ...]}` for a mapping whose keys are not all plain text. Both directions are lossless, but that a
//! whole number beyond 128 bits becomes the nearest float.

use serde_json::Value as Json;
use shaketable_dialect::{Dict, Key, Value};

/// Writes a value as JSON text, without a line feed.
pub(crate) fn encode(value: &Value, text: &mut String) {
    match value {
        Value::None => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Int(number) => text.push_str(&number.to_string()),
        Value::Float(number) => float(*number, text),
        Value::Str(content) => string(content, text),
        Value::Bytes(bytes) => {
            text.push_str("{\"$bytes\":\"");
            for byte in bytes {
                text.push_str(&format!("{byte:02x}"));
            }
            text.push_str("\"}");
        }
        Value::Date(moment) => {
            text.push_str("{\"$date\":");
            string(moment, text);
            text.push('}');
        }
        Value::List(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                encode(item, text);
            }
            text.push(']');
        }
        Value::Dict(dict) => mapping(dict, text),
    }
}

/// Writes text as a JSON string.
pub(crate) fn string(content: &str, text: &mut String) {
    text.push_str(&Json::from(content).to_string());
}

fn float(number: f64, text: &mut String) {
    if number.is_nan() {
        text.push_str("{\"$float\":\"nan\"}");
    } else if number.is_infinite() {
        text.push_str(if number > 0.0 {
            "{\"$float\":\"inf\"}"
        } else {
            "{\"$float\":\"-inf\"}"
        });
    } else {
        text.push_str(&Json::from(number).to_string());
    }
}

fn mapping(dict: &Dict, text: &mut String) {
    let plain = dict
        .keys()
        .all(|key| key.as_str().is_some_and(|name| !name.starts_with('$')));
    text.push_str(if plain { "{" } else { "{\"$dict\":[" });
    for (index, (key, item)) in dict.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        if plain {
            string(key.as_str().unwrap_or_default(), text);
            text.push(':');
            encode(item, text);
        } else {
            text.push('[');
            encode(&key.to_value(), text);
            text.push(',');
            encode(item, text);
            text.push(']');
        }
    }
    text.push_str(if plain { "}" } else { "]}" });
}

/// The value of a JSON document that the host has written.
pub(crate) fn decode(json: Json) -> Value {
    match json {
        Json::Array(items) => Value::List(items.into_iter().map(decode).collect()),
        Json::Object(members) => {
            if members.len() == 1
                && let Some((tag, content)) = members.iter().next()
                && let Some(value) = tagged(tag, content)
            {
                return value;
            }
            Value::Dict(
                members
                    .into_iter()
                    .map(|(name, item)| (name, decode(item)))
                    .collect(),
            )
        }
        scalar => Value::from(scalar),
    }
}

fn tagged(tag: &str, content: &Json) -> Option<Value> {
    match tag {
        "$bytes" => unhex(content.as_str()?).map(Value::Bytes),
        "$date" => content.as_str().map(|moment| Value::Date(moment.into())),
        "$float" => content.as_str()?.parse().ok().map(Value::Float),
        "$int" => {
            let digits = content.as_str()?;
            match digits.parse::<i128>() {
                Ok(number) => Some(Value::Int(number)),
                Err(_) => digits.parse().ok().map(Value::Float),
            }
        }
        "$dict" => {
            let mut dict = Dict::new();
            for pair in content.as_array()? {
                let key = decode(pair.get(0)?.clone());
                let name = shaketable_dialect::text::str(&key);
                let key = Key::try_from(key).unwrap_or(Key::Str(name));
                dict.0.insert(key, decode(pair.get(1)?.clone()));
            }
            Some(Value::Dict(dict))
        }
        _ => None,
    }
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
