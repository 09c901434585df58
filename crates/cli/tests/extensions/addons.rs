//! chaostoolkit-addons: controls that end, skip and repeat what the runner does.

use serde_json::{Value, json};

use super::{Bench, control, entries, experiment, process, run, version};

const SAFEGUARDS: &str = "chaosaddons.controls.safeguards";
/// The first version that writes its own part of the journal.
const TELLING: &str = "0.12.0";

/// A probe that is met as long as the file `broken` is not there.
fn whole(more: Value) -> Value {
    let provider = json!({"type": "process", "path": "test", "arguments": ["!", "-e", "broken"]});
    let mut probe = json!({"type": "probe", "name": "whole", "tolerance": 0, "provider": provider});
    let more = more.as_object().expect("a mapping").clone();
    probe.as_object_mut().expect("a mapping").extend(more);
    probe
}

fn guarded(method: &[Value], probe: Value) -> Value {
    let safeguards = control(SAFEGUARDS, json!({"probes": [probe]}));
    experiment(method, json!({"controls": [safeguards]}))
}

#[track_caller]
fn told_by_the_safeguard(journal: &Value) {
    if version("chaostoolkit-addons").as_str() < TELLING {
        assert!(journal.get("safeguards").is_none());
    } else {
        assert_eq!(journal["safeguards"]["triggered_by"], "whole");
        assert_eq!(journal["safeguards"]["run"]["output"]["status"], 1);
    }
}

#[test]
fn a_safeguard_ends_the_run_while_an_activity_is_going_on() {
    let method = [
        process("break", "touch", &["broken"]),
        process("wait", "sleep", &["600"]),
        process("never", "touch", &["never"]),
    ];
    let bench = Bench::new();
    let (outcome, journal) = run(
        &bench,
        &guarded(&method, whole(json!({"frequency": 0.1}))),
        &[],
    );
    outcome.expect(
        1,
        &["Safeguard 'whole' triggered the end of the experiment"],
    );
    assert_eq!(journal["status"], "interrupted");
    let statuses: Vec<_> = entries(&journal, "run")
        .into_iter()
        .map(|(name, status, _)| (name, status))
        .collect();
    let expected = [("break", "succeeded"), ("wait", "")];
    assert_eq!(
        statuses,
        expected.map(|(name, status)| (name.to_owned(), status.to_owned()))
    );
    assert!(!bench.path("never").exists());
    told_by_the_safeguard(&journal);
}

#[test]
fn a_safeguard_that_is_met_does_not_disturb() {
    let method = [process("touch", "touch", &["done"])];
    let bench = Bench::new();
    for probe in [
        whole(json!({})),
        whole(json!({"background": true})),
        whole(json!({"frequency": 0.1})),
    ] {
        let (outcome, journal) = run(&bench, &guarded(&method, probe), &[]);
        outcome.expect(0, &[]);
        assert_eq!(journal["status"], "completed");
        assert!(journal.get("safeguards").is_none());
    }
}

/// It is a thread of the control that ends the run, so what has begun by then is not said.
#[test]
fn a_safeguard_that_is_broken_from_the_start_ends_the_run() {
    let method = [process("wait", "sleep", &["600"])];
    let bench = Bench::new();
    bench.write("broken", "");
    let (outcome, journal) = run(&bench, &guarded(&method, whole(json!({}))), &[]);
    outcome.expect(
        1,
        &["Safeguard 'whole' triggered the end of the experiment"],
    );
    assert_eq!(journal["status"], "interrupted");
    told_by_the_safeguard(&journal);
}

#[test]
fn a_safeguard_without_tolerance_is_refused() {
    let mut probe = whole(json!({}));
    probe
        .as_object_mut()
        .expect("a mapping")
        .remove("tolerance");
    let bench = Bench::new();
    let experiment = guarded(&[], probe);
    bench.write("experiment.json", &experiment.to_string());
    let outcome = super::chaos(&bench, &["validate", "experiment.json"], &[]);
    outcome.expect(1, &["missing a tolerance property"]);
}

/// With the reference's library as it is, what is to be bypassed is carried out nevertheless: the mark
/// that the control sets is none of those that the library looks for. So it is here.
#[test]
fn bypass_and_repeat() {
    let mut again = process("again", "sh", &["-c", "echo once more >> again"]);
    again["controls"] = json!([control(
        "chaosaddons.controls.repeat",
        json!({"repeat_count": 3})
    )]);
    let bypass = control(
        "chaosaddons.controls.bypass",
        json!({"target_names": ["skipped"]}),
    );
    let method = [process("skipped", "touch", &["skipped"]), again];
    let bench = Bench::new();
    let (outcome, journal) = run(
        &bench,
        &experiment(&method, json!({"controls": [bypass]})),
        &[],
    );
    outcome.expect(
        0,
        &["The following activities will not be executed: skipped"],
    );
    let runs = journal["run"].as_array().expect("a list");
    let seen: Vec<_> = runs
        .iter()
        .map(|run| {
            json!([
                run["activity"]["name"],
                run["status"],
                run["activity"]["iteration_index"]
            ])
        })
        .collect();
    let expected = json!([
        ["skipped", "succeeded", null],
        ["again", "succeeded", null],
        ["again", "succeeded", 1],
        ["again", "succeeded", 2],
    ]);
    assert_eq!(json!(seen), expected);
    assert_eq!(runs[0]["activity"]["dry"], true);
    assert!(bench.path("skipped").exists());
    let written = std::fs::read_to_string(bench.path("again")).expect("it was carried out");
    assert_eq!(written.lines().count(), 3);
}
