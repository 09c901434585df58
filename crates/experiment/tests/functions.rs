//! Functions of extensions: native ones, those that faults stand for, and values that controls set.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{GOOD, catalogue, read};
use shaketable_document::Source;
use shaketable_experiment::{Activity, Bindings, Experiment, Provider, Target, endpoints};

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

fn arguments_of(activity: &Activity) -> serde_json::Map<String, serde_json::Value> {
    let Provider::Function(call) = &activity.provider else {
        panic!("{activity:?}");
    };
    call.arguments.clone()
}

#[test]
fn a_native_function_is_called_with_its_arguments() {
    let plan = plan(&document(PRODUCE, PLAIN, ""));
    let Provider::Function(call) = &plan.method[0].provider else {
        panic!("{:?}", plan.method[0].provider);
    };
    assert_eq!(call.function, "produce_messages");
    assert_eq!(call.arguments["topic"], "orders");
    let control = &plan.method[0].controls[0];
    assert_eq!(
        (control.module.as_str(), control.native),
        ("chaoskafka.controls.get_production_offsets", true)
    );
}

#[test]
fn a_value_that_a_control_sets_is_filled_in_during_the_run() {
    let late = "provider: {type: kafka, func: consumer_lag, arguments: {group: 'g-${earliest}-$${x}-${topic}', partition: '${earliest}'}}";
    let plan = plan(&document(PRODUCE, late, ""));
    let rollback = &plan.rollbacks[0];
    let missing = rollback
        .filled_in(&BTreeMap::new())
        .expect_err("no value yet");
    assert!(missing.contains("`${earliest}` has no value"), "{missing}");
    assert!(missing.contains("get_production_offsets"), "{missing}");
    let values = BTreeMap::from([("earliest".to_owned(), serde_json::json!(17))]);
    let arguments = arguments_of(&rollback.filled_in(&values).expect("filled in"));
    assert_eq!(arguments["partition"], 17);
    assert_eq!(arguments["group"], "g-17-${x}-orders");
}

#[test]
fn a_value_that_a_control_sets_is_of_no_use_before_it() {
    let url = "provider: {type: http, url: 'http://h/${earliest}'}";
    let plan = plan(&document(PRODUCE, url, ""));
    assert_eq!(
        plan.rollbacks[0].late.keys().collect::<Vec<_>>(),
        ["earliest"]
    );
    let workload =
        "workload: {w: {http: {url: 'http://h/${earliest}'}, rate: 1, identity: $.id}}\n";
    let problems = errors(&document(PRODUCE, PLAIN, workload));
    assert!(
        problems.contains("`${earliest}` has no value before the method"),
        "{problems}"
    );
    // Without the control it is just unknown.
    let problems = errors(&document(PLAIN, url, ""));
    assert!(
        problems.contains("unknown variable `${earliest}`"),
        "{problems}"
    );
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
    let stop =
        "provider: {type: python, module: cloud.actions, func: stop, arguments: {who: billing}}";
    let bindings =
        "bindings:\n  cloud.actions.stop: {fault: process-kill, target: {service: '${who}'}}\n";
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
            "`frequency` is for `strategy: continuously` and `during-method-only`",
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
    assert!(!plan.strategy.during());
    assert!(
        plan.method
            .iter()
            .all(|activity| activity.controls.is_empty())
    );
}

#[test]
fn endpoints_and_the_strategy_are_read() {
    let more = "endpoints: {bootstrap-servers: 'h:9092', client-properties: {a: 1}, services: {api: 'x:80'}}\nruntime: {hypothesis: {strategy: continuously}}\n";
    let plan = plan(&document(PLAIN, PLAIN, more));
    let endpoints = plan.endpoints.expect("endpoints");
    assert_eq!(endpoints.bootstrap_servers, "h:9092");
    assert_eq!(endpoints.client_properties["a"], "1");
    assert_eq!(endpoints.services["api"], "x:80");
    assert!(plan.strategy.during());
    assert_eq!(plan.frequency, Duration::from_secs(1));
}

const ASK: &str = "provider: {type: kafka, func: consumer_lag, arguments: {group: '$partition', partition: '${partition}'}}";

