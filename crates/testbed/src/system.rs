//! A system with addresses: every replica of every service becomes an [`Instance`].
//!
//! Service names are replaced by addresses in environment values, commands and health checks, so
//! that neither the machine's resolver nor `/etc/hosts` is touched; a process that is no server of a
//! driver is told the local paths of what is mounted into it. What was replaced is kept in
//! [`Instance::substitutions`] and shown to whoever asks.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::compose::{
    Compose, Condition, Dependency, DriverKind, Healthcheck, Mount, Mounts, RestartPolicy, Service,
};
use crate::home::Home;

/// A system whose every instance has an address.
#[derive(Clone, Debug)]
pub struct System {
    /// The name under which it runs (the Compose file's, or the one the user gave).
    pub name: String,
    /// All instances, in the order of the Compose file.
    pub instances: Vec<Instance>,
    /// Where service names lead.
    pub hosts: Hosts,
}

/// One process to be: a replica of a service.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The service's name, with `-N` appended when the service has several replicas.
    pub name: String,
    /// The service it is a replica of.
    pub service: String,
    /// What runs it.
    pub driver: DriverKind,
    /// Its image.
    pub image: Option<String>,
    /// Its own address.
    pub address: Ipv4Addr,
    /// The command, names replaced.
    pub command: Vec<String>,
    /// The environment, names replaced.
    pub environment: BTreeMap<String, String>,
    /// What was replaced.
    pub substitutions: Vec<Substitution>,
    /// What must be there before it starts.
    pub depends_on: Vec<Dependency>,
    /// Its health check.
    pub healthcheck: Option<Healthcheck>,
    /// When it is started again.
    pub restart: RestartPolicy,
    /// Ports it listens on, as far as the Compose file tells.
    pub ports: Vec<u16>,
    /// Time between the stop signal and SIGKILL.
    pub stop_grace_period: Duration,
    /// The number of the signal that asks it to end.
    pub stop_signal: i32,
    /// What is mounted into it; the local paths are [`Mount::local`]'s.
    pub volumes: Vec<Mount>,
    /// Others wait for it to complete: it runs once and is done when it exits with 0.
    pub one_shot: bool,
}

impl Instance {
    /// The Kafka node id (`KAFKA_NODE_ID`) of a Kafka instance.
    pub fn node_id(&self) -> Option<i32> {
        (self.driver == DriverKind::Kafka)
            .then(|| self.environment.get("KAFKA_NODE_ID")?.parse().ok())?
    }
}

/// A text in which service names were replaced by addresses, or mounted paths by local ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Substitution {
    /// The environment variable, `command` or `healthcheck`.
    pub place: String,
    /// The value as written.
    pub written: String,
    /// The value the process gets.
    pub effective: String,
}

impl System {
    /// Gives addresses to every replica. `address(n)` is the address of the n-th instance; volumes
    /// are in `home`.
    pub fn resolve(
        compose: &Compose,
        name: &str,
        home: &Home,
        mut address: impl FnMut(usize) -> Result<Ipv4Addr, String>,
    ) -> Result<System, String> {
        let mut placed = Vec::new();
        let mut hosts = Hosts::default();
        for service in &compose.services {
            for ordinal in 1..=service.replicas {
                let instance = if service.replicas == 1 {
                    service.name.clone()
                } else {
                    format!("{}-{ordinal}", service.name)
                };
                let address = address(placed.len())?;
                hosts.0.entry(service.name.clone()).or_insert(address);
                hosts.0.entry(instance.clone()).or_insert(address);
                placed.push((service, instance, address));
            }
        }
        for service in &compose.services {
            for alias in &service.aliases {
                if let Some(address) = hosts.0.get(&service.name).copied() {
                    hosts.0.entry(alias.clone()).or_insert(address);
                }
            }
        }
        let instances = placed
            .into_iter()
            .map(|(service, instance, address)| {
                let mounts = Mounts::of(&service.volumes, home, name, &instance);
                let mut replacing = Replacing {
                    hosts: &hosts,
                    own: address,
                    // A server's driver finds its data folder by itself.
                    mounts: (service.driver == DriverKind::Process).then_some(mounts),
                    substitutions: Vec::new(),
                };
                let environment = service
                    .environment
                    .iter()
                    .map(|(key, value)| (key.clone(), replacing.text(key, value)))
                    .collect();
                let command = replacing.words("command", &service.command);
                let healthcheck = service.healthcheck.as_ref().map(|check| Healthcheck {
                    test: replacing.words("healthcheck", &check.test),
                    ..check.clone()
                });
                Instance {
                    name: instance,
                    service: service.name.clone(),
                    driver: service.driver,
                    image: service.image.clone(),
                    address,
                    command,
                    environment,
                    substitutions: replacing.substitutions,
                    depends_on: service.depends_on.clone(),
                    healthcheck,
                    restart: service.restart,
                    ports: service.ports.clone(),
                    stop_grace_period: service.stop_grace_period,
                    stop_signal: service.stop_signal,
                    volumes: service.volumes.clone(),
                    one_shot: is_one_shot(service, compose),
                }
            })
            .collect();
        Ok(System {
            name: name.to_owned(),
            instances,
            hosts,
        })
    }

