//! Experiments without a system, which are quick: what tests of activities, of strategies and of
//! controls share.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::shop::{probe, run_json};
use crate::support::{Bench, Outcome};

/// An experiment about nothing but files; its hypothesis is that no file `broken` is there.
pub fn write(bench: &Bench, method: &[Value], more: Value) -> String {
    let mut document = json!({
        "title": "Files", "description": "They come and go.",
        "steady-state-hypothesis": {
            "title": "nothing is broken", "probes": [probe("nothing is broken", bench)],
        },
        "method": method,
    });
    for (key, value) in more.as_object().unwrap() {
        document[key] = value.clone();
    }
    let number = std::fs::read_dir(bench.path("")).unwrap().count();
    let path = bench.write(&format!("files-{number}.json"), &document.to_string());
    path.to_str().unwrap().to_owned()
}

/// Runs it, printed as JSON.
#[track_caller]
pub fn run(bench: &Bench, method: &[Value], more: Value) -> Outcome {
    run_json(bench, &write(bench, method, more))
}

/// An action that runs a script of the shell; `HERE` is the bench's folder.
pub fn shell(bench: &Bench, name: &str, script: &str) -> Value {
    let here = bench.path("");
    let script = script.replace("HERE/", &here.to_string_lossy());
    json!({
        "type": "action", "name": name,
        "provider": { "type": "process", "path": "sh", "arguments": ["-c", script] },
    })
}

/// The folder of the run that came last.
pub fn last_run(bench: &Bench) -> PathBuf {
    bench.runs().last().expect("there was a run").clone()
}

/// The latest run's journal in the Chaos Toolkit's shape.
#[track_caller]
pub fn journal(bench: &Bench) -> Value {
    bench.run(&["journal"]).expect(0, &[]).json()
}

/// The lines of a file in the bench's folder; none if it is not there.
pub fn lines(bench: &Bench, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(bench.path(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
