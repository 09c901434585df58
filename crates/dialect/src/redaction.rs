//! Secret values, kept out of everything that is written.
//!
//! Promise: once a value has been added, no text that went through [`Redaction::text`],
//! [`Redaction::value`] or [`Redaction::json`] contains it, neither as it is nor as Python, JSON, a URL
//! or Base64 would write it. Whoever writes a log, a journal, an event or a report calls these.
//!
//! Texts of fewer than [`SHORTEST`] characters, and numbers of fewer than [`SHORTEST_NUMBER`] (ports and
//! years, for instance), are left alone: they would tear holes into every text.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value as Json;

use crate::{Dict, Value, json, text};

/// Shortest secret that is hidden, in bytes.
const SHORTEST: usize = 4;

/// Shortest number that is hidden, in characters.
const SHORTEST_NUMBER: usize = 6;

/// What stands where a secret stood.
pub const HIDDEN: &str = "********";

/// The secrets of a run. Clones share what they know.
#[derive(Clone, Default)]
pub struct Redaction {
    /// Longest first, so that a secret within a secret does not leave the rest of the longer one.
    texts: Arc<RwLock<Vec<String>>>,
}

impl std::fmt::Debug for Redaction {
    /// Without the secrets.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Redaction(…)")
    }
}

impl Redaction {
    /// Adds every text and every number in a value.
    pub fn add(&self, value: &Value) {
        match value {
            Value::Str(secret) => self.add_text(secret),
            Value::Bytes(secret) => self.add_text(&String::from_utf8_lossy(secret)),
            Value::List(items) => items.iter().for_each(|item| self.add(item)),
            Value::Dict(dict) => dict.values().for_each(|value| self.add(value)),
            Value::Int(_) | Value::Float(_) => {
                let number = text::repr(value);
                if number.len() >= SHORTEST_NUMBER {
                    self.add_text(&number);
                }
            }
            _ => {}
        }
    }

    /// Adds a secret text.
    pub fn add_text(&self, secret: &str) {
        let secret = secret.trim();
        if secret.len() < SHORTEST {
            return;
        }
        let mut texts = self.texts.write().unwrap_or_else(PoisonError::into_inner);
        for form in forms(secret) {
            if !texts.contains(&form) {
                texts.push(form);
            }
        }
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    }

    /// A text without the secrets.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let secrets = self.texts.read().unwrap_or_else(PoisonError::into_inner);
        let mut text = Cow::Borrowed(text);
        for secret in secrets.iter() {
            if text.contains(secret.as_str()) {
                text = Cow::Owned(text.replace(secret.as_str(), HIDDEN));
            }
        }
        text
    }

    /// A value without the secrets: in its texts and in the keys of its mappings.
    pub fn value(&self, value: &Value) -> Value {
        if self.is_empty() {
            return value.clone();
        }
        self.redacted(value)
    }

    /// The same for JSON.
    pub fn json(&self, value: &Json) -> Json {
        if self.is_empty() {
            return value.clone();
        }
        self.redacted_json(value)
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.texts
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    fn redacted(&self, value: &Value) -> Value {
        match value {
            Value::Str(text) => Value::Str(self.text(text).into_owned()),
            Value::List(items) => {
                Value::List(items.iter().map(|item| self.redacted(item)).collect())
            }
            Value::Dict(dict) => Value::Dict(
                dict.iter()
                    .map(|(key, value)| {
                        let key = match key.as_str() {
                            Some(name) => self.text(name).into_owned().into(),
                            None => key.clone(),
                        };
                        (key, self.redacted(value))
                    })
                    .collect::<Dict>(),
            ),
            Value::Int(_) | Value::Float(_) if self.is_secret(&text::repr(value)) => HIDDEN.into(),
            _ => value.clone(),
        }
    }

    fn redacted_json(&self, value: &Json) -> Json {
        match value {
            Json::String(text) => Json::String(self.text(text).into_owned()),
            Json::Array(items) => items.iter().map(|item| self.redacted_json(item)).collect(),
            Json::Object(members) => members
                .iter()
                .map(|(key, value)| (self.text(key).into_owned(), self.redacted_json(value)))
                .collect(),
            Json::Number(number) if self.is_secret(&number.to_string()) => HIDDEN.into(),
            _ => value.clone(),
        }
    }

    fn is_secret(&self, number: &str) -> bool {
        let secrets = self.texts.read().unwrap_or_else(PoisonError::into_inner);
        secrets.iter().any(|secret| secret == number)
    }
}

