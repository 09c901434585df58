//! Substitution: the configuration's values, and `${name}` in every text.
//!
//! The grammar is the Chaos Toolkit's: `${name}` and `$name` are replaced, `$$` is a dollar sign, a
//! text that is nothing but a variable takes over the value's type, keys are left as they are. One
//! deviation: an unknown `${name}` is an error here and was left in place there.

use std::collections::BTreeMap;

use shaketable_document::{Data, Diagnostics, Node, closest};

use crate::Catalogue;
use crate::late::{self, Late};

/// A text that is nothing but a variable.
pub(crate) const VARIABLE_PATTERN: &str = r"^\$\{[_a-zA-Z][_a-zA-Z0-9]*\}$";

/// The configuration: name to value. A value is `None` when it could not be found, which has been
/// reported.
pub(crate) type Configuration = BTreeMap<String, Option<Node>>;

/// Finds the configuration's values; reports variables of the environment that are missing.
pub(crate) fn resolve(
    root: &Node,
    environment: &dyn Fn(&str) -> Option<String>,
    diagnostics: &mut Diagnostics,
) -> Configuration {
    let mut configuration = Configuration::new();
    let entries = root.get("configuration").map_or(&[][..], Node::entries);
    for entry in entries {
        let node = &entry.value;
        let value = match &node.data {
            Data::Map(_) => match node.get("key").and_then(Node::as_text) {
                Some(key) => from_environment(node, key, environment, diagnostics),
                None => None,
            },
            Data::List(_) => Some(node.clone()),
            _ => node.scalar_text().is_some().then(|| node.clone()),
        };
        configuration.insert(entry.key.clone(), value);
    }
    configuration
}

fn from_environment(
    node: &Node,
    key: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    diagnostics: &mut Diagnostics,
) -> Option<Node> {
    if let Some(text) = environment(key) {
        let data = Data::Text(text);
        let span = node.span;
        return Some(Node { span, data });
    }
    if let Some(default) = node.get("default") {
        return default.scalar_text().is_some().then(|| default.clone());
    }
    let at = node.get("key").map_or(node.span, |key| key.span);
    diagnostics
        .error(at, format!("the environment variable `{key}` is not set"))
        .help("set it, or give a `default`");
    None
}

/// Replaces the variables in every text below `root`, but in the configuration itself, in bindings
/// (which are filled in where they are used), and in keys that mean nothing. Late values stay as
/// they are in the arguments of functions, after the activity whose control sets them.
pub(crate) fn substitute(
    root: &mut Node,
    configuration: &Configuration,
    catalogue: &Catalogue,
    diagnostics: &mut Diagnostics,
) {
    let late = late::variables(root, catalogue);
    let by_method = root.get("method").map_or(&[][..], Node::items).iter();
    let by_method: Late = by_method
        .flat_map(|activity| late::set_by(activity, catalogue))
        .collect();
    let Data::Map(entries) = &mut root.data else {
        return;
    };
    for entry in entries {
        let mut replacement = Replacement {
            configuration,
            late: &late,
            set: Late::new(),
            keeps_late: false,
            diagnostics,
        };
        match entry.key.as_str() {
            "configuration" | "bindings" => {}
            key if key.starts_with("x-") => {}
            "method" => replacement.activities(&mut entry.value, Late::new(), catalogue),
            "rollbacks" => replacement.activities(&mut entry.value, by_method.clone(), catalogue),
            _ => replacement.node(&mut entry.value),
        }
    }
}

/// Replaces the variables in every text below `node`, where there are no late values.
pub(crate) fn replace_all(
    node: &mut Node,
    configuration: &Configuration,
    diagnostics: &mut Diagnostics,
) {
    Replacement {
        configuration,
        late: &Late::new(),
        set: Late::new(),
        keeps_late: false,
        diagnostics,
    }
    .node(node);
}

struct Replacement<'a> {
    configuration: &'a Configuration,
    /// All late values of the document.
    late: &'a Late,
    /// Those that controls of earlier activities set.
    set: Late,
    /// Whether those are kept here: in the arguments of functions.
    keeps_late: bool,
    diagnostics: &'a mut Diagnostics,
}

