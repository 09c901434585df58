//! A small system, the shop, and experiments on it: what tests of runs, of healing and of documents
//! share.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Bench, Outcome, PASSED};

/// `web` writes down which undo records there are when it is asked to end.
pub const SHOP: &str = r#"
services:
  web:
    command: [sh, -c, "trap 'ls HERE/home/faults >> HERE/asked-to-end; exit 0' TERM; while :; do sleep 0.1; done"]
    restart: unless-stopped
  beside:
    command: [sleep, "1000"]
"#;

/// A bench with the shop's Compose file in it.
pub fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("shop/compose.yaml", SHOP);
    bench
}

/// An experiment on the shop whose hypothesis is that no file `broken` is there.
pub fn experiment(bench: &Bench, method: &[Value], more: Value) -> String {
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

pub fn probe(name: &str, bench: &Bench) -> Value {
    json!({
        "type": "probe", "name": name, "tolerance": 0,
        "provider": { "type": "process", "path": "test", "arguments": ["!", "-e", bench.path("broken")] },
    })
}

pub fn fault(name: &str, parameters: Value) -> Value {
    let mut provider = json!({ "type": "fault", "fault": name, "target": { "service": "web" } });
    for (key, value) in parameters.as_object().unwrap() {
        provider[key] = value.clone();
    }
    json!({ "type": "action", "name": name, "provider": provider })
}

/// The same, with so long a pause behind it that the run is ended before it is over.
pub fn lasting(mut fault: Value) -> Value {
    fault["pauses"] = json!({ "after": "1h" });
    fault
}

pub fn process(name: &str, arguments: &[&str]) -> Value {
    json!({
        "type": "action", "name": name,
        "provider": { "type": "process", "path": arguments[0], "arguments": &arguments[1..] },
    })
}

pub fn touch(bench: &Bench, name: &str) -> Value {
    process(name, &["touch", bench.path(name).to_str().unwrap()])
}

pub fn run_json(bench: &Bench, experiment: &str) -> Outcome {
    bench.run(&["run", experiment, "--format", "json"])
}

/// Brings the shop up, to stay up.
pub fn up(bench: &Bench) {
    bench.run(&["up", "shop"]).expect(PASSED, &["is ready"]);
}

/// Fails unless nothing of any fault is left and the shop, which is up, is as at its beginning.
#[track_caller]
pub fn assert_well(bench: &Bench) {
    assert!(bench.fault_records().is_empty());
    let web = bench.instance("shop", "web");
    assert!(!web.held, "{web:?}");
    let process = web.process.expect("it runs");
    assert!(process.is_alive() && !process.is_stopped(), "{process:?}");
}

/// The verdict in the journal's last line.
pub fn journalled_verdict(run: &Path) -> Value {
    let journal = std::fs::read_to_string(run.join("journal.ndjson")).unwrap();
    let last: Value = serde_json::from_str(journal.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "run-ended", "{journal}");
    last["detail"]["verdict"].clone()
}
