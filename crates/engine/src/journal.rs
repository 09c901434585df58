//! The journal of a run: one JSON object a line, appended and synced event by event.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::{Value, json};

/// The open journal of a running run.
#[derive(Debug)]
pub struct Journal {
    file: Mutex<File>,
    failure: Mutex<Option<String>>,
    t0: Instant,
}

impl Journal {
    /// Opens the journal at `path` for appending; `t0` is the zero of its clock.
    pub fn open(path: &Path, t0: Instant) -> std::io::Result<Journal> {
        // Outputs of activities are in it as they are.
        let file = File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        Ok(Journal {
            file: Mutex::new(file),
            failure: Mutex::new(None),
            t0,
        })
    }

    /// Appends an event: wall-clock time, µs since the run began, its name, and what belongs to it.
    /// It is on disk when this returns, or [`Journal::failure`] says why not.
    pub fn write(&self, event: &str, detail: Value) {
        let line = json!({
            "at": jiff::Timestamp::now().to_string(),
            "us": self.now_us(),
            "event": event,
            "detail": detail,
        });
        let mut file = self
            .file
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Err(error) = file
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| file.sync_data())
        {
            let mut failure = self
                .failure
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            failure.get_or_insert_with(|| format!("the journal cannot be written: {error}"));
        }
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
