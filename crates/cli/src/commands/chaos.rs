//! `chaos`: the Chaos Toolkit's command line, strictly. It is also what the program is when it is
//! called by that name.
//!
//! It starts without a runtime of many threads, and without looking at anything that the Chaos
//! Toolkit would not look at, except for faults that a dead run left behind.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread::JoinHandle;

use shaketable_chaostoolkit::Console;
use shaketable_chaostoolkit::journal::RunLog;
use shaketable_engine::RunFolder;
use shaketable_testbed::Home;

use super::heal;
use crate::exit::Exit;
use crate::terminal;

/// The name under which the program is the Chaos Toolkit.
const NAME: &str = "chaos";

/// The arguments behind `chaos`, if that is what is asked for: by the program's name, or by its first
/// argument.
pub fn asked_for(mut arguments: impl Iterator<Item = OsString>) -> Option<Vec<OsString>> {
    let program = arguments.next()?;
    if Path::new(&program).file_name() == Some(NAME.as_ref()) {
        return Some(arguments.collect());
    }
    (arguments.next()? == NAME).then(|| arguments.collect())
}

/// Carries it out.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let home = match Home::from_environment() {
        Ok(home) => home,
        Err(error) => {
            terminal::error(&format!("cannot find the home folder: {error}"));
            return Exit::Error.into();
        }
    };
    if anything_in(&home.faults()) {
        heal_first(&home);
    }
    let console = Console::new(io::BufReader::new(io::stdin()), io::stdout(), io::stderr());
    let log = EventLog { home, file: None };
    let code = shaketable_chaostoolkit::main(arguments, console, Some(Box::new(log)));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn anything_in(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

fn heal_first(home: &Home) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    match runtime.enable_all().build() {
        Ok(runtime) => {
            runtime.block_on(heal::leftovers(home));
        }
        Err(error) => terminal::error(&format!("cannot heal what is left behind: {error}")),
    }
}

/// The event log of a run, in the run's folder. The folder is made with the first event: commands
/// that run nothing leave nothing.
struct EventLog {
    home: Home,
    file: Option<SyncedFile>,
}

impl RunLog for EventLog {
    fn append(&mut self, line: &str) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let folder = RunFolder::create(&self.home)?;
                none.insert(SyncedFile::create(&folder.journal())?)
            }
        };
        file.write(&format!("{line}\n"))
    }
}

/// A file that is written at once, so that nothing is lost when this program is killed, and synced
/// beside the work, so that an activity need not wait for the disk. It is closed when all is on disk.
struct SyncedFile {
    file: File,
    /// Asks for a sync. One that waits covers everything written until it begins.
    sync: Option<SyncSender<()>>,
    syncing: Option<JoinHandle<io::Result<()>>>,
}

impl SyncedFile {
    fn create(path: &Path) -> io::Result<SyncedFile> {
        // Outputs of activities are in it as they are, but for secrets.
        let file = File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        let synced = file.try_clone()?;
        let (sync, asked) = std::sync::mpsc::sync_channel(1);
        let syncing = std::thread::Builder::new()
            .name("event-log".to_owned())
            .spawn(move || {
                while asked.recv().is_ok() {
                    synced.sync_data()?;
                }
                Ok(())
            })?;
        Ok(SyncedFile {
            file,
            sync: Some(sync),
            syncing: Some(syncing),
        })
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.file.write_all(text.as_bytes())?;
        match self.sync.as_ref().map(|sync| sync.try_send(())) {
            Some(Ok(()) | Err(TrySendError::Full(()))) => Ok(()),
            // It ends by itself only when the disk has failed.
            Some(Err(TrySendError::Disconnected(()))) | None => self.close(),
        }
    }

    /// Waits until everything is on disk.
    fn close(&mut self) -> io::Result<()> {
        self.sync = None;
        match self.syncing.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) | None => Err(io::Error::other("the event log is not synced any more")),
        }
    }
}

impl Drop for SyncedFile {
    fn drop(&mut self) {
        // What fails here failed before as well, and was told then.
        let _ = self.close();
    }
}
