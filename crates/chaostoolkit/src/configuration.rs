//! `configuration`: literals, environment variables, and values that a probe finds out.

use std::future::Future;

use shaketable_dialect::{Dict, Key, Raised, Value, json, text};

use crate::access::{get, item, mapping};
use crate::environment::Environment;
use crate::logger::Logger;
use crate::problem::Problem;

/// Carries out an activity: what the run knows how to do, and dynamic configuration needs.
pub trait ActivityRunner {
    /// The output of an activity. Nothing is recorded of it.
    fn run_activity(
        &self,
        activity: &Value,
        configuration: &Dict,
        secrets: &Dict,
    ) -> impl Future<Output = Result<Value, Raised>>;
}

/// The configuration of an experiment, with environment variables resolved; entries of type `probe` stay as
/// they are. An override replaces the definition of an entry that the experiment declares.
///
/// # Errors
/// `InvalidExperiment` for a missing environment variable; a crash for a value that is not of its type.
pub fn load_configuration(
    info: &Value,
    overrides: &Dict,
    environment: &Environment,
    logger: &Logger,
) -> Result<Dict, Problem> {
    logger.debug("Loading configuration...");
    let mut configuration = Dict::new();
    for (key, value) in mapping(info, "items")? {
        let value = overrides.0.get(key).unwrap_or(value);
        let value = if value.get("type").and_then(Value::as_str) == Some("env") {
            from_environment(value, environment)?
        } else {
            value.clone()
        };
        configuration.insert(key.clone(), value);
    }
    Ok(configuration)
}

fn from_environment(value: &Value, environment: &Environment) -> Result<Value, Problem> {
    let name = environment_key(item(value, "key")?)?;
    let default = get(value, "default")?;
    let found = environment.get(name);
    if found.is_none() && default.is_none() {
        return Err(Problem::chaos(
            "InvalidExperiment",
            format!(
                "Configuration makes reference to an environment key that does not exist: {name}"
            ),
        ));
    }
    let value_type = get(value, "env_var_type")?.unwrap_or(&Value::None);
    let raw = match found {
        Some(found) => Value::Str(found),
        None => default.cloned().unwrap_or_default(),
    };
    Ok(convert_to_type(value_type, raw)?)
}

/// The name of a variable; Python's `os.environ` takes nothing but text.
pub(crate) fn environment_key(key: &Value) -> Result<&str, Problem> {
    key.as_str().ok_or_else(|| {
        Problem::crash(
            "TypeError",
            format!("str expected, not {}", key.type_name()),
        )
    })
}

/// Replaces every entry of type `probe` with what its probe gives, in order; each probe sees the entries
/// before it. An entry whose probe fails is left out, and the log says so.
///
/// # Errors
/// A crash for an entry without a provider, or without the provider's type.
pub async fn load_dynamic_configuration(
    configuration: &Dict,
    secrets: &Dict,
    runner: &impl ActivityRunner,
    logger: &Logger,
) -> Result<Dict, Problem> {
    logger.debug("Loading dynamic configuration...");
    let mut loaded = Dict::new();
    let mut had_errors = false;
    for (key, value) in configuration {
        if !is_dynamic(value) {
            loaded.insert(key.clone(), value.clone());
            continue;
        }
        let name = text::str(get(value, "name")?.unwrap_or(&Value::None));
        let provider_type = text::str(item(item(value, "provider")?, "type")?);
        let mut probe = value.clone();
        put_secrets(&mut probe, secrets);
        let output = match runner.run_activity(&probe, &loaded, secrets).await {
            Ok(output) => output,
            Err(raised) => {
                had_errors = true;
                logger.debug(format!("Failed to load configuration '{name}'\n{raised}"));
                continue;
            }
        };
        match provider_type.as_str() {
            "python" => {
                loaded.insert(key.clone(), output);
            }
            "process" if item(&output, "status")? != &Value::Int(0) => {
                had_errors = true;
                let stderr = text::str(item(&output, "stderr")?);
                logger.debug(format!(
                    "Failed to load configuration dynamically from probe '{name}': {stderr}"
                ));
            }
            "process" => {
                let stdout = get(&output, "stdout")?
                    .and_then(Value::as_str)
                    .unwrap_or("");
                loaded.insert(key.clone(), stdout.trim());
            }
            "http" => {
                loaded.insert(
                    key.clone(),
                    get(&output, "body")?.cloned().unwrap_or_default(),
                );
            }
            _ => {}
        }
    }
    if had_errors {
        logger.warning(
            "Some of the dynamic configuration failed to be loaded.Please review the log file for \
             understanding what happened.",
        );
    }
    Ok(loaded)
}

