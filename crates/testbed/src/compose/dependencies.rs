//! `depends_on`: what must be there first, and that it can ever be.

use shaketable_document::{Data, Node};

use super::keys;
use super::reader::Reader;
use super::{Condition, Dependency, DriverKind, Service};

impl Reader<'_> {
    pub(super) fn depends_on(&mut self, node: &Node) -> Vec<Dependency> {
        let mut dependencies = Vec::new();
        match &node.data {
            Data::List(_) => {
                for service in self.strings(node, "`depends_on`").unwrap_or_default() {
                    dependencies.push(Dependency {
                        service,
                        condition: Condition::Started,
                        required: true,
                    });
                }
            }
            Data::Map(entries) => {
                for entry in entries {
                    dependencies.extend(self.dependency(&entry.key, &entry.value));
                }
            }
            _ => self.error(
                node.span,
                format!("`depends_on` is a map or a list, not {}", node.kind_name()),
            ),
        }
        dependencies
    }

    fn dependency(&mut self, service: &str, node: &Node) -> Option<Dependency> {
        let owner = "an entry of `depends_on`";
        let entries = self.entries(node, owner, "depends_on.", keys::DEPENDENCY)?;
        let mut required = true;
        let mut condition = None;
        for entry in entries {
            let value = &entry.value;
            if entry.key == "required" {
                required = self.truth(value, "`required`")?;
                continue;
            }
            condition = match self.string(value, "`condition`")?.as_str() {
                "service_started" => Some(Condition::Started),
                "service_healthy" => Some(Condition::Healthy),
                "service_completed_successfully" => Some(Condition::CompletedSuccessfully),
                other => {
                    self.error(
                        value.span,
                        format!("`{other}` is no condition: service_started, service_healthy or service_completed_successfully"),
                    );
                    return None;
                }
            };
        }
        if condition.is_none() {
            self.error(node.span, format!("{owner} lacks the key `condition`"));
        }
        Some(Dependency {
            service: service.to_owned(),
            condition: condition?,
            required,
        })
    }

    /// Every dependency exists, can become what is waited for, and waits for none of its own; one
    /// that need not exist and does not is forgotten. `node` is the value of `services`.
    pub(super) fn check_dependencies(&mut self, services: &mut [Service], node: &Node) {
        let is_there = |name: &str| {
            node.get(name)
                .is_some_and(|_| !self.is_left_out(node, name))
        };
        for service in services.iter_mut() {
            service
                .depends_on
                .retain(|dependency| dependency.required || is_there(&dependency.service));
        }
        let services = &*services;
        let place = |service: &Service| {
            node.get(&service.name)
                .and_then(|service| service.get("depends_on"))
                .map_or(node.span, |node| node.span)
        };
        for service in services {
            for dependency in &service.depends_on {
                let wanted = &dependency.service;
                let other = services.iter().find(|other| other.name == *wanted);
                if node.get(wanted).is_none() {
                    self.error(
                        place(service),
                        format!(
                            "`{}` depends on `{wanted}`, which is no service of this file",
                            service.name
                        ),
                    );
                } else if self.is_left_out(node, wanted) {
                    self.diagnostics
                        .error(
                            place(service),
                            format!(
                                "`{}` depends on `{wanted}`, of which no profile is enabled",
                                service.name
                            ),
                        )
                        .help("enable its profile with `--profile`, or write `required: false` beside the condition");
                } else if dependency.condition == Condition::Healthy
                    && other.is_some_and(|other| {
                        other.driver == DriverKind::Process && other.healthcheck.is_none()
                    })
                {
                    self.error(
                        place(service),
                        format!(
                            "`{}` waits for `{wanted}` to be healthy, but that has no health check",
                            service.name
                        ),
                    );
                }
            }
        }
        if let Some(cycle) = cycle(services) {
            let names: Vec<&str> = cycle.iter().map(|service| service.name.as_str()).collect();
            self.error(
                place(cycle[0]),
                format!(
                    "services wait for each other, so none can start: {} -> {}",
                    names.join(" -> "),
                    names[0]
                ),
            );
        }
    }
}

/// The first circle of dependencies, if there is one; each service depends on the next.
fn cycle(services: &[Service]) -> Option<Vec<&Service>> {
    let find = |name: &str| services.iter().find(|service| service.name == name);
    // What does not depend on anything unsettled can start; what is left is, or leads to, a circle.
    let mut left: Vec<&Service> = services.iter().collect();
    let waits = |service: &Service, left: &[&Service]| {
        service.depends_on.iter().find_map(|d| {
            left.iter()
                .any(|other| other.name == d.service)
                .then(|| find(&d.service))?
        })
    };
    loop {
        let waiting: Vec<&Service> = left
            .iter()
            .copied()
            .filter(|service| waits(service, &left).is_some())
            .collect();
        if waiting.len() == left.len() {
            break;
        }
        left = waiting;
    }
    let mut path: Vec<&Service> = vec![left.first()?];
    loop {
        let next = waits(path[path.len() - 1], &left)?;
        if let Some(at) = path.iter().position(|service| service.name == next.name) {
            return Some(path.split_off(at));
        }
        path.push(next);
    }
}
