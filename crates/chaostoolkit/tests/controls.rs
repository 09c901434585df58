//! Controls at every level: which are called, in which order, and what they change.

#[expect(dead_code, reason = "each test file uses its part")]
mod running;

use running::{Bench, Ran};
use serde_json::json;

#[test]
fn command_itself() {
    running::command_itself();
}

const CONTROL: &str = r#"
def say(*words):
    with open("calls", "a") as calls:
        calls.write(" ".join(words) + "\n")

def configure_control(who): say(who, "configure")
def cleanup_control(): say("cleanup")
def before_experiment_control(context, configuration, who):
    say(who, "experiment")
    configuration["added"] = "by control"
def after_experiment_control(context, state, who):
    say(who, "experiment", state["status"])
    state["extra"] = 1
def before_hypothesis_control(context, who): say(who, "hypothesis")
def after_hypothesis_control(context, state, who): say(who, "hypothesis", str(state["steady_state_met"]))
def before_method_control(context, who): say(who, "method")
def after_method_control(context, state, who): say(who, "method", str(len(state)))
def before_rollback_control(context, who): say(who, "rollback")
def after_rollback_control(context, state, who): say(who, "rollback", str(len(state)))
def before_activity_control(context, who):
    say(who, context["name"])
    context["provider"]["seen"] = True
def after_activity_control(context, state, who): say(who, context["name"], state["status"])
"#;

fn control(who: &str) -> String {
    format!(
        "{{name: {who}, provider: {{type: python, module: recorder, arguments: {{who: {who}}}}}}}"
    )
}

fn bench(rest: &str) -> Bench {
    let bench = Bench::new(&format!("title: t\ndescription: d\n{rest}\n"));
    bench.file("recorder.py", CONTROL);
    bench
}

fn calls(bench: &Bench) -> Vec<String> {
    let calls = std::fs::read_to_string(bench.path("calls")).unwrap_or_default();
    calls.lines().map(str::to_owned).collect()
}

#[test]
fn controls_are_called_around_everything() {
    let bench = bench(&format!(
        "controls: [{}]\n\
         steady-state-hypothesis: {{title: h, probes: [{{type: probe, name: look, tolerance: 0, provider: {{type: process, path: 'true'}}}}]}}\n\
         method: [{{type: action, name: act, controls: [{}], provider: {{type: process, path: echo, arguments: ['${{added}}']}}}}]",
        control("top"),
        control("local"),
    ));
    let ran = bench.run(&["--hypothesis-strategy", "before-method-only"]);
    assert_eq!(ran.end(), ("completed", false, 0));
    assert_eq!(
        calls(&bench),
        [
            "top configure",
            "local configure",
            "top experiment",
            "top hypothesis",
            "top look",
            "top look succeeded",
            "top hypothesis True",
            "top method",
            "top act",
            "local act",
            "top act succeeded",
            "local act succeeded",
            "top method 1",
            "top rollback",
            "top rollback 0",
            "top experiment completed",
            "cleanup",
            "cleanup",
        ]
    );
    let journal = ran.journal();
    assert_eq!(journal["extra"], 1);
    assert_eq!(journal["run"][0]["output"]["stdout"], "by control\n");
    assert_eq!(journal["run"][0]["activity"]["provider"]["seen"], true);
    assert_eq!(journal["experiment"]["method"][0]["provider"]["seen"], true);
}

#[test]
fn a_control_that_fails_changes_nothing() {
    let bench = bench(
        "controls: [{name: bad, provider: {type: python, module: bad}}, {name: none, provider: {type: python, module: nowhere}}]\n\
         method: [{type: action, name: act, provider: {type: process, path: 'true'}}]",
    );
    bench.file(
        "bad.py",
        "def before_activity_control(context): raise ValueError('no')\n",
    );
    let ran: Ran = bench.run(&[]);
    assert_eq!(ran.end(), ("completed", false, 0));
    assert_eq!(ran.journal()["run"][0]["status"], json!("succeeded"));
}

#[test]
fn a_python_activity_may_fail_and_may_exit() {
    let bench = bench(
        "method:\n\
         - {type: action, name: boom, provider: {type: python, module: acts, func: boom}}\n\
         - {type: action, name: leave, provider: {type: python, module: acts, func: leave}}\n\
         - {type: action, name: never, provider: {type: process, path: 'true'}}",
    );
    bench.file(
        "acts.py",
        "def boom(): raise ValueError('boom')\ndef leave(): raise SystemExit(3)\n",
    );
    let ran = bench.run(&[]);
    assert_eq!(ran.end(), ("interrupted", false, 1));
    let entries = ran.entries("run");
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].1.as_deref(), Some("failed"));
    assert_eq!(entries[1].1, None);
    assert!(ran.err.contains("Received the exit signal: 3"));
}
