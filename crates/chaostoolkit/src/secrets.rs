//! `secrets`: literals, environment variables, and what Vault holds.
//!
//! Promise: everything that came from outside the document (environment, Vault, variable files) is known to
//! the [`Redaction`] before it is given back.

use shaketable_dialect::{Dict, Value, text};

use crate::access::{get, item, mapping};
use crate::configuration::environment_key;
use crate::environment::Environment;
use crate::logger::Logger;
use crate::problem::Problem;
use crate::redaction::Redaction;
use crate::vault;

/// The secrets of an experiment, resolved. An override replaces a whole group that the experiment declares,
/// as it is.
///
/// # Errors
/// `InvalidExperiment` for a missing environment variable or a Vault that does not let us in; a crash for
/// what hvac raises.
pub async fn load_secrets(
    info: &Value,
    configuration: &Dict,
    overrides: &Dict,
    environment: &Environment,
    redaction: &Redaction,
    logger: &Logger,
) -> Result<Dict, Problem> {
    let loading = Loading {
        configuration,
        environment,
        redaction,
        logger,
    };
    loading.group(info, overrides).await
}

/// What is the same for all groups.
struct Loading<'a> {
    configuration: &'a Dict,
    environment: &'a Environment,
    redaction: &'a Redaction,
    logger: &'a Logger,
}

impl Loading<'_> {
    async fn group(&self, info: &Value, overrides: &Dict) -> Result<Dict, Problem> {
        self.logger.debug("Loading secrets...");
        let mut secrets = Dict::new();
        for (key, value) in mapping(info, "items")? {
            let secret = match overrides.0.get(key).filter(|value| !value.is_none()) {
                Some(replacement) if value.as_dict().is_some() => {
                    self.redaction.add(replacement);
                    replacement.clone()
                }
                _ => self.secret(value).await?,
            };
            secrets.insert(key.clone(), secret);
        }
        self.logger.debug("Done loading secrets");
        Ok(secrets)
    }

    async fn secret(&self, value: &Value) -> Result<Value, Problem> {
        if value.as_dict().is_none() {
            return Ok(value.clone());
        }
        let secret = match get(value, "type")?.and_then(Value::as_str) {
            Some("env") => self.of_environment(value)?,
            Some("vault") => self.of_vault(value).await?,
            _ => {
                return Ok(Value::Dict(
                    Box::pin(self.group(value, &Dict::new())).await?,
                ));
            }
        };
        self.redaction.add(&secret);
        Ok(secret)
    }

    fn of_environment(&self, value: &Value) -> Result<Value, Problem> {
        let name = environment_key(item(value, "key")?)?;
        match self.environment.get(name) {
            Some(secret) => Ok(Value::Str(secret)),
            None => Err(Problem::chaos(
                "InvalidExperiment",
                format!("Secrets make reference to an environment key that does not exist: {name}"),
            )),
        }
    }

    async fn of_vault(&self, value: &Value) -> Result<Value, Problem> {
        let vault = vault::connect(
            self.configuration,
            self.environment,
            self.redaction,
            self.logger,
        )
        .await?;
        let path = match get(value, "path")? {
            None | Some(Value::None) => {
                let shown = text::repr(value);
                self.logger
                    .warning(format!("Missing Vault secret path for '{shown}'"));
                return Ok(Value::Dict(Dict::new()));
            }
            Some(path) => text::str(path),
        };
        let data = vault.read(&path).await.map_err(vault::problem)?;
        // Before anything can fail on the way: a message must not show what was read.
        self.redaction.add(&data);
        match get(value, "key")? {
            None | Some(Value::None) => Ok(data),
            Some(key) => Ok(item(&data, &text::str(key))?.clone()),
        }
    }
}
