//! Timestamps of YAML 1.1, as the ISO text that Python's `date` and `datetime` give.

use std::sync::LazyLock;

use fancy_regex::Regex;

use crate::raised::Raised;

/// A date, and perhaps a time of day with a fraction and a zone.
static MOMENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let date = "([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})";
    let time = r"([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]*))?";
    let zone = "(Z|([-+])([0-9]{1,2})(?::([0-9]{2}))?)";
    Regex::new(&format!(
        r"\A{date}(?:(?:[Tt]|[ \t]+){time}(?:[ \t]*{zone})?)?\z"
    ))
    .ok()
});

/// The length of `2020-01-01`: without a time, plain text is a date only in full.
const DATE_LENGTH: usize = 10;

/// Whether plain text is a timestamp.
pub(super) fn is_plain(text: &str) -> bool {
    let matches = MOMENT
        .as_ref()
        .is_some_and(|regex| regex.is_match(text).unwrap_or(false));
    matches && (text.contains(':') || text.len() == DATE_LENGTH)
}

/// `2020-01-01` or `2020-01-01T10:00:00.000001+00:00`.
///
/// # Errors
/// `AttributeError` for text that is no timestamp, `ValueError` for one that no calendar has.
pub(super) fn parse(text: &str) -> Result<String, Raised> {
    let found = MOMENT
        .as_ref()
        .and_then(|regex| regex.captures(text).ok().flatten())
        .ok_or_else(|| {
            let message = "'NoneType' object has no attribute 'groupdict'";
            Raised::new("AttributeError", message)
        })?;
    let part = |index: usize| found.get(index).map(|part| part.as_str());
    let number = |index: usize| {
        part(index)
            .and_then(|part| part.parse::<u32>().ok())
            .unwrap_or(0)
    };

    let (year, month, day) = (number(1), number(2), number(3));
    check(year >= 1, format!("year {year} is out of range"))?;
    check((1..=12).contains(&month), "month must be in 1..12")?;
    let in_month = (1..=days(year, month)).contains(&day);
    check(in_month, "day is out of range for month")?;
    let mut iso = format!("{year:04}-{month:02}-{day:02}");
    if part(4).is_none() {
        return Ok(iso);
    }

    let (hour, minute, second) = (number(4), number(5), number(6));
    check(hour < 24, "hour must be in 0..23")?;
    check(minute < 60, "minute must be in 0..59")?;
    check(second < 60, "second must be in 0..59")?;
    iso += &format!("T{hour:02}:{minute:02}:{second:02}");
    let fraction: String = part(7).unwrap_or_default().chars().take(6).collect();
    if fraction.contains(|c| c != '0') {
        iso += &format!(".{fraction:0<6}");
    }
    match (part(8), part(9)) {
        (None, _) => {}
        (_, None) => iso += "+00:00",
        (_, Some(sign)) => {
            let minutes = number(10) * 60 + number(11);
            check(
                minutes < 24 * 60,
                "offset must be a timedelta strictly between -timedelta(hours=24) and timedelta(hours=24)",
            )?;
            let sign = if minutes == 0 { "+" } else { sign };
            iso += &format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        }
    }
    Ok(iso)
}

fn check(holds: bool, message: impl Into<String>) -> Result<(), Raised> {
    if holds {
        Ok(())
    } else {
        Err(Raised::new("ValueError", message))
    }
}

/// How many days a month has.
fn days(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
