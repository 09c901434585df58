//! The journal of a run: one JSON object a line, appended and synced event by event, without secrets.
//!
//! A line has the time, the event's name and what belongs to it under `detail`. Events that are also
//! in the Chaos Toolkit's journal have its fields beside that (see [`crate::toolkit_journal`]).

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::{Map, Value, json};
use shaketable_dialect::redaction::Redaction;

/// The open journal of a running run.
#[derive(Debug)]
pub struct Journal {
    file: Mutex<File>,
    failure: Mutex<Option<String>>,
    redaction: Redaction,
    t0: Instant,
}

/// One event, not yet written.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// Its name.
    pub name: &'static str,
    /// What belongs to it.
    pub detail: Value,
    /// Further fields of its line.
    pub fields: Map<String, Value>,
}

impl Journal {
    /// Opens the journal at `path` for appending; `t0` is the zero of its clock. What `redaction`
    /// knows is kept out of it.
    pub fn open(path: &Path, t0: Instant, redaction: Redaction) -> std::io::Result<Journal> {
        // Outputs of activities are in it, which are nobody else's business.
        let file = File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        Ok(Journal {
            file: Mutex::new(file),
            failure: Mutex::new(None),
            redaction,
            t0,
        })
    }

    /// Appends an event: wall-clock time, µs since the run began, its name, and what belongs to it.
    /// It is on disk when this returns, or [`Journal::failure`] says why not.
    pub fn write(&self, name: &'static str, detail: Value) {
        self.write_all([Event {
            name,
            detail,
            fields: Map::new(),
        }]);
    }

    /// Appends events that happened together, one behind the other.
    pub fn write_all(&self, events: impl IntoIterator<Item = Event>) {
        let lines: String = events
            .into_iter()
            .map(|event| {
                let mut line = json!({
                    "at": jiff::Timestamp::now().to_string(),
                    "us": self.now_us(),
                    "event": event.name,
                    "detail": event.detail,
                });
                if let Some(line) = line.as_object_mut() {
                    line.extend(event.fields);
                }
                format!("{}\n", self.redaction.json(&line))
            })
            .collect();
        let mut file = self
            .file
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Err(error) = file
            .write_all(lines.as_bytes())
            .and_then(|()| file.sync_data())
        {
            let mut failure = self
                .failure
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            failure.get_or_insert_with(|| format!("the journal cannot be written: {error}"));
        }
    }

    /// The secrets that are kept out of it.
    pub fn redaction(&self) -> &Redaction {
        &self.redaction
    }

    /// The first failure to write. A run whose journal could not be written proves nothing.
    pub fn failure(&self) -> Option<String> {
        self.failure
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// µs since the run began.
    pub fn now_us(&self) -> u64 {
        self.t0.elapsed().as_micros() as u64
    }

    /// The zero of the run's clock.
    pub fn t0(&self) -> Instant {
        self.t0
    }
}
