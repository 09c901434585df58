//! Sources: values that are found out before the run: the configuration's, and the secrets.
//!
//! 1. Every secret is known to the redaction before it is given back; so is all that comes from Vault,
//!    and what lets us in there.
//! 2. What cannot be found out is left out, and said in words; whether it is missed is for the plan to
//!    say.
//! 3. Every wait is bounded.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use shaketable_dialect::redaction::Redaction;
use shaketable_dialect::{Dict, Value as PythonValue};
use shaketable_experiment::{
    Activity, Experiment, Found, ProcessArguments, Provider, ValueSource, Values,
    Vault as VaultPlan, VaultAuthentication,
};
use shaketable_providers::vault::Vault;

use crate::addresses;
use crate::carrying::only_at;
use crate::probes::Asker;

/// The most bytes of a file with a value.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How long one question to Vault may take in all.
const VAULT_ANSWER_MAX: Duration = Duration::from_secs(60);
/// Where AppRole is mounted.
const APP_ROLE_MOUNT: &str = "approle";

/// Finds out what an experiment [waits](Experiment::waits) for. The texts are warnings, without
/// secrets: what could not be found out, and why.
pub async fn find(experiment: &Experiment, asker: &Asker) -> (Found, Vec<String>) {
    let mut search = Search {
        asker,
        values: experiment.configuration.clone(),
        vault: None,
        warnings: Vec::new(),
    };
    let mut found = Found::default();
    for wanted in &experiment.sources {
        let name = &wanted.name;
        let what = || format!("the configuration's `{name}`");
        if let Some(value) = search.value(&wanted.source, what).await {
            search.values.insert(name.clone(), value.clone());
            found.configuration.insert(name.clone(), value);
        }
    }
    for group in &experiment.secrets {
        let mut secrets = Values::new();
        if let Some(whole) = &group.whole {
            let what = || format!("the secrets `{}`", group.name);
            match search.secret(whole, what).await {
                Some(Value::Object(members)) => secrets.extend(members),
                Some(_) => search.warn(&what(), "it is no map of secrets"),
                None => {}
            }
        }
        for (name, source) in &group.secrets {
            let what = || format!("the secret `{name}` of `{}`", group.name);
            if let Some(value) = search.secret(source, what).await {
                secrets.insert(name.clone(), value);
            }
        }
        found.secrets.push((group.name.clone(), secrets));
    }
    let warnings = search.warnings.iter();
    let warnings = warnings.map(|warning| asker.redaction.text(warning).into_owned());
    (found, warnings.collect())
}

/// Warnings about secrets that everybody on this machine can read while a process runs: those in its
/// arguments.
pub fn exposed(experiment: &Experiment, redaction: &Redaction) -> Vec<String> {
    let is_exposed = |activity: &&Activity| match &activity.provider {
        Provider::Process(call) => {
            let texts = match &call.arguments {
                ProcessArguments::List(list) => list.as_slice(),
                ProcessArguments::Shell(text) => std::slice::from_ref(text),
            };
            texts.iter().any(|text| redaction.text(text) != *text)
        }
        _ => false,
    };
    let activities = experiment.activities().filter(is_exposed);
    let warnings = activities.map(|activity| {
        format!(
            "a secret is among the arguments of the process of `{}`, which everybody on this machine \
             can list: hand it over in `env`",
            activity.name
        )
    });
    warnings.collect()
}

/// A search for values, with what it has found so far.
struct Search<'a> {
    asker: &'a Asker,
    /// The configuration as far as it is known.
    values: Values,
    /// Vault, once it has let us in, or why it has not.
    vault: Option<Result<Vault, String>>,
    warnings: Vec<String>,
}

