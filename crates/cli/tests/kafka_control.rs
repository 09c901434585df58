//! Every control call once, on a real cluster of three brokers with plain and secured listeners and live consumers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Message, Offset};
use serde_json::Value;
use shaketable_kafka::consume::{TAKE_TIMEOUT, take};
use shaketable_kafka::produce::{Outgoing, PRODUCE_TIMEOUT, produce};
use shaketable_kafka::truth::{Isolation, read_from};
use shaketable_kafka::{
    Cluster, ConfigResource, ElectionKind, ElectionOutcome, Error, GroupKind, NewTopic,
    OffsetReset, Properties, TopicPartition, UnderMinIsr,
};
use tempfile::TempDir;

/// The longest wait for something that is to happen by itself; a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a consumer waits for a record before it looks whether it is to stop.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// How long seeking back may take.
const SEEK_TIMEOUT: Duration = Duration::from_secs(5);

const PASSWORD: &str = "alice-secret";

/// One broker that is the controller too, and two that are brokers only, so that they can be missed. Their listeners:
/// plain; SASL; TLS with client certificates; SASL inside of TLS.
const COMPOSE: &str = r#"
name: control
x-environment: &kafka
  CLUSTER_ID: Y29udHJvbC1jYWxscy10ZQ
  KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_PLAINTEXT,MUTUAL:SSL,BOTH:SASL_SSL
  KAFKA_INTER_BROKER_LISTENER_NAME: INTERNAL
  KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER
  KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka-1:9093
  KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: "3"
  KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: "1"
  KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: "0"
  KAFKA_GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS: "500"
  KAFKA_GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS: "1000"
  KAFKA_AUTO_CREATE_TOPICS_ENABLE: "false"
  KAFKA_BROKER_SESSION_TIMEOUT_MS: "4000"
  KAFKA_BROKER_HEARTBEAT_INTERVAL_MS: "1000"
  KAFKA_AUTO_LEADER_REBALANCE_ENABLE: "false"
  KAFKA_HEAP_OPTS: "-Xms128m -Xmx384m"
  KAFKA_LISTENER_NAME_LOGIN_SASL_ENABLED_MECHANISMS: PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
  KAFKA_LISTENER_NAME_LOGIN_PLAIN_SASL_JAAS_CONFIG: org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice-secret";
  KAFKA_LISTENER_NAME_LOGIN_SCRAM___SHA___256_SASL_JAAS_CONFIG: org.apache.kafka.common.security.scram.ScramLoginModule required;
  KAFKA_LISTENER_NAME_LOGIN_SCRAM___SHA___512_SASL_JAAS_CONFIG: org.apache.kafka.common.security.scram.ScramLoginModule required;
  KAFKA_LISTENER_NAME_BOTH_SASL_ENABLED_MECHANISMS: PLAIN
  KAFKA_LISTENER_NAME_BOTH_PLAIN_SASL_JAAS_CONFIG: org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice-secret";
  KAFKA_LISTENER_NAME_MUTUAL_SSL_CLIENT_AUTH: required
  KAFKA_SSL_KEYSTORE_TYPE: PEM
  KAFKA_SSL_KEYSTORE_LOCATION: HERE/keystore.pem
  KAFKA_SSL_TRUSTSTORE_TYPE: PEM
  KAFKA_SSL_TRUSTSTORE_LOCATION: HERE/authority.pem
