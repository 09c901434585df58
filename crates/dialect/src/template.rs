//! Substitution of `${name}`, as the reference's `substitute` does it on top of Python's `string.Template`.
//!
//! Invariants:
//! 1. A text that is one `${name}` and nothing else becomes the value itself, whatever its type; everywhere
//!    else, also for `$name`, the value's `str()` is put in.
//! 2. An unknown name stays as written; `$$` becomes `$`; a lone `$` stays.
//! 3. Configuration wins over secrets; secrets are searched group by group, in order. What is put in is not
//!    searched again. Keys of mappings are never touched.
//! 4. Falsy data comes back as it is, without a look at configuration and secrets.

use crate::raised::Raised;
use crate::text;
use crate::value::{Dict, Key, Value};

/// Puts configuration and secrets into data. `secrets` holds groups, and each group holds the names.
///
/// # Errors
/// `TypeError` when a name is looked for in a group of secrets that is no mapping.
pub fn substitute(data: &Value, configuration: &Dict, secrets: &Dict) -> Result<Value, Raised> {
    let names = Names {
        configuration,
        secrets,
    };
    names.fill(data)
}

/// Where names are looked up.
struct Names<'a> {
    configuration: &'a Dict,
    secrets: &'a Dict,
}

impl Names<'_> {
    fn fill(&self, data: &Value) -> Result<Value, Raised> {
        match data {
            Value::Str(text) => self.fill_text(text),
            Value::List(items) => items
                .iter()
                .map(|item| self.fill(item))
                .collect::<Result<_, _>>()
                .map(Value::List),
            Value::Dict(dict) => dict
                .iter()
                .map(|(key, value)| Ok((key.clone(), self.fill(value)?)))
                .collect::<Result<_, _>>()
                .map(Value::Dict),
            _ => Ok(data.clone()),
        }
    }

    fn fill_text(&self, template: &str) -> Result<Value, Raised> {
        if let Some((part, "")) = Part::first(template).filter(|_| template.starts_with('$')) {
            // The reference asks for the name in braces. A text that is one part without braces has none,
            // and so it asks for `None`, which a mapping may well hold.
            let key = match part {
                Part::Name { name, braces: true } => Key::from(name),
                _ => Key::None,
            };
            if let Some(value) = self.find(&key)? {
                return Ok(value.clone());
            }
        }
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(dollar) = rest.find('$') {
            let (before, from) = rest.split_at(dollar);
            out.push_str(before);
            let Some((part, after)) = Part::first(from) else {
                break;
            };
            match part {
                Part::Dollar => out.push('$'),
                Part::Name { name, .. } => match self.find(&Key::from(name))? {
                    Some(value) => out.push_str(&text::str(value)),
                    None => out.push_str(&from[..from.len() - after.len()]),
                },
            }
            rest = after;
        }
        out.push_str(rest);
        Ok(Value::Str(out))
    }

    fn find(&self, key: &Key) -> Result<Option<&Value>, Raised> {
        if let Some(value) = self.configuration.0.get(key) {
            return Ok(Some(value));
        }
        for group in self.secrets.values() {
            let Value::Dict(group) = group else {
                return Err(not_a_mapping(group, key));
            };
            if let Some(value) = group.0.get(key) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

/// What a dollar sign starts.
enum Part<'a> {
    /// `$$`, or a `$` that starts nothing: a dollar sign.
    Dollar,
    /// `$name` or `${name}`.
    Name {
        /// The name.
        name: &'a str,
        /// Whether it stands in braces.
        braces: bool,
    },
}

impl<'a> Part<'a> {
    /// The part at the beginning of a text, and what follows it; nothing when there is no dollar sign.
    fn first(text: &'a str) -> Option<(Part<'a>, &'a str)> {
        let rest = text.strip_prefix('$')?;
        if let Some(after) = rest.strip_prefix('$') {
            return Some((Part::Dollar, after));
        }
        if let Some((name, after)) = identifier(rest) {
            let braces = false;
            return Some((Part::Name { name, braces }, after));
        }
        let inside = rest.strip_prefix('{').and_then(identifier);
        let closed = inside.and_then(|(name, after)| Some((name, after.strip_prefix('}')?)));
        Some(match closed {
            Some((name, after)) => (Part::Name { name, braces: true }, after),
            None => (Part::Dollar, rest),
        })
    }
}

/// The identifier at the beginning of a text, and what follows it.
fn identifier(text: &str) -> Option<(&str, &str)> {
    let is_letter = |c: char| c == '_' || c.is_ascii_alphabetic();
    if !text.starts_with(is_letter) {
        return None;
    }
    let end = text.find(|c: char| !is_letter(c) && !c.is_ascii_digit());
    Some(text.split_at(end.unwrap_or(text.len())))
}

/// What Python raises for `group[key]` when the group is no mapping.
fn not_a_mapping(group: &Value, key: &Key) -> Raised {
    let key = key.to_value().type_name();
    let message = match group {
        Value::Str(_) => format!("string indices must be integers, not '{key}'"),
        Value::List(_) => format!("list indices must be integers or slices, not {key}"),
        Value::Bytes(_) => format!("byte indices must be integers or slices, not {key}"),
        Value::Date(_) => format!(
            "'datetime.{}' object is not subscriptable",
            group.type_name()
        ),
        _ => format!("'{}' object is not subscriptable", group.type_name()),
    };
    Raised::new("TypeError", message)
}