/// What loading dynamic configuration does to the experiment in the reference: the provider of each dynamic
/// entry shows all secrets. `configuration` is the one before dynamic loading; entries that an override
/// replaced are not the experiment's own.
pub fn expose_secrets(experiment: &mut Value, configuration: &Dict, secrets: &Dict) {
    let Some(declared) = experiment
        .as_dict_mut()
        .and_then(|experiment| experiment.get_mut("configuration"))
        .and_then(Value::as_dict_mut)
    else {
        return;
    };
    for (key, value) in configuration {
        let entry: Option<&mut Value> = declared.0.get_mut::<Key>(key);
        if let Some(entry) = entry
            && is_dynamic(value)
            && entry == value
        {
            put_secrets(entry, secrets);
        }
    }
}

fn is_dynamic(value: &Value) -> bool {
    value.get("type").and_then(Value::as_str) == Some("probe")
}

fn put_secrets(probe: &mut Value, secrets: &Dict) {
    if let Some(provider) = probe
        .as_dict_mut()
        .and_then(|probe| probe.get_mut("provider"))
        .and_then(Value::as_dict_mut)
    {
        provider.insert("secrets", secrets.clone());
    }
}

/// A value made into another type, as `env_var_type` and `--var name:type=` name it.
///
/// # Errors
/// What Python raises: `ValueError` for a text that is no such value or an unknown type, `TypeError` or
/// `AttributeError` for a value that cannot be converted.
pub fn convert_to_type(value_type: &Value, value: Value) -> Result<Value, Raised> {
    match value_type {
        Value::None => Ok(value),
        Value::Str(name) => match name.as_str() {
            "str" | "string" => Ok(value),
            "int" | "integer" => to_int(&value),
            "float" | "number" => to_float(&value),
            "bytes" => match value {
                Value::Str(text) => Ok(Value::Bytes(text.into_bytes())),
                other => Err(no_attribute(&other, "encode")),
            },
            "bool" => match value {
                Value::Bool(_) => Ok(value),
                Value::Str(text) => {
                    let text = text.to_lowercase();
                    Ok(Value::Bool(!matches!(text.as_str(), "false" | "0" | "no")))
                }
                other => Err(no_attribute(&other, "lower")),
            },
            "json" => match value {
                Value::Str(text) if !text.is_empty() => json::parse(&text),
                other => Ok(other),
            },
            _ => Err(unknown_type()),
        },
        _ => Err(unknown_type()),
    }
}

/// Python's `int(value)`.
fn to_int(value: &Value) -> Result<Value, Raised> {
    match value {
        Value::Bool(flag) => Ok(Value::Int(i128::from(*flag))),
        Value::Int(number) => Ok(Value::Int(*number)),
        Value::Float(number) if number.is_nan() => Err(Raised::new(
            "ValueError",
            "cannot convert float NaN to integer",
        )),
        Value::Float(number) if number.is_infinite() => Err(Raised::new(
            "OverflowError",
            "cannot convert float infinity to integer",
        )),
        Value::Float(number) => Ok(Value::Int(number.trunc() as i128)),
        Value::Str(digits) => digits_of(digits)
            .and_then(|digits| match digits.parse::<i128>() {
                Ok(number) => Some(Value::Int(number)),
                Err(_) => digits
                    .trim_start_matches(['+', '-'])
                    .bytes()
                    .all(|byte| byte.is_ascii_digit())
                    .then(|| digits.parse().ok().map(Value::Float))?,
            })
            .ok_or_else(|| {
                Raised::new(
                    "ValueError",
                    format!(
                        "invalid literal for int() with base 10: {}",
                        text::repr(value)
                    ),
                )
            }),
        other => Err(Raised::new(
            "TypeError",
            format!(
                "int() argument must be a string, a bytes-like object or a real number, not '{}'",
                other.type_name()
            ),
        )),
    }
}

/// Python's `float(value)`.
fn to_float(value: &Value) -> Result<Value, Raised> {
    match value {
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
            Ok(Value::Float(value.as_f64().unwrap_or_default()))
        }
        Value::Str(digits) => digits_of(digits)
            .and_then(|digits| digits.parse().ok())
            .map(Value::Float)
            .ok_or_else(|| {
                Raised::new(
                    "ValueError",
                    format!("could not convert string to float: {}", text::repr(value)),
                )
            }),
        other => Err(Raised::new(
            "TypeError",
            format!(
                "float() argument must be a string or a real number, not '{}'",
                other.type_name()
            ),
        )),
    }
}

/// The text of a number without white space around it and without underscores between digits; nothing when
/// an underscore is anywhere else, or no number can be meant.
fn digits_of(text: &str) -> Option<String> {
    let text = text.trim();
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let digit = |at: Option<usize>| {
            at.and_then(|at| bytes.get(at))
                .is_some_and(u8::is_ascii_digit)
        };
        if *byte == b'_' && !(digit(at.checked_sub(1)) && digit(Some(at + 1))) {
            return None;
        }
    }
    (!text.is_empty()).then(|| text.replace('_', ""))
}

fn no_attribute(value: &Value, name: &str) -> Raised {
    Raised::new(
        "AttributeError",
        format!("'{}' object has no attribute '{name}'", value.type_name()),
    )
}

fn unknown_type() -> Raised {
    Raised::new(
        "ValueError",
        "variable type can only be: bool, str, int, float, bytes or json",
    )
}