services:
  kafka-1:
    image: apache/kafka:4.2.0
    hostname: kafka-1
    environment:
      <<: *kafka
      KAFKA_NODE_ID: "1"
      KAFKA_PROCESS_ROLES: broker,controller
      KAFKA_LISTENERS: CLIENT://:9092,INTERNAL://:9094,CONTROLLER://:9093,LOGIN://:9095,MUTUAL://:9096,BOTH://:9097
      KAFKA_ADVERTISED_LISTENERS: CLIENT://kafka-1:9092,INTERNAL://kafka-1:9094,LOGIN://kafka-1:9095,MUTUAL://kafka-1:9096,BOTH://kafka-1:9097
  kafka-2:
    image: apache/kafka:4.2.0
    hostname: kafka-2
    environment:
      <<: *kafka
      KAFKA_NODE_ID: "2"
      KAFKA_PROCESS_ROLES: broker
      KAFKA_LISTENERS: CLIENT://:9092,INTERNAL://:9094,LOGIN://:9095,MUTUAL://:9096,BOTH://:9097
      KAFKA_ADVERTISED_LISTENERS: CLIENT://kafka-2:9092,INTERNAL://kafka-2:9094,LOGIN://kafka-2:9095,MUTUAL://kafka-2:9096,BOTH://kafka-2:9097
  kafka-3:
    image: apache/kafka:4.2.0
    hostname: kafka-3
    environment:
      <<: *kafka
      KAFKA_NODE_ID: "3"
      KAFKA_PROCESS_ROLES: broker
      KAFKA_LISTENERS: CLIENT://:9092,INTERNAL://:9094,LOGIN://:9095,MUTUAL://:9096,BOTH://:9097
      KAFKA_ADVERTISED_LISTENERS: CLIENT://kafka-3:9092,INTERNAL://kafka-3:9094,LOGIN://kafka-3:9095,MUTUAL://kafka-3:9096,BOTH://kafka-3:9097
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
        let certificate = |name: &str| std::fs::read_to_string(certificate(name)).unwrap();
        let keystore = certificate("broker-key.pem") + &certificate("broker.pem");
        let here = system.folder.path().to_str().unwrap();
        for (name, text) in [
            ("keystore.pem", keystore),
            ("authority.pem", certificate("authority.pem")),
            ("compose.yaml", COMPOSE.replace("HERE", here)),
        ] {
            std::fs::write(system.folder.path().join(name), text).unwrap();
        }
        let compose = system.folder.path().join("compose.yaml");
        let outcome = system.run(&["up", compose.to_str().unwrap()]);
        assert!(outcome.status.success(), "{outcome:?}");
        system
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_shaketable"))
            .args(arguments)
            .env("SHAKETABLE_HOME", self.folder.path().join("home"))
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

    fn bootstrap(&self, port: u16) -> [String; 2] {
        ["kafka-1", "kafka-2"]
            .map(|name| format!("{}:{port}", self.broker(name)["address"].as_str().unwrap()))
    }

    fn cluster(&self, port: u16, properties: &Properties) -> Cluster {
        Cluster::with_properties(self.bootstrap(port), "control-test", properties).unwrap()
    }

    fn pid(&self, name: &str) -> i32 {
        let pid = self.broker(name)["process"]["pid"].as_i64();
        pid.expect("it runs") as i32
    }

    /// Gives alice her password for SCRAM, by Kafka's own tool, run like the broker.
    fn tell_scram(&self, mechanism: &str) {
        let process = format!("/proc/{}", self.pid("kafka-1"));
        let arguments = std::fs::read_to_string(format!("{process}/cmdline")).unwrap();
        let mut arguments = arguments.split('\0');
        let class_path = arguments.find(|one| ["-cp", "-classpath"].contains(one));
        class_path.expect("a class path");
        let outcome = Command::new(std::fs::read_link(format!("{process}/exe")).unwrap())
            .args([
                "-cp",
                arguments.next().unwrap(),
                "kafka.admin.ConfigCommand",
            ])
            .args(["--bootstrap-server", &self.bootstrap(9092)[0]])
            .args([
                "--alter",
                "--entity-type",
                "users",
                "--entity-name",
                "alice",
            ])
            .args([
                "--add-config",
                &format!("{mechanism}=[password={PASSWORD}]"),
            ])
            .output()
            .unwrap();
        assert!(outcome.status.success(), "{outcome:?}");
    }
}

impl Drop for System {
    fn drop(&mut self) {
        self.run(&["down", "--all"]);
    }
}

fn certificate(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kafka/tests/certificates");
    folder.join(name).to_str().unwrap().to_owned()
}

/// Waits until it holds.
async fn eventually<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// What the consumers of a group have read: partition, offset.
type Read = Arc<Mutex<BTreeSet<(i32, i64)>>>;

