//! What the Chaos Toolkit's format has beyond activities one after another.

mod common;

use std::time::Duration;

use common::{GOOD, read};
use proptest::prelude::*;
use serde_json::json;
use shaketable_experiment::{
    Condition, Contribution, Dry, Experiment, HttpBody, HypothesisStrategy, ProcessArguments,
    Provider, RollbackStrategy, Tolerance,
};

fn plan(text: &str) -> Experiment {
    read(text).unwrap_or_else(|errors| panic!("{errors}")).0
}

/// The provider of the only activity of a method.
fn provider(provider: &str) -> Provider {
    let text = format!(
        "title: t\ndescription: d\nsecrets: {{s: {{k: v}}}}\nmethod: [{{type: action, name: a, provider: {{{provider}}}}}]\n"
    );
    plan(&text).method.remove(0).provider
}

const EVERYTHING: &str = r#"
title: t
description: d
tags: [a]
dry: actions
extensions: [{name: chaosiq, data: {a: [1]}}]
contributions: {reliability: high, security: none}
controls:
  - {name: tracing, automatic: false, provider: {type: python, module: m.tracing, arguments: {a: 1}, secrets: [s]}}
secrets: {s: {k: v}}
runtime:
  hypothesis: {strategy: during-method-only, frequency: 2s}
  rollbacks: {strategy: deviated}
  python: {dependencies: [chaostoolkit-kafka], isolated: true, version: "3.12", interpreter: python3}
steady-state-hypothesis:
  title: h
  controls: [{ref: tracing}]
  probes:
    - type: probe
      name: asks
      within: 10s
      tolerance: {type: samples, tolerance: 200, at-least: 90%, of: 20, every: 100ms}
      controls: [{name: own, scope: after, provider: {type: python, module: m.own}}]
      pauses: {before: 1}
      provider: {type: http, url: "http://h/"}
    - {ref: look, tolerance: {type: rate, tolerance: {type: range, range: [0, 5]}, over: 3s, target: n}}
method:
  - type: probe
    name: look
    background: true
    dry: pause
    timeout: 3
    retries: {attempts: 3, every: 2s, backoff: 2}
    provider: {type: process, path: ls}
  - ref: look
  - {type: probe, name: wait, until: {tolerance: {type: regex, pattern: "^o"}, timeout: 1m}, provider: {type: process, path: ls}}
rollbacks:
  - ref: asks
    tolerance: {type: probe, name: judges, provider: {type: python, module: m.probes, func: judge, arguments: {value: 1}}}
"#;

#[test]
fn everything_is_in_the_plan() {
    let (plan, warnings) = read(EVERYTHING).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(
        warnings.to_string(),
        "this `tolerance` decides nothing",
        "of the rollback"
    );
    assert_eq!(plan.dry, Some(Dry::Actions));
    assert_eq!(plan.extensions[0]["data"], json!({"a": [1]}));
    assert_eq!(plan.contributions["security"], Contribution::None);
    assert_eq!(plan.strategy, HypothesisStrategy::DuringMethodOnly);
    assert_eq!(plan.frequency, Duration::from_secs(2));
    assert_eq!(plan.rollback_strategy, RollbackStrategy::Deviated);
    assert_eq!(plan.python.version.as_deref(), Some("3.12"));
    let control = &plan.controls[0];
    assert!(!control.automatic && !control.native && control.scope.before());
    assert_eq!(
        (control.arguments["a"].clone(), &control.secrets[0][..]),
        (json!(1), "s")
    );

    let hypothesis = plan.hypothesis.expect("a hypothesis");
    assert_eq!(hypothesis.controls[0].module, "m.tracing");
    let asks = &hypothesis.probes[0];
    assert_eq!(asks.until.expect("within").timeout.as_secs(), 10);
    assert!(!asks.controls[0].scope.before());
    assert_eq!(asks.pauses_before.as_secs(), 1);
    assert_eq!(
        asks.tolerance,
        Some(Tolerance::Samples {
            condition: Condition::Integer(200),
            at_least: 0.9,
            of: 20,
            every: Duration::from_millis(100),
        })
    );
    let look = &hypothesis.probes[1];
    assert_eq!(look.name, "look");
    let Some(Tolerance::Rate { over, target, .. }) = &look.tolerance else {
        panic!("{look:?}");
    };
    assert_eq!((over.as_secs(), target.as_deref()), (3, Some("n")));
    assert!(!look.background);

    let first = &plan.method[0];
    assert!(first.background);
    assert_eq!(first.dry, Some(Dry::Pause));
    assert_eq!(first.timeout, Some(Duration::from_secs(3)));
    let retries = first.retries.expect("retries");
    assert_eq!((retries.attempts, retries.backoff), (3, 2.0));
    assert_eq!(plan.method[1].source, first.source);
    let wait = &plan.method[2];
    assert_eq!(wait.until.expect("until").every, Duration::from_millis(500));
    let Some(Tolerance::Output(condition)) = &wait.tolerance else {
        panic!("{wait:?}");
    };
    assert!(condition.holds(&json!("ok")) && !condition.holds(&json!("no")));
    assert!(!condition.holds(&json!(null)));

    // What means something in the hypothesis only does not come along.
    let asks = &plan.rollbacks[0];
    assert_eq!((asks.name.as_str(), asks.until), ("asks", None));
    let Some(Tolerance::Probe(judge)) = &asks.tolerance else {
        panic!("{asks:?}");
    };
    let Provider::Python(call) = judge.with_value(&json!([1, 2])).provider else {
        panic!("{judge:?}");
    };
    assert_eq!(call.arguments["value"], json!([1, 2]));
}

