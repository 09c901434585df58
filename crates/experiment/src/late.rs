//! Late values: configuration that controls set while the experiment runs.
//!
//! A native control declares which values it sets. `${name}` of such a value stays as it is in the
//! arguments of functions, and is filled in right before the call; anywhere else it is an error.

use std::collections::BTreeMap;

use serde_json::Value;
use shaketable_document::Node;

use crate::{Catalogue, FunctionCall};

/// Names that the document's controls set, each with the control's module.
pub(crate) type Late = BTreeMap<String, String>;

/// The late values of a document.
pub(crate) fn variables(root: &Node, catalogue: &Catalogue) -> Late {
    let mut late = Late::new();
    for section in ["method", "rollbacks"] {
        let activities = root.get(section).map_or(&[][..], Node::items);
        for control in activities
            .iter()
            .filter_map(|activity| activity.get("controls"))
            .flat_map(Node::items)
        {
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
