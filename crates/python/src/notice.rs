//! What the host tells unasked: log records, signals, and changes of its environment.

use serde_json::Value as Json;

/// Where the host's notices arrive, in order.
pub type Notices = tokio::sync::mpsc::UnboundedReceiver<Notice>;

/// Something the host tells unasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Code wrote to the logger `chaostoolkit`.
    Log(LogRecord),
    /// Code sent this signal to its own process; the runner should act as if it had received it. The
    /// foreground call, if there is one, has got the matching exception already.
    Signal(i32),
    /// Code has set these variables of its environment, or removed those without a value.
    Environment(Vec<(String, Option<String>)>),
}

/// A record of Python's `logging`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// `DEBUG`, `INFO`, `WARNING`, `ERROR`, `CRITICAL` or what the code calls its own.
    pub level: String,
    /// The logger's name.
    pub logger: String,
    /// The module that logged.
    pub module: String,
    /// The line in it; 0 when the host itself speaks.
    pub line: u32,
    /// The message, and after a line feed the traceback if there is one.
    pub message: String,
}

impl LogRecord {
    pub(crate) fn from_json(json: &Json) -> LogRecord {
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_string();
        LogRecord {
            level: text("level"),
            logger: text("logger"),
            module: text("module"),
            line: json["line"]
                .as_u64()
                .and_then(|line| line.try_into().ok())
                .unwrap_or(0),
            message: text("message"),
        }
    }
}