/// A group of consumers that run until this is dropped.
struct Consumers {
    read: Read,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Consumers {
    fn start(bootstrap: &str, group: &str, protocol: &str, count: usize) -> Consumers {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", bootstrap)
            .set("client.id", "stubborn")
            .set("group.id", group)
            .set("group.protocol", protocol)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest");
        if protocol == "classic" {
            config.set("heartbeat.interval.ms", "1000");
        }
        let (read, stop) = (Read::default(), Arc::new(AtomicBool::new(false)));
        let threads = (0..count).map(|_| {
            let (config, read, stop) = (config.clone(), Arc::clone(&read), Arc::clone(&stop));
            std::thread::spawn(move || consume(&config, &read, &stop))
        });
        let threads = threads.collect();
        Consumers {
            read,
            stop,
            threads,
        }
    }

    fn have_read(&self, records: impl IntoIterator<Item = (i32, i64)>) -> bool {
        let read = self.read.lock().unwrap();
        records.into_iter().all(|one| read.contains(&one))
    }
}

impl Drop for Consumers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Reads and commits record by record; at a poisonous one it stays, by the position it has in memory.
fn consume(config: &ClientConfig, read: &Read, stop: &AtomicBool) {
    let consumer: BaseConsumer = config.create().unwrap();
    consumer.subscribe(&["orders"]).unwrap();
    while !stop.load(Ordering::Relaxed) {
        // Errors pass: members that were removed join again.
        let Some(Ok(record)) = consumer.poll(POLL_TIMEOUT) else {
            continue;
        };
        if record.payload() == Some(b"poison") {
            let back = Offset::Offset(record.offset());
            let _ = consumer.seek("orders", record.partition(), back, SEEK_TIMEOUT);
            continue;
        }
        let place = (record.partition(), record.offset());
        read.lock().unwrap().insert(place);
        let _ = consumer.commit_message(&record, CommitMode::Sync);
    }
}

fn message(topic: &str, partition: i32, value: &str) -> Outgoing {
    Outgoing {
        topic: topic.to_owned(),
        partition: Some(partition),
        value: Some(value.as_bytes().to_vec()),
        ..Outgoing::default()
    }
}

/// Writes values to a partition; returns the first one's offset.
async fn write(cluster: &Cluster, topic: &str, partition: i32, values: &[&str]) -> i64 {
    let messages = values.iter().map(|value| message(topic, partition, value));
    let results = produce(cluster, messages.collect(), PRODUCE_TIMEOUT).await;
    let results: Result<Vec<_>, _> = results.unwrap().into_iter().collect();
    results.unwrap()[0].offset
}

#[tokio::test(flavor = "multi_thread")]
async fn every_control_call_does_on_a_real_cluster_what_it_says() {
    let system = System::up();
    let cluster = system.cluster(9092, &Properties::new());
    eventually("all brokers are there", || async {
        let metadata = cluster.metadata(None).await;
        metadata.is_ok_and(|metadata| metadata.brokers.len() == 3)
    })
    .await;

    topics_come_back_as_they_were(&cluster).await;
    configurations_come_back_as_they_were(&cluster).await;
    partitions_move_and_leaders_are_elected(&cluster).await;

    let orders = NewTopic::assigned("orders", vec![vec![1, 2], vec![2, 1], vec![1, 2]]);
    cluster.create_topic(&orders).await.unwrap();
    offsets_are_reset_and_restored(&system, &cluster).await;
    for protocol in ["classic", "consumer"] {
        poison_is_taken_and_nothing_else(&system, &cluster, protocol).await;
    }
    transaction_markers_do_not_hide_what_is_next(&system, &cluster).await;

    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
        system.tell_scram(mechanism);
    }
    logins_work(&system).await;
    encryption_works(&system).await;

    missing_brokers_are_seen_and_hang_nothing(&system, &cluster).await;
}

