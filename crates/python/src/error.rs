//! What can go wrong with Python: an exception of the code, or a host that cannot do its work.

use std::time::Duration;

use serde_json::Value as Json;

/// Why a request has no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PythonError {
    /// The code raised an exception.
    #[error("{}", .0.only)]
    Raised(Box<Raised>),
    /// The code did not end in time; it was interrupted, or killed when that did not help.
    #[error(
        "the python function did not end within {after:?}: raise the timeout or look why it blocks"
    )]
    TimedOut {
        /// The time it had.
        after: Duration,
    },
    /// The interpreter ended while the request was under way.
    #[error(
        "the python interpreter ended while it worked ({status}): look at what it printed last; the next call starts another one"
    )]
    HostDied {
        /// How it ended, such as `signal: 9 (SIGKILL)`.
        status: String,
    },
    /// There is no interpreter.
    #[error("no python interpreter found (tried {}): install Python 3.8 or later, or name one with PYTHON", .tried.join(", "))]
    NoInterpreter {
        /// The names looked for.
        tried: Vec<String>,
    },
    /// The interpreter could not be started.
    #[error("the python interpreter `{interpreter}` does not start: {reason}")]
    NotStarted {
        /// The command.
        interpreter: String,
        /// Why not.
        reason: String,
    },
    /// The host did not keep to the protocol: our defect.
    #[error("the python host gave an answer that makes no sense ({answer}): please report this")]
    Protocol {
        /// The beginning of what it said.
        answer: String,
    },
}

/// An exception of Python code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// The name of its class.
    pub kind: String,
    /// `str(exception)`.
    pub message: String,
    /// One line as Python prints it: `TypeError: message`, with the module for classes that are not built in.
    pub only: String,
    /// The lines of `traceback.format_exception`, without the frames of the host.
    pub traceback: Vec<String>,
    /// What the exception means to a run.
    pub class: Class,
    /// Where it came from.
    pub origin: Origin,
}

/// What an exception means to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// `chaoslib.exceptions.ActivityFailed`.
    ActivityFailed,
    /// `chaoslib.exceptions.InterruptExecution`.
    InterruptExecution,
    /// `chaoslib.exceptions.InvalidActivity`.
    InvalidActivity,
    /// `chaoslib.exceptions.ExperimentExitedException`.
    ExperimentExited,
    /// Another `chaoslib.exceptions.ChaosException`; see `kind`.
    Chaos,
    /// `SystemExit`, with the exit code Python would end with.
    SystemExit {
        /// The exit code.
        code: i64,
    },
    /// `KeyboardInterrupt`.
    KeyboardInterrupt,
    /// Any other `Exception`.
    Exception,
    /// What is no `Exception` at all, such as `GeneratorExit` or `asyncio.CancelledError`.
    BaseException,
}

/// Where an exception came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Importing the module, finding the function or preparing its arguments.
    Loading,
    /// The function itself.
    Function,
}

impl Raised {
    /// The lines Chaos Toolkit puts under `exception` when a function fails: it raises `ActivityFailed`
    /// while it handles the function's own exception.
    pub fn activity_failed_lines(&self) -> Vec<String> {
        let mut lines = self.traceback.clone();
        lines.push(
            "\nDuring handling of the above exception, another exception occurred:\n\n".to_string(),
        );
        lines.push(format!(
            "chaoslib.exceptions.ActivityFailed: {}\n",
            self.only
        ));
        lines
    }

    pub(crate) fn from_json(json: &Json) -> Raised {
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_string();
        let texts = |name: &str| -> Vec<String> {
            let items = json[name].as_array().into_iter().flatten();
            items
                .map(|item| item.as_str().unwrap_or_default().to_string())
                .collect()
        };
        Raised {
            kind: text("kind"),
            message: text("message"),
            only: text("only"),
            traceback: texts("traceback"),
            class: class(json, &texts("classes")),
            origin: match json["origin"].as_str() {
                Some("function") => Origin::Function,
                _ => Origin::Loading,
            },
        }
    }
}

fn class(json: &Json, classes: &[String]) -> Class {
    let is = |name: &str| classes.iter().any(|class| class == name);
    if let Some(code) = json["code"].as_i64() {
        Class::SystemExit { code }
    } else if json["keyboard"] == true {
        Class::KeyboardInterrupt
    } else if is("InterruptExecution") {
        Class::InterruptExecution
    } else if is("ActivityFailed") {
        Class::ActivityFailed
    } else if is("InvalidActivity") {
        Class::InvalidActivity
    } else if is("ExperimentExitedException") {
        Class::ExperimentExited
    } else if is("ChaosException") {
        Class::Chaos
    } else if json["exception"] == true {
        Class::Exception
    } else {
        Class::BaseException
    }
}
