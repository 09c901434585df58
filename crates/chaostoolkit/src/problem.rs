//! What stopped a command.
//!
//! Promise: the two kinds differ as they do in the reference. A [`Problem::Chaos`] is one of chaoslib's own
//! exceptions, which most commands catch and tell in one line; a [`Problem::Crash`] is any other exception,
//! which the reference lets fall through as a traceback. Both end with exit code 1.

use shaketable_dialect::Raised;
use shaketable_python::{Class, PythonError};

/// Why a step could not be carried out.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// One of chaoslib's exceptions (`InvalidExperiment`, `InvalidActivity`, ...): the document's fault.
    #[error("{}", .0.message)]
    Chaos(Raised),
    /// Any other exception: the reference would have shown a traceback.
    #[error("{}", .0.message)]
    Crash(Raised),
}

/// The exceptions of `chaoslib.exceptions` that derive from `ChaosException`.
const CHAOS_EXCEPTIONS: [&str; 9] = [
    "ChaosException",
    "InvalidActivity",
    "InvalidExperiment",
    "ActivityFailed",
    "DiscoveryFailed",
    "InvalidSource",
    "InterruptExecution",
    "InvalidControl",
    "ExperimentExitedException",
];

impl Problem {
    /// One of chaoslib's exceptions.
    pub fn chaos(kind: &str, message: impl Into<String>) -> Problem {
        Problem::Chaos(Raised::new(kind, message))
    }

    /// Any other exception.
    pub fn crash(kind: &str, message: impl Into<String>) -> Problem {
        Problem::Crash(Raised::new(kind, message))
    }

    /// Class and message of the exception.
    pub fn raised(&self) -> &Raised {
        match self {
            Problem::Chaos(raised) | Problem::Crash(raised) => raised,
        }
    }

    /// Whether chaoslib declares the exception, so that commands tell it in one line.
    pub fn is_chaos(&self) -> bool {
        matches!(self, Problem::Chaos(_))
    }

    /// Whether the exception is of a class, such as `InvalidSource`.
    pub fn is(&self, kind: &str) -> bool {
        self.raised().kind == kind
    }

    /// The last line of the traceback: the qualified class and the message.
    pub fn last_line(&self) -> String {
        let Raised { kind, message } = self.raised();
        let module = match self {
            Problem::Chaos(_) if CHAOS_EXCEPTIONS.contains(&kind.as_str()) => {
                "chaoslib.exceptions."
            }
            _ if kind == "JSONDecodeError" => "json.decoder.",
            _ => "",
        };
        match message.as_str() {
            "" => format!("{module}{kind}"),
            message => format!("{module}{kind}: {message}"),
        }
    }
}

impl From<Raised> for Problem {
    fn from(raised: Raised) -> Problem {
        if CHAOS_EXCEPTIONS.contains(&raised.kind.as_str()) {
            Problem::Chaos(raised)
        } else {
            Problem::Crash(raised)
        }
    }
}

impl From<PythonError> for Problem {
    fn from(error: PythonError) -> Problem {
        match error {
            PythonError::Raised(raised) => {
                let plain = Raised::new(raised.kind, raised.message);
                match raised.class {
                    Class::ActivityFailed
                    | Class::InterruptExecution
                    | Class::InvalidActivity
                    | Class::ExperimentExited
                    | Class::Chaos => Problem::Chaos(plain),
                    _ => plain.into(),
                }
            }
            // Not the document's fault, but the user's to mend: told in one line.
            other => Problem::chaos("ChaosException", other.to_string()),
        }
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Problem {
        Problem::crash("OSError", error.to_string())
    }
}
