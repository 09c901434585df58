//! Every function of chaoskafka once, on a real cluster of two brokers with a live consumer group.
//!
//! The group's consumers do what flawed ones do: at a record that they cannot read they stop and try again. So what a
//! function does to a group, and what it must not do, shows in what they have read.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::{Message, Offset};
use serde_json::{Map, Value, json};
use shaketable_extensions::{control, find};
use shaketable_kafka::{Cluster, NewTopic};
use tempfile::TempDir;

/// The longest wait for something that is to happen by itself; a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a consumer waits for a record before it looks whether it is to stop.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// How long seeking back may take.
const SEEK_TIMEOUT: Duration = Duration::from_secs(5);

/// All members give up all partitions at each rebalance.
const CLASSIC: &[(&str, &str)] = &[
    ("partition.assignment.strategy", "range"),
    ("heartbeat.interval.ms", "1000"),
];
/// Members keep what they need not give up.
const COOPERATIVE: &[(&str, &str)] = &[
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("heartbeat.interval.ms", "1000"),
];
/// The coordinator assigns.
const SERVER_SIDE: &[(&str, &str)] = &[("group.protocol", "consumer")];

/// One broker that is the controller too, and one that is a broker only, so that it can be missed.
const COMPOSE: &str = r#"
name: two-brokers
x-environment: &kafka
  CLUSTER_ID: dHdvLWJyb2tlcnMtdGVzdA
  KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_PLAINTEXT
  KAFKA_INTER_BROKER_LISTENER_NAME: INTERNAL
  KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER
  KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka-1:9093
  KAFKA_SASL_ENABLED_MECHANISMS: PLAIN
  KAFKA_LISTENER_NAME_SECURED_PLAIN_SASL_JAAS_CONFIG: 'org.apache.kafka.common.security.plain.PlainLoginModule required user_chaos="confidential";'
  KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: "1"
  KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: "1"
  KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: "0"
  KAFKA_AUTO_CREATE_TOPICS_ENABLE: "false"
  KAFKA_BROKER_SESSION_TIMEOUT_MS: "4000"
  KAFKA_BROKER_HEARTBEAT_INTERVAL_MS: "1000"
  KAFKA_REPLICA_LAG_TIME_MAX_MS: "4000"
  KAFKA_HEAP_OPTS: "-Xms128m -Xmx384m"
services:
  kafka-1:
    image: apache/kafka:4.2.0
    hostname: kafka-1
    environment:
      <<: *kafka
      KAFKA_NODE_ID: "1"
      KAFKA_PROCESS_ROLES: broker,controller
      KAFKA_LISTENERS: CLIENT://:9092,INTERNAL://:9094,SECURED://:9095,CONTROLLER://:9093
      KAFKA_ADVERTISED_LISTENERS: CLIENT://kafka-1:9092,INTERNAL://kafka-1:9094,SECURED://kafka-1:9095
  kafka-2:
    image: apache/kafka:4.2.0
    hostname: kafka-2
    environment:
      <<: *kafka
      KAFKA_NODE_ID: "2"
      KAFKA_PROCESS_ROLES: broker
      KAFKA_LISTENERS: CLIENT://:9092,INTERNAL://:9094,SECURED://:9095
      KAFKA_ADVERTISED_LISTENERS: CLIENT://kafka-2:9092,INTERNAL://kafka-2:9094,SECURED://kafka-2:9095
"#;

/// The system, and the program that runs it.
struct System {
    folder: TempDir,
}

impl System {
    fn up() -> System {
        let system = System {
            folder: tempfile::tempdir().unwrap(),
        };
        let compose = system.folder.path().join("compose.yaml");
        std::fs::write(&compose, COMPOSE).unwrap();
        let outcome = system.run(&["up", compose.to_str().unwrap()]);
        assert!(outcome.status.success(), "{outcome:?}");
        system
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_shaketable"))
            .args(arguments)
            .env("SHAKETABLE_HOME", Path::join(self.folder.path(), "home"))
            .output()
            .unwrap()
    }

    /// What `status` says about a broker.
    fn broker(&self, name: &str) -> Value {
        let outcome = self.run(&["status", "--format", "json"]);
        let systems: Value = serde_json::from_slice(&outcome.stdout).unwrap();
        let mut instances = systems[0]["instances"].as_array().unwrap().iter();
        let found = instances.find(|instance| instance["name"] == name);
        found.expect("the broker is part of the system").clone()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        self.run(&["down", "--all"]);
    }
}

/// Calls a function of chaoskafka.
struct Caller {
    bootstrap: String,
    runtime: tokio::runtime::Runtime,
}

