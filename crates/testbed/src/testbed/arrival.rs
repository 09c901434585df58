//! A system on its way to being ready: found or started, compared with what was asked for, waited
//! for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{BringUp, Owner, POLL_INTERVAL, Patience, READY_TIMEOUT, ReadSystem, Testbed};
use crate::control::{
    InstanceState, InstanceStatus, SystemClient, SystemPhase, SystemStatus, fingerprints,
};
use crate::drivers::Machine;
use crate::error::TestbedError;
use crate::logs::last_lines;
use crate::source::SystemSource;
use crate::supervisor::{Claim, recorded};

/// How many lines of each log are quoted when patience has ended.
const QUOTED_LINES: usize = 5;

/// A system on its way to being ready.
pub(super) struct Arrival<'a> {
    pub(super) testbed: &'a Testbed,
    pub(super) client: &'a SystemClient,
    pub(super) bring_up: &'a BringUp,
    /// The supervisor, if it was started here and is the one at work.
    pub(super) owner: Option<Owner>,
}

impl Arrival<'_> {
    /// Finds or starts the system and waits for it.
    pub(super) async fn arrive(
        &mut self,
        read: &ReadSystem,
        patience: Patience,
        progress: &mut impl FnMut(&SystemStatus),
    ) -> Result<SystemStatus, TestbedError> {
        match self.testbed.settled(self.client).await {
            Some(status) => check_same(&status, &self.bring_up.source)?,
            None => {
                let lacks = Machine::survey().lacks(&read.compose);
                if !lacks.is_empty() {
                    return Err(TestbedError::Machine(lacks));
                }
                let name = self.client.name();
                self.owner = Some(self.testbed.start_supervisor(self.bring_up, name)?);
            }
        }
        self.wait(patience, progress).await
    }

    async fn wait(
        &mut self,
        patience: Patience,
        progress: &mut impl FnMut(&SystemStatus),
    ) -> Result<SystemStatus, TestbedError> {
        let limit = match patience {
            Patience::UntilReady(limit) => limit,
            Patience::UntilSupervised => READY_TIMEOUT,
        };
        let deadline = Instant::now() + limit;
        let mut last: Option<SystemStatus> = None;
        loop {
            match self.client.status().await {
                Ok(status) => {
                    self.check_owner(&status)?;
                    if last.as_ref() != Some(&status.without_measurements()) {
                        progress(&status);
                    }
                    match &status.phase {
                        SystemPhase::Ready => return Ok(status),
                        SystemPhase::Failed { reason } => {
                            return Err(self.not_ready(reason.clone()));
                        }
                        SystemPhase::Stopping => {
                            return Err(self.not_ready("it is being taken down".to_owned()));
                        }
                        SystemPhase::Starting if patience == Patience::UntilSupervised => {
                            return Ok(status);
                        }
                        SystemPhase::Starting => {}
                    }
                    last = Some(status.without_measurements());
                }
                Err(error) => self.check_supervised(error)?,
            }
            if Instant::now() > deadline {
                return Err(self.not_ready(self.not_within(limit, last.as_ref())));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Another command may have been faster: then its system is the one to wait for, if it is the
    /// same.
    fn check_owner(&mut self, status: &SystemStatus) -> Result<(), TestbedError> {
        let pid = status.supervisor.pid;
        match &self.owner {
            Some(owner) if owner.child.id() as i32 != pid => {
                self.owner = None;
                check_same(status, &self.bring_up.source)
            }
            _ => Ok(()),
        }
    }

    /// When nobody answers: whether to go on waiting, since somebody supervises the system and will
    /// answer.
    fn check_supervised(&mut self, error: TestbedError) -> Result<(), TestbedError> {
        let exit = match &mut self.owner {
            Some(owner) => match owner.child.try_wait() {
                Ok(Some(exit)) => Some(exit),
                _ => return Ok(()),
            },
            None => None,
        };
        if Claim::is_held(self.client.folder()) {
            self.owner = None;
            return Ok(());
        }
        Err(match exit {
            Some(exit) => self.not_ready(format!(
                "its supervisor ended ({exit}): {}",
                self.supervisor_log()
            )),
            None => error,
        })
    }

    /// What was still missing when patience ended, with the last words of those that run.
    fn not_within(&self, limit: Duration, last: Option<&SystemStatus>) -> String {
        if last.is_none() {
            let folder = self.client.folder();
            let pid = recorded(folder).map(|status| status.supervisor.pid);
            let process = pid.map_or_else(String::new, |pid| format!(", process {pid},"));
            return format!(
                "its supervisor{process} did not answer within {} s",
                limit.as_secs()
            );
        }
        let instances = last.iter().flat_map(|status| &status.instances);
        let missing: Vec<&InstanceStatus> = instances.filter(|one| is_missing(one)).collect();
        let names: Vec<String> = missing
            .iter()
            .map(|instance| format!("{} ({})", instance.name, how(instance)))
            .collect();
        let mut text = format!(
            "not within {} s; still missing: {}",
            limit.as_secs(),
            names.join(", ")
        );
        for instance in missing {
            let lines = last_lines(self.client.folder(), &instance.name, QUOTED_LINES);
            if !lines.is_empty() {
                let log = self.client.folder().log(&instance.name);
                let lines = lines.join("\n  ");
                text.push_str(&format!("\nlast lines of {}:\n  {lines}", log.display()));
            }
        }
        text
    }

    fn not_ready(&self, reason: String) -> TestbedError {
        TestbedError::NotReady {
            system: self.client.name().to_owned(),
            reason,
        }
    }

    fn supervisor_log(&self) -> String {
        std::fs::read(self.client.folder().supervisor_log())
            .map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned())
            .unwrap_or_default()
    }
}

/// Whether a system waits for this instance.
fn is_missing(instance: &InstanceStatus) -> bool {
    match instance.state {
        InstanceState::Completed => false,
        InstanceState::Running => instance.has_check && instance.healthy != Some(true),
        InstanceState::Waiting | InstanceState::Restarting | InstanceState::Exited => true,
    }
}

/// How an instance that is waited for is.
fn how(instance: &InstanceStatus) -> String {
    match (instance.state, instance.last_exit.as_deref()) {
        (InstanceState::Waiting, _) => "waits for what it depends on".to_owned(),
        (InstanceState::Running, None) => "runs, not healthy yet".to_owned(),
        (InstanceState::Running, Some(exit)) => {
            format!("runs again after {exit}, not healthy yet")
        }
        (_, exit) => format!("does not run, {}", exit.unwrap_or("never started")),
    }
}

/// Whether what is up is what was asked for. What was not said (variant, further files, profiles,
/// numbers of replicas) is as it is.
fn check_same(status: &SystemStatus, source: &SystemSource) -> Result<(), TestbedError> {
    let other = |what: String| {
        Err(TestbedError::Conflict(format!(
            "system `{0}` is already up {what}; `shaketable down {0}` first, or give this one another name with --name",
            status.name
        )))
    };
    if status.owned {
        return other("and belongs to a run".to_owned());
    }
    if status.compose != source.compose {
        return other(format!("from {}", status.compose.display()));
    }
    if source.variant_label().is_some() && status.variant != source.variant_label() {
        let variant = status.variant.as_deref().unwrap_or("(none)");
        return other(format!("as variant {variant}"));
    }
    let mut asked = source.clone();
    if source.env_file.is_none() {
        asked.env_file.clone_from(&status.env_file);
        asked.variant.clone_from(&status.variant);
    }
    if source.overrides.is_empty() {
        asked.overrides.clone_from(&status.overrides);
    }
    if source.profiles.is_empty() {
        asked.profiles.clone_from(&status.profiles);
    }
    if source.scale.is_empty() {
        asked.scale.clone_from(&status.scale);
    }
    let differences = differences(&status.fingerprints, &fingerprints(&asked.read()?.compose));
    if differences.is_empty() {
        Ok(())
    } else {
        other(format!(
            "and is not what its files and variables say now: {differences}"
        ))
    }
}

/// Which services are not the same, in words; empty when all are.
fn differences(up: &BTreeMap<String, String>, asked: &BTreeMap<String, String>) -> String {
    let names: BTreeSet<&String> = up.keys().chain(asked.keys()).collect();
    let different: Vec<String> = names
        .into_iter()
        .filter_map(|name| match (up.get(name), asked.get(name)) {
            (Some(up), Some(asked)) if up == asked => None,
            (Some(_), Some(_)) => Some(format!("service `{name}` is another")),
            (Some(_), None) => Some(format!("service `{name}` is there no more")),
            (None, _) => Some(format!("service `{name}` is new")),
        })
        .collect();
    different.join(", ")
}
