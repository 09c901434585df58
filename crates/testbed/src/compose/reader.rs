//! Reading a Compose file's tree: every key is understood, warned about, or an error.

use std::collections::BTreeMap;
use std::time::Duration;

use shaketable_document::{Data, Diagnostics, Node, Severity, Span};

use super::words::split_words;
use super::{Compose, DriverKind, RestartPolicy, STOP_GRACE_PERIOD, Service, system_name};
use crate::interpolation::interpolate;

/// Service keys that every file for containers has and that a process has no use for.
const FOR_CONTAINERS: &[&str] = &["build", "hostname"];
/// Service keys that mean nothing for a process with an address of its own.
const MEANINGLESS: &[&str] = &[
    "container_name",
    "init",
    "labels",
    "logging",
    "networks",
    "pull_policy",
    "tty",
];
/// What the testbed itself writes beside the logs of services.
const OWN_LOG: &str = "supervisor";
/// Top-level keys that mean nothing here.
const MEANINGLESS_AT_TOP: &[&str] = &["networks", "version"];
/// The most replicas, and health check retries, that are believed to be meant.
const COUNT_MAX: usize = 100;

/// Reads one file; problems gather in `diagnostics`.
pub(super) struct Reader<'a> {
    values: &'a BTreeMap<String, String>,
    pub(super) diagnostics: Diagnostics,
    warned: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(values: &'a BTreeMap<String, String>) -> Reader<'a> {
        Reader {
            values,
            diagnostics: Diagnostics::new(),
            warned: Vec::new(),
        }
    }

    pub(super) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.diagnostics.error(span, message);
    }

    fn error_count(&self) -> usize {
        self.diagnostics
            .iter()
            .filter(|one| one.severity == Severity::Error)
            .count()
    }

    fn warn_once(&mut self, span: Span, key: &str) {
        if !self.warned.iter().any(|known| known == key) {
            self.warned.push(key.to_owned());
            self.diagnostics.warning(
                span,
                format!("`{key}` has no meaning for local processes and is not used"),
            );
        }
    }

    pub(super) fn file(&mut self, root: &Node, folder: &str) -> Option<Compose> {
        let Data::Map(entries) = &root.data else {
            self.error(
                root.span,
                format!(
                    "a Compose file is a map with `services`, not {}",
                    root.kind_name()
                ),
            );
            return None;
        };
        let mut name = system_name(folder);
        let mut services = Vec::new();
        let mut has_services = false;
        for entry in entries {
            match entry.key.as_str() {
                "name" => {
                    if let Some(text) = self.text(&entry.value) {
                        name = system_name(&text);
                    }
                }
                "services" => {
                    has_services = true;
                    services = self.services(&entry.value);
                    self.check_dependencies(&services, &entry.value);
                }
                key if key.starts_with("x-") => {}
                key if MEANINGLESS_AT_TOP.contains(&key) => self.warn_once(entry.key_span, key),
                key => self.error(
                    entry.key_span,
                    format!(
                        "`{key}` is not supported here; the testbed reads `name` and `services`"
                    ),
                ),
            }
        }
        if !has_services {
            self.error(root.span, "the file has no `services`");
        }
        Some(Compose { name, services })
    }

    fn services(&mut self, node: &Node) -> Vec<Service> {
        let Data::Map(entries) = &node.data else {
            self.error(
                node.span,
                format!("`services` is a map of services, not {}", node.kind_name()),
            );
            return Vec::new();
        };
        if entries.is_empty() {
            self.error(node.span, "`services` is empty: there is nothing to run");
        }
        let services: Vec<Service> = entries
            .iter()
            .filter_map(|entry| self.service(&entry.key, entry.key_span, &entry.value))
            .collect();
        for entry in entries {
            if let Some(other) = services
                .iter()
                .find(|other| is_replica_name(&entry.key, other))
            {
                self.error(
                    entry.key_span,
                    format!(
                        "`{}` is also the name of a replica of `{}`",
                        entry.key, other.name
                    ),
                );
            }
        }
        services
    }

    fn service(&mut self, name: &str, at: Span, node: &Node) -> Option<Service> {
        let Data::Map(entries) = &node.data else {
            self.error(
                node.span,
                format!("service `{name}` is a map, not {}", node.kind_name()),
            );
            return None;
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(fits) {
            self.error(at, format!("`{name}` is not a service name: letters, digits, `.`, `_` and `-`, a letter or digit first"));
        }
        if name == OWN_LOG {
            self.error(at, format!("`{OWN_LOG}` is what the testbed's own log is called; give the service another name"));
        }
        let mut service = Service {
            name: name.to_owned(),
            driver: DriverKind::Process,
            command: Vec::new(),
            environment: BTreeMap::new(),
            depends_on: Vec::new(),
            healthcheck: None,
            restart: RestartPolicy::No,
            replicas: 1,
            ports: Vec::new(),
            stop_grace_period: STOP_GRACE_PERIOD,
        };
        let mut driver = None;
        // Whether a complaint about what it runs has been made already.
        let mut complained = false;
        let mut entrypoint = Vec::new();
        for entry in entries {
            let value = &entry.value;
            let errors = self.error_count();
            match entry.key.as_str() {
                "image" => {
                    if let Some(image) = self.text(value) {
                        driver = driver.or(self.driver_of_image(&image, value.span));
                    }
                }
                "x-shaketable" => driver = self.own_keys(value).or(driver),
                "command" => service.command = self.words(value, "command"),
                "entrypoint" => entrypoint = self.words(value, "entrypoint"),
                "environment" => service.environment = self.environment(value),
                "depends_on" => service.depends_on = self.depends_on(value),
                "healthcheck" => service.healthcheck = self.healthcheck(value),
                "restart" => service.restart = self.restart(value),
                "scale" => service.replicas = self.count(value, "scale"),
                "deploy" => {
                    if let Some(replicas) = self.deploy(value) {
                        service.replicas = replicas;
                    }
                }
                "ports" | "expose" => service.ports.extend(self.ports(value)),
                "stop_grace_period" => {
                    if let Some(period) = self.duration(value) {
                        service.stop_grace_period = period;
                    }
                }
                key if key.starts_with("x-") || FOR_CONTAINERS.contains(&key) => {}
                key if MEANINGLESS.contains(&key) => self.warn_once(entry.key_span, key),
                key => self.error(
                    entry.key_span,
                    format!("service key `{key}` is not supported by the testbed and would change how `{name}` behaves"),
                ),
            }
            let says_what_runs = ["image", "x-shaketable", "command", "entrypoint"];
            complained |=
                says_what_runs.contains(&entry.key.as_str()) && self.error_count() > errors;
        }
        if let Some(driver) = driver {
            service.driver = driver;
        }
        entrypoint.append(&mut service.command);
        service.command = entrypoint;
        if service.driver == DriverKind::Process && service.command.is_empty() && !complained {
            self.error(at, format!("service `{name}` has no `command`: the testbed cannot know what its image would run"));
        }
        Some(service)
    }

    /// The driver of an image that is one of the known servers.
    fn driver_of_image(&mut self, image: &str, at: Span) -> Option<DriverKind> {
        let repository = image
            .rsplit_once(':')
            .map_or(image, |(repository, _)| repository);
        match repository
            .trim_start_matches("docker.io/")
            .trim_start_matches("library/")
        {
            "apache/kafka" | "apache/kafka-native" => Some(DriverKind::Kafka),
            "postgres" => Some(DriverKind::Postgres),
            "redis" | "prom/prometheus" => {
                self.error(
                    at,
                    format!("image `{image}` has no driver in this version of the testbed"),
                );
                None
            }
            _ => None,
        }
    }

    fn own_keys(&mut self, node: &Node) -> Option<DriverKind> {
        let Data::Map(entries) = &node.data else {
            self.error(node.span, "`x-shaketable` is a map");
            return None;
        };
        let mut driver = None;
        for entry in entries {
            match (entry.key.as_str(), self.text(&entry.value).as_deref()) {
                ("driver", Some("kafka")) => driver = Some(DriverKind::Kafka),
                ("driver", Some("postgres")) => driver = Some(DriverKind::Postgres),
                ("driver", Some("process")) => driver = Some(DriverKind::Process),
                ("driver", Some(other)) => self.error(
                    entry.value.span,
                    format!("driver `{other}` is unknown; there are kafka, postgres and process"),
                ),
                ("driver", None) => {}
                (key, _) => self.error(
                    entry.key_span,
                    format!("`x-shaketable` has no key `{key}`; it has `driver`"),
                ),
            }
        }
        driver
    }

    /// A scalar as interpolated text; numbers and booleans as they are written.
    pub(super) fn text(&mut self, node: &Node) -> Option<String> {
        let text = match &node.data {
            Data::Text(text) => text.clone(),
            Data::Int(n) => n.to_string(),
            Data::Float(n) => n.to_string(),
            Data::Bool(b) => b.to_string(),
            Data::Null => String::new(),
            Data::List(_) | Data::Map(_) => {
                self.error(
                    node.span,
                    format!("a text is wanted here, not {}", node.kind_name()),
                );
                return None;
            }
        };
        match interpolate(&text, self.values) {
            Ok(text) => Some(text),
            Err(problem) => {
                self.error(node.span, problem);
                None
            }
        }
    }

    pub(super) fn words(&mut self, node: &Node, key: &str) -> Vec<String> {
        match &node.data {
            Data::List(items) => items.iter().filter_map(|item| self.text(item)).collect(),
            Data::Null => Vec::new(),
            Data::Text(_) => {
                let text = self.text(node).unwrap_or_default();
                match split_words(&text) {
                    Ok(words) => words,
                    Err(problem) => {
                        self.error(node.span, format!("`{key}`: {problem}"));
                        Vec::new()
                    }
                }
            }
            _ => {
                self.error(
                    node.span,
                    format!(
                        "`{key}` is a list of words or one text, not {}",
                        node.kind_name()
                    ),
                );
                Vec::new()
            }
        }
    }

    fn environment(&mut self, node: &Node) -> BTreeMap<String, String> {
        let mut environment = BTreeMap::new();
        match &node.data {
            Data::Map(entries) => {
                for entry in entries {
                    if matches!(entry.value.data, Data::Null) {
                        // A name alone passes the variable through from the environment.
                        if let Some(value) = self.values.get(&entry.key) {
                            environment.insert(entry.key.clone(), value.clone());
                        }
                    } else if let Some(value) = self.text(&entry.value) {
                        environment.insert(entry.key.clone(), value);
                    }
                }
            }
            Data::List(items) => {
                for item in items {
                    let Some(text) = self.text(item) else {
                        continue;
                    };
                    match text.split_once('=') {
                        Some((name, value)) => {
                            environment.insert(name.to_owned(), value.to_owned());
                        }
                        None => {
                            if let Some(value) = self.values.get(&text) {
                                environment.insert(text, value.clone());
                            }
                        }
                    }
                }
            }
            _ => self.error(
                node.span,
                format!("`environment` is a map or a list, not {}", node.kind_name()),
            ),
        }
        environment
    }

    fn restart(&mut self, node: &Node) -> RestartPolicy {
        let text = match node.data {
            // `restart: no` without quotes is a boolean to some parsers.
            Data::Bool(false) => "no".to_owned(),
            _ => self.text(node).unwrap_or_default(),
        };
        match text
            .split_once(':')
            .map_or((text.as_str(), None), |(policy, n)| (policy, Some(n)))
        {
            ("no", None) => RestartPolicy::No,
            ("always" | "unless-stopped", None) => RestartPolicy::Always,
            ("on-failure", None) => RestartPolicy::OnFailure(None),
            ("on-failure", Some(n)) if n.parse::<u32>().is_ok() => {
                RestartPolicy::OnFailure(n.parse().ok())
            }
            _ => {
                self.error(node.span, format!("`{text}` is no restart policy: \"no\", always, unless-stopped, on-failure[:n]"));
                RestartPolicy::No
            }
        }
    }

    fn deploy(&mut self, node: &Node) -> Option<usize> {
        let Data::Map(entries) = &node.data else {
            self.error(node.span, "`deploy` is a map");
            return None;
        };
        let mut replicas = None;
        for entry in entries {
            match entry.key.as_str() {
                "replicas" => replicas = Some(self.count(&entry.value, "replicas")),
                "resources" => self.warn_once(entry.key_span, "deploy.resources"),
                other => self.error(
                    entry.key_span,
                    format!("`{other}` of `deploy` is not supported"),
                ),
            }
        }
        replicas
    }

    fn ports(&mut self, node: &Node) -> Vec<u16> {
        let Data::List(items) = &node.data else {
            self.error(node.span, "`ports` is a list");
            return Vec::new();
        };
        let mut ports = Vec::new();
        for item in items {
            // The long form: what matters here is the container's side.
            let item = item.get("target").unwrap_or(item);
            let Some(text) = self.text(item) else {
                continue;
            };
            let container = text.rsplit(':').next().unwrap_or_default();
            match container.trim_end_matches("/tcp").parse() {
                Ok(port) => ports.push(port),
                Err(_) => self.error(
                    item.span,
                    format!(
                        "`{text}` is no port: CONTAINER, HOST:CONTAINER or ADDRESS:HOST:CONTAINER"
                    ),
                ),
            }
        }
        ports
    }

    pub(super) fn count(&mut self, node: &Node, key: &str) -> usize {
        let text = self.text(node).unwrap_or_default();
        match text.parse::<usize>() {
            Ok(count) if count <= COUNT_MAX => count,
            _ => {
                self.error(
                    node.span,
                    format!("`{key}` is a number from 0 to {COUNT_MAX}, not `{text}`"),
                );
                1
            }
        }
    }

    pub(super) fn duration(&mut self, node: &Node) -> Option<Duration> {
        let text = self.text(node)?;
        let found = shaketable_document::duration(&Node {
            span: node.span,
            data: Data::Text(text.clone()),
        });
        if found.is_none() {
            self.error(
                node.span,
                format!("`{text}` is no duration such as 30s, 1m30s or 250ms"),
            );
        }
        found
    }
}

/// Whether one of several replicas of `service` is called `name`.
fn is_replica_name(name: &str, service: &Service) -> bool {
    service.replicas > 1
        && name
            .strip_prefix(&service.name)
            .and_then(|rest| rest.strip_prefix('-'))
            .and_then(|ordinal| ordinal.parse::<usize>().ok())
            .is_some_and(|ordinal| (1..=service.replicas).contains(&ordinal))
}
