//! One service: its keys, one after the other.

use std::collections::BTreeMap;

use nix::sys::signal::Signal;
use shaketable_document::{Data, Entry, Node, Span, closest};

use super::keys;
use super::reader::{OWN_KEY, Reader};
use super::{DriverKind, RestartPolicy, STOP_GRACE_PERIOD, Service};

/// What the testbed itself writes beside the logs of services.
const OWN_LOG: &str = "supervisor";
/// Most ports in one range of `ports`.
const RANGE_PORTS_MAX: u16 = 1000;

impl Reader<'_> {
    /// Whether a service has no profiles or an enabled one. Of one that is left out, only the
    /// names of its keys are checked.
    pub(super) fn is_enabled(&mut self, service: &Entry) -> bool {
        let Some(node) = service.value.get("profiles") else {
            return true;
        };
        let Some(profiles) = self.strings(node, "`profiles`") else {
            return true;
        };
        let enabled = self.is_one_enabled(&profiles);
        self.known_profiles.extend(profiles);
        if !enabled {
            for entry in service.value.entries() {
                if keys::find(keys::SERVICE, &entry.key).is_none() {
                    let owner = format!("service `{}`", service.key);
                    self.unknown_key(entry, &owner, keys::SERVICE);
                }
            }
        }
        enabled
    }

    fn is_one_enabled(&self, profiles: &[String]) -> bool {
        let enabled = &self.enabled_profiles;
        profiles.is_empty()
            || enabled.iter().any(|one| one == "*")
            || profiles.iter().any(|profile| enabled.contains(profile))
    }

    /// Whether `services` has a service of that name whose profiles are not enabled.
    pub(super) fn is_left_out(&self, services: &Node, name: &str) -> bool {
        let profiles: Vec<String> = services
            .get(name)
            .and_then(|service| service.get("profiles"))
            .map_or(&[][..], Node::items)
            .iter()
            .filter_map(Node::scalar_text)
            .collect();
        !self.is_one_enabled(&profiles)
    }

    pub(super) fn service(&mut self, entry: &Entry) -> Option<Service> {
        let (name, at, node) = (&entry.key, entry.key_span, &entry.value);
        let owner = format!("service `{name}`");
        let entries = self.entries(node, &owner, "", keys::SERVICE)?;
        self.check_name(name, at);
        let mut service = Service {
            name: name.clone(),
            driver: DriverKind::Process,
            // Anything but a text is complained about with the driver.
            image: node.get("image").and_then(Node::scalar_text),
            command: Vec::new(),
            environment: BTreeMap::new(),
            depends_on: Vec::new(),
            healthcheck: None,
            restart: RestartPolicy::No,
            replicas: 1,
            ports: Vec::new(),
            published: false,
            aliases: Vec::new(),
            stop_grace_period: STOP_GRACE_PERIOD,
            stop_signal: Signal::SIGTERM as i32,
            volumes: Vec::new(),
        };
        let driver = self.driver(node);
        service.driver = driver.unwrap_or(DriverKind::Process);
        if service.driver == DriverKind::Postgres {
            // As its image says: SIGTERM would wait for clients to leave.
            service.stop_signal = Signal::SIGINT as i32;
        }
        service.environment = self.environment(node);
        let mut entrypoint = Some(Vec::new());
        let mut command = Some(Vec::new());
        for entry in entries {
            let value = &entry.value;
            match entry.key.as_str() {
                "command" => command = self.words(value, "`command`"),
                "entrypoint" => entrypoint = self.words(value, "`entrypoint`"),
                "depends_on" => service.depends_on = self.depends_on(value),
                "healthcheck" => service.healthcheck = self.healthcheck(value),
                "deploy" => self.deploy(value, node, &mut service),
                "restart" => {
                    let policy = self.restart(value);
                    // What `deploy` says goes before it, as in Compose.
                    let deploy = node.get("deploy");
                    if deploy.is_none_or(|deploy| deploy.get("restart_policy").is_none()) {
                        service.restart = policy;
                    }
                }
                "scale" => service.replicas = self.count(value, "`scale`").unwrap_or(1),
                "ports" => {
                    service.published = !value.items().is_empty();
                    self.ports(value, "`ports`", &mut service.ports);
                }
                "expose" => self.ports(value, "`expose`", &mut service.ports),
                "networks" => service.aliases.extend(self.aliases(value, entry.key_span)),
                "container_name" => service
                    .aliases
                    .extend(self.string(value, "`container_name`")),
                "volumes" => service.volumes = self.mounts(value),
                "stop_grace_period" => {
                    if let Some(period) = self.duration(value, "`stop_grace_period`") {
                        service.stop_grace_period = period;
                    }
                }
                "stop_signal" => {
                    if let Some(signal) = self.signal(value) {
                        service.stop_signal = signal;
                    }
                }
                // Read already: `image` and `x-shaketable`, `environment` and `env_file`, `profiles`.
                _ => {}
            }
        }
        if let (Some(mut words), Some(command)) = (entrypoint, command) {
            words.extend(command);
            service.command = words;
            if let Some(driver) = driver {
                self.check_command(&service, driver, node, at);
                if driver == DriverKind::Process {
                    self.place_programs(&mut service);
                } else {
                    self.check_server(&service, node, at);
                }
            }
        }
        Some(service)
    }

    /// Programs that are named by a relative path are looked for from the folder of the file, like
    /// every relative path of it.
    fn place_programs(&self, service: &mut Service) {
        let check = service.healthcheck.as_mut().map(|check| &mut check.test);
        for words in [Some(&mut service.command), check].into_iter().flatten() {
            if let Some(program) = words.first_mut()
                && program.contains('/')
            {
                let path = self.context.folder.join(program.trim_start_matches("./"));
                *program = path.to_string_lossy().into_owned();
            }
        }
    }

    fn check_name(&mut self, name: &str, at: Span) {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(fits) {
            self.error(at, format!("`{name}` is not a service name: letters, digits, `.`, `_` and `-`, a letter or digit first"));
        }
        if name == OWN_LOG {
            self.error(at, format!("`{OWN_LOG}` is what the testbed's own log is called; give the service another name"));
        }
    }

    /// What runs the service; `None` after a complaint.
    fn driver(&mut self, node: &Node) -> Option<DriverKind> {
        let image = match node.get("image") {
            Some(value) => Some((self.string(value, "`image`")?, value.span)),
            None => None,
        };
        if let Some(own) = node.get(OWN_KEY) {
            let chosen = self.own_driver(own)?;
            if chosen.is_some() {
                return chosen;
            }
        }
        let Some((image, at)) = image else {
            return Some(DriverKind::Process);
        };
        match DriverKind::of_image(&image) {
            Ok(found) => Some(found.unwrap_or(DriverKind::Process)),
            Err(why) => {
                self.diagnostics
                    .error(at, format!("image `{image}` has no driver: {why}"))
                    .help("choose one with `x-shaketable: {driver: ...}`, or leave the service out with `profiles`");
                None
            }
        }
    }

    /// The driver that `x-shaketable` names, if it names one; `None` after a complaint.
    fn own_driver(&mut self, node: &Node) -> Option<Option<DriverKind>> {
        let entries = self.entries(node, "`x-shaketable`", "x-shaketable.", keys::OWN)?;
        if entries.len() < node.entries().len() {
            return None;
        }
        let Some(entry) = entries.first() else {
            return Some(None);
        };
        let name = self.string(&entry.value, "`driver`")?;
        let found = DriverKind::ALL.iter().find(|kind| kind.name() == name);
        if found.is_none() {
            let names = DriverKind::ALL.map(DriverKind::name);
            let help = match closest(&name, names) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("there are: {}", names.join(", ")),
            };
            self.diagnostics
                .error(entry.value.span, format!("driver `{name}` is unknown"))
                .help(help);
            return None;
        }
        Some(found.copied())
    }

    /// A process needs a command, and a server's driver runs nothing but its server.
    fn check_command(&mut self, service: &Service, driver: DriverKind, node: &Node, at: Span) {
        let name = &service.name;
        if driver == DriverKind::Process {
            if service.command.is_empty() {
                self.diagnostics
                    .error(at, format!("service `{name}` has no `command`: the testbed cannot know what its image would run"))
                    .help("write the program and its arguments as `command`, or leave the service out with `profiles`");
            }
        } else if !driver.runs(&service.command) {
            let place = node
                .entry("command")
                .or_else(|| node.entry("entrypoint"))
                .map_or(at, |entry| entry.key_span);
            self.diagnostics
                .error(
                    place,
                    format!(
                        "service `{name}` would run `{}`, but its driver `{}` runs the server only",
                        service.command.join(" "),
                        driver.name()
                    ),
                )
                .help("`x-shaketable: {driver: process}` runs the command as it is");
        }
    }

    fn restart(&mut self, node: &Node) -> RestartPolicy {
        let Some(text) = self.string(node, "`restart`") else {
            return RestartPolicy::No;
        };
        let (policy, times) = text
            .split_once(':')
            .map_or((text.as_str(), None), |(policy, n)| (policy, Some(n)));
        match (policy, times.map(str::parse::<u32>)) {
            ("no", None) => RestartPolicy::No,
            ("always" | "unless-stopped", None) => RestartPolicy::Always,
            ("on-failure", None) => RestartPolicy::OnFailure(None),
            // As in Docker, no number at all is no bound.
            ("on-failure", Some(Ok(times))) => {
                RestartPolicy::OnFailure(Some(times).filter(|times| *times > 0))
            }
            _ => {
                self.error(node.span, format!("`{text}` is no restart policy: \"no\", always, unless-stopped, on-failure[:n]"));
                RestartPolicy::No
            }
        }
    }

    /// `service_node` is the whole service: `scale` beside `deploy` matters.
    fn deploy(&mut self, node: &Node, service_node: &Node, service: &mut Service) {
        for entry in self
            .entries(node, "`deploy`", "deploy.", keys::DEPLOY)
            .unwrap_or_default()
        {
            let value = &entry.value;
            match entry.key.as_str() {
                "replicas" => {
                    let Some(replicas) = self.count(value, "`replicas`") else {
                        continue;
                    };
                    let scale = service_node.get("scale");
                    if let Some(scale) = scale
                        && scale.scalar_text() != Some(replicas.to_string())
                    {
                        self.error(
                            value.span,
                            format!("`deploy.replicas` is {replicas}, but `scale` says otherwise; keep one of them"),
                        );
                    }
                    service.replicas = replicas;
                }
                "mode" => {
                    let mode = self.string(value, "`mode`").unwrap_or_default();
                    if !mode.is_empty() && mode != "replicated" {
                        self.error(
                            value.span,
                            format!(
                                "`{mode}` of `deploy.mode` is not supported; there is replicated"
                            ),
                        );
                    }
                }
                _ => service.restart = self.deploy_restart(value),
            }
        }
    }

    fn deploy_restart(&mut self, node: &Node) -> RestartPolicy {
        let (mut condition, mut attempts) = ("any".to_owned(), None);
        for entry in self
            .entries(
                node,
                "`restart_policy`",
                "deploy.restart_policy.",
                keys::RESTART_POLICY,
            )
            .unwrap_or_default()
        {
            match entry.key.as_str() {
                "condition" => {
                    if let Some(text) = self.string(&entry.value, "`condition`") {
                        condition = text;
                    }
                }
                _ => attempts = self.count(&entry.value, "`max_attempts`"),
            }
        }
        let attempts = attempts.filter(|count| *count > 0);
        if attempts.is_some() && matches!(condition.as_str(), "none" | "any") {
            self.error(
                node.span,
                format!("`max_attempts` of `deploy.restart_policy` needs the condition on-failure, not {condition}"),
            );
        }
        match condition.as_str() {
            "none" => RestartPolicy::No,
            "on-failure" => RestartPolicy::OnFailure(attempts.map(|count| count as u32)),
            "any" => RestartPolicy::Always,
            other => {
                self.error(
                    node.span,
                    format!("`{other}` is no condition of `deploy.restart_policy`: none, on-failure or any"),
                );
                RestartPolicy::No
            }
        }
    }

    fn ports(&mut self, node: &Node, what: &str, ports: &mut Vec<u16>) {
        let Data::List(items) = &node.data else {
            self.error(
                node.span,
                format!("{what} is a list, not {}", node.kind_name()),
            );
            return;
        };
        for item in items {
            let Some(written) = self.port_text(item, what) else {
                continue;
            };
            // What matters here is the container's side.
            let container = written.rsplit(':').next().unwrap_or_default();
            match port_range(container.trim_end_matches("/tcp")) {
                Some(range) => {
                    for port in range {
                        if !ports.contains(&port) {
                            ports.push(port);
                        }
                    }
                }
                None => self.error(
                    item.span,
                    format!(
                        "`{written}` is no TCP port: CONTAINER, HOST:CONTAINER or ADDRESS:HOST:CONTAINER"
                    ),
                ),
            }
        }
    }

    /// A port in the short form, which the long one is brought to.
    fn port_text(&mut self, item: &Node, what: &str) -> Option<String> {
        if item.entries().is_empty() {
            return self.scalar(item, &format!("an item of {what}"));
        }
        let (mut target, mut protocol) = (None, "tcp".to_owned());
        for entry in self.entries(item, "an item of `ports`", "ports.", keys::PORT)? {
            match entry.key.as_str() {
                "target" => target = Some(self.scalar(&entry.value, "`target`")?),
                _ => protocol = self.string(&entry.value, "`protocol`")?,
            }
        }
        match target {
            Some(target) => Some(format!("{target}/{protocol}")),
            None => {
                self.error(item.span, "an item of `ports` lacks the key `target`");
                None
            }
        }
    }

    /// Other names of the service, in its networks.
    fn aliases(&mut self, node: &Node, at: Span) -> Vec<String> {
        self.warnings.add(
            "`networks` is not used by the testbed: all processes of a system reach each other"
                .to_owned(),
            at,
        );
        let mut aliases = Vec::new();
        for network in node.entries() {
            if network.value.data == Data::Null {
                continue;
            }
            let entries = self.entries(
                &network.value,
                "a network of a service",
                "networks.",
                keys::SERVICE_NETWORK,
            );
            for entry in entries.unwrap_or_default() {
                aliases.extend(self.strings(&entry.value, "`aliases`").unwrap_or_default());
            }
        }
        aliases
    }

    fn signal(&mut self, node: &Node) -> Option<i32> {
        let text = self.string(node, "`stop_signal`")?;
        let signal = match text.parse::<i32>() {
            Ok(number) => Signal::try_from(number).ok(),
            Err(_) => {
                let name = text.to_uppercase();
                let full = format!("SIG{}", name.trim_start_matches("SIG"));
                full.parse::<Signal>().ok()
            }
        };
        if signal.is_none() {
            self.error(
                node.span,
                format!("`{text}` is no signal such as SIGTERM, INT or 15"),
            );
        }
        signal.map(|signal| signal as i32)
    }
}

/// `N` or `N-M`.
fn port_range(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
    (first > 0 && first <= last && last - first < RANGE_PORTS_MAX).then_some(first..=last)
}
