//! Runs from the command line, on systems of plain processes: what verdicts follow from, that
//! everything broken is healed whatever happens to the run, and what wrong documents are answered.

mod support;

use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use shaketable_testbed::SystemPhase;
use support::{
    Bench, DEVIATED, INCONCLUSIVE, Outcome, PASSED, USAGE, events, eventually, in_order,
};

const ABORTED: i32 = 4;
const ERROR: i32 = 5;

/// `web` writes down which undo records there are when it is asked to end.
const SHOP: &str = r#"
services:
  web:
    command: [sh, -c, "trap 'ls HERE/home/faults >> HERE/asked-to-end; exit 0' TERM; while :; do sleep 0.1; done"]
    restart: unless-stopped
  beside:
    command: [sleep, "1000"]
"#;

const FAULTS: [&str; 3] = ["process-kill", "process-restart", "process-pause"];

/// A bench with the shop's Compose file in it.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("shop/compose.yaml", SHOP);
    bench
}

/// An experiment on the shop whose hypothesis is that no file `broken` is there.
fn experiment(bench: &Bench, method: &[Value], more: Value) -> String {
    let mut document = json!({
        "title": "The shop stands",
        "description": "Something happens to it.",
        "system": "shop/compose.yaml",
        "steady-state-hypothesis": {
            "title": "nothing is broken",
            "probes": [probe("nothing is broken", bench)],
        },
        "method": method,
    });
    for (key, value) in more.as_object().unwrap() {
        document[key] = value.clone();
    }
    let number = std::fs::read_dir(bench.path("")).unwrap().count();
    let path = bench.write(&format!("experiment-{number}.json"), &document.to_string());
    path.to_str().unwrap().to_owned()
}

fn probe(name: &str, bench: &Bench) -> Value {
    json!({
        "type": "probe", "name": name, "tolerance": 0,
        "provider": { "type": "process", "path": "test", "arguments": ["!", "-e", bench.path("broken")] },
    })
}

fn fault(name: &str, parameters: Value) -> Value {
    let mut provider = json!({ "type": "fault", "fault": name, "target": { "service": "web" } });
    for (key, value) in parameters.as_object().unwrap() {
        provider[key] = value.clone();
    }
    json!({ "type": "action", "name": name, "provider": provider })
}

/// The same, with so long a pause behind it that the run is ended before it is over.
fn lasting(mut fault: Value) -> Value {
    fault["pauses"] = json!({ "after": "1h" });
    fault
}

fn process(name: &str, arguments: &[&str]) -> Value {
    json!({
        "type": "action", "name": name,
        "provider": { "type": "process", "path": arguments[0], "arguments": &arguments[1..] },
    })
}

fn touch(bench: &Bench, name: &str) -> Value {
    process(name, &["touch", bench.path(name).to_str().unwrap()])
}

fn run_json(bench: &Bench, experiment: &str) -> Outcome {
    bench.run(&["run", experiment, "--format", "json"])
}

