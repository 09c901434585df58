//! Exact decimal numbers: as much of Python's `decimal.Decimal` as a range needs, which is to be
//! built from a value and to be compared.
//!
//! A number is never rounded; the work and the memory grow with the length of the text. Values out
//! of the exponents' range raise, as they do in Python.

use std::cmp::Ordering;

use crate::{Raised, Value};

/// The greatest adjusted exponent, and the least exponent of a digit, of Python's `decimal`.
const MAX_EXPONENT: i64 = 999_999_999_999_999_999;
const MIN_EXPONENT: i64 = -1_999_999_999_999_999_997;

/// A decimal number. NaN compares with nothing.
#[derive(Debug, Clone)]
pub struct Decimal(Number);

#[derive(Debug, Clone)]
enum Number {
    NaN,
    Infinite {
        negative: bool,
    },
    /// `digits` (0 to 9, no leading zeros; none for zero) times ten to the power of `exponent`.
    Finite {
        negative: bool,
        digits: Vec<u8>,
        exponent: i64,
    },
}

impl Decimal {
    /// The number `Decimal(value)` is.
    ///
    /// # Errors
    ///
    /// `InvalidOperation` for text that is no number, `TypeError` for types that cannot be one,
    /// `ValueError` for lists that are not `[sign, digits, exponent]`.
    pub fn parse(value: &Value) -> Result<Decimal, Raised> {
        match value {
            Value::Bool(flag) => Decimal::from_text(if *flag { "1" } else { "0" }),
            Value::Int(number) => Decimal::from_text(&number.to_string()),
            // 1074 digits are enough for every floating-point number to be exact.
            Value::Float(number) => Decimal::from_text(&format!("{number:.1074}")),
            Value::Str(text) => Decimal::from_text(&plain(text)),
            Value::List(items) => Decimal::from_parts(items),
            other => Err(Raised::new(
                "TypeError",
                format!(
                    "conversion from {} to Decimal is not supported",
                    other.type_name()
                ),
            )),
        }
    }

    /// Whether this is no number.
    pub fn is_nan(&self) -> bool {
        matches!(self.0, Number::NaN)
    }

