//! What a run does, what status and exit code it gets, and what its journals hold.

#[expect(dead_code, reason = "each test file uses its part")]
mod running;

use running::Bench;
use serde_json::json;
use shaketable_chaostoolkit::journal::from_events;
use shaketable_dialect::json as python_json;

#[test]
fn command_itself() {
    running::command_itself();
}

fn experiment(parts: &str) -> Bench {
    Bench::new(&format!("title: a title\ndescription: d\n{parts}\n"))
}

const METHOD: &str = "method: [{type: action, name: act, provider: {type: process, path: 'true'}}]";
const ROLLBACKS: &str =
    "rollbacks: [{type: action, name: undo, provider: {type: process, path: 'true'}}]";

fn probe(tolerance: &str, command: &str) -> String {
    format!(
        "steady-state-hypothesis: {{title: h, probes: [{{type: probe, name: look, tolerance: \
         {tolerance}, provider: {{type: process, path: sh, arguments: [-c, '{command}']}}}}]}}"
    )
}

fn full(tolerance: &str, command: &str, method: &str) -> Bench {
    let probe = probe(tolerance, command);
    experiment(&format!("{probe}\n{method}\n{ROLLBACKS}"))
}

fn played(names: &[&str]) -> Vec<(String, Option<String>)> {
    let name = |name: &&str| ((*name).to_owned(), Some("succeeded".to_owned()));
    names.iter().map(name).collect()
}

#[test]
fn everything_succeeds() {
    let ran = full("0", "exit 0", METHOD).run(&[]);
    assert_eq!(ran.end(), ("completed", false, 0));
    assert_eq!(ran.entries("run"), played(&["act"]));
    assert_eq!(ran.entries("rollbacks"), played(&["undo"]));
    let journal = ran.journal();
    let keys: Vec<&str> = journal
        .as_object()
        .expect("a mapping")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "chaoslib-version",
            "platform",
            "node",
            "experiment",
            "start",
            "status",
            "deviated",
            "steady_states",
            "run",
            "rollbacks",
            "end",
            "duration"
        ]
    );
    let output = json!({"status": 0, "stdout": "", "stderr": ""});
    assert_eq!(journal["run"][0]["output"], output);
    assert_eq!(
        journal["steady_states"]["after"]["probes"][0]["tolerance_met"],
        true
    );
}

#[test]
fn a_gate_that_is_not_met_plays_rollbacks_only() {
    let ran = full("1", "exit 0", METHOD).run(&[]);
    assert_eq!(ran.end(), ("completed", false, 0));
    assert_eq!(ran.entries("run"), []);
    assert_eq!(ran.entries("rollbacks"), played(&["undo"]));
}

#[test]
fn a_gate_whose_probe_fails_has_failed() {
    let hypothesis = "steady-state-hypothesis: {title: h, probes: [{type: probe, name: look, \
        tolerance: 0, provider: {type: process, path: sleep, arguments: '5', timeout: 0.05}}]}";
    let bench = experiment(&format!("{hypothesis}\n{METHOD}\n{ROLLBACKS}"));
    let ran = bench.run(&[]);
    assert_eq!(ran.end(), ("failed", false, 1));
    assert_eq!(ran.entries("rollbacks"), []);
    let always = bench.run(&["--rollback-strategy", "always"]);
    assert_eq!(always.entries("rollbacks"), played(&["undo"]));
}

#[test]
fn a_deviation_gives_1_and_is_rolled_back() {
    let method = "method: [{type: action, name: act, provider: {type: process, path: touch, \
        arguments: broken}}]";
    let ran = full("0", "test ! -e broken", method).run(&["--rollback-strategy", "deviated"]);
    assert_eq!(ran.end(), ("completed", true, 1));
    assert_eq!(ran.entries("rollbacks"), played(&["undo"]));
}

#[test]
fn a_failing_activity_stops_nothing() {
    let method = "method:\n\
        - {type: action, name: slow, provider: {type: process, path: sleep, arguments: ['9'], timeout: 0.05}}\n\
        - {type: action, name: act, provider: {type: process, path: 'false'}}";
    let ran = experiment(method).run(&[]);
    assert_eq!(ran.end(), ("completed", false, 0));
    let entries = ran.entries("run");
    assert_eq!(entries[0].1.as_deref(), Some("failed"));
    assert_eq!(entries[1].1.as_deref(), Some("succeeded"));
    let last = ran.journal()["run"][0]["exception"]
        .as_array()
        .expect("lines")
        .last();
    let expected =
        "chaoslib.exceptions.ActivityFailed: process activity took too long to complete\n";
    assert_eq!(last, Some(&json!(expected)));
}

