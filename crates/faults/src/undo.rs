//! Undo records: one small file per fault that is, or may be, in place.
//!
//! A record is written, file and folder synced, before the fault is applied, rewritten as the fault
//! goes through its life, and removed when the recovery was observed. What is in the folder after a
//! crash is therefore exactly what may still have to be undone.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shaketable_testbed::process::ProcessIdentity;

use crate::fault::{FaultError, Parameters};
use crate::target::Hit;

/// Where a fault is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The record is written, the fault may or may not be in place.
    Applying,
    /// It is in place.
    Injected,
    /// It is being undone.
    Recovering,
}

/// Everything that is needed to undo a fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UndoRecord {
    /// Unique: the run's id and a number.
    pub id: String,
    /// The run that applied it.
    pub run: String,
    /// The fault's name in the catalogue.
    pub fault: String,
    /// Its parameters.
    pub parameters: Parameters,
    /// The target as the experiment names it.
    pub target: String,
    /// What that was at the moment of injection.
    pub hit: Hit,
    /// The process that applied it; while it lives, undoing is its business.
    pub engine: ProcessIdentity,
    /// When applying began.
    pub applied_at: Timestamp,
    /// Where it is in its life.
    pub phase: Phase,
}

/// The folder of undo records.
#[derive(Clone, Debug)]
pub struct UndoJournal {
    folder: PathBuf,
}

impl UndoJournal {
    /// The journal in `folder`, which is made when the first record is written.
    pub fn new(folder: PathBuf) -> UndoJournal {
        UndoJournal { folder }
    }

    /// Writes a record durably; one of the same id is replaced.
    pub fn write(&self, record: &UndoRecord) -> Result<(), FaultError> {
        let path = self.path(&record.id);
        let temporary = path.with_extension("json.tmp");
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(&self.folder)?;
            // Parameters may hold the password of a database.
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&temporary)?;
            file.write_all(&serde_json::to_vec_pretty(record).map_err(std::io::Error::other)?)?;
            file.sync_all()?;
            std::fs::rename(&temporary, &path)?;
            sync_folder(&self.folder)
        };
        write().map_err(|source| error(&path, source))
    }

    /// Removes a record durably; one that is not there is no error.
    pub fn remove(&self, id: &str) -> Result<(), FaultError> {
        let path = self.path(id);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(error(&path, source))
            }
            _ => sync_folder(&self.folder).map_err(|source| error(&self.folder, source)),
        }
    }

    /// All records, oldest first. A file that is no record is an error of its own: it may stand
    /// for a fault that is in place.
    pub fn all(&self) -> Vec<Result<UndoRecord, FaultError>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(source) => return vec![Err(error(&self.folder, source))],
        };
        let mut paths: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "json")
            })
            .collect();
        paths.sort();
        let mut records: Vec<Result<UndoRecord, FaultError>> = paths
            .iter()
            .map(|path| {
                let bytes = std::fs::read(path).map_err(|source| error(path, source))?;
                serde_json::from_slice(&bytes)
                    .map_err(|source| error(path, std::io::Error::other(source)))
            })
            .collect();
        records.sort_by_key(|record| record.as_ref().ok().map(|record| record.applied_at));
        records
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }
}

fn sync_folder(folder: &Path) -> std::io::Result<()> {
    match std::fs::File::open(folder) {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
        file => file?.sync_all(),
    }
}

fn error(path: &Path, source: std::io::Error) -> FaultError {
    FaultError::Record {
        path: path.display().to_string(),
        source,
    }
}
