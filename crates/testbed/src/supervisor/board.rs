//! The board: what the supervisor knows of every instance, in one place, written to disk at each
//! change. Instance tasks write to it and wait on it for the instances they depend on.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::path::PathBuf;

use serde_json::json;
use tokio::sync::Notify;

use crate::compose::{Condition, DriverKind};
use crate::control::{InstanceState, InstanceStatus, SystemPhase, SystemStatus};
use crate::home::{Home, SystemFolder};
use crate::process::{ProcessIdentity, resident_bytes};
use crate::system::System;

/// Lines of a log that are quoted when an instance fails.
const LOG_TAIL_LINES: usize = 15;
/// Bytes of a log that are searched for them.
const LOG_TAIL_BYTES: u64 = 16 << 10;

/// The board of one system.
pub(super) struct Board {
    pub(super) system: System,
    pub(super) home: Home,
    pub(super) folder: SystemFolder,
    compose: PathBuf,
    variant: Option<String>,
    owned: bool,
    phase: RefCell<SystemPhase>,
    slots: RefCell<Vec<InstanceStatus>>,
    changed: Notify,
    disk_complaint: Cell<bool>,
}

impl Board {
    pub(super) fn new(
        system: System,
        home: Home,
        folder: SystemFolder,
        compose: PathBuf,
        variant: Option<String>,
        owned: bool,
    ) -> Board {
        let slots = system
            .instances
            .iter()
            .map(|instance| InstanceStatus {
                name: instance.name.clone(),
                service: instance.service.clone(),
                driver: instance.driver,
                address: instance.address,
                node_id: instance.node_id(),
                client_port: None,
                state: InstanceState::Waiting,
                process: None,
                has_check: instance.healthcheck.is_some() || instance.driver != DriverKind::Process,
                healthy: None,
                held: false,
                restarts: 0,
                resident_bytes: 0,
                last_exit: None,
                data_elsewhere: None,
                substitutions: instance.substitutions.clone(),
            })
            .collect();
        Board {
            system,
            home,
            folder,
            compose,
            variant,
            owned,
            phase: RefCell::new(SystemPhase::Starting),
            slots: RefCell::new(slots),
            changed: Notify::new(),
            disk_complaint: Cell::new(false),
        }
    }

    /// The status of the system; measuring memory is left out for the file.
    pub(super) fn status(&self, with_memory: bool) -> SystemStatus {
        let mut instances = self.slots.borrow().clone();
        if with_memory {
            for instance in &mut instances {
                instance.resident_bytes = instance
                    .process
                    .as_ref()
                    .map_or(0, |process| resident_bytes(process.pid));
            }
        }
        SystemStatus {
            name: self.system.name.clone(),
            compose: self.compose.clone(),
            variant: self.variant.clone(),
            phase: self.phase.borrow().clone(),
            supervisor: ProcessIdentity::own(),
            owned: self.owned,
            instances,
            hosts: self.system.hosts.clone(),
        }
    }

    /// One instance as it is now.
    pub(super) fn slot(&self, index: usize) -> InstanceStatus {
        self.slots.borrow()[index].clone()
    }

    /// Changes one instance, writes the event and the new state, and wakes whoever waits.
    pub(super) fn change(
        &self,
        index: usize,
        event: &str,
        detail: serde_json::Value,
        change: impl FnOnce(&mut InstanceStatus),
    ) {
        change(&mut self.slots.borrow_mut()[index]);
        let name = &self.system.instances[index].name;
        self.record(&json!({ "instance": name, "event": event, "detail": detail }));
        if *self.phase.borrow() == SystemPhase::Starting && self.all_ready() {
            *self.phase.borrow_mut() = SystemPhase::Ready;
            self.record(&json!({ "event": "ready" }));
        }
        self.publish();
    }

    /// The system will not become ready; the first reason stays.
    pub(super) fn fail(&self, index: usize, reason: &str) {
        let name = &self.system.instances[index].name;
        self.record(&json!({ "instance": name, "event": "failed", "detail": reason }));
        if *self.phase.borrow() == SystemPhase::Starting {
            let reason = format!("service `{name}`: {reason}{}", self.log_tail(name));
            *self.phase.borrow_mut() = SystemPhase::Failed { reason };
        }
        self.publish();
    }