async fn topics_come_back_as_they_were(cluster: &Cluster) {
    let topic = NewTopic::assigned("payments", vec![vec![1, 2], vec![2, 3], vec![3, 1]])
        .config("retention.ms", "123456789")
        .config("max.message.bytes", "1500000");
    cluster.create_topic(&topic).await.unwrap();
    cluster.restore_topic(&topic).await.unwrap();
    let snapshot = cluster.topic_snapshot("payments").await.unwrap();
    assert_eq!(snapshot, topic);

    cluster.delete_topic("payments").await.unwrap();
    eventually("the topic is gone", || async {
        let error = cluster.topic_snapshot("payments").await;
        matches!(error, Err(Error::UnknownTopic { .. }))
    })
    .await;
    cluster.restore_topic(&snapshot).await.unwrap();
    eventually("the topic is back", || async {
        let restored = cluster.topic_snapshot("payments").await;
        restored.is_ok_and(|restored| restored == topic)
    })
    .await;

    cluster
        .set_topic_config("payments", "retention.ms", Some("1000000"))
        .await
        .unwrap();
    cluster
        .set_topic_config("payments", "segment.bytes", Some("1048576"))
        .await
        .unwrap();
    let moved = vec![(1, vec![3, 2])];
    cluster
        .reassign_and_wait("payments", moved, PATIENCE)
        .await
        .unwrap();
    assert_ne!(cluster.topic_snapshot("payments").await.unwrap(), topic);
    cluster.restore_topic(&snapshot).await.unwrap();
    eventually("the topic is as it was", || async {
        let restored = cluster.topic_snapshot("payments").await;
        restored.is_ok_and(|restored| restored == topic)
    })
    .await;
}

async fn configurations_come_back_as_they_were(cluster: &Cluster) {
    let one = ConfigResource::Broker(2);
    let all = ConfigResource::AllBrokers;
    cluster
        .set_config(&one, "log.cleaner.threads", Some("2"))
        .await
        .unwrap();
    eventually("the override is there", || async {
        let overrides = cluster.config_snapshot(&one).await.unwrap().overrides;
        overrides.get("log.cleaner.threads").map(String::as_str) == Some("2")
    })
    .await;
    for (resource, key, value) in [
        (&one, "message.max.bytes", "2000000"),
        (&all, "log.retention.ms", "777777777"),
    ] {
        let before = cluster.config_snapshot(resource).await.unwrap();
        assert!(!before.overrides.contains_key(key), "{before:?}");
        cluster
            .set_config(resource, key, Some(value))
            .await
            .unwrap();
        eventually("the broker obeys", || async {
            let config = cluster.config(&one).await.unwrap();
            config.get(key).map(String::as_str) == Some(value)
        })
        .await;
        for _ in 0..2 {
            cluster.restore_config(&before).await.unwrap();
            eventually("the overrides are what they were", || async {
                cluster.config_snapshot(resource).await.unwrap() == before
            })
            .await;
        }
    }
    let left = cluster.config_snapshot(&one).await.unwrap().overrides;
    assert_eq!(left["log.cleaner.threads"], "2");
    let error = cluster.set_config(&ConfigResource::Broker(9), "message.max.bytes", Some("1"));
    let error = error.await.unwrap_err();
    assert!(error.to_string().contains("broker 9"), "{error}");
}

