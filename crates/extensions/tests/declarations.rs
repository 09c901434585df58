//! What is declared, against the signatures of the extension; and what is said about wrong arguments.

use serde_json::{Map, Value, json};
use shaketable_extensions::{Kind, control, controls, find, functions};

/// Module, name, and arguments with their defaults as JSON.
type Signature = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// The signatures of chaoskafka 0.1.3, without `configuration` and `secrets`, which Chaos Toolkit fills in itself.
const SIGNATURES: [Signature; 10] = [
    (
        "chaoskafka.probes",
        "describe_kafka_topic",
        &[("bootstrap_servers", "null"), ("topic", "null")],
    ),
    (
        "chaoskafka.probes",
        "all_replicas_in_sync",
        &[("bootstrap_servers", "null"), ("topic", "null")],
    ),
    (
        "chaoskafka.probes",
        "topic_has_no_offline_partitions",
        &[("bootstrap_servers", "null"), ("topic", "null")],
    ),
    (
        "chaoskafka.probes",
        "cluster_doesnt_have_under_replicated_partitions",
        &[("bootstrap_servers", "null")],
    ),
    (
        "chaoskafka.probes",
        "check_consumer_lag_under_threshold",
        &[
            ("bootstrap_servers", "null"),
            ("group_id", "null"),
            ("topic", "null"),
            ("threshold", "0"),
            ("partition", "null"),
        ],
    ),
    (
        "chaoskafka.actions",
        "delete_kafka_topic",
        &[("bootstrap_servers", "null"), ("topic", "null")],
    ),
    (
        "chaoskafka.actions",
        "rebalance_consumer_group",
        &[
            ("bootstrap_servers", "null"),
            ("topic", "null"),
            ("group_id", "null"),
        ],
    ),
    (
        "chaoskafka.actions",
        "delete_consumer_group",
        &[("bootstrap_servers", "null"), ("group_id", "null")],
    ),
    (
        "chaoskafka.actions",
        "produce_messages",
        &[
            ("bootstrap_servers", "null"),
            ("client_id", "\"chaostoolkit\""),
            ("topic", "null"),
            ("messages", "[]"),
            ("partition", "0"),
        ],
    ),
    (
        "chaoskafka.actions",
        "consume_messages",
        &[
            ("bootstrap_servers", "null"),
            ("group_id", "\"chaostoolkit\""),
            ("topic", "null"),
            ("partition", "0"),
            ("offset", "0"),
            ("num_messages", "1"),
        ],
    ),
];

/// What ours take beyond the extension.
const ADDED: [&str; 2] = ["client_properties", "offsets"];

#[test]
fn functions_have_the_signatures_of_the_extension() {
    for (module, name, signature) in SIGNATURES {
        let function = find(module, name).unwrap_or_else(|| panic!("no {module}.{name}"));
        let declared = function
            .arguments
            .iter()
            .filter(|one| !ADDED.contains(&one.name));
        let declared: Vec<_> = declared.map(|one| (one.name, one.default)).collect();
        assert_eq!(declared, signature, "{name}");
        assert!(function.is_native(), "{name}");
        let kind = if module == "chaoskafka.probes" {
            Kind::Probe
        } else {
            Kind::Action
        };
        assert_eq!(function.kind, kind, "{name}");
    }
    let native = functions().iter().filter(|one| one.is_native());
    let of_the_extension = native.filter(|one| one.module.starts_with("chaoskafka."));
    assert_eq!(of_the_extension.count(), SIGNATURES.len());
}

#[test]
fn every_function_takes_client_properties_and_its_defaults_are_right() {
    for function in functions().iter().filter(|one| one.is_native()) {
        let names: Vec<_> = function.arguments.iter().map(|one| one.name).collect();
        assert_eq!(
            names.last(),
            Some(&"client_properties"),
            "{}",
            function.path()
        );
        let defaults: Map<String, Value> = function
            .arguments
            .iter()
            .map(|one| {
                (
                    one.name.to_owned(),
                    serde_json::from_str(one.default).unwrap(),
                )
            })
            .collect();
        let required = function.arguments.iter().filter(|one| one.required).count();
        let problems = function.check(&defaults);
        assert_eq!(
            problems.len(),
            required,
            "{}: {problems:?}",
            function.path()
        );
        assert!(
            problems.iter().all(|one| one.contains("is missing")),
            "{problems:?}"
        );
    }
}

#[test]
fn only_what_is_declared_is_found() {
    assert!(find("chaoskafka.probe", "all_replicas_in_sync").is_none());
    assert!(find("os", "system").is_none());
    assert!(control("chaoskafka.controls").is_none());
    for control in controls() {
        let function = find(control.module, "after_activity_control").unwrap();
        assert_eq!(function.kind, Kind::Control);
    }
}

/// What is said about arguments of `check_consumer_lag_under_threshold` beside those that it cannot do without.
#[track_caller]
fn problems(extra: Value) -> Vec<String> {
    let mut arguments = json!({ "bootstrap_servers": "a:1", "group_id": "g", "topic": "t" });
    let given = arguments.as_object_mut().unwrap();
    given.extend(extra.as_object().unwrap().clone());
    let function = find("chaoskafka.probes", "check_consumer_lag_under_threshold").unwrap();
    function.check(given)
}

#[test]
fn arguments_are_judged_all_at_once() {
    let nothing: [&str; 0] = [];
    for right in [
        json!({}),
        json!({ "threshold": 15, "partition": 1 }),
        json!({ "threshold": "15", "partition": null }),
        json!({ "threshold": "${limit}", "topic": "${topic}" }),
        json!({ "client_properties": { "security.protocol": "SASL_SSL" } }),
    ] {
        assert_eq!(problems(right.clone()), nothing, "{right}");
    }
    for (wrong, said) in [
        (
            json!({ "threshold": "many" }),
            "`threshold` must be a whole number, not the text \"many\"",
        ),
        (
            json!({ "threshold": 1.5 }),
            "`threshold` must be a whole number, not 1.5",
        ),
        (
            json!({ "threshold": null }),
            "`threshold` must be a whole number, not nothing",
        ),
        (json!({ "topic": null }), "`topic` is missing: the topic"),
        (json!({ "topic": 7 }), "`topic` must be text, not 7"),
        (
            json!({ "client_properties": "sasl.password=hunter2" }),
            "`client_properties` must be a mapping, not text",
        ),
        (
            json!({ "treshold": 15 }),
            "there is no argument `treshold`; did you mean `threshold`?",
        ),
    ] {
        assert_eq!(problems(wrong), [said]);
    }
    assert_eq!(
        problems(json!({ "threshold": [], "group": "g", "topic": {} })).len(),
        3
    );
}
