//! The supervisor: one process that owns every other process of one system.
//!
//! It runs on a single thread, the main one, because children are bound to the life of the thread
//! that started them ([`crate::spawn`]). One task per instance ([`instance`]) waits for what the
//! instance depends on, starts it, watches it and starts it again; a control task answers requests;
//! the main task ends everything when it is told to, when a signal comes, or when the owner dies.
//!
//! Promises:
//! 1. A system that is owned (brought up by a run) goes down when its owner dies, however it dies.
//! 2. Nothing survives it, not even what its processes started and forgot ([`guard`]).
//! 3. What an earlier supervisor of the same folder left running is ended first, recognised by pid,
//!    start time and boot id.
//! 4. Every start, exit, signal and change of health is a line in `events.ndjson`, and the state of
//!    the system is in `system.json`, before anything else is done about it.

mod board;
mod guard;
mod instance;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::address::Subnet;
use crate::control::{Answer, Request, SystemPhase, SystemStatus};
use crate::drivers::Machine;
use crate::error::TestbedError;
use crate::home::{Home, SystemFolder};
use crate::system::System;
use crate::testbed::SystemSource;
use board::Board;
use guard::Guard;
use instance::{Done, Order};

/// How long the owner's end of the pipe may stay silent: for ever; only its end matters.
const OWNER_READ_BYTES: usize = 64;
/// The longest wait for one layer of services to end beyond their own grace periods.
const STOP_MARGIN: Duration = Duration::from_secs(5);

/// What a supervisor is to run.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The home folder.
    pub home: PathBuf,
    /// The name under which the system runs.
    pub name: String,
    /// The Compose file and its variables.
    pub source: SystemSource,
    /// Whether to go down when standard input ends.
    pub owned: bool,
}

