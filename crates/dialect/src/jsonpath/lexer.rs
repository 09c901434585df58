//! Tokens of a JSON path.

use crate::Raised;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Punctuation, operators and the words `and`, `or`, `not`, `true`, `false`, `null`.
    Mark(&'static str),
    Name,
    /// The text is without its quotes.
    Text,
    Number,
    End,
}

/// A token and where it starts, in characters.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub kind: Kind,
    pub text: String,
    pub line: usize,
    pub column: usize,
}

impl Token {
    /// The error of finding this token where something else was expected.
    pub fn unexpected(&self, expected: &str) -> Raised {
        let found = match self.kind {
            Kind::End => "the end".to_owned(),
            Kind::Text => format!("\"{}\"", self.text),
            _ => format!("'{}'", self.text),
        };
        Raised::new(
            "ValueError",
            format!(
                "line {}:{} found {found} where {expected} was expected",
                self.line, self.column
            ),
        )
    }
}

/// Longer marks stand before their prefixes.
const MARKS: [&str; 20] = [
    "..", ">=", "<=", "!=", "@", "$", ".", "*", "=", ">", "<", "{", "}", "[", "]", ":", ",", "(",
    ")", "?",
];

const WORDS: [&str; 6] = ["and", "not", "or", "true", "false", "null"];

/// Splits a text into tokens; the last one is [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Raised> {
    let mut found = Vec::new();
    let (mut rest, mut line, mut column) = (text, 1, 0);
    loop {
        let Some(first) = rest.chars().next() else {
            found.push(Token {
                kind: Kind::End,
                text: String::new(),
                line,
                column,
            });
            return Ok(found);
        };
        let length = if matches!(first, ' ' | '\t' | '\n' | '\r') {
            1
        } else {
            let (kind, length) = token(rest).ok_or_else(|| {
                Raised::new(
                    "ValueError",
                    format!("line {line}:{column} token recognition error at: '{first}'"),
                )
            })?;
            let text = match kind {
                Kind::Text => &rest[1..length - 1],
                _ => &rest[..length],
            };
            found.push(Token {
                kind,
                text: text.to_owned(),
                line,
                column,
            });
            length
        };
        for character in rest[..length].chars() {
            if character == '\n' {
                (line, column) = (line + 1, 0);
            } else {
                column += 1;
            }
        }
        rest = &rest[length..];
    }
}

/// The kind of the token a text starts with, and its length in bytes.
fn token(text: &str) -> Option<(Kind, usize)> {
    let first = text.chars().next()?;
    if first == '"' {
        return quoted(text).map(|length| (Kind::Text, length));
    }
    if first == '-' || first.is_ascii_digit() {
        return number(text).map(|length| (Kind::Number, length));
    }
    if first == '_' || first.is_ascii_alphabetic() {
        let length = text
            .find(|c: char| c != '_' && !c.is_ascii_alphanumeric())
            .unwrap_or(text.len());
        let kind = WORDS
            .into_iter()
            .find(|word| *word == &text[..length])
            .map_or(Kind::Name, Kind::Mark);
        return Some((kind, length));
    }
    MARKS
        .into_iter()
        .find(|mark| text.starts_with(mark))
        .map(|mark| (Kind::Mark(mark), mark.len()))
}

fn quoted(text: &str) -> Option<usize> {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some(at + 1),
            '\\' => match characters.next()?.1 {
                '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' => {}
                'u' => {
                    for _ in 0..4 {
                        characters.next().filter(|(_, c)| c.is_ascii_hexdigit())?;
                    }
                }
                _ => return None,
            },
            control if control < ' ' => return None,
            _ => {}
        }
    }
    None
}

fn number(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let whole = |from: usize| match bytes.get(from)? {
        b'0' => Some(from + 1),
        b'1'..=b'9' => Some(digits(bytes, from)),
        _ => None,
    };
    let mut end = whole(usize::from(bytes[0] == b'-'))?;
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(bytes, end + 1);
        if fraction > end + 1 {
            end = fraction;
        }
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let signed = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        end = whole(end + 1 + signed).unwrap_or(end);
    }
    Some(end)
}

/// Where the run of digits that starts at `from` ends.
fn digits(bytes: &[u8], from: usize) -> usize {
    let run = bytes[from..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    from + run.count()
}
