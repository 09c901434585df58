//! SIGINT, SIGTERM, SIGUSR1 and SIGKILL in every phase of `shaketable chaos run`: which processes are
//! left, and what the journal says. The table in docs/MIGRATING.md has the same cells, measured, with
//! the reference beside them (scripts/signals-beside-chaos-toolkit.py).
//!
//! An activity that is held starts a child of its own and makes its mark; then the signal is sent, to
//! the runner alone. What statuses and strategies make of a signal is tested with the runner's crate.

#[expect(dead_code, reason = "this file uses its part")]
mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use support::{Bench, Outcome, USAGE, eventually};

/// What can be caught.
const GRACEFUL: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1];
/// The variable that tells the processes of one run.
const RUN: &str = "SHAKETABLE_SIGNALS_TEST";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Dynamic configuration.
    Before,
    Hypothesis,
    /// Beside an activity in the background that ends when the file `go` is there.
    Method,
    Pause,
    Rollback,
}

/// What became of a run.
struct Ended {
    bench: Bench,
    outcome: Outcome,
    /// The programs of the run that still lived.
    left: Vec<String>,
    processes: Processes,
}

impl Ended {
    fn journal_file(&self) -> Option<Value> {
        let text = std::fs::read_to_string(self.bench.path("journal.json")).ok()?;
        Some(serde_json::from_str(&text).expect("the journal is JSON"))
    }

    /// What `shaketable journal` prints.
    fn journal(&self) -> Value {
        self.bench.run(&["journal"]).expect(0, &[]).json()
    }

    fn marks(&self, names: &[&str]) -> Vec<bool> {
        let there = |name: &&str| self.bench.path(&format!("mark-{name}")).exists();
        names.iter().map(there).collect()
    }
}

/// The processes of a run, whoever their parents are, with the programs they run. They are killed when
/// this is dropped.
struct Processes(String);

impl Processes {
    fn of(bench: &Bench) -> Processes {
        Processes(bench.path("").display().to_string())
    }

    fn alive(&self) -> Vec<(i32, String)> {
        let folders = std::fs::read_dir("/proc").expect("there is /proc");
        let alive = folders.flatten().filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            // A zombie has no environment any more.
            let environment = std::fs::read(entry.path().join("environ")).ok()?;
            let wanted = format!("{RUN}={}", self.0);
            let mut variables = environment.split(|byte| *byte == 0);
            variables.find(|variable| *variable == wanted.as_bytes())?;
            let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
            Some((pid, name.trim().to_owned()))
        });
        alive.collect()
    }

    fn programs(&self) -> Vec<String> {
        let mut programs: Vec<String> = self.alive().into_iter().map(|(_, name)| name).collect();
        programs.sort();
        programs
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for (pid, _) in self.alive() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Makes its mark and ends; a held one has a child, and ends with it.
fn activity(kind: &str, name: &str, held: bool) -> Value {
    let script = if held {
        format!("sleep 600 & touch mark-{name}; wait")
    } else {
        format!("touch mark-{name}")
    };
    let provider = json!({"type": "process", "path": "sh", "arguments": ["-c", script]});
    json!({"type": kind, "name": name, "provider": provider, "tolerance": 0})
}

fn experiment(phase: Phase) -> Value {
    let mut method = vec![activity("action", "break", phase == Phase::Method)];
    if phase == Phase::Method {
        let script = "touch mark-beside; until [ -e go ]; do sleep 0.05; done";
        let mut beside = activity("action", "beside", false);
        beside["provider"]["arguments"] = json!(["-c", script]);
        beside["background"] = json!(true);
        method.insert(0, beside);
    }
    if phase == Phase::Pause {
        method[0]["pauses"] = json!({"after": 600});
    }
    let look = activity("probe", "look", phase == Phase::Hypothesis);
    json!({
        "title": "t",
        "description": "d",
        "configuration": {"place": activity("probe", "place", phase == Phase::Before)},
        "steady-state-hypothesis": {"title": "h", "probes": [look]},
        "method": method,
        "rollbacks": [
            activity("action", "undo", phase == Phase::Rollback),
            activity("action", "last", false),
        ],
    })
}

/// Runs the experiment of a bench, sends the signal when these files are there and the log says this,
/// and lets what is in the background end.
fn interrupted_when(bench: Bench, files: &[&str], said: &str, signal: Signal) -> Ended {
    let processes = Processes::of(&bench);
    let mut command = bench.command(&["chaos", "run", "experiment.json"]);
    command.env(RUN, &processes.0);
    command.env("PYTHONPATH", bench.path(""));
    let run = bench.start_command(command);
    eventually("the phase is reached", || {
        let log = std::fs::read_to_string(bench.path("chaostoolkit.log")).unwrap_or_default();
        files.iter().all(|name| bench.path(name).exists()) && log.contains(said)
    });
    run.signal(signal);
    if signal != Signal::SIGKILL {
        bench.write("go", "");
    }
    let outcome = run.finish();
    if signal != Signal::SIGKILL {
        eventually("what was killed is gone", || processes.alive().is_empty());
    }
    let left = processes.programs();
    Ended {
        bench,
        outcome,
        left,
        processes,
    }
}

fn interrupted(phase: Phase, signal: Signal) -> Ended {
    let (files, said): (&[&str], &str) = match phase {
        Phase::Before => (&["mark-place"], ""),
        Phase::Hypothesis => (&["mark-look"], ""),
        Phase::Method => (&["mark-beside", "mark-break"], ""),
        Phase::Pause => (&["mark-break"], "Pausing after activity"),
        Phase::Rollback => (&["mark-undo"], ""),
    };
    let bench = Bench::new();
    bench.write("experiment.json", &experiment(phase).to_string());
    interrupted_when(bench, files, said, signal)
}

/// Names and statuses of a section of a journal.
fn entries(journal: &Value, section: &str) -> Vec<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let entries = journal[section].as_array().expect("a list").iter();
    entries
        .map(|entry| {
            (
                text(&entry["activity"]["name"]).expect("a name"),
                text(&entry["status"]),
            )
        })
        .collect()
}