impl Caller {
    fn call(&self, function: &str, arguments: Value) -> Result<Value, String> {
        let Value::Object(mut given) = arguments else {
            panic!("{arguments} is no mapping");
        };
        let servers = given.entry("bootstrap_servers");
        servers.or_insert_with(|| json!(self.bootstrap));
        let module = ["chaoskafka.probes", "chaoskafka.actions"];
        let function = module.iter().find_map(|module| find(module, function));
        let outcome = self.runtime.block_on(function.unwrap().call(&given));
        outcome.map_err(|failure| failure.to_string())
    }

    #[track_caller]
    fn fails(&self, function: &str, arguments: Value, said: &str) {
        let failure = self.call(function, arguments).unwrap_err();
        assert!(failure.contains(said), "{failure}");
    }

    /// Produces, and returns what the control would set.
    #[track_caller]
    fn produce(&self, topic: &str, partition: i32, messages: &[String]) -> Map<String, Value> {
        let arguments = json!({ "topic": topic, "partition": partition, "messages": messages });
        let written = self.call("produce_messages", arguments).unwrap();
        assert_eq!(written.as_array().unwrap().len(), messages.len());
        let control = control("chaoskafka.controls.get_production_offsets").unwrap();
        let values = control.after_activity(Some(&written)).unwrap();
        values.into_iter().collect()
    }

    fn consume(&self, name: &str, values: &Map<String, Value>) -> Result<Value, String> {
        let arguments = json!({
            "topic": name,
            "group_id": name,
            "partition": values["partition"],
            "offset": values["earliest"].to_string(),
            "num_messages": values["num_messages"],
        });
        self.call("consume_messages", arguments)
    }

    fn lag_is_under(&self, name: &str, threshold: i64, partition: Option<i32>) -> bool {
        let arguments = json!({
            "topic": name, "group_id": name, "threshold": threshold, "partition": partition,
        });
        self.call("check_consumer_lag_under_threshold", arguments) == Ok(json!(true))
    }
}

/// Waits until it holds.
#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// What the consumers of a group have done.
#[derive(Default)]
struct Trace {
    read: Mutex<BTreeSet<String>>,
    assignments: AtomicUsize,
    stop: AtomicBool,
}

struct Counting(Arc<Trace>);

impl ClientContext for Counting {}

impl ConsumerContext for Counting {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if matches!(rebalance, Rebalance::Assign(_)) {
            self.0.assignments.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A topic of two partitions, and the group of that name with two consumers of it, which run until this is dropped.
struct Group {
    name: &'static str,
    trace: Arc<Trace>,
    consumers: Vec<JoinHandle<()>>,
}

impl Group {
    /// `properties` say how partitions are assigned.
    fn start(
        bootstrap: &str,
        name: &'static str,
        properties: &'static [(&'static str, &'static str)],
    ) -> Group {
        let trace = Arc::new(Trace::default());
        let consumers = (0..2).map(|_| {
            let properties = properties.iter();
            let mut config: ClientConfig = properties
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect();
            config
                .set("bootstrap.servers", bootstrap)
                .set("group.id", name)
                .set("enable.auto.commit", "false")
                .set("auto.offset.reset", "earliest");
            let trace = Arc::clone(&trace);
            std::thread::spawn(move || consume(&config, name, &trace))
        });
        let consumers = consumers.collect();
        Group {
            name,
            trace,
            consumers,
        }
    }

    fn has_read(&self, values: &[String]) -> bool {
        let read = self.trace.read.lock().unwrap();
        values.iter().all(|value| read.contains(value))
    }

