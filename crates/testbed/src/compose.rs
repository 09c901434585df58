//! The Compose file: what services a system has and how they are run.
//!
//! Promises:
//! 1. Keys that matter here mean what Compose says they mean; the file stays one that
//!    `docker compose` accepts.
//! 2. Nothing is ignored in silence: a key without a meaning for local processes is named in a
//!    warning, once, with all its places; a key that would change how the system behaves and is not
//!    carried out is an error. Silent are only the keys that say how the container is made, which
//!    every file has (`build`, `hostname`), and `x-…`. What nearly every file has and no process can
//!    (published ports, a server's own health check) is for [`crate::drivers::Machine::warnings`].
//! 3. Every problem of every file is reported at once, each with its file, line and column.
//!
//! How a file is read: each is parsed and its references are replaced, later ones are merged into
//! the first ([`merge`]), and the result is read service by service ([`reader`], [`service`]). Which
//! keys there are is written in one table ([`keys`]).
//!
//! Where the data goes next: [`crate::system`] gives every replica an address and replaces service
//! names by addresses.

mod dependencies;
mod environment;
mod files;
mod healthcheck;
mod image;
mod keys;
mod merge;
mod mount;
mod reader;
mod server;
mod service;
mod volumes;
mod warnings;
mod words;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use shaketable_document::Source;

pub use files::{Finding, Findings};
pub use mount::{Mount, MountSource, Mounts};
pub(crate) use server::postgres_port;

use crate::interpolation::Variables;

/// One or several Compose files as one, interpolated and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Compose {
    /// `name:` of the file, or the name of the folder it is in.
    pub name: String,
    /// The services that are enabled, in the order of the file.
    pub services: Vec<Service>,
}

/// One service of a Compose file.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its name, which is also its host name.
    pub name: String,
    /// What runs it.
    pub driver: DriverKind,
    /// `image`, whose tag says which version to run where there are several.
    pub image: Option<String>,
    /// `entrypoint` followed by `command`; empty when the image decides.
    pub command: Vec<String>,
    /// `env_file` and `environment`, in order of names.
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
    /// Whether `ports` asks for ports of the host.
    pub published: bool,
    /// Other names of the service: the `aliases` of its networks, and `container_name`.
    pub aliases: Vec<String>,
    /// `stop_grace_period`.
    pub stop_grace_period: Duration,
    /// The number of `stop_signal`; without one, of the image's.
    pub stop_signal: i32,
    /// `volumes`.
    pub volumes: Vec<Mount>,
}

impl Service {
    /// Whether one of several replicas of the service is called `name`.
    pub fn has_replica(&self, name: &str) -> bool {
        self.replicas > 1
            && name
                .strip_prefix(&self.name)
                .and_then(|rest| rest.strip_prefix('-'))
                .and_then(|ordinal| ordinal.parse::<usize>().ok())
                .is_some_and(|ordinal| (1..=self.replicas).contains(&ordinal))
    }
}

/// What runs a service as a local process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriverKind {
    /// Apache Kafka in KRaft mode; `apache/kafka` images.
    Kafka,
    /// PostgreSQL; `postgres` images.
    Postgres,
    /// Redis; `redis` images.
    Redis,
    /// Prometheus; `prom/prometheus` images.
    Prometheus,
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
    /// Whether it may not be missing.
    pub required: bool,
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
    /// After a failure, at most so many times, or without an end.
    OnFailure(Option<u32>),
}

/// Compose's default for `stop_grace_period`.
const STOP_GRACE_PERIOD: Duration = Duration::from_secs(10);

/// What Compose files are read with.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The folder that relative paths start from, absolute; its name is the system's if no file
    /// has a `name`.
    pub folder: &'a Path,
    /// What references are replaced by; `COMPOSE_PROFILES` enables profiles.
    pub variables: &'a Variables,
    /// Further enabled profiles; `*` enables all.
    pub profiles: &'a [String],
}

/// Reads Compose files, later ones merged into earlier ones. Besides their texts only the env files
/// they name are read, and bind mounts looked up.
///
/// # Errors
/// Everything that is wrong, warnings included.
pub fn read(sources: Vec<Source>, context: &Context) -> Result<(Compose, Findings), Findings> {
    let mut reader = reader::Reader::new(context);
    let mut merged = None;
    let mut all_parsed = true;
    for source in sources {
        match reader.files.parse(source) {
            Ok(mut root) => {
                reader.interpolate(&mut root);
                merged = Some(match merged {
                    None => root,
                    Some(earlier) => {
                        merge::merge(earlier, root, &reader.files, &mut reader.diagnostics)
                    }
                });
            }
            Err(found) => {
                all_parsed = false;
                reader.diagnostics.append(found);
            }
        }
    }
    // What is read of some of the files only would be full of mistakes that nobody made.
    let compose = merged
        .filter(|_| all_parsed)
        .and_then(|root| reader.file(&root, context.folder));
    let findings = reader.finish();
    match compose {
        Some(compose) if !findings.has_errors() => Ok((compose, findings)),
        _ => Err(findings),
    }
}

/// A name as Compose makes it of a folder: lower case letters, digits, `-` and `_`, beginning with
/// a letter or a digit.
pub fn system_name(text: &str) -> String {
    let name: String = text
        .to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .collect();
    match name.trim_start_matches(['-', '_']) {
        "" => "system".to_owned(),
        name => name.to_owned(),
    }
}
