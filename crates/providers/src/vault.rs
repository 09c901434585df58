//! HashiCorp Vault over HTTP: logging in, and reading a secret of the key-value engines 1 and 2.
//!
//! Failures are named as the Python library hvac names its exceptions. Every wait is bounded by
//! [`VAULT_TIMEOUT`].

use std::path::PathBuf;
use std::time::Duration;

use shaketable_dialect::{Dict, Value, json, text};

use crate::http::{Body, HttpFailure, Request};

/// How long Vault may take to connect, and then be silent: hvac's.
pub const VAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Most bytes of an answer: a secret is small.
const ANSWER_KEPT: usize = 4 * 1024 * 1024;

/// Where a Vault is, and who asks.
#[derive(Clone)]
pub struct Vault {
    /// Its address.
    pub url: String,
    /// The token that lets us in; a login sets it.
    pub token: Option<String>,
    /// The namespace of Vault Enterprise.
    pub namespace: Option<String>,
    /// A PEM file with the authorities that are trusted instead of the machine's.
    pub ca_file: Option<PathBuf>,
    /// Whether the key-value engine is of version 1; otherwise it is of version 2.
    pub first_version: bool,
    /// Where the key-value engine is mounted.
    pub mount_point: String,
}

impl std::fmt::Debug for Vault {
    /// Without the token.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Vault({:?})", self.url)
    }
}

/// Why Vault gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum VaultFailure {
    /// It did not answer.
    #[error(transparent)]
    Http(#[from] HttpFailure),
    /// It refused.
    #[error("{message}")]
    Refused {
        /// hvac's exception.
        exception: &'static str,
        /// What Vault said, and to what: hvac's words.
        message: String,
    },
    /// It answered a login without a token.
    #[error("the answer to the login has no client_token")]
    NoToken,
}

impl Vault {
    /// Logs in with what the method mounted at `mount_point` wants (such as `role_id` and `secret_id`),
    /// and keeps the token.
    ///
    /// # Errors
    /// See [`VaultFailure`].
    pub async fn log_in(&mut self, mount_point: &str, login: Dict) -> Result<(), VaultFailure> {
        let path = format!("v1/auth/{}/login", quote(mount_point));
        let answer = self
            .ask("post", &path, Body::Json(Value::Dict(login)))
            .await?;
        let token = answer.get("auth").and_then(|auth| auth.get("client_token"));
        let token = token.and_then(Value::as_str).ok_or(VaultFailure::NoToken)?;
        self.token = Some(token.to_string());
        Ok(())
    }

    /// Everything a secret holds.
    ///
    /// # Errors
    /// See [`VaultFailure`].
    pub async fn read(&self, path: &str) -> Result<Value, VaultFailure> {
        let (mount_point, path) = (quote(&self.mount_point), quote(path));
        let path = match self.first_version {
            true => format!("v1/{mount_point}/{path}"),
            false => format!("v1/{mount_point}/data/{path}"),
        };
        let answer = self.ask("get", &path, Body::None).await?;
        let data = answer.get("data");
        let data = match self.first_version {
            true => data,
            false => data.and_then(|data| data.get("data")),
        };
        Ok(data.cloned().unwrap_or_default())
    }

    async fn ask(&self, method: &str, path: &str, body: Body) -> Result<Value, VaultFailure> {
        let mut path = path.to_string();
        while path.contains("//") {
            path = path.replace("//", "/");
        }
        let url = format!("{}/{path}", self.url.trim_end_matches('/'));
        let mut request = Request::new(method.to_uppercase(), &url);
        request.body = body;
        request.connect_timeout = Some(VAULT_TIMEOUT);
        request.read_timeout = Some(VAULT_TIMEOUT);
        request.ca_file = self.ca_file.clone();
        request.keep = ANSWER_KEPT;
        let mut header = |name: &str, value: &str| {
            request.headers.push((name.to_string(), value.to_string()));
        };
        header("X-Vault-Request", "true");
        if let Some(token) = &self.token {
            header("X-Vault-Token", token);
        }
        if let Some(namespace) = &self.namespace {
            header("X-Vault-Namespace", namespace);
        }
        let response = request.send().await?;
        let answer = json::parse(&response.text_utf8()).unwrap_or_default();
        if response.status < 400 {
            return Ok(answer);
        }
        let errors: Vec<String> = answer
            .get("errors")
            .and_then(Value::as_list)
            .unwrap_or_default()
            .iter()
            .map(text::str)
            .collect();
        let told = match errors.is_empty() {
            true => "None".to_string(),
            false => errors.join(", "),
        };
        Err(VaultFailure::Refused {
            exception: exception_of(response.status),
            message: format!("{told}, on {method} {url}"),
        })
    }
}

fn exception_of(status: u16) -> &'static str {
    match status {
        400 => "hvac.exceptions.InvalidRequest",
        401 => "hvac.exceptions.Unauthorized",
        403 => "hvac.exceptions.Forbidden",
        404 => "hvac.exceptions.InvalidPath",
        429 => "hvac.exceptions.RateLimitExceeded",
        500 => "hvac.exceptions.InternalServerError",
        501 => "hvac.exceptions.VaultNotInitialized",
        502 => "hvac.exceptions.BadGateway",
        503 => "hvac.exceptions.VaultDown",
        _ => "hvac.exceptions.UnexpectedError",
    }
}

/// Python's `urllib.parse.quote`: everything but letters, digits, `_.-~/` as `%XX`.
fn quote(text: &str) -> String {
    let mut quoted = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"_.-~/".contains(&byte) {
            quoted.push(char::from(byte));
        } else {
            quoted.push_str(&format!("%{byte:02X}"));
        }
    }
    quoted
}
