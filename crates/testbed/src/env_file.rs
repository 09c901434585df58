//! Compose env files: `NAME=value` a line; variants and a service's `env_file` are such files.
//!
//! A line is `NAME=value` or `NAME: value`, perhaps with `export` before it; a `NAME` alone is
//! passed through from outside, if it is set there. Values without quotes end at ` #` and have
//! references replaced, as have values in double quotes, which may span lines and know the escapes
//! `\n \r \t \" \\ \$`. Values in single quotes are taken as they are and may span lines too.
//! References see the names above them in the file first.

use std::collections::BTreeMap;

use crate::interpolation::{Lookup, interpolate};

/// Every line that is not understood, with its number (the first line is 1).
pub type Problems = Vec<(usize, String)>;

/// Reads the text of an env file. `outside` has the values for references and names alone.
pub fn parse(text: &str, outside: &dyn Lookup) -> Result<BTreeMap<String, String>, Problems> {
    let mut values = BTreeMap::new();
    let mut problems = Vec::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line = 1;
    while !rest.is_empty() {
        let (read, after) = statement(rest, &values, outside);
        match read {
            Ok(Some((name, value))) => {
                values.insert(name, value);
            }
            Ok(None) => {}
            Err(problem) => problems.push((line, problem)),
        }
        line += rest[..rest.len() - after.len()].matches('\n').count();
        rest = after;
    }
    finish(values, problems)
}

/// Reads an env file of `format: raw`: what follows the first `=` is the value as it stands.
pub fn parse_raw(text: &str, outside: &dyn Lookup) -> Result<BTreeMap<String, String>, Problems> {
    let mut values = BTreeMap::new();
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (written, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (line.trim_end(), outside.value(line.trim_end())),
        };
        match name(written) {
            Ok(name) => values.extend(value.map(|value| (name, value))),
            Err(problem) => problems.push((index + 1, problem)),
        }
    }
    finish(values, problems)
}

fn finish(
    values: BTreeMap<String, String>,
    problems: Problems,
) -> Result<BTreeMap<String, String>, Problems> {
    if problems.is_empty() {
        Ok(values)
    } else {
        Err(problems)
    }
}

/// What one statement sets, if anything; or what is wrong with it.
type Statement = Result<Option<(String, String)>, String>;

/// Reads one statement, which may span lines; returns the text after it too.
fn statement<'t>(
    text: &'t str,
    above: &BTreeMap<String, String>,
    outside: &dyn Lookup,
) -> (Statement, &'t str) {
    let (line, next) = text.split_once('\n').unwrap_or((text, ""));
    let body = line.trim_start();
    if body.trim_end().is_empty() || body.starts_with('#') {
        return (Ok(None), next);
    }
    let body = body.strip_prefix("export ").unwrap_or(body).trim_start();
    let Some(end) = body.find(['=', ':']) else {
        let alone = body.split(" #").next().unwrap_or_default().trim();
        let read = name(alone).map(|name| {
            let value = outside.value(&name)?;
            Some((name, value))
        });
        return (read, next);
    };
    let name = match name(body[..end].trim_end()) {
        Ok(name) => name,
        Err(problem) => return (Err(problem), next),
    };
    let written = body[end + 1..].trim_start_matches([' ', '\t', '\r']);
    let lookup = InFile { above, outside };
    let Some(quote) = written.chars().next().filter(|c| "\"'".contains(*c)) else {
        let end = if written.starts_with('#') {
            0
        } else {
            written.find(" #").unwrap_or(written.len())
        };
        let value = interpolate(written[..end].trim_end(), &lookup);
        return (value.map(|value| Some((name, value))), next);
    };
    // From here on the value may reach beyond the line.
    let start = line.len() - written.len() + 1;
    let Some(length) = closing_quote(&text[start..], quote) else {
        return (
            Err(format!("the value of `{name}` has no closing quote")),
            next,
        );
    };
    let inner = &text[start..start + length];
    let (tail, next) = text[start + length + 1..]
        .split_once('\n')
        .unwrap_or((&text[start + length + 1..], ""));
    let tail = tail.trim();
    if !(tail.is_empty() || tail.starts_with('#')) {
        return (Err(format!("`{tail}` follows the closing quote")), next);
    }
    let value = match quote {
        '"' => interpolate(&unescape(inner), &lookup),
        _ => Ok(inner.to_owned()),
    };
    (value.map(|value| Some((name, value))), next)
}

/// Names above a line, then those outside of the file.
struct InFile<'a> {
    above: &'a BTreeMap<String, String>,
    outside: &'a dyn Lookup,
}

impl Lookup for InFile<'_> {
    fn value(&self, name: &str) -> Option<String> {
        self.above
            .get(name)
            .cloned()
            .or_else(|| self.outside.value(name))
    }

    fn blank(&self, name: &str) {
        self.outside.blank(name);
    }
}

fn name(written: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-[]".contains(c);
    if written.is_empty() || !written.chars().all(fits) {
        return Err(format!(
            "`{written}` is not a variable name; a line is NAME=value"
        ));
    }
    Ok(written.to_owned())
}

/// Where the quote is closed; one after a backslash does not close it.
fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == quote && !escaped {
            return Some(at);
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('$') => out.push_str("$$"), // interpolation makes it one
            Some(c @ ('"' | '\\')) => out.push(c),
            other => {
                out.push('\\');
                out.extend(other);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(values: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
        values
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    fn outside() -> BTreeMap<String, String> {
        BTreeMap::from([("OUT".to_owned(), "outer".to_owned())])
    }

    #[test]
    fn values_comments_and_quotes() {
        let text = "# head\nA=1\n\nB = two words # why\nC=\"x # y\" # z\nexport D='q'\nE=\nF: yes\r\nOUT\nNONE\nG=a#b";
        assert_eq!(
            pairs(&parse(text, &outside()).unwrap()),
            [
                ("A", "1"),
                ("B", "two words"),
                ("C", "x # y"),
                ("D", "q"),
                ("E", ""),
                ("F", "yes"),
                ("G", "a#b"),
                ("OUT", "outer"),
            ]
        );
    }

    #[test]
    fn references_escapes_and_lines() {
        let text = "A=1\nB=${A}/$OUT\nC=\"${A:-x}\\n\\$A\\t\\\"\"\nD='$A\nit\\n'\nE=\"two\nlines\"\nF=$$A\nG=${NONE:-d}\n";
        assert_eq!(
            pairs(&parse(text, &outside()).unwrap()),
            [
                ("A", "1"),
                ("B", "1/outer"),
                ("C", "1\n$A\t\""),
                ("D", "$A\nit\\n"),
                ("E", "two\nlines"),
                ("F", "$A"),
                ("G", "d"),
            ]
        );
    }

    #[test]
    fn a_raw_file_is_taken_as_it_stands() {
        let values = parse_raw("# c\nA=\"$OUT\" # x\nOUT\nNONE\nB=\n", &outside()).unwrap();
        let expected = [("A", "\"$OUT\" # x"), ("B", ""), ("OUT", "outer")];
        assert_eq!(pairs(&values), expected);
        assert_eq!(parse_raw("A=1\n=2\n", &outside()).unwrap_err()[0].0, 2);
    }

    #[test]
    fn every_wrong_line_is_reported_with_its_number() {
        let text = "A=1\nno name\nC='two\nlines'\nD='x' y\n=3\nE=${X:?set it}\nB=\"open\nF=1\n";
        let problems = parse(text, &outside()).unwrap_err();
        let lines: Vec<usize> = problems.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 5, 6, 7, 8], "{problems:?}");
        assert!(problems[3].1.contains("set it"));
    }
}
