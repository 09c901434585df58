//! JSON as Python's `json` module reads and writes it.
//!
//! Invariants:
//! 1. What Python reads is read, also `NaN`, `Infinity` and `-Infinity`; a name written twice keeps the last
//!    value; what Python refuses is refused with Python's message.
//! 2. What is written is what `json.dumps` writes, character for character, with the reference's encoder:
//!    dates as ISO text, bytes refused.
//!
//! Differences: a lone surrogate, which no Rust text can hold, reads as U+FFFD; nesting beyond
//! [`MAX_DEPTH`] raises `RecursionError`, where Python bears some thousands of levels; whole numbers beyond 128
//! bits become floats.

use crate::raised::Raised;
use crate::text;
use crate::value::{Dict, Key, Value};

/// How deep a document may be nested, in levels.
pub const MAX_DEPTH: usize = 200;

/// How many digits Python turns into a whole number before it refuses.
const MAX_DIGITS: usize = 4300;

/// Python's `json.loads`.
///
/// # Errors
/// `JSONDecodeError` for text that is no JSON, `RecursionError` beyond [`MAX_DEPTH`], `ValueError` for a whole
/// number of more than 4300 digits.
pub fn parse(text: &str) -> Result<Value, Raised> {
    let reader = &mut Reader {
        text: text.chars().collect(),
        at: 0,
    };
    if reader.peek() == Some('\u{feff}') {
        return Err(reader.error("Unexpected UTF-8 BOM (decode using utf-8-sig)", 0));
    }
    reader.skip_blanks();
    let value = reader.value(MAX_DEPTH)?;
    reader.skip_blanks();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.error("Extra data", reader.at)),
    }
}

