//! What the image of a server would heed of its service, and the server's driver does not: variables
//! it does not read, mounts it has no use for, ports it does not listen on. Each is named in a
//! warning; a script that was to fill a database is an error.

use std::collections::BTreeMap;

use shaketable_document::{Node, Span};

use super::mount::{Mount, MountSource, Mounts};
use super::reader::Reader;
use super::{DriverKind, Service};

/// Variables of `apache/kafka` that are neither properties nor used.
const KAFKA_UNUSED: &[&str] = &[
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_HOME",
    "KAFKA_JMX_OPTS",
    "KAFKA_JMX_PORT",
    "KAFKA_TOOLS_LOG4J_LOGLEVEL",
    "KAFKA_VERSION",
];
/// Variables of `postgres` that are used.
const POSTGRES_USED: &[&str] = &[
    "PGDATA",
    "PGPORT",
    "POSTGRES_DB",
    "POSTGRES_HOST_AUTH_METHOD",
    "POSTGRES_INITDB_ARGS",
    "POSTGRES_PASSWORD",
    "POSTGRES_USER",
];
/// PostgreSQL's port when nothing names another.
const POSTGRES_PORT: u16 = 5432;
/// Where `postgres` looks for scripts that fill a new database.
const POSTGRES_SCRIPTS: &str = "/docker-entrypoint-initdb.d";
/// Where `prom/prometheus` looks for its configuration.
const PROMETHEUS_CONFIG: &str = "/etc/prometheus/prometheus.yml";

/// The port of a PostgreSQL server: of its command, else of `PGPORT`.
pub(crate) fn postgres_port(command: &[String], environment: &BTreeMap<String, String>) -> u16 {
    let last = |name: &str| value_of(command, name);
    let of_setting = command
        .iter()
        .rev()
        .find_map(|word| word.trim_start_matches("-c").strip_prefix("port="));
    let mut together = command
        .iter()
        .rev()
        .filter_map(|word| word.strip_prefix("-p"));
    last("--port")
        .or_else(|| last("-p"))
        .or(together.find(|port| !port.is_empty()))
        .or(of_setting)
        .or(environment.get("PGPORT").map(String::as_str))
        .and_then(|port| port.parse().ok())
        .unwrap_or(POSTGRES_PORT)
}

/// The value of an option's last occurrence, as `NAME VALUE` or `NAME=VALUE`.
fn value_of<'a>(command: &'a [String], name: &str) -> Option<&'a str> {
    command.iter().enumerate().rev().find_map(|(index, word)| {
        let after = word.strip_prefix(name)?;
        match after.strip_prefix('=') {
            Some(value) => Some(value),
            None if after.is_empty() => command.get(index + 1).map(String::as_str),
            None => None,
        }
    })
}

impl Reader<'_> {
    /// Names what the driver of a server does not heed; `node` is the service, `at` its name.
    pub(super) fn check_server(&mut self, service: &Service, node: &Node, at: Span) {
        let place = |keys: &[&str]| {
            let found = keys.iter().find_map(|key| node.entry(key));
            found.map_or(at, |entry| entry.key_span)
        };
        let (name, driver) = (&service.name, service.driver.name());
        let unread: Vec<String> = service
            .environment
            .keys()
            .filter(|variable| !is_read(service.driver, variable))
            .map(|variable| format!("`{variable}`"))
            .collect();
        if !unread.is_empty() {
            self.warnings.add(
                format!(
                    "service `{name}`: its driver `{driver}` does not read {} of its `environment`; no other program of the image is there that could",
                    unread.join(", ")
                ),
                place(&["environment", "env_file"]),
            );
        }
        for mount in &service.volumes {
            let target = &mount.target;
            let is_script = target.starts_with(POSTGRES_SCRIPTS);
            if service.driver == DriverKind::Postgres && is_script {
                self.diagnostics
                    .error(
                        place(&["volumes"]),
                        format!("service `{name}`: scripts at `{target}` are not run by the testbed"),
                    )
                    .help(format!("run them with `psql` in a service of its own that waits for `{name}` with `service_healthy`"));
            } else if !is_used(mount, service) {
                self.warnings.add(
                    format!(
                        "service `{name}`: its driver `{driver}` has no use for what is mounted at `{target}` by `volumes`; nothing is read or kept there"
                    ),
                    place(&["volumes"]),
                );
            }
        }
        let own = own_ports(service);
        let others: Vec<String> = service
            .ports
            .iter()
            .filter(|port| !own.is_empty() && !own.contains(port))
            .map(u16::to_string)
            .collect();
        if !others.is_empty() {
            let own: Vec<String> = own.iter().map(u16::to_string).collect();
            self.warnings.add(
                format!(
                    "service `{name}`: nothing listens on {} of its `ports` or `expose`; its driver `{driver}` listens on {}",
                    others.join(", "),
                    own.join(", ")
                ),
                place(&["ports", "expose"]),
            );
        }
        if node.get("stop_signal").is_some() {
            self.warnings.add(
                format!("service `{name}`: `stop_signal` is used when it alone is ended; when the system goes down its driver `{driver}` ends it as its data allows"),
                place(&["stop_signal"]),
            );
        }
    }
}

