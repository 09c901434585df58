//! Quantities written by people: durations and rates.

use std::time::Duration;

use crate::{Data, Node};

/// Longest duration that is accepted, in seconds: 100 days. Longer ones are typing mistakes.
const DURATION_SECONDS_MAX: f64 = 100.0 * 86_400.0;

/// Units of a duration and their seconds, longer names first where one is the other's beginning.
const DURATION_UNITS: &[(&str, f64)] = &[
    ("ms", 1e-3),
    ("us", 1e-6),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
    ("d", 86_400.0),
];

/// Units of a rate and their seconds.
const RATE_UNITS: &[(&str, f64)] = &[("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// A duration: a number of seconds, or text such as `30s`, `1m30s`, `250ms`.
/// `None` if it is not one, is negative, or is longer than 100 days.
pub fn duration(node: &Node) -> Option<Duration> {
    let seconds = match &node.data {
        Data::Text(text) => duration_seconds(text.trim())?,
        _ => node.as_number()?,
    };
    if !(0.0..=DURATION_SECONDS_MAX).contains(&seconds) {
        return None;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// A rate per second: a number, or text such as `50/s`, `3000/m`.
/// `None` if it is not one or is not greater than zero.
pub fn rate(node: &Node) -> Option<f64> {
    let per_second = match &node.data {
        Data::Text(text) => rate_per_second(text.trim())?,
        _ => node.as_number()?,
    };
    (per_second > 0.0 && per_second.is_finite()).then_some(per_second)
}

fn duration_seconds(text: &str) -> Option<f64> {
    if let Some(seconds) = decimal(text) {
        return Some(seconds);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number = decimal(&rest[..digits])?;
        rest = &rest[digits..];
        let (unit, factor) = DURATION_UNITS
            .iter()
            .find(|(unit, _)| rest.starts_with(unit))?;
        seconds += number * factor;
        rest = &rest[unit.len()..];
    }
    (!text.is_empty()).then_some(seconds)
}

fn rate_per_second(text: &str) -> Option<f64> {
    let Some((number, unit)) = text.split_once('/') else {
        return decimal(text);
    };
    let (_, seconds) = RATE_UNITS.iter().find(|(name, _)| *name == unit.trim())?;
    Some(decimal(number.trim())? / seconds)
}

/// Digits with an optional fraction; none of the other spellings of a float.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    plain.then(|| text.parse().ok())?
}
