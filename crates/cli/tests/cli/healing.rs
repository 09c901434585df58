//! Everything broken is healed, whatever happens to the run: an interrupt, its sudden death, an undo
//! record that cannot be written or read.

use std::path::PathBuf;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use shaketable_testbed::SystemPhase;

use crate::shop::{
    SHOP, assert_well, bench, experiment, fault, journalled_verdict, lasting, process, run_json,
    touch, up,
};
use crate::support::{Bench, INCONCLUSIVE, PASSED, USAGE, eventually};
use crate::{ABORTED, ERROR};

const FAULTS: [&str; 5] = [
    "process-kill",
    "process-restart",
    "process-pause",
    "process-throttle",
    "process-environment",
];

/// The parameters that a fault cannot do without.
fn needed(name: &str) -> Value {
    match name {
        "process-environment" => json!({ "set": { "MOOD": "broken" } }),
        _ => json!({}),
    }
}

/// The one undo record there is.
#[track_caller]
fn record(bench: &Bench) -> (PathBuf, Value) {
    let records = bench.fault_records();
    let [path] = records.as_slice() else {
        panic!("{records:?}")
    };
    let record = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    (path.clone(), record)
}

#[test]
fn the_undo_record_is_there_before_the_fault_is_felt() {
    let bench = bench();
    let file = experiment(&bench, &[fault("process-restart", json!({}))], json!({}));
    let result = run_json(&bench, &file).expect(PASSED, &[]).json();
    let run = PathBuf::from(result["run"].as_str().unwrap());
    let id = run.file_name().unwrap().to_str().unwrap();
    let seen = std::fs::read_to_string(bench.path("asked-to-end")).unwrap();
    assert!(seen.contains(&format!("{id}-1.json")), "{seen}");
    // The run brought the system up itself.
    assert!(result["ready_after_s"].is_f64());
    assert_eq!(bench.alive(), [0; 0]);
}

#[test]
fn a_fault_whose_undo_record_cannot_be_written_is_not_applied() {
    let bench = bench();
    up(&bench);
    let before = bench.instance("shop", "web").process;
    let faults = bench.home().join("faults");
    let spoil = process("spoil the folder", &["touch", faults.to_str().unwrap()]);
    let file = experiment(
        &bench,
        &[spoil, fault("process-kill", json!({}))],
        json!({}),
    );
    let result = run_json(&bench, &file)
        .expect(
            INCONCLUSIVE,
            &["it was not applied: undo record", "home/faults"],
        )
        .json();
    assert_eq!(result["faults"][0]["applied_at"], json!(null));
    let web = bench.instance("shop", "web");
    assert_eq!((web.process, web.held), (before, false));
}

#[test]
fn an_interrupt_heals_and_reports() {
    let bench = bench();
    up(&bench);
    let kill = lasting(fault("process-kill", json!({})));
    let file = experiment(&bench, &[kill], json!({}));
    let mut run = bench.start(&["run", &file]);
    run.await_event("fault-confirmed");
    assert_eq!(record(&bench).1["phase"], "injected");
    assert!(bench.instance("shop", "web").held);
    run.signal(Signal::SIGINT);
    let outcome = run
        .finish()
        .expect(ABORTED, &["SIGINT", "verdict: ABORTED"]);
    assert!(
        outcome.out.contains("healed: web runs again"),
        "{}",
        outcome.out
    );
    assert_eq!(journalled_verdict(&bench.runs()[0]), "aborted");
    assert_well(&bench);
}

#[test]
fn an_interrupt_before_the_system_is_ready_takes_it_down() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        "services: { web: { command: [sleep, '1000'], healthcheck: { test: 'false', start_period: 1000s } } }",
    );
    let file = experiment(&bench, &[fault("process-kill", json!({}))], json!({}));
    let mut run = bench.start(&["run", &file]);
    run.await_event("system-starting");
    eventually("the service runs", || {
        let system = bench.system("shop");
        system.is_some_and(|system| system.instances[0].process.is_some())
    });
    bench.remember();
    assert_eq!(bench.alive().len(), 2);
    run.signal(Signal::SIGINT);
    run.finish()
        .expect(ABORTED, &["verdict: ABORTED", "SIGINT"]);
    eventually("nothing is left", || bench.alive().is_empty());
    assert_eq!(journalled_verdict(&bench.runs()[0]), "aborted");
}

