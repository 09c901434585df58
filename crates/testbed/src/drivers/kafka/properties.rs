//! A node's `server.properties`, as the `apache/kafka` image would write it.
//!
//! `KAFKA_SOME_NAME` becomes `some.name`, a double underscore a single one, a triple one a dash;
//! values pass through as they are, so settings of listeners (SASL, TLS) work as in the image. A
//! listener without a host, or on `localhost`, is on the instance's own address, and a path in a
//! mount is where the mount is on this machine.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

use crate::drivers::Site;
use crate::system::Instance;

/// The image's variables that are not broker properties.
const NOT_PROPERTIES: &[&str] = &[
    "KAFKA_HEAP_OPTS",
    "KAFKA_OPTS",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_JMX_OPTS",
    "KAFKA_JMX_PORT",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_HOME",
    "KAFKA_VERSION",
    "KAFKA_LOG4J_OPTS",
    "KAFKA_LOG4J_LOGGERS",
    "KAFKA_LOG4J_ROOT_LOGLEVEL",
    "KAFKA_TOOLS_LOG4J_LOGLEVEL",
];
/// What a KRaft node cannot be without.
const REQUIRED: &[&str] = &[
    "process.roles",
    "node.id",
    "listeners",
    "controller.listener.names",
    "controller.quorum.voters",
];

/// A node's properties.
pub(super) struct Properties {
    /// `node.id`.
    pub node_id: i32,
    /// `listeners`; there is at least one.
    pub listeners: Vec<Listener>,
    map: BTreeMap<String, String>,
}

/// One of a node's listeners.
pub(super) struct Listener {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddrV4,
}

impl Properties {
    /// The properties of `instance`, whose data is in `data`.
    pub fn of(instance: &Instance, site: &Site<'_>, data: &Path) -> Result<Properties, String> {
        let mut map: BTreeMap<String, String> = instance
            .environment
            .iter()
            .filter(|(name, _)| !NOT_PROPERTIES.contains(&name.as_str()))
            .filter_map(|(name, value)| {
                let name = property_name(name.strip_prefix("KAFKA_")?);
                Some((name, site.mounts.replace_in(value)))
            })
            .collect();
        let missing: Vec<String> = REQUIRED
            .iter()
            .filter(|name| map.get(**name).is_none_or(|value| value.trim().is_empty()))
            .map(|name| format!("KAFKA_{}", name.to_uppercase().replace('.', "_")))
            .collect();
        if !missing.is_empty() {
            return Err(format!(
                "a Kafka node in KRaft mode needs {} in its environment",
                missing.join(", ")
            ));
        }
        for name in ["listeners", "advertised.listeners"] {
            if let Some(value) = map.get_mut(name) {
                *value = on_own_address(value, instance.address);
            }
        }
        map.insert("log.dirs".to_owned(), data.to_string_lossy().into_owned());
        let node_id = map["node.id"]
            .trim()
            .parse()
            .map_err(|_| format!("KAFKA_NODE_ID is `{}`, not a number", map["node.id"]))?;
        let listeners = map["listeners"]
            .split(',')
            .map(|text| Listener::read(text.trim()))
            .collect::<Result<_, _>>()?;
        Ok(Properties {
            node_id,
            listeners,
            map,
        })
    }

    /// The text of the file. A value of several lines stays one value.
    pub fn text(&self) -> String {
        let line = |(key, value): (&String, &String)| {
            format!(
                "{key}={}\n",
                value.replace('\r', "\\r").replace('\n', "\\n")
            )
        };
        self.map.iter().map(line).collect()
    }

    /// The same text with another data folder.
    pub fn text_with_data(&self, data: &Path) -> String {
        let mut map = self.map.clone();
        map.insert("log.dirs".to_owned(), data.to_string_lossy().into_owned());
        let other = Properties {
            node_id: self.node_id,
            listeners: Vec::new(),
            map,
        };
        other.text()
    }

    /// Whether the node is a broker, not a controller alone.
    pub fn is_broker(&self) -> bool {
        list(&self.map["process.roles"]).any(|role| role == "broker")
    }

    /// A listener for brokers and clients that asks for no login.
    pub fn open_listener(&self) -> Option<SocketAddrV4> {
        let of_brokers = |one: &&Listener| {
            !list(&self.map["controller.listener.names"]).any(|name| name == one.name)
        };
        let open = |one: &&Listener| self.protocol(&one.name) == "PLAINTEXT";
        let found = self.listeners.iter().filter(of_brokers).find(open)?;
        Some(found.address)
    }

    /// The port of a broker's first advertised listener: the one clients use.
    pub fn client_port(&self) -> Option<u16> {
        if !self.is_broker() {
            return None;
        }
        let advertised = self
            .map
            .get("advertised.listeners")
            .unwrap_or(&self.map["listeners"]);
        let (_, port) = list(advertised).next()?.rsplit_once(':')?;
        port.parse().ok()
    }

    /// The security protocol of a listener; without a map its name is its protocol.
    fn protocol<'a>(&'a self, listener: &'a str) -> &'a str {
        let map = self
            .map
            .get("listener.security.protocol.map")
            .map_or("", String::as_str);
        list(map)
            .filter_map(|entry| entry.split_once(':'))
            .find(|(name, _)| *name == listener)
            .map_or(listener, |(_, protocol)| protocol)
    }
}

impl Listener {
    fn read(text: &str) -> Result<Listener, String> {
        let read = || {
            let (name, address) = text.split_once("://")?;
            Some(Listener {
                name: name.to_owned(),
                address: address.parse().ok()?,
            })
        };
        read().ok_or_else(|| {
            format!("KAFKA_LISTENERS: `{text}` is not of the form NAME://host:port, with a host of this system or none")
        })
    }
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

fn on_own_address(listeners: &str, own: Ipv4Addr) -> String {
    ["://:", "://0.0.0.0:", "://localhost:", "://127.0.0.1:"]
        .iter()
        .fold(listeners.to_owned(), |text, host| {
            text.replace(host, &format!("://{own}:"))
        })
}

fn property_name(variable: &str) -> String {
    variable
        .to_lowercase()
        .replace("___", "-")
        .replace("__", "\u{0}")
        .replace('_', ".")
        .replace('\u{0}', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_named_as_the_image_names_them() {
        for (variable, property) in [
            ("NODE_ID", "node.id"),
            (
                "LISTENER_NAME_CLIENT_PLAIN_SASL_JAAS_CONFIG",
                "listener.name.client.plain.sasl.jaas.config",
            ),
            (
                "LISTENER_NAME_CLIENT_SCRAM___SHA___256_SASL_JAAS_CONFIG",
                "listener.name.client.scram-sha-256.sasl.jaas.config",
            ),
            ("A__B", "a_b"),
        ] {
            assert_eq!(property_name(variable), property);
        }
    }

    #[test]
    fn a_listener_without_a_host_is_on_the_own_address() {
        let own = Ipv4Addr::new(127, 16, 1, 10);
        assert_eq!(
            on_own_address("A://:9092,B://localhost:9093,C://127.16.1.11:9094", own),
            "A://127.16.1.10:9092,B://127.16.1.10:9093,C://127.16.1.11:9094"
        );
    }
}