    fn from_text(text: &str) -> Result<Decimal, Raised> {
        let syntax = || invalid("ConversionSyntax");
        let (negative, size) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let word = size.to_ascii_lowercase();
        if word == "inf" || word == "infinity" {
            return Ok(Decimal(Number::Infinite { negative }));
        }
        let nan = word
            .strip_prefix("snan")
            .or_else(|| word.strip_prefix("nan"));
        if let Some(payload) = nan {
            let digits = payload.bytes().all(|byte| byte.is_ascii_digit());
            return digits.then_some(Decimal(Number::NaN)).ok_or_else(syntax);
        }
        let (mantissa, power) = match word.split_once('e') {
            Some((mantissa, power)) => (mantissa, power),
            None => (word.as_str(), "0"),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = || whole.bytes().chain(fraction.bytes());
        if all().next().is_none() || !all().all(|byte| byte.is_ascii_digit()) {
            return Err(syntax());
        }
        let digits: Vec<u8> = all()
            .map(|byte| byte - b'0')
            .skip_while(|digit| *digit == 0)
            .collect();
        let power = exponent(power).ok_or_else(syntax)?;
        let exponent = power.saturating_sub(i64::try_from(fraction.len()).unwrap_or(i64::MAX));
        Decimal::finite(negative, digits, exponent)
    }

    fn finite(negative: bool, digits: Vec<u8>, exponent: i64) -> Result<Decimal, Raised> {
        let length = i64::try_from(digits.len()).unwrap_or(i64::MAX).max(1);
        let adjusted = exponent.saturating_add(length - 1);
        if exponent < MIN_EXPONENT || adjusted > MAX_EXPONENT {
            return Err(invalid("InvalidOperation"));
        }
        Ok(Decimal(Number::Finite {
            negative,
            digits,
            exponent,
        }))
    }

    /// Python takes `(sign, (digit, ...), exponent)` too, and lists for tuples.
    fn from_parts(parts: &[Value]) -> Result<Decimal, Raised> {
        let wrong = |message: &str| Raised::new("ValueError", message);
        let [sign, coefficient, exponent] = parts else {
            return Err(wrong("argument must be a sequence of length 3"));
        };
        let whole = |value: &Value| match value {
            Value::Bool(flag) => Some(i128::from(*flag)),
            Value::Int(number) => Some(*number),
            _ => None,
        };
        let negative = match whole(sign) {
            Some(0) => false,
            Some(1) => true,
            _ => return Err(wrong("sign must be an integer with the value 0 or 1")),
        };
        let special = match exponent {
            Value::Str(text) => match text.as_str() {
                "F" => Some(Number::Infinite { negative }),
                "n" | "N" => Some(Number::NaN),
                _ => {
                    let message = "string argument in the third position must be 'F', 'n' or 'N'";
                    return Err(wrong(message));
                }
            },
            _ => None,
        };
        let exponent = match (whole(exponent), &special) {
            (_, Some(_)) => 0,
            (Some(exponent), None) => i64::try_from(exponent).map_err(|_| {
                let message = "Python int too large to convert to C ssize_t";
                Raised::new("OverflowError", message)
            })?,
            (None, None) => return Err(wrong("exponent must be an integer")),
        };
        let tuple = || wrong("coefficient must be a tuple of digits");
        let Value::List(items) = coefficient else {
            return Err(tuple());
        };
        let digit = |item: &Value| whole(item).and_then(|digit| u8::try_from(digit).ok());
        let digits = items
            .iter()
            .map(|item| digit(item).filter(|digit| *digit < 10).ok_or_else(tuple))
            .collect::<Result<Vec<u8>, Raised>>()?;
        if let Some(special) = special {
            return Ok(Decimal(special));
        }
        let significant = digits.into_iter().skip_while(|digit| *digit == 0);
        Decimal::finite(negative, significant.collect(), exponent)
    }

    /// -1, 0 or 1; none for NaN.
    fn sign(&self) -> Option<i8> {
        let sign = |negative: bool| if negative { -1 } else { 1 };
        match &self.0 {
            Number::NaN => None,
            Number::Infinite { negative } => Some(sign(*negative)),
            Number::Finite { digits, .. } if digits.is_empty() => Some(0),
            Number::Finite { negative, .. } => Some(sign(*negative)),
        }
    }

    /// The order of the sizes of two numbers of the same sign that are not zero.
    fn compare_size(&self, other: &Decimal) -> Ordering {
        match (&self.0, &other.0) {
            (
                Number::Finite {
                    digits, exponent, ..
                },
                Number::Finite {
                    digits: other_digits,
                    exponent: other_exponent,
                    ..
                },
            ) => {
                let adjusted =
                    |digits: &[u8], exponent: i64| i128::from(exponent) + digits.len() as i128;
                adjusted(digits, *exponent)
                    .cmp(&adjusted(other_digits, *other_exponent))
                    .then_with(|| significant(digits).cmp(significant(other_digits)))
            }
            (Number::Finite { .. }, _) => Ordering::Less,
            (_, Number::Finite { .. }) => Ordering::Greater,
            _ => Ordering::Equal,
        }
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Decimal) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        let (sign, other_sign) = (self.sign()?, other.sign()?);
        let by_sign = sign.cmp(&other_sign);
        Some(match (by_sign, sign) {
            (Ordering::Equal, 1) => self.compare_size(other),
            (Ordering::Equal, -1) => other.compare_size(self),
            _ => by_sign,
        })
    }
}

/// Digits without trailing zeros.
fn significant(digits: &[u8]) -> &[u8] {
    let end = digits.iter().rposition(|digit| *digit != 0);
    &digits[..end.map_or(0, |end| end + 1)]
}

/// An exponent; beyond the range of its type it is cut, and out of range all the same.
fn exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse::<i64>().unwrap_or(i64::MAX);
    Some(if text.starts_with('-') { -size } else { size })
}

fn invalid(signal: &str) -> Raised {
    Raised::new("InvalidOperation", format!("[<class 'decimal.{signal}'>]"))
}

/// The text as Python's conversion sees it: no whitespace around, no underscores, ASCII digits.
fn plain(text: &str) -> String {
    let space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    text.trim_matches(space)
        .chars()
        .filter(|character| *character != '_')
        .map(|character| digit(character).unwrap_or(character))
        .collect()
}

/// The ASCII form of a decimal digit of any script.
fn digit(character: char) -> Option<char> {
    let code = u32::from(character);
    let at = ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?;
    char::from_digit(code - ZEROS[at], 10)
}

/// The zeros of all scripts of Unicode 15.0; their other digits follow them.
const ZEROS: [u32; 68] = [
    0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66,
    0xDE6, 0xE50, 0xED0, 0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90,
    0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
    0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650,
    0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x11F50, 0x16A60, 0x16AC0,
    0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E950,
    0x1FBF0,
];
