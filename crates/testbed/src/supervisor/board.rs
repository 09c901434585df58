//! The board: what the supervisor knows of every instance, in one place, written to disk at each
//! change. Instance tasks write to it and wait on it for the instances they depend on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::remains::put_events_aside;
use super::scribe::{Log, Scribe};
use crate::compose::{Condition, DriverKind};
use crate::control::{
    HISTORY_MAX, InstanceEvent, InstanceState, InstanceStatus, SystemPhase, SystemStatus,
};
use crate::home::{Home, SystemFolder};
use crate::process::{ProcessIdentity, resident_bytes};
use crate::source::SystemSource;
use crate::system::{Instance, System};

/// The longest wait for an instance to end beyond its own grace period.
pub(super) const STOP_MARGIN: Duration = Duration::from_secs(5);

/// What a system was made from, as its status tells.
pub(super) struct Origin {
    pub(super) source: SystemSource,
    pub(super) fingerprints: BTreeMap<String, String>,
    pub(super) owned: bool,
}

/// The board of one system.
pub(super) struct Board {
    pub(super) system: System,
    pub(super) home: Home,
    pub(super) folder: SystemFolder,
    /// The logs of the instances, in the order of the instances.
    pub(super) logs: Vec<Log>,
    origin: Origin,
    phase: RefCell<SystemPhase>,
    slots: RefCell<Vec<InstanceStatus>>,
    started: RefCell<Vec<Instant>>,
    changed: Notify,
    disk_complaint: Cell<bool>,
}