async fn partitions_move_and_leaders_are_elected(cluster: &Cluster) {
    let topic = NewTopic::assigned("ledgers", vec![vec![1, 2]]);
    cluster.create_topic(&topic).await.unwrap();
    write(cluster, "ledgers", 0, &["a", "b"]).await;
    cluster
        .reassign_and_wait("ledgers", vec![(0, vec![2, 3, 1])], PATIENCE)
        .await
        .unwrap();
    assert!(cluster.reassignments("ledgers").await.unwrap().is_empty());
    let error = cluster.cancel_reassignments("ledgers", &[0]).await;
    let error = error.unwrap_err();
    assert!(error.to_string().contains("NoReassignment"), "{error}");

    let wanted = [
        TopicPartition::new("ledgers", 0),
        TopicPartition::new("nothing", 0),
    ];
    let elect = |kind| cluster.elect_leaders(kind, Some(&wanted));
    eventually("the preferred leader is elected", || async {
        let elections = elect(ElectionKind::Preferred).await.unwrap();
        assert_eq!(elections.len(), 2, "{elections:?}");
        for election in elections {
            match election.topic.as_str() {
                "ledgers" if election.outcome == ElectionOutcome::NotNeeded => return true,
                "ledgers" => assert_eq!(election.outcome, ElectionOutcome::Elected),
                _ => assert!(
                    matches!(&election.outcome, ElectionOutcome::Refused { name, .. } if name == "UnknownTopicOrPartition"),
                    "{election:?}"
                ),
            }
        }
        false
    })
    .await;
    assert_eq!(cluster.leader_of("ledgers", 0).await.unwrap(), 2);
    let elections = elect(ElectionKind::Unclean).await.unwrap();
    let of_ledgers = elections.iter().find(|one| one.topic == "ledgers");
    assert_eq!(of_ledgers.unwrap().outcome, ElectionOutcome::NotNeeded);
    cluster
        .elect_leaders(ElectionKind::Preferred, None)
        .await
        .unwrap();
}

async fn offsets_are_reset_and_restored(system: &System, cluster: &Cluster) {
    let error = cluster.lag("updater", "orders").await.unwrap_err();
    assert!(matches!(error, Error::UnknownGroup { .. }), "{error}");
    let bootstrap = &system.bootstrap(9092)[0];
    write(cluster, "orders", 0, &["a", "b", "c", "poison", "d"]).await;
    write(cluster, "orders", 1, &["e", "f"]).await;

    let consumers = Consumers::start(bootstrap, "updater", "classic", 2);
    eventually(
        "all but the poison and what is behind it is committed",
        || async {
            let committed = cluster.committed_offsets("updater", "orders").await;
            committed.unwrap() == BTreeMap::from([(0, 3), (1, 2)])
        },
    )
    .await;
    let lags = cluster.lag("updater", "orders").await.unwrap();
    let numbers: Vec<_> = lags
        .iter()
        .map(|one| (one.partition, one.committed, one.start, one.end, one.lag))
        .collect();
    assert_eq!(
        numbers,
        [
            (0, Some(3), 0, 5, 2),
            (1, Some(2), 0, 2, 0),
            (2, None, 0, 0, 0)
        ]
    );
    assert!(lags[0].seconds.unwrap() > 0.0, "{lags:?}");
    assert_eq!((lags[1].seconds, lags[2].seconds), (Some(0.0), Some(0.0)));

    let described = cluster.describe_group("updater").await.unwrap();
    assert_eq!(
        (described.kind, described.members.len()),
        (GroupKind::Classic, 2)
    );
    for error in [
        cluster
            .reset_offsets("updater", "orders", None, OffsetReset::Earliest)
            .await
            .err(),
        cluster.delete_group("updater").await.err(),
        cluster
            .delete_offsets("updater", "orders", None)
            .await
            .err(),
    ] {
        let error = error.expect("the group has members");
        assert!(matches!(error, Error::GroupNotEmpty { .. }), "{error}");
        assert!(error.to_string().contains("stubborn at /127."), "{error}");
    }
    drop(consumers);
    eventually("the group is empty", || async {
        let group = cluster.describe_group("updater").await.unwrap();
        group.members.is_empty()
    })
    .await;

    let before = cluster.group_offsets("updater").await.unwrap();
    for (reset, first) in [
        (OffsetReset::Earliest, 0),
        (OffsetReset::Latest, 5),
        (OffsetReset::ShiftBy(-2), 3),
        (OffsetReset::ShiftBy(99), 5),
        (OffsetReset::To(4), 4),
        (OffsetReset::Timestamp(0), 0),
        (OffsetReset::Timestamp(i64::MAX), 5),
    ] {
        let old = cluster.reset_offsets("updater", "orders", Some(&[0]), reset);
        assert_eq!(old.await.unwrap().offsets["orders"].len(), 1);
        let now = cluster
            .committed_offsets("updater", "orders")
            .await
            .unwrap();
        assert_eq!(now, BTreeMap::from([(0, first), (1, 2)]), "{reset:?}");
    }
    let far = cluster.reset_offsets("updater", "orders", None, OffsetReset::To(5));
    let far = far.await.unwrap_err();
    assert!(matches!(far, Error::OffsetOutOfRange { .. }), "{far}");
    let old = cluster.reset_offsets("updater", "orders", None, OffsetReset::Latest);
    let old = old.await.unwrap();
    assert_eq!(
        cluster
            .committed_offsets("updater", "orders")
            .await
            .unwrap()[&2],
        0
    );
    for snapshot in [&old, &before, &before] {
        cluster.restore_offsets(snapshot).await.unwrap();
    }
    assert_eq!(cluster.group_offsets("updater").await.unwrap(), before);

    cluster
        .delete_offsets("updater", "orders", Some(&[1]))
        .await
        .unwrap();
    let left = cluster
        .committed_offsets("updater", "orders")
        .await
        .unwrap();
    assert_eq!(left, BTreeMap::from([(0, 3)]));
    let listed = cluster.list_groups().await.unwrap();
    assert!(
        listed
            .iter()
            .any(|one| one.group == "updater" && one.state == "Empty")
    );
    cluster.delete_group("updater").await.unwrap();
    let error = cluster.delete_group("updater").await.unwrap_err();
    assert!(matches!(error, Error::UnknownGroup { .. }), "{error}");
    let unknown = cluster.describe_group("updater").await.unwrap_err();
    assert!(matches!(unknown, Error::UnknownGroup { .. }), "{unknown}");
    cluster.restore_offsets(&before).await.unwrap();
    assert_eq!(cluster.group_offsets("updater").await.unwrap(), before);
}

