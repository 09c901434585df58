//! Vault: where it is and how one authenticates, from the configuration's `vault_…` values.

use std::collections::BTreeMap;

use serde_json::Value;

/// How Vault is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Vault {
    /// Its address, without a slash at its end.
    pub address: String,
    /// How one authenticates.
    pub authentication: VaultAuthentication,
    /// The version of the key-value store: 1 or 2.
    pub kv_version: u8,
    /// Where the key-value store is mounted.
    pub mount_point: String,
}

/// How one authenticates with Vault.
#[derive(Clone, PartialEq, Eq)]
pub enum VaultAuthentication {
    /// With a token.
    Token(String),
    /// As an application.
    AppRole {
        /// The role's id.
        role_id: String,
        /// The secret of it.
        secret_id: String,
    },
    /// As a service account of Kubernetes.
    Kubernetes {
        /// The role.
        role: String,
        /// The file with the account's token.
        token_path: String,
        /// Where the authentication is mounted.
        mount_point: String,
    },
}

/// The token's file in a pod, unless the configuration says.
const TOKEN_PATH_DEFAULT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

impl Vault {
    /// The values of the configuration that let one in: secrets, wherever they stand.
    pub const SECRETS: [&str; 2] = ["vault_token", "vault_role_secret"];

    /// Reads the configuration.
    ///
    /// # Errors
    /// In words, what is missing, or wrong.
    pub fn of(configuration: &BTreeMap<String, Value>) -> Result<Vault, String> {
        let get = |name: &str| match configuration.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        };
        let address = get("vault_addr").ok_or(
            "a value comes from Vault: say under `configuration` with `vault_addr` where that is",
        )?;
        let authentication = if let Some(token) = get("vault_token") {
            VaultAuthentication::Token(token)
        } else if let (Some(role_id), Some(secret_id)) =
            (get("vault_role_id"), get("vault_role_secret"))
        {
            VaultAuthentication::AppRole { role_id, secret_id }
        } else if let Some(role) = get("vault_sa_role") {
            VaultAuthentication::Kubernetes {
                role,
                token_path: get("vault_sa_token_path")
                    .unwrap_or_else(|| TOKEN_PATH_DEFAULT.to_owned()),
                mount_point: get("vault_k8s_mount_point")
                    .unwrap_or_else(|| "kubernetes".to_owned()),
            }
        } else {
            return Err(
                "a value comes from Vault: give `vault_token`, or `vault_role_id` and \
                 `vault_role_secret`, or `vault_sa_role` under `configuration`"
                    .to_owned(),
            );
        };
        let kv_version = match get("vault_kv_version").as_deref() {
            Some("1") => 1,
            None | Some("2") => 2,
            Some(other) => {
                return Err(format!(
                    "`vault_kv_version` has to be 1 or 2, found {other}"
                ));
            }
        };
        Ok(Vault {
            address: address.trim_end_matches('/').to_owned(),
            authentication,
            kv_version,
            mount_point: get("vault_secrets_mount_point").unwrap_or_else(|| "secret".to_owned()),
        })
    }
}

impl std::fmt::Debug for Vault {
    /// Without what one authenticates with.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Vault({:?})", self.address)
    }
}