impl Search<'_> {
    fn warn(&mut self, what: &str, why: &str) {
        self.warnings
            .push(format!("{what} could not be found out: {why}"));
    }

    async fn value(&mut self, source: &ValueSource, what: impl Fn() -> String) -> Option<Value> {
        let found = match source {
            ValueSource::Known(value) => Ok(value.clone()),
            ValueSource::File { path, json_path } => {
                of_file(&self.asker.folder().join(path), json_path.as_deref())
            }
            ValueSource::Vault { path, key } => self.of_vault(path, key.as_deref()).await,
            ValueSource::Probe(probe) => self.of_probe(probe).await,
        };
        found.map_err(|why| self.warn(&what(), &why)).ok()
    }

    async fn secret(&mut self, source: &ValueSource, what: impl Fn() -> String) -> Option<Value> {
        let value = self.value(source, what).await?;
        self.hide(&value);
        Some(value)
    }

    fn hide(&self, value: &Value) {
        let value = PythonValue::from(value.clone());
        self.asker.redaction.add(&value);
    }

    async fn of_vault(&mut self, path: &str, key: Option<&str>) -> Result<Value, String> {
        let vault = match self.vault.take() {
            Some(vault) => vault,
            None => self.let_in().await,
        };
        let answer = match &vault {
            Ok(vault) => bounded(vault.read(path)).await,
            Err(why) => Err(why.clone()),
        };
        self.vault = Some(vault);
        let secret = answer?.to_json();
        self.hide(&secret);
        match (key, secret) {
            (_, Value::Null) => Err(format!("nothing is at `{path}` in Vault")),
            (None, secret) => Ok(secret),
            (Some(key), secret) => {
                let value = secret.get(key).cloned();
                value.ok_or_else(|| format!("what is at `{path}` in Vault has no `{key}`"))
            }
        }
    }

    /// Vault, logged in.
    async fn let_in(&self) -> Result<Vault, String> {
        let plan = VaultPlan::of(&self.values)?;
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut vault = Vault {
            url: plan.address,
            token: None,
            namespace: set("VAULT_NAMESPACE"),
            ca_file: set("VAULT_CACERT").map(PathBuf::from),
            first_version: plan.kv_version == 1,
            mount_point: plan.mount_point,
        };
        let redaction = &self.asker.redaction;
        let (mount_point, login) = match plan.authentication {
            VaultAuthentication::Token(token) => {
                redaction.add_text(&token);
                vault.token = Some(token);
                return Ok(vault);
            }
            VaultAuthentication::AppRole { role_id, secret_id } => {
                redaction.add_text(&secret_id);
                let login = [("role_id", role_id), ("secret_id", secret_id)];
                (APP_ROLE_MOUNT.to_owned(), login)
            }
            VaultAuthentication::Kubernetes {
                role,
                token_path,
                mount_point,
            } => {
                let token = content(Path::new(&token_path))?.trim().to_owned();
                redaction.add_text(&token);
                (mount_point, [("role", role), ("jwt", token)])
            }
        };
        let login: Dict = login
            .into_iter()
            .map(|(name, value)| (name, PythonValue::from(value)))
            .collect();
        bounded(vault.log_in(&mount_point, login))
            .await
            .map_err(|why| format!("Vault does not let us in: {why}"))?;
        if let Some(token) = &vault.token {
            redaction.add_text(token);
        }
        Ok(vault)
    }

    async fn of_probe(&self, probe: &Activity) -> Result<Value, String> {
        let mut probe = probe.filled_in(&self.values)?;
        addresses::in_activity(&mut probe, &self.asker.site);
        let mut output = self.asker.carry_out(&probe, None).await.output?;
        match &probe.provider {
            Provider::Process(_) if output["status"] != 0 => {
                let stderr = output["stderr"].as_str().unwrap_or_default().trim();
                let ended = format!("`{}` ended with status {}", probe.name, output["status"]);
                Err(match stderr {
                    "" => ended,
                    said => format!("{ended}: {said}"),
                })
            }
            Provider::Process(_) => {
                let stdout = output["stdout"].as_str().unwrap_or_default();
                Ok(stdout.trim().into())
            }
            Provider::Http(_) => Ok(output["body"].take()),
            _ => Ok(output),
        }
    }
}

async fn bounded<T>(
    question: impl Future<Output = Result<T, shaketable_providers::vault::VaultFailure>>,
) -> Result<T, String> {
    match tokio::time::timeout(VAULT_ANSWER_MAX, question).await {
        Ok(answer) => answer.map_err(|failure| failure.to_string()),
        Err(_) => Err(format!(
            "Vault did not answer within {} s",
            VAULT_ANSWER_MAX.as_secs()
        )),
    }
}

fn of_file(path: &Path, json_path: Option<&str>) -> Result<Value, String> {
    let text = content(path)?;
    let Some(json_path) = json_path else {
        return Ok(text.trim_end_matches(['\n', '\r']).into());
    };
    // What the parser says about a text may quote it.
    let document: Value = serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("{} is no JSON, at {line}:{column}", path.display())
    })?;
    only_at(json_path, &document)
        .cloned()
        .map_err(|reason| format!("in {} {reason}", path.display()))
}

/// The text of a file, which is no device and no pipe, and not large.
fn content(path: &Path) -> Result<String, String> {
    let read = || {
        let found = std::fs::metadata(path)?;
        if !found.is_file() || found.len() > FILE_BYTES_MAX {
            let what = format!("it is no file of at most {FILE_BYTES_MAX} bytes");
            return Err(std::io::Error::other(what));
        }
        std::fs::read_to_string(path)
    };
    read().map_err(|error| format!("{} cannot be read: {error}", path.display()))
}
