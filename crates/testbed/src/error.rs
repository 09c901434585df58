//! What can go wrong in the testbed, and whose fault it is.

use std::path::PathBuf;

/// An error of the testbed. [`TestbedError::is_usage`] tells a wrong command line or document
/// (exit code 2) from a machine or system that did not do its part (exit code 5).
#[derive(Debug, thiserror::Error)]
pub enum TestbedError {
    /// The Compose file or an env file is wrong; already rendered with lines and columns.
    #[error("{rendered}")]
    Document {
        /// All diagnostics of the document, for a person.
        rendered: String,
    },
    /// A file that was named cannot be read.
    #[error("cannot read {what} {path}: {source}", path = path.display())]
    Read {
        /// What the file was wanted for.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A variant was asked for that the system does not have.
    #[error("system `{system}` has no variant `{variant}`; it has {available} (files in {folder})", folder = folder.display())]
    UnknownVariant {
        /// The system.
        system: String,
        /// The name that was asked for.
        variant: String,
        /// The names there are.
        available: String,
        /// Where they are looked for.
        folder: PathBuf,
    },
    /// No system of this name is up.
    #[error("{}; `shaketable up COMPOSE_FILE` starts one", name.as_ref().map_or(known.clone(), |name| format!("system `{name}` is not up ({known})")))]
    NotUp {
        /// The system, if one was named.
        name: Option<String>,
        /// What is up instead.
        known: String,
    },
    /// A system of that name is up already and is not what was asked for.
    #[error("{0}")]
    Conflict(String),
    /// A service was named that the system does not have.
    #[error("system `{system}` has no service `{service}`; it has {available}")]
    UnknownService {
        /// The system.
        system: String,
        /// The name that was asked for.
        service: String,
        /// The names there are.
        available: String,
    },
    /// This machine lacks something; every lack is listed.
    #[error("this machine lacks what the system needs:\n{}\nrun `make setup` to install it, or install it by hand", list(.0))]
    Machine(Vec<String>),
    /// The system did not become ready.
    #[error("system `{system}` did not become ready: {reason}")]
    NotReady {
        /// The system.
        system: String,
        /// What the supervisor saw, with the last lines of the log in question.
        reason: String,
    },
    /// A signal came while the system was being brought up; what had started was taken down.
    #[error("system `{system}` was not brought up: interrupted; what had started is down again")]
    Interrupted {
        /// The system.
        system: String,
    },
    /// The supervisor cannot be reached or answered with an error.
    #[error("supervisor of system `{system}`: {reason}")]
    Supervisor {
        /// The system.
        system: String,
        /// What went wrong.
        reason: String,
    },
    /// The operating system refused something.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was attempted, with the path or address.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl TestbedError {
    /// Whether the command line or a document is wrong, rather than the machine or the system.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            TestbedError::Document { .. }
                | TestbedError::Read { .. }
                | TestbedError::UnknownVariant { .. }
                | TestbedError::UnknownService { .. }
                | TestbedError::NotUp { .. }
                | TestbedError::Conflict(_)
        )
    }

    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> TestbedError {
        let what = what.into();
        move |source| TestbedError::Io { what, source }
    }
}

fn list(items: &[String]) -> String {
    items
        .iter()
        .map(|item| format!("  - {item}"))
        .collect::<Vec<_>>()
        .join("\n")
}
