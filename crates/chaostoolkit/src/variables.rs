//! `--var` and `--var-file`: values from the command line in place of those in the document.

use std::path::Path;

use shaketable_dialect::{Dict, Value, json, yaml};

use crate::access::{get, mapping};
use crate::configuration::convert_to_type;
use crate::environment::Environment;
use crate::logger::Logger;
use crate::problem::Problem;
use crate::settings::read_text;

/// What replaces declared configuration and secrets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Variables {
    /// Configuration by name.
    pub configuration: Dict,
    /// Secret groups by name.
    pub secrets: Dict,
}

/// The values of `--var name=value` and `--var name:type=value`.
///
/// # Errors
/// What the reference says behind `Invalid value for '--var':`.
pub fn convert_vars(arguments: &[String]) -> Result<Dict, String> {
    let mut variables = Dict::new();
    for argument in arguments {
        let Some((name, value)) = argument.split_once('=') else {
            return Err("not enough values to unpack (expected 2, got 1)".to_string());
        };
        let (name, value) = match name.rsplit_once(':') {
            Some((name, value_type)) => {
                let value = convert_to_type(&value_type.into(), value.into());
                (name, value.map_err(|raised| raised.message)?)
            }
            None => (name, value.into()),
        };
        variables.insert(name, value);
    }
    Ok(variables)
}

/// The variables of all files, later ones first to be believed, with `--var` above them. Files that are
/// neither JSON nor YAML set environment variables. What cannot be read is logged and left out.
///
/// # Errors
/// A crash for a file whose contents have the wrong shape.
pub fn merge_vars(
    variables: &Dict,
    files: &[String],
    environment: &Environment,
    logger: &Logger,
) -> Result<Variables, Problem> {
    let mut merged = Variables::default();
    for file in files {
        logger.debug(format!("Loading var from file '{file}'"));
        let path = Path::new(file);
        if !path.is_file() {
            logger.bare(format!("Cannot read var file '{file}'"));
            continue;
        }
        let content = read_text(path)?;
        if content.is_empty() {
            logger.debug(format!("Var file '{file}' is empty"));
            continue;
        }
        let parsed = match path.extension().and_then(|extension| extension.to_str()) {
            Some("yaml" | "yml") => yaml::load(&content),
            Some("json") => json::parse(&content),
            _ => Ok(Value::None),
        };
        let data = match parsed {
            Ok(data) => data,
            Err(raised) => {
                let reason = raised.message;
                logger.bare(format!("Failed to parse variable file '{file}': {reason}"));
                continue;
            }
        };
        if data.is_truthy() {
            logger.debug(format!("Reading configuration/secrets from {file}"));
            update(&mut merged.configuration, get(&data, "configuration")?)?;
            update(&mut merged.secrets, get(&data, "secrets")?)?;
        } else {
            export(&content, file, environment, logger)?;
        }
    }
    for (name, value) in variables {
        logger.debug(format!("Using configuration variable '{name}'"));
        merged.configuration.insert(name.clone(), value.clone());
    }
    Ok(merged)
}

fn update(all: &mut Dict, some: Option<&Value>) -> Result<(), Problem> {
    let Some(some) = some else { return Ok(()) };
    for (name, value) in mapping(some, "keys")? {
        all.insert(name.clone(), value.clone());
    }
    Ok(())
}

fn export(
    content: &str,
    file: &str,
    environment: &Environment,
    logger: &Logger,
) -> Result<(), Problem> {
    for line in content.split('\n').map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(Problem::crash(
                "ValueError",
                "not enough values to unpack (expected 2, got 1)",
            ));
        };
        environment.set(name, value);
        logger.debug(format!(
            "Inject environment variable '{name}' from file '{file}'"
        ));
    }
    Ok(())
}
