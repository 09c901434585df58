//! Drivers: how each kind of service becomes a process.
//!
//! A driver makes the data folder of an instance once, and says what to launch, on which addresses
//! it will listen, and how its health is observed. It starts nothing that lives longer than the
//! preparation; that is the supervisor's business.

mod kafka;
mod machine;
mod postgres;
mod process;

pub use machine::Machine;

use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::time::Duration;

use crate::compose::{DriverKind, Healthcheck};
use crate::home::{Home, SystemFolder};
use crate::spawn::{HelperGroup, Launch};
use crate::system::{Instance, System};

/// An instance that can be launched, any number of times.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What to start.
    pub launch: Launch,
    /// Where it will listen, as far as known; checked to be free before each start.
    pub listens: Vec<SocketAddrV4>,
    /// How its health is observed.
    pub probe: Probe,
    /// Where it keeps its data, if not in its folder under the home.
    pub data_elsewhere: Option<PathBuf>,
}

/// How the health of an instance is observed.
#[derive(Clone, Debug)]
pub enum Probe {
    /// Running is all that can be said.
    None,
    /// A program that exits with 0.
    Program {
        /// What to run.
        launch: Launch,
        /// How often, how long, how many failures.
        check: Healthcheck,
    },
    /// The broker answers, and is registered with the cluster's controller.
    KafkaBroker {
        /// Its client address.
        address: SocketAddrV4,
        /// Its node id.
        node_id: i32,
        /// How often, how long, how many failures.
        check: Healthcheck,
    },
}

/// The pace of the drivers' own health probes; the Compose file's test is for the container.
pub(crate) fn native_check() -> Healthcheck {
    Healthcheck {
        test: Vec::new(),
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(3),
        retries: 3,
        start_period: Duration::from_secs(60),
        start_interval: Duration::from_millis(200),
    }
}

/// Prepares an instance: makes its data folder when it has none and works out its launch.
pub async fn prepare(
    instance: &Instance,
    system: &System,
    home: &Home,
    folder: &SystemFolder,
    machine: &Machine,
) -> Result<Prepared, String> {
    let data = folder.data(&instance.name);
    std::fs::create_dir_all(&data)
        .map_err(|error| format!("cannot make {}: {error}", data.display()))?;
    match instance.driver {
        DriverKind::Kafka => kafka::prepare(instance, system, home, &data, machine).await,
        DriverKind::Postgres => postgres::prepare(instance, &system.name, &data, machine).await,
        DriverKind::Process => process::prepare(instance, &data, machine),
    }
}

/// Runs a short-lived helper of a driver (format, initdb) to its end. The error holds its output.
async fn run_to_end(
    launch: &Launch,
    stdin: Option<&str>,
    timeout: Duration,
    what: &str,
) -> Result<(), String> {
    use std::process::Stdio;
    use tokio::io::AsyncWriteExt;
    let mut command =
        crate::spawn::command(launch, None).map_err(|error| format!("{what}: {error}"))?;
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if stdin.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{what}: cannot start {}: {error}", launch.program.display()))?;
    let _group = HelperGroup::of(&child);
    if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
        pipe.write_all(text.as_bytes())
            .await
            .map_err(|error| format!("{what}: {error}"))?;
    }
    let output = tokio::time::timeout(timeout, child.wait_with_output())
        .await
        .map_err(|_| format!("{what} took more than {} s", timeout.as_secs()))?
        .map_err(|error| format!("{what}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{what} failed ({}):\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}
