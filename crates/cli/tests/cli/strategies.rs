//! When the hypothesis is asked and when rollbacks are carried out, what a dry run leaves out, and
//! values from the command line.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::ABORTED;
use crate::bare::{journal, lines, run, shell, write};
use crate::shop::touch;
use crate::support::{Bench, DEVIATED, INCONCLUSIVE, PASSED, USAGE};

fn asked(result: &Value) -> Vec<&str> {
    let probes = result["hypothesis"].as_array().unwrap();
    probes.iter().map(|p| p["when"].as_str().unwrap()).collect()
}

fn hypothesis(strategy: &str) -> Value {
    let mut hypothesis = json!({ "strategy": strategy });
    if ["continuously", "during-method-only"].contains(&strategy) {
        hypothesis["frequency"] = json!("50ms");
    }
    json!({ "runtime": { "hypothesis": hypothesis } })
}

#[test]
fn the_hypothesis_is_asked_when_its_strategy_says() {
    let bench = Bench::new();
    let mut waits = shell(&bench, "wait", "true");
    waits["pauses"] = json!({ "after": "300ms" });
    for (strategy, code, expected) in [
        ("default", PASSED, &["before", "after"][..]),
        ("before-method-only", PASSED, &["before"]),
        ("after-method-only", PASSED, &["after"]),
        ("during-method-only", PASSED, &["during"]),
        ("continuously", PASSED, &["before", "during", "after"]),
        ("skip", INCONCLUSIVE, &[]),
    ] {
        let waits = std::slice::from_ref(&waits);
        let result = run(&bench, waits, hypothesis(strategy))
            .expect(code, &[])
            .json();
        assert_eq!(asked(&result), expected, "{strategy}");
        // The command line goes before the document.
        let file = write(&bench, waits, hypothesis("default"));
        let outcome = bench.run(&[
            "run",
            &file,
            "--format",
            "json",
            "--hypothesis-strategy",
            strategy,
            "--hypothesis-frequency",
            "0.05",
        ]);
        assert_eq!(
            asked(&outcome.expect(code, &[]).json()),
            expected,
            "{strategy}"
        );
    }
}

#[test]
fn without_a_question_before_the_method_it_is_carried_out_and_judged_by_the_others() {
    let bench = Bench::new();
    bench.write("broken", "");
    let mends = shell(&bench, "mend", "rm HERE/broken");
    run(&bench, &[mends], hypothesis("after-method-only")).expect(PASSED, &[]);
    let breaks = touch(&bench, "broken");
    run(&bench, &[breaks], hypothesis("after-method-only")).expect(DEVIATED, &[]);
    let journal = journal(&bench);
    assert_eq!(journal["status"], "failed");
    assert_eq!(journal["deviated"], true);
    let states = &journal["steady_states"];
    assert_eq!(states["before"], json!(null));
    assert_eq!(states["after"]["steady_state_met"], false);
}

#[test]
fn all_samples_are_in_the_journal() {
    let bench = Bench::new();
    let mut breaks = touch(&bench, "broken");
    breaks["pauses"] = json!({ "after": "500ms" });
    let method = [breaks, shell(&bench, "mend", "rm HERE/broken")];
    run(&bench, &method, hypothesis("continuously")).expect(DEVIATED, &[]);
    let journal = journal(&bench);
    let during = journal["steady_states"]["during"].as_array().unwrap();
    let met = |state: &&Value| state["steady_state_met"] == true;
    assert!(during.iter().filter(|s| !met(s)).count() >= 2, "{during:?}");
    assert!(
        during
            .iter()
            .all(|state| state["probes"].as_array().unwrap().len() == 1)
    );
}

#[test]
fn rollbacks_are_carried_out_as_their_strategy_says() {
    let bench = Bench::new();
    for (strategy, deviates, expected) in [
        ("default", false, true),
        ("always", false, true),
        ("never", true, false),
        ("deviated", false, false),
        ("deviated", true, true),
    ] {
        let _ = std::fs::remove_file(bench.path("rollback"));
        let _ = std::fs::remove_file(bench.path("broken"));
        let breaks = if deviates { "broken" } else { "fine" };
        let more = json!({
            "rollbacks": [touch(&bench, "rollback")],
            "runtime": { "rollbacks": { "strategy": strategy } },
        });
        let code = if deviates { DEVIATED } else { PASSED };
        run(&bench, &[touch(&bench, breaks)], more).expect(code, &[]);
        assert_eq!(
            bench.path("rollback").exists(),
            expected,
            "{strategy} {deviates}"
        );
    }
    let _ = std::fs::remove_file(bench.path("rollback"));
    let more = json!({ "rollbacks": [touch(&bench, "rollback")] });
    let file = write(&bench, &[touch(&bench, "broken")], more);
    bench.run(&["run", &file, "--rollback-strategy", "never"]);
    assert!(!bench.path("rollback").exists());
}

