//! `settings.yaml`: reading it, writing it, and finding an entry by its dotted key.

use std::path::{Path, PathBuf};

use shaketable_dialect::{Value, yaml};

use crate::logger::Logger;
use crate::problem::Problem;
use crate::yaml_text;

/// Where the settings are when the command line says nothing: `~/.chaostoolkit/settings.yaml`.
pub fn default_path() -> PathBuf {
    shaketable_providers::process::expand_user("~/.chaostoolkit/settings.yaml")
}

/// The settings of a file; `None` when there is no file, or when it is no YAML, which is logged.
///
/// # Errors
/// A crash when the file cannot be read.
pub fn load_settings(path: &Path, logger: &Logger) -> Result<Value, Problem> {
    if !path.exists() {
        logger.debug(format!(
            "The Chaos Toolkit settings file could not be found at '{}'.",
            path.display()
        ));
        return Ok(Value::None);
    }
    match yaml::load(&read_text(path)?) {
        Ok(settings) => Ok(settings),
        Err(raised) => {
            logger.error(format!("Failed parsing YAML settings: {}", raised.message));
            Ok(Value::None)
        }
    }
}

/// Writes the settings, in place of what was there; makes the folder if it is missing.
///
/// # Errors
/// A crash when file or folder cannot be written, and for a bare file name.
pub fn save_settings(settings: &Value, path: &Path) -> Result<(), Problem> {
    // A bare file name has the folder "", which cannot be made: as in the reference, it is refused.
    if let Some(folder) = path.parent()
        && !folder.is_dir()
    {
        std::fs::create_dir(folder).map_err(|error| open_error(folder, &error))?;
    }
    std::fs::write(path, yaml_text::dump(settings, 2, true))
        .map_err(|error| open_error(path, &error))
}

/// The steps to the entry of a dotted key: `auths.example\.com.type`, `controls[0].name`. Nothing when
/// there is no such entry.
pub fn locate(settings: &Value, key: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut current = settings;
    for part in parts(key) {
        let (name, index) = split_index(&part)?;
        current = current.get(&name)?;
        steps.push(Step::Key(name));
        if let Some(index) = index {
            current = current.as_list()?.get(index)?;
            steps.push(Step::Index(index));
        }
    }
    Some(steps)
}

/// One step from a value into a value in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// What a mapping holds under a name.
    Key(String),
    /// An item of a list, from 0.
    Index(usize),
}

/// What steps lead to.
pub fn entry<'a>(settings: &'a mut Value, steps: &[Step]) -> Option<&'a mut Value> {
    let mut current = settings;
    for step in steps {
        current = match step {
            Step::Key(name) => current.as_dict_mut()?.get_mut(name)?,
            Step::Index(index) => current.as_list_mut()?.get_mut(*index)?,
        };
    }
    Some(current)
}

/// A text file of the user.
///
/// # Errors
/// What Python's `open(path).read()` raises: `FileNotFoundError`, `IsADirectoryError`, `UnicodeDecodeError`, ...
pub fn read_text(path: &Path) -> Result<String, Problem> {
    let bytes = std::fs::read(path).map_err(|error| open_error(path, &error))?;
    match String::from_utf8(bytes) {
        // Python reads text with universal newlines.
        Ok(text) if text.contains('\r') => Ok(text.replace("\r\n", "\n").replace('\r', "\n")),
        Ok(text) => Ok(text),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let byte = error.as_bytes().get(at).copied().unwrap_or_default();
            let wrong = match byte {
                0xc2..=0xf4 => "invalid continuation byte",
                _ => "invalid start byte",
            };
            Err(Problem::crash(
                "UnicodeDecodeError",
                format!("'utf-8' codec can't decode byte {byte:#04x} in position {at}: {wrong}"),
            ))
        }
    }
}

/// What Python raises when a path cannot be opened.
pub(crate) fn open_error(path: &Path, error: &std::io::Error) -> Problem {
    use std::io::ErrorKind;
    let (kind, text) = match error.kind() {
        ErrorKind::NotFound => ("FileNotFoundError", "No such file or directory"),
        ErrorKind::PermissionDenied => ("PermissionError", "Permission denied"),
        ErrorKind::IsADirectory => ("IsADirectoryError", "Is a directory"),
        _ => ("OSError", "cannot be read"),
    };
    let number = error.raw_os_error().unwrap_or_default();
    Problem::crash(
        kind,
        format!("[Errno {number}] {text}: '{}'", path.display()),
    )
}

/// Splits at dots that no backslash precedes, then takes the backslashes away.
fn parts(key: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before = '\0';
    for letter in key.chars() {
        if letter == '.' && before != '\\' {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
        before = letter;
    }
    parts.iter().map(|part| part.replace('\\', "")).collect()
}

/// `name[2]` is the name and 2. Nothing for an index that is no number.
fn split_index(part: &str) -> Option<(String, Option<usize>)> {
    let Some((name, index)) = part
        .strip_suffix(']')
        .and_then(|part| part.rsplit_once('['))
        .filter(|(_, index)| index.bytes().all(|byte| byte.is_ascii_digit()))
    else {
        return Some((part.to_string(), None));
    };
    Some((name.to_string(), Some(index.parse().ok()?)))
}
