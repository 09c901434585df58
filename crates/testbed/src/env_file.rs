//! Compose env files: `NAME=value` a line, `#` comments, quotes; variants are such files.

use std::collections::BTreeMap;

/// Reads the text of an env file. Every line that is not understood is reported, with its number
/// (the first line is 1).
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, Vec<(usize, String)>> {
    let mut values = BTreeMap::new();
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            problems.push((index + 1, format!("`{line}` is not of the form NAME=value")));
            continue;
        };
        let name = name.trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            problems.push((index + 1, format!("`{name}` is not a variable name")));
            continue;
        }
        match unquote(value.trim()) {
            Ok(value) => {
                values.insert(name.to_owned(), value);
            }
            Err(problem) => problems.push((index + 1, problem)),
        }
    }
    if problems.is_empty() {
        Ok(values)
    } else {
        Err(problems)
    }
}

fn unquote(value: &str) -> Result<String, String> {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            let Some(end) = rest.find(quote) else {
                return Err(format!("{value} has no closing quote"));
            };
            let after = rest[end + 1..].trim();
            if !(after.is_empty() || after.starts_with('#')) {
                return Err(format!("`{after}` follows the closing quote"));
            }
            return Ok(rest[..end].to_owned());
        }
    }
    let end = value.find(" #").unwrap_or(value.len());
    Ok(value[..end].trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_comments_and_quotes() {
        let values =
            parse("# head\nA=1\n\nB = two words # why\nC=\"x # y\"\nexport D='q'\nE=\n").unwrap();
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "x # y"),
            ("D", "q"),
            ("E", ""),
        ];
        let found: Vec<(&str, &str)> = values
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_wrong_line_is_reported_with_its_number() {
        let problems = parse("A=1\nnonsense\nB=\"open\n=3\n").unwrap_err();
        let lines: Vec<usize> = problems.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3, 4]);
    }
}
