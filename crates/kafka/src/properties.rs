//! Client properties: what a secured or peculiar cluster wants from its clients, under the names that librdkafka and
//! the Java client use.
//!
//! What it promises:
//! 1. Values never show in `Debug` or in errors, but for a few that are known to be no secrets.
//! 2. Both clients of this crate obey the same security properties. One that only librdkafka would obey is refused;
//!    anything that has nothing to do with security is passed on to librdkafka.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::{Error, Result};

/// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
pub(crate) const SECURITY_PROTOCOL: &str = "security.protocol";
pub(crate) const SASL_MECHANISM: &str = "sasl.mechanism";
/// How librdkafka spells it.
const SASL_MECHANISMS: &str = "sasl.mechanisms";
pub(crate) const SASL_USERNAME: &str = "sasl.username";
pub(crate) const SASL_PASSWORD: &str = "sasl.password";
/// Where Java keeps user name and password.
pub(crate) const SASL_JAAS_CONFIG: &str = "sasl.jaas.config";
pub(crate) const SSL_CA_LOCATION: &str = "ssl.ca.location";
pub(crate) const SSL_CERTIFICATE_LOCATION: &str = "ssl.certificate.location";
pub(crate) const SSL_KEY_LOCATION: &str = "ssl.key.location";
pub(crate) const SSL_ENDPOINT_IDENTIFICATION: &str = "ssl.endpoint.identification.algorithm";

/// The security properties that both clients obey.
const SECURITY: [&str; 10] = [
    SECURITY_PROTOCOL,
    SASL_MECHANISM,
    SASL_MECHANISMS,
    SASL_USERNAME,
    SASL_PASSWORD,
    SASL_JAAS_CONFIG,
    SSL_CA_LOCATION,
    SSL_CERTIFICATE_LOCATION,
    SSL_KEY_LOCATION,
    SSL_ENDPOINT_IDENTIFICATION,
];

/// The properties whose values may be shown.
const SHOWN: [&str; 8] = [
    SECURITY_PROTOCOL,
    SASL_MECHANISM,
    SASL_MECHANISMS,
    SASL_USERNAME,
    SSL_CA_LOCATION,
    SSL_CERTIFICATE_LOCATION,
    SSL_KEY_LOCATION,
    SSL_ENDPOINT_IDENTIFICATION,
];

/// Client properties by name. Those that a call itself depends on (bootstrap servers, acknowledgements, group, offsets)
/// are set by the call, whatever is here.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(BTreeMap<String, String>);

impl Properties {
    /// No properties: a cluster without TLS and without SASL.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more property.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.0.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The value of a property.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The security protocol in capitals, `PLAINTEXT` when none is given.
    pub(crate) fn protocol(&self) -> String {
        let protocol = self.get(SECURITY_PROTOCOL).unwrap_or("PLAINTEXT");
        protocol.trim().to_ascii_uppercase()
    }

    /// The SASL mechanism in capitals, by either name of the property.
    pub(crate) fn mechanism(&self) -> Option<String> {
        let named = self.get(SASL_MECHANISM).or(self.get(SASL_MECHANISMS));
        named.map(|mechanism| mechanism.trim().to_ascii_uppercase())
    }

    /// User name and password, from their own properties or from the JAAS configuration.
    pub(crate) fn login(&self) -> Result<(String, String)> {
        let jaas = self
            .get(SASL_JAAS_CONFIG)
            .map(jaas_options)
            .unwrap_or_default();
        let value = |key: &str, option: &str| {
            let found = self.get(key).map(str::to_owned);
            found
                .or_else(|| jaas.get(option).cloned())
                .ok_or_else(|| Error::Property {
                    key: key.to_owned(),
                    reason: format!(
                        "is missing: it, or {SASL_JAAS_CONFIG} with {option}=\"…\", is needed with SASL"
                    ),
                })
        };
        Ok((
            value(SASL_USERNAME, "username")?,
            value(SASL_PASSWORD, "password")?,
        ))
    }

    /// Whether the broker's certificate has to name its host.
    pub(crate) fn checks_host(&self) -> Result<bool> {
        match self.get(SSL_ENDPOINT_IDENTIFICATION).map(str::trim) {
            None | Some("https") => Ok(true),
            // Java's way to say no, and librdkafka's.
            Some("" | "none") => Ok(false),
            Some(_) => Err(Error::Property {
                key: SSL_ENDPOINT_IDENTIFICATION.to_owned(),
                reason: "is neither https nor none".to_owned(),
            }),
        }
    }

    /// Refuses what only one of the two clients would obey.
    pub(crate) fn check(&self) -> Result<()> {
        let concerns_security = |key: &&String| {
            ["ssl.", "sasl.", "security.", "enable.ssl.", "enable.sasl."]
                .iter()
                .any(|prefix| key.starts_with(prefix))
        };
        let unknown = self
            .0
            .keys()
            .filter(concerns_security)
            .find(|key| !SECURITY.contains(&key.as_str()));
        match unknown {
            None => Ok(()),
            Some(key) => Err(Error::Property {
                key: key.clone(),
                reason: format!("is not supported; supported are {}", SECURITY.join(", ")),
            }),
        }
    }

    /// The properties as librdkafka knows them.
    pub(crate) fn for_librdkafka(&self) -> Result<BTreeMap<String, String>> {
        let mut properties = self.0.clone();
        for key in [SASL_MECHANISM, SASL_MECHANISMS, SASL_JAAS_CONFIG] {
            properties.remove(key);
        }
        let protocol = self.protocol();
        let mut set = |key: &str, value: String| properties.insert(key.to_owned(), value);
        set(SECURITY_PROTOCOL, protocol.to_ascii_lowercase());
        if !self.checks_host()? {
            set(SSL_ENDPOINT_IDENTIFICATION, "none".to_owned());
        }
        if protocol.starts_with("SASL_") {
            let (username, password) = self.login()?;
            set(SASL_USERNAME, username);
            set(SASL_PASSWORD, password);
            if let Some(mechanism) = self.mechanism() {
                set(SASL_MECHANISMS, mechanism);
            }
        }
        Ok(properties)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(properties: I) -> Self {
        let owned = properties
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()));
        Self(owned.collect())
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(key, value)| {
            let shown = SHOWN.contains(&key.as_str());
            (key, if shown { value } else { "***" })
        });
        formatter.debug_map().entries(shown).finish()
    }
}

/// The options of a JAAS configuration: `a.b.LoginModule required username="alice" password="secret";`. A value may be
/// quoted, and then contain escapes.
fn jaas_options(config: &str) -> BTreeMap<String, String> {
    let mut options = BTreeMap::new();
    let mut rest = config;
    while let Some((before, after)) = rest.split_once('=') {
        let key = before.split_whitespace().next_back().unwrap_or_default();
        let after = after.trim_start();
        let mut value = String::new();
        let quoted = after.starts_with('"');
        let mut characters = after.char_indices().skip(usize::from(quoted));
        let mut end = after.len();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' if quoted => value.extend(characters.next().map(|(_, escaped)| escaped)),
                '"' if quoted => {
                    end = at + 1;
                    break;
                }
                ';' if !quoted => {
                    end = at;
                    break;
                }
                other if !quoted && other.is_whitespace() => {
                    end = at;
                    break;
                }
                other => value.push(other),
            }
        }
        options.insert(key.to_owned(), value);
        rest = &after[end..];
    }
    options
}
