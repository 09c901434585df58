//! Drivers: how each kind of service becomes a process.
//!
//! A driver makes the data folder of an instance once, and says what to launch, on which addresses
//! it will listen, how its health is observed and how it is ended. It starts nothing that lives
//! longer than the preparation; that is the supervisor's business.
//!
//! Promises:
//! 1. A service is run as the image's own conventions say: the same variables, arguments and paths.
//!    What cannot be honoured is an error that names it.
//! 2. Data in a named volume or a bind mount is used again and never made anew; data of another
//!    node, cluster or version is refused.
//! 3. A data folder that was being made when everything was killed is recognised and made anew.
//! 4. Secrets of the Compose file are written to files of mode 0600 alone, never to a command line.

mod data;
mod kafka;
mod machine;
mod postgres;
mod probe;
mod process;
mod prometheus;
mod redis;

pub use data::remove_volume;
pub use machine::{JAVA_MAJOR_MIN, KAFKA_VERSION, KafkaJars, Machine};
pub use probe::Probe;

use std::io::Write;
use std::net::SocketAddrV4;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::compose::{DriverKind, MountSource, Mounts};
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
    /// The port for clients of a Kafka broker.
    pub client_port: Option<u16>,
    /// What ends it when the whole system goes down: as fast as its data allows, so SIGKILL where
    /// nothing is to be kept.
    pub down_signal: Signal,
    /// Where it keeps its data, if that goes with it and is not in its folder under the home.
    pub data_elsewhere: Option<PathBuf>,
}

/// What a driver is given besides the instance.
struct Site<'a> {
    system: &'a System,
    home: &'a Home,
    machine: &'a Machine,
    /// The instance's own folder; it goes with the instance.
    folder: PathBuf,
    /// What is mounted into the instance.
    mounts: Mounts,
}

/// Prepares an instance: makes its data folder when it has none and works out its launch.
pub async fn prepare(
    instance: &Instance,
    system: &System,
    home: &Home,
    folder: &SystemFolder,
    machine: &Machine,
) -> Result<Prepared, String> {
    let site = Site {
        system,
        home,
        machine,
        folder: folder.data(&instance.name),
        mounts: Mounts::of(&instance.volumes, home, &system.name, &instance.name),
    };
    make_folder(&site.folder)?;
    for mount in &instance.volumes {
        if !matches!(mount.name, MountSource::Bind(_)) {
            make_folder(&mount.local(home, &system.name, &instance.name))?;
        }
    }
    match instance.driver {
        DriverKind::Kafka => kafka::prepare(instance, &site).await,
        DriverKind::Postgres => postgres::prepare(instance, &site).await,
        DriverKind::Redis => redis::prepare(instance, &site),
        DriverKind::Prometheus => prometheus::prepare(instance, &site),
        DriverKind::Process => process::prepare(instance, &site),
    }
}

fn make_folder(path: &Path) -> Result<(), String> {
    std::fs::create_dir_all(path)
        .map_err(|error| format!("cannot make {}: {error}", path.display()))
}

/// Writes a file that only this user can read; an old one is replaced at once, never half.
fn write_private(path: &Path, text: &str) -> Result<(), String> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let write = || {
        // A file that a killed preparation left may have another mode.
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// The words that follow the name of the program, when the command begins with it, be it by way of
/// the image's entrypoint.
fn arguments_of<'a>(command: &'a [String], program: &str) -> &'a [String] {
    let mut rest = command;
    for name in ["docker-entrypoint.sh", program] {
        if let [first, after @ ..] = rest
            && Path::new(first).file_name().is_some_and(|one| one == name)
        {
            rest = after;
        }
    }
    rest
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
