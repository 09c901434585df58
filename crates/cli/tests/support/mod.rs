//! What all tests of the program share: a home folder of its own, the program in it, a command in
//! the background, and waiting for events with a bound.
//!
//! Promise: whatever a test started is gone when its [`Bench`] is dropped, also when it failed.
//! Processes are remembered by pid, start time and boot, so that no stranger is ever killed.
//!
//! Only what both test binaries need is here; what one of them needs alone is in that one.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use shaketable_testbed::process::ProcessIdentity;
use shaketable_testbed::{InstanceStatus, SystemStatus};
use tempfile::TempDir;

/// The longest wait for something that is to happen by itself. A broker on a busy machine needs
/// up to a minute to be back.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// The longest wait for a command to end. A run on a busy machine takes up to two minutes.
const RUN_PATIENCE: Duration = Duration::from_secs(300);
/// How often it is looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Exit codes, as `--help` has them.
pub const PASSED: i32 = 0;
pub const DEVIATED: i32 = 1;
pub const USAGE: i32 = 2;
pub const INCONCLUSIVE: i32 = 3;

/// A folder with a home folder and documents in it, and the program.
pub struct Bench {
    folder: TempDir,
    home: PathBuf,
    seen: RefCell<Vec<ProcessIdentity>>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Outcome {
    /// Fails unless it ended with `code` and said all of `words`.
    #[track_caller]
    pub fn expect(self, code: i32, words: &[&str]) -> Outcome {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        for word in words {
            assert!(
                self.err.contains(word) || self.out.contains(word),
                "no `{word}` in\n{}\n{}",
                self.out,
                self.err
            );
        }
        self
    }

    /// The JSON object on standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.out, self.err))
    }
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with_home("home")
    }

    /// With its home folder at this path in the folder.
    pub fn with_home(home: &str) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join(home);
        Bench {
            folder,
            home,
            seen: RefCell::default(),
        }
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The home folder.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Writes a file into the folder; `HERE` in its text becomes the folder's path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let here = self.folder.path().to_string_lossy();
        std::fs::write(&path, text.replace("HERE", &here)).unwrap();
        path
    }

    /// A command of the program, for what is to be started in an unusual way.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shaketable"));
        command
            .args(arguments)
            .env("SHAKETABLE_HOME", self.home())
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Carries a command out.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.start(arguments).finish()
    }

    /// Starts a command in the background.
    pub fn start(&self, arguments: &[&str]) -> Background<'_> {
        self.start_command(self.command(arguments))
    }

    /// The same, with what was added to a [`Bench::command`].
    pub fn start_command(&self, mut command: Command) -> Background<'_> {
        let number = std::fs::read_dir(self.folder.path()).unwrap().count();
        let (out, err) = (
            self.path(&format!("out-{number}")),
            self.path(&format!("err-{number}")),
        );
        let before = self.runs();
        let child = command
            .stdout(std::fs::File::create(&out).unwrap())
            .stderr(std::fs::File::create(&err).unwrap())
            .spawn()
            .unwrap();
        Background {
            bench: self,
            child,
            out,
            err,
            before,
        }
    }

    /// The state of a system as its supervisor wrote it; nothing is asked, so nothing is healed.
    pub fn system(&self, name: &str) -> Option<SystemStatus> {
        let path = self.home().join("systems").join(name).join("system.json");
        serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
    }

    /// One instance of a system, by the same state.
    #[track_caller]
    pub fn instance(&self, system: &str, name: &str) -> InstanceStatus {
        let system = self.system(system).expect("the system has a state");
        system.instance(name).expect("it has the instance").clone()
    }

    /// Remembers every process of every system, to be ended with this bench.
    pub fn remember(&self) {
        let systems = std::fs::read_dir(self.home().join("systems"));
        let names = systems
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        for status in names.filter_map(|name| self.system(&name)) {
            let instances = status.instances.into_iter();
            let processes = instances.filter_map(|instance| instance.process);
            for process in processes.chain([status.supervisor]) {
                self.remember_process(process);
            }
        }
    }

    /// Remembers a process of which no system's state tells.
    pub fn remember_process(&self, process: ProcessIdentity) {
        let mut seen = self.seen.borrow_mut();
        if !seen.contains(&process) {
            seen.push(process);
        }
    }

    /// Remembered processes that still run.
    pub fn alive(&self) -> Vec<i32> {
        self.remember();
        let seen = self.seen.borrow();
        let alive = seen.iter().filter(|process| process.is_alive());
        alive.map(|process| process.pid).collect()
    }

    /// The undo records that are in place.
    pub fn fault_records(&self) -> Vec<PathBuf> {
        files_in(&self.home().join("faults"))
    }

    /// The folders of all runs, the oldest first.
    pub fn runs(&self) -> Vec<PathBuf> {
        files_in(&self.home().join("runs"))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.remember();
        let _ = self.command(&["down", "--all"]).output();
        for process in self.seen.borrow().iter() {
            process.kill_group();
        }
    }
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// A command in the background. It is killed when this is dropped.
pub struct Background<'a> {
    bench: &'a Bench,
    child: Child,
    out: PathBuf,
    err: PathBuf,
    before: Vec<PathBuf>,
}

impl Background<'_> {
    /// Waits until its run has journalled an event of that name.
    #[track_caller]
    pub fn await_event(&mut self, event: &str) {
        eventually(event, || {
            let ended = self.child.try_wait().unwrap();
            let happened = self.events().iter().any(|one| one == event);
            assert!(
                happened || ended.is_none(),
                "it ended before `{event}`: {:?}\n{}",
                self.events(),
                read(&self.err)
            );
            happened
        });
        self.bench.remember();
    }

    /// The names of the events its run has journalled.
    pub fn events(&self) -> Vec<String> {
        let mut runs = self.bench.runs();
        runs.retain(|run| !self.before.contains(run));
        runs.first().map_or_else(Vec::new, |run| events(run))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Waits until it has ended.
    #[track_caller]
    pub fn finish(mut self) -> Outcome {
        let mut status = None;
        within(RUN_PATIENCE, "the command ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        Outcome {
            code: status.and_then(|status| status.code()),
            out: read(&self.out),
            err: read(&self.err),
        }
    }
}

impl Drop for Background<'_> {
    fn drop(&mut self) {
        self.bench.remember();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The names of the events in a run's journal.
pub fn events(run: &Path) -> Vec<String> {
    let lines = read(&run.join("journal.ndjson"));
    let events = lines.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        Some(line["event"].as_str()?.to_owned())
    });
    events.collect()
}

/// Waits until it holds, at most [`PATIENCE`].
#[track_caller]
pub fn eventually(what: &str, holds: impl FnMut() -> bool) {
    within(PATIENCE, what, holds);
}

#[track_caller]
fn within(patience: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !holds() {
        assert!(
            Instant::now() < deadline,
            "not within {} s: {what}",
            patience.as_secs()
        );
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// Fails unless these came in this order, with anything between them.
#[track_caller]
pub fn in_order(events: &[String], expected: &[&str]) {
    let mut rest = events.iter();
    for event in expected {
        assert!(
            rest.any(|one| one == event),
            "`{event}` is not where it should be in {events:#?}"
        );
    }
}
