//! The log: lines on standard error and in `chaostoolkit.log`.
//!
//! Promises:
//! 1. A console line is `[YYYY-mm-dd HH:MM:SS LEVEL] message`, in the reference's colours, also when nobody
//!    looks; with `--verbose` and in the file it tells `[module:line]` too. Further lines of a message are
//!    indented.
//! 2. With `--log-format json` the console gets one JSON object a record; the file stays text.
//! 3. No record shows a secret that [`Redaction`] knows.
//!
//! Module and line are those of our own source, which differ from the reference's, except for records that
//! come from Python.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::console::Console;
use crate::redaction::Redaction;

/// Writes records. Cheap to clone.
#[derive(Clone)]
pub struct Logger {
    sink: Option<Arc<Sink>>,
    redaction: Redaction,
}

/// How serious a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For finding out what happened.
    Debug,
    /// What a user wants to follow.
    Info,
    /// Something a user should look at.
    Warning,
    /// Something failed.
    Error,
    /// The command failed.
    Critical,
}

/// One record.
#[derive(Debug, Clone)]
pub struct Record {
    /// How serious it is.
    pub level: Level,
    /// The source file it comes from, without folder and extension.
    pub module: String,
    /// The line there.
    pub line: u32,
    /// What it says.
    pub message: String,
    /// The traceback of an exception that belongs to it.
    pub exception: Option<String>,
}

/// Where records go, and in which form.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Debug records on the console too, and where records come from.
    pub verbose: bool,
    /// JSON objects on the console.
    pub json: bool,
    /// The file, and what it is given at least.
    pub file: Option<(PathBuf, Level)>,
}

struct Sink {
    console: Console,
    verbose: bool,
    json: bool,
    /// One id for all records of a command, in JSON only.
    context_id: String,
    file: Option<(Mutex<File>, Level)>,
}

impl Logger {
    /// A logger for a command. The file is appended to; an error of opening it is given back.
    pub fn new(
        console: Console,
        redaction: Redaction,
        options: &LogOptions,
    ) -> std::io::Result<Logger> {
        let file = match &options.file {
            Some((path, level)) => {
                let file = OpenOptions::new().append(true).create(true).open(path)?;
                Some((Mutex::new(file), *level))
            }
            None => None,
        };
        let context_id = if options.json {
            random_id()
        } else {
            String::new()
        };
        let sink = Sink {
            console,
            verbose: options.verbose,
            json: options.json,
            context_id,
            file,
        };
        Ok(Logger {
            sink: Some(Arc::new(sink)),
            redaction,
        })
    }

    /// A logger that writes nothing.
    pub fn silent() -> Logger {
        Logger {
            sink: None,
            redaction: Redaction::default(),
        }
    }

    /// Writes a debug record.
    #[track_caller]
    pub fn debug(&self, message: impl AsRef<str>) {
        self.log(Level::Debug, message.as_ref(), Location::caller());
    }

    /// Writes an info record.
    #[track_caller]
    pub fn info(&self, message: impl AsRef<str>) {
        self.log(Level::Info, message.as_ref(), Location::caller());
    }

    /// Writes a warning.
    #[track_caller]
    pub fn warning(&self, message: impl AsRef<str>) {
        self.log(Level::Warning, message.as_ref(), Location::caller());
    }

    /// Writes an error.
    #[track_caller]
    pub fn error(&self, message: impl AsRef<str>) {
        self.log(Level::Error, message.as_ref(), Location::caller());
    }

    /// Writes a critical error.
    #[track_caller]
    pub fn critical(&self, message: impl AsRef<str>) {
        self.log(Level::Critical, message.as_ref(), Location::caller());
    }

    /// Tells standard error a text as it is: what the reference says through a logger that nobody configured.
    pub fn bare(&self, message: impl AsRef<str>) {
        if let Some(sink) = &self.sink {
            let text = self.redaction.text(message.as_ref());
            sink.console.err(&format!("{text}\n"));
        }
    }