/// Runs a system until it is taken down. Blocks the calling thread, which must be the main one and
/// the only one.
pub fn supervise(assignment: Assignment) -> Result<(), TestbedError> {
    let guard = Guard::post().map_err(TestbedError::io("post the supervisor's guard"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(TestbedError::io("start the supervisor's runtime"))?;
    tokio::task::LocalSet::new().block_on(&runtime, run(assignment, guard))
}

async fn run(assignment: Assignment, guard: Guard) -> Result<(), TestbedError> {
    let home = Home::at(&assignment.home).map_err(TestbedError::io("find the home folder"))?;
    let folder = home.system(&assignment.name);
    std::fs::create_dir_all(folder.root().join("logs")).map_err(TestbedError::io(format!(
        "make {}",
        folder.root().display()
    )))?;
    let _lock = lock(&folder, &assignment.name)?;
    end_leftovers(&folder.state_file());
    remove_data(&folder)?;
    remove_records(&folder)?;
    let listener = crate::control::listen(folder.root()).map_err(TestbedError::io(format!(
        "listen on {}/control.sock",
        folder.root().display()
    )))?;

    let read = assignment.source.read()?;
    let subnet = Subnet::claim(&format!("{}/{}", home.root().display(), assignment.name)).map_err(
        |reason| TestbedError::NotReady {
            system: assignment.name.clone(),
            reason,
        },
    )?;
    let system =
        System::resolve(&read.compose, &assignment.name, |n| subnet.host(n)).map_err(|reason| {
            TestbedError::NotReady {
                system: assignment.name.clone(),
                reason,
            }
        })?;
    let board = Rc::new(Board::new(
        system,
        home,
        folder,
        assignment.source.compose.clone(),
        assignment.source.variant_label(),
        assignment.owned,
    ));
    board.publish();

    let machine = Rc::new(Machine::survey());
    let mut orders = Vec::new();
    for index in 0..board.system.instances.len() {
        let (sender, receiver) = mpsc::channel(16);
        orders.push(sender);
        tokio::task::spawn_local(instance::run(
            board.clone(),
            machine.clone(),
            index,
            receiver,
        ));
    }
    let orders = Rc::new(orders);

    let (down_sender, mut down) = mpsc::channel::<Option<tokio::sync::oneshot::Sender<()>>>(4);
    tokio::task::spawn_local(answer_all(
        listener,
        board.clone(),
        orders.clone(),
        down_sender.clone(),
    ));
    let mut terminate =
        signal(SignalKind::terminate()).map_err(TestbedError::io("listen for SIGTERM"))?;
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(TestbedError::io("listen for SIGINT"))?;
    let reply = tokio::select! {
        reply = down.recv() => reply.flatten(),
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        () = owner_died(assignment.owned) => None,
    };
    take_down(&board, &orders).await;
    guard.dismiss();
    drop(subnet);
    let removed = remove_data(&board.folder);
    if let Some(reply) = reply {
        let _ = reply.send(());
        // The answer is on its way through the control task; wait until it is written.
        while let Some(Some(_)) = down.recv().await {}
    }
    removed
}

/// One supervisor per folder; the kernel gives the lock back when the process dies.
fn lock(folder: &SystemFolder, name: &str) -> Result<std::fs::File, TestbedError> {
    let path = folder.root().join("lock");
    let file = std::fs::File::create(&path)
        .map_err(TestbedError::io(format!("make {}", path.display())))?;
    file.try_lock()
        .map_err(|_| TestbedError::Conflict(format!("system `{name}` already has a supervisor")))?;
    Ok(file)
}

/// Removes what the servers kept, as removing a container does.
fn remove_data(folder: &SystemFolder) -> Result<(), TestbedError> {
    if let Some(status) = read_state(&folder.state_file()) {
        let elsewhere = status
            .instances
            .iter()
            .filter_map(|instance| instance.data_elsewhere.as_deref());
        for path in elsewhere.filter(|path| path.exists()) {
            std::fs::remove_dir_all(path)
                .map_err(TestbedError::io(format!("remove {}", path.display())))?;
        }
    }
    let data = folder.root().join("data");
    match std::fs::remove_dir_all(&data) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(TestbedError::Io {
            what: format!("remove {}", data.display()),
            source: error,
        }),
        _ => Ok(()),
    }
}

/// Removes the logs and events of the life before this one; they stay until the next start. The
/// supervisor's own log is this life's already.
fn remove_records(folder: &SystemFolder) -> Result<(), TestbedError> {
    let own = folder.supervisor_log();
    let logs = std::fs::read_dir(folder.root().join("logs"));
    let logs = logs
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    for path in logs
        .filter(|path| *path != own)
        .chain([folder.events_file()])
    {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(TestbedError::Io {
                    what: format!("remove {}", path.display()),
                    source: error,
                });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Ends what the supervisor before this one could not: its own process, every process it had
/// recorded and every one that carries its mark. None is touched unless it is that very process.
fn end_leftovers(state_file: &std::path::Path) {
    let Some(status) = read_state(state_file) else {
        return;
    };
    status.supervisor.kill_group();
    for process in status
        .instances
        .iter()
        .filter_map(|instance| instance.process.as_ref())
    {
        process.kill_group();
    }
    if status.supervisor.boot_id == crate::process::boot_id() {
        crate::spawn::sweep(&status.supervisor);
    }
}

/// The last state a supervisor wrote, if it can be read.
pub(crate) fn read_state(state_file: &std::path::Path) -> Option<SystemStatus> {
    serde_json::from_str(&std::fs::read_to_string(state_file).ok()?).ok()
}

/// Resolves when the owner is gone: its end of our standard input is closed by the kernel.
async fn owner_died(owned: bool) {
    if !owned {
        std::future::pending::<()>().await;
    }
    let mut stdin = match std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned() {
        Ok(fd) => match tokio::net::unix::pipe::Receiver::from_owned_fd(fd) {
            Ok(pipe) => pipe,
            Err(_) => return,
        },
        Err(_) => return,
    };
    let mut buffer = [0; OWNER_READ_BYTES];
    while let Ok(1..) = stdin.read(&mut buffer).await {}
}

/// Ends every instance, those first on which nothing else depends.
async fn take_down(board: &Rc<Board>, orders: &Rc<Vec<mpsc::Sender<Order>>>) {
    board.set_phase(SystemPhase::Stopping);
    for layer in board.stop_layers() {
        let mut waits = Vec::new();
        for &index in &layer {
            let (done, wait) = tokio::sync::oneshot::channel();
            if orders[index].send(Order::Stop { done }).await.is_ok() {
                waits.push((board.system.instances[index].stop_grace_period, wait));
            }
        }
        for (grace, wait) in waits {
            let _ = tokio::time::timeout(grace + STOP_MARGIN, wait).await;
        }
    }
    board.publish();
}

type DownSender = mpsc::Sender<Option<tokio::sync::oneshot::Sender<()>>>;

async fn answer_all(
    listener: UnixListener,
    board: Rc<Board>,
    orders: Rc<Vec<mpsc::Sender<Order>>>,
    down: DownSender,
) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            return;
        };
        let (board, orders, down) = (board.clone(), orders.clone(), down.clone());
        tokio::task::spawn_local(async move {
            let request = crate::control::read_request(&mut stream).await;
            let goes_down = matches!(request, Ok(Request::Down));
            let answer = match request {
                Ok(request) => answer(request, &board, &orders, &down).await,
                Err(error) => Answer::Refused {
                    reason: format!("the request was not understood: {error}"),
                },
            };
            let _ = crate::control::write_answer(&mut stream, &answer).await;
            if goes_down {
                // The main task waits for this before the process ends.
                let _ = down.try_send(None);
            }
        });
    }
}