#[test]
fn what_a_control_sets_goes_before_the_configuration_once_it_is_set() {
    let configured =
        |text: String| text.replace("{topic: orders,", "{topic: orders, partition: 7,");
    let later = format!("{PRODUCE}}}\n  - {{type: probe, name: later, {ASK}");
    let text = configured(document(&later, ASK, "")).replace(
        "method:",
        &format!("method:\n  - {{type: probe, name: earlier, {ASK}}}"),
    );
    let plan = plan(&text);
    let arguments = |activity: &Activity| {
        let values = BTreeMap::from([("partition".to_owned(), serde_json::json!(3))]);
        let filled = arguments_of(&activity.filled_in(&values).expect("filled in"));
        (filled["group"].clone(), filled["partition"].clone())
    };
    let configured = (serde_json::json!("7"), serde_json::json!(7));
    assert_eq!(arguments(&plan.method[0]), configured);
    // A text that is nothing but `${partition}` takes over the value's type.
    let set = (serde_json::json!("3"), serde_json::json!(3));
    assert_eq!(arguments(&plan.method[2]), set);
    assert_eq!(arguments(&plan.rollbacks[0]), set);
}

#[test]
fn a_value_that_a_control_sets_later_has_no_value_yet() {
    let hypothesis = "steady-state-hypothesis: {title: h, probes: [{type: probe, name: h, tolerance: 0, provider: {type: kafka, func: consumer_lag, arguments: {group: '${earliest}'}}}]}\n";
    let problems = errors(&document(PRODUCE, PLAIN, hypothesis));
    assert!(
        problems.contains("`${earliest}` has no value before the method"),
        "{problems}"
    );
    let itself = PRODUCE.replace("'${topic}'", "'${earliest}'");
    let problems = errors(&document(&itself, PLAIN, ""));
    assert!(
        problems.contains("only activities after that one can use it"),
        "{problems}"
    );
}

#[test]
fn what_asks_is_a_native_probe() {
    let asks = |provider: &str| {
        let safeguard = format!("safeguards: [{{name: s, every: 1s, tolerance: 0, {provider}}}]\n");
        let probe = format!("{{type: probe, name: h, tolerance: 0, {provider}}}");
        let hypothesis = format!("steady-state-hypothesis: {{title: h, probes: [{probe}]}}\n");
        [safeguard, hypothesis]
    };
    for more in asks("provider: {type: kafka, func: consumer_lag, arguments: {group: g}}") {
        plan(&document(PLAIN, PLAIN, &more));
    }
    let produce = PRODUCE.split(", controls").next().expect("a provider");
    for more in asks(produce) {
        let problems = errors(&document(PLAIN, PLAIN, &more));
        let expected =
            "`chaoskafka.actions.produce_messages` is an action, and only probes are asked here";
        assert!(problems.contains(expected), "{more}\n{problems}");
    }
    let reboot =
        "provider: {type: python, module: cloud.actions, func: reboot, arguments: {ids: [1]}}";
    for more in asks(reboot) {
        let problems = errors(&document(PLAIN, PLAIN, &more));
        assert!(
            problems.contains("faults are injected in `method` only"),
            "{problems}"
        );
    }
    for (provider, expected) in [
        (
            produce,
            "`chaoskafka.actions.produce_messages` is an action, not a probe",
        ),
        (
            reboot,
            "`cloud.actions.reboot` is bound to a fault, which is an action, not a probe",
        ),
    ] {
        let text = document(provider, PLAIN, "").replacen("type: action", "type: probe", 1);
        let problems = read(&text).expect_err("an error");
        let [problem] = problems.iter().collect::<Vec<_>>()[..] else {
            panic!("{problems}");
        };
        assert_eq!(problem.message, expected);
        let at = problem.span.expect("a place");
        assert_eq!(&text[at.start..at.end], "probe");
    }
}

#[test]
fn arguments_of_functions_that_are_not_native_are_checked_too() {
    let reboot =
        "provider: {type: python, module: cloud.actions, func: reboot, arguments: {id: [1]}}";
    let problems = errors(&document(reboot, PLAIN, ""));
    assert!(
        problems.contains("`reboot` has no argument `id`"),
        "{problems}"
    );
    assert!(
        problems.contains("`reboot` lacks the argument `ids`"),
        "{problems}"
    );
}

#[test]
fn a_fault_waits_for_no_control() {
    let reboot = "provider: {type: python, module: cloud.actions, func: reboot, arguments: {ids: [1, '${earliest}']}}";
    let text = document(
        &format!("{PRODUCE}}}\n  - {{type: action, name: b, {reboot}"),
        PLAIN,
        "",
    );
    let problems = errors(&text);
    assert!(
        problems.contains("`${earliest}` has no value before the method"),
        "{problems}"
    );
    assert!(
        problems.contains("is bound to a fault, which is planned before"),
        "{problems}"
    );
}

