//! Vault as the configuration names it: with hvac's environment variables (`VAULT_ADDR`, `VAULT_TOKEN`,
//! `VAULT_NAMESPACE`, `VAULT_CACERT`) and its exceptions.
//!
//! hvac 2 has lost the two login functions that the reference calls, so AppRole and Kubernetes logins always
//! fail there; here they work.

use std::path::PathBuf;

use shaketable_dialect::{Dict, Value, text};
use shaketable_providers::http::HttpFailure;
use shaketable_providers::vault::{Vault, VaultFailure};

use crate::environment::Environment;
use crate::logger::Logger;
use crate::problem::Problem;
use crate::redaction::Redaction;
use crate::settings::read_text;

const DEFAULT_URL: &str = "http://localhost:8200";
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// A Vault by the `vault_*` keys of the configuration: with a token, or logged in by AppRole or by the
/// Kubernetes service account.
///
/// # Errors
/// `InvalidExperiment` when a login fails.
pub(crate) async fn connect(
    configuration: &Dict,
    environment: &Environment,
    redaction: &Redaction,
    logger: &Logger,
) -> Result<Vault, Problem> {
    let setting = |key: &str| configuration.get(key).map(text::str);
    let version = setting("vault_kv_version").unwrap_or_else(|| "2".to_string());
    logger.debug(format!("Using Vault secrets KV version {version}"));
    let mut vault = Vault {
        url: configuration
            .get("vault_addr")
            .filter(|url| url.is_truthy())
            .map(text::str)
            .or_else(|| environment.get("VAULT_ADDR"))
            .unwrap_or_else(|| DEFAULT_URL.to_string()),
        token: token_of_environment(environment),
        namespace: environment.get("VAULT_NAMESPACE"),
        ca_file: environment.get("VAULT_CACERT").map(PathBuf::from),
        first_version: version == "1",
        mount_point: setting("vault_secrets_mount_point").unwrap_or_else(|| "secret".to_string()),
    };
    if let Some(token) = configuration.get("vault_token") {
        vault.token = (!token.is_none()).then(|| text::str(token));
    } else if let (Some(role), Some(secret)) =
        (setting("vault_role_id"), setting("vault_role_secret"))
    {
        let login = login([("role_id", role.into()), ("secret_id", secret.into())]);
        vault.log_in("approle", login).await.map_err(|failure| {
            invalid_experiment(format!(
                "Failed to connect to Vault with the AppRole: {}",
                problem(failure)
            ))
        })?;
    } else if let Some(role) = configuration.get("vault_sa_role") {
        let path = setting("vault_sa_token_path")
            .filter(|path| !path.is_empty())
            .unwrap_or_else(|| SERVICE_ACCOUNT_TOKEN.to_string());
        let jwt = read_text(path.as_ref()).map_err(|_| {
            invalid_experiment(format!("Failed to get service account token at: {path}"))
        })?;
        let mount_point =
            setting("vault_k8s_mount_point").unwrap_or_else(|| "kubernetes".to_string());
        let login = login([("role", role.clone()), ("jwt", jwt.into())]);
        vault.log_in(&mount_point, login).await.map_err(|failure| {
            invalid_experiment(format!(
                "Failed to connect to Vault using service account with errors: '{}'",
                problem(failure)
            ))
        })?;
    }
    if let Some(token) = &vault.token {
        redaction.add(&Value::from(token.as_str()));
    }
    Ok(vault)
}

/// What hvac would have raised.
pub(crate) fn problem(failure: VaultFailure) -> Problem {
    match failure {
        VaultFailure::Http(failure) => requests_problem(failure),
        VaultFailure::Refused { exception, message } => Problem::crash(exception, message),
        VaultFailure::NoToken => Problem::crash("KeyError", "'client_token'"),
    }
}

/// What the `requests` library would have raised.
pub(crate) fn requests_problem(failure: HttpFailure) -> Problem {
    match failure {
        HttpFailure::Connect { detail, .. } => {
            Problem::crash("requests.exceptions.ConnectionError", detail)
        }
        HttpFailure::TimedOut { .. } => {
            Problem::crash("requests.exceptions.ReadTimeout", failure.to_string())
        }
        HttpFailure::Raised(raised) => Problem::Crash(raised),
    }
}

fn token_of_environment(environment: &Environment) -> Option<String> {
    environment
        .get("VAULT_TOKEN")
        .or_else(|| {
            let file = shaketable_providers::process::expand_user("~/.vault-token");
            Some(read_text(&file).ok()?.trim().to_string())
        })
        .filter(|token| !token.is_empty())
}

fn login<const N: usize>(members: [(&str, Value); N]) -> Dict {
    members.into_iter().collect()
}

fn invalid_experiment(message: String) -> Problem {
    Problem::chaos("InvalidExperiment", message)
}
