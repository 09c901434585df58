//! Signals in every phase of a run: what ends, what is rolled back, what the journal says.

#[expect(dead_code, reason = "each test file uses its part")]
mod running;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use running::{Bench, Ran};
use serde_json::json;

#[test]
fn command_itself() {
    running::command_itself();
}

/// An experiment whose part `here` makes the file `mark` and then takes long.
fn bench(here: &str) -> Bench {
    let wait = "exec sleep 60";
    let command = |part: &str| {
        let then = if part == here {
            format!("touch mark; {wait}")
        } else {
            "exit 0".to_owned()
        };
        format!("provider: {{type: process, path: sh, arguments: [-c, '{then}']}}")
    };
    let pause = if here == "pause" { 60 } else { 0 };
    Bench::new(&format!(
        "title: t\ndescription: d\n\
         steady-state-hypothesis: {{title: h, probes: [{{type: probe, name: look, tolerance: 0, {}}}]}}\n\
         method:\n\
         - {{type: action, name: one, {}, pauses: {{after: {pause}}}}}\n\
         - {{type: action, name: two, provider: {{type: process, path: 'true'}}}}\n\
         rollbacks:\n\
         - {{type: action, name: undo, {}}}\n\
         - {{type: action, name: last, provider: {{type: process, path: 'true'}}}}\n",
        command("hypothesis"),
        command("method"),
        command("rollbacks"),
    ))
}

fn interrupted(here: &str, signal: Signal, arguments: &[&str]) -> Ran {
    let bench = bench(here);
    let child = bench.start(arguments);
    if here == "pause" {
        bench.wait_for("events");
        while !std::fs::read_to_string(bench.path("run.ndjson"))
            .unwrap_or_default()
            .contains("\"section\": \"method\"")
        {
            std::thread::yield_now();
        }
    } else {
        bench.wait_for("mark");
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    kill(pid, signal).expect("the run is there");
    bench.end(child)
}

fn names(ran: &Ran, section: &str) -> Vec<String> {
    ran.entries(section)
        .into_iter()
        .map(|entry| entry.0)
        .collect()
}

#[test]
fn a_signal_in_the_hypothesis_leaves_no_state_of_it() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1] {
        let ran = interrupted("hypothesis", signal, &[]);
        assert_eq!(ran.end(), ("interrupted", false, 1));
        assert_eq!(ran.journal()["steady_states"]["before"], json!(null));
        assert_eq!(names(&ran, "rollbacks"), Vec::<String>::new());
    }
}

#[test]
fn a_signal_in_the_method_leaves_an_entry_without_status() {
    let ran = interrupted("method", Signal::SIGINT, &[]);
    assert_eq!(ran.end(), ("interrupted", false, 1));
    assert_eq!(ran.entries("run"), [("one".to_owned(), None)]);
    assert!(ran.journal()["run"][0]["end"].is_string());
    let expected = json!({"kind": "signal", "name": "SIGINT", "reason": "received SIGINT"});
    assert_eq!(ran.journal()["interruption"], expected);
    assert!(ran.event_types().contains(&"run-signal-exit"));
}

#[test]
fn sigterm_is_an_interruption() {
    let ran = interrupted("method", Signal::SIGTERM, &[]);
    assert_eq!(ran.journal()["interruption"]["name"], "SIGTERM");
    assert!(ran.event_types().contains(&"run-interrupted"));
    assert!(ran.err.contains("SIGTERM signal received"));
}

#[test]
fn rollbacks_are_played_when_always_wanted_but_not_after_sigusr2() {
    let always = ["--rollback-strategy", "always"];
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1] {
        let ran = interrupted("method", signal, &always);
        assert_eq!(ran.end(), ("interrupted", false, 1));
        assert_eq!(names(&ran, "rollbacks"), ["undo", "last"]);
    }
    let ran = interrupted("method", Signal::SIGUSR2, &always);
    assert_eq!(ran.end(), ("interrupted", false, 1));
    assert_eq!(names(&ran, "rollbacks"), Vec::<String>::new());
    assert!(ran.journal().get("interruption").is_none());
}

#[test]
fn a_signal_ends_a_pause() {
    let ran = interrupted("pause", Signal::SIGUSR1, &[]);
    assert_eq!(ran.end(), ("interrupted", false, 1));
    assert_eq!(names(&ran, "run"), ["one"]);
}

#[test]
fn a_signal_in_the_rollbacks_skips_the_rest() {
    let ran = interrupted("rollbacks", Signal::SIGINT, &[]);
    assert_eq!(ran.end(), ("interrupted", false, 1));
    assert_eq!(names(&ran, "run"), ["one", "two"]);
    assert_eq!(ran.entries("rollbacks"), [("undo".to_owned(), None)]);
}