impl Board {
    pub(super) fn new(
        system: System,
        home: Home,
        folder: SystemFolder,
        scribe: &Scribe,
        origin: Origin,
    ) -> Board {
        let logs = system
            .instances
            .iter()
            .map(|instance| scribe.log(&folder, &instance.name))
            .collect();
        let started = vec![Instant::now(); system.instances.len()];
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
                ports: Vec::new(),
                state: InstanceState::Waiting,
                process: None,
                has_check: instance.healthcheck.is_some() || instance.driver != DriverKind::Process,
                healthy: None,
                held: false,
                restarts: 0,
                started_at: None,
                uptime_ms: None,
                cpu_percent: None,
                resident_bytes: 0,
                overrides: BTreeMap::new(),
                throttled: None,
                last_exit: None,
                data_elsewhere: None,
                substitutions: instance.substitutions.clone(),
                history: Vec::new(),
            })
            .collect();
        Board {
            system,
            home,
            folder,
            logs,
            origin,
            phase: RefCell::new(SystemPhase::Starting),
            slots: RefCell::new(slots),
            started: RefCell::new(started),
            changed: Notify::new(),
            disk_complaint: Cell::new(false),
        }
    }

    /// The status of the system, measured now.
    pub(super) fn status(&self) -> SystemStatus {
        let mut status = self.state();
        let started = self.started.borrow();
        for (instance, started) in status.instances.iter_mut().zip(started.iter()) {
            if let Some(process) = &instance.process {
                instance.uptime_ms = Some(started.elapsed().as_millis() as u64);
                instance.resident_bytes = resident_bytes(process.pid);
            }
        }
        status
    }

    /// The state of the system: its status without what changes all the time.
    fn state(&self) -> SystemStatus {
        let Origin {
            source,
            fingerprints,
            owned,
        } = &self.origin;
        SystemStatus {
            name: self.system.name.clone(),
            compose: source.compose.clone(),
            overrides: source.overrides.clone(),
            variant: source.variant_label(),
            env_file: source.env_file.clone(),
            profiles: source.profiles.clone(),
            scale: source.scale.clone(),
            phase: self.phase.borrow().clone(),
            supervisor: ProcessIdentity::own(),
            owned: *owned,
            fingerprints: fingerprints.clone(),
            stop_bound_ms: self.stop_bound().as_millis() as u64,
            instances: self.slots.borrow().clone(),
            hosts: self.system.hosts.clone(),
        }
    }

    /// The longest time the instances may take to end, one layer after the other.
    fn stop_bound(&self) -> Duration {
        let grace = |index: &usize| self.system.instances[*index].stop_grace_period + STOP_MARGIN;
        self.stop_layers()
            .iter()
            .map(|layer| layer.iter().map(grace).max().unwrap_or_default())
            .sum()
    }

    /// Which instance has that name.
    pub(super) fn position(&self, name: &str) -> Result<usize, String> {
        let named = |instance: &Instance| instance.name == name;
        let position = self.system.instances.iter().position(named);
        position.ok_or_else(|| format!("the system has no instance `{name}`"))
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
        {
            let slot = &mut self.slots.borrow_mut()[index];
            let before = slot.process.clone();
            change(slot);
            if slot.process != before {
                slot.cpu_percent = None;
                self.started.borrow_mut()[index] = Instant::now();
            }
        }
        self.record_of(index, event, detail);
        // Whoever waited for a system that failed has given up; to the next one it is ready.
        let may_be_ready = matches!(
            *self.phase.borrow(),
            SystemPhase::Starting | SystemPhase::Failed { .. }
        );
        if may_be_ready && self.all_ready() {
            *self.phase.borrow_mut() = SystemPhase::Ready;
            self.record("ready", json!({}));
        }
        self.publish();
    }

    /// Notes how much processor time an instance uses; nobody waits for that.
    pub(super) fn measured(&self, index: usize, cpu_percent: Option<f64>) {
        self.slots.borrow_mut()[index].cpu_percent = cpu_percent;
    }

    /// The system will not become ready; the first reason stays.
    pub(super) fn fail(&self, index: usize, reason: &str) {
        self.record_of(index, "failed", json!(reason));
        if *self.phase.borrow() == SystemPhase::Starting {
            let name = &self.system.instances[index].name;
            let reason = format!(
                "service `{name}`: {reason}{}",
                self.logs[index].last_lines()
            );
            *self.phase.borrow_mut() = SystemPhase::Failed { reason };
        }
        self.publish();
    }

    pub(super) fn set_phase(&self, phase: SystemPhase) {
        *self.phase.borrow_mut() = phase;
        self.publish();
    }

    pub(super) fn is_stopping(&self) -> bool {
        *self.phase.borrow() == SystemPhase::Stopping
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

    /// Writes `system.json` and wakes whoever waits for a change.
    pub(super) fn publish(&self) {
        self.changed.notify_waiters();
        self.complain(self.write_state(), "system.json");
    }

    /// Writes `system.json`, by rename. There are values of environments in it: it is for its owner.
    pub(super) fn write_state(&self) -> std::io::Result<()> {
        let file = self.folder.state_file();
        let temporary = file.with_extension("json.tmp");
        let mut state = self.state();
        for instance in &mut state.instances {
            instance.cpu_percent = None;
        }
        let bytes = serde_json::to_vec_pretty(&state).map_err(std::io::Error::other)?;
        let mut options = std::fs::OpenOptions::new();
        options.create(true).write(true).truncate(true).mode(0o600);
        options.open(&temporary)?.write_all(&bytes)?;
        std::fs::rename(&temporary, &file)
    }

    /// Records what happened to the system as a whole.
    pub(super) fn record(&self, event: &str, more: serde_json::Value) {
        let at = jiff::Timestamp::now().to_string();
        self.append(&at, json!({ "event": event }), more);
    }

    /// Records what happened to one instance, also in its history.
    fn record_of(&self, index: usize, event: &str, detail: serde_json::Value) {
        let at = jiff::Timestamp::now().to_string();
        let name = &self.system.instances[index].name;
        let about = json!({ "instance": name, "event": event, "detail": detail });
        self.append(&at, about, json!({}));
        let history = &mut self.slots.borrow_mut()[index].history;
        history.push(InstanceEvent {
            at,
            event: event.to_owned(),
            detail,
        });
        let surplus = history.len().saturating_sub(HISTORY_MAX);
        history.drain(..surplus);
    }

    fn append(&self, at: &str, event: serde_json::Value, more: serde_json::Value) {
        let mut line = serde_json::Map::new();
        line.insert("at".to_owned(), json!(at));
        line.insert("monotonic_us".to_owned(), json!(monotonic_us()));
        for part in [event, more] {
            if let serde_json::Value::Object(part) = part {
                line.extend(part);
            }
        }
        let line = serde_json::Value::Object(line);
        let written = put_events_aside(&self.folder)
            .and_then(|()| {
                std::fs::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(self.folder.events_file())
            })
            .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
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
}

/// The machine's monotonic clock in µs; the same for every process of this machine.
fn monotonic_us() -> i64 {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .map(|time| time.tv_sec() * 1_000_000 + time.tv_nsec() / 1_000)
        .unwrap_or_default()
}
