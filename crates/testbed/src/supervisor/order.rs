//! Orders: what the task of an instance can be told, and what it says while it has no process.

use std::collections::BTreeMap;

use nix::sys::signal::Signal;
use serde_json::json;
use tokio::sync::oneshot;

use super::board::Board;
use crate::control::{InstanceLaunch, Throttle};
use crate::process::ProcessIdentity;

/// Where the answer to an order goes.
pub(super) type Done = oneshot::Sender<Result<(), String>>;

/// What an instance task can be told.
pub(super) enum Order {
    Launch {
        answer: oneshot::Sender<Result<InstanceLaunch, String>>,
    },
    Signal {
        process: ProcessIdentity,
        signal: Signal,
        tree: bool,
        done: Done,
    },
    Environment {
        set: BTreeMap<String, String>,
        done: Done,
    },
    Throttle {
        process: ProcessIdentity,
        throttle: Throttle,
        done: Done,
    },
    Unthrottle {
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
    Restart {
        done: Done,
    },
    Stop {
        done: oneshot::Sender<()>,
    },
}

/// Carries out what is the same whether there is a process or not, and gives back the rest.
pub(super) fn settle(board: &Board, index: usize, order: Order) -> Option<Order> {
    let done = match order {
        Order::Hold { done } => {
            board.change(index, "held", json!(null), |slot| slot.held = true);
            done
        }
        Order::Release { done } => {
            board.change(index, "released", json!(null), |slot| slot.held = false);
            done
        }
        Order::Environment { set, done } => {
            // The values may be secret; they are in the status, which is its owner's alone to read.
            let names: Vec<&String> = set.keys().collect();
            board.change(index, "environment-set", json!(names), |slot| {
                slot.overrides = set.clone();
            });
            done
        }
        order => return Some(order),
    };
    let _ = done.send(Ok(()));
    None
}

/// Answers an order that needs a process, or one that could be launched, when there is none; the
/// value is who waits for the end.
pub(super) fn refuse(order: Order, reason: &str) -> Option<oneshot::Sender<()>> {
    let refused = Err(reason.to_owned());
    let _ = match order {
        Order::Stop { done } => return Some(done),
        Order::Launch { answer } => {
            let _ = answer.send(Err(reason.to_owned()));
            return None;
        }
        Order::Signal { done, .. } | Order::Throttle { done, .. } | Order::Restart { done } => {
            done.send(refused)
        }
        // Nothing runs, so nothing has to be ended or continued; the others were settled.
        Order::Terminate { done }
        | Order::Unthrottle { done }
        | Order::Hold { done }
        | Order::Release { done }
        | Order::Environment { done, .. } => done.send(Ok(())),
    };
    None
}
