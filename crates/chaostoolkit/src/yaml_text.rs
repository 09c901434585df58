//! Values as YAML text, as PyYAML's `yaml.dump` writes it in block style.
//!
//! Left out: breaking long double-quoted texts into lines. They read back as the same value.

use shaketable_dialect::{Dict, Value, text, yaml};

/// Column after which a space in a long text becomes a line break.
const BEST_WIDTH: usize = 80;

/// The YAML of a value, `indent` columns a level, keys in order of their text if `sorted` (and all of them text).
pub(crate) fn dump(value: &Value, indent: usize, sorted: bool) -> String {
    let mut writer = Writer {
        text: String::new(),
        indent,
        sorted,
    };
    match value {
        Value::Dict(dict) if !dict.is_empty() => writer.mapping(dict, 0),
        Value::List(items) if !items.is_empty() => writer.sequence(items, 0),
        _ => {
            writer.scalar(value, indent, false);
            // What could be taken for the start of something is ended.
            let plain = writer
                .text
                .chars()
                .next()
                .is_some_and(|first| !"'\"[{".contains(first));
            writer.text.push_str(if plain { "\n...\n" } else { "\n" });
        }
    }
    writer.text
}

struct Writer {
    text: String,
    indent: usize,
    sorted: bool,
}

impl Writer {
    /// Members at a column; the first one is written where the line stands.
    fn mapping(&mut self, dict: &Dict, column: usize) {
        let mut members: Vec<_> = dict.iter().collect();
        // Python cannot order keys of different types; then PyYAML leaves them as they are.
        if self.sorted && members.iter().all(|(key, _)| key.as_str().is_some()) {
            members.sort_by_key(|(key, _)| text::str(&key.to_value()));
        }
        for (at, (key, value)) in members.into_iter().enumerate() {
            if at > 0 {
                self.spaces(column);
            }
            self.scalar(&key.to_value(), column, true);
            self.text.push(':');
            match value {
                Value::Dict(inner) if !inner.is_empty() => {
                    self.text.push('\n');
                    self.spaces(column + self.indent);
                    self.mapping(inner, column + self.indent);
                }
                Value::List(items) if !items.is_empty() => {
                    self.text.push('\n');
                    self.spaces(column);
                    self.sequence(items, column);
                }
                _ => {
                    self.text.push(' ');
                    self.scalar(value, column + self.indent, false);
                    self.text.push('\n');
                }
            }
        }
    }

    fn sequence(&mut self, items: &[Value], column: usize) {
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.spaces(column);
            }
            self.text.push('-');
            let inner = column + self.indent;
            match item {
                Value::Dict(dict) if !dict.is_empty() => {
                    self.spaces(self.indent - 1);
                    self.mapping(dict, inner);
                }
                Value::List(items) if !items.is_empty() => {
                    self.spaces(self.indent - 1);
                    self.sequence(items, inner);
                }
                _ => {
                    self.text.push(' ');
                    self.scalar(item, inner, false);
                    self.text.push('\n');
                }
            }
        }
    }

    /// A value without members; further lines of it start at a column, unless it is a key.
    fn scalar(&mut self, value: &Value, column: usize, key: bool) {
        match value {
            Value::None => self.text.push_str("null"),
            Value::Bool(flag) => self.text.push_str(&flag.to_string()),
            Value::Int(number) => self.text.push_str(&number.to_string()),
            Value::Float(number) => self.text.push_str(&float(*number)),
            Value::Date(_) => self.text.push_str(&text::str(value)),
            Value::Bytes(bytes) => {
                let bytes = String::from_utf8_lossy(bytes);
                self.text.push_str(&format!("!!binary |\n  {bytes}"));
            }
            Value::List(_) => self.text.push_str("[]"),
            Value::Dict(_) => self.text.push_str("{}"),
            Value::Str(text) => self.string(text, column, key),
        }
    }

    fn string(&mut self, text: &str, column: usize, key: bool) {
        let special = text
            .chars()
            .any(|letter| !(letter.is_ascii_graphic() || letter == ' ' || letter == '\n'));
        let lines = text.contains('\n');
        let ragged = lines && (key || text.contains(" \n") || text.contains("\n "));
        if special || ragged {
            self.text.push_str(&double_quoted(text));
        } else if lines || !is_plain(text) {
            self.text.push('\'');
            let text = text.replace('\'', "''").replace('\n', "\n\n");
            self.folded(&text, column, key);
            self.text.push('\'');
        } else {
            self.folded(text, column, key);
        }
    }

    /// Text whose single spaces beyond the best width become line breaks.
    fn folded(&mut self, text: &str, column: usize, key: bool) {
        let letters: Vec<char> = text.chars().collect();
        for (at, letter) in letters.iter().enumerate() {
            let alone = *letter == ' '
                && at > 0
                && letters[at - 1] != ' '
                && letters.get(at + 1).is_some_and(|next| *next != ' ');
            if alone && !key && self.column() > BEST_WIDTH {
                self.text.push('\n');
                self.spaces(column);
            } else if *letter == '\n' {
                self.text.push('\n');
                if letters.get(at + 1).is_none_or(|next| *next != '\n') {
                    self.spaces(column);
                }
            } else {
                self.text.push(*letter);
            }
        }
    }

    fn column(&self) -> usize {
        self.text.len() - self.text.rfind('\n').map_or(0, |at| at + 1)
    }

    fn spaces(&mut self, count: usize) {
        self.text.extend(std::iter::repeat_n(' ', count));
    }
}

/// Whether a text without quotes reads back as the same text.
fn is_plain(text: &str) -> bool {
    let edges = text.trim() == text && !text.is_empty();
    let marker = text.starts_with("---") || text.starts_with("...");
    edges && !marker && yaml::load(text) == Ok(Value::from(text))
}

fn double_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            ' '..='~' => quoted.push(letter),
            _ => match u32::from(letter) {
                code @ 0..=0xff => quoted.push_str(&format!("\\x{code:02X}")),
                code @ 0..=0xffff => quoted.push_str(&format!("\\u{code:04X}")),
                code => quoted.push_str(&format!("\\U{code:08X}")),
            },
        }
    }
    quoted.push('"');
    quoted
}

fn float(number: f64) -> String {
    if number.is_nan() {
        return ".nan".to_string();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.to_string();
    }
    let told = text::repr(&Value::Float(number)).to_lowercase();
    match told.contains('.') {
        true => told,
        false => told.replacen('e', ".0e", 1),
    }
}
