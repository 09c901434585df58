//! One instance: prepared, started when its dependencies are there, watched, started again.

use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::json;
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::board::Board;
use crate::compose::{DriverKind, RestartPolicy};
use crate::control::{InstanceState, SystemPhase};
use crate::drivers::{Machine, Prepared, Probe, prepare};
use crate::process::ProcessIdentity;
use crate::spawn::HelperGroup;

/// The wait before the first restart; each further one waits twice as long, as Docker does.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// The longest wait between two starts.
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// A process that ran this long starts with the first back-off again.
const BACKOFF_RESET_AFTER: Duration = Duration::from_secs(10);
/// The longest wait between looks at a health probe's result when it fails before its time.
const PROBE_PAUSE_MIN: Duration = Duration::from_millis(50);

/// Where the answer to an order goes.
pub(super) type Done = oneshot::Sender<Result<(), String>>;

/// What an instance task can be told.
pub(super) enum Order {
    Signal {
        process: ProcessIdentity,
        signal: Signal,
        done: Done,
    },
    Hold {
        done: Done,
    },
    Release {
        done: Done,
    },
    Terminate {
        done: Done,
    },
    Stop {
        done: oneshot::Sender<()>,
    },
}

/// The life of one instance, until it is told to stop for good.
pub(super) async fn run(
    board: Rc<Board>,
    machine: Rc<Machine>,
    index: usize,
    mut orders: mpsc::Receiver<Order>,
) {
    let instance = board.system.instances[index].clone();
    let ready_to_start = async {
        let prepared = prepare(
            &instance,
            &board.system,
            &board.home,
            &board.folder,
            &machine,
        )
        .await;
        board.dependencies_of(index).await;
        prepared
    };
    let prepared = tokio::select! {
        prepared = ready_to_start => prepared,
        stop = wait_for_stop(&board, index, &mut orders) => { let _ = stop.send(()); return; }
    };
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(reason) => {
            board.change(index, "not-prepared", json!(reason), |slot| {
                slot.state = InstanceState::Exited
            });
            board.fail(index, &reason);
            let stop = wait_for_stop(&board, index, &mut orders).await;
            let _ = stop.send(());
            return;
        }
    };
    let mut life = Life {
        board,
        index,
        prepared,
        backoff: BACKOFF_FIRST,
        failures: 0,
    };
    life.learn();
    while let Some(next) = life.once(&mut orders).await {
        match next {
            Next::Again(wait) => {
                let stop = tokio::select! {
                    () = tokio::time::sleep(wait) => None,
                    stop = wait_for_stop(&life.board, index, &mut orders) => Some(stop),
                };
                if let Some(stop) = stop {
                    let _ = stop.send(());
                    return;
                }
            }
            Next::Held | Next::Done => {
                if let Some(stop) = life.wait_for_release(&mut orders).await {
                    let _ = stop.send(());
                    return;
                }
            }
        }
    }
}

/// What follows when a process has ended.
enum Next {
    /// Start it again after this time.
    Again(Duration),
    /// A fault keeps it down.
    Held,
    /// It has done what it was to do, or may not be started again.
    Done,
}

struct Life {
    board: Rc<Board>,
    index: usize,
    prepared: Prepared,
    backoff: Duration,
    failures: u32,
}

impl Life {
    fn change(
        &self,
        event: &str,
        detail: serde_json::Value,
        change: impl FnOnce(&mut crate::control::InstanceStatus),
    ) {
        self.board.change(self.index, event, detail, change);
    }

    /// Puts on the board what the driver found out.
    fn learn(&self) {
        let client_port = match &self.prepared.probe {
            Probe::KafkaBroker { address, .. } => Some(address.port()),
            _ => None,
        };
        let elsewhere = self.prepared.data_elsewhere.clone();
        self.change("prepared", json!(null), |slot| {
            slot.client_port = client_port;
            slot.data_elsewhere = elsewhere;
        });
    }