#[test]
fn an_unexpected_exception_aborts_and_is_rolled_back() {
    let method = "method:\n\
        - {type: action, name: odd, provider: {type: http, url: 'foo://x'}}\n\
        - {type: action, name: act, provider: {type: process, path: 'true'}}";
    let ran = experiment(&format!("{method}\n{ROLLBACKS}")).run(&[]);
    assert_eq!(ran.end(), ("aborted", false, 1));
    assert_eq!(ran.entries("run"), [("odd".to_owned(), None)]);
    assert_eq!(ran.entries("rollbacks"), played(&["undo"]));
}

#[test]
fn a_tolerance_of_another_type_aborts_with_a_journal_and_rollbacks() {
    let tolerance = "{type: regex, pattern: x}";
    let ran =
        full(tolerance, "exit 0", METHOD).run(&["--hypothesis-strategy", "after-method-only"]);
    assert_eq!(ran.end(), ("aborted", false, 1));
    let after = &ran.journal()["steady_states"]["after"];
    assert_eq!(after["probes"][0]["tolerance_met"], false);
    assert_eq!(ran.entries("rollbacks"), played(&["undo"]));
}

#[test]
fn an_unknown_reference_in_rollbacks_fails_alone() {
    let rollbacks = "rollbacks: [{ref: nobody}, {type: action, name: undo, provider: {type: process, path: 'true'}}]";
    let ran = experiment(&format!("method: []\n{rollbacks}")).run(&[]);
    assert_eq!(ran.end(), ("aborted", false, 1));
    let statuses: Vec<_> = ran
        .entries("rollbacks")
        .into_iter()
        .map(|entry| entry.1)
        .collect();
    assert_eq!(
        statuses,
        [Some("failed".to_owned()), Some("succeeded".to_owned())]
    );
}

#[test]
fn fail_fast_ends_the_method_after_the_activity_at_hand() {
    let method = "method:\n\
        - {type: action, name: one, provider: {type: process, path: sleep, arguments: ['0.5']}}\n\
        - {type: action, name: two, provider: {type: process, path: 'true'}}";
    let ran = full("1", "exit 0", method).run(&[
        "--hypothesis-strategy",
        "during-method-only",
        "--fail-fast",
        "--hypothesis-frequency",
        "0.05",
    ]);
    assert_eq!(ran.end(), ("failed", false, 1));
    assert_eq!(ran.entries("run"), played(&["one"]));
    let during = ran.journal()["steady_states"]["during"]
        .as_array()
        .expect("states");
    assert_eq!(during.len(), 1);
}

#[test]
fn a_dry_run_plays_nothing() {
    let ran = full("0", "touch probed", "method: [{type: action, name: act, provider: {type: process, path: touch, arguments: acted}}]")
        .run(&["--dry", "activities"]);
    assert_eq!(ran.end(), ("completed", false, 0));
    assert_eq!(ran.journal()["experiment"]["dry"], "activities");
    assert_eq!(ran.journal()["run"][0]["output"], json!(null));
}

#[test]
fn secrets_of_the_environment_are_in_no_output() {
    let bench = experiment(
        "secrets: {group: {key: {type: env, key: A_SECRET}}}\n\
         configuration: {dyn: {type: probe, name: p, provider: {type: process, path: echo, arguments: '${key}'}}}\n\
         method: [{type: action, name: act, provider: {type: process, path: echo, arguments: ['${key} ${dyn}']}}]",
    );
    let ran = bench.run(&[]);
    assert_eq!(ran.end(), ("completed", false, 0));
    let all = format!("{ran:?}");
    assert!(!all.contains("not-for-the-journal"), "{all}");
}

#[test]
fn the_event_log_gives_the_journal() {
    let method = "method:\n\
        - {type: action, name: back, background: true, provider: {type: process, path: sleep, arguments: ['0.1']}}\n\
        - {type: action, name: slow, provider: {type: process, path: sleep, arguments: ['9'], timeout: 0.05}}\n\
        - {ref: look}";
    let ran = full("0", "exit 0", method).run(&["--hypothesis-strategy", "continuously"]);
    let derived = from_events(ran.log.iter().map(String::as_str));
    let derived = python_json::dump(&derived, None).expect("JSON");
    let derived: serde_json::Value = serde_json::from_str(&derived).expect("JSON");
    assert_eq!(&derived, ran.journal());
    assert_eq!(
        derived.to_string(),
        ran.journal().to_string(),
        "the order of keys"
    );
}

#[test]
fn an_event_log_that_stops_anywhere_gives_a_journal() {
    let ran = full("0", "exit 0", METHOD).run(&[]);
    let lines: Vec<&str> = ran.log.iter().map(String::as_str).collect();
    for length in 0..lines.len() {
        let journal = from_events(lines[..length].iter().copied()).to_json();
        assert_eq!(journal["status"], "interrupted");
        assert_eq!(journal["interruption"]["kind"], "crash");
        let started = lines[..length].iter().filter(|line| {
            line.contains("activity-started") && line.contains("\"section\": \"method\"")
        });
        let run = journal["run"].as_array().expect("entries");
        assert_eq!(run.len(), started.count());
    }
}