#[test]
fn one_signal_rolls_back_and_two_do_not() {
    let bench = Bench::new();
    let mut waits = shell(&bench, "wait", "true");
    waits["pauses"] = json!({ "after": "1h" });
    let rollbacks = [
        touch(&bench, "first"),
        shell(&bench, "hang", "sleep 1000"),
        touch(&bench, "last"),
    ];
    let file = write(&bench, &[waits], json!({ "rollbacks": rollbacks }));
    let mut run = bench.start(&["run", &file]);
    run.await_event("steady");
    run.signal(Signal::SIGINT);
    crate::support::eventually("it rolls back", || bench.path("first").exists());
    run.signal(Signal::SIGTERM);
    run.finish()
        .expect(ABORTED, &["verdict: ABORTED", "SIGINT"]);
    assert!(!bench.path("last").exists());
    let journal = journal(&bench);
    assert_eq!(journal["status"], "interrupted");
    let rollbacks = journal["rollbacks"].as_array().unwrap();
    let statuses: Vec<&Value> = rollbacks.iter().map(|entry| &entry["status"]).collect();
    assert_eq!(statuses, ["succeeded", "aborted"]);
}

#[test]
fn a_dry_run_leaves_out_what_it_says_and_proves_nothing() {
    let bench = Bench::new();
    let asks = json!({
        "type": "probe", "name": "ask",
        "provider": { "type": "process", "path": "touch", "arguments": [bench.path("asked")] },
    });
    let method = [touch(&bench, "done"), asks];
    for (dry, done, asked) in [
        ("actions", false, true),
        ("probes", true, false),
        ("activities", false, false),
        ("pause", true, true),
    ] {
        let _ = std::fs::remove_file(bench.path("done"));
        let _ = std::fs::remove_file(bench.path("asked"));
        let file = write(&bench, &method, json!({}));
        bench
            .run(&["run", &file, "--dry", dry])
            .expect(INCONCLUSIVE, &["it was a dry run"]);
        let exist = (bench.path("done").exists(), bench.path("asked").exists());
        assert_eq!(exist, (done, asked), "{dry}");
    }
    let mut own = touch(&bench, "own");
    own["dry"] = json!("actions");
    run(&bench, &[own], json!({})).expect(INCONCLUSIVE, &["was carried out dry"]);
    assert!(!bench.path("own").exists());
}

#[test]
fn a_dry_run_of_everything_brings_no_system_up() {
    let bench = crate::shop::bench();
    let kill = crate::shop::fault("process-kill", json!({}));
    let file = crate::shop::experiment(&bench, &[kill], json!({}));
    bench
        .run(&["run", &file, "--dry", "activities"])
        .expect(INCONCLUSIVE, &["the system is not brought up", "left out"]);
    assert!(!bench.home().join("systems/shop").exists());
}

#[test]
fn values_of_the_command_line_go_before_the_document() {
    let bench = Bench::new();
    let says = shell(&bench, "say", "echo ${word} ${number} >> HERE/said");
    let configuration = json!({ "configuration": { "word": "document", "number": 1 } });
    let file = write(&bench, &[says], configuration);
    let values = bench.write("values.yaml", "configuration: { word: file, number: 2 }\n");
    let values = values.to_str().unwrap();
    bench.run(&["run", &file]).expect(PASSED, &[]);
    bench
        .run(&["run", &file, "--var-file", values, "--var", "number:int=3"])
        .expect(PASSED, &[]);
    assert_eq!(lines(&bench, "said"), ["document 1", "file 3"]);
    bench
        .run(&["run", &file, "--var", "wrod=x"])
        .expect(USAGE, &["wrod"]);
}

#[test]
fn every_signal_in_every_phase_rolls_back_and_ends_the_journal() {
    let bench = Bench::new();
    let hang = |name: &str| shell(&bench, name, &format!("touch HERE/{name}; sleep 1000"));
    let probe = |script: Value| {
        let mut probe = script;
        probe["type"] = json!("probe");
        probe["tolerance"] = json!(0);
        json!({ "title": "it hangs", "probes": [probe] })
    };
    let mut pause = touch(&bench, "pause");
    pause["pauses"] = json!({ "after": "1h" });
    let mut beside = hang("background");
    beside["background"] = json!(true);
    let rollback = touch(&bench, "rollback");
    let nothing = touch(&bench, "nothing");
    let phases = [
        (
            "before",
            json!({
                "method": [nothing], "steady-state-hypothesis": probe(hang("before")),
            }),
        ),
        ("method", json!({ "method": [hang("method")] })),
        ("background", json!({ "method": [beside] })),
        ("pause", json!({ "method": [pause] })),
        (
            "after",
            json!({
                "method": [nothing], "steady-state-hypothesis": probe(hang("after")),
                "runtime": { "hypothesis": { "strategy": "after-method-only" } },
            }),
        ),
    ];
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1] {
        for (phase, more) in &phases {
            let _ = std::fs::remove_file(bench.path(phase));
            let _ = std::fs::remove_file(bench.path("rollback"));
            let mut more = more.clone();
            more["rollbacks"] = json!([rollback]);
            let file = write(&bench, &[], more);
            let run = bench.start(&["run", &file]);
            crate::support::eventually(phase, || bench.path(phase).exists());
            run.signal(signal);
            run.finish().expect(ABORTED, &[&format!("{signal:?}")]);
            assert!(bench.path("rollback").exists(), "{signal:?} {phase}");
            let journal = journal(&bench);
            assert_eq!(journal["status"], "interrupted", "{signal:?} {phase}");
            assert_eq!(journal["rollbacks"][0]["status"], "succeeded");
        }
    }
}
