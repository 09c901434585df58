//! Extensions from PyPI that nobody here wrote, really called by `shaketable chaos`: chaostoolkit-addons,
//! chaostoolkit-kafka (on a real broker), chaostoolkit-prometheus (on a real Prometheus) and
//! chaostoolkit-toxiproxy (on a stand-in that keeps Toxiproxy's API).
//!
//! They are in a Python environment that `make setup` makes; without it these tests fail and say so.

#[path = "extensions/addons.rs"]
mod addons;
#[path = "extensions/http.rs"]
mod http;
#[path = "extensions/kafka.rs"]
mod kafka;
#[path = "extensions/prometheus.rs"]
mod prometheus;
#[expect(dead_code, reason = "this file uses its part")]
mod support;
#[path = "extensions/toxiproxy.rs"]
mod toxiproxy;

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use support::{Bench, Outcome};

/// What is installed, and by that the name of the folder it is in.
const REQUIREMENTS: &str = include_str!("extensions/requirements.txt");

/// The Python that has the extensions.
#[track_caller]
fn python() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("SHAKETABLE_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("shaketable")))
        .or_else(|| Some(variable("HOME")?.join(".cache/shaketable")))
        .expect("HOME is set");
    let pins = REQUIREMENTS
        .lines()
        .filter_map(|line| line.split_once("=="));
    let versions = pins.filter_map(|(_, rest)| rest.split_whitespace().next());
    let name = versions.fold("extensions".to_owned(), |name, version| {
        name + "-" + version
    });
    let python = cache.join(name).join("bin/python");
    assert!(
        python.exists(),
        "{} is missing: run `make setup` first",
        python.display()
    );
    python
}

/// `shaketable chaos` with the Python that has the extensions, and with some variables.
#[track_caller]
fn chaos(bench: &Bench, arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let mut command = bench.command(&["chaos"]);
    command.args(arguments).env("PYTHON", python());
    command.envs(variables.iter().copied());
    bench.start_command(command).finish()
}

/// Runs an experiment; its outcome and its journal.
#[track_caller]
fn run(bench: &Bench, experiment: &Value, variables: &[(&str, &str)]) -> (Outcome, Value) {
    bench.write("experiment.json", &experiment.to_string());
    let outcome = chaos(bench, &["run", "experiment.json"], variables);
    let text = std::fs::read_to_string(bench.path("journal.json"));
    let text = text.unwrap_or_else(|error| panic!("no journal: {error}\n{}", outcome.err));
    let journal = serde_json::from_str(&text).expect("the journal is JSON");
    (outcome, journal)
}

/// An experiment of these parts.
fn experiment(method: &[Value], more: Value) -> Value {
    let mut experiment = json!({"title": "t", "description": "d", "method": method});
    let more = more.as_object().expect("a mapping").clone();
    experiment.as_object_mut().expect("a mapping").extend(more);
    experiment
}

/// An activity of Python; its name is the function's.
fn python_activity(kind: &str, module: &str, function: &str, arguments: Value) -> Value {
    let provider =
        json!({"type": "python", "module": module, "func": function, "arguments": arguments});
    json!({"type": kind, "name": function, "provider": provider})
}

/// An action that is a process.
fn process(name: &str, path: &str, arguments: &[&str]) -> Value {
    let provider = json!({"type": "process", "path": path, "arguments": arguments});
    json!({"type": "action", "name": name, "provider": provider})
}

/// A control of Python.
fn control(module: &str, arguments: Value) -> Value {
    let provider = json!({"type": "python", "module": module, "arguments": arguments});
    json!({"name": module, "provider": provider})
}

/// Name, status and output of the entries of a section of a journal.
fn entries(journal: &Value, section: &str) -> Vec<(String, String, Value)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = journal[section].as_array().expect("a list").iter();
    let entries = entries.map(|entry| {
        let name = text(&entry["activity"]["name"]);
        (name, text(&entry["status"]), entry["output"].clone())
    });
    entries.collect()
}

/// Fails unless all entries of a section have succeeded with these outputs.
#[track_caller]
fn all_succeeded(journal: &Value, section: &str, expected: &[(&str, Value)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, output)| ((*name).to_owned(), "succeeded".to_owned(), output.clone()))
        .collect();
    assert_eq!(entries(journal, section), expected, "{journal:#}");
}

/// The version of a package in the environment.
fn version(package: &str) -> String {
    let program = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))";
    let asked = Command::new(python())
        .args(["-c", program, package])
        .output();
    let asked = asked.expect("python starts");
    String::from_utf8_lossy(&asked.stdout).trim().to_owned()
}

#[test]
fn all_of_them_are_told_by_info() {
    let outcome = chaos(&Bench::new(), &["info", "extensions"], &[]);
    let outcome = outcome.expect(0, &[]);
    for name in ["addons", "kafka", "prometheus", "toxiproxy"] {
        let name = format!("chaostoolkit-{name}");
        let line = outcome.out.lines().find(|line| line.starts_with(&name));
        let line = line.unwrap_or_else(|| panic!("no {name} in {}", outcome.out));
        assert!(line.contains(&version(&name)), "{line}");
    }
}
