//! One instance: prepared, started when its dependencies are there, watched, started again.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::json;
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::board::Board;
use super::health;
use super::order::{Done, Order, refuse, settle};
use super::retry::Retry;
use super::throttling::Throttling;
use crate::compose::DriverKind;
use crate::control::{InstanceLaunch, InstanceState, InstanceStatus};
use crate::drivers::{Machine, Prepared, prepare};
use crate::process::{ProcessIdentity, signal_tree};
use crate::spawn::Launch;
use crate::system::Instance;

/// The life of one instance, until it is told to stop for good.
pub(super) async fn run(
    board: Rc<Board>,
    machine: Rc<Machine>,
    index: usize,
    mut orders: mpsc::Receiver<Order>,
) {
    let ready_to_start = async {
        let prepared = prepare_with(&board, &machine, index, &BTreeMap::new()).await;
        board.dependencies_of(index).await;
        prepared
    };
    let waiting = "it waits for what it depends on and was not started yet";
    let prepared = tokio::select! {
        prepared = ready_to_start => prepared,
        stop = wait_for_stop(&board, index, &mut orders, waiting) => { let _ = stop.send(()); return; }
    };
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(reason) => {
            board.change(index, "not-prepared", json!(reason), |slot| {
                slot.state = InstanceState::Exited
            });
            board.fail(index, &reason);
            let stop = wait_for_stop(&board, index, &mut orders, &reason).await;
            let _ = stop.send(());
            return;
        }
    };
    let retry = Retry::new(board.system.instances[index].restart);
    let mut life = Life {
        board,
        machine,
        index,
        launch: prepared.launch.clone(),
        prepared,
        prepared_with: BTreeMap::new(),
        retry,
        restart: None,
    };
    life.learn();
    while let Some(next) = life.once(&mut orders).await {
        let wait = match next {
            Next::Again(wait) => Some(wait),
            Next::Held | Next::Done => None,
        };
        if let Some(wait) = wait {
            let after_ms = wait.as_millis() as u64;
            life.change("restarting", json!({ "after_ms": after_ms }), |_| {});
        }
        if let Some(stop) = life.idle(wait, &mut orders).await {
            let _ = stop.send(());
            return;
        }
    }
}

/// Prepares an instance with variables laid over its environment.
async fn prepare_with(
    board: &Board,
    machine: &Machine,
    index: usize,
    overrides: &BTreeMap<String, String>,
) -> Result<Prepared, String> {
    let mut instance = board.system.instances[index].clone();
    instance.environment.extend(overrides.clone());
    prepare(
        &instance,
        &board.system,
        &board.home,
        &board.folder,
        machine,
    )
    .await
}

/// Answers orders before there ever was a process, until the one to stop for good.
async fn wait_for_stop(
    board: &Board,
    index: usize,
    orders: &mut mpsc::Receiver<Order>,
    reason: &str,
) -> oneshot::Sender<()> {
    loop {
        match orders.recv().await {
            Some(order) => {
                let left = settle(board, index, order);
                if let Some(stop) = left.and_then(|order| refuse(order, reason)) {
                    return stop;
                }
            }
            None => std::future::pending().await,
        }
    }
}

/// What follows when a process has ended.
enum Next {
    /// Start it again after this time.
    Again(Duration),
    /// It is kept down.
    Held,
    /// It has done what it was to do, or may not be started again.
    Done,
}

struct Life {
    board: Rc<Board>,
    machine: Rc<Machine>,
    index: usize,
    prepared: Prepared,
    /// The variables that were laid over its environment for that.
    prepared_with: BTreeMap<String, String>,
    /// What is, or was last, or will be first launched.
    launch: Launch,
    retry: Retry,
    /// Who waits for the next start.
    restart: Option<Done>,
}

impl Life {
    fn change(
        &self,
        event: &str,
        detail: serde_json::Value,
        change: impl FnOnce(&mut InstanceStatus),
    ) {
        self.board.change(self.index, event, detail, change);
    }

    fn instance(&self) -> &Instance {
        &self.board.system.instances[self.index]
    }

    /// Puts on the board what the driver found out.
    fn learn(&self) {
        let client_port = self.prepared.client_port;
        let listens = self.prepared.listens.iter().map(|address| address.port());
        let mut ports: Vec<u16> = listens.collect();
        if let Some(first) = client_port {
            ports.retain(|port| *port != first);
            ports.insert(0, first);
        }
        let elsewhere = self.prepared.data_elsewhere.clone();
        self.change("prepared", json!(null), |slot| {
            slot.client_port = client_port;
            slot.ports = ports;
            slot.data_elsewhere = elsewhere;
        });
    }

