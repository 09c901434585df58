//! What an earlier life of a system left in its folder, and who may touch it.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::control::SystemStatus;
use crate::drivers::remove_volume;
use crate::error::TestbedError;
use crate::home::{Home, SystemFolder};
use crate::process::boot_id;

/// The longest wait for the lock: whoever asks whether it is held has it for a moment.
const CLAIM_PATIENCE: Duration = Duration::from_millis(200);
/// How often it is tried.
const CLAIM_INTERVAL: Duration = Duration::from_millis(5);
/// Events of so many bytes are put aside.
const EVENTS_BYTES_MAX: u64 = 8 << 20;

/// The right to a system's folder: one process has it at a time, and the kernel takes it back when
/// that process dies.
pub(crate) struct Claim {
    folder: SystemFolder,
    _lock: File,
}

impl Claim {
    /// Claims the folder, which is made if it is not there.
    pub(crate) fn of(folder: &SystemFolder, name: &str) -> Result<Claim, TestbedError> {
        let logs = folder.logs();
        std::fs::create_dir_all(&logs)
            .map_err(TestbedError::io(format!("make {}", logs.display())))?;
        let path = folder.root().join("lock");
        let lock =
            File::create(&path).map_err(TestbedError::io(format!("make {}", path.display())))?;
        let deadline = Instant::now() + CLAIM_PATIENCE;
        while lock.try_lock().is_err() {
            if Instant::now() > deadline {
                return Err(TestbedError::Conflict(format!(
                    "system `{name}` already has a supervisor"
                )));
            }
            std::thread::sleep(CLAIM_INTERVAL);
        }
        Ok(Claim {
            folder: folder.clone(),
            _lock: lock,
        })
    }

    /// Whether some process has claimed the folder. Nothing is made.
    pub(crate) fn is_held(folder: &SystemFolder) -> bool {
        File::open(folder.root().join("lock"))
            .is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Ends what the supervisor before this one could not: its own process, every process it had
    /// recorded and every one that carries its mark. None is touched unless it is that very process.
    pub(crate) fn end_leftovers(&self) {
        let Some(status) = recorded(&self.folder) else {
            return;
        };
        status.supervisor.kill_group();
        for instance in &status.instances {
            if let Some(process) = &instance.process {
                process.kill_group();
            }
        }
        if status.supervisor.boot_id == boot_id() {
            crate::spawn::sweep(&status.supervisor);
        }
    }

    /// Removes what the servers kept, as removing a container does.
    pub(crate) fn remove_data(&self) -> Result<(), TestbedError> {
        for instance in recorded(&self.folder)
            .iter()
            .flat_map(|status| &status.instances)
        {
            if let Some(path) = &instance.data_elsewhere {
                remove_folder(path)?;
            }
        }
        remove_folder(&self.folder.root().join("data"))
    }

    /// Removes the logs of the life before this one, which stay until the next start; the
    /// supervisor's own is this life's already. Events go on where they were.
    pub(crate) fn remove_records(&self) -> Result<(), TestbedError> {
        let own = self.folder.supervisor_log();
        let logs = std::fs::read_dir(self.folder.logs());
        let logs = logs.into_iter().flatten().flatten();
        for path in logs.map(|entry| entry.path()).filter(|path| *path != own) {
            std::fs::remove_file(&path)
                .or_else(unless_missing)
                .map_err(TestbedError::io(format!("remove {}", path.display())))?;
        }
        Ok(())
    }

    /// Removes the named volumes of the system, and returns their names.
    pub(crate) fn remove_volumes(
        &self,
        home: &Home,
        system: &str,
    ) -> Result<Vec<String>, TestbedError> {
        let folder = home.volumes(system);
        let mut removed = Vec::new();
        for volume in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = volume.path();
            remove_volume(&path).map_err(TestbedError::io(format!("remove {}", path.display())))?;
            removed.push(volume.file_name().to_string_lossy().into_owned());
        }
        removed.sort();
        remove_folder(&folder)?;
        Ok(removed)
    }
}

/// The last state a supervisor wrote, if it can be read.
pub(crate) fn recorded(folder: &SystemFolder) -> Option<SystemStatus> {
    serde_json::from_str(&std::fs::read_to_string(folder.state_file()).ok()?).ok()
}

/// Puts the events aside when they are many, in place of those that were put aside before.
pub(super) fn put_events_aside(folder: &SystemFolder) -> std::io::Result<()> {
    let events = folder.events_file();
    if std::fs::metadata(&events).is_ok_and(|events| events.len() > EVENTS_BYTES_MAX) {
        std::fs::rename(&events, events.with_extension("ndjson.1"))?;
    }
    Ok(())
}

fn remove_folder(path: &Path) -> Result<(), TestbedError> {
    std::fs::remove_dir_all(path)
        .or_else(unless_missing)
        .map_err(TestbedError::io(format!("remove {}", path.display())))
}

fn unless_missing(error: std::io::Error) -> std::io::Result<()> {
    match error.kind() {
        ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    }
}
