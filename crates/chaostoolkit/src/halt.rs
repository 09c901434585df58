//! What ends the straight line of a run: the exceptions of the reference that are no failed activity.
//!
//! 1. Everything that waits in a run returns a [`Halt`] instead of being dropped, so that whoever is
//!    above can still finish its journal entry and call its after-controls.
//! 2. A halt that came from a signal is delivered once.
//!
//! Which status a halt gives a run is decided in [`crate::runner`].

use shaketable_dialect::Raised;
use shaketable_python::{Class, Interruption, PythonError};

/// Why the work at hand does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt {
    /// `InterruptExecution`: SIGTERM or a control or an extension wants the run to end.
    Interrupted(String),
    /// `KeyboardInterrupt`: SIGINT.
    Keyboard,
    /// `SystemExit` with its code: 20 is SIGUSR1, 30 is SIGUSR2 (no rollbacks).
    Exit(i64),
    /// Work in the background is ended because the run has ended.
    Cancelled,
    /// Any other exception that is no failed activity.
    Unexpected(Raised),
}

/// The exit code of SIGUSR2, which forbids rollbacks.
pub const EXIT_WITHOUT_ROLLBACKS: i64 = 30;
/// The exit code of SIGUSR1.
pub const EXIT_WITH_ROLLBACKS: i64 = 20;

impl Halt {
    /// An unexpected exception.
    pub fn unexpected(kind: &str, message: impl Into<String>) -> Halt {
        Halt::Unexpected(Raised::new(kind, message))
    }

    /// What to raise in a Python function that runs when this halt arrives.
    pub fn in_python(&self) -> Interruption {
        match self {
            Halt::Interrupted(message) => Interruption::InterruptExecution(message.clone()),
            Halt::Keyboard => Interruption::KeyboardInterrupt,
            Halt::Exit(code) => Interruption::SystemExit(i32::try_from(*code).unwrap_or(1)),
            Halt::Cancelled | Halt::Unexpected(_) => Interruption::ExperimentExited,
        }
    }

    /// The halt that a Python exception is, when it is one that no `except Exception` stops.
    pub fn of_python(error: &PythonError) -> Option<Halt> {
        let PythonError::Raised(raised) = error else {
            return None;
        };
        match raised.class {
            Class::InterruptExecution => Some(Halt::Interrupted(raised.message.clone())),
            Class::KeyboardInterrupt => Some(Halt::Keyboard),
            Class::SystemExit { code } => Some(Halt::Exit(code)),
            Class::BaseException => Some(Halt::unexpected(&raised.kind, &raised.message)),
            _ => None,
        }
    }
}

impl From<Raised> for Halt {
    fn from(raised: Raised) -> Halt {
        Halt::Unexpected(raised)
    }
}

impl std::fmt::Display for Halt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Halt::Interrupted(message) => write!(f, "{message}"),
            Halt::Keyboard => write!(f, "KeyboardInterrupt"),
            Halt::Exit(code) => write!(f, "{code}"),
            Halt::Cancelled => write!(f, "ended with the run"),
            Halt::Unexpected(raised) => write!(f, "{}", raised.message),
        }
    }
}
