//! What Python would have raised.

/// An exception that the reference would have raised here: its type and its message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Raised {
    /// The exception's class, such as `TypeError` or `InvalidExperiment`.
    pub kind: String,
    /// Its message, as `str(exception)` gives it.
    pub message: String,
}

impl Raised {
    /// An exception of a class, with a message.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Raised {
        Raised {
            kind: kind.into(),
            message: message.into(),
        }
    }
}
