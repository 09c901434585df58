//! chaostoolkit-kafka: every function of it on a real broker. (That its functions are also carried out
//! without Python, by `shaketable run`, is tested in chaoskafka.rs.)

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};

use super::{Bench, all_succeeded, chaos, entries, experiment, python_activity, run};

const PROBES: &str = "chaoskafka.probes";
const ACTIONS: &str = "chaoskafka.actions";
const CONTROL: &str = "chaoskafka.controls.get_production_offsets";
/// Where nobody listens.
const NOBODY: &str = "127.0.0.1:1";
/// How long the broker may take to tell who coordinates a group.
const COORDINATOR_TIMEOUT: Duration = Duration::from_secs(30);

const COMPOSE: &str = r#"
name: log
services:
  kafka-1:
    image: apache/kafka:4.2.0
    environment:
      CLUSTER_ID: cGxlYXNlLWNhbGwtcHl0aA
      KAFKA_NODE_ID: "1"
      KAFKA_PROCESS_ROLES: broker,controller
      KAFKA_LISTENERS: CLIENT://:9092,CONTROLLER://:9093
      KAFKA_ADVERTISED_LISTENERS: CLIENT://kafka-1:9092
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
      KAFKA_INTER_BROKER_LISTENER_NAME: CLIENT
      KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER
      KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka-1:9093
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: "1"
      KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: "1"
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: "0"
      KAFKA_HEAP_OPTS: -Xms128m -Xmx256m
"#;

/// A function of the extension, asked of the broker in the configuration.
fn call(kind: &str, function: &str, more: Value) -> Value {
    let module = if kind == "probe" { PROBES } else { ACTIONS };
    let mut arguments = json!({"bootstrap_servers": "${bootstrap}"});
    let more = more.as_object().expect("a mapping").clone();
    arguments.as_object_mut().expect("a mapping").extend(more);
    python_activity(kind, module, function, arguments)
}

/// All ten functions and the control, the broker as an environment variable.
fn all() -> Value {
    let topic = json!({"topic": "orders"});
    let group = |more: Value| {
        let mut arguments = json!({"topic": "orders", "group_id": "shop"});
        let more = more.as_object().expect("a mapping").clone();
        arguments.as_object_mut().expect("a mapping").extend(more);
        arguments
    };
    let mut produce = call(
        "action",
        "produce_messages",
        json!({"topic": "orders", "messages": ["poison", "worse"]}),
    );
    produce["controls"] =
        json!([{"name": "offsets", "provider": {"type": "python", "module": CONTROL}}]);
    let mut three = call(
        "probe",
        "check_consumer_lag_under_threshold",
        group(json!({"threshold": 3})),
    );
    three["name"] = json!("lag under 3");
    let mut four = call(
        "probe",
        "check_consumer_lag_under_threshold",
        group(json!({"threshold": 4})),
    );
    four["name"] = json!("lag under 4");
    let method = [
        call("probe", "describe_kafka_topic", topic.clone()),
        call("probe", "all_replicas_in_sync", topic.clone()),
        call("probe", "topic_has_no_offline_partitions", topic.clone()),
        call(
            "probe",
            "cluster_doesnt_have_under_replicated_partitions",
            json!({}),
        ),
        three,
        four,
        produce,
        call("action", "rebalance_consumer_group", group(json!({}))),
    ];
    let poison = json!({"partition": "${partition}", "offset": "${earliest}", "num_messages": "${num_messages}"});
    let rollbacks = [
        call("action", "consume_messages", group(poison)),
        call(
            "action",
            "delete_consumer_group",
            json!({"group_id": "shop"}),
        ),
        call("action", "delete_kafka_topic", topic),
    ];
    let bootstrap = json!({"type": "env", "key": "BOOTSTRAP"});
    experiment(
        &method,
        json!({"configuration": {"bootstrap": bootstrap}, "rollbacks": rollbacks}),
    )
}

/// Lets a group have read nothing of the topic yet: without that it would start at its end.
fn commit_the_beginning(bootstrap: &str) {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "shop");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut beginning = TopicPartitionList::new();
    beginning
        .add_partition_offset("orders", 0, Offset::Offset(0))
        .expect("an offset");
    let deadline = std::time::Instant::now() + COORDINATOR_TIMEOUT;
    while let Err(error) = consumer.commit(&beginning, CommitMode::Sync) {
        assert!(std::time::Instant::now() < deadline, "{error}");
    }
}

