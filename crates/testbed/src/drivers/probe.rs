//! How the health of an instance is observed: one look, yes or no.
//!
//! No probe logs in anywhere, so that a secured server is observed as well as an open one.

use std::net::SocketAddrV4;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::compose::Healthcheck;
use crate::spawn::{HelperGroup, Launch};

/// Of an answer's beginning, as much as tells what it is.
const ANSWER_BYTES: usize = 64;

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
        /// A listener of it that asks for no login.
        address: SocketAddrV4,
        /// Its node id.
        node_id: i32,
    },
    /// It answers PING, be it by asking for a password.
    Redis {
        /// Where it listens.
        address: SocketAddrV4,
    },
    /// It answers 200.
    Http {
        /// Where it listens.
        address: SocketAddrV4,
        /// What is asked for.
        path: String,
    },
    /// It accepts connections: all that can be said of a port that asks for a login.
    Port {
        /// Where it listens.
        address: SocketAddrV4,
    },
}

impl Probe {
    /// How often it looks, how long, and how many failures count; `None` when there is nothing to
    /// look at. The Compose file's health check is for the container: a driver has its own pace.
    pub fn check(&self) -> Option<Healthcheck> {
        match self {
            Probe::None => None,
            Probe::Program { check, .. } => Some(check.clone()),
            _ => Some(native_check()),
        }
    }

    /// One look. Whoever looks bounds the time.
    pub async fn observe(&self) -> bool {
        match self {
            Probe::None => true,
            Probe::Program { launch, .. } => succeeds(launch).await,
            Probe::KafkaBroker { address, node_id } => {
                let cluster =
                    shaketable_kafka::Cluster::new([address.to_string()], "shaketable-health");
                let metadata = cluster.metadata(Some(&[])).await;
                metadata.is_ok_and(|metadata| metadata.broker(*node_id).is_some())
            }
            Probe::Redis { address } => {
                let answer = answer(*address, "PING\r\n").await.unwrap_or_default();
                ["+PONG", "-NOAUTH", "-NOPERM"]
                    .iter()
                    .any(|well| answer.starts_with(well))
            }
            Probe::Http { address, path } => {
                let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
                let answer = answer(*address, &request).await.unwrap_or_default();
                answer.starts_with("HTTP/1.") && answer.get(8..12) == Some(" 200")
            }
            Probe::Port { address } => TcpStream::connect(address).await.is_ok(),
        }
    }
}

/// The pace of the drivers' own probes.
pub(super) fn native_check() -> Healthcheck {
    Healthcheck {
        test: Vec::new(),
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(3),
        retries: 3,
        start_period: Duration::from_secs(60),
        start_interval: Duration::from_millis(200),
    }
}

async fn succeeds(launch: &Launch) -> bool {
    let Ok(command) = crate::spawn::command(launch, None) else {
        return false;
    };
    let child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn();
    let Ok(mut child) = child else {
        return false;
    };
    let _group = HelperGroup::of(&child);
    child.wait().await.is_ok_and(|status| status.success())
}

/// The beginning of the answer to a request.
async fn answer(address: SocketAddrV4, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = [0; ANSWER_BYTES];
    let length = stream.read(&mut buffer).await?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}