async fn answer(
    request: Request,
    board: &Rc<Board>,
    orders: &[mpsc::Sender<Order>],
    down: &DownSender,
) -> Answer {
    let (instance, order): (String, fn(Done) -> Order) = match request {
        Request::Status => {
            return Answer::Status {
                status: Box::new(board.status(true)),
            };
        }
        Request::Down => {
            let (done, wait) = tokio::sync::oneshot::channel();
            let _ = down.send(Some(done)).await;
            let _ = wait.await;
            return Answer::Done;
        }
        Request::Signal {
            instance,
            process,
            signal,
        } => {
            let Ok(signal) = nix::sys::signal::Signal::try_from(signal) else {
                return Answer::Refused {
                    reason: format!("{signal} is no signal"),
                };
            };
            return order_one(board, orders, &instance, |done| Order::Signal {
                process,
                signal,
                done,
            })
            .await;
        }
        Request::Hold { instance } => (instance, |done| Order::Hold { done }),
        Request::Release { instance } => (instance, |done| Order::Release { done }),
        Request::Terminate { instance } => (instance, |done| Order::Terminate { done }),
    };
    order_one(board, orders, &instance, order).await
}

async fn order_one(
    board: &Rc<Board>,
    orders: &[mpsc::Sender<Order>],
    instance: &str,
    order: impl FnOnce(Done) -> Order,
) -> Answer {
    let Some(index) = board
        .system
        .instances
        .iter()
        .position(|one| one.name == instance)
    else {
        return Answer::Refused {
            reason: format!("the system has no instance `{instance}`"),
        };
    };
    let (done, wait) = tokio::sync::oneshot::channel();
    if orders[index].send(order(done)).await.is_err() {
        return Answer::Refused {
            reason: format!("`{instance}` has ended for good"),
        };
    }
    match wait.await {
        Ok(Ok(())) => Answer::Done,
        Ok(Err(reason)) => Answer::Refused { reason },
        Err(_) => Answer::Refused {
            reason: format!("`{instance}` ended in the middle of the request"),
        },
    }
}