fn succeeded(name: &str) -> (String, Option<String>) {
    (name.to_owned(), Some("succeeded".to_owned()))
}

fn without_status(name: &str) -> (String, Option<String>) {
    (name.to_owned(), None)
}

/// What every interrupted run has in common: exit code and status as the reference has them, nothing
/// left, and the same journal from the file and from the events on disk.
fn graceful(phase: Phase, signal: Signal) -> (Ended, Value) {
    let ended = interrupted(phase, signal);
    assert_eq!(ended.outcome.code, Some(1), "{:?}", ended.outcome);
    assert_eq!(ended.left, Vec::<String>::new());
    let journal = ended.journal_file().expect("there is a journal");
    assert_eq!(journal["status"], "interrupted");
    assert_eq!(ended.journal(), journal);
    (ended, journal)
}

/// A killed run: no journal file; the journal up to there from the events on disk.
fn killed(phase: Phase) -> (Ended, Value) {
    let ended = interrupted(phase, Signal::SIGKILL);
    assert_eq!(ended.outcome.code, None);
    assert_eq!(ended.journal_file(), None);
    let journal = ended.journal();
    assert_eq!(journal["status"], "interrupted");
    assert_eq!(journal["interruption"]["kind"], "crash");
    assert_eq!(
        entries(&journal, "rollbacks").is_empty(),
        phase != Phase::Rollback
    );
    (ended, journal)
}

#[test]
fn before_the_run_there_is_no_journal() {
    for signal in GRACEFUL {
        let ended = interrupted(Phase::Before, signal);
        // As the reference, it dies of the others.
        let expected = (signal == Signal::SIGINT).then_some(1);
        assert_eq!(ended.outcome.code, expected, "{:?}", ended.outcome);
        assert_eq!(ended.left, Vec::<String>::new());
        assert_eq!(ended.journal_file(), None);
        assert_eq!(ended.marks(&["look", "break", "undo"]), [false; 3]);
        ended
            .bench
            .run(&["journal"])
            .expect(USAGE, &["there is no run"]);
    }
}

