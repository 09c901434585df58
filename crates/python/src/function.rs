//! Functions of Python modules and what calling one gives.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shaketable_dialect::Value;

use crate::documents::Documents;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Names one call, so that it can be interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub(crate) u64);

impl CallId {
    /// An identity nobody else has in this process.
    #[allow(clippy::new_without_default)]
    pub fn new() -> CallId {
        CallId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Which thread of the host runs a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Thread {
    /// The main thread; such calls run one after the other.
    #[default]
    Foreground,
    /// A thread of its own.
    Background,
}

/// An activity whose function and arguments are to be checked before a run.
#[derive(Debug, Clone, Copy)]
pub struct FunctionCheck<'a> {
    /// `action` or `probe`.
    pub activity_type: &'a str,
    /// The activity's name.
    pub activity_name: &'a str,
    /// The module's dotted name.
    pub module: &'a str,
    /// The function's name.
    pub func: &'a str,
    /// The arguments, a mapping.
    pub arguments: &'a Value,
}

/// A call of a function.
#[derive(Debug, Clone, Copy)]
pub struct FunctionCall<'a> {
    /// Its identity.
    pub id: CallId,
    /// The activity's name, for the log.
    pub activity_name: &'a str,
    /// The module's dotted name.
    pub module: &'a str,
    /// The function's name.
    pub func: &'a str,
    /// The keyword arguments: a mapping, or `None` for no arguments. Nothing is substituted in them.
    pub arguments: &'a Value,
    /// The groups of secrets the activity names; they are merged into the argument `secrets` if the
    /// function has one. `None`: the activity names none, and the argument is not given.
    pub secret_groups: Option<&'a [String]>,
    /// The configuration, of which the argument `configuration` is a copy if the function has one, and
    /// the secrets.
    pub documents: Documents<'a>,
    /// The time it may take; `None`: as long as it takes. Dropping the future interrupts the call.
    pub timeout: Option<Duration>,
    /// Which thread runs it.
    pub thread: Thread,
}

/// What a function has returned.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The value. `Decimal` and `UUID` are text, tuples are lists, an object that JSON cannot hold is the text
    /// of its `repr`.
    pub value: Value,
    /// Why Python's `json` would refuse the value, if it would.
    pub unserialisable: Option<String>,
}
