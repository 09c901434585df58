//! How the rest of Shaketable talks to a supervisor: one JSON request a connection, one answer.
//!
//! [`Request`] and [`Answer`] are what goes over the socket, [`SystemStatus`] is the answer that
//! says how everything is, and [`SystemClient`] asks.
//!
//! The socket is `control.sock` in the system's folder. Its path may be longer than a socket
//! address allows, so both sides reach it through `/proc/self/fd`.

mod client;
mod status;

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::process::ProcessIdentity;

pub use client::{ANSWER_TIMEOUT, EXIT_TIMEOUT, STOP_MARGIN, SystemClient};
pub use status::{
    HISTORY_MAX, InstanceEvent, InstanceState, InstanceStatus, SystemPhase, SystemStatus, Throttle,
    fingerprints,
};

/// Longest request or answer, in bytes.
const MESSAGE_BYTES_MAX: u64 = 4 << 20;

/// What can be asked of a supervisor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// How the system is.
    Status,
    /// How an instance is launched.
    Launch {
        /// Which instance.
        instance: String,
    },
    /// Send a signal to an instance's process (its number).
    Signal {
        /// Which instance.
        instance: String,
        /// Its process; if it has another one by now, that is left alone.
        process: ProcessIdentity,
        /// The signal's number.
        signal: i32,
        /// Whether all its descendants get it too.
        #[serde(default)]
        tree: bool,
    },
    /// Lay these variables over the instance's environment at its next start, in place of the ones
    /// laid over it before. None at all gives it its own environment again. Idempotent.
    Environment {
        /// Which instance.
        instance: String,
        /// The variables.
        set: BTreeMap<String, String>,
    },
    /// Stop and continue the instance's process and its descendants in turn, until `unthrottle` or
    /// until the process has ended. A second request replaces the first.
    Throttle {
        /// Which instance.
        instance: String,
        /// Its process; if it has another one by now, that is left alone.
        process: ProcessIdentity,
        /// How long it runs and stands still.
        #[serde(flatten)]
        throttle: Throttle,
    },
    /// Undo `throttle`: the process and its descendants are continued for good. Idempotent.
    Unthrottle {
        /// Which instance.
        instance: String,
    },
    /// Do not start the instance again until it is released. Idempotent.
    Hold {
        /// Which instance.
        instance: String,
    },
    /// Undo `hold`; an instance that is down is started. Idempotent.
    Release {
        /// Which instance.
        instance: String,
    },
    /// End the instance as a shutdown would: its stop signal, then SIGKILL after its grace period.
    Terminate {
        /// Which instance.
        instance: String,
    },
    /// `terminate`, then start it again, whatever its restart policy. Answered when it was started.
    Restart {
        /// Which instance.
        instance: String,
    },
    /// End everything, then the supervisor. Answered when everything has ended.
    Down,
}

/// What a supervisor answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// It was done.
    Done,
    /// How the system is.
    Status {
        /// The status.
        status: Box<SystemStatus>,
    },
    /// How the instance is launched.
    Launch {
        /// Program, arguments, environment and folder.
        launch: InstanceLaunch,
    },
    /// It was not done.
    Refused {
        /// Why.
        reason: String,
    },
}

/// How an instance's process is started, now or the next time. Secrets are in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceLaunch {
    /// The program, as a path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// The folder it starts in.
    pub folder: PathBuf,
}

/// Listens on the control socket of a system's folder; an old socket file is replaced.
pub(crate) fn listen(folder: &Path) -> std::io::Result<UnixListener> {
    let path = folder.join("control.sock");
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let directory = std::fs::File::open(folder)?;
    UnixListener::bind(format!(
        "/proc/self/fd/{}/control.sock",
        directory.as_raw_fd()
    ))
}

/// Reads the one request of a connection, within [`ANSWER_TIMEOUT`].
pub(crate) async fn read_request(stream: &mut UnixStream) -> std::io::Result<Request> {
    let mut line = String::new();
    let mut reader = BufReader::new(stream.take(MESSAGE_BYTES_MAX));
    tokio::time::timeout(ANSWER_TIMEOUT, reader.read_line(&mut line)).await??;
    serde_json::from_str(&line).map_err(std::io::Error::other)
}

/// Writes the answer.
pub(crate) async fn write_answer(stream: &mut UnixStream, answer: &Answer) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(answer).map_err(std::io::Error::other)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.shutdown().await
}

pub(crate) async fn connect(folder: &Path) -> std::io::Result<UnixStream> {
    let directory = std::fs::File::open(folder)?;
    UnixStream::connect(format!(
        "/proc/self/fd/{}/control.sock",
        directory.as_raw_fd()
    ))
    .await
}
