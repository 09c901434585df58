//! The Compose file: what services a system has and how they are run.
//!
//! Promises:
//! 1. Keys that matter here mean what Compose says they mean; the file stays one that
//!    `docker compose` accepts.
//! 2. A key without a meaning for local processes is named in a warning, once; a key that would
//!    change how the system behaves and is not carried out is an error. Silent are only the keys that
//!    say how the container is made, which every file has: `build`, `hostname` and `x-…`.
//! 3. Every problem is reported at once, each with its line and column.
//!
//! Where the data goes next: [`crate::system`] gives every replica an address and replaces service
//! names by addresses.

mod dependencies;
mod healthcheck;
mod reader;
mod words;

use std::collections::BTreeMap;
use std::time::Duration;

use shaketable_document::{Diagnostics, Node, Source};

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

/// Compose's default for `stop_grace_period`.
const STOP_GRACE_PERIOD: Duration = Duration::from_secs(10);

/// Reads a Compose file that was parsed to `root`. `folder` is the name of its folder, used when
/// the file has no `name:`; `values` are the variables for interpolation.
pub fn read(
    root: &Node,
    folder: &str,
    values: &BTreeMap<String, String>,
) -> Result<(Compose, Diagnostics), Diagnostics> {
    let mut reader = reader::Reader::new(values);
    let compose = reader.file(root, folder);
    let mut diagnostics = reader.diagnostics;
    diagnostics.sort();
    match compose {
        Some(compose) if !diagnostics.has_errors() => Ok((compose, diagnostics)),
        _ => Err(diagnostics),
    }
}

/// Parses and reads in one go, for callers that have the text.
pub fn parse(
    source: &Source,
    folder: &str,
    values: &BTreeMap<String, String>,
) -> Result<(Compose, Diagnostics), Diagnostics> {
    let root = shaketable_document::parse(source)?;
    read(&root, folder, values)
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