    /// The instance of that name.
    pub fn instance(&self, name: &str) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.name == name)
    }
}

/// Whether another service waits for this one to complete.
fn is_one_shot(service: &Service, compose: &Compose) -> bool {
    let waits_for_it = |dependency: &Dependency| {
        dependency.service == service.name
            && dependency.condition == Condition::CompletedSuccessfully
    };
    compose
        .services
        .iter()
        .any(|other| other.depends_on.iter().any(waits_for_it))
}

/// The replacing of names and paths in what one instance is told, and the record of it.
struct Replacing<'a> {
    hosts: &'a Hosts,
    own: Ipv4Addr,
    mounts: Option<Mounts>,
    substitutions: Vec<Substitution>,
}

impl Replacing<'_> {
    fn text(&mut self, place: &str, written: &str) -> String {
        self.text_at(place, place, written)
    }

    /// `position` says whether a host stands there, as the name of a variable does.
    fn text_at(&mut self, place: &str, position: &str, written: &str) -> String {
        let mut effective = self.hosts.replace_in(position, written, Some(self.own));
        if let Some(mounts) = &self.mounts {
            effective = mounts.replace_in(&effective);
        }
        if effective != written {
            self.substitutions.push(Substitution {
                place: place.to_owned(),
                written: without_secrets(written),
                effective: without_secrets(&effective),
            });
        }
        effective
    }

    fn words(&mut self, place: &str, written: &[String]) -> Vec<String> {
        let mut before = "";
        let mut effective = Vec::new();
        for word in written {
            let is_host = ["-h", "--host"].contains(&before);
            let position = if is_host { "HOST" } else { place };
            effective.push(self.text_at(place, position, word));
            before = word;
        }
        effective
    }
}

/// Where the names of services and instances lead.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hosts(pub BTreeMap<String, Ipv4Addr>);

impl Hosts {
    /// Replaces service names that stand where a host stands: before a port (`postgres:5432`),
    /// after `//` or `@`, after `host=` (of libpq and of options) and `-h`, or as the whole value of
    /// a variable whose name ends in `HOST` or `HOSTNAME`. `0.0.0.0` becomes `own`, the address of the process itself. Anything else, a
    /// user called `postgres` for instance, stays as it is. With an `own` address, `localhost` and
    /// `127.0.0.1` are replaced by it as names are: a container's own is what they mean there.
    pub fn replace_in(&self, place: &str, value: &str, own: Option<Ipv4Addr>) -> String {
        replace_hosts(place, value, &|token| match (token, own) {
            ("0.0.0.0" | "127.0.0.1" | "localhost", Some(own)) => Some(own.to_string()),
            _ => self.0.get(token).map(Ipv4Addr::to_string),
        })
    }
}

/// Replaces what stands where a host stands, as [`Hosts::replace_in`] does, by what `lookup` says
/// it leads to: a host, or `host:port`, which takes the place of a port that follows, too.
pub fn replace_hosts(place: &str, value: &str, lookup: &dyn Fn(&str) -> Option<String>) -> String {
    if (place.ends_with("HOST") || place.ends_with("HOSTNAME"))
        && let Some(address) = lookup(value)
    {
        return address;
    }
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while !rest.is_empty() {
        let start = rest.find(is_host_char).unwrap_or(rest.len());
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(|c| !is_host_char(c)).unwrap_or(rest.len());
        let (token, mut after) = rest.split_at(end);
        match lookup(token) {
            Some(address) if stands_as_host(&out, after) => {
                if address.contains(':')
                    && let Some(port) = after.strip_prefix(':')
                {
                    after = port.trim_start_matches(|c: char| c.is_ascii_digit());
                }
                out.push_str(&address);
            }
            _ => out.push_str(token),
        }
        rest = after;
    }
    out
}

/// The same text without what may be secret in the URLs it holds: the password of the user
/// information, and the values of the query. For everything that is shown or written to disk.
pub fn without_secrets(text: &str) -> String {
    let Some((before, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let (authority, path) =
        rest.split_at(rest.find(['/', '?', '#', ',', ' ']).unwrap_or(rest.len()));
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) if user.contains(':') => {
            format!("{}:***@{host}", user.split(':').next().unwrap_or_default())
        }
        _ => authority.to_owned(),
    };
    let (path, next) = path.split_at(path.find([',', ' ']).unwrap_or(path.len()));
    let path = match path.split_once('?') {
        Some((path, _)) => format!("{path}?***"),
        None => path.to_owned(),
    };
    format!("{before}://{authority}{path}{}", without_secrets(next))
}