/// A text and a place in it; places are counted in characters, as Python counts them.
struct Reader {
    text: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, character: char) -> bool {
        let found = self.peek() == Some(character);
        if found {
            self.at += 1;
        }
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.text[self.at..]
            .iter()
            .copied()
            .take(word.len())
            .eq(word.chars());
        if found {
            self.at += word.len();
        }
        found
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }

    fn error(&self, message: &str, at: usize) -> Raised {
        let before = &self.text[..at.min(self.text.len())];
        let line = before.iter().filter(|&&c| c == '\n').count() + 1;
        let column = at - before.iter().rposition(|&c| c == '\n').map_or(0, |p| p + 1) + 1;
        Raised::new(
            "JSONDecodeError",
            format!("{message}: line {line} column {column} (char {at})"),
        )
    }

    fn value(&mut self, depth: usize) -> Result<Value, Raised> {
        let words = [
            ("null", Value::None),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("NaN", Value::Float(f64::NAN)),
            ("Infinity", Value::Float(f64::INFINITY)),
            ("-Infinity", Value::Float(f64::NEG_INFINITY)),
        ];
        let Some(depth) = depth.checked_sub(1) else {
            return Err(Raised::new(
                "RecursionError",
                "maximum recursion depth exceeded while decoding a JSON document",
            ));
        };
        match self.peek() {
            Some('"') => self.string().map(Value::Str),
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            _ => {
                for (word, value) in words {
                    if self.eat_word(word) {
                        return Ok(value);
                    }
                }
                self.number()
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Raised> {
        let mut dict = Dict::new();
        self.at += 1;
        self.skip_blanks();
        if self.eat('}') {
            return Ok(Value::Dict(dict));
        }
        loop {
            if self.peek() != Some('"') {
                let message = "Expecting property name enclosed in double quotes";
                return Err(self.error(message, self.at));
            }
            let name = self.string()?;
            self.skip_blanks();
            if !self.eat(':') {
                return Err(self.error("Expecting ':' delimiter", self.at));
            }
            self.skip_blanks();
            let value = self.value(depth)?;
            dict.insert(name, value);
            self.skip_blanks();
            if self.eat('}') {
                return Ok(Value::Dict(dict));
            }
            if !self.eat(',') {
                return Err(self.error("Expecting ',' delimiter", self.at));
            }
            self.skip_blanks();
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Raised> {
        let mut items = Vec::new();
        self.at += 1;
        self.skip_blanks();
        if self.eat(']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.skip_blanks();
            if self.eat(']') {
                return Ok(Value::List(items));
            }
            if !self.eat(',') {
                return Err(self.error("Expecting ',' delimiter", self.at));
            }
            self.skip_blanks();
        }
    }

    fn skip_digits(&mut self) -> bool {
        let start = self.at;
        while matches!(self.peek(), Some('0'..='9')) {
            self.at += 1;
        }
        self.at > start
    }

    fn number(&mut self) -> Result<Value, Raised> {
        let start = self.at;
        self.eat('-');
        if !self.eat('0') && !self.skip_digits() {
            return Err(self.error("Expecting value", start));
        }
        let mut is_float = false;
        for marks in [&['.'][..], &['e', 'E'][..]] {
            let part = self.at;
            if self.peek().is_some_and(|c| marks.contains(&c)) {
                self.at += 1;
                if marks.len() == 2 && matches!(self.peek(), Some('+' | '-')) {
                    self.at += 1;
                }
                if self.skip_digits() {
                    is_float = true;
                } else {
                    self.at = part;
                }
            }
        }
        let written: String = self.text[start..self.at].iter().collect();
        let digits = written.trim_start_matches('-').len();
        if !is_float && digits > MAX_DIGITS {
            return Err(Raised::new(
                "ValueError",
                format!(
                    "Exceeds the limit ({MAX_DIGITS} digits) for integer string conversion: value has \
                     {digits} digits; use sys.set_int_max_str_digits() to increase the limit"
                ),
            ));
        }
        match written.parse() {
            Ok(number) if !is_float => Ok(Value::Int(number)),
            _ => Ok(Value::Float(written.parse().unwrap_or(f64::NAN))),
        }
    }

    fn string(&mut self) -> Result<String, Raised> {
        let start = self.at;
        let mut out = String::new();
        self.at += 1;
        loop {
            let at = self.at;
            self.at += 1;
            match self.text.get(at).copied() {
                None => return Err(self.error("Unterminated string starting at", start)),
                Some('"') => return Ok(out),
                Some('\\') => out.push(self.escape(start)?),
                Some('\0'..='\x1f') => {
                    return Err(self.error("Invalid control character at", at));
                }
                Some(character) => out.push(character),
            }
        }
    }

    /// What follows a backslash; `start` is where the text began.
    fn escape(&mut self, start: usize) -> Result<char, Raised> {
        let at = self.at;
        self.at += 1;
        Ok(match self.text.get(at) {
            None => return Err(self.error("Unterminated string starting at", start)),
            Some(&plain @ ('"' | '\\' | '/')) => plain,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let high = self.code(at)?;
                // A second half counts only where something follows it.
                let pairs = (0xd800..0xdc00).contains(&high) && self.at + 6 < self.text.len();
                if pairs && self.text[self.at..self.at + 2] == ['\\', 'u'] {
                    let second = self.at;
                    self.at += 2;
                    let low = self.code(second + 1)?;
                    if (0xdc00..0xe000).contains(&low) {
                        let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                        return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    self.at = second;
                }
                char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            Some(_) => return Err(self.error("Invalid \\escape", at - 1)),
        })
    }

    /// Four hexadecimal digits after the `u` at a place; something has to follow them.
    fn code(&mut self, at: usize) -> Result<u32, Raised> {
        let end = self.at + 4;
        let digits = self
            .text
            .get(self.at..end)
            .filter(|_| end < self.text.len());
        let code = digits.and_then(|digits| {
            digits
                .iter()
                .try_fold(0, |code, digit| Some(code * 16 + digit.to_digit(16)?))
        });
        self.at = end;
        code.ok_or_else(|| self.error("Invalid \\uXXXX escape", at))
    }
}

/// Python's `json.dumps(value, ensure_ascii=False)` with the reference's encoder, on one line or indented by
/// so many blanks a level.
///
/// # Errors
/// `TypeError` for bytes and for dates as names, as the reference raises it.
pub fn dump(value: &Value, indent: Option<usize>) -> Result<String, Raised> {
    Writer::new(indent, false).dump(value)
}

/// Python's `json.dumps(value)` with the reference's encoder: one line, ASCII only.
///
/// # Errors
/// As [`dump`].
pub fn dump_ascii(value: &Value) -> Result<String, Raised> {
    Writer::new(None, true).dump(value)
}

/// A number as `json.dumps` writes it: `NaN`, `Infinity`, `-Infinity`, else its `repr()`.
pub(crate) fn float(number: f64) -> String {
    match text::float(number).as_str() {
        "nan" => "NaN".to_string(),
        "inf" => "Infinity".to_string(),
        "-inf" => "-Infinity".to_string(),
        finite => finite.to_string(),
    }
}

/// Text being written.
struct Writer {
    out: String,
    indent: Option<usize>,
    ascii: bool,
}

impl Writer {
    fn new(indent: Option<usize>, ascii: bool) -> Writer {
        Writer {
            out: String::new(),
            indent,
            ascii,
        }
    }

    fn dump(mut self, value: &Value) -> Result<String, Raised> {
        self.value(value, 0)?;
        Ok(self.out)
    }

    fn value(&mut self, value: &Value, level: usize) -> Result<(), Raised> {
        match value {
            Value::None => self.out.push_str("null"),
            Value::Bool(flag) => self.out.push_str(if *flag { "true" } else { "false" }),
            Value::Int(number) => self.out.push_str(&number.to_string()),
            Value::Float(number) => self.out.push_str(&float(*number)),
            Value::Str(text) | Value::Date(text) => self.string(text),
            Value::Bytes(_) => {
                return Err(Raised::new(
                    "TypeError",
                    "Object of type bytes is not JSON serializable",
                ));
            }
            Value::List(items) if items.is_empty() => self.out.push_str("[]"),
            Value::List(items) => {
                self.out.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.separate(index, level + 1);
                    self.value(item, level + 1)?;
                }
                self.break_line(level);
                self.out.push(']');
            }
            Value::Dict(dict) if dict.is_empty() => self.out.push_str("{}"),
            Value::Dict(dict) => {
                self.out.push('{');
                for (index, (key, value)) in dict.iter().enumerate() {
                    self.separate(index, level + 1);
                    let name = self.name(key)?;
                    self.string(&name);
                    self.out.push_str(": ");
                    self.value(value, level + 1)?;
                }
                self.break_line(level);
                self.out.push('}');
            }
        }
        Ok(())
    }

    /// What stands before the item of an index.
    fn separate(&mut self, index: usize, level: usize) {
        if index > 0 {
            let comma = if self.indent.is_some() { "," } else { ", " };
            self.out.push_str(comma);
        }
        self.break_line(level);
    }

    fn break_line(&mut self, level: usize) {
        if let Some(indent) = self.indent {
            self.out.push('\n');
            self.out.push_str(&" ".repeat(indent * level));
        }
    }

    /// Whether the character that starts with a byte is not written as it is.
    fn escapes(&self, byte: u8) -> bool {
        byte < b' ' || byte == b'"' || byte == b'\\' || (self.ascii && byte >= 0x7f)
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        // What needs no escape is copied in one piece.
        let mut rest = text;
        while let Some(at) = rest.as_bytes().iter().position(|byte| self.escapes(*byte)) {
            self.out.push_str(&rest[..at]);
            let mut characters = rest[at..].chars();
            match characters.next() {
                Some('"') => self.out.push_str("\\\""),
                Some('\\') => self.out.push_str("\\\\"),
                Some('\n') => self.out.push_str("\\n"),
                Some('\r') => self.out.push_str("\\r"),
                Some('\t') => self.out.push_str("\\t"),
                Some('\u{8}') => self.out.push_str("\\b"),
                Some('\u{c}') => self.out.push_str("\\f"),
                Some(other) => self.code(other),
                None => {}
            }
            rest = characters.as_str();
        }
        self.out.push_str(rest);
        self.out.push('"');
    }

    /// The name that a key becomes. Python has two writers, and only the one for one line tells the module.
    fn name(&self, key: &Key) -> Result<String, Raised> {
        let Key::Date(_) = key else {
            return Ok(key.to_json_name());
        };
        let module = if self.indent.is_some() {
            ""
        } else {
            "datetime."
        };
        Err(Raised::new(
            "TypeError",
            format!(
                "keys must be str, int, float, bool or None, not {module}{}",
                key.to_value().type_name()
            ),
        ))
    }

    fn code(&mut self, character: char) {
        for unit in character.encode_utf16(&mut [0; 2]) {
            self.out.push_str(&format!("\\u{unit:04x}"));
        }
    }
}
