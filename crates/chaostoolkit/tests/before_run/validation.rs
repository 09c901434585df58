//! `chaos validate` against what the reference says of the same documents.

use crate::invocation::{Outcome, Place};

#[test]
fn says_what_the_reference_says() {
    let mut wrong = Vec::new();
    for line in include_str!("recorded/validate.ndjson").lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("a recorded case");
        let text = |key: &str| case[key].as_str().unwrap_or_default().to_string();
        let place = Place::new();
        let path = place.file(&text("file"), &text("document"));
        let outcome = place.chaos(&["validate", &path]);
        let told = with_short_traceback(&outcome).trim().to_string();
        let code = case["code"].as_i64().unwrap_or(-1);
        if (i64::from(outcome.code), told.as_str()) != (code, text("stderr").as_str()) {
            wrong.push(format!(
                "{}: expected {code} {}, got {} {told}",
                text("file"),
                text("stderr"),
                outcome.code
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_experiment_that_cannot_be_loaded_is_told_in_one_line() {
    let place = Place::new();
    let outcome = place.chaos(&["validate", "no/such/file.json"]);
    assert_eq!(outcome.code, 1);
    assert_eq!(
        outcome.err,
        "[ERROR] Path \"no/such/file.json\" does not exist."
    );
    let outcome = place.chaos(&["validate", "ftp://example.com/x.json"]);
    assert_eq!(
        outcome.err,
        "[ERROR] 'ftp' is not a supported source scheme."
    );
}

#[test]
fn the_agent_gets_one_report() {
    let place = Place::new();
    let path = place.file("x.json", r#"{"title": "t"}"#);
    let outcome = place.chaos(&["validate", "--output", "agent", &path]);
    assert_eq!(outcome.code, 1);
    let report: serde_json::Value = serde_json::from_str(&outcome.out).expect("one report");
    assert_eq!(report["valid"], false);
    assert_eq!(report["title"], "t");
    assert_eq!(report["error"]["stage"], "validation");
    assert_eq!(
        report["error"]["message"],
        "experiment requires a description"
    );
}

#[test]
fn python_functions_are_checked_by_their_signature() {
    let place = Place::new();
    let experiment = |arguments: &str| {
        format!(
            r#"{{"title": "t", "description": "d", "method": [{{"type": "probe", "name": "n", "provider":
            {{"type": "python", "module": "os.path", "func": "exists", "arguments": {arguments}}}}}]}}"#
        )
    };
    let path = place.file("good.json", &experiment(r#"{"path": "x"}"#));
    assert_eq!(place.chaos(&["validate", &path]).code, 0);
    let path = place.file("missing.json", &experiment("{}"));
    let outcome = place.chaos(&["validate", &path]);
    assert_eq!(
        outcome.messages().last(),
        Some(&"ERROR] required argument 'path' is missing from activity 'exists'")
    );
}

#[test]
fn a_runtime_is_checked_before_the_experiment() {
    let place = Place::new();
    let text = r#"{"title": "t", "runtime": {"python": {"dependencies": [1]}}}"#;
    let path = place.file("x.json", text);
    let outcome = place.chaos(&["validate", &path]);
    assert_eq!(outcome.code, 1);
    let told = "[ERROR] runtime.python.dependencies must contain package names";
    assert_eq!(outcome.err, told);
}

fn with_short_traceback(outcome: &Outcome) -> String {
    match outcome
        .err
        .split_once("Traceback (most recent call last):\n")
    {
        Some((before, last)) => format!("{before}TB {last}"),
        None => outcome.err.clone(),
    }
}