fn is_host_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

/// Whether a token between `before` and `after` stands where a host name stands.
fn stands_as_host(before: &str, after: &str) -> bool {
    let authority = after.split(['/', ',', ' ', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return false; // user information of a URL
    }
    let port_follows = after
        .strip_prefix(':')
        .is_some_and(|port| port.starts_with(|c: char| c.is_ascii_digit()));
    let may_begin =
        before.is_empty() || before.ends_with(['/', '@', ',', '=', ' ', ';', '"', '\'', '[', '(']);
    let in_a_url = before.ends_with("//") || before.ends_with('@');
    let lower = before.to_lowercase();
    let is_named = lower.ends_with("host=") || lower.ends_with("--host ");
    let is_option = before == "-h " || before.ends_with(" -h ");
    let may_end =
        after.is_empty() || after.starts_with(['/', ',', '?', ' ', ';', '"', '\'', ']', ')']);
    (port_follows && may_begin) || ((in_a_url || is_named || is_option) && may_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        Hosts(BTreeMap::from([
            ("postgres".to_owned(), Ipv4Addr::new(127, 16, 1, 13)),
            ("kafka-1".to_owned(), Ipv4Addr::new(127, 16, 1, 10)),
            ("kafka".to_owned(), Ipv4Addr::new(127, 16, 1, 11)),
        ]))
    }

    #[test]
    fn names_are_replaced_only_where_a_host_stands() {
        let own = Some(Ipv4Addr::new(127, 16, 1, 20));
        for (place, written, effective) in [
            ("X", "postgres:5432", "127.16.1.13:5432"),
            (
                "X",
                "kafka-1:9092,kafka:9092",
                "127.16.1.10:9092,127.16.1.11:9092",
            ),
            (
                "X",
                "1@kafka-1:9093,2@other:9093",
                "1@127.16.1.10:9093,2@other:9093",
            ),
            (
                "X",
                "CLIENT://kafka-1:9092,INTERNAL://kafka-1:9094",
                "CLIENT://127.16.1.10:9092,INTERNAL://127.16.1.10:9094",
            ),
            ("X", "http://kafka/path", "http://127.16.1.11/path"),
            (
                "X",
                "postgresql://postgres:postgres@postgres:5432/postgres",
                "postgresql://postgres:postgres@127.16.1.13:5432/postgres",
            ),
            (
                "X",
                "postgresql://postgres:5432@postgres/kafka",
                "postgresql://postgres:5432@127.16.1.13/kafka",
            ),
            ("POSTGRES_USER", "postgres", "postgres"),
            ("DB_HOST", "postgres", "127.16.1.13"),
            ("TOPIC", "kafka", "kafka"),
            ("X", "my-kafka:9092", "my-kafka:9092"),
            ("X", "kafka-1.internal:9092", "kafka-1.internal:9092"),
            ("LISTEN", "0.0.0.0:8000", "127.16.1.20:8000"),
            (
                "X",
                "http://localhost:8000/health",
                "http://127.16.1.20:8000/health",
            ),
            ("X", "127.0.0.1:8000", "127.16.1.20:8000"),
            ("X", "localhost", "localhost"),
            (
                "X",
                "host=postgres user=postgres dbname=kafka",
                "host=127.16.1.13 user=postgres dbname=kafka",
            ),
            ("X", "Host=postgres;Port=5432", "Host=127.16.1.13;Port=5432"),
            ("X", "--host=postgres", "--host=127.16.1.13"),
            (
                "X",
                "pg_isready -h postgres -U kafka",
                "pg_isready -h 127.16.1.13 -U kafka",
            ),
            ("X", "psql --host postgres", "psql --host 127.16.1.13"),
            ("X", "du -ch kafka", "du -ch kafka"),
            ("X", "", ""),
        ] {
            assert_eq!(
                hosts().replace_in(place, written, own),
                effective,
                "{written}"
            );
        }
    }

    #[test]
    fn nothing_secret_of_a_url_is_shown() {
        for (text, shown) in [
            ("plain", "plain"),
            (
                "postgresql://user:password@db:5432/x",
                "postgresql://user:***@db:5432/x",
            ),
            ("postgresql://u:sec@ret@db/x", "postgresql://u:***@db/x"),
            (
                "jdbc:postgresql://db/x?user=u&password=p",
                "jdbc:postgresql://db/x?***",
            ),
            ("http://host/a@b:c", "http://host/a@b:c"),
            (
                "http://u:p@a,http://u:p@b/x",
                "http://u:***@a,http://u:***@b/x",
            ),
            ("A://h:1,B://:2", "A://h:1,B://:2"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }
}
