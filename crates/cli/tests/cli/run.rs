//! Runs: what every verdict follows from, and what is told of faults.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::shop::{
    assert_well, bench, experiment, fault, journalled_verdict, lasting, probe, process, run_json,
    touch, up,
};
use crate::support::{Bench, DEVIATED, INCONCLUSIVE, PASSED, events, in_order};
use crate::{ABORTED, ERROR};

#[test]
fn every_fault_is_applied_confirmed_recovered_and_told() {
    let bench = bench();
    up(&bench);
    let faults = [
        fault("process-kill", json!({ "restart-after": "2s" })),
        fault("process-restart", json!({ "restart-after": "2s" })),
        fault("process-pause", json!({ "resume-after": "2s" })),
        fault("process-throttle", json!({ "resume-after": "2s" })),
        fault(
            "process-environment",
            json!({ "set": { "TZ": "JST-9" }, "restore-after": "2s" }),
        ),
        // Without a time of its own it ends with the method.
        fault("process-pause", json!({})),
    ];
    for fault in faults {
        let before = bench.instance("shop", "web").process;
        let name = fault["name"].clone();
        let copy = process(
            "keep the records",
            &[
                "cp",
                "-r",
                bench.home().join("faults").to_str().unwrap(),
                bench.path("kept").to_str().unwrap(),
            ],
        );
        let file = experiment(&bench, &[fault, copy], json!({}));
        let result = run_json(&bench, &file)
            .expect(PASSED, &["inject", "heal"])
            .json();

        assert_eq!(result["verdict"], "passed");
        assert_eq!(result["reasons"], json!([]));
        assert_eq!(result["experiment"], json!(file));
        assert_eq!(result["variant"], json!(null));
        assert!(
            result["duration_s"]
                .as_f64()
                .is_some_and(|s| s > 0.3 || name == "process-pause")
        );
        assert_eq!(
            (&result["ledger"], &result["recovery"]),
            (&json!(null), &json!(null))
        );
        let faults = result["faults"].as_array().unwrap();
        assert_eq!(faults.len(), 1);
        let fault = &faults[0];
        assert_eq!(fault["fault"], name);
        assert_eq!(fault["target"], "service web");
        assert_eq!(fault["instance"], "web");
        assert_eq!(
            (&fault["confirmed"], &fault["recovered"]),
            (&json!(true), &json!(true))
        );
        let times: Vec<f64> = ["applied_at", "confirmed_at", "released_at", "recovered_at"]
            .iter()
            .map(|key| fault[key].as_f64().unwrap())
            .collect();
        assert!(times.is_sorted(), "{times:?}");

        let run = PathBuf::from(result["run"].as_str().unwrap());
        assert_eq!(bench.runs().last(), Some(&run));
        in_order(
            &events(&run),
            &[
                "run-started",
                "system-ready",
                "preflight-passed",
                "steady",
                "activity-started",
                "fault-applying",
                "fault-confirmed",
                "activity-ended",
                "activity-started",
                "activity-ended",
                "fault-recovered",
                "judged",
                "run-ended",
            ],
        );
        assert_eq!(journalled_verdict(&run), "passed");
        let written: Value =
            serde_json::from_slice(&std::fs::read(run.join("result.json")).unwrap()).unwrap();
        assert_eq!(written, result);
        let report = std::fs::read_to_string(run.join("report.txt")).unwrap();
        assert!(report.contains("verdict: PASSED"), "{report}");
        assert_well(&bench);
        let after = bench.instance("shop", "web").process;
        let survives = ["process-pause", "process-throttle"]
            .iter()
            .any(|fault| name == *fault);
        assert_eq!(before == after, survives);
    }
}

#[test]
fn an_unsteady_system_is_not_broken_and_the_run_inconclusive() {
    let bench = bench();
    bench.write("broken", "");
    let file = experiment(
        &bench,
        &[touch(&bench, "method"), fault("process-kill", json!({}))],
        json!({ "rollbacks": [touch(&bench, "rollback")] }),
    );
    let result = run_json(&bench, &file)
        .expect(INCONCLUSIVE, &["nothing was broken", "nothing is broken"])
        .json();
    assert_eq!(result["verdict"], "inconclusive");
    assert_eq!(result["faults"], json!([]));
    assert!(!bench.path("method").exists());
    assert!(bench.path("rollback").exists());
    assert_eq!(bench.alive(), [0; 0]);
}