    /// Starts the process and stays with it until it ends. `None` when it was told to stop for good.
    async fn once(&mut self, orders: &mut mpsc::Receiver<Order>) -> Option<Next> {
        if self.board.slot(self.index).held {
            self.answer_restart(Err("it is held down".to_owned()));
            return Some(Next::Held);
        }
        let started = self.start().await;
        self.answer_restart(started.as_ref().map(|_| ()).map_err(Clone::clone));
        let mut child = match started {
            Ok(child) => child,
            Err(reason) => {
                let wait = self.retry.after_exit(false, Duration::ZERO);
                self.change("not-started", json!(reason), |slot| {
                    slot.state = match wait {
                        Some(_) => InstanceState::Restarting,
                        None => InstanceState::Exited,
                    };
                });
                self.board.fail(self.index, &reason);
                return Some(wait.map_or(Next::Done, Next::Again));
            }
        };
        let started = Instant::now();
        let watch = tokio::task::spawn_local(health::watch(
            self.board.clone(),
            self.index,
            self.prepared.probe.clone(),
        ));
        let pid = child.id().unwrap_or_default() as i32;
        let mut running = Running {
            pid,
            throttling: None,
            kill_at: None,
            stopping: None,
        };
        let status = loop {
            let patience = async {
                match running.kill_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                status = child.wait() => break status,
                () = patience => {
                    signal_group(pid, Signal::SIGKILL);
                    running.kill_at = None;
                }
                order = orders.recv() => self.obey(order?, &mut running),
            }
        };
        watch.abort();
        if let Some(throttling) = running.throttling.take() {
            throttling.ended();
        }
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
            slot.started_at = None;
            slot.healthy = None;
            slot.throttled = None;
            slot.last_exit = Some(exit.clone());
            slot.restarts += u32::from(state == InstanceState::Restarting);
        });
        if let Some(done) = running.stopping {
            let _ = done.send(());
            return None;
        }
        if state == InstanceState::Exited && self.board.is_starting() {
            self.board.logs[self.index].last_words().await;
            self.board.fail(
                self.index,
                &format!("it ended with {exit} before the system was ready"),
            );
        }
        Some(next)
    }

    /// Carries out an order while the process runs.
    fn obey(&mut self, order: Order, running: &mut Running) {
        let Some(order) = settle(&self.board, self.index, order) else {
            return;
        };
        let is_process =
            |process: &ProcessIdentity| match self.board.slot(self.index).process.as_ref()
                == Some(process)
            {
                true => Ok(()),
                false => Err("it is another process by now".to_owned()),
            };
        match order {
            Order::Launch { answer } => {
                let _ = answer.send(Ok(self.launched()));
            }
            Order::Signal {
                process,
                signal,
                tree,
                done,
            } => {
                let sent = is_process(&process).and_then(|()| send(running.pid, signal, tree));
                if sent.is_ok() {
                    self.change("signalled", json!(signal.as_str()), |_| {});
                }
                let _ = done.send(sent);
            }
            Order::Throttle {
                process,
                throttle,
                done,
            } => {
                let begun =
                    is_process(&process).and_then(|()| Throttling::begin(running.pid, throttle));
                let _ = done.send(begun.map(|throttling| {
                    running.throttling = Some(throttling);
                    self.change("throttled", json!(throttle), |slot| {
                        slot.throttled = Some(throttle);
                    });
                }));
            }
            Order::Unthrottle { done } => {
                self.unthrottle(running);
                // Also what another hand has stopped: after this the process runs.
                signal_tree(running.pid, Signal::SIGCONT);
                let _ = done.send(Ok(()));
            }
            Order::Terminate { done } => {
                self.ask_to_end(running, self.stop_signal());
                let _ = done.send(Ok(()));
            }
            Order::Restart { done } if self.board.slot(self.index).held => {
                let _ = done.send(Err("it is held down once it ends".to_owned()));
            }
            Order::Restart { done } => {
                self.answer_restart(Err("another restart came after this one".to_owned()));
                self.restart = Some(done);
                self.ask_to_end(running, self.stop_signal());
            }
            Order::Stop { done } => {
                running.stopping = Some(done);
                self.ask_to_end(running, self.prepared.down_signal);
            }
            // Settled above.
            Order::Hold { .. } | Order::Release { .. } | Order::Environment { .. } => {}
        }
    }

    /// Has nothing running: waits for its time to start again, or until it is told to. The value is
    /// who waits for it to stop for good.
    async fn idle(
        &mut self,
        wait: Option<Duration>,
        orders: &mut mpsc::Receiver<Order>,
    ) -> Option<oneshot::Sender<()>> {
        let wake = wait.map(|wait| Instant::now() + wait);
        loop {
            let time_to_start = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let order = tokio::select! {
                () = time_to_start => return None,
                order = orders.recv() => order?,
            };
            match order {
                Order::Launch { answer } => {
                    let _ = answer.send(Ok(self.launched()));
                }
                Order::Restart { done } if self.board.slot(self.index).held => {
                    let _ = done.send(Err(
                        "it is held down, by `stop` or by a fault, until it is released".to_owned(),
                    ));
                }
                Order::Restart { done } => {
                    self.restart = Some(done);
                    return None;
                }
                order => {
                    let released = wait.is_none() && matches!(order, Order::Release { .. });
                    let left = settle(&self.board, self.index, order);
                    if let Some(stop) = left.and_then(|order| refuse(order, "it does not run")) {
                        return Some(stop);
                    }
                    if released {
                        self.retry.reset();
                        return None;
                    }
                }
            }
        }
    }

    fn answer_restart(&mut self, answer: Result<(), String>) {
        if let Some(done) = self.restart.take() {
            let _ = done.send(answer);
        }
    }

    async fn start(&mut self) -> Result<Child, String> {
        self.lay_over().await?;
        for address in &self.prepared.listens {
            crate::address::check_free(*address)?;
        }
        let program = self.launch.program.display();
        let child = self.board.logs[self.index]
            .open()
            .and_then(|output| crate::spawn::command(&self.launch, Some(output)))
            .and_then(|command| tokio::process::Command::from(command).spawn())
            .map_err(|error| format!("cannot start {program}: {error}"))?;
        let identity = child.id().and_then(|pid| ProcessIdentity::of(pid as i32));
        self.change("started", json!(child.id()), |slot| {
            slot.state = InstanceState::Running;
            slot.process = identity;
            slot.started_at = Some(jiff::Timestamp::now().to_string());
            slot.healthy = None;
        });
        Ok(child)
    }

    /// Works out what is launched, with the variables that are to be laid over its environment. The
    /// environment of a Kafka node is also its configuration, and that of a program also its health
    /// check's: these are prepared again.
    async fn lay_over(&mut self) -> Result<(), String> {
        let hosts = &self.board.system.hosts;
        let own = Some(self.instance().address);
        let overrides: BTreeMap<String, String> = self
            .board
            .slot(self.index)
            .overrides
            .into_iter()
            .map(|(name, value)| {
                let value = hosts.replace_in(&name, &value, own);
                (name, value)
            })
            .collect();
        let is_read = matches!(
            self.instance().driver,
            DriverKind::Kafka | DriverKind::Process
        );
        if is_read && overrides != self.prepared_with {
            self.prepared =
                prepare_with(&self.board, &self.machine, self.index, &overrides).await?;
            self.prepared_with = overrides.clone();
        }
        self.launch = self.prepared.launch.clone();
        self.launch.environment.extend(overrides);
        Ok(())
    }

    fn launched(&self) -> InstanceLaunch {
        InstanceLaunch {
            program: self.launch.program.clone(),
            arguments: self.launch.arguments.clone(),
            environment: self.launch.environment.clone(),
            folder: self.launch.folder.clone(),
        }
    }

    /// `stop_signal`.
    fn stop_signal(&self) -> Signal {
        Signal::try_from(self.instance().stop_signal).unwrap_or(Signal::SIGTERM)
    }

    /// Asks the process to end, also when it is paused or throttled; its patience ends after the
    /// grace period.
    fn ask_to_end(&self, running: &mut Running, signal: Signal) {
        self.unthrottle(running);
        let _ = kill(Pid::from_raw(running.pid), signal);
        signal_tree(running.pid, Signal::SIGCONT);
        self.change("asked-to-end", json!(signal.as_str()), |_| {});
        let kill_at = Instant::now() + self.instance().stop_grace_period;
        // Being asked again is no reprieve.
        running.kill_at = Some(running.kill_at.map_or(kill_at, |at| at.min(kill_at)));
    }

    fn unthrottle(&self, running: &mut Running) {
        if running.throttling.take().is_some() {
            self.change("unthrottled", json!(null), |slot| slot.throttled = None);
        }
    }

    /// Whether ending well is what it is there for: others wait for that, or nothing says that it
    /// should keep running.
    fn may_complete(&self) -> bool {
        let instance = self.instance();
        instance.one_shot
            || (instance.driver == DriverKind::Process && instance.healthcheck.is_none())
    }

    fn after_exit(&mut self, success: bool, ran_for: Duration) -> Next {
        if self.board.slot(self.index).held {
            return Next::Held;
        }
        if self.restart.is_some() {
            return Next::Again(Duration::ZERO);
        }
        if self.instance().one_shot && success {
            return Next::Done;
        }
        match self.retry.after_exit(success, ran_for) {
            Some(wait) => Next::Again(wait),
            None => Next::Done,
        }
    }
}

/// A process, and what is going on with it.
struct Running {
    pid: i32,
    throttling: Option<Throttling>,
    /// When patience with it ends.
    kill_at: Option<Instant>,
    /// Who waits for it to stop for good.
    stopping: Option<oneshot::Sender<()>>,
}

fn send(pid: i32, signal: Signal, tree: bool) -> Result<(), String> {
    if tree {
        signal_tree(pid, signal);
        return Ok(());
    }
    kill(Pid::from_raw(pid), signal).map_err(|error| format!("cannot send {signal}: {error}"))
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
