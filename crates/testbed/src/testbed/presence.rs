//! What is up: systems whose supervisor answers, and those whose supervisor is there and silent.
//!
//! A system is up as long as some process has claimed its folder, or the supervisor it recorded is
//! alive. One that is stopped, or has no file descriptor left, is not gone: its services run.

use std::path::PathBuf;
use std::time::Instant;

use super::{POLL_INTERVAL, Testbed};
use crate::control::{ANSWER_TIMEOUT, SystemClient, SystemStatus};
use crate::error::TestbedError;
use crate::supervisor::{Claim, recorded};

/// The systems of a home folder that are up.
#[derive(Debug, Default)]
pub struct Presence {
    /// Those whose supervisor answers, by name.
    pub answering: Vec<SystemStatus>,
    /// Those whose supervisor does not, by name.
    pub silent: Vec<SilentSystem>,
}

/// A system that is up and whose supervisor does not answer.
#[derive(Debug)]
pub struct SilentSystem {
    /// Its name.
    pub name: String,
    /// The first Compose file it was made from, if that is known.
    pub compose: Option<PathBuf>,
    /// What is wrong, with the process in question.
    pub error: TestbedError,
}

impl Presence {
    pub(super) async fn of(testbed: &Testbed) -> Presence {
        let mut presence = Presence::default();
        for name in testbed.home.system_names() {
            match ask(&testbed.client(&name)).await {
                Ok(Some(status)) => presence.answering.push(status),
                Ok(None) => {}
                Err(silent) => presence.silent.push(silent),
            }
        }
        presence
    }
}

/// How a system is; nothing when it is not up. One that is just beginning or ending is waited for.
async fn ask(client: &SystemClient) -> Result<Option<SystemStatus>, SilentSystem> {
    let deadline = Instant::now() + ANSWER_TIMEOUT;
    loop {
        let error = match client.status().await {
            Ok(status) => return Ok(Some(status)),
            Err(error) => error,
        };
        let folder = client.folder();
        let last = recorded(folder);
        let alive = last.as_ref().filter(|last| last.supervisor.is_alive());
        if alive.is_none() && !Claim::is_held(folder) {
            return Ok(None);
        }
        if Instant::now() < deadline {
            tokio::time::sleep(POLL_INTERVAL).await;
            continue;
        }
        let why = match error {
            TestbedError::Supervisor { reason, .. } => reason,
            error => error.to_string(),
        };
        let process = match alive.map(|last| last.supervisor.pid) {
            Some(pid) => format!(
                "it is process {pid}: `kill -CONT {pid}` if it was stopped; `kill -KILL {pid}` ends it and what it started"
            ),
            None => format!(
                "some process holds {}",
                folder.root().join("lock").display()
            ),
        };
        let error = TestbedError::Supervisor {
            system: client.name().to_owned(),
            reason: format!("it is there but does not answer ({why}); {process}"),
        };
        return Err(SilentSystem {
            name: client.name().to_owned(),
            compose: last.map(|last| last.compose),
            error,
        });
    }
}