async fn poison_is_taken_and_nothing_else(system: &System, cluster: &Cluster, protocol: &str) {
    let group = &format!("takers-{protocol}");
    let values = ["good", "poison", "poison", "good", "poison", "good"];
    let first = write(cluster, "orders", 2, &values).await;
    let poison = BTreeSet::from([first + 1, first + 2, first + 4]);
    // Earlier records of the topic are not this group's business.
    cluster
        .reset_offsets(group, "orders", Some(&[0, 1]), OffsetReset::Latest)
        .await
        .unwrap();
    cluster
        .reset_offsets(group, "orders", Some(&[2]), OffsetReset::To(first))
        .await
        .unwrap();
    let consumers = Consumers::start(&system.bootstrap(9092)[0], group, protocol, 2);
    let expected = match protocol {
        "classic" => GroupKind::Classic,
        _ => GroupKind::Consumer,
    };
    eventually("the group is stuck at the poison", || async {
        let committed = cluster.committed_offsets(group, "orders").await.unwrap();
        committed.get(&2) == Some(&(first + 1))
    })
    .await;
    eventually("the group has both members", || async {
        let found = cluster.describe_group(group).await.unwrap();
        assert_eq!(found.kind, expected);
        found.members.len() == 2 && found.state == "Stable"
    })
    .await;

    let rebalance = cluster.rebalance(group, PATIENCE).await.unwrap();
    assert_eq!(rebalance.members.len(), 2);

    let taken = take(cluster, group, "orders", 2, &poison, TAKE_TIMEOUT);
    let taken = taken.await.unwrap();
    assert_eq!(taken.skipped, poison, "{taken:?}");
    assert!(
        taken.waiting.is_empty() && taken.passed.is_empty(),
        "{taken:?}"
    );
    let values: Vec<_> = taken
        .records
        .iter()
        .map(|one| one.value.as_deref())
        .collect();
    assert_eq!(values, [Some(b"poison".as_slice()); 3]);
    assert_eq!(taken.committed, Some(first + 5));
    eventually(
        "the group reads on, and has read every other record",
        || async { consumers.have_read([(2, first), (2, first + 3), (2, first + 5)]) },
    )
    .await;
    let again = take(cluster, group, "orders", 2, &poison, TAKE_TIMEOUT).await;
    let again = again.unwrap();
    assert_eq!((again.passed, again.evictions), (poison, 0));

    let behind = write(cluster, "orders", 2, &["poison", "good"]).await;
    let not_next = BTreeSet::from([behind + 1]);
    let left = take(
        cluster,
        group,
        "orders",
        2,
        &not_next,
        Duration::from_secs(3),
    )
    .await;
    let left = left.unwrap();
    assert_eq!((left.waiting, left.evictions), (not_next, 0));
    assert_eq!(left.committed, Some(behind));
    let unknown = take(
        cluster,
        "nobody",
        "orders",
        2,
        &BTreeSet::new(),
        TAKE_TIMEOUT,
    )
    .await;
    assert!(
        matches!(unknown, Err(Error::UnknownGroup { .. })),
        "{unknown:?}"
    );
}

