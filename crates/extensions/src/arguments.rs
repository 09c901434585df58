//! Arguments of a function: what is declared, what is wrong with those given, and their values for the call.

use serde_json::{Map, Value};
use shaketable_document::closest;

/// An argument of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// What kind of value it takes.
    pub kind: ArgumentKind,
    /// Whether the function cannot do without it.
    pub required: bool,
    /// What it is when not given, as JSON; `null` for nothing.
    pub default: &'static str,
    /// What it is for.
    pub doc: &'static str,
}

/// What kind of value an argument takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentKind {
    /// Text.
    Text,
    /// A whole number, or text that is one.
    Integer,
    /// A list.
    List,
    /// A mapping.
    Map,
    /// `true` or `false`.
    Bool,
    /// Anything.
    Any,
}

impl Argument {
    pub(crate) const fn required(
        name: &'static str,
        kind: ArgumentKind,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            required: true,
            default: "null",
            doc,
        }
    }

    pub(crate) const fn optional(
        name: &'static str,
        kind: ArgumentKind,
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            required: false,
            default,
            doc,
        }
    }
}

impl ArgumentKind {
    /// What this kind of value is called in a message.
    pub fn label(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "a whole number",
            Self::List => "a list",
            Self::Map => "a mapping",
            Self::Bool => "true or false",
            Self::Any => "anything",
        }
    }

    fn takes(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Integer => integer(value).is_some(),
            Self::List => value.is_array(),
            Self::Map => value.is_object(),
            Self::Bool => value.is_boolean(),
            Self::Any => true,
        }
    }

    /// What was given instead. Texts are shown only where a number is wanted: others may be secrets.
    fn described(self, value: &Value) -> String {
        match value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::String(text) if self == Self::Integer => format!("the text {text:?}"),
            Value::String(_) => "text".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "a mapping".to_owned(),
        }
    }
}

/// Everything that is wrong with `given`. With `complete`, every placeholder has to be filled in by now.
pub(crate) fn problems(
    declared: &[Argument],
    given: &Map<String, Value>,
    complete: bool,
) -> Vec<String> {
    let mut problems = Vec::new();
    for argument in declared {
        let name = argument.name;
        let value = given.get(name);
        // Only what has no value when not given may be given without one.
        let absent = value.is_none_or(|value| value.is_null() && argument.default == "null");
        let open = value.and_then(Value::as_str).and_then(placeholder);
        match (value, open) {
            _ if absent && argument.required => {
                problems.push(format!("`{name}` is missing: {}", argument.doc));
            }
            (Some(_), Some(open)) if complete => problems.push(format!(
                "`{name}` still has the placeholder `{open}`: nothing has set it; declare it in the configuration, or \
                 see why the control that sets it did not"
            )),
            (Some(value), None) if !absent && !argument.kind.takes(value) => {
                problems.push(format!(
                    "`{name}` must be {}, not {}",
                    argument.kind.label(),
                    argument.kind.described(value)
                ));
            }
            _ => {}
        }
    }
    for name in given.keys() {
        let names = declared.iter().map(|argument| argument.name);
        if names.clone().any(|known| known == name) {
            continue;
        }
        problems.push(match closest(name, names.clone()) {
            Some(meant) => format!("there is no argument `{name}`; did you mean `{meant}`?"),
            None => format!(
                "there is no argument `{name}`; there are {}",
                names.collect::<Vec<_>>().join(", ")
            ),
        });
    }
    problems
}

/// The first `${name}` in a text.
fn placeholder(text: &str) -> Option<&str> {
    let start = text.find("${")?;
    let length = text[start..].find('}')?;
    Some(&text[start..=start + length])
}

/// A whole number, or a text that is one: what a placeholder is filled with may be either.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The arguments of one call: checked, and complete with defaults.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// Module and name of the function that is called.
    pub(crate) function: String,
    values: Map<String, Value>,
}

impl Arguments {
    /// Fills in the defaults. `given` has no [`problems`].
    pub(crate) fn new(function: String, declared: &[Argument], given: &Map<String, Value>) -> Self {
        let mut values = given.clone();
        for argument in declared {
            values.entry(argument.name).or_insert_with(|| {
                serde_json::from_str(argument.default).expect("a declared default is JSON")
            });
        }
        Self { function, values }
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.values[name].as_str().unwrap_or_default()
    }

    /// A text; nothing when neither given nor with a default.
    pub(crate) fn optional_text(&self, name: &str) -> Option<&str> {
        self.values[name].as_str()
    }

    /// Any value; nothing when neither given nor with a default.
    pub(crate) fn any(&self, name: &str) -> Option<&Value> {
        Some(&self.values[name]).filter(|value| !value.is_null())
    }

    /// A whole number; nothing when neither given nor with a default.
    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        integer(&self.values[name])
    }

    /// The elements of a list; nothing when neither given nor with a default.
    pub(crate) fn list(&self, name: &str) -> Option<&[Value]> {
        self.values[name].as_array().map(Vec::as_slice)
    }

    /// The entries of a mapping; nothing when not given.
    pub(crate) fn map(&self, name: &str) -> Option<&Map<String, Value>> {
        self.values[name].as_object()
    }
}
