//! Late values: configuration that controls set while the experiment runs.
//!
//! A native control declares which values it sets. In the arguments of native functions, in the
//! activities after the control's own, `${name}` of such a value stays as it is and is filled in
//! right before the call, also when the configuration has a value of that name. Anywhere else the
//! configuration's value counts; without one it is an error.

use std::collections::BTreeMap;

use serde_json::Value;
use shaketable_document::Node;

use crate::{Catalogue, FunctionCall};

/// Names that the document's controls set, each with the control's module.
pub(crate) type Late = BTreeMap<String, String>;

/// The late values of a document.
pub(crate) fn variables(root: &Node, catalogue: &Catalogue) -> Late {
    ["method", "rollbacks"]
        .into_iter()
        .filter_map(|section| root.get(section))
        .flat_map(Node::items)
        .flat_map(|activity| set_by(activity, catalogue))
        .collect()
}

/// The late values that the controls of one activity set.
pub(crate) fn set_by(activity: &Node, catalogue: &Catalogue) -> Late {
    let mut late = Late::new();
    for control in activity.get("controls").map_or(&[][..], Node::items) {
        let module = control
            .get("provider")
            .and_then(|provider| provider.get("module"))
            .and_then(Node::as_text);
        let declared = catalogue
            .controls
            .iter()
            .find(|(known, _)| Some(*known) == module);
        if let Some((module, sets)) = declared {
            let names = sets.iter();
            late.extend(names.map(|name| ((*name).to_owned(), (*module).to_owned())));
        }
    }
    late
}

impl FunctionCall {
    /// The arguments with the values that controls have set by now. A text that is nothing but a
    /// variable takes over the value's type.
    ///
    /// # Errors
    /// In words, which value has not been set, and by which control it would have been.
    pub fn filled_in(
        &self,
        values: &BTreeMap<String, Value>,
    ) -> Result<serde_json::Map<String, Value>, String> {
        self.arguments
            .iter()
            .map(|(name, argument)| Ok((name.clone(), self.filled(argument, values)?)))
            .collect()
    }

    /// The control of the first value that is used and not set yet.
    pub fn waits_for(&self, values: &BTreeMap<String, Value>) -> Option<String> {
        let used = |name: &str| {
            let variable = format!("${{{name}}}");
            self.arguments
                .values()
                .any(|argument| uses(argument, &variable))
        };
        let mut unset = self
            .late
            .iter()
            .filter(|(name, _)| !values.contains_key(*name) && used(name));
        unset.next().map(|(_, control)| control.clone())
    }

    fn filled(&self, argument: &Value, values: &BTreeMap<String, Value>) -> Result<Value, String> {
        Ok(match argument {
            Value::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| self.filled(item, values))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), self.filled(value, values)?)))
                    .collect::<Result<_, String>>()?,
            ),
            Value::String(text) => {
                let mut text = text.clone();
                for (name, control) in &self.late {
                    let variable = format!("${{{name}}}");
                    if !text.contains(&variable) {
                        continue;
                    }
                    let value = values.get(name).ok_or_else(|| {
                        format!("`{variable}` has no value: the control {control} did not set it")
                    })?;
                    if text == variable {
                        return Ok(value.clone());
                    }
                    let shown = value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned);
                    text = text.replace(&variable, &shown);
                }
                Value::String(text)
            }
            other => other.clone(),
        })
    }
}

fn uses(argument: &Value, variable: &str) -> bool {
    match argument {
        Value::Array(items) => items.iter().any(|item| uses(item, variable)),
        Value::Object(entries) => entries.values().any(|value| uses(value, variable)),
        Value::String(text) => text.contains(variable),
        _ => false,
    }
}
