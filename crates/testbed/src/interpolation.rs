//! `${NAME:-default}` and its relatives in a Compose file, with Compose's meaning.
//!
//! `$NAME` and `${NAME}` give the value or nothing; `${NAME:-x}` (`${NAME-x}`) gives `x` when the
//! name is unset or empty (unset); `${NAME:?x}` (`${NAME?x}`) is then an error with the text `x`;
//! `${NAME:+x}` (`${NAME+x}`) gives `x` when it *is* set and not empty (set). `$$` is a dollar.
//! The alternatives may hold references themselves.

use std::collections::BTreeMap;

/// How deep references may be nested in each other's alternatives.
const NESTING_MAX: usize = 16;

/// Replaces every reference in `text`. The error is one plain sentence without a position.
pub fn interpolate(text: &str, values: &BTreeMap<String, String>) -> Result<String, String> {
    expand(text, values, 0)
}

fn expand(text: &str, values: &BTreeMap<String, String>, depth: usize) -> Result<String, String> {
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
            out.push_str(values.get(name).map_or("", String::as_str));
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

fn braced(inner: &str, values: &BTreeMap<String, String>, depth: usize) -> Result<String, String> {
    let name = name_at(inner);
    let modifier = &inner[name.len()..];
    if name.is_empty() {
        return Err(format!("`${{{inner}}}` does not begin with a name"));
    }
    let value = values.get(name);
    if modifier.is_empty() {
        return Ok(value.cloned().unwrap_or_default());
    }
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
        ('-' | '?', Some(value)) => Ok(value.clone()),
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
        let values = BTreeMap::new();
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
}