#[test]
fn all_functions_on_a_real_broker() {
    let bench = Bench::new();
    bench.write("log/compose.yaml", COMPOSE);
    bench.run(&["up", "log"]).expect(0, &[]);
    let bootstrap = format!("{}:9092", bench.instance("log", "kafka-1").address);
    let variables = [("BOOTSTRAP", bootstrap.as_str())];

    let messages = json!({"topic": "orders", "messages": ["one", "two", "three"]});
    let mut first = all();
    first["method"] = json!([call("action", "produce_messages", messages)]);
    first["rollbacks"] = json!([]);
    let (outcome, journal) = run(&bench, &first, &variables);
    outcome.expect(0, &[]);
    let place = |offset: i64| json!({"topic": "orders", "partition": 0, "offset": offset});
    let expected = [("produce_messages", json!([place(0), place(1), place(2)]))];
    all_succeeded(&journal, "run", &expected);
    commit_the_beginning(&bootstrap);

    let (outcome, mut journal) = run(&bench, &all(), &variables);
    outcome.expect(0, &[]);
    // This function says with a text what is there.
    let described = journal["run"][0]["output"].take();
    let described: Value = serde_json::from_str(described.as_str().expect("a text")).expect("JSON");
    let partition = json!({"0": {"leader": 1, "replicas": [1], "isr": [1]}});
    let expected = json!({"topic": "orders", "partitions": 1, "partitions_info": partition});
    assert_eq!(described, expected);
    let expected = [
        ("describe_kafka_topic", Value::Null),
        ("all_replicas_in_sync", json!(true)),
        ("topic_has_no_offline_partitions", json!(true)),
        (
            "cluster_doesnt_have_under_replicated_partitions",
            json!(true),
        ),
        ("lag under 3", json!(false)),
        ("lag under 4", json!(true)),
        ("produce_messages", json!([place(3), place(4)])),
        ("rebalance_consumer_group", json!(true)),
    ];
    all_succeeded(&journal, "run", &expected);
    // The control has told them where the poison is.
    let message =
        |offset: i64, value: &str| json!({"partition": 0, "offset": offset, "value": value});
    let expected = [
        (
            "consume_messages",
            json!([message(3, "poison"), message(4, "worse")]),
        ),
        ("delete_consumer_group", json!(true)),
        ("delete_kafka_topic", json!(true)),
    ];
    all_succeeded(&journal, "rollbacks", &expected);
}

#[test]
fn a_broker_that_is_not_there_is_the_failure_of_that_probe() {
    let probe = call("probe", "describe_kafka_topic", json!({"topic": "orders"}));
    let after = super::process("after", "true", &[]);
    let configuration = json!({"configuration": {"bootstrap": NOBODY}});
    let (outcome, journal) = run(
        &Bench::new(),
        &experiment(&[probe, after], configuration),
        &[],
    );
    outcome.expect(0, &["Failed to describe topic"]);
    let statuses: Vec<_> = entries(&journal, "run")
        .into_iter()
        .map(|entry| entry.1)
        .collect();
    assert_eq!(statuses, ["failed", "succeeded"]);
    let exception = journal["run"][0]["exception"].to_string();
    assert!(
        exception.contains("chaoslib.exceptions.ActivityFailed"),
        "{exception}"
    );
}

#[test]
fn all_functions_are_valid_and_mistakes_are_found() {
    let bench = Bench::new();
    let validate = |experiment: &Value| {
        bench.write("experiment.json", &experiment.to_string());
        chaos(
            &bench,
            &["validate", "experiment.json"],
            &[("BOOTSTRAP", NOBODY)],
        )
    };
    validate(&all()).expect(0, &["experiment syntax and semantic look valid"]);
    let mut wrong = all();
    wrong["method"][0]["provider"]["func"] = json!("describe_topic");
    validate(&wrong).expect(1, &["describe_topic"]);
    let mut wrong = all();
    wrong["method"][0]["provider"]["arguments"]["topics"] = json!([]);
    validate(&wrong).expect(1, &["topics"]);
}

#[test]
fn all_functions_are_discovered() {
    let bench = Bench::new();
    chaos(
        &bench,
        &[
            "discover",
            "chaostoolkit-kafka",
            "--discovery-path",
            "found.json",
        ],
        &[],
    )
    .expect(0, &[]);
    let found = std::fs::read_to_string(bench.path("found.json")).expect("it was written");
    let found: Value = serde_json::from_str(&found).expect("JSON");
    assert_eq!(found["extension"]["name"], "chaostoolkit-kafka");
    let name = |activity: &Value| activity["name"].as_str().expect("a name").to_owned();
    let mut names: Vec<_> = found["activities"]
        .as_array()
        .expect("a list")
        .iter()
        .map(name)
        .collect();
    names.sort();
    let experiment = all();
    let used = ["method", "rollbacks"]
        .map(|section| experiment[section].as_array().expect("a list").clone());
    let function = |activity: &Value| {
        activity["provider"]["func"]
            .as_str()
            .expect("a name")
            .to_owned()
    };
    let mut used: Vec<_> = used.concat().iter().map(function).collect();
    used.sort();
    used.dedup();
    assert_eq!(names, used);
}
