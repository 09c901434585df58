//! The site: where a run takes place, on a system of the testbed or on endpoints that were there
//! before. Only a testbed's system has processes that can be hit.

use std::collections::BTreeMap;

use shaketable_experiment::Endpoints;
use shaketable_kafka::{Cluster, Properties};
use shaketable_testbed::SystemStatus;
use shaketable_testbed::system::replace_hosts;

/// Where a run takes place.
#[derive(Clone, Debug, Default)]
pub struct Site {
    status: Option<SystemStatus>,
    bootstrap: Vec<String>,
    properties: BTreeMap<String, String>,
    /// Where service names lead that are no system's.
    services: BTreeMap<String, String>,
}

impl Site {
    /// A system of the testbed.
    pub fn of_system(status: SystemStatus) -> Site {
        Site {
            bootstrap: status.bootstrap_servers(),
            status: Some(status),
            ..Site::default()
        }
    }

    /// Endpoints that are used as they are.
    pub fn of_endpoints(endpoints: &Endpoints) -> Site {
        Site {
            status: None,
            bootstrap: endpoints
                .bootstrap_servers
                .split(',')
                .map(str::trim)
                .filter(|server| !server.is_empty())
                .map(str::to_owned)
                .collect(),
            properties: endpoints.client_properties.clone(),
            services: endpoints.services.clone(),
        }
    }

    /// The testbed's system, if there is one.
    pub fn status(&self) -> Option<&SystemStatus> {
        self.status.as_ref()
    }

    /// Kafka's bootstrap servers, `host:port`; none when there is no Kafka.
    pub fn bootstrap(&self) -> &[String] {
        &self.bootstrap
    }

    /// Kafka client properties.
    pub fn properties(&self) -> &BTreeMap<String, String> {
        &self.properties
    }

    /// A text with service names replaced by where they lead, as in a container network: to the
    /// addresses that the testbed gave them, or to endpoints. An endpoint with a port stands for the
    /// name with whatever port.
    pub(crate) fn resolved(&self, text: &str) -> String {
        match &self.status {
            Some(status) => status.hosts.replace_in("", text, None),
            None => replace_hosts("", text, &|name| self.services.get(name).cloned()),
        }
    }

    /// A client of the Kafka cluster.
    ///
    /// # Errors
    /// There is no Kafka, or the client properties are wrong; in words.
    pub fn cluster(&self, client_id: &str) -> Result<Cluster, String> {
        if self.bootstrap.is_empty() {
            return Err(match &self.status {
                Some(status) => format!("system `{}` has no Kafka service", status.name),
                None => {
                    "no Kafka is known: give `bootstrap-servers` under `endpoints`, or a `system`"
                        .to_owned()
                }
            });
        }
        let properties: Properties = self.properties.clone().into_iter().collect();
        Cluster::with_properties(&self.bootstrap, client_id, &properties)
            .map_err(|error| error.to_string())
    }
}