fn is_read(driver: DriverKind, variable: &str) -> bool {
    match driver {
        DriverKind::Kafka => {
            variable == "CLUSTER_ID"
                || variable.starts_with("KAFKA_") && !KAFKA_UNUSED.contains(&variable)
        }
        DriverKind::Postgres => POSTGRES_USED.contains(&variable),
        // The driver says what to write instead.
        DriverKind::Redis => variable == "REDIS_ARGS",
        DriverKind::Prometheus => false,
        DriverKind::Process => true,
    }
}

/// Whether a mount is where the server keeps its data, or is told to look for something.
fn is_used(mount: &Mount, service: &Service) -> bool {
    let (environment, command) = (&service.environment, &service.command);
    let defaults: &[&str] = match service.driver {
        DriverKind::Kafka if environment.contains_key("KAFKA_LOG_DIRS") => &[],
        DriverKind::Kafka => &[
            "/var/lib/kafka/data",
            "/tmp/kraft-combined-logs",
            "/tmp/kafka-logs",
        ],
        DriverKind::Postgres => &["/var/lib/postgresql/data"],
        DriverKind::Redis if value_of(command, "--dir").is_some() => &[],
        DriverKind::Redis => &["/data"],
        DriverKind::Prometheus => &["/prometheus", PROMETHEUS_CONFIG],
        DriverKind::Process => return true,
    };
    let told = environment.values().chain(command).map(String::as_str);
    defaults
        .iter()
        .copied()
        .chain(told)
        .any(|text| mount.is_told_in(text))
        || (service.driver == DriverKind::Prometheus && is_in_configuration(mount, service))
}

/// Whether the configuration of a Prometheus, if it can be read, leads to the mount.
fn is_in_configuration(mount: &Mount, service: &Service) -> bool {
    let written = value_of(&service.command, "--config.file").unwrap_or(PROMETHEUS_CONFIG);
    let of_config = service.volumes.iter().find(|one| one.is_told_in(written));
    let Some(MountSource::Bind(path)) = of_config.map(|one| &one.name) else {
        return false;
    };
    let target = of_config.map_or("", |one| &one.target);
    let local = Mounts::one(target, path).replace_in(written);
    std::fs::read_to_string(local).is_ok_and(|text| text.contains(&mount.target))
}

/// The ports that the server listens on; none when the file does not tell.
fn own_ports(service: &Service) -> Vec<u16> {
    let port_of = |address: &str| address.rsplit(':').next()?.trim().parse().ok();
    let command = &service.command;
    let one = |written: Option<&str>, default: u16| match written {
        None => vec![default],
        Some(written) => port_of(written).into_iter().collect(),
    };
    match service.driver {
        DriverKind::Kafka => {
            let listeners = service.environment.get("KAFKA_LISTENERS");
            let listeners = listeners.map_or("", String::as_str);
            listeners.split(',').filter_map(port_of).collect()
        }
        DriverKind::Postgres => vec![postgres_port(command, &service.environment)],
        // A configuration file may say anything.
        DriverKind::Redis if command.iter().any(|word| word.ends_with(".conf")) => Vec::new(),
        DriverKind::Redis => one(value_of(command, "--port"), 6379),
        DriverKind::Prometheus => one(value_of(command, "--web.listen-address"), 9090),
        DriverKind::Process => Vec::new(),
    }
}
