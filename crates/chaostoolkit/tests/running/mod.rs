//! Runs the command in a process of its own: the test binary starts itself again, and there the test
//! [`command_itself`] is the command. So every run has its own folder, environment and signals.

use std::fs;
use std::io::{self, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use shaketable_chaostoolkit::{Console, RunLog, main};
use tempfile::TempDir;

const ARGUMENTS: &str = "CHAOS_TEST_ARGUMENTS";
const LOG: &str = "run.ndjson";
/// The longest time that a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The command, when this process was started to be it; to be called by a test of that name.
pub fn command_itself() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else {
        return;
    };
    let console = Console::new(BufReader::new(io::stdin()), io::stdout(), io::stderr());
    let arguments = arguments.lines().map(Into::into).collect();
    let code = main(arguments, console, Some(Box::new(LogFile)));
    #[expect(clippy::exit, reason = "this process is the command")]
    std::process::exit(code);
}

struct LogFile;

impl RunLog for LogFile {
    fn append(&mut self, line: &str) -> io::Result<()> {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(LOG)?;
        writeln!(file, "{line}")
    }
}

/// A folder with an experiment, and the runs in it.
pub struct Bench {
    /// The folder.
    pub folder: TempDir,
}

/// How a run ended and what it wrote.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub journal: Option<Value>,
    pub events: Vec<Value>,
    pub log: Vec<String>,
    pub out: String,
    pub err: String,
}

impl Bench {
    pub fn new(experiment: &str) -> Bench {
        let folder = TempDir::new().expect("a temporary folder");
        let bench = Bench { folder };
        bench.file("experiment.yaml", experiment);
        bench
    }

    pub fn file(&self, name: &str, content: &str) {
        fs::write(self.folder.path().join(name), content).expect("a file of the test");
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub fn start(&self, more: &[&str]) -> Child {
        let mut arguments = vec!["--no-version-check", "--no-log-file"];
        arguments.extend([
            "--settings",
            "settings.yaml",
            "run",
            "--events-file",
            "events",
        ]);
        arguments.extend(more);
        arguments.push("experiment.yaml");
        let name = "command_itself";
        Command::new(std::env::current_exe().expect("the test binary"))
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(ARGUMENTS, arguments.join("\n"))
            .env("PYTHONPATH", self.folder.path())
            .env("A_SECRET", "not-for-the-journal")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the test binary starts")
    }

    pub fn run(&self, more: &[&str]) -> Ran {
        self.end(self.start(more))
    }

    pub fn end(&self, child: Child) -> Ran {
        let output = child.wait_with_output().expect("the command ends");
        let lines = |name: &str| -> Vec<String> {
            let text = fs::read_to_string(self.path(name)).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        };
        let parse = |line: &String| serde_json::from_str(line).expect("JSON");
        let journal = fs::read_to_string(self.path("journal.json")).ok();
        Ran {
            code: output.status.code(),
            journal: journal.as_ref().map(parse),
            events: lines("events").iter().map(parse).collect(),
            log: lines(LOG),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Waits until a file is there.
    pub fn wait_for(&self, name: &str) {
        let path: &Path = &self.path(name);
        let start = Instant::now();
        while !path.exists() {
            assert!(start.elapsed() < PATIENCE, "{name} does not appear");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Ran {
    /// The journal, or a panic with what the command said.
    pub fn journal(&self) -> &Value {
        let journal = self.journal.as_ref();
        journal.unwrap_or_else(|| panic!("no journal: {self:?}"))
    }

    /// The status, whether it deviated, the exit code.
    pub fn end(&self) -> (&str, bool, i32) {
        let journal = self.journal();
        (
            journal["status"].as_str().expect("a status"),
            journal["deviated"].as_bool().expect("deviated"),
            self.code.expect("an exit code"),
        )
    }

    /// Names and statuses of the entries of a section of the journal.
    pub fn entries(&self, section: &str) -> Vec<(String, Option<String>)> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let entries = self.journal()[section].as_array().expect("entries").iter();
        entries
            .map(|entry| {
                let name = text(&entry["activity"]["name"]).unwrap_or_default();
                (name, text(&entry["status"]))
            })
            .collect()
    }

    /// The types of the events.
    pub fn event_types(&self) -> Vec<&str> {
        let types = self
            .events
            .iter()
            .filter_map(|event| event["type"].as_str());
        types.collect()
    }
}
