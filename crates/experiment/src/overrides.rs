//! Overrides: values that the command line gives instead of the document's.

use std::collections::BTreeMap;

use serde_json::Value;
use shaketable_document::{Data, Diagnostics, Entry, Node, Source, Span, closest};
use thiserror::Error;

use crate::binding::relocate;

/// Values that the command line gives instead of the document's. Those of a later file go before
/// those of an earlier one, those of single variables before all files.
#[derive(Clone, Default)]
pub struct Overrides {
    configuration: BTreeMap<String, Node>,
    variables: BTreeMap<String, Node>,
    secrets: BTreeMap<String, Node>,
    environment: BTreeMap<String, String>,
}

/// What is wrong with an override.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OverrideError {
    /// It has no `=`.
    #[error("the variable `{0}` has no value: write name=value, or name:type=value")]
    NoValue(String),
    /// Its type is unknown.
    #[error("the variable `{name}` has an unknown type `{kind}`: {TYPES}")]
    UnknownType {
        /// The variable.
        name: String,
        /// The type.
        kind: String,
    },
    /// Its value is not of its type.
    #[error("the variable `{name}` is no {kind}: {reason}")]
    WrongType {
        /// The variable.
        name: String,
        /// The type.
        kind: String,
        /// What is wrong.
        reason: String,
    },
    /// A file is not what a file of variables has to be.
    #[error("the file of variables {name} cannot be used: {reason}")]
    File {
        /// The file.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

const TYPES: &str = "types are str, int, float, bytes, bool, json";

/// No place: what the command line gives stands in no document.
const NOWHERE: Span = Span { start: 0, end: 0 };

impl Overrides {
    /// Adds one variable of the configuration, as `name=value` or `name:type=value`.
    ///
    /// # Errors
    /// It has no value, no type that is known, or is not of that type.
    pub fn variable(&mut self, text: &str) -> Result<(), OverrideError> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| OverrideError::NoValue(text.to_owned()))?;
        let (name, kind) = name.split_once(':').unwrap_or((name, "str"));
        let name = name.trim();
        let value = converted(value, kind).map_err(|reason| match reason {
            None => OverrideError::UnknownType {
                name: name.to_owned(),
                kind: kind.to_owned(),
            },
            Some(reason) => OverrideError::WrongType {
                name: name.to_owned(),
                kind: kind.to_owned(),
                reason,
            },
        })?;
        self.variables
            .insert(name.to_owned(), node(&value, NOWHERE));
        Ok(())
    }

    /// Adds a file: a YAML or JSON document with `configuration` and `secrets`, by the end of its
    /// name; any other one has a `NAME=value` of the environment on each line.
    ///
    /// # Errors
    /// The file is no such document, or has a line that is none of these.
    pub fn file(&mut self, source: &Source) -> Result<(), OverrideError> {
        let wrong = |reason: String| OverrideError::File {
            name: source.name.clone(),
            reason,
        };
        let is_document = [".json", ".yaml", ".yml"]
            .iter()
            .any(|end| source.name.ends_with(end));
        if !is_document {
            for (index, line) in source.text.lines().enumerate() {
                let line = line.trim();
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let line = line.strip_prefix("export ").unwrap_or(line);
                let (name, value) = line
                    .split_once('=')
                    .ok_or_else(|| wrong(format!("line {} is no NAME=value", index + 1)))?;
                self.environment
                    .insert(name.trim().to_owned(), unquoted(value.trim()).to_owned());
            }
            return Ok(());
        }
        let root = shaketable_document::parse(source).map_err(|error| wrong(error.to_string()))?;
        for entry in root.entries() {
            let into = match entry.key.as_str() {
                "configuration" => &mut self.configuration,
                "secrets" => &mut self.secrets,
                other => {
                    return Err(wrong(format!(
                        "it has a key `{other}`; known keys: configuration, secrets"
                    )));
                }
            };
            for entry in entry.value.entries() {
                let mut value = entry.value.clone();
                relocate(&mut value, NOWHERE);
                into.insert(entry.key.clone(), value);
            }
        }
        Ok(())
    }

    /// A variable of the environment that a file gives.
    pub(crate) fn environment(&self, name: &str) -> Option<String> {
        self.environment.get(name).cloned()
    }

    /// Puts the values into a document; one that the document does not declare is an error.
    pub(crate) fn apply(&self, root: &mut Node, diagnostics: &mut Diagnostics) {
        let configuration = self.configuration.iter().chain(&self.variables);
        replace(root, "configuration", configuration, diagnostics);
        replace(root, "secrets", self.secrets.iter(), diagnostics);
    }
}

fn replace<'a>(
    root: &mut Node,
    section: &str,
    values: impl Iterator<Item = (&'a String, &'a Node)>,
    diagnostics: &mut Diagnostics,
) {
    let mut at = Span {
        start: root.span.start,
        end: root.span.start,
    };
    let mut none = Vec::new();
    let mut declared = &mut none;
    if let Data::Map(entries) = &mut root.data
        && let Some(entry) = entries.iter_mut().find(|entry| entry.key == section)
    {
        at = entry.key_span;
        if let Data::Map(entries) = &mut entry.value.data {
            declared = entries;
        }
    }
    for (name, value) in values {
        if let Some(entry) = declared.iter_mut().find(|entry| entry.key == *name) {
            let at = entry.value.span;
            entry.value = value.clone();
            relocate(&mut entry.value, at);
            continue;
        }
        let help = match closest(name, declared.iter().map(|entry| entry.key.as_str())) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("declare `{name}` under `{section}`, with any value"),
        };
        diagnostics
            .error(
                at,
                format!("the command line gives `{name}` a value, and `{section}` has no `{name}`"),
            )
            .help(help);
    }
}

/// A text as a value of a type of the Chaos Toolkit's.
///
/// # Errors
/// What is wrong with it; `None` if the type is unknown.
pub(crate) fn converted(text: &str, kind: &str) -> Result<Value, Option<String>> {
    let wrong = |error: &dyn std::fmt::Display| Some(error.to_string());
    match kind {
        "str" | "bytes" => Ok(Value::String(text.to_owned())),
        "int" | "integer" => {
            let number: Result<i64, _> = text.trim().parse();
            number.map(Value::from).map_err(|error| wrong(&error))
        }
        "float" | "number" => {
            let number: Result<f64, _> = text.trim().parse();
            number.map(Value::from).map_err(|error| wrong(&error))
        }
        "bool" => Ok(Value::Bool(
            !["false", "0", "no"].contains(&text.to_lowercase().as_str()),
        )),
        "json" => serde_json::from_str(text).map_err(|error| wrong(&error)),
        _ => Err(None),
    }
}

/// A value as a node, all of it at one place.
pub(crate) fn node(value: &Value, span: Span) -> Node {
    let data = match value {
        Value::Null => Data::Null,
        Value::Bool(truth) => Data::Bool(*truth),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Data::Int(whole),
            None => Data::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Data::Text(text.clone()),
        Value::Array(items) => Data::List(items.iter().map(|item| node(item, span)).collect()),
        Value::Object(entries) => Data::Map(
            entries
                .iter()
                .map(|(key, value)| Entry {
                    key: key.clone(),
                    key_span: span,
                    value: node(value, span),
                })
                .collect(),
        ),
    };
    Node { span, data }
}

fn unquoted(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = text
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
        {
            return inner;
        }
    }
    text
}
