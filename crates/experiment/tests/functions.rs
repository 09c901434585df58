//! Functions of extensions: native ones, those that faults stand for, and values that controls set.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{GOOD, read};
use shaketable_experiment::{Experiment, Provider, Target};

/// An experiment with the given method and rollbacks.
fn document(method: &str, rollbacks: &str, more: &str) -> String {
    format!(
        "title: t\ndescription: d\nconfiguration: {{topic: orders, ids: ['1', '3']}}\n\
         method:\n  - {{type: action, name: a, {method}}}\n\
         rollbacks:\n  - {{type: action, name: r, {rollbacks}}}\n{more}"
    )
}

const PLAIN: &str = "provider: {type: process, path: echo}";
const PRODUCE: &str = "provider: {type: python, module: chaoskafka.actions, func: produce_messages, arguments: {topic: '${topic}'}}, controls: [{name: c, provider: {type: python, module: chaoskafka.controls.get_production_offsets}}]";

fn plan(text: &str) -> Experiment {
    read(text).unwrap_or_else(|errors| panic!("{errors}")).0
}

fn errors(text: &str) -> String {
    let problems = read(text).expect_err("an error");
    let lines = problems
        .iter()
        .map(|problem| format!("{} ({:?})", problem.message, problem.help));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_native_function_is_called_with_its_arguments() {
    let plan = plan(&document(PRODUCE, PLAIN, ""));
    let Provider::Function(call) = &plan.method[0].provider else {
        panic!("{:?}", plan.method[0].provider);
    };
    assert_eq!(call.function, "produce_messages");
    assert_eq!(call.arguments["topic"], "orders");
    assert_eq!(
        plan.method[0].controls,
        ["chaoskafka.controls.get_production_offsets"]
    );
}

#[test]
fn a_value_that_a_control_sets_is_filled_in_during_the_run() {
    let late = "provider: {type: kafka, func: consumer_lag, arguments: {group: 'g-${earliest}-$${x}-${topic}', partition: '${earliest}'}}";
    let plan = plan(&document(PRODUCE, late, ""));
    let Provider::Function(call) = &plan.rollbacks[0].provider else {
        panic!("{:?}", plan.rollbacks[0].provider);
    };
    let missing = call.filled_in(&BTreeMap::new()).expect_err("no value yet");
    assert!(missing.contains("`${earliest}` has no value"), "{missing}");
    assert!(missing.contains("get_production_offsets"), "{missing}");
    let values = BTreeMap::from([("earliest".to_owned(), serde_json::json!(17))]);
    let arguments = call.filled_in(&values).expect("filled in");
    assert_eq!(arguments["partition"], 17);
    assert_eq!(arguments["group"], "g-17-${x}-orders");
}

#[test]
fn a_value_that_a_control_sets_is_of_no_use_elsewhere() {
    let url = "provider: {type: http, url: 'http://h/${earliest}'}";
    let problems = errors(&document(PRODUCE, url, ""));
    assert!(
        problems.contains("`${earliest}` has no value before the method"),
        "{problems}"
    );
    // Without the control it is just unknown.
    let problems = errors(&document(PLAIN, url, ""));
    assert!(problems.contains("unknown variable `${earliest}`"), "{problems}");
}

#[test]
fn a_bound_function_is_one_fault_for_each_item() {
    let reboot = "provider: {type: python, module: cloud.actions, func: reboot, arguments: {ids: '${ids}', arn: x}}";
    let plan = plan(&document(reboot, PLAIN, ""));
    let Provider::Bound { function, calls } = &plan.method[0].provider else {
        panic!("{:?}", plan.method[0].provider);
    };
    assert_eq!(function, "cloud.actions.reboot");
    let targets: Vec<_> = calls.iter().map(|call| call.target.clone()).collect();
    assert_eq!(targets, [Target::Broker(1), Target::Broker(3)]);
    let shaketable_experiment::Value::Duration(after) = calls[0].parameters["restart-after"] else {
        panic!("{:?}", calls[0].parameters);
    };
    assert_eq!(after, Duration::from_secs(10));
}

#[test]
fn a_document_binds_by_itself() {
    let stop = "provider: {type: python, module: cloud.actions, func: stop, arguments: {who: billing}}";
    let bindings = "bindings:\n  cloud.actions.stop: {fault: process-kill, target: {service: '${who}'}}\n";
    let plan = plan(&document(stop, PLAIN, bindings));
    let Provider::Bound { calls, .. } = &plan.method[0].provider else {
        panic!("{:?}", plan.method[0].provider);
    };
    assert_eq!(calls[0].target, Target::Service("billing".to_owned()));
}

#[test]
fn what_is_wrong_with_calls_is_said() {
    for (method, rollbacks, more, expected) in [
        (
            "provider: {type: python, module: chaoskafka.actions, func: produce_message, arguments: {}}",
            PLAIN,
            "",
            "did you mean `chaoskafka.actions.produce_messages`?",
        ),
        (
            "provider: {type: python, module: chaoskafka.actions, func: produce_messages, arguments: {topics: x}}",
            PLAIN,
            "",
            "`produce_messages` has no argument `topics`",
        ),
        (
            "provider: {type: kafka, func: consumer_lag, arguments: {partition: 1}}",
            PLAIN,
            "",
            "`consumer_lag` lacks the argument `group`",
        ),
        (
            "provider: {type: python, module: cloud.actions, func: reboot, arguments: {arn: x}}, controls: [{name: c, provider: {type: python, module: my.control}}]",
            PLAIN,
            "",
            "the control `my.control` is not supported by this version",
        ),
        (
            "provider: {type: python, module: cloud.actions, func: reboot, arguments: {ids: []}}",
            PLAIN,
            "",
            "the argument `ids` is an empty list",
        ),
        (
            "provider: {type: python, module: cloud.actions, func: reboot, arguments: {ids: [one]}}",
            PLAIN,
            "",
            "`one` is not a broker's node id",
        ),
        (
            PLAIN,
            "provider: {type: python, module: cloud.actions, func: reboot, arguments: {ids: [1]}}",
            "",
            "faults are injected in `method` only",
        ),
        (
            "provider: {type: python, module: cloud.actions, func: stop}",
            PLAIN,
            "bindings:\n  cloud.actions.stop: {fault: process-stop, target: {service: x}}\n",
            "`fault` cannot be `process-stop`",
        ),
        (
            PLAIN,
            PLAIN,
            "endpoints: {bootstrap-servers: 'h:9092'}\nsystem: compose.yaml\n",
            "the experiment has `system` already",
        ),
        (
            PLAIN,
            PLAIN,
            "runtime: {hypothesis: {frequency: 2s}}\n",
            "`frequency` is for `strategy: continuously`",
        ),
    ] {
        // Without `ids` in the configuration, so that the argument is what counts.
        let text = document(method, rollbacks, more).replace(", ids: ['1', '3']", "");
        let problems = errors(&text);
        assert!(problems.contains(expected), "{text}\n{problems}");
    }
}

#[test]
fn the_good_document_calls_no_function() {
    let plan = plan(GOOD);
    assert!(plan.endpoints.is_none());
    assert!(plan.continuously.is_none());
    assert!(plan.method.iter().all(|activity| activity.controls.is_empty()));
}

#[test]
fn endpoints_and_the_strategy_are_read() {
    let more = "endpoints: {bootstrap-servers: 'h:9092', client-properties: {a: 1}, services: {api: 'x:80'}}\nruntime: {hypothesis: {strategy: continuously}}\n";
    let plan = plan(&document(PLAIN, PLAIN, more));
    let endpoints = plan.endpoints.expect("endpoints");
    assert_eq!(endpoints.bootstrap_servers, "h:9092");
    assert_eq!(endpoints.client_properties["a"], "1");
    assert_eq!(endpoints.services["api"], "x:80");
    assert_eq!(plan.continuously, Some(Duration::from_secs(1)));
}
