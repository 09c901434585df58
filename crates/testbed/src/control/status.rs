//! How a system is: what a supervisor answers, and writes to `system.json` at every change.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::compose::{Compose, DriverKind, Service};
use crate::process::ProcessIdentity;
use crate::system::{Hosts, Substitution};

/// How a system is. Also written to `system.json` at every change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SystemStatus {
    /// The system's name.
    pub name: String,
    /// The first Compose file it was made from.
    pub compose: PathBuf,
    /// The Compose files merged into it.
    #[serde(default)]
    pub overrides: Vec<PathBuf>,
    /// The variant, when one was named.
    pub variant: Option<String>,
    /// The env file its variables were taken from.
    #[serde(default)]
    pub env_file: Option<PathBuf>,
    /// The profiles that were enabled by name.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// Numbers of replicas that go before those of the files.
    #[serde(default)]
    pub scale: BTreeMap<String, usize>,
    /// Where it is in its life.
    pub phase: SystemPhase,
    /// The supervising process.
    pub supervisor: ProcessIdentity,
    /// Whether it goes down with the process that brought it up.
    pub owned: bool,
    /// A fingerprint of each service as it was read; two systems with the same ones are the same.
    #[serde(default)]
    pub fingerprints: BTreeMap<String, String>,
    /// The longest time its processes may take to end, all grace periods in their order, in ms.
    #[serde(default)]
    pub stop_bound_ms: u64,
    /// Every instance, in the order of the Compose file.
    pub instances: Vec<InstanceStatus>,
    /// Where service names lead.
    pub hosts: Hosts,
}

/// Where a system is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "kebab-case")]
pub enum SystemPhase {
    /// Not everything is up yet.
    Starting,
    /// Everything is as it should be, or was once.
    Ready,
    /// It did not become ready as it should; when everything is up later all the same, it is ready.
    Failed {
        /// Why.
        reason: String,
    },
    /// It is being taken down.
    Stopping,
}

/// How one instance is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its name.
    pub name: String,
    /// The service it is a replica of.
    pub service: String,
    /// What runs it.
    pub driver: DriverKind,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its Kafka node id.
    pub node_id: Option<i32>,
    /// The client port of a Kafka broker.
    pub client_port: Option<u16>,
    /// The ports it listens on, as far as known; the first one is for clients.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// What its process does.
    pub state: InstanceState,
    /// The process, while there is one.
    pub process: Option<ProcessIdentity>,
    /// Whether its health is checked at all.
    pub has_check: bool,
    /// What its health check says; absent when it has none or does not run.
    pub healthy: Option<bool>,
    /// Whether it is kept down, by a fault or by `stop`.
    pub held: bool,
    /// How often it was started again.
    pub restarts: u32,
    /// When its process was started, RFC 3339; absent when there is none.
    #[serde(default)]
    pub started_at: Option<String>,
    /// For how long the process has been running, in ms; only in an answer.
    #[serde(default)]
    pub uptime_ms: Option<u64>,
    /// Processor time it used in the last second or so, with its descendants, in % of one
    /// processor; only in an answer, absent until it was measured.
    #[serde(default)]
    pub cpu_percent: Option<f64>,
    /// Resident memory with its descendants, in bytes; only in an answer, 0 in the file.
    pub resident_bytes: u64,
    /// Variables laid over its environment at its next start.
    #[serde(default)]
    pub overrides: BTreeMap<String, String>,
    /// How it is throttled, while it is.
    #[serde(default)]
    pub throttled: Option<Throttle>,
    /// How the last process ended.
    pub last_exit: Option<String>,
    /// Data that could not be kept under the home folder.
    pub data_elsewhere: Option<PathBuf>,
    /// Names that were replaced by addresses.
    pub substitutions: Vec<Substitution>,
    /// The last things that happened to it, the newest last, at most [`HISTORY_MAX`]; all of them
    /// are in `events.ndjson`.
    #[serde(default)]
    pub history: Vec<InstanceEvent>,
}

