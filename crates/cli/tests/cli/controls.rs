//! Controls in Python, at every level: when they are called, with what, and what comes of what they do.

use serde_json::{Value, json};

use crate::ABORTED;
use crate::bare::{journal, lines, run, shell};
use crate::shop::touch;
use crate::support::{Bench, PASSED};

/// A control that writes down each call.
const WITNESS: &str = r#"
def note(*words):
    with open("HERE/calls", "a") as file:
        print(*words, file=file)

def configure_control(experiment=None, configuration=None, **kwargs):
    note("configure")

def cleanup_control():
    note("cleanup")
"#;

fn witness(bench: &Bench) {
    let mut text = WITNESS.to_owned();
    for level in ["experiment", "hypothesis", "method", "rollback", "activity"] {
        let name = match level {
            "experiment" => "context['title']",
            "hypothesis" => "context['title']",
            "activity" => "context['name']",
            _ => "len(context)",
        };
        text.push_str(&format!(
            "
def before_{level}_control(context, **kwargs):
    note('before {level}', {name})

def after_{level}_control(context, state, **kwargs):
    note('after {level}', {name}, (state or {{}}).get('status') if isinstance(state, dict) else len(state))
"
        ));
    }
    bench.write("witness.py", &text);
}

fn control(name: &str, module: &str) -> Value {
    json!({ "name": name, "provider": { "type": "python", "module": module } })
}

#[test]
fn controls_are_called_around_everything_they_are_for() {
    let bench = Bench::new();
    witness(&bench);
    let more = json!({
        "controls": [control("witness", "witness")],
        "rollbacks": [shell(&bench, "undo", "true")],
    });
    run(&bench, &[shell(&bench, "do", "true")], more).expect(PASSED, &[]);
    assert_eq!(
        lines(&bench, "calls"),
        [
            "configure",
            "before experiment Files",
            "before hypothesis nothing is broken",
            "before activity nothing is broken",
            "after activity nothing is broken succeeded",
            "after hypothesis nothing is broken None",
            "before method 1",
            "before activity do",
            "after activity do succeeded",
            "after method 1 1",
            "before hypothesis nothing is broken",
            "before activity nothing is broken",
            "after activity nothing is broken succeeded",
            "after hypothesis nothing is broken None",
            "before rollback 1",
            "before activity undo",
            "after activity undo succeeded",
            "after rollback 1 1",
            "after experiment Files completed",
            "cleanup",
        ]
    );
}

#[test]
fn an_activity_has_those_of_the_experiment_and_its_own_each_once() {
    let bench = Bench::new();
    let module = "
def before_activity_control(context, **kwargs):
    with open('HERE/calls', 'a') as file:
        print(kwargs['who'], context['name'], file=file)
";
    bench.write("who.py", module);
    let who = |name: &str| {
        let mut control = control(name, "who");
        control["provider"]["arguments"] = json!({ "who": name });
        control
    };
    let mut once = who("once");
    once["automatic"] = json!(false);
    let mut own = touch(&bench, "own");
    own["name"] = json!("own");
    own["controls"] = json!([who("outer"), who("inner")]);
    let more = json!({
        "controls": [who("outer"), once],
        "runtime": { "hypothesis": { "strategy": "skip" } },
    });
    let mut plain = touch(&bench, "plain");
    plain["name"] = json!("plain");
    run(&bench, &[own, plain], more);
    let calls = lines(&bench, "calls");
    assert_eq!(calls, ["outer own", "inner own", "outer plain"]);
}

#[test]
fn a_control_that_fails_is_a_warning() {
    let bench = Bench::new();
    bench.write(
        "bad.py",
        "def before_activity_control(context, **kwargs):\n    raise ValueError('what a pity')\n",
    );
    let more = json!({ "controls": [control("bad", "bad"), control("gone", "no_such_module")] });
    let outcome = run(&bench, &[touch(&bench, "done")], more);
    let result = outcome
        .expect(PASSED, &["what a pity", "no_such_module"])
        .json();
    assert!(bench.path("done").exists());
    let timeline = result["timeline"].to_string();
    assert!(timeline.contains("warning: control `bad`"), "{timeline}");
    assert!(timeline.contains("warning: control `gone`"), "{timeline}");
}

#[test]
fn a_control_can_interrupt_the_execution_and_change_the_configuration() {
    let bench = Bench::new();
    // As far as the Chaos Toolkit's library is used here.
    bench.write("chaoslib/__init__.py", "");
    let classes =
        "class ChaosException(Exception): pass\nclass InterruptExecution(ChaosException): pass\n";
    bench.write("chaoslib/exceptions.py", classes);
    bench.write(
        "gate.py",
        "
from chaoslib.exceptions import InterruptExecution

def after_activity_control(context, state, configuration=None, **kwargs):
    if context['name'] == 'first':
        configuration['word'] = 'changed'
    if context['name'] == 'second':
        raise InterruptExecution('enough is enough')
",
    );
    let method = [
        shell(&bench, "first", "echo ${word} >> HERE/said"),
        shell(&bench, "second", "echo ${word} >> HERE/said"),
        touch(&bench, "third"),
    ];
    let more = json!({
        "configuration": { "word": "given" },
        "controls": [control("gate", "gate")],
        "rollbacks": [touch(&bench, "rollback")],
    });
    run(&bench, &method, more).expect(ABORTED, &["enough is enough"]);
    assert_eq!(lines(&bench, "said"), ["given", "changed"]);
    assert!(!bench.path("third").exists());
    assert!(bench.path("rollback").exists());
    assert_eq!(journal(&bench)["status"], "interrupted");
}
