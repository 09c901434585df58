//! The command line itself, `info`, `init`, and the log.

use crate::invocation::{Place, invoke};

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let told = |words: &[&str]| {
        let outcome = invoke(words, "");
        assert_eq!(outcome.code, 2, "{words:?}");
        outcome.err.lines().last().unwrap_or_default().to_string()
    };
    let place = Place::new();
    let log = place.path("log");
    let log = log.to_string_lossy();
    let run = |rest: &[&str]| {
        let mut words = vec!["--log-file", &*log, "run"];
        words.extend(rest);
        told(&words)
    };
    assert_eq!(told(&["bogus"]), "Error: No such command 'bogus'.");
    assert_eq!(told(&["--verbose"]), "Error: Missing command.");
    assert_eq!(
        told(&["--log-format", "x", "run"]),
        "Error: Invalid value for '--log-format': 'x' is not one of 'string', 'json'."
    );
    assert_eq!(run(&[]), "Error: Missing argument 'SOURCE'.");
    assert_eq!(
        run(&["a", "b", "c"]),
        "Error: Got unexpected extra arguments (b c)"
    );
    assert_eq!(run(&["--bogus", "a"]), "Error: No such option '--bogus'.");
    assert_eq!(
        run(&["--dry"]),
        "Error: Option '--dry' requires an argument."
    );
    assert_eq!(
        run(&["--fail-fast=1", "a"]),
        "Error: Option '--fail-fast' does not take a value."
    );
    assert_eq!(
        run(&["--var", "a:int=x", "a"]),
        "Error: Invalid value for '--var': invalid literal for int() with base 10: 'x'"
    );
    assert_eq!(
        run(&["--var-file", "no/file", "a"]),
        "Error: Invalid value for '--var-file': Path 'no/file' does not exist."
    );
}

#[test]
fn version_and_help_are_for_standard_output() {
    let outcome = invoke(&["--version"], "");
    assert_eq!(
        (outcome.code, outcome.out.as_str()),
        (0, "chaos, version 1.21.4\n")
    );
    let outcome = invoke(&["--help"], "");
    assert_eq!(outcome.code, 0);
    let short = "  run       Run the experiment loaded from SOURCE, either a local file or...\n";
    assert!(outcome.out.contains(short), "{}", outcome.out);
    let place = Place::new();
    let outcome = place.chaos(&["validate", "--help"]);
    let expected = "\
Usage: chaos validate [OPTIONS] SOURCE

  Validate the experiment at SOURCE.

Options:
  --no-verify-tls        Do not verify TLS certificate.
  --output [text|agent]  Output on stdout. With agent, a single JSON report is
                         written. Only the first error found is reported.
                         [default: text]
  --help                 Show this message and exit.
";
    assert_eq!(outcome.out, expected);
}

#[test]
fn info_core_tells_the_reference_versions() {
    let place = Place::new();
    let outcome = place.chaos(&["info", "core"]);
    let told: Vec<&str> = outcome.out.split_whitespace().collect();
    let expected = [
        "NAME", "VERSION", "CLI", "1.21.4", "Core", "library", "1.45.1",
    ];
    assert_eq!(told, expected);
}

#[test]
fn the_log_file_gets_everything_and_the_console_what_matters() {
    let place = Place::new();
    let path = place.file(
        "x.json",
        r#"{"title": "t", "description": "d", "method": []}"#,
    );
    let outcome = place.chaos(&["validate", &path]);
    assert_eq!(
        outcome.err,
        "[INFO] Validating the experiment's syntax\n[INFO] Experiment looks valid\n\
         [INFO] experiment syntax and semantic look valid"
    );
    let log = place.read("chaos.log");
    assert!(log.contains(" DEBUG] [lib:") && log.contains("Running command 'validate'"));
    assert!(
        log.lines().all(|line| line.starts_with("\u{1b}[3")),
        "{log}"
    );
}

#[test]
fn json_records_are_one_object_a_line() {
    let place = Place::new();
    let outcome = place.chaos(&["--log-format", "json", "validate", "nope"]);
    let record: serde_json::Value = serde_json::from_str(outcome.err.trim()).expect("a record");
    assert_eq!(record["levelname"], "ERROR");
    assert_eq!(record["message"], "Path \"nope\" does not exist.");
    assert_eq!(record["context_id"].as_str().map(str::len), Some(36));
}

#[test]
fn init_writes_an_experiment_from_what_was_discovered() {
    let place = Place::new();
    let discovery = place.file(
        "discovery.json",
        r#"{"activities": [
            {"type": "probe", "name": "p", "mod": "m.probes", "doc": "Says so.", "arguments": [
                {"name": "n", "type": "integer", "default": 3}, {"name": "secrets", "type": "mapping"}]},
            {"type": "action", "name": "a", "mod": "m.actions", "arguments": [
                {"name": "s", "type": "string", "default": null}]}]}"#,
    );
    let target = place.path("made.json");
    let target = target.to_string_lossy();
    let answers = "My title\ny\nNormal\n1\ny\n200\n\nn\ny\n2\ny\n\nn\nn\n";
    let outcome = place.chaos_answering(
        &[
            "init",
            "--discovery-path",
            &discovery,
            "--experiment-path",
            &target,
        ],
        answers,
    );
    assert_eq!(outcome.code, 0, "{}", outcome.out);
    let made: serde_json::Value = serde_json::from_str(&place.read("made.json")).expect("JSON");
    assert_eq!(made["title"], "My title");
    let probe = &made["steady-state-hypothesis"]["probes"][0];
    assert_eq!(probe["provider"]["arguments"], serde_json::json!({"n": 3}));
    assert_eq!(probe["tolerance"], "200");
    assert_eq!(made["method"][0]["provider"]["func"], "a");
    assert_eq!(
        made["method"][0]["provider"]["arguments"],
        serde_json::json!({"s": null})
    );
    assert!(made.get("rollbacks").is_none());
}

#[test]
fn init_without_answers_is_aborted() {
    let place = Place::new();
    let outcome = place.chaos(&["init", "--discovery-path", "no/file"]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.err.ends_with("Aborted!"));
}
