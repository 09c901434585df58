//! `${NAME:-default}` and its relatives in a Compose file, with Compose's meaning.
//!
//! `$NAME` and `${NAME}` give the value or nothing; `${NAME:-x}` (`${NAME-x}`) gives `x` when the
//! name is unset or empty (unset); `${NAME:?x}` (`${NAME?x}`) is then an error with the text `x`;
//! `${NAME:+x}` (`${NAME+x}`) gives `x` when it *is* set and not empty (set). `$$` is a dollar.
//! The alternatives may hold references themselves.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// How deep references may be nested in each other's alternatives.
const NESTING_MAX: usize = 16;

/// Where the values of variables come from.
pub trait Lookup {
    /// The value of a variable, if it is set.
    fn value(&self, name: &str) -> Option<String>;

    /// Is told of a variable that is not set and has no alternative, so that nothing is put there.
    fn blank(&self, _name: &str) {}
}

impl Lookup for BTreeMap<String, String> {
    fn value(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }
}

/// The variables of one reading, which remember how they were used.
#[derive(Debug, Default)]
pub struct Variables {
    values: BTreeMap<String, String>,
    asked: RefCell<BTreeSet<String>>,
    blank: RefCell<BTreeSet<String>>,
}

impl Variables {
    /// Variables with these values, none of them used yet.
    pub fn new(values: BTreeMap<String, String>) -> Variables {
        Variables {
            values,
            ..Variables::default()
        }
    }

    /// Whether anything asked for the variable.
    pub fn was_asked_for(&self, name: &str) -> bool {
        self.asked.borrow().contains(name)
    }

    /// Takes the names of variables that were wanted and not set, since the last call.
    pub fn take_blank(&self) -> BTreeSet<String> {
        self.blank.take()
    }
}

impl Lookup for Variables {
    fn value(&self, name: &str) -> Option<String> {
        self.asked.borrow_mut().insert(name.to_owned());
        self.values.get(name).cloned()
    }

    fn blank(&self, name: &str) {
        self.blank.borrow_mut().insert(name.to_owned());
    }
}

/// Replaces every reference in `text`. The error is one plain sentence without a position.
pub fn interpolate(text: &str, values: &dyn Lookup) -> Result<String, String> {
    expand(text, values, 0)
}

fn reference(name: &str, values: &dyn Lookup) -> String {
    values.value(name).unwrap_or_else(|| {
        values.blank(name);
        String::new()
    })
}

fn expand(text: &str, values: &dyn Lookup, depth: usize) -> Result<String, String> {
    if depth > NESTING_MAX {
        return Err(format!(
            "references are nested more than {NESTING_MAX} deep"
        ));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let end =
                closing_brace(after).ok_or_else(|| format!("`${{{after}` has no closing brace"))?;
            out.push_str(&braced(&after[..end], values, depth)?);
            rest = &after[end + 1..];
        } else {
            let name = name_at(rest);
            if name.is_empty() {
                return Err(format!(
                    "a lone `$` before `{}`; write `$$` for a dollar sign",
                    rest.chars().take(12).collect::<String>()
                ));
            }
            out.push_str(&reference(name, values));
            rest = &rest[name.len()..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' if open == 0 => return Some(at),
            '}' => open -= 1,
            _ => {}
        }
    }
    None
}

fn name_at(text: &str) -> &str {
    let end = text
        .char_indices()
        .find(|(at, c)| !(c.is_ascii_alphabetic() || *c == '_' || (*at > 0 && c.is_ascii_digit())))
        .map_or(text.len(), |(at, _)| at);
    &text[..end]
}

fn braced(inner: &str, values: &dyn Lookup, depth: usize) -> Result<String, String> {
    let name = name_at(inner);
    let modifier = &inner[name.len()..];
    if name.is_empty() {
        return Err(format!("`${{{inner}}}` does not begin with a name"));
    }
    if modifier.is_empty() {
        return Ok(reference(name, values));
    }
    let value = values.value(name);
    let (empty_counts_as_unset, modifier) = match modifier.strip_prefix(':') {
        Some(rest) => (true, rest),
        None => (false, modifier),
    };
    let present = value.filter(|value| !(empty_counts_as_unset && value.is_empty()));
    let Some(kind) = modifier.chars().next() else {
        return Err(format!("`${{{inner}}}` ends after the colon"));
    };
    let alternative = &modifier[kind.len_utf8()..];
    match (kind, present) {
        ('-' | '?', Some(value)) => Ok(value),
        ('-', None) | ('+', Some(_)) => expand(alternative, values, depth + 1),
        ('+', None) => Ok(String::new()),
        ('?', None) => {
            let why = expand(alternative, values, depth + 1)?;
            let why = if why.is_empty() {
                "it is required".to_owned()
            } else {
                why
            };
            Err(format!("`{name}` is not set: {why}"))
        }
        _ => Err(format!(
            "`${{{inner}}}` uses `{kind}`; Compose knows `:-`, `-`, `:?`, `?`, `:+` and `+`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_means_what_compose_says() {
        let values = BTreeMap::from([
            ("SET".to_owned(), "v".to_owned()),
            ("EMPTY".to_owned(), String::new()),
        ]);
        for (text, expected) in [
            ("plain", "plain"),
            ("$SET-x", "v-x"),
            ("a${SET}b", "avb"),
            ("${NONE}", ""),
            ("${NONE:-d}", "d"),
            ("${EMPTY:-d}", "d"),
            ("${EMPTY-d}", ""),
            ("${SET:-d}", "v"),
            ("${SET:+y}", "y"),
            ("${EMPTY:+y}", ""),
            ("${EMPTY+y}", "y"),
            ("${NONE:-${SET}}", "v"),
            ("${NONE:-${OTHER:-deep}}", "deep"),
            ("$$SET $${SET}", "$SET ${SET}"),
            ("${SET:?no}", "v"),
        ] {
            assert_eq!(
                interpolate(text, &values).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let values = BTreeMap::<String, String>::new();
        for (text, part) in [
            ("${NONE:?set it in the env file}", "set it in the env file"),
            ("${NONE?}", "it is required"),
            ("${OPEN", "no closing brace"),
            ("100$ ", "lone `$`"),
            ("${1}", "does not begin with a name"),
            ("${A:}", "ends after the colon"),
            ("${A!x}", "uses `!`"),
        ] {
            let error = interpolate(text, &values).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn variables_remember_how_they_were_used() {
        let variables = Variables::new(BTreeMap::from([("SET".to_owned(), "v".to_owned())]));
        interpolate("${SET} $NONE ${OTHER:-x}", &variables).unwrap();
        assert!(variables.was_asked_for("SET") && variables.was_asked_for("OTHER"));
        assert!(!variables.was_asked_for("ELSE"));
        assert_eq!(variables.take_blank(), BTreeSet::from(["NONE".to_owned()]));
        assert!(variables.take_blank().is_empty());
    }
}
