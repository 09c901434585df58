//! `depends_on`: what must be there first, and that it can ever be.

use shaketable_document::{Data, Node};

use super::reader::Reader;
use super::{Condition, Dependency, DriverKind, Service};

impl Reader<'_> {
    pub(super) fn depends_on(&mut self, node: &Node) -> Vec<Dependency> {
        let mut dependencies = Vec::new();
        match &node.data {
            Data::List(items) => {
                for item in items {
                    if let Some(service) = self.text(item) {
                        dependencies.push(Dependency {
                            service,
                            condition: Condition::Started,
                        });
                    }
                }
            }
            Data::Map(entries) => {
                for entry in entries {
                    let condition = self.condition(&entry.value);
                    dependencies.push(Dependency {
                        service: entry.key.clone(),
                        condition,
                    });
                }
            }
            _ => self.error(
                node.span,
                format!("`depends_on` is a map or a list, not {}", node.kind_name()),
            ),
        }
        dependencies
    }

    fn condition(&mut self, node: &Node) -> Condition {
        let mut condition = Condition::Started;
        let Data::Map(keys) = &node.data else {
            self.error(
                node.span,
                format!(
                    "an entry of `depends_on` is a map with `condition`, not {}",
                    node.kind_name()
                ),
            );
            return condition;
        };
        for key in keys {
            if key.key != "condition" {
                self.error(
                    key.key_span,
                    format!("`{}` of `depends_on` is not supported", key.key),
                );
                continue;
            }
            match self.text(&key.value).as_deref() {
                Some("service_started") => condition = Condition::Started,
                Some("service_healthy") => condition = Condition::Healthy,
                Some("service_completed_successfully") => {
                    condition = Condition::CompletedSuccessfully;
                }
                Some(other) => self.error(
                    key.value.span,
                    format!("`{other}` is no condition: service_started, service_healthy or service_completed_successfully"),
                ),
                None => {}
            }
        }
        condition
    }

    /// Every dependency exists, can become what is waited for, and waits for none of its own.
    /// `node` is the value of `services`.
    pub(super) fn check_dependencies(&mut self, services: &[Service], node: &Node) {
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
