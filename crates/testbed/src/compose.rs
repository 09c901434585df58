//! The Compose file: what services a system has and how they are run.
//!
//! Promises:
//! 1. Keys that matter here mean what Compose says they mean; the file stays one that
//!    `docker compose` accepts.
//! 2. A key without a meaning for local processes is named in a warning, once; a key that would
//!    change how the system behaves and is not carried out is an error. Nothing is ignored silently.
//! 3. Every problem is reported at once, each with its line and column.
//!
//! Where the data goes next: [`crate::system`] gives every replica an address and replaces service
//! names by addresses.

use std::collections::BTreeMap;
use std::time::Duration;

use shaketable_document::{Data, Diagnostic, Diagnostics, Node, Severity, Source, Span};

use crate::interpolation::interpolate;

/// A Compose file, interpolated and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Compose {
    /// `name:` of the file, or the name of the folder it is in.
    pub name: String,
    /// The services in the order of the file.
    pub services: Vec<Service>,
}

/// One service of a Compose file.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its name, which is also its host name.
    pub name: String,
    /// What runs it.
    pub driver: DriverKind,
    /// `entrypoint` followed by `command`; empty when the image decides.
    pub command: Vec<String>,
    /// `environment`, in order of names.
    pub environment: BTreeMap<String, String>,
    /// `depends_on`.
    pub depends_on: Vec<Dependency>,
    /// `healthcheck`, unless it is disabled.
    pub healthcheck: Option<Healthcheck>,
    /// `restart`.
    pub restart: RestartPolicy,
    /// `deploy.replicas` or `scale`.
    pub replicas: usize,
    /// The container's side of `ports` and `expose`.
    pub ports: Vec<u16>,
    /// `stop_grace_period`.
    pub stop_grace_period: Duration,
}

/// What runs a service as a local process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriverKind {
    /// Apache Kafka in KRaft mode; `apache/kafka` images.
    Kafka,
    /// PostgreSQL; `postgres` images.
    Postgres,
    /// Any other program: the first word of the command.
    Process,
}

/// One entry of `depends_on`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The service that must be there first.
    pub service: String,
    /// How far it must have come.
    pub condition: Condition,
}

/// The three conditions of `depends_on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Its process runs.
    Started,
    /// Its health check passes.
    Healthy,
    /// It ended with exit code 0.
    CompletedSuccessfully,
}

/// A health check: a program that exits 0 when the service is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Healthcheck {
    /// The program and its arguments (`CMD-SHELL` is a shell's).
    pub test: Vec<String>,
    /// Time between two checks.
    pub interval: Duration,
    /// After this time a check counts as failed.
    pub timeout: Duration,
    /// Failures in a row that make the service unhealthy.
    pub retries: u32,
    /// Failures in this time after the start do not count.
    pub start_period: Duration,
    /// Time between two checks until the first one passes.
    pub start_interval: Duration,
}

/// `restart`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Never.
    No,
    /// Whatever the exit code was (`always` and `unless-stopped`).
    Always,
    /// After a failure, at most so many times.
    OnFailure(Option<u32>),
}

/// Service keys that mean nothing for a process with an address of its own.
const MEANINGLESS: &[&str] = &["build", "container_name", "hostname", "image", "init", "labels", "logging", "networks", "pull_policy", "tty"];
/// Top-level keys that mean nothing here.
const MEANINGLESS_AT_TOP: &[&str] = &["networks", "version"];
/// Compose's defaults for a health check.
const HEALTH_INTERVAL: Duration = Duration::from_secs(30);
const HEALTH_RETRIES: u32 = 3;
const HEALTH_START_INTERVAL: Duration = Duration::from_secs(5);
/// Compose's default for `stop_grace_period`.
const STOP_GRACE_PERIOD: Duration = Duration::from_secs(10);

/// Reads a Compose file that was parsed to `root`. `folder` is the name of its folder, used when
/// the file has no `name:`; `values` are the variables for interpolation.
pub fn read(root: &Node, folder: &str, values: &BTreeMap<String, String>) -> Result<(Compose, Diagnostics), Diagnostics> {
    let mut reader = Reader { values, diagnostics: Diagnostics::default(), warned: Vec::new() };
    let compose = reader.file(root, folder);
    match compose {
        Some(compose) if !reader.diagnostics.has_errors() => Ok((compose, reader.diagnostics)),
        _ => Err(reader.diagnostics),
    }
}

