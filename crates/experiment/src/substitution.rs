//! Substitution: the configuration's values, and `${name}` in every text.
//!
//! The grammar is the Chaos Toolkit's: `${name}` and `$name` are replaced, `$$` is a dollar sign, a
//! text that is nothing but a variable takes over the value's type, keys are left as they are. One
//! deviation: an unknown `${name}` is an error here and was left in place there.

use std::collections::BTreeMap;

use shaketable_document::{Data, Diagnostics, Node, closest};

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

/// Replaces the variables in every text below `root`, but in the configuration itself and in keys
/// that mean nothing.
pub(crate) fn substitute(
    root: &mut Node,
    configuration: &Configuration,
    diagnostics: &mut Diagnostics,
) {
    let Data::Map(entries) = &mut root.data else {
        return;
    };
    for entry in entries {
        if entry.key != "configuration" && !entry.key.starts_with("x-") {
            replace_all(&mut entry.value, configuration, diagnostics);
        }
    }
}

fn replace_all(node: &mut Node, configuration: &Configuration, diagnostics: &mut Diagnostics) {
    match &mut node.data {
        Data::List(items) => {
            for item in items {
                replace_all(item, configuration, diagnostics);
            }
        }
        Data::Map(entries) => {
            for entry in entries {
                replace_all(&mut entry.value, configuration, diagnostics);
            }
        }
        Data::Text(text) if text.contains('$') => match replaced(text, configuration) {
            Ok(data) => node.data = data,
            Err(Some((message, help))) => {
                diagnostics.error(node.span, message).help(help);
            }
            Err(None) => {}
        },
        _ => {}
    }
}

/// What is wrong with a text and what to do; `None` if it has been reported elsewhere.
type Unresolved = Option<(String, String)>;

fn replaced(text: &str, configuration: &Configuration) -> Result<Data, Unresolved> {
    if let Some(name) = whole_variable(text) {
        return Ok(lookup(name, configuration)?.data.clone());
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
            let value = lookup(name, configuration)?;
            result.push_str(&value.scalar_text().unwrap_or_default());
            rest = after;
        } else {
            let name = &rest[..identifier_length(rest)];
            match configuration.get(name) {
                Some(Some(value)) => result.push_str(&value.scalar_text().unwrap_or_default()),
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

fn whole_variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    (identifier_length(name) == name.len()).then_some(name)
}

fn lookup<'c>(name: &str, configuration: &'c Configuration) -> Result<&'c Node, Unresolved> {
    match configuration.get(name) {
        Some(Some(value)) => Ok(value),
        Some(None) => Err(None),
        None => {
            let help = match closest(name, configuration.keys().map(String::as_str)) {
                Some(meant) => format!("did you mean `${{{meant}}}`?"),
                None => format!("give `{name}` a value under `configuration`"),
            };
            Err(Some((format!("unknown variable `${{{name}}}`"), help)))
        }
    }
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
