//! Why a function failed, and whose fault it is.

use std::fmt;

use shaketable_kafka::Error;

/// Why a function failed: where, what, what to do next, and who is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{function}: {problem} (at fault: {culprit})")]
pub struct Failure {
    function: String,
    problem: String,
    culprit: Culprit,
}

/// Who is at fault, so that the reader knows where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Culprit {
    /// The document: a name, an argument or an order of steps is wrong.
    Experiment,
    /// What is under test: brokers, groups, or the way to them.
    System,
}

impl fmt::Display for Culprit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Experiment => "the experiment",
            Self::System => "the system",
        })
    }
}

impl Failure {
    /// Who is at fault.
    pub fn culprit(&self) -> Culprit {
        self.culprit
    }

    pub(crate) fn experiment(function: &str, problem: impl Into<String>) -> Self {
        Self::new(function, problem, Culprit::Experiment)
    }

    pub(crate) fn system(function: &str, problem: impl Into<String>) -> Self {
        Self::new(function, problem, Culprit::System)
    }

    pub(crate) fn kafka(function: &str, error: &Error) -> Self {
        let culprit = match error {
            Error::UnknownTopic { .. }
            | Error::UnknownPartition { .. }
            | Error::UnknownGroup { .. }
            | Error::GroupNotEmpty { .. }
            | Error::OffsetOutOfRange { .. }
            | Error::Property { .. }
            | Error::Authentication { .. } => Culprit::Experiment,
            _ => Culprit::System,
        };
        Self::new(function, error.to_string(), culprit)
    }

    fn new(function: &str, problem: impl Into<String>, culprit: Culprit) -> Self {
        Self {
            function: function.to_owned(),
            problem: problem.into(),
            culprit,
        }
    }
}