async fn transaction_markers_do_not_hide_what_is_next(system: &System, cluster: &Cluster) {
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

    let ledger = NewTopic::new("transfers", 1, 1);
    cluster.create_topic(&ledger).await.unwrap();
    let servers = system.bootstrap(9092).join(",");
    let written = tokio::task::spawn_blocking(move || {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", servers)
            .set("transactional.id", "transfers")
            .create()?;
        producer.init_transactions(PATIENCE)?;
        producer.begin_transaction()?;
        let record = BaseRecord::<(), str>::to("transfers").payload("good");
        producer.send(record).map_err(|(error, _)| error)?;
        producer.commit_transaction(PATIENCE)
    });
    written.await.unwrap().unwrap();
    // The good record is at 0, the marker at 1.
    assert_eq!(write(cluster, "transfers", 0, &["poison", "good"]).await, 2);
    let reset = cluster.reset_offsets("movers", "transfers", None, OffsetReset::To(1));
    reset.await.unwrap();
    let poison = BTreeSet::from([2]);
    let taken = take(cluster, "movers", "transfers", 0, &poison, TAKE_TIMEOUT);
    let taken = taken.await.unwrap();
    assert_eq!((taken.skipped, taken.committed), (poison, Some(3)));
}

/// Control calls, writing and reading, once each.
async fn speaks(cluster: &Cluster) {
    let offset = write(cluster, "payments", 0, &["hello"]).await;
    let ends = cluster.end_offsets("payments").await.unwrap();
    assert_eq!(ends[&0], offset + 1);
    let (from, to) = (
        BTreeMap::from([(0, offset)]),
        BTreeMap::from([(0, offset + 1)]),
    );
    let isolation = Isolation::ReadCommitted;
    let reading = read_from(cluster, "payments", &from, &to, isolation, PATIENCE).await;
    let reading = reading.unwrap();
    assert!(reading.is_complete(), "{:?}", reading.incomplete);
    assert_eq!(
        reading.records[0].value.as_deref(),
        Some(b"hello".as_slice())
    );
}

async fn logins_work(system: &System) {
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let properties = Properties::new()
            .set("security.protocol", "SASL_PLAINTEXT")
            .set("sasl.mechanism", mechanism)
            .set("sasl.username", "alice");
        let right = properties.clone().set("sasl.password", PASSWORD);
        let right = &system.cluster(9095, &right);
        eventually("every broker has learned the password", || async {
            let described = right.config(&ConfigResource::Broker(3)).await;
            described.is_ok() && right.end_offsets("payments").await.is_ok()
        })
        .await;
        speaks(right).await;

        let wrong = properties.set("sasl.password", "guessed-wrong");
        let error = system
            .cluster(9095, &wrong)
            .metadata(None)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Authentication { .. }), "{error}");
        assert!(!format!("{error:?}").contains("guessed"), "{error:?}");
    }
}

