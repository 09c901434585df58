//! The asking side of the control socket.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::{Answer, InstanceLaunch, MESSAGE_BYTES_MAX, Request, SystemStatus, Throttle, connect};
use crate::error::TestbedError;
use crate::home::SystemFolder;
use crate::process::ProcessIdentity;

/// Longest wait for an answer that needs no process to end.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for what needs processes to end, beyond their grace periods.
pub const STOP_MARGIN: Duration = Duration::from_secs(30);
/// Longest wait for a supervisor that has taken everything down to be gone itself.
pub const EXIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked for.
const EXIT_POLL_INTERVAL: Duration = Duration::from_millis(10);

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
            _ => Err(self.misfit()),
        }
    }

    /// How an instance is launched. Secrets are in it.
    pub async fn launch(&self, instance: &str) -> Result<InstanceLaunch, TestbedError> {
        let instance = instance.to_owned();
        match self
            .call(&Request::Launch { instance }, ANSWER_TIMEOUT)
            .await?
        {
            Answer::Launch { launch } => Ok(launch),
            Answer::Refused { reason } => Err(self.error(reason)),
            _ => Err(self.misfit()),
        }
    }

    /// Sends a signal to the process of an instance, if that is still this very process.
    pub async fn signal(
        &self,
        instance: &str,
        process: &ProcessIdentity,
        signal: Signal,
    ) -> Result<(), TestbedError> {
        self.send_signal(instance, process, signal, false).await
    }

    /// Sends a signal to the process of an instance and to all its descendants (a PostgreSQL is
    /// many processes), if that is still this very process.
    pub async fn signal_tree(
        &self,
        instance: &str,
        process: &ProcessIdentity,
        signal: Signal,
    ) -> Result<(), TestbedError> {
        self.send_signal(instance, process, signal, true).await
    }

    async fn send_signal(
        &self,
        instance: &str,
        process: &ProcessIdentity,
        signal: Signal,
        tree: bool,
    ) -> Result<(), TestbedError> {
        let request = Request::Signal {
            instance: instance.to_owned(),
            process: process.clone(),
            signal: signal as i32,
            tree,
        };
        self.done(&request, ANSWER_TIMEOUT).await
    }

    /// Lays variables over an instance's environment at its next start, in place of the ones laid
    /// over it before; none at all gives it its own environment again. Service names in the values
    /// become addresses, as in a Compose file.
    pub async fn set_environment(
        &self,
        instance: &str,
        set: BTreeMap<String, String>,
    ) -> Result<(), TestbedError> {
        let instance = instance.to_owned();
        self.done(&Request::Environment { instance, set }, ANSWER_TIMEOUT)
            .await
    }

    /// Lets an instance's process and its descendants run only part of the time, until
    /// [`SystemClient::unthrottle`] or until the process has ended.
    pub async fn throttle(
        &self,
        instance: &str,
        process: &ProcessIdentity,
        throttle: Throttle,
    ) -> Result<(), TestbedError> {
        let request = Request::Throttle {
            instance: instance.to_owned(),
            process: process.clone(),
            throttle,
        };
        self.done(&request, ANSWER_TIMEOUT).await
    }

    /// Lets a throttled instance run all the time again.
    pub async fn unthrottle(&self, instance: &str) -> Result<(), TestbedError> {
        let instance = instance.to_owned();
        self.done(&Request::Unthrottle { instance }, ANSWER_TIMEOUT)
            .await
    }

    /// Keeps an instance down once it is down.
    pub async fn hold(&self, instance: &str) -> Result<(), TestbedError> {
        let instance = instance.to_owned();
        self.done(&Request::Hold { instance }, ANSWER_TIMEOUT).await
    }

    /// Lets an instance run again, and starts it when it is down.
    pub async fn release(&self, instance: &str) -> Result<(), TestbedError> {
        let instance = instance.to_owned();
        self.done(&Request::Release { instance }, ANSWER_TIMEOUT)
            .await
    }

    /// Begins to end an instance gracefully.
    pub async fn terminate(&self, instance: &str) -> Result<(), TestbedError> {
        let instance = instance.to_owned();
        self.done(&Request::Terminate { instance }, ANSWER_TIMEOUT)
            .await
    }

    /// Ends an instance gracefully and starts it again, whatever its restart policy; returns when
    /// it was started.
    pub async fn restart(&self, instance: &str) -> Result<(), TestbedError> {
        let bound = self.status().await?.stop_bound() + STOP_MARGIN;
        let instance = instance.to_owned();
        self.done(&Request::Restart { instance }, bound).await
    }

    /// Takes the whole system down; returns when its supervisor has ended too.
    pub async fn down(&self) -> Result<(), TestbedError> {
        let status = self.status().await?;
        let supervisor = &status.supervisor;
        self.done(&Request::Down, status.stop_bound() + STOP_MARGIN)
            .await?;
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
            _ => Err(self.misfit()),
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

    /// The answer itself is not quoted: there may be secrets in it.
    fn misfit(&self) -> TestbedError {
        self.error("its answer does not fit the request; is it of another version?".to_owned())
    }

    fn error(&self, reason: String) -> TestbedError {
        TestbedError::Supervisor {
            system: self.name.clone(),
            reason,
        }
    }
}
