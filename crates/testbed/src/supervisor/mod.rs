//! The supervisor: one process that owns every other process of one system.
//!
//! It runs on the main thread, because children are bound to the life of the thread that started
//! them ([`crate::spawn`]); the only other thread writes logs ([`scribe`]). One task per instance ([`instance`]) waits for what the
//! instance depends on, starts it, watches it and starts it again; a control task answers requests;
//! the main task ends everything when it is told to, when a signal comes, or when the owner dies.
//!
//! Promises:
//! 1. A system that is owned (brought up by a run) goes down when its owner dies, however it dies.
//! 2. Nothing survives it, not even what its processes started and forgot ([`guard`]), as long as that
//!    was started with the supervisor's mark in its environment.
//! 3. What an earlier supervisor of the same folder left running is ended first, recognised by pid,
//!    start time and boot id.
//! 4. Every start, exit, signal and change of health is a line in `events.ndjson`, and the state of
//!    the system is in `system.json`, before anything else is done about it.

mod board;
mod guard;
mod health;
mod instance;
mod meter;
mod order;
mod remains;
mod requests;
mod retry;
mod scribe;
mod throttling;

use std::path::PathBuf;
use std::rc::Rc;

use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::address::Subnet;
use crate::control::{SystemPhase, fingerprints};
use crate::drivers::Machine;
use crate::error::TestbedError;
use crate::home::Home;
use crate::process::ProcessIdentity;
use crate::source::SystemSource;
use crate::system::System;
use board::{Board, Origin, STOP_MARGIN};
use guard::Guard;
use order::Order;
use scribe::Scribe;

pub(crate) use remains::{Claim, recorded};

/// How long the owner's end of the pipe may stay silent: for ever; only its end matters.
const OWNER_READ_BYTES: usize = 64;
/// How many orders may wait for one instance.
const ORDERS_WAITING_MAX: usize = 16;

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
/// the only one; the one that writes logs comes later and starts no process.
pub fn supervise(assignment: Assignment) -> Result<(), TestbedError> {
    let guard = Guard::post().map_err(TestbedError::io("post the supervisor's guard"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(TestbedError::io("start the supervisor's runtime"))?;
    tokio::task::LocalSet::new().block_on(&runtime, run(assignment, guard))
}

async fn run(assignment: Assignment, guard: Guard) -> Result<(), TestbedError> {
    let mut terminate =
        signal(SignalKind::terminate()).map_err(TestbedError::io("listen for SIGTERM"))?;
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(TestbedError::io("listen for SIGINT"))?;
    let home = Home::at(&assignment.home).map_err(TestbedError::io("find the home folder"))?;
    let folder = home.system(&assignment.name);
    let claim = Claim::of(&folder, &assignment.name)?;
    claim.end_leftovers();
    claim.remove_data()?;
    claim.remove_records()?;
    let listener = crate::control::listen(folder.root()).map_err(TestbedError::io(format!(
        "listen on {}/control.sock",
        folder.root().display()
    )))?;
    let scribe = Scribe::start().map_err(TestbedError::io("start the thread that writes logs"))?;

    let not_ready = |reason: String| TestbedError::NotReady {
        system: assignment.name.clone(),
        reason,
    };
    let read = assignment.source.read()?;
    let preference = format!("{}/{}", home.root().display(), assignment.name);
    let subnet = Subnet::claim(&preference).map_err(not_ready)?;
    let system = System::resolve(&read.compose, &assignment.name, &home, |n| subnet.host(n))
        .map_err(not_ready)?;
    let origin = Origin {
        source: assignment.source.clone(),
        fingerprints: fingerprints(&read.compose),
        owned: assignment.owned,
    };
    let board = Rc::new(Board::new(system, home, folder, &scribe, origin));
    // Without this record the next supervisor would not find what this one leaves, should it die.
    board.write_state().map_err(TestbedError::io(format!(
        "write {} (nothing was started)",
        board.folder.state_file().display()
    )))?;
    board.record(
        "supervised",
        json!({ "supervisor": ProcessIdentity::own() }),
    );

    let machine = Rc::new(Machine::survey());
    let mut orders = Vec::new();
    for index in 0..board.system.instances.len() {
        let (sender, receiver) = mpsc::channel(ORDERS_WAITING_MAX);
        orders.push(sender);
        tokio::task::spawn_local(instance::run(
            board.clone(),
            machine.clone(),
            index,
            receiver,
        ));
    }
    let orders = Rc::new(orders);
    tokio::task::spawn_local(meter::run(board.clone()));

    let (down_sender, mut down) = mpsc::channel::<Option<tokio::sync::oneshot::Sender<()>>>(4);
    tokio::task::spawn_local(requests::answer_all(
        listener,
        board.clone(),
        orders.clone(),
        down_sender.clone(),
    ));
    let reply = tokio::select! {
        reply = down.recv() => reply.flatten(),
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        () = owner_died(assignment.owned) => None,
    };
    take_down(&board, &orders).await;
    guard.dismiss();
    drop(subnet);
    for log in &board.logs {
        log.last_words().await;
    }
    scribe.close();
    board.record("down", json!({}));
    let removed = claim.remove_data();
    if let Some(reply) = reply {
        let _ = reply.send(());
        // The answer is on its way through the control task; wait until it is written.
        while let Some(Some(_)) = down.recv().await {}
    }
    removed
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
