//! How the rest of Shaketable talks to a supervisor: one JSON request a connection, one answer.
//!
//! The socket is `control.sock` in the system's folder. Its path may be longer than a socket
//! address allows, so both sides reach it through `/proc/self/fd`.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::compose::DriverKind;
use crate::error::TestbedError;
use crate::home::SystemFolder;
use crate::process::ProcessIdentity;
use crate::system::{Hosts, Substitution};

/// Longest wait for an answer that needs no process to end.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a whole system to go down: every grace period, one after the other.
pub const DOWN_TIMEOUT: Duration = Duration::from_secs(90);
/// Longest wait for a supervisor that has taken everything down to be gone itself.
pub const EXIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked for.
const EXIT_POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Longest request or answer, in bytes.
const MESSAGE_BYTES_MAX: u64 = 4 << 20;

/// What can be asked of a supervisor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// How the system is.
    Status,
    /// Send a signal to an instance's process (its number).
    Signal {
        /// Which instance.
        instance: String,
        /// Its process; if it has another one by now, that is left alone.
        process: ProcessIdentity,
        /// The signal's number.
        signal: i32,
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
    /// It was not done.
    Refused {
        /// Why.
        reason: String,
    },
}

/// How a system is. Also written to `system.json` at every change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SystemStatus {
    /// The system's name.
    pub name: String,
    /// The Compose file it was made from.
    pub compose: PathBuf,
    /// The variant, when one was named.
    pub variant: Option<String>,
    /// Where it is in its life.
    pub phase: SystemPhase,
    /// The supervising process.
    pub supervisor: ProcessIdentity,
    /// Whether it goes down with the process that brought it up.
    pub owned: bool,
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
    /// It will never be ready.
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
    /// What its process does.
    pub state: InstanceState,
    /// The process, while there is one.
    pub process: Option<ProcessIdentity>,
    /// Whether its health is checked at all.
    pub has_check: bool,
    /// What its health check says; absent when it has none or does not run.
    pub healthy: Option<bool>,
    /// Whether it is kept down by a fault.
    pub held: bool,
    /// How often it was started again.
    pub restarts: u32,
    /// Resident memory with its descendants, in bytes; only in an answer, 0 in the file.
    pub resident_bytes: u64,
    /// How the last process ended.
    pub last_exit: Option<String>,
    /// Data that could not be kept under the home folder.
    pub data_elsewhere: Option<PathBuf>,
    /// Names that were replaced by addresses.
    pub substitutions: Vec<Substitution>,
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

/// A client of one system's supervisor.
#[derive(Clone, Debug)]
pub struct SystemClient {
    name: String,
    folder: SystemFolder,
}

impl SystemClient {
    /// A client of the system whose folder is `folder`. Nothing is opened yet.
    pub fn new(name: &str, folder: SystemFolder) -> SystemClient {
        SystemClient {
            name: name.to_owned(),
            folder,
        }
    }

    /// The system's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The system's folder.
    pub fn folder(&self) -> &SystemFolder {
        &self.folder
    }

    /// How the system is; an error when its supervisor does not answer.
    pub async fn status(&self) -> Result<SystemStatus, TestbedError> {
        match self.call(&Request::Status, ANSWER_TIMEOUT).await? {
            Answer::Status { status } => Ok(*status),
            other => Err(self.error(format!("answered {other:?} to a status request"))),
        }
    }

    /// Sends a signal to the process of an instance, if that is still this very process.
    pub async fn signal(
        &self,
        instance: &str,
        process: &ProcessIdentity,
        signal: nix::sys::signal::Signal,
    ) -> Result<(), TestbedError> {
        let request = Request::Signal {
            instance: instance.to_owned(),
            process: process.clone(),
            signal: signal as i32,
        };
        self.done(&request, ANSWER_TIMEOUT).await
    }

    /// Keeps an instance down once it is down.
    pub async fn hold(&self, instance: &str) -> Result<(), TestbedError> {
        self.done(
            &Request::Hold {
                instance: instance.to_owned(),
            },
            ANSWER_TIMEOUT,
        )
        .await
    }

    /// Lets an instance run again, and starts it when it is down.
    pub async fn release(&self, instance: &str) -> Result<(), TestbedError> {
        self.done(
            &Request::Release {
                instance: instance.to_owned(),
            },
            ANSWER_TIMEOUT,
        )
        .await
    }

    /// Begins to end an instance gracefully.
    pub async fn terminate(&self, instance: &str) -> Result<(), TestbedError> {
        self.done(
            &Request::Terminate {
                instance: instance.to_owned(),
            },
            ANSWER_TIMEOUT,
        )
        .await
    }

    /// Takes the whole system down; returns when its supervisor has ended too.
    pub async fn down(&self) -> Result<(), TestbedError> {
        let supervisor = self.status().await?.supervisor;
        self.done(&Request::Down, DOWN_TIMEOUT).await?;
        let deadline = Instant::now() + EXIT_TIMEOUT;
        while supervisor.is_alive() {
            if Instant::now() > deadline {
                return Err(self.error(format!(
                    "process {} has not ended within {} s",
                    supervisor.pid,
                    EXIT_TIMEOUT.as_secs()
                )));
            }
            tokio::time::sleep(EXIT_POLL_INTERVAL).await;
        }
        Ok(())
    }

    async fn done(&self, request: &Request, timeout: Duration) -> Result<(), TestbedError> {
        match self.call(request, timeout).await? {
            Answer::Done => Ok(()),
            Answer::Refused { reason } => Err(self.error(reason)),
            Answer::Status { .. } => {
                Err(self.error("answered a status nobody asked for".to_owned()))
            }
        }
    }

    async fn call(&self, request: &Request, timeout: Duration) -> Result<Answer, TestbedError> {
        let exchange = async {
            let stream = connect(self.folder.root()).await?;
            let (read, mut write) = stream.into_split();
            let mut line = serde_json::to_vec(request).map_err(std::io::Error::other)?;
            line.push(b'\n');
            write.write_all(&line).await?;
            let mut answer = String::new();
            BufReader::new(read.take(MESSAGE_BYTES_MAX))
                .read_line(&mut answer)
                .await?;
            serde_json::from_str(&answer).map_err(std::io::Error::other)
        };
        match tokio::time::timeout(timeout, exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.error(error.to_string())),
            Err(_) => Err(self.error(format!("no answer within {} s", timeout.as_secs()))),
        }
    }

    fn error(&self, reason: String) -> TestbedError {
        TestbedError::Supervisor {
            system: self.name.clone(),
            reason,
        }
    }
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

async fn connect(folder: &Path) -> std::io::Result<UnixStream> {
    let directory = std::fs::File::open(folder)?;
    UnixStream::connect(format!(
        "/proc/self/fd/{}/control.sock",
        directory.as_raw_fd()
    ))
    .await
}
