//! Scalars of YAML 1.1: the tag of plain text, and the value of text with a tag.

use std::sync::LazyLock;

use fancy_regex::Regex;

use super::{BINARY, BOOL, FLOAT, INT, MERGE, NULL, STR, TIMESTAMP, VALUE, base64, broken, moment};
use crate::raised::Raised;
use crate::value::Value;

/// Whole numbers: binary, octal, decimal, hexadecimal, sexagesimal.
static WHOLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let sexagesimal = "[1-9][0-9_]*(?::[0-5]?[0-9])+";
    let number = format!("0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|{sexagesimal}");
    Regex::new(&format!(r"\A[-+]?(?:{number})\z")).ok()
});

/// Floats: a point is a must, and an exponent needs its sign.
static FRACTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let exponent = "(?:[eE][-+][0-9]+)?";
    let with_sign = format!(
        r"[0-9][0-9_]*\.[0-9_]*{exponent}|[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|\.(?:inf|Inf|INF)"
    );
    let without = format!(r"\.[0-9][0-9_]*{exponent}|\.(?:nan|NaN|NAN)");
    Regex::new(&format!(r"\A(?:[-+]?(?:{with_sign})|{without})\z")).ok()
});

/// The tag that PyYAML gives to plain text.
pub(super) fn resolve(text: &str) -> &'static str {
    let matches = |regex: &LazyLock<Option<Regex>>| {
        regex
            .as_ref()
            .is_some_and(|regex| regex.is_match(text).unwrap_or(false))
    };
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return NULL,
        "<<" => return MERGE,
        "=" => return VALUE,
        "yes" | "Yes" | "YES" | "no" | "No" | "NO" | "true" | "True" | "TRUE" | "false"
        | "False" | "FALSE" | "on" | "On" | "ON" | "off" | "Off" | "OFF" => return BOOL,
        _ => {}
    }
    let is_numeric = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    if !is_numeric {
        STR
    } else if matches(&WHOLE) {
        INT
    } else if matches(&FRACTION) {
        FLOAT
    } else if moment::is_plain(text) {
        TIMESTAMP
    } else {
        STR
    }
}

/// Whether a tag is one of scalars.
pub(super) fn is_known(tag: &str) -> bool {
    matches!(tag, BINARY | BOOL | FLOAT | INT | NULL | STR | TIMESTAMP)
}

/// The value of text under a known tag; the text need not be of that type.
pub(super) fn value(tag: &str, text: &str) -> Result<Value, Raised> {
    match tag {
        NULL => Ok(Value::None),
        BOOL => match text.to_lowercase().as_str() {
            "yes" | "true" | "on" => Ok(Value::Bool(true)),
            "no" | "false" | "off" => Ok(Value::Bool(false)),
            other => Err(Raised::new("KeyError", format!("'{other}'"))),
        },
        INT => whole(text),
        FLOAT => fraction(text),
        TIMESTAMP => moment::parse(text).map(Value::Date),
        BINARY => base64::decode(text).map(Value::Bytes).map_err(broken),
        _ => Ok(Value::Str(text.to_string())),
    }
}

/// Takes the underscores out and the sign off.
fn unsigned(text: &str) -> Result<(bool, String), Raised> {
    let text = text.replace('_', "");
    if text.is_empty() {
        return Err(Raised::new("IndexError", "string index out of range"));
    }
    let rest = text.strip_prefix(['-', '+']).unwrap_or(&text);
    Ok((text.starts_with('-'), rest.to_string()))
}

fn whole(text: &str) -> Result<Value, Raised> {
    let (negative, text) = unsigned(text)?;
    let number = if text == "0" {
        Value::Int(0)
    } else if let Some(digits) = text.strip_prefix("0b") {
        digits_of(digits, 2)?
    } else if let Some(digits) = text.strip_prefix("0x") {
        digits_of(digits, 16)?
    } else if text.starts_with('0') {
        digits_of(text.strip_prefix("0o").unwrap_or(&text), 8)?
    } else if text.contains(':') {
        let mut number = Value::Int(0);
        for part in text.split(':') {
            number = shifted(number, 60, digits_of(part, 10)?);
        }
        number
    } else if text.is_empty() {
        return Err(Raised::new("IndexError", "string index out of range"));
    } else {
        digits_of(&text, 10)?
    };
    Ok(signed(number, negative))
}

fn signed(number: Value, negative: bool) -> Value {
    match number {
        Value::Int(number) if negative => Value::Int(-number),
        Value::Float(number) if negative => Value::Float(-number),
        number => number,
    }
}

/// Python's `int(text, base)`.
fn digits_of(text: &str, base: u32) -> Result<Value, Raised> {
    let trimmed = text.trim();
    let digits = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
    let invalid = || {
        let message = format!("invalid literal for int() with base {base}: '{text}'");
        Raised::new("ValueError", message)
    };
    if digits.is_empty() {
        return Err(invalid());
    }
    let mut number = Value::Int(0);
    for digit in digits.chars() {
        let digit = digit.to_digit(base).ok_or_else(invalid)?;
        number = shifted(number, base.into(), Value::Int(digit.into()));
    }
    if let Value::Float(_) = number
        && base == 10
    {
        number = Value::Float(digits.parse().unwrap_or(f64::INFINITY));
    }
    Ok(signed(number, trimmed.starts_with('-')))
}

/// `number * base + digit`; a float once it is beyond 128 bits.
fn shifted(number: Value, base: i128, digit: Value) -> Value {
    let exact = match (&number, &digit) {
        (Value::Int(number), Value::Int(digit)) => number
            .checked_mul(base)
            .and_then(|number| number.checked_add(*digit)),
        _ => None,
    };
    exact.map_or_else(
        || {
            let number = number.as_f64().unwrap_or(f64::NAN);
            Value::Float(number * base as f64 + digit.as_f64().unwrap_or(f64::NAN))
        },
        Value::Int,
    )
}

fn fraction(text: &str) -> Result<Value, Raised> {
    let (negative, text) = unsigned(&text.to_lowercase())?;
    let number = match text.as_str() {
        ".inf" => f64::INFINITY,
        ".nan" => return Ok(Value::Float(f64::NAN)),
        _ => {
            let parts: Vec<f64> = text.split(':').map(float).collect::<Result<_, _>>()?;
            let (mut sum, mut base) = (0.0, 1.0);
            for part in parts.iter().rev() {
                sum += part * base;
                base *= 60.0;
            }
            // A sum of nothing but zero loses the sign of its zero, as 0.0 + -0.0 does.
            if parts.len() == 1 { parts[0] } else { sum }
        }
    };
    Ok(Value::Float(if negative { -number } else { number }))
}

/// Python's `float(text)`.
fn float(text: &str) -> Result<f64, Raised> {
    text.trim().parse().map_err(|_| {
        let message = format!("could not convert string to float: '{text}'");
        Raised::new("ValueError", message)
    })
}