/// A secret as it is and as others write it.
fn forms(secret: &str) -> BTreeSet<String> {
    let whole = Value::from(secret);
    let mut quoted = vec![text::repr(&whole), whole.to_json().to_string()];
    quoted.extend(json::dump_ascii(&whole));
    let inner = quoted
        .iter()
        .map(|quoted| quoted[1..quoted.len() - 1].to_owned());
    let urls = ["_.-~", "_.-~/", "*-._"].into_iter().flat_map(|plain| {
        let upper = percent_encoded(secret, plain, "0123456789ABCDEF");
        let lower = percent_encoded(secret, plain, "0123456789abcdef");
        [upper.replace("%20", "+"), upper, lower]
    });
    let base64 = (0..3).flat_map(|before| base64_at(secret, before));
    let mut forms: BTreeSet<String> = inner.chain(urls).chain(base64).collect();
    forms.retain(|form| form.len() >= SHORTEST);
    forms.insert(secret.to_owned());
    forms
}

/// The text with everything but letters, digits and `plain` as `%XX`, in these hexadecimal digits.
fn percent_encoded(text: &str, plain: &str, digits: &str) -> String {
    let digit = |value: u8| char::from(digits.as_bytes()[usize::from(value)]);
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.as_bytes().contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    encoded
}

/// What of a text in Base64 comes from the secret alone when `before` bytes stand before it: the
/// characters in between those it shares with its neighbours.
fn base64_at(secret: &str, before: usize) -> [String; 2] {
    let mut bytes = vec![0; before];
    bytes.extend(secret.as_bytes());
    let shared = (before * 8).div_ceil(6);
    let own = bytes.len() * 8 / 6;
    [
        STANDARD_NO_PAD.encode(&bytes),
        URL_SAFE_NO_PAD.encode(&bytes),
    ]
    .map(|encoded| encoded[shared..own].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_writing_a_secret_is_hidden() {
        let secret = "P/w \"ö'1&x";
        let redaction = Redaction::default();
        redaction.add_text(secret);
        let whole = Value::from(secret);
        for text in [
            secret.to_owned(),
            text::repr(&whole),
            whole.to_json().to_string(),
            json::dump_ascii(&whole).unwrap(),
            "https://x/?p=P%2Fw%20%22%C3%B6%271%26x".to_owned(),
            "https://x/?p=P%2fw%20%22%c3%b6%271%26x".to_owned(),
            "p=P%2Fw+%22%C3%B6%271%26x".to_owned(),
        ] {
            let hidden = redaction.text(&text);
            assert!(hidden.contains(HIDDEN), "{text}: {hidden}");
        }
        assert_eq!(redaction.text("P/w is free"), "P/w is free");
    }

    #[test]
    fn a_secret_within_base64_is_hidden_wherever_it_begins() {
        let redaction = Redaction::default();
        redaction.add_text("hunter2hunter");
        for user in ["", "a", "ab", "abc", "root:"] {
            let encoded = STANDARD_NO_PAD.encode(format!("{user}hunter2hunter;"));
            let hidden = redaction.text(&encoded).into_owned();
            assert!(hidden.contains(HIDDEN), "{user}: {hidden}");
        }
    }

    #[test]
    fn keys_and_nested_values_of_json_are_redacted_and_short_ones_are_not() {
        let redaction = Redaction::default();
        redaction.add(&Value::from(
            serde_json::json!({"a": ["abcd", "xyz", 12345, 471_122]}),
        ));
        let written = serde_json::json!({"abcd": ["-abcd-", "xyz", 12345, 471_122, "n471122"]});
        let hidden =
            serde_json::json!({"********": ["-********-", "xyz", 12345, HIDDEN, "n********"]});
        assert_eq!(redaction.json(&written), hidden);
        assert_eq!(redaction.value(&Value::from(written)), Value::from(hidden));
    }
}