#[test]
fn requests_are_as_the_toolkit_sends_them() {
    let http = |more: &str| match provider(&format!("type: http, url: 'http://h/?q=1', {more}")) {
        Provider::Http(call) => call,
        other => panic!("{other:?}"),
    };
    let get = http("arguments: {a: 1, b: true, c: null, d: [x, y]}");
    let fields = |of: &[(&str, &str)]| -> Vec<(String, String)> {
        of.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    assert_eq!(
        get.query,
        fields(&[("a", "1"), ("b", "True"), ("d", "x"), ("d", "y")])
    );
    assert_eq!(get.body, HttpBody::None);
    assert_eq!(http("arguments: 'a=b'").url, "http://h/?q=1&a=b");
    let form = http("method: POST, arguments: {a: 1}");
    assert_eq!(form.body, HttpBody::Form(fields(&[("a", "1")])));
    let json = http("method: PUT, headers: {Content-Type: application/json}, arguments: {a: 1}");
    assert_eq!(json.body, HttpBody::Json(json!({"a": 1})));
    let text = http("method: POST, arguments: plain");
    assert_eq!(text.body, HttpBody::Text("plain".to_owned()));

    assert!(get.verify_tls && get.max_retries == 0);
    let more = http(
        "timeout: [1, 2.5], verify_tls: false, ca_file: ca.pem, max_retries: 3, expected_status: [200, 204], secrets: [s]",
    );
    assert_eq!(more.connect_timeout, Some(Duration::from_secs(1)));
    assert_eq!(more.timeout, Duration::from_millis(3500));
    assert!(!more.verify_tls);
    assert_eq!(
        (more.max_retries, more.expected_status),
        (3, vec![200, 204])
    );
}

#[test]
fn processes_get_their_arguments_as_the_toolkit_gives_them() {
    let process = |more: &str| match provider(&format!("type: process, path: p, {more}")) {
        Provider::Process(call) => call,
        other => panic!("{other:?}"),
    };
    let list = |of: &[&str]| ProcessArguments::List(of.iter().map(|&one| one.to_owned()).collect());
    for (given, expected) in [
        (
            "arguments: [a, 1, 1.5, true, null]",
            list(&["a", "1", "1.5", "True"]),
        ),
        (
            "arguments: {--a: 1, b: '', c: null}",
            list(&["--a", "1", "b", "c"]),
        ),
        (
            "arguments: '-l | wc'",
            ProcessArguments::Shell("-l | wc".to_owned()),
        ),
    ] {
        assert_eq!(process(given).arguments, expected, "{given}");
    }
    let call = process("env: {A: 1}, cwd: sub");
    assert_eq!(call.environment["A"], "1");
    assert_eq!(call.directory.as_deref(), Some("sub"));
}

#[test]
fn any_function_in_python_is_called() {
    let Provider::Python(call) = provider(
        "type: python, module: a.b, func: f, arguments: {x: [1]}, secrets: [s], timeout: 5",
    ) else {
        panic!("not Python's");
    };
    assert_eq!((call.module.as_str(), call.function.as_str()), ("a.b", "f"));
    assert_eq!(call.arguments["x"], json!([1]));
    assert_eq!(
        (call.secrets, call.timeout.as_secs()),
        (vec!["s".to_owned()], 5)
    );
}

/// Words of the format, for documents made of them at random.
const WORDS: &[&str] = &[
    "title",
    "description",
    "method",
    "rollbacks",
    "configuration",
    "secrets",
    "controls",
    "ref",
    "steady-state-hypothesis",
    "probes",
    "type",
    "probe",
    "action",
    "name",
    "provider",
    "process",
    "http",
    "python",
    "path",
    "url",
    "module",
    "func",
    "arguments",
    "tolerance",
    "regex",
    "jsonpath",
    "range",
    "samples",
    "rate",
    "pattern",
    "target",
    "until",
    "within",
    "timeout",
    "retries",
    "outputs",
    "env",
    "vault",
    "file",
    "key",
    "runtime",
    "strategy",
    "hypothesis",
    "background",
    "pauses",
    "before",
    "${a}",
    "$.a",
    "a",
    "dry",
    "fault",
    "process-kill",
    "service",
];

fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let word = || prop::sample::select(WORDS).prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
        word().prop_map(serde_json::Value::from),
        "[$a{} ]{0,6}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::vec((word(), inner), 0..8)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_document_is_read_or_refused_at_a_place(
        parts in prop::collection::vec((prop::sample::select(WORDS), any_value()), 0..8),
        configuration in any_value(),
        secrets in any_value(),
    ) {
        let mut document = json!({
            "title": "t", "description": "d", "method": [],
            "configuration": configuration, "secrets": secrets,
        });
        for (key, value) in parts {
            document[key] = value;
        }
        match read(&document.to_string()) {
            Ok((plan, _)) => {
                let _ = plan.with(&Default::default());
                for activity in plan.activities() {
                    let _ = activity.filled_in(&Default::default());
                }
            }
            Err(errors) => {
                prop_assert!(errors.has_errors());
                prop_assert!(errors.iter().all(|one| one.span.is_some()));
            }
        }
    }

    #[test]
    fn a_part_replaced_by_anything_is_read_or_refused(
        at in any::<prop::sample::Index>(),
        value in any_value(),
        document in prop::sample::select(&[GOOD, EVERYTHING][..]),
    ) {
        let lines: Vec<&str> = document.lines().collect();
        let index = at.index(lines.len());
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        if let Some((key, _)) = lines[index].clone().split_once(": ") {
            lines[index] = format!("{key}: {value}");
        }
        if let Err(errors) = read(&lines.join("\n")) {
            prop_assert!(errors.has_errors());
        }
    }
}
