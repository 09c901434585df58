//! Values as Python prints them.
//!
//! `str()` and `repr()` of CPython 3.12, for every [`Value`]. What JSON makes of a value is in
//! [`crate::json`].

use crate::value::Value;

/// Python's `str(value)`: `True`, `None`, `1e+16`, `{'a': 1}`, `b'..'`, `2020-01-01 10:00:00+00:00`.
pub fn str(value: &Value) -> String {
    match value {
        Value::Str(text) => text.clone(),
        Value::Date(moment) => moment.replacen('T', " ", 1),
        _ => repr(value),
    }
}

/// Python's `repr(value)`.
pub fn repr(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::None => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Float(number) => out.push_str(&float(*number)),
        Value::Str(text) => write_str(out, text),
        Value::Bytes(bytes) => write_bytes(out, bytes),
        Value::Date(moment) => write_date(out, moment),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write(out, item);
            }
            out.push(']');
        }
        Value::Dict(dict) => {
            out.push('{');
            for (index, (key, value)) in dict.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write(out, &key.to_value());
                out.push_str(": ");
                write(out, value);
            }
            out.push('}');
        }
    }
}

/// Python's `repr()` of a float: the shortest digits that read back as the same number; an exponent from
/// 1e16 up and below 1e-4.
pub fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_string();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_string();
    }
    let text = shortest(number);
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    // So many digits stand behind the point.
    let places = digits.split_once('.').map_or(0, |(_, part)| part.len()) as i32 - exponent;
    format!("{number:.*}", usize::try_from(places).unwrap_or(0).max(1))
}

/// The fewest digits that read back as the same number, and of those the nearest to it, in the form `1.5e3`.
/// Where two are equally near Rust takes the larger, and Python the even one.
fn shortest(number: f64) -> String {
    let text = format!("{number:e}");
    let digits = text
        .bytes()
        .take_while(|&b| b != b'e')
        .filter(u8::is_ascii_digit);
    let nearest = format!("{number:.*e}", digits.count() - 1);
    if nearest.parse() == Ok(number) {
        nearest
    } else {
        text
    }
}

/// The quote that `repr()` takes: `'`, unless only `'` occurs in the text.
fn quote(has_single: bool, has_double: bool) -> char {
    if has_single && !has_double { '"' } else { '\'' }
}

fn write_str(out: &mut String, text: &str) {
    let quote = quote(text.contains('\''), text.contains('"'));
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if character == quote => {
                out.push('\\');
                out.push(character);
            }
            _ if is_printable(character) => out.push(character),
            _ => {
                let code = u32::from(character);
                out.push_str(&match code {
                    0..=0xff => format!("\\x{code:02x}"),
                    0x100..=0xffff => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                });
            }
        }
    }
    out.push(quote);
}

/// Python's `str.isprintable()` of one character, for the characters one meets: controls, format
/// characters, other spaces than the blank and private use are not printable. Characters that Unicode has
/// not assigned count as printable here.
fn is_printable(character: char) -> bool {
    if character.is_control() || (character.is_whitespace() && character != ' ') {
        return false;
    }
    !matches!(u32::from(character),
        0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2 | 0x180e
        | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff9..=0xfffb | 0xfffe..=0xffff
        | 0x110bd | 0x110cd | 0x13430..=0x1343f | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a
        | 0xe000..=0xf8ff | 0xe0000..=0xe00ff | 0xe01f0..=0x10ffff)
}

fn write_bytes(out: &mut String, bytes: &[u8]) {
    let quote = quote(bytes.contains(&b'\''), bytes.contains(&b'"'));
    out.push('b');
    out.push(quote);
    for &byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ if char::from(byte) == quote => {
                out.push('\\');
                out.push(quote);
            }
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push(quote);
}

/// `datetime.date(2020, 1, 1)` or `datetime.datetime(2020, 1, 1, 10, 0, tzinfo=datetime.timezone.utc)`, from
/// the ISO text. Text that is none is shown as it is.
fn write_date(out: &mut String, moment: &str) {
    let (date, time) = match moment.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (moment, None),
    };
    let numbers = |text: &str, separators: &[char]| -> Option<Vec<u32>> {
        text.split(separators)
            .map(|part| part.parse().ok())
            .collect()
    };
    let shown = || -> Option<String> {
        let mut fields = numbers(date, &['-'])?;
        let Some(time) = time else {
            return Some(format!("datetime.date({})", list(&fields)));
        };
        let offset = time.find(['+', '-']).unwrap_or(time.len());
        let (clock, offset) = time.split_at(offset);
        let mut clock = numbers(clock, &[':', '.'])?;
        if clock.len() == 3 && clock[2] == 0 {
            clock.pop();
        }
        fields.append(&mut clock);
        let zone = match offset.split_at_checked(1) {
            None => String::new(),
            Some((sign, offset)) => format!(", tzinfo={}", zone(sign, &numbers(offset, &[':'])?)?),
        };
        Some(format!("datetime.datetime({}{zone})", list(&fields)))
    };
    out.push_str(&shown().unwrap_or_else(|| moment.to_string()));
}

/// A list of numbers, separated by commas.
fn list(numbers: &[u32]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
    numbers.join(", ")
}

/// The `repr()` of the `timezone` with an offset of hours and minutes.
fn zone(sign: &str, offset: &[u32]) -> Option<String> {
    let &[hours, minutes] = offset else {
        return None;
    };
    const SECONDS_A_DAY: u32 = 86_400;
    let seconds = hours
        .checked_mul(3600)?
        .checked_add(minutes.checked_mul(60)?)?;
    let delta = match (sign, seconds) {
        (_, 0) => return Some("datetime.timezone.utc".to_string()),
        ("-", _) => format!("days=-1, seconds={}", SECONDS_A_DAY.checked_sub(seconds)?),
        _ => format!("seconds={seconds}"),
    };
    Some(format!("datetime.timezone(datetime.timedelta({delta}))"))
}
