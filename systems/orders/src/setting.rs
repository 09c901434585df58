//! Settings from environment variables.
//!
//! 1. All problems are collected and reported at once, each with the variable's name and the form
//!    it must have.
//! 2. An empty variable counts as unset.
//! 3. The value of a secret is never shown.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The environment variables a program reads, and what was wrong with them so far.
#[derive(Debug)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    problems: Vec<String>,
}

/// Every problem of a program's settings.
#[derive(Debug, PartialEq, Eq)]
pub struct Problems(Vec<String>);

impl Environment {
    /// The environment of this process; values that are not UTF-8 are read lossily.
    pub fn of_process() -> Self {
        Self::new(std::env::vars_os().map(|(name, value)| {
            (
                name.to_string_lossy().into_owned(),
                value.to_string_lossy().into_owned(),
            )
        }))
    }

    /// An environment of the given variables.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            variables: variables
                .into_iter()
                .filter(|(_, value)| !value.trim().is_empty())
                .collect(),
            problems: Vec::new(),
        }
    }

    /// A text that must be set; `form` says what it is.
    pub fn text(&mut self, name: &str, form: &str) -> Option<String> {
        let value = self.variables.get(name).cloned();
        if value.is_none() {
            self.problems
                .push(format!("{name} is not set; it must be {form}"));
        }
        value
    }

    /// A text with a default.
    pub fn text_or(&self, name: &str, default: &str) -> Option<String> {
        Some(
            self.variables
                .get(name)
                .cloned()
                .unwrap_or_else(|| default.to_owned()),
        )
    }

    /// Any value with a default, read by its [`FromStr`].
    pub fn value_or<T: FromStr>(&mut self, name: &str, default: T, form: &str) -> Option<T> {
        self.parsed_or(name, default, form, |text| text.parse().ok())
    }

    /// Any value with a default, read by `parse`.
    pub fn parsed_or<T>(
        &mut self,
        name: &str,
        default: T,
        form: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let Some(text) = self.variables.get(name) else {
            return Some(default);
        };
        let value = parse(text.trim());
        if value.is_none() {
            self.problems
                .push(format!("{name} is {text:?}; it must be {form}"));
        }
        value
    }

    /// A value that must be set and is never shown, read by `parse`.
    pub fn secret<T>(
        &mut self,
        name: &str,
        form: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name, form)?;
        let value = parse(&text);
        if value.is_none() {
            self.problems.push(format!(
                "{name} (not shown) is malformed; it must be {form}"
            ));
        }
        value
    }

    /// A length of time: a number of `unit`s, or a number with the unit `ms`, `s`, `m` or `h`.
    pub fn duration_or(&mut self, name: &str, default: Duration, unit: Unit) -> Option<Duration> {
        let form = format!("a number of {unit}, or one with a unit such as 500ms, 30s, 2m or 1h");
        self.parsed_or(name, default, &form, |text| parse_duration(text, unit))
    }

    /// Records a problem that concerns more than one variable.
    pub fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// `value` when every setting was right, every problem otherwise.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Problems> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(Problems(self.problems)),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "wrong settings ({}):", self.0.len())?;
        for problem in &self.0 {
            write!(formatter, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The unit of a duration that is written as a bare number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// One thousandth of a second.
    Milliseconds,
    /// Sixty seconds.
    Minutes,
}

impl fmt::Display for Unit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Unit::Milliseconds => "milliseconds",
            Unit::Minutes => "minutes",
        })
    }
}

fn parse_duration(text: &str, unit: Unit) -> Option<Duration> {
    let number_end = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(number_end);
    let seconds_per_unit = match (suffix.trim(), unit) {
        ("", Unit::Milliseconds) | ("ms", _) => 0.001,
        ("", Unit::Minutes) | ("m", _) => 60.0,
        ("s", _) => 1.0,
        ("h", _) => 3600.0,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(number * seconds_per_unit)
        .ok()
        .filter(|duration| !duration.is_zero())
}
