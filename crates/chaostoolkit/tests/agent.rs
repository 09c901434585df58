//! The report of `run --output agent`.

#[expect(dead_code, reason = "each test file uses its part")]
mod running;

use running::Bench;
use serde_json::Value;

#[test]
fn command_itself() {
    running::command_itself();
}

fn report(experiment: &str, more: &[&str]) -> (Value, Option<i32>) {
    let bench = Bench::new(&format!("title: t\ndescription: d\n{experiment}\n"));
    let mut arguments = vec!["--output", "agent"];
    arguments.extend(more);
    let ran = bench.run(&arguments);
    // The test harness writes lines of its own around the report.
    let start = ran.out.find("{\n").expect("a report");
    let end = ran.out.rfind("\n}\n").expect("a report") + 2;
    let report = serde_json::from_str(&ran.out[start..end]).expect("JSON");
    (report, ran.code)
}

const ACT: &str = "method: [{type: action, name: act, provider: {type: process, path: 'true'}}]";

fn hypothesis(tolerance: &str) -> String {
    format!(
        "steady-state-hypothesis: {{title: h, probes: [{{type: probe, name: look, tolerance: \
         {tolerance}, provider: {{type: process, path: 'true'}}}}]}}\n{ACT}"
    )
}

#[test]
fn passed() {
    let (report, code) = report(&hypothesis("0"), &[]);
    assert_eq!(
        (report["outcome"].as_str(), code),
        (Some("passed"), Some(0))
    );
    assert_eq!(report["conclusive"], true);
    assert_eq!(
        report["verdict"],
        "The steady state held before and after the method."
    );
    assert_eq!(report["method"]["count"], 1);
}

#[test]
fn a_baseline_that_is_not_met() {
    let (report, code) = report(&hypothesis("3"), &[]);
    let outcome = report["outcome"].as_str();
    assert_eq!((outcome, code), (Some("baseline-not-met"), Some(0)));
    assert_eq!(
        report["steady_state"]["before"]["probes"][0]["tolerance"],
        3
    );
}

#[test]
fn a_dry_run_without_hypothesis_concludes_nothing() {
    let (report, _) = report(ACT, &["--dry", "actions"]);
    assert_eq!(report["conclusive"], false);
    let warnings = report["warnings"].as_array().expect("warnings");
    let codes: Vec<_> = warnings.iter().filter_map(|w| w["code"].as_str()).collect();
    assert_eq!(codes, ["dry-run", "no-steady-state-hypothesis"]);
}

#[test]
fn an_invalid_experiment_has_a_report_too() {
    let (report, code) = report("method: [{type: action}]", &[]);
    assert_eq!((report["outcome"].as_str(), code), (Some("error"), Some(1)));
    assert_eq!(report["error"]["stage"], "validation");
    assert_eq!(report["error"]["type"], "InvalidActivity");
    assert_eq!(report["error"]["message"], "an activity must have a name");
}