#[test]
fn in_the_hypothesis() {
    for signal in GRACEFUL {
        let (ended, journal) = graceful(Phase::Hypothesis, signal);
        assert_eq!(entries(&journal, "run"), []);
        assert_eq!(ended.marks(&["break", "undo"]), [false; 2]);
    }
}

#[test]
fn in_the_method_what_is_in_the_background_may_end() {
    for signal in GRACEFUL {
        let (ended, journal) = graceful(Phase::Method, signal);
        let expected = [succeeded("beside"), without_status("break")];
        assert_eq!(entries(&journal, "run"), expected);
        assert_eq!(ended.marks(&["undo"]), [false]);
    }
}

#[test]
fn in_a_pause() {
    for signal in GRACEFUL {
        let (ended, journal) = graceful(Phase::Pause, signal);
        assert_eq!(entries(&journal, "run"), [succeeded("break")]);
        assert_eq!(ended.marks(&["undo"]), [false]);
    }
}

#[test]
fn in_a_rollback() {
    for signal in GRACEFUL {
        let (ended, journal) = graceful(Phase::Rollback, signal);
        assert_eq!(entries(&journal, "run"), [succeeded("break")]);
        assert_eq!(entries(&journal, "rollbacks"), [without_status("undo")]);
        assert_eq!(ended.marks(&["last"]), [false]);
    }
}

/// Nobody is there to end a killed runner's processes: they survive it, as they do there.
#[test]
fn sigkill_before_the_run() {
    let ended = interrupted(Phase::Before, Signal::SIGKILL);
    assert_eq!(ended.outcome.code, None);
    assert_eq!(ended.left, ["sh", "sleep"]);
    assert_eq!(ended.journal_file(), None);
    ended
        .bench
        .run(&["journal"])
        .expect(USAGE, &["there is no run"]);
}

#[test]
fn sigkill_in_the_hypothesis() {
    let (ended, journal) = killed(Phase::Hypothesis);
    assert_eq!(ended.left, ["sh", "sleep"]);
    assert_eq!(entries(&journal, "run"), []);
    let before = &journal["steady_states"]["before"];
    assert_eq!(entries(before, "probes"), [without_status("look")]);
}

#[test]
fn sigkill_in_the_method() {
    let (ended, journal) = killed(Phase::Method);
    // Of `break`, and of the loop in the background.
    assert!(
        ended
            .left
            .starts_with(&["sh".into(), "sh".into(), "sleep".into()])
    );
    let before = &journal["steady_states"]["before"];
    assert_eq!(entries(before, "probes"), [succeeded("look")]);
    let expected = [without_status("beside"), without_status("break")];
    assert_eq!(entries(&journal, "run"), expected);
}

#[test]
fn sigkill_in_a_pause() {
    let (ended, journal) = killed(Phase::Pause);
    assert_eq!(ended.left, Vec::<String>::new());
    assert_eq!(entries(&journal, "run"), [succeeded("break")]);
}

#[test]
fn sigkill_in_a_rollback() {
    let (ended, journal) = killed(Phase::Rollback);
    assert_eq!(ended.left, ["sh", "sleep"]);
    assert_eq!(entries(&journal, "run"), [succeeded("break")]);
    assert_eq!(entries(&journal, "rollbacks"), [without_status("undo")]);
}

/// The interpreter ends with the runner, also in the middle of a call.
#[test]
fn no_python_is_left_by_sigkill() {
    let bench = Bench::new();
    let module = "import pathlib, time\n\
                  def wait():\n    \
                  pathlib.Path('mark-wait').touch()\n    \
                  time.sleep(600)\n";
    bench.write("waiting.py", module);
    let provider = json!({"type": "python", "module": "waiting", "func": "wait"});
    let call = json!({"type": "action", "name": "call", "provider": provider});
    let experiment = json!({"title": "t", "description": "d", "method": [call]});
    bench.write("experiment.json", &experiment.to_string());
    let ended = interrupted_when(bench, &["mark-wait"], "", Signal::SIGKILL);
    assert_eq!(ended.outcome.code, None);
    eventually("the interpreter is gone", || {
        ended.processes.alive().is_empty()
    });
    assert_eq!(entries(&ended.journal(), "run"), [without_status("call")]);
}