    /// Whether a record of a level would be written anywhere: costly messages ask first.
    pub fn enabled(&self, level: Level) -> bool {
        self.sink.as_ref().is_some_and(|sink| {
            sink.console_takes(level) || sink.file.as_ref().is_some_and(|file| level >= file.1)
        })
    }

    /// Writes a record that comes from somewhere else, such as the Python host.
    pub fn record(&self, record: Record) {
        let Some(sink) = &self.sink else { return };
        if !self.enabled(record.level) {
            return;
        }
        let record = Record {
            message: self.redaction.text(&record.message).into_owned(),
            exception: record
                .exception
                .map(|text| self.redaction.text(&text).into_owned()),
            ..record
        };
        sink.write(&record);
    }

    fn log(&self, level: Level, message: &str, location: &Location<'_>) {
        if !self.enabled(level) {
            return;
        }
        let module = Path::new(location.file())
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        self.record(Record {
            level,
            module: module.unwrap_or_default(),
            line: location.line(),
            message: message.to_string(),
            exception: None,
        });
    }
}

impl Sink {
    fn console_takes(&self, level: Level) -> bool {
        level >= Level::Info || self.verbose
    }

    fn write(&self, record: &Record) {
        let now = jiff::Zoned::now();
        if self.console_takes(record.level) {
            let line = if self.json {
                self.json_line(record, &now)
            } else {
                text_line(record, &now, self.verbose, self.console.is_terminal())
            };
            self.console.err(&line);
        }
        if let Some((file, least)) = &self.file
            && record.level >= *least
        {
            let line = text_line(record, &now, true, self.console.is_terminal());
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = file.write_all(line.as_bytes());
        }
    }

    fn json_line(&self, record: &Record, now: &jiff::Zoned) -> String {
        let mut object = serde_json::Map::new();
        let mut put = |key: &str, value: serde_json::Value| object.insert(key.to_string(), value);
        put("process", std::process::id().into());
        put(
            "asctime",
            now.strftime("%Y-%m-%d %H:%M:%S,%3f").to_string().into(),
        );
        put("levelname", record.level.name().into());
        put("module", record.module.clone().into());
        put("lineno", record.line.into());
        put("message", record.message.clone().into());
        if let Some(exception) = &record.exception {
            put("exc_info", exception.trim_end().into());
        }
        put("context_id", self.context_id.clone().into());
        let moment = now.timestamp().strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00");
        put("timestamp", moment.to_string().into());
        let mut line = serde_json::Value::Object(object).to_string();
        line.push('\n');
        line
    }
}

fn text_line(record: &Record, now: &jiff::Zoned, source: bool, terminal: bool) -> String {
    let mut line = format!(
        "{}[{} {}]",
        record.level.colour(),
        now.strftime("%Y-%m-%d %H:%M:%S"),
        record.level.name()
    );
    if source {
        line.push_str(&format!(" [{}:{}]", record.module, record.line));
    }
    if terminal {
        line.push_str("\x1b[39m");
    }
    line.push(' ');
    line.push_str(&record.message);
    if let Some(exception) = &record.exception {
        line.truncate(line.trim_end().len());
        line.push('\n');
        line.push_str(exception.trim_end_matches('\n'));
    }
    let mut line = line.replace('\n', "\n    ");
    line.push('\n');
    line
}

impl Level {
    /// The level of a name that `--log-file-level` takes.
    pub fn of_name(name: &str) -> Option<Level> {
        match name {
            "debug" => Some(Level::Debug),
            "info" => Some(Level::Info),
            "warning" => Some(Level::Warning),
            "error" => Some(Level::Error),
            "critical" => Some(Level::Critical),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
            Level::Critical => "CRITICAL",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Level::Debug => "\x1b[36m",
            Level::Info => "\x1b[32m",
            Level::Warning => "\x1b[33m",
            Level::Error | Level::Critical => "\x1b[31m",
        }
    }
}

/// A random UUID (version 4); all zeros where the system gives no random bytes.
fn random_id() -> String {
    let mut bytes = [0u8; 16];
    if let Ok(mut source) = File::open("/dev/urandom") {
        let _ = source.read_exact(&mut bytes);
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}
