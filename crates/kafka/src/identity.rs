//! The identity of a message: what tells one from every other, wherever it shows up.
//!
//! An identity is taken from a JSON value by a path such as `$.id`, and is text: `4711` and `"4711"` are the same.

use serde_json::Value;
use serde_json_path::JsonPath;

/// The identity in a message's bytes, or nothing when the bytes are no JSON, or the path finds no value, several, or
/// one that is neither a string nor an integer.
pub fn at(path: &JsonPath, bytes: &[u8]) -> Option<String> {
    let message: Value = serde_json::from_slice(bytes).ok()?;
    match path.query(&message).exactly_one().ok()? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}
