//! A long-lived Python host: extensions, controls and notification plugins written in Python, run for a
//! runner that is no Python program, as Chaos Toolkit would run them.
//!
//! 1. Nothing is started before it is needed. A host that has died is started again by the next call.
//! 2. A call ends: with its value, its exception, its timeout, or the end of the interpreter. Code that does
//!    not react to an interruption within [`INTERRUPT_GRACE`] is killed with its whole process group.
//! 3. The interpreter never outlives the runner.
//! 4. What controls change in the experiment, the configuration, the secrets and the journal comes back.
//!
//! What an exception means to a run, how activities are retried and what a journal says is the caller's
//! business. The Python side is `host.py`, standard library only.

mod control;
mod documents;
mod error;
mod function;
mod host;
mod interpreter;
mod notice;
mod process;
mod wire;

pub use control::{ControlCall, ControlFunction, ControlModule, ControlOutcome};
pub use documents::{Argument, DocumentName, Documents, Step};
pub use error::{Class, Origin, PythonError, Raised};
pub use function::{CallId, FunctionCall, FunctionCheck, Output, Thread};
pub use host::{Detection, Host, HostOptions};
pub use notice::{LogRecord, Notice, Notices};
pub use process::{INTERRUPT_GRACE, Interruption, SHUTDOWN_GRACE, START_LIMIT, Target};

/// An argument of a handler of run events.
pub type EventArgument<'a> = Argument<'a>;