/// How many events of an instance are in its status.
pub const HISTORY_MAX: usize = 20;

/// Something that happened to an instance: a start, an exit, a signal, a change of health, …
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceEvent {
    /// When, RFC 3339.
    pub at: String,
    /// What: `started`, `exited`, `restarting`, `signalled`, `healthy`, `unhealthy`, `held`, …
    pub event: String,
    /// More about it: the pid, the exit code or signal, the wait before the next start.
    pub detail: serde_json::Value,
}

/// A process that only runs part of the time: in each cycle it runs, then stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttle {
    /// How long it runs, in ms; at least 1.
    pub run_ms: u64,
    /// How long it stands still, in ms; at least 1.
    pub stop_ms: u64,
}

impl Throttle {
    /// The longest part of a cycle; what stands still for longer is paused, not throttled.
    pub const PART_MAX: Duration = Duration::from_secs(60);

    /// Whether both parts are possible; the error says which is not.
    ///
    /// # Errors
    /// A part of the cycle is zero or longer than [`Throttle::PART_MAX`].
    pub fn check(&self) -> Result<(), String> {
        for (name, ms) in [("run", self.run_ms), ("stop", self.stop_ms)] {
            let part = Duration::from_millis(ms);
            if part.is_zero() || part > Self::PART_MAX {
                return Err(format!(
                    "`{name}` must be from 1 to {} ms, not {ms}",
                    Self::PART_MAX.as_millis()
                ));
            }
        }
        Ok(())
    }
}

/// What an instance's process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// It waits for what it depends on.
    Waiting,
    /// It runs.
    Running,
    /// It runs no more and will be started again.
    Restarting,
    /// It ran once and succeeded.
    Completed,
    /// It ended and stays down.
    Exited,
}

impl SystemStatus {
    /// The same without what changes all the time: uptimes, processor time, memory.
    pub fn without_measurements(&self) -> SystemStatus {
        let mut status = self.clone();
        for instance in &mut status.instances {
            instance.uptime_ms = None;
            instance.cpu_percent = None;
            instance.resident_bytes = 0;
        }
        status
    }

    /// The longest time the processes may take to end.
    pub fn stop_bound(&self) -> Duration {
        Duration::from_millis(self.stop_bound_ms)
    }

    /// The instances of a service; a replica's own name finds that replica alone.
    pub fn instances_of<'a>(
        &'a self,
        service: &'a str,
    ) -> impl Iterator<Item = &'a InstanceStatus> {
        self.instances
            .iter()
            .filter(move |instance| instance.service == service || instance.name == service)
    }

    /// The instance of that name.
    pub fn instance(&self, name: &str) -> Option<&InstanceStatus> {
        self.instances.iter().find(|instance| instance.name == name)
    }

    /// The Kafka instance with that node id.
    pub fn node(&self, node_id: i32) -> Option<&InstanceStatus> {
        self.instances
            .iter()
            .find(|instance| instance.node_id == Some(node_id))
    }

    /// Client addresses of all Kafka brokers, `host:port`.
    pub fn bootstrap_servers(&self) -> Vec<String> {
        self.instances
            .iter()
            .filter_map(|instance| Some(format!("{}:{}", instance.address, instance.client_port?)))
            .collect()
    }

    /// Names of all services, once each.
    pub fn services(&self) -> Vec<&str> {
        let mut names: BTreeMap<&str, ()> = BTreeMap::new();
        self.instances.iter().for_each(|instance| {
            names.insert(&instance.service, ());
        });
        names.into_keys().collect()
    }
}

/// A fingerprint of each service of a Compose file as it was read, variables filled in. The text
/// itself, which may hold secrets, is not kept.
pub fn fingerprints(compose: &Compose) -> BTreeMap<String, String> {
    let fingerprint = |service: &Service| {
        let mut hasher = DefaultHasher::new();
        format!("{service:?}").hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    };
    compose
        .services
        .iter()
        .map(|service| (service.name.clone(), fingerprint(service)))
        .collect()
}