impl Replacement<'_> {
    /// Activities that are carried out one after another, behind others whose controls set `set`.
    fn activities(&mut self, node: &mut Node, mut set: Late, catalogue: &Catalogue) {
        let Data::List(activities) = &mut node.data else {
            return self.node(node);
        };
        for activity in activities {
            // What its own controls set has no value while it is carried out.
            let own = late::set_by(activity, catalogue);
            self.set = set.clone();
            self.set.retain(|name, _| !own.contains_key(name));
            self.node(activity);
            set.extend(own);
        }
    }

    fn node(&mut self, node: &mut Node) {
        let is_function = ["python", "kafka"]
            .contains(&node.get("type").and_then(Node::as_text).unwrap_or_default());
        match &mut node.data {
            Data::List(items) => items.iter_mut().for_each(|item| self.node(item)),
            Data::Map(entries) => {
                for entry in entries {
                    let outer = self.keeps_late;
                    self.keeps_late |= is_function && entry.key == "arguments";
                    self.node(&mut entry.value);
                    self.keeps_late = outer;
                }
            }
            Data::Text(text) if text.contains('$') => match self.replaced(text) {
                Ok(data) => node.data = data,
                Err(Some((message, help))) => {
                    self.diagnostics.error(node.span, message).help(help);
                }
                Err(None) => {}
            },
            _ => {}
        }
    }

    fn replaced(&self, text: &str) -> Result<Data, Unresolved> {
        if let Some(name) = whole_variable(text) {
            return Ok(match self.lookup(name)? {
                Some(node) => node.data.clone(),
                None => Data::Text(text.to_owned()),
            });
        }
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            result.push_str(&rest[..dollar]);
            rest = &rest[dollar + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                result.push('$');
                rest = after;
            } else if let Some(after) = rest.strip_prefix('{') {
                let Some((name, after)) = after.split_once('}') else {
                    return Err(Some((
                        "`${` without a `}`".to_owned(),
                        "write `$${` for the characters themselves".to_owned(),
                    )));
                };
                match self.lookup(name)? {
                    Some(value) => result.push_str(&in_text(value)),
                    None => result.push_str(&format!("${{{name}}}")),
                }
                rest = after;
            } else {
                let name = &rest[..identifier_length(rest)];
                match self.configuration.get(name) {
                    _ if self.keeps(name) => result.push_str(&format!("${{{name}}}")),
                    Some(Some(value)) => result.push_str(&in_text(value)),
                    _ => {
                        result.push('$');
                        result.push_str(name);
                    }
                }
                rest = &rest[name.len()..];
            }
        }
        result.push_str(rest);
        Ok(Data::Text(result))
    }

    /// Whether the name is a late value that stays here. It goes before the configuration's, which
    /// is what its control is there to replace.
    fn keeps(&self, name: &str) -> bool {
        self.keeps_late && self.set.contains_key(name)
    }

    /// The value of a variable; `None` if it is a late one that stays.
    fn lookup(&self, name: &str) -> Result<Option<&Node>, Unresolved> {
        if self.keeps(name) {
            return Ok(None);
        }
        if let Some(value) = self.configuration.get(name) {
            return value.as_ref().map(Some).ok_or(None);
        }
        if let Some(control) = self.late.get(name) {
            return Err(Some((
                format!("`${{{name}}}` has no value before the method is carried out"),
                format!(
                    "the control {control} sets it; only arguments of functions can use it, in \
                     activities after the control's own"
                ),
            )));
        }
        let help = match closest(name, self.configuration.keys().map(String::as_str)) {
            Some(meant) => format!("did you mean `${{{meant}}}`?"),
            None => format!("give `{name}` a value under `configuration`"),
        };
        Err(Some((format!("unknown variable `${{{name}}}`"), help)))
    }
}

/// A value as part of a longer text; a list as JSON.
fn in_text(value: &Node) -> String {
    value
        .scalar_text()
        .unwrap_or_else(|| value.to_json().to_string())
}

/// What is wrong with a text and what to do; `None` if it has been reported elsewhere.
type Unresolved = Option<(String, String)>;

fn whole_variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    (identifier_length(name) == name.len()).then_some(name)
}

/// Length of the variable name that `text` begins with, 0 if it begins with none.
fn identifier_length(text: &str) -> usize {
    let letter = |c: char| c == '_' || c.is_ascii_alphabetic();
    if !text.starts_with(letter) {
        return 0;
    }
    text.find(|c: char| !letter(c) && !c.is_ascii_digit())
        .unwrap_or(text.len())
}