#[test]
fn what_is_wrong_with_own_bindings_is_said() {
    let stop =
        "provider: {type: python, module: cloud.actions, func: stop, arguments: {who: billing}}";
    for (method, binding, expected) in [
        (
            stop,
            "cloud.actions.stop: process-kill",
            "`cloud.actions.stop` has to be a map, found `process-kill`",
        ),
        (
            stop,
            "cloud.actions.stop: {for-each: [who], fault: process-kill, target: {service: x}}",
            "`for-each` has to be text, found a list",
        ),
        (
            stop,
            "cloud.actions.stop: {for-each: topic, fault: process-kill, target: {service: '${topic}'}}",
            "its binding needs the argument `topic`",
        ),
        (
            stop,
            "cloud.actions.stops: {fault: process-kill, target: {service: x}}",
            "no activity calls `cloud.actions.stops` (Some(\"did you mean `cloud.actions.stop`?\"))",
        ),
        (
            PRODUCE,
            "chaoskafka.actions.produce_messages: {fault: process-kill, target: {service: x}}",
            "`chaoskafka.actions.produce_messages` is native, so no fault stands for it",
        ),
    ] {
        let text = document(method, PLAIN, &format!("bindings:\n  {binding}\n"));
        let problems = errors(&text);
        assert!(problems.contains(expected), "{text}\n{problems}");
    }
}

#[test]
fn what_is_wrong_with_a_binding_of_a_file_names_the_file_where_it_is_used() {
    for (function, expected) in [
        ("rename", "b.yaml: unknown variable `${whose}`"),
        (
            "recolor",
            "b.yaml: unknown key `restart-afer` in the process-kill",
        ),
        (
            "each",
            "b.yaml: `cloud.actions.each` cannot be carried out: its binding needs the argument `topic`",
        ),
    ] {
        let call = format!("provider: {{type: python, module: cloud.actions, func: {function}}}");
        let text = document(&call, PLAIN, "");
        let problems = read(&text).expect_err("an error");
        let [problem] = problems.iter().collect::<Vec<_>>()[..] else {
            panic!("{problems}");
        };
        assert_eq!(problem.message, expected);
        let at = problem.span.expect("a place");
        assert_eq!(&text[at.start..at.end], function);
    }
}

#[test]
fn a_file_of_bindings_is_checked_when_it_is_read() {
    for (text, expected) in [
        ("- x", "`bindings` has to be a map, found a list"),
        ("a.b: c", "`a.b` has to be a map, found `c`"),
        (
            "a.b: {for-each: 1}",
            "`for-each` has to be text, found a whole number",
        ),
        (
            "shaketable.kafka.consumer_lag: {fault: x}",
            "`shaketable.kafka.consumer_lag` is native, so no fault stands for it",
        ),
    ] {
        let problems = Bindings::parse(&Source::new("b.yaml", text), &catalogue().functions)
            .expect_err("an error");
        assert_eq!(problems.to_string(), expected);
    }
}

#[test]
fn a_file_of_endpoints_takes_no_variables() {
    let file = "bootstrap-servers: 'h:9092'\nclient-properties: {sasl.password: '${password}'}\n";
    let problems = endpoints(&Source::new("e.yaml", file)).expect_err("an error");
    assert_eq!(
        problems.to_string(),
        "a file of endpoints takes no variables"
    );
}

#[test]
fn nothing_is_called_or_waits_around_a_safeguard() {
    for (more, key) in [
        ("pauses: {after: 1s}", "pauses"),
        ("controls: []", "controls"),
    ] {
        let safeguard = format!(
            "safeguards: [{{every: 1s, name: p, tolerance: 0, provider: {{type: process, path: ls}}, {more}}}]\n"
        );
        let problems = errors(&document(PLAIN, PLAIN, &safeguard));
        assert!(
            problems.starts_with(&format!("`{key}` is not supported")),
            "{problems}"
        );
        assert!(problems.contains("nothing would"), "{problems}");
    }
}

#[test]
fn asking_only_the_ledger_continuously_is_a_warning() {
    let continuous = GOOD.to_owned() + "runtime: {hypothesis: {strategy: continuously}}\n";
    let warnings = |text: &str| read(text).unwrap_or_else(|errors| panic!("{errors}")).1;
    assert!(warnings(&continuous).is_empty());
    let (before, after) = continuous
        .split_once("    - type: probe\n")
        .expect("a second probe");
    let (_, after) = after.split_once("method:\n  ").expect("a method");
    let ledger_only = format!("{before}method:\n  {after}");
    let warnings = warnings(&ledger_only).to_string();
    assert_eq!(
        warnings,
        "nothing is asked continuously: the hypothesis has no probe but the ledger's"
    );
}