    pub(super) fn set_phase(&self, phase: SystemPhase) {
        *self.phase.borrow_mut() = phase;
        self.publish();
    }

    pub(super) fn is_starting(&self) -> bool {
        *self.phase.borrow() == SystemPhase::Starting
    }

    /// Waits until everything the instance depends on is there.
    pub(super) async fn dependencies_of(&self, index: usize) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let there = self.system.instances[index]
                .depends_on
                .iter()
                .all(|dependency| {
                    self.slots
                        .borrow()
                        .iter()
                        .filter(|slot| slot.service == dependency.service)
                        .all(|slot| match dependency.condition {
                            Condition::Started => matches!(
                                slot.state,
                                InstanceState::Running | InstanceState::Completed
                            ),
                            Condition::Healthy => slot.healthy == Some(true),
                            Condition::CompletedSuccessfully => {
                                slot.state == InstanceState::Completed
                            }
                        })
                });
            if there {
                return;
            }
            changed.await;
        }
    }

    fn all_ready(&self) -> bool {
        let slots = self.slots.borrow();
        self.system
            .instances
            .iter()
            .zip(slots.iter())
            .all(|(instance, slot)| match slot.state {
                InstanceState::Completed => true,
                InstanceState::Running if instance.one_shot => false,
                InstanceState::Running => !slot.has_check || slot.healthy == Some(true),
                _ => false,
            })
    }

    /// Indices of instances in the order in which they are to be ended: those that others depend
    /// on come later.
    pub(super) fn stop_layers(&self) -> Vec<Vec<usize>> {
        let instances = &self.system.instances;
        let mut left: Vec<usize> = (0..instances.len()).collect();
        let mut layers = Vec::new();
        while !left.is_empty() {
            let needed = |index: usize| {
                left.iter().any(|&other| {
                    instances[other]
                        .depends_on
                        .iter()
                        .any(|d| d.service == instances[index].service)
                })
            };
            let (later, now): (Vec<usize>, Vec<usize>) =
                left.iter().partition(|&&index| needed(index));
            // A cycle is refused when the file is read; this bounds the loop all the same.
            let (now, later) = if now.is_empty() {
                (later, Vec::new())
            } else {
                (now, later)
            };
            layers.push(now);
            left = later;
        }
        layers
    }

    /// Writes `system.json` (by rename) and wakes whoever waits for a change.
    pub(super) fn publish(&self) {
        self.changed.notify_waiters();
        let file = self.folder.state_file();
        let temporary = file.with_extension("json.tmp");
        let written = serde_json::to_vec_pretty(&self.status(false))
            .map_err(std::io::Error::other)
            .and_then(|bytes| std::fs::write(&temporary, bytes))
            .and_then(|()| std::fs::rename(&temporary, &file));
        self.complain(written, "system.json");
    }

    fn record(&self, event: &serde_json::Value) {
        let mut line = json!({
            "at": jiff::Timestamp::now().to_string(),
            "monotonic_us": monotonic_us(),
        });
        if let (Some(line), Some(event)) = (line.as_object_mut(), event.as_object()) {
            line.extend(event.clone());
        }
        let written = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.events_file())
            .and_then(|mut file| writeln!(file, "{line}"));
        self.complain(written, "events.ndjson");
    }

    /// A full disk must not end a system under test; it is said once, in the supervisor's log.
    fn complain(&self, result: std::io::Result<()>, file: &str) {
        if let Err(error) = result
            && !self.disk_complaint.replace(true)
        {
            let _ = writeln!(std::io::stderr(), "cannot write {file}: {error}");
        }
    }

    fn log_tail(&self, instance: &str) -> String {
        use std::io::{Read, Seek, SeekFrom};
        let path = self.folder.log(instance);
        let mut text = Vec::new();
        let read = std::fs::File::open(&path).and_then(|mut file| {
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
            file.read_to_end(&mut text)
        });
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        if read.is_err() || lines.is_empty() {
            return String::new();
        }
        let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
        format!(
            "\nlast lines of {}:\n  {}",
            path.display(),
            tail.join("\n  ")
        )
    }
}

/// The machine's monotonic clock in µs; the same for every process of this machine.
fn monotonic_us() -> i64 {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .map(|time| time.tv_sec() * 1_000_000 + time.tv_nsec() / 1_000)
        .unwrap_or_default()
}