/// Parses and reads in one go, for callers that have the text.
pub fn parse(source: &Source, folder: &str, values: &BTreeMap<String, String>) -> Result<(Compose, Diagnostics), Diagnostics> {
    let root = shaketable_document::parse(source)?;
    read(&root, folder, values)
}

struct Reader<'a> {
    values: &'a BTreeMap<String, String>,
    diagnostics: Diagnostics,
    warned: Vec<String>,
}

impl Reader<'_> {
    fn error(&mut self, span: Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic {
            severity: Severity::Error,
            message: message.into(),
            span: Some(span),
            help: None,
        });
    }

    fn warn_once(&mut self, span: Span, key: &str) {
        if self.warned.iter().any(|known| known == key) || key == "image" || key == "build" || key == "hostname" {
            return;
        }
        self.warned.push(key.to_owned());
        self.diagnostics.push(Diagnostic {
            severity: Severity::Warning,
            message: format!("`{key}` has no meaning for local processes and is not used"),
            span: Some(span),
            help: None,
        });
    }

    fn file(&mut self, root: &Node, folder: &str) -> Option<Compose> {
        let Data::Map(entries) = &root.data else {
            self.error(root.span, format!("a Compose file is a map with `services`, not {}", root.kind_name()));
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
                }
                key if key.starts_with("x-") => {}
                key if MEANINGLESS_AT_TOP.contains(&key) => self.warn_once(entry.key_span, key),
                key => self.error(
                    entry.key_span,
                    format!("`{key}` is not supported here; the testbed reads `name` and `services`"),
                ),
            }
        }
        if !has_services {
            self.error(root.span, "the file has no `services`");
        }
        self.check_dependencies(&services, root);
        Some(Compose { name, services })
    }

    fn services(&mut self, node: &Node) -> Vec<Service> {
        let Data::Map(entries) = &node.data else {
            self.error(node.span, format!("`services` is a map of services, not {}", node.kind_name()));
            return Vec::new();
        };
        if entries.is_empty() {
            self.error(node.span, "`services` is empty: there is nothing to run");
        }
        entries.iter().filter_map(|entry| self.service(&entry.key, entry.key_span, &entry.value)).collect()
    }

    fn service(&mut self, name: &str, at: Span, node: &Node) -> Option<Service> {
        let Data::Map(entries) = &node.data else {
            self.error(node.span, format!("service `{name}` is a map, not {}", node.kind_name()));
            return None;
        };
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
            self.error(at, format!("`{name}` is not a service name: letters, digits, `.`, `_` and `-` only"));
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
        let mut entrypoint = Vec::new();
        for entry in entries {
            let value = &entry.value;
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
                key if key.starts_with("x-") => {}
                key if MEANINGLESS.contains(&key) => self.warn_once(entry.key_span, key),
                key => self.error(
                    entry.key_span,
                    format!("service key `{key}` is not supported by the testbed and would change how `{name}` behaves"),
                ),
            }
        }
        if let Some(driver) = driver {
            service.driver = driver;
        }
        entrypoint.append(&mut service.command);
        service.command = entrypoint;
        if service.driver == DriverKind::Process && service.command.is_empty() {
            self.error(at, format!("service `{name}` has no `command`: the testbed cannot know what its image would run"));
        }
        Some(service)
    }

    fn driver_of_image(&mut self, image: &str, at: Span) -> Option<DriverKind> {
        let repository = image.rsplit_once(':').map_or(image, |(repository, _)| repository);
        match repository.trim_start_matches("docker.io/").trim_start_matches("library/") {
            "apache/kafka" | "apache/kafka-native" => Some(DriverKind::Kafka),
            "postgres" => Some(DriverKind::Postgres),
            "redis" | "prom/prometheus" => {
                self.error(at, format!("image `{image}` has no driver in this version of the testbed"));
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
                (key, _) => self.error(entry.key_span, format!("`x-shaketable` has no key `{key}`; it has `driver`")),
            }
        }
        driver
    }

    /// A scalar as interpolated text; numbers and booleans as they are written.
    fn text(&mut self, node: &Node) -> Option<String> {
        let text = match &node.data {
            Data::Text(text) => text.clone(),
            Data::Int(n) => n.to_string(),
            Data::Float(n) => n.to_string(),
            Data::Bool(b) => b.to_string(),
            Data::Null => String::new(),
            Data::List(_) | Data::Map(_) => {
                self.error(node.span, format!("a text is wanted here, not {}", node.kind_name()));
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

    fn words(&mut self, node: &Node, key: &str) -> Vec<String> {
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
                self.error(node.span, format!("`{key}` is a list of words or one text, not {}", node.kind_name()));
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
                    let Some(text) = self.text(item) else { continue };
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
            _ => self.error(node.span, format!("`environment` is a map or a list, not {}", node.kind_name())),
        }
        environment
    }

    fn depends_on(&mut self, node: &Node) -> Vec<Dependency> {
        let mut dependencies = Vec::new();
        match &node.data {
            Data::List(items) => {
                for item in items {
                    if let Some(service) = self.text(item) {
                        dependencies.push(Dependency { service, condition: Condition::Started });
                    }
                }
            }
            Data::Map(entries) => {
                for entry in entries {
                    let mut condition = Condition::Started;
                    let Data::Map(keys) = &entry.value.data else {
                        self.error(entry.value.span, "an entry of `depends_on` is a map with `condition`");
                        continue;
                    };
                    for key in keys {
                        match (key.key.as_str(), self.text(&key.value).as_deref()) {
                            ("condition", Some("service_started")) => condition = Condition::Started,
                            ("condition", Some("service_healthy")) => condition = Condition::Healthy,
                            ("condition", Some("service_completed_successfully")) => {
                                condition = Condition::CompletedSuccessfully;
                            }
                            ("condition", _) => self.error(
                                key.value.span,
                                "a condition is service_started, service_healthy or service_completed_successfully",
                            ),
                            (other, _) => self.error(key.key_span, format!("`{other}` of `depends_on` is not supported")),
                        }
                    }
                    dependencies.push(Dependency { service: entry.key.clone(), condition });
                }
            }
            _ => self.error(node.span, format!("`depends_on` is a map or a list, not {}", node.kind_name())),
        }
        dependencies
    }

    fn healthcheck(&mut self, node: &Node) -> Option<Healthcheck> {
        let Data::Map(entries) = &node.data else {
            self.error(node.span, format!("`healthcheck` is a map, not {}", node.kind_name()));
            return None;
        };
        let mut check = Healthcheck {
            test: Vec::new(),
            interval: HEALTH_INTERVAL,
            timeout: HEALTH_INTERVAL,
            retries: HEALTH_RETRIES,
            start_period: Duration::ZERO,
            start_interval: HEALTH_START_INTERVAL,
        };
        let mut disabled = false;
        for entry in entries {
            let value = &entry.value;
            match entry.key.as_str() {
                "test" => match self.health_test(value) {
                    Some(test) => check.test = test,
                    None => disabled = true,
                },
                "interval" => check.interval = self.duration(value).unwrap_or(check.interval),
                "timeout" => check.timeout = self.duration(value).unwrap_or(check.timeout),
                "start_period" => check.start_period = self.duration(value).unwrap_or(check.start_period),
                "start_interval" => check.start_interval = self.duration(value).unwrap_or(check.start_interval),
                "retries" => check.retries = self.count(value, "retries") as u32,
                "disable" => disabled = matches!(value.data, Data::Bool(true)),
                other => self.error(entry.key_span, format!("`{other}` of `healthcheck` is not supported")),
            }
        }
        if check.test.is_empty() && !disabled {
            self.error(node.span, "the health check has no `test`");
        }
        (!disabled && !check.test.is_empty()).then_some(check)
    }

    /// `None` means that the check is switched off.
    fn health_test(&mut self, node: &Node) -> Option<Vec<String>> {
        let shell = |line: String| vec!["/bin/sh".to_owned(), "-c".to_owned(), line];
        if let Data::Text(_) = node.data {
            return self.text(node).map(shell);
        }
        let words = self.words(node, "test");
        match words.split_first() {
            Some((kind, _)) if kind == "NONE" => None,
            Some((kind, rest)) if kind == "CMD" && !rest.is_empty() => Some(rest.to_vec()),
            Some((kind, rest)) if kind == "CMD-SHELL" && rest.len() == 1 => Some(shell(rest[0].clone())),
            _ => {
                self.error(node.span, "`test` is a text, or a list that begins with CMD, CMD-SHELL or NONE");
                Some(Vec::new())
            }
        }
    }

    fn restart(&mut self, node: &Node) -> RestartPolicy {
        let text = match node.data {
            // `restart: no` without quotes is a boolean to some parsers.
            Data::Bool(false) => "no".to_owned(),
            _ => self.text(node).unwrap_or_default(),
        };
        match text.split_once(':').map_or((text.as_str(), None), |(policy, n)| (policy, Some(n))) {
            ("no", None) => RestartPolicy::No,
            ("always" | "unless-stopped", None) => RestartPolicy::Always,
            ("on-failure", None) => RestartPolicy::OnFailure(None),
            ("on-failure", Some(n)) if n.parse::<u32>().is_ok() => RestartPolicy::OnFailure(n.parse().ok()),
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
                other => self.error(entry.key_span, format!("`{other}` of `deploy` is not supported")),
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
            let Some(text) = self.text(item) else { continue };
            let container = text.rsplit(':').next().unwrap_or_default();
            match container.trim_end_matches("/tcp").parse() {
                Ok(port) => ports.push(port),
                Err(_) => self.error(item.span, format!("`{text}` is no port: CONTAINER, HOST:CONTAINER or ADDRESS:HOST:CONTAINER")),
            }
        }
        ports
    }

    fn count(&mut self, node: &Node, key: &str) -> usize {
        let text = self.text(node).unwrap_or_default();
        match text.parse::<usize>() {
            Ok(count) if count <= 100 => count,
            _ => {
                self.error(node.span, format!("`{key}` is a number from 0 to 100, not `{text}`"));
                1
            }
        }
    }

    fn duration(&mut self, node: &Node) -> Option<Duration> {
        let text = self.text(node)?;
        let found = shaketable_document::duration(&Node { span: node.span, data: Data::Text(text.clone()) });
        if found.is_none() {
            self.error(node.span, format!("`{text}` is no duration such as 30s, 1m30s or 250ms"));
        }
        found
    }

    fn check_dependencies(&mut self, services: &[Service], root: &Node) {
        for service in services {
            for dependency in &service.depends_on {
                let at = root
                    .get("services")
                    .and_then(|services| services.get(&service.name))
                    .and_then(|service| service.get("depends_on"))
                    .map_or(root.span, |node| node.span);
                match services.iter().find(|other| other.name == dependency.service) {
                    None => self.error(at, format!("`{}` depends on `{}`, which is no service of this file", service.name, dependency.service)),
                    Some(other) if dependency.condition == Condition::Healthy
                        && other.driver == DriverKind::Process
                        && other.healthcheck.is_none() =>
                    {
                        self.error(at, format!("`{}` waits for `{}` to be healthy, but that has no health check", service.name, other.name));
                    }
                    Some(_) => {}
                }
            }
        }
        if let Some(service) = in_a_cycle(services) {
            self.error(root.span, format!("service `{service}` depends on itself, directly or through others"));
        }
    }
}

fn in_a_cycle(services: &[Service]) -> Option<&str> {
    let mut settled: Vec<&str> = Vec::new();
    loop {
        let before = settled.len();
        for service in services {
            let ready = service
                .depends_on
                .iter()
                .all(|d| settled.contains(&d.service.as_str()) || !services.iter().any(|s| s.name == d.service));
            if ready && !settled.contains(&service.name.as_str()) {
                settled.push(&service.name);
            }
        }
        if settled.len() == before {
            return services.iter().map(|s| s.name.as_str()).find(|name| !settled.contains(name));
        }
    }
}

/// A name as Compose makes it of a folder: lower case, letters, digits, `-` and `_`.
pub fn system_name(text: &str) -> String {
    let name: String = text
        .to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .collect();
    if name.is_empty() { "system".to_owned() } else { name }
}

/// Splits a command text into words as a shell would, without expansions.
fn split_words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '"' | '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => word.extend(chars.next()),
                        Some(inner) => word.push(inner),
                        None => return Err(format!("a quote {c} is not closed")),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}