/// Brings the shop up, to stay up.
fn up(bench: &Bench) {
    bench.run(&["up", "shop"]).expect(PASSED, &["is ready"]);
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

/// Fails unless nothing of any fault is left and the shop, which is up, is as at its beginning.
#[track_caller]
fn assert_well(bench: &Bench) {
    assert!(bench.fault_records().is_empty());
    let web = bench.instance("shop", "web");
    assert!(!web.held, "{web:?}");
    let process = web.process.expect("it runs");
    assert!(process.is_alive() && !process.is_stopped(), "{process:?}");
}

/// The verdict in the journal's last line.
fn journalled_verdict(run: &Path) -> Value {
    let journal = std::fs::read_to_string(run.join("journal.ndjson")).unwrap();
    let last: Value = serde_json::from_str(journal.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "run-ended", "{journal}");
    last["detail"]["verdict"].clone()
}

#[test]
fn every_fault_is_applied_confirmed_recovered_and_told() {
    let bench = bench();
    up(&bench);
    let faults = [
        fault("process-kill", json!({ "restart-after": "2s" })),
        fault("process-restart", json!({ "restart-after": "2s" })),
        fault("process-pause", json!({ "resume-after": "2s" })),
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
                "run-begun",
                "system-ready",
                "preflight-passed",
                "steady",
                "activity-begun",
                "fault-applying",
                "fault-confirmed",
                "activity-ended",
                "activity-begun",
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
        assert_eq!(before == after, name == "process-pause");
    }
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
        let file = experiment(&bench, &[lasting(fault(name, json!({})))], json!({}));
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
        let file = experiment(&bench, &[lasting(fault(name, json!({})))], json!({}));
        let mut run = bench.start(&["run", &file]);
        run.await_event("fault-confirmed");
        run.signal(Signal::SIGKILL);
        run.finish();
        let (_, record) = record(&bench);
        let web = bench.instance("shop", "web");
        let is_paused = web.process.is_some_and(|process| process.is_stopped());
        assert!(web.held || is_paused);

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
        let file = experiment(&bench, &[fault(name, json!({}))], json!({}));
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

/// What is wrong with a document, and what is said about it. The document is [`GOOD`] with one
/// text replaced.
const BAD: &[(&str, &str, &[&str])] = &[
    (
        "tags: [shop]",
        "tagz: [shop]",
        &["bad.yaml:3:1", "`tagz`", "did you mean `tags`?"],
    ),
    (
        "fault: process-kill",
        "fault: proces-kill",
        &["bad.yaml:13:", "`proces-kill`", "process-kill"],
    ),
    (
        "signal: SIGTERM",
        "signal: SIGTREM",
        &["bad.yaml:9:5", "`SIGTREM` is no signal"],
    ),
    (
        "service: web",
        "service: wbe",
        &["bad.yaml:14:", "no service `wbe`", "web"],
    ),
    (
        "target: { service: web }",
        "target: { leader-of: orders/0 }",
        &["bad.yaml:14:", "no Kafka service"],
    ),
    ("tags: [shop]", "tags: [shop", &["bad.yaml:"]),
    (
        "system: shop/compose.yaml",
        "system: shop/nowhere.yaml",
        &["nowhere.yaml"],
    ),
    (
        "restart-after: 1s",
        "restart-after: soon",
        &["bad.yaml:15:", "`restart-after`"],
    ),
];

const GOOD: &str = r#"title: The shop stands
description: Something happens to it.
tags: [shop]
system: shop/compose.yaml
steady-state-hypothesis:
  title: always true
  probes: []
method:
  - type: action
    name: kill
    provider:
      type: fault
      fault: process-kill
      target: { service: web }
      restart-after: 1s
      signal: SIGTERM
"#;

#[test]
fn a_wrong_document_is_a_usage_error_with_its_place() {
    let bench = bench();
    up(&bench);
    for (old, new, words) in BAD {
        assert!(GOOD.contains(old), "{old}");
        let file = bench.write("bad.yaml", &GOOD.replace(old, new));
        bench
            .run(&["run", file.to_str().unwrap()])
            .expect(USAGE, words);
        assert_well(&bench);
    }
}

#[test]
fn all_problems_of_all_documents_are_told_at_once() {
    let bench = bench();
    let text = GOOD
        .replace("tags:", "tagz:")
        .replace("signal: SIGTERM", "sginal: SIGTERM")
        .replace("restart-after: 1s", "restart-after: soon");
    bench.write("bad.yaml", &text);
    bench.write("broken.yaml", "title: [");
    bench.write("good.yaml", GOOD);
    let words = [
        "bad.yaml:3:1",
        "bad.yaml:15:",
        "bad.yaml:16:7",
        "did you mean `signal`?",
        "broken.yaml:1:",
        "nowhere.yaml",
    ];
    let files = ["good.yaml", "bad.yaml", "broken.yaml", "nowhere.yaml"];
    for command in ["run", "validate"] {
        let arguments: Vec<&str> = [command].into_iter().chain(files).collect();
        bench.run(&arguments).expect(USAGE, &words);
    }
    assert!(bench.runs().is_empty());

    bench
        .run(&["validate", "good.yaml"])
        .expect(PASSED, &["good.yaml: valid"]);
    let found = bench
        .run(&["validate", "good.yaml", "bad.yaml", "--format", "json"])
        .expect(USAGE, &[])
        .json();
    assert_eq!(
        (&found[0]["valid"], &found[1]["valid"]),
        (&json!(true), &json!(false))
    );
    let problems = found[1]["problems"].as_array().unwrap();
    let lines: Vec<u64> = problems
        .iter()
        .map(|one| one["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [3, 15, 16]);
    assert!(
        problems
            .iter()
            .all(|one| one["severity"] == "error" && one["column"].is_u64())
    );
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let bench = bench();
    bench.write("good.yaml", GOOD);
    bench.write("shop/variants/fixed.env", "");
    bench
        .run(&["run", "good.yaml", "--variant", "fixde"])
        .expect(USAGE, &["`fixde`", "fixed"]);
    bench.run(&["run"]).expect(USAGE, &["EXPERIMENT"]);
    bench
        .run(&["run", "good.yaml", "--frmat", "json"])
        .expect(USAGE, &["--format"]);
    bench.run(&["run", "--help"]).expect(PASSED, &["--variant"]);
    bench
        .run(&["--help"])
        .expect(PASSED, &["0 passed", "3 inconclusive", "5 error"]);
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

#[test]
fn the_published_schema_is_the_programs_and_all_experiments_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let bench = Bench::new();
    let schema = bench.run(&["schema"]).expect(PASSED, &[]).out;
    let published = root.join("docs/experiment.schema.json");
    let text = std::fs::read_to_string(&published).unwrap_or_default();
    assert!(
        text == schema,
        "{} is out of date: write the output of `shaketable schema` to it",
        published.display()
    );
    let mut experiments = Vec::new();
    for system in std::fs::read_dir(root.join("systems")).unwrap().flatten() {
        let folder = std::fs::read_dir(system.path().join("experiments"));
        experiments.extend(
            folder
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path()),
        );
    }
    assert!(experiments.len() >= 2, "{experiments:?}");
    for experiment in experiments {
        bench
            .run(&["validate", experiment.to_str().unwrap()])
            .expect(PASSED, &["valid"]);
    }
}