#[test]
fn a_killed_run_takes_its_own_system_with_it() {
    for name in FAULTS {
        let bench = Bench::new();
        // It takes a while to go down, and the next command comes in the middle of that.
        let slow = "  slow: { command: [sh, -c, \"trap 'sleep 1; exit 0' TERM; touch HERE/deaf; while :; do sleep 0.1; done\"], healthcheck: { test: test -e HERE/deaf, start_interval: 50ms, start_period: 30s } }\n";
        bench.write("shop/compose.yaml", &format!("{SHOP}{slow}"));
        let file = experiment(&bench, &[lasting(fault(name, needed(name)))], json!({}));
        let mut run = bench.start(&["run", &file]);
        run.await_event("fault-confirmed");
        run.signal(Signal::SIGKILL);
        assert_eq!(run.finish().code, None);
        eventually("it goes down", || {
            bench
                .system("shop")
                .is_some_and(|system| system.phase == SystemPhase::Stopping)
        });
        let next = bench.run(&["status"]).expect(PASSED, &["no system is up"]);
        let told = format!("healed: {name} of service web (web), applied by run");
        assert!(next.err.contains(&told), "{}", next.err);
        assert!(
            next.err.contains("web is gone with its system"),
            "{}",
            next.err
        );
        assert!(bench.fault_records().is_empty());
        assert_eq!(bench.alive(), [0; 0]);
    }
}

#[test]
fn what_a_killed_run_broke_is_healed_by_the_next_command() {
    for name in FAULTS {
        let bench = bench();
        up(&bench);
        let file = experiment(&bench, &[lasting(fault(name, needed(name)))], json!({}));
        let mut run = bench.start(&["run", &file]);
        run.await_event("fault-confirmed");
        run.signal(Signal::SIGKILL);
        run.finish();
        let (_, record) = record(&bench);
        let web = bench.instance("shop", "web");
        let is_paused = web
            .process
            .as_ref()
            .is_some_and(|process| process.is_stopped());
        let is_changed = web.throttled.is_some() || !web.overrides.is_empty();
        assert!(web.held || is_paused || is_changed, "{web:?}");

        let id = record["run"].as_str().unwrap();
        bench.run(&["status"]).expect(
            PASSED,
            &[
                &format!("healed: {name} of service web (web), applied by run {id}"),
                "web runs again",
            ],
        );
        assert_well(&bench);
        // Nothing is told twice.
        let again = bench.run(&["status"]).expect(PASSED, &[]);
        assert!(!again.err.contains("healed"), "{}", again.err);
        // The system is free for the next run.
        let file = experiment(&bench, &[fault(name, needed(name))], json!({}));
        run_json(&bench, &file).expect(PASSED, &[]);
    }
}

#[test]
fn the_fault_of_a_living_run_is_left_to_it_and_a_second_run_refused() {
    let bench = bench();
    up(&bench);
    let kill = lasting(fault("process-kill", json!({})));
    let file = experiment(&bench, &[kill], json!({}));
    let mut run = bench.start(&["run", &file]);
    run.await_event("fault-confirmed");
    let second = experiment(&bench, &[touch(&bench, "second")], json!({}));
    let refused = run_json(&bench, &second)
        .expect(USAGE, &["another run is using system `shop`", "--name"])
        .json();
    assert_eq!(refused["verdict"], "error");
    assert!(!bench.path("second").exists());
    assert_eq!(record(&bench).1["phase"], "injected");
    assert!(bench.instance("shop", "web").held);
    run.signal(Signal::SIGTERM);
    run.finish().expect(ABORTED, &["SIGTERM"]);
    assert_well(&bench);
}

#[test]
fn a_record_of_another_life_of_the_system_touches_nothing() {
    let bench = bench();
    up(&bench);
    let pause = lasting(fault("process-pause", json!({})));
    let file = experiment(&bench, &[pause], json!({}));
    let mut run = bench.start(&["run", &file]);
    run.await_event("fault-confirmed");
    run.signal(Signal::SIGKILL);
    run.finish();
    let (path, mut record) = record(&bench);
    let ticks = record["hit"]["supervisor"]["start_ticks"].as_u64().unwrap();
    record["hit"]["supervisor"]["start_ticks"] = json!(ticks - 1);
    std::fs::write(&path, record.to_string()).unwrap();
    // Its process has gone with that life too.
    let paused = bench.instance("shop", "web").process.unwrap();
    record["hit"]["process"]["start_ticks"] = json!(paused.start_ticks - 1);
    std::fs::write(&path, record.to_string()).unwrap();
    bench
        .run(&["status"])
        .expect(PASSED, &["healed", "gone with its system"]);
    assert!(bench.fault_records().is_empty());
    assert!(paused.is_stopped(), "the running system was touched");
}

#[test]
fn a_record_that_cannot_be_read_stops_the_next_run() {
    let bench = bench();
    let path = bench.write("home/faults/20200101-000000-1.json", "{ half a rec");
    let file = experiment(&bench, &[touch(&bench, "method")], json!({}));
    bench.run(&["run", &file]).expect(
        ERROR,
        &["not healed", path.to_str().unwrap(), "shaketable heal"],
    );
    assert!(!bench.path("method").exists());
    bench
        .run(&["heal"])
        .expect(ERROR, &[path.to_str().unwrap()]);
    // Other commands say so and go on.
    bench.run(&["status"]).expect(PASSED, &["not healed"]);
    assert!(path.exists());
    std::fs::remove_file(&path).unwrap();
    bench.run(&["heal"]).expect(PASSED, &["nothing to heal"]);
}