#[test]
fn a_hypothesis_that_holds_no_more_is_a_deviation() {
    let bench = bench();
    let file = experiment(&bench, &[touch(&bench, "broken")], json!({}));
    let outcome = run_json(&bench, &file).expect(DEVIATED, &[]);
    let result = outcome.json();
    assert_eq!(result["verdict"], "deviated");
    assert!(
        result["reasons"][0]
            .as_str()
            .unwrap()
            .contains("`nothing is broken`: status 1")
    );
    assert_eq!(journalled_verdict(&bench.runs()[0]), "deviated");
}

#[test]
fn a_fault_that_hits_nothing_is_inconclusive_and_leaves_nothing() {
    let bench = bench();
    up(&bench);
    let before = bench.instance("shop", "web").process;
    let nothing = [
        fault("noop", json!({ "ends-after": "300ms" })),
        fault(
            "process-kill",
            json!({ "signal": "SIGCONT", "restart-after": "300ms" }),
        ),
    ];
    for fault in nothing {
        let name = fault["name"].as_str().unwrap().to_owned();
        let file = experiment(&bench, &[fault], json!({}));
        let result = run_json(&bench, &file).expect(INCONCLUSIVE, &[]).json();
        let reason = result["reasons"][0].as_str().unwrap();
        assert!(
            reason.contains(&format!("`{name}` was not seen to take effect")),
            "{reason}"
        );
        assert_eq!(result["faults"][0]["confirmed"], false);
        assert_eq!(result["faults"][0]["recovered"], true);
        assert_well(&bench);
        // What is to be killed and was not is ended in healing: nothing half dead is left.
        let after = bench.instance("shop", "web").process;
        assert_eq!(after == before, name == "noop");
    }
}

#[test]
fn a_restart_is_over_only_when_the_old_process_has_ended() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        r#"
services:
  web:
    command: [sh, -c, "trap 'sleep 1; exit 0' TERM; touch HERE/deaf; while :; do sleep 0.1; done"]
    healthcheck: { test: test -e HERE/deaf, start_interval: 50ms, start_period: 30s }
"#,
    );
    up(&bench);
    let before = bench.instance("shop", "web").process.unwrap();
    let restart = fault("process-restart", json!({ "restart-after": "100ms" }));
    let file = experiment(&bench, &[restart], json!({}));
    let result = run_json(&bench, &file).expect(INCONCLUSIVE, &[]).json();
    assert_eq!(result["faults"][0]["recovered"], true);
    assert!(!before.is_alive());
    assert_well(&bench);
}

#[test]
fn a_breached_safeguard_aborts_and_heals() {
    let bench = bench();
    up(&bench);
    let mut safeguard = probe("nothing breaks", &bench);
    safeguard["every"] = json!("50ms");
    let mut breach = lasting(touch(&bench, "broken"));
    breach["pauses"]["before"] = json!("200ms");
    let file = experiment(
        &bench,
        &[
            fault("process-pause", json!({})),
            breach,
            touch(&bench, "late"),
        ],
        json!({ "safeguards": [safeguard], "rollbacks": [touch(&bench, "rollback")] }),
    );
    let result = run_json(&bench, &file).expect(ABORTED, &[]).json();
    assert_eq!(result["verdict"], "aborted");
    let reason = result["reasons"][0].as_str().unwrap();
    assert!(
        reason.contains("safeguard `nothing breaks` was breached"),
        "{reason}"
    );
    assert_eq!(result["faults"][0]["recovered"], true);
    assert_eq!(journalled_verdict(&bench.runs()[0]), "aborted");
    assert!(!bench.path("late").exists());
    assert!(bench.path("rollback").exists());
    assert_well(&bench);
}

#[test]
fn an_address_that_cannot_be_reached_is_named() {
    let bench = bench();
    let file = experiment(
        &bench,
        &[touch(&bench, "method")],
        json!({
            "workload": { "orders": {
                "http": { "method": "POST", "url": "http://web:7/orders", "json": {} },
                "rate": "10/s",
                "identity": "$.id",
            } },
            "ledger": { "acknowledged": "orders", "stages": [{
                "name": "settled", "role": "settled",
                "postgres": { "url": "postgresql://user:secret@web:5432/orders", "query": "select 1" },
            }] },
        }),
    );
    let outcome =
        run_json(&bench, &file).expect(ERROR, &["workload `orders`", ":7 ", "stage `settled`"]);
    assert!(!bench.path("method").exists());
    assert!(!outcome.out.contains("secret") && !outcome.err.contains("secret"));
    assert_eq!(bench.alive(), [0; 0]);
}