    /// Starts the process and stays with it until it ends. `None` when it was told to stop for good.
    async fn once(&mut self, orders: &mut mpsc::Receiver<Order>) -> Option<Next> {
        if self.board.slot(self.index).held {
            return Some(Next::Held);
        }
        let mut child = match self.start() {
            Ok(child) => child,
            Err(reason) => {
                self.change("not-started", json!(reason), |slot| {
                    slot.state = InstanceState::Restarting
                });
                self.board.fail(self.index, &reason);
                return Some(Next::Again(self.next_backoff()));
            }
        };
        let started = Instant::now();
        let watch = tokio::task::spawn_local(watch_health(
            self.board.clone(),
            self.index,
            self.prepared.probe.clone(),
        ));
        let pid = child.id().unwrap_or_default() as i32;
        let mut kill_at: Option<Instant> = None;
        let mut stopping: Option<oneshot::Sender<()>> = None;
        let status = loop {
            let patience = async {
                match kill_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                status = child.wait() => break status,
                () = patience => {
                    signal_group(pid, Signal::SIGKILL);
                    kill_at = None;
                }
                order = orders.recv() => match order {
                    Some(Order::Signal { process, signal, done }) => {
                        if self.board.slot(self.index).process.as_ref() != Some(&process) {
                            let _ = done.send(Err("it is another process by now".to_owned()));
                            continue;
                        }
                        let sent = kill(Pid::from_raw(pid), signal).map_err(|error| format!("cannot send {signal}: {error}"));
                        self.change("signalled", json!(signal.as_str()), |_| {});
                        let _ = done.send(sent);
                    }
                    Some(Order::Hold { done }) => {
                        self.change("held", json!(null), |slot| slot.held = true);
                        let _ = done.send(Ok(()));
                    }
                    Some(Order::Release { done }) => {
                        self.change("released", json!(null), |slot| slot.held = false);
                        let _ = done.send(Ok(()));
                    }
                    Some(Order::Terminate { done }) => {
                        // PostgreSQL's SIGTERM waits for clients to leave; SIGINT is its fast
                        // shutdown, and its image's choice.
                        let signal = match self.board.system.instances[self.index].driver {
                            DriverKind::Postgres => Signal::SIGINT,
                            DriverKind::Kafka | DriverKind::Process => Signal::SIGTERM,
                        };
                        kill_at = Some(self.ask_to_end(pid, signal));
                        let _ = done.send(Ok(()));
                    }
                    Some(Order::Stop { done }) => {
                        stopping = Some(done);
                        kill_at = match self.board.system.instances[self.index].driver {
                            DriverKind::Process => Some(self.ask_to_end(pid, Signal::SIGTERM)),
                            // Servers' data goes with them, as a container's does: a graceful end
                            // would only cost time. PostgreSQL takes its children along.
                            DriverKind::Postgres => Some(self.ask_to_end(pid, Signal::SIGQUIT)),
                            DriverKind::Kafka => {
                                signal_group(pid, Signal::SIGKILL);
                                None
                            }
                        };
                    }
                    None => return None,
                }
            }
        };
        watch.abort();
        // Whatever it started and left behind in its process group.
        signal_group(pid, Signal::SIGKILL);
        let (exit, success) = match status {
            Ok(status) => (describe(status), status.success()),
            Err(error) => (format!("not known: {error}"), false),
        };
        let next = self.after_exit(success, started.elapsed());
        let state = match next {
            Next::Again(_) => InstanceState::Restarting,
            Next::Done if success && self.may_complete() => InstanceState::Completed,
            Next::Held | Next::Done => InstanceState::Exited,
        };
        self.change("exited", json!(exit), |slot| {
            slot.state = state;
            slot.process = None;
            slot.healthy = None;
            slot.last_exit = Some(exit.clone());
            slot.restarts += u32::from(state == InstanceState::Restarting);
        });
        if let Some(done) = stopping {
            let _ = done.send(());
            return None;
        }
        if state == InstanceState::Exited && self.board.is_starting() {
            self.board.fail(
                self.index,
                &format!("it ended with {exit} before the system was ready"),
            );
        }
        Some(next)
    }

    fn start(&mut self) -> Result<Child, String> {
        for address in &self.prepared.listens {
            crate::address::check_free(*address)?;
        }
        let launch = &self.prepared.launch;
        let log = self
            .board
            .folder
            .log(&self.board.system.instances[self.index].name);
        let command = crate::spawn::command(launch, Some(&log))
            .map_err(|error| format!("cannot write its log {}: {error}", log.display()))?;
        let child = tokio::process::Command::from(command)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", launch.program.display()))?;
        let identity = child.id().and_then(|pid| ProcessIdentity::of(pid as i32));
        self.change("started", json!(child.id()), |slot| {
            slot.state = InstanceState::Running;
            slot.process = identity;
            slot.healthy = None;
        });
        Ok(child)
    }

    /// Asks the process to end, also when it is paused, and says when patience ends.
    fn ask_to_end(&self, pid: i32, signal: Signal) -> Instant {
        let _ = kill(Pid::from_raw(pid), signal);
        let _ = kill(Pid::from_raw(pid), Signal::SIGCONT);
        self.change("asked-to-end", json!(signal.as_str()), |_| {});
        Instant::now() + self.board.system.instances[self.index].stop_grace_period
    }

    /// Whether ending well is what it is there for: others wait for that, or nothing says that it
    /// should keep running.
    fn may_complete(&self) -> bool {
        let instance = &self.board.system.instances[self.index];
        instance.one_shot
            || (instance.driver == DriverKind::Process && instance.healthcheck.is_none())
    }

