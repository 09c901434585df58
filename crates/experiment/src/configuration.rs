//! The configuration and the secrets of a document: which values are known when it is read, and
//! which are found out before the run.

use std::collections::{BTreeMap, BTreeSet};

use shaketable_document::{Data, Diagnostics, Node};

use crate::overrides::{self, converted};
use crate::plan::Found;

/// The configuration: name to value. A value is `None` when it could not be found, which has been
/// reported.
pub(crate) type Configuration = BTreeMap<String, Option<Node>>;

/// The names of a document's variables, as far as they do not depend on what activities do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values {
    /// What is known.
    pub(crate) known: Configuration,
    /// What is found out before the run.
    pub(crate) pending: BTreeSet<String>,
    /// What should have been found out and was not.
    pub(crate) missing: BTreeSet<String>,
    /// Whether a group of secrets has names that only its source knows.
    pub(crate) has_open_group: bool,
}

/// Types of a configuration's value that say where it comes from.
const SOURCES: [&str; 4] = ["env", "probe", "file", "vault"];

/// Where a value comes from: the `type` of its definition. `None` if it stands there itself.
pub(crate) fn source_of(definition: &Node) -> Option<&str> {
    let kind = definition.get("type")?.as_text()?;
    SOURCES.contains(&kind).then_some(kind)
}

/// Finds the values that are known; reports variables of the environment that are missing.
pub(crate) fn values(
    root: &Node,
    environment: &dyn Fn(&str) -> Option<String>,
    diagnostics: &mut Diagnostics,
) -> Values {
    let mut values = Values::default();
    for entry in root.get("configuration").map_or(&[][..], Node::entries) {
        let definition = &entry.value;
        let value = match source_of(definition) {
            None => Some(definition.clone()),
            Some("env") => from_environment(definition, environment, diagnostics),
            Some(_) => {
                values.pending.insert(entry.key.clone());
                continue;
            }
        };
        values.known.insert(entry.key.clone(), value);
    }
    for group in root.get("secrets").map_or(&[][..], Node::entries) {
        if source_of(&group.value).is_some() {
            values.has_open_group = true;
            continue;
        }
        let names = group.value.entries().iter().map(|entry| entry.key.clone());
        let unknown = names.filter(|name| !values.known.contains_key(name));
        values.pending.extend(unknown.collect::<Vec<_>>());
    }
    values
}

impl Values {
    /// These values with what was found out. The configuration goes before secrets, an earlier group
    /// before a later one.
    pub(crate) fn with(&self, found: &Found, root: &Node) -> Values {
        let mut values = self.clone();
        let at = |section: &str, name: &str| {
            let entry = root.get(section).and_then(|section| section.entry(name));
            entry.map_or(root.span, |entry| entry.value.span)
        };
        for (name, value) in &found.configuration {
            if values.pending.remove(name) {
                let node = overrides::node(value, at("configuration", name));
                values.known.insert(name.clone(), Some(node));
            }
        }
        for (group, secrets) in &found.secrets {
            for (name, value) in secrets {
                if !values.known.contains_key(name) {
                    values.pending.remove(name);
                    let node = overrides::node(value, at("secrets", group));
                    values.known.insert(name.clone(), Some(node));
                }
            }
        }
        values.missing = std::mem::take(&mut values.pending);
        values.has_open_group = false;
        values
    }

    /// Whether a name may get its value before the run.
    pub(crate) fn waits_for(&self, name: &str) -> bool {
        self.pending.contains(name) || (self.has_open_group && !self.known.contains_key(name))
    }

    /// Whether nothing has to be found out any more.
    pub(crate) fn is_complete(&self) -> bool {
        self.pending.is_empty() && !self.has_open_group
    }
}

/// The value of a variable of the environment, of the type that is wanted; reports what is wrong.
pub(crate) fn from_environment(
    definition: &Node,
    environment: &dyn Fn(&str) -> Option<String>,
    diagnostics: &mut Diagnostics,
) -> Option<Node> {
    let key_node = definition.get("key")?;
    let key = key_node.as_text()?;
    let Some(text) = environment(key) else {
        if let Some(default) = definition.get("default") {
            return Some(default.clone());
        }
        diagnostics
            .error(
                key_node.span,
                format!("the environment variable `{key}` is not set"),
            )
            .help("set it, or give a `default`");
        return None;
    };
    let kind = definition.get("env_var_type").and_then(Node::as_text);
    let Some(kind) = kind else {
        let data = Data::Text(text);
        let span = definition.span;
        return Some(Node { span, data });
    };
    match converted(&text, kind) {
        Ok(value) => Some(overrides::node(&value, definition.span)),
        Err(reason) => {
            if let Some(reason) = reason {
                diagnostics
                    .error(
                        key_node.span,
                        format!("the environment variable `{key}` is no {kind}: {reason}"),
                    )
                    .help("set it to such a value, or change `env_var_type`");
            }
            None
        }
    }
}
