//! From a provider's fields to what is executed, with the exceptions Python raises for wrong ones.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use shaketable_dialect::{Raised, Value, text};

/// The longest time that is waited for anything, where the document asks for more: ten years.
const LONGEST: f64 = 3.2e8;

/// What is executed: the program, its arguments, and how the reference's log shows them.
pub(super) fn command(
    found: Option<PathBuf>,
    arguments: &Value,
) -> Result<(PathBuf, Vec<OsString>, String), Raised> {
    let path = found
        .as_ref()
        .map_or("None".into(), |p| p.to_string_lossy());
    let items: Vec<Value> = match arguments {
        Value::Str(arguments) => {
            let line = format!("{path} {arguments}");
            let shell = vec![OsString::from("-c"), OsString::from(&line)];
            return Ok((PathBuf::from("/bin/sh"), shell, line));
        }
        Value::List(items) => items.clone(),
        Value::Dict(pairs) => pairs
            .iter()
            .flat_map(|(key, value)| [key.to_value(), value.clone()])
            .collect(),
        other => {
            let kind = other.type_name();
            let message = format!("'{kind}' object is not iterable");
            return Err(Raised::new("TypeError", message));
        }
    };
    let kept: Vec<String> = items
        .iter()
        .filter(|item| !item.is_none() && item.as_str() != Some(""))
        .map(text::str)
        .collect();
    if kept.iter().any(|argument| argument.contains('\0')) {
        return Err(Raised::new("ValueError", "embedded null byte"));
    }
    let all = std::iter::once(Value::from(path.as_ref()));
    let all: Vec<Value> = all.chain(kept.iter().map(|a| a.as_str().into())).collect();
    let shown = text::str(&Value::List(all));
    let Some(program) = found else {
        let message = "expected str, bytes or os.PathLike object, not NoneType";
        return Err(Raised::new("TypeError", message));
    };
    Ok((
        program,
        kept.into_iter().map(OsString::from).collect(),
        shown,
    ))
}

/// Seconds as Python takes them for a timeout: a number; below zero is at once.
pub(super) fn seconds(value: &Value) -> Option<Duration> {
    let seconds = value.as_f64()?;
    Some(Duration::from_secs_f64(seconds.clamp(0.0, LONGEST)))
}

/// The connect and read timeouts of `requests`' timeout argument.
pub(super) fn timeouts(timeout: &Value) -> Result<(Option<Duration>, Option<Duration>), Raised> {
    let one = |value: &Value| -> Result<Option<Duration>, Raised> {
        if value.is_none() {
            return Ok(None);
        }
        match seconds(value) {
            Some(duration) if !duration.is_zero() => Ok(Some(duration)),
            Some(_) => Err(Raised::new(
                "ValueError",
                "Attempted to set connect timeout to a value less than or equal to 0.",
            )),
            None => Err(Raised::new(
                "ValueError",
                format!(
                    "Timeout value connect was {}, but it must be an int, float or None.",
                    text::str(value)
                ),
            )),
        }
    };
    match timeout {
        Value::List(pair) => match pair.as_slice() {
            [connect, read] => Ok((one(connect)?, one(read)?)),
            _ => Err(Raised::new(
                "ValueError",
                format!(
                    "Invalid timeout {}. Pass a (connect, read) timeout tuple, or a single float to \
                     set both timeouts to the same value.",
                    text::str(timeout)
                ),
            )),
        },
        single => Ok((one(single)?, one(single)?)),
    }
}