    fn after_exit(&mut self, success: bool, ran_for: Duration) -> Next {
        let instance = &self.board.system.instances[self.index];
        if self.board.slot(self.index).held {
            return Next::Held;
        }
        if instance.one_shot && success {
            return Next::Done;
        }
        if ran_for >= BACKOFF_RESET_AFTER {
            self.backoff = BACKOFF_FIRST;
            self.failures = 0;
        }
        self.failures += 1;
        let again = match instance.restart {
            RestartPolicy::No => false,
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure(most) => {
                !success && most.is_none_or(|most| self.failures <= most)
            }
        };
        if again {
            Next::Again(self.next_backoff())
        } else {
            Next::Done
        }
    }

    fn next_backoff(&mut self) -> Duration {
        let wait = self.backoff;
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
        wait
    }

    /// Stays down until it is released; the value is who waits for it to stop for good.
    async fn wait_for_release(
        &mut self,
        orders: &mut mpsc::Receiver<Order>,
    ) -> Option<oneshot::Sender<()>> {
        while let Some(order) = orders.recv().await {
            match order {
                Order::Release { done } => {
                    self.backoff = BACKOFF_FIRST;
                    self.change("released", json!(null), |slot| slot.held = false);
                    let _ = done.send(Ok(()));
                    return None;
                }
                order => {
                    if let Some(stop) = refuse_while_down(&self.board, self.index, order) {
                        return Some(stop);
                    }
                }
            }
        }
        None
    }
}

/// Answers orders while there is no process, until the one to stop for good.
async fn wait_for_stop(
    board: &Board,
    index: usize,
    orders: &mut mpsc::Receiver<Order>,
) -> oneshot::Sender<()> {
    loop {
        match orders.recv().await {
            Some(order) => {
                if let Some(stop) = refuse_while_down(board, index, order) {
                    return stop;
                }
            }
            None => std::future::pending().await,
        }
    }
}

fn refuse_while_down(board: &Board, index: usize, order: Order) -> Option<oneshot::Sender<()>> {
    match order {
        Order::Stop { done } => return Some(done),
        Order::Hold { done } => {
            board.change(index, "held", json!(null), |slot| slot.held = true);
            let _ = done.send(Ok(()));
        }
        Order::Release { done } => {
            board.change(index, "released", json!(null), |slot| slot.held = false);
            let _ = done.send(Ok(()));
        }
        Order::Terminate { done } => {
            let _ = done.send(Ok(()));
        }
        Order::Signal { done, .. } => {
            let _ = done.send(Err("it does not run".to_owned()));
        }
    }
    None
}

/// Observes the health of a running process until it is told to stop.
async fn watch_health(board: Rc<Board>, index: usize, probe: Probe) {
    let check = match &probe {
        Probe::None => return,
        Probe::Program { check, .. } | Probe::KafkaBroker { check, .. } => check.clone(),
    };
    let started = Instant::now();
    let mut failures = 0;
    loop {
        let begun = Instant::now();
        let well = tokio::time::timeout(check.timeout, observe(&probe))
            .await
            .unwrap_or(false);
        let known = board.slot(index).healthy;
        if well {
            failures = 0;
            if known != Some(true) {
                board.change(index, "healthy", json!(null), |slot| {
                    slot.healthy = Some(true)
                });
            }
        } else if known == Some(true) || started.elapsed() >= check.start_period {
            failures += 1;
            if failures >= check.retries && known != Some(false) {
                board.change(index, "unhealthy", json!(null), |slot| {
                    slot.healthy = Some(false)
                });
                // The drivers' own probes are patient until the system's time is up.
                if board.is_starting()
                    && board.system.instances[index].driver == DriverKind::Process
                {
                    board.fail(
                        index,
                        &format!(
                            "its health check failed {failures} times in a row: `{}`",
                            check.test.join(" ")
                        ),
                    );
                }
            }
        }
        let stopping = board.status(false).phase == SystemPhase::Stopping;
        if stopping {
            return;
        }
        let interval = if known.is_none() && !well {
            check.start_interval
        } else {
            check.interval
        };
        tokio::time::sleep(
            interval
                .saturating_sub(begun.elapsed())
                .max(PROBE_PAUSE_MIN),
        )
        .await;
    }
}

async fn observe(probe: &Probe) -> bool {
    match probe {
        Probe::None => true,
        Probe::Program { launch, .. } => {
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
        Probe::KafkaBroker {
            address, node_id, ..
        } => {
            let cluster =
                shaketable_kafka::Cluster::new([address.to_string()], "shaketable-health");
            cluster
                .metadata(Some(&[]))
                .await
                .is_ok_and(|metadata| metadata.broker(*node_id).is_some())
        }
    }
}

fn signal_group(pid: i32, signal: Signal) {
    let _ = killpg(Pid::from_raw(pid), signal);
}

fn describe(status: std::process::ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => format!("signal {signal}"),
            Err(_) => format!("signal {number}"),
        },
        (None, None) => "an unknown status".to_owned(),
    }
}