    fn assignments(&self) -> usize {
        self.trace.assignments.load(Ordering::Relaxed)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.trace.stop.store(true, Ordering::Relaxed);
        for consumer in self.consumers.drain(..) {
            let _ = consumer.join();
        }
    }
}

/// Reads and commits record by record; at a poisonous one it stays.
fn consume(config: &ClientConfig, topic: &str, trace: &Arc<Trace>) {
    let consumer: BaseConsumer<Counting> = config
        .create_with_context(Counting(Arc::clone(trace)))
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    while !trace.stop.load(Ordering::Relaxed) {
        // Errors pass: brokers come back, and members that were removed join again.
        let Some(Ok(record)) = consumer.poll(POLL_TIMEOUT) else {
            continue;
        };
        let value = String::from_utf8(record.payload().unwrap().to_vec()).unwrap();
        if value.starts_with("poison") {
            let back = Offset::Offset(record.offset());
            let _ = consumer.seek(topic, record.partition(), back, SEEK_TIMEOUT);
            continue;
        }
        trace.read.lock().unwrap().insert(value);
        let _ = consumer.commit_message(&record, CommitMode::Sync);
    }
}

fn values(name: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{name}-{number}"))
        .collect()
}

#[test]
fn every_function_does_on_a_real_cluster_what_it_says() {
    let system = System::up();
    let bootstrap: Vec<String> = ["kafka-1", "kafka-2"]
        .map(|name| format!("{}:9092", system.broker(name)["address"].as_str().unwrap()))
        .to_vec();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cluster = Cluster::new(&bootstrap, "chaoskafka-test");
    let both = || vec![vec![1, 2], vec![1, 2]];
    for topic in [
        NewTopic::assigned("orders", both()),
        NewTopic::assigned("cooperative", both()),
        NewTopic::assigned("server-side", both()),
        NewTopic::assigned("lonely", vec![vec![2]]),
    ] {
        runtime.block_on(cluster.create_topic(&topic)).unwrap();
    }
    let caller = Caller {
        bootstrap: bootstrap.join(","),
        runtime,
    };
    eventually("all replicas are in sync", || healthy(&caller));
    assert_eq!(description(&caller)["partitions_info"]["1"]["leader"], 1);
    unknown_groups_are_errors(&caller);

    let group = Group::start(&bootstrap[0], "orders", CLASSIC);
    poison_is_skipped_and_nothing_else(&caller, &group);
    messages_that_are_not_next_in_line_are_left_alone(&caller, &group);
    a_rebalance_is_seen(&caller, &group);
    a_secured_cluster_is_spoken_to(&caller, &group);
    let id = json!({ "group_id": "orders" });
    caller.fails("delete_consumer_group", id.clone(), "group orders");
    drop(group);
    assert_eq!(caller.call("delete_consumer_group", id), Ok(json!(true)));
    unknown_groups_are_errors(&caller);

    for (name, properties) in [("cooperative", COOPERATIVE), ("server-side", SERVER_SIDE)] {
        let group = Group::start(&bootstrap[0], name, properties);
        poison_is_skipped_and_nothing_else(&caller, &group);
    }

    a_missing_broker_is_seen_and_hangs_nothing(&system, &caller);
    assert_eq!(
        caller.call("delete_kafka_topic", json!({ "topic": "orders" })),
        Ok(json!(true))
    );
    eventually("the topic is gone", || {
        caller
            .call("describe_kafka_topic", json!({ "topic": "orders" }))
            .is_err_and(|failure| failure.contains("topic orders does not exist"))
    });
}

fn healthy(caller: &Caller) -> bool {
    let cluster = "cluster_doesnt_have_under_replicated_partitions";
    ["orders", "lonely"].iter().all(|topic| {
        let topic = json!({ "topic": topic });
        caller.call("all_replicas_in_sync", topic.clone()) == Ok(json!(true))
            && caller.call("topic_has_no_offline_partitions", topic) == Ok(json!(true))
    }) && caller.call(cluster, json!({})) == Ok(json!(true))
}

fn description(caller: &Caller) -> Value {
    let text = caller.call("describe_kafka_topic", json!({ "topic": "orders" }));
    serde_json::from_str(text.unwrap().as_str().unwrap()).unwrap()
}

fn unknown_groups_are_errors(caller: &Caller) {
    let arguments = json!({ "topic": "orders", "group_id": "orders" });
    for function in [
        "check_consumer_lag_under_threshold",
        "rebalance_consumer_group",
        "consume_messages",
    ] {
        caller.fails(function, arguments.clone(), "group orders does not exist");
    }
    caller.fails(
        "delete_consumer_group",
        json!({ "group_id": "orders" }),
        "group orders does not exist",
    );
}

fn poison_is_skipped_and_nothing_else(caller: &Caller, group: &Group) {
    let name = group.name;
    let before = values("before", 5);
    caller.produce(name, 1, &before);
    let poison = caller.produce(name, 1, &values("poison", 2));
    assert_eq!(poison["earliest"], 5);
    let behind = values("behind", 20);
    let beside = values("beside", 5);
    caller.produce(name, 1, &behind);
    caller.produce(name, 0, &beside);
    eventually("the group reads up to the poison", || {
        group.has_read(&before) && group.has_read(&beside)
    });
    eventually("partition 0 is read", || {
        caller.lag_is_under(name, 1, Some(0))
    });
    eventually("the lag is 22", || caller.lag_is_under(name, 23, Some(1)));
    assert!(!caller.lag_is_under(name, 22, Some(1)));
    assert!(!caller.lag_is_under(name, 15, None));
    let arguments = json!({ "topic": name, "group_id": name, "partition": 2 });
    caller.fails(
        "check_consumer_lag_under_threshold",
        arguments,
        "/2 does not exist",
    );

    let taken = caller.consume(name, &poison).unwrap();
    let record = |offset, value| json!({ "partition": 1, "offset": offset, "value": value });
    assert_eq!(taken, json!([record(5, "poison-0"), record(6, "poison-1")]));
    eventually("the group reads on behind the poison", || {
        group.has_read(&behind)
    });
    eventually("nothing is left", || caller.lag_is_under(name, 1, None));
    assert_eq!(group.trace.read.lock().unwrap().len(), 30);

    // What the group has passed already is returned again, and moves nothing.
    assert_eq!(caller.consume(name, &poison), Ok(taken));
    assert!(caller.lag_is_under(name, 1, None));
    let beyond = json!({ "topic": name, "group_id": name, "partition": 1, "offset": 27 });
    caller.fails("consume_messages", beyond, "27");
}

fn messages_that_are_not_next_in_line_are_left_alone(caller: &Caller, group: &Group) {
    let name = group.name;
    let poison = caller.produce(name, 0, &values("poison", 1));
    let precious = values("precious", 1);
    caller.produce(name, 0, &precious);
    let victim = caller.produce(name, 0, &values("victim", 1));
    let failure = caller.consume(name, &victim).unwrap_err();
    assert!(failure.contains("not next in line"), "{failure}");
    assert!(!group.has_read(&precious));
    let arguments = json!({
        "topic": name, "group_id": name, "offsets": poison["offsets"],
    });
    caller.call("consume_messages", arguments).unwrap();
    eventually("the messages behind the poison are read", || {
        group.has_read(&precious) && group.has_read(&values("victim", 1))
    });
}

fn a_rebalance_is_seen(caller: &Caller, group: &Group) {
    let before = group.assignments();
    let arguments = json!({ "topic": group.name, "group_id": group.name });
    assert_eq!(
        caller.call("rebalance_consumer_group", arguments),
        Ok(json!(true))
    );
    eventually("both consumers have partitions again", || {
        group.assignments() >= before + 2
    });
    let arguments = json!({ "topic": "ordres", "group_id": group.name });
    caller.fails(
        "rebalance_consumer_group",
        arguments,
        "topic ordres does not exist",
    );
}

/// Everything a login is needed for: control calls, writing and reading.
fn a_secured_cluster_is_spoken_to(caller: &Caller, group: &Group) {
    let login = |password| {
        json!({
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "chaos",
            "sasl.password": password,
        })
    };
    let secured = |mut arguments: Value, properties: Value| {
        arguments["bootstrap_servers"] = json!(caller.bootstrap.replace(":9092", ":9095"));
        arguments["client_properties"] = properties;
        arguments
    };
    let call = |function, arguments| {
        let arguments = secured(arguments, login("confidential"));
        caller.call(function, arguments).unwrap()
    };
    let messages = json!({ "topic": group.name, "messages": ["poison-secured", "secured"] });
    let written = call("produce_messages", messages);
    let poison = written[0]["offset"].clone();
    let arguments = json!({ "topic": group.name, "group_id": group.name, "offset": poison });
    assert_eq!(
        call("consume_messages", arguments)[0]["value"],
        "poison-secured"
    );
    eventually("the group reads on", || {
        group.has_read(&["secured".to_owned()])
    });
    let arguments = json!({ "topic": group.name, "group_id": group.name, "threshold": 1 });
    let lag = "check_consumer_lag_under_threshold";
    eventually("nothing is left", || {
        call(lag, arguments.clone()) == json!(true)
    });

    let wrong = secured(json!({ "topic": group.name }), login("wrong-password"));
    let failure = caller.call("describe_kafka_topic", wrong).unwrap_err();
    assert!(failure.contains("sasl.mechanism"), "{failure}");
    assert!(!failure.contains("wrong-password"), "{failure}");
    let nobody = secured(json!({ "topic": group.name }), json!(null));
    caller.fails("describe_kafka_topic", nobody, "at fault: the system");
}

fn a_missing_broker_is_seen_and_hangs_nothing(system: &System, caller: &Caller) {
    let pid = system.broker("kafka-2")["process"]["pid"].as_i64().unwrap();
    let signal = |signal| kill(Pid::from_raw(pid as i32), signal).unwrap();
    signal(Signal::SIGSTOP);
    let offline = |topic| {
        let topic = json!({ "topic": topic });
        caller.call("topic_has_no_offline_partitions", topic) == Ok(json!(false))
    };
    eventually("the topic with one replica is offline", || {
        offline("lonely")
    });
    assert!(!offline("orders"));
    let in_sync = "all_replicas_in_sync";
    eventually("a replica is missed", || {
        caller.call(in_sync, json!({ "topic": "orders" })) == Ok(json!(false))
    });
    let cluster = "cluster_doesnt_have_under_replicated_partitions";
    assert_eq!(caller.call(cluster, json!({})), Ok(json!(false)));
    caller.fails(
        "produce_messages",
        json!({ "topic": "lonely", "messages": ["x"] }),
        "lonely/0",
    );
    signal(Signal::SIGCONT);
    eventually("all replicas are in sync again", || healthy(caller));
}