async fn encryption_works(system: &System) {
    let checking = Properties::new()
        .set("security.protocol", "SSL")
        .set("ssl.ca.location", &certificate("authority.pem"))
        .set("ssl.certificate.location", &certificate("client.pem"))
        .set("ssl.key.location", &certificate("client-key.pem"));
    let error = system.cluster(9096, &checking).metadata(None).await;
    // The certificate is for localhost, and the brokers are elsewhere.
    assert!(matches!(error, Err(Error::Tls { .. })), "{error:?}");
    let mutual = checking.set("ssl.endpoint.identification.algorithm", "none");
    speaks(&system.cluster(9096, &mutual)).await;

    let anonymous = Properties::new()
        .set("security.protocol", "SSL")
        .set("ssl.ca.location", &certificate("authority.pem"))
        .set("ssl.endpoint.identification.algorithm", "");
    let refused = system.cluster(9096, &anonymous).metadata(None).await;
    assert!(refused.is_err(), "{refused:?}");

    let both = anonymous
        .set("security.protocol", "SASL_SSL")
        .set("sasl.mechanisms", "PLAIN")
        .set("sasl.jaas.config", r#"org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="alice-secret";"#);
    speaks(&system.cluster(9097, &both)).await;
}

async fn missing_brokers_are_seen_and_hang_nothing(system: &System, cluster: &Cluster) {
    let lonely = NewTopic::assigned("lonely", vec![vec![3]]);
    let demanding = NewTopic::assigned("demanding", vec![vec![1, 3], vec![1, 2]])
        .config("min.insync.replicas", "2");
    for topic in [&lonely, &demanding] {
        cluster.create_topic(topic).await.unwrap();
    }
    let topics = Some(["lonely", "demanding"].as_slice());
    eventually("the topics are healthy", || async {
        let metadata = cluster.metadata(topics).await.unwrap();
        let under_replicated = metadata.under_replicated_partitions();
        let under_min = cluster.under_min_isr(topics).await;
        metadata
            .offline_partitions()
            .is_ok_and(|all| all.is_empty())
            && under_replicated.is_ok_and(|all| all.is_empty())
            && under_min.is_ok_and(|all| all.is_empty())
    })
    .await;
    let unknown = cluster.metadata(Some(&["nothing"])).await.unwrap();
    assert!(unknown.offline_partitions().is_err());
    assert!(cluster.under_min_isr(Some(&["nothing"])).await.is_err());

    kill(Pid::from_raw(system.pid("kafka-3")), Signal::SIGKILL).unwrap();
    eventually("the broker is missed", || async {
        let metadata = cluster.metadata(None).await.unwrap();
        metadata.broker(3).is_none()
            && metadata.offline_partitions().unwrap() == [TopicPartition::new("lonely", 0)]
    })
    .await;
    let metadata = cluster.metadata(topics).await.unwrap();
    assert_eq!(
        metadata.under_replicated_partitions().unwrap(),
        [("demanding", 0), ("lonely", 0)].map(|(topic, one)| TopicPartition::new(topic, one))
    );
    let under_min = cluster.under_min_isr(topics).await.unwrap();
    let demanding = UnderMinIsr {
        topic: "demanding".to_owned(),
        partition: 0,
        isr: vec![1],
        min: 2,
    };
    assert!(under_min.contains(&demanding), "{under_min:?}");
    assert!(
        under_min
            .iter()
            .all(|one| (one.topic.as_str(), one.partition) != ("demanding", 1))
    );

    // Neither the offline partition nor the one that lacks replicas takes a message.
    for (topic, partition) in [("lonely", 0), ("demanding", 0)] {
        let sent = produce(
            cluster,
            vec![message(topic, partition, "a")],
            Duration::from_secs(3),
        );
        let sent = sent.await.unwrap();
        assert!(
            matches!(sent[0], Err(Error::NotAcknowledged { .. })),
            "{sent:?}"
        );
    }
    let lag = cluster.lag("updater", "lonely").await;
    assert!(matches!(lag, Err(Error::NoLeader { .. })), "{lag:?}");
    let unfinished =
        cluster.reassign_and_wait("demanding", vec![(1, vec![1, 3])], Duration::from_secs(1));
    let unfinished = unfinished.await.unwrap_err();
    assert!(
        matches!(unfinished, Error::Unfinished { .. }),
        "{unfinished}"
    );
    cluster
        .cancel_reassignments("demanding", &[1])
        .await
        .unwrap();
    assert!(cluster.reassignments("demanding").await.unwrap().is_empty());
}
