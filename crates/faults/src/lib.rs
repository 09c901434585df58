//! Faults: what can be broken, how that is confirmed, and how it is undone.
//!
//! Life cycle, written down once (in [`injection`]): not injected → applying → injected →
//! recovering → not injected. Recovery is allowed from any state after applying began.
//!
//! Promises:
//! 1. The undo record ([`undo`]) is on disk, file and folder synced, before `apply` begins.
//! 2. `recover` needs that record and nothing else, and may be called any number of times.
//! 3. `confirm` and `is_recovered` observe; what was not observed is [`Observed::Unknown`] or
//!    [`Observed::No`], never assumed.
//! 4. `recover` never harms a stranger: a system or process that is not the recorded one is left
//!    alone.
//!
//! A fault is one file and one line in [`catalogue`]; `noop` is the template. What faults do to real
//! processes is tested through the command line. Where targets are found is [`target`]; what follows from a verdict is the engine's.

pub mod catalogue;
mod downtime;
pub mod fault;
pub mod injection;
pub mod leftovers;
mod noop;
mod postgres_lock;
mod process_environment;
mod process_kill;
mod process_pause;
mod process_restart;
mod process_throttle;
pub mod target;
pub mod undo;

pub use catalogue::{declarations, find};
pub use fault::{Context, Fault, FaultError, Observed, Parameters};
pub use injection::Injection;
pub use leftovers::{Healed, heal_all, heal_leftovers};
pub use target::Hit;
pub use undo::{Phase, UndoJournal, UndoRecord};
