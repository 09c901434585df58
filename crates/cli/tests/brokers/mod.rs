//! The Kafka driver on real brokers: every version that is on this machine, logins, and data that
//! stays.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddrV4;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use shaketable_kafka::produce::{Outgoing, produce};
use shaketable_kafka::{Cluster, NewTopic, Properties, truth};
use shaketable_testbed::drivers::{KAFKA_VERSION, Machine};

use crate::support::{Bench, PASSED};
use crate::turn;

/// `up` of a system that does not become ready.
const ERROR: i32 = 5;
/// Of one request to a cluster.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// A node of a cluster; `more` are further lines of its environment.
fn node(id: i32, image: &str, roles: &str, listeners: &str, more: &str) -> String {
    format!(
        r#"
  kafka-{id}:
    image: {image}
    environment:
      CLUSTER_ID: cGxlYXNlLXRyeS1kcml2ZQ
      KAFKA_NODE_ID: "{id}"
      KAFKA_PROCESS_ROLES: {roles}
      KAFKA_LISTENERS: {listeners}
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: CLIENT:PLAINTEXT,SECURE:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
      KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER
      KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka-1:9093
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: "1"
      KAFKA_HEAP_OPTS: -Xms128m -Xmx256m
{more}"#
    )
}

/// A cluster of one node that is everything.
fn combined(image: &str, more: &str) -> String {
    let more = format!(
        "      KAFKA_INTER_BROKER_LISTENER_NAME: CLIENT\n      KAFKA_ADVERTISED_LISTENERS: CLIENT://kafka-1:9092\n{more}"
    );
    let node = node(
        1,
        image,
        "broker,controller",
        "CLIENT://:9092,CONTROLLER://:9093",
        &more,
    );
    format!("name: log\nservices:{node}")
}

fn address(bench: &Bench, system: &str, instance: &str, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(bench.instance(system, instance).address, port)
}

/// Creates a topic, produces to it and reads it again.
fn produce_and_read(bootstrap: SocketAddrV4, properties: &Properties, topic: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let cluster = Cluster::with_properties([bootstrap], "test-drivers", properties).unwrap();
        cluster
            .create_topic(&NewTopic::new(topic, 1, 1))
            .await
            .unwrap();
        let message = Outgoing {
            topic: topic.to_owned(),
            value: Some(b"pikachu".to_vec()),
            ..Outgoing::default()
        };
        let produced = produce(&cluster, vec![message], ANSWER_TIMEOUT)
            .await
            .unwrap();
        assert_eq!(produced[0].as_ref().unwrap().offset, 0);
        assert_eq!(read(&cluster, topic).await, ["pikachu"]);
    });
    runtime.shutdown_background();
}

async fn read(cluster: &Cluster, topic: &str) -> Vec<String> {
    let (from, to) = (BTreeMap::from([(0, 0)]), BTreeMap::from([(0, 1)]));
    let isolation = truth::Isolation::default();
    let reading = truth::read_from(cluster, topic, &from, &to, isolation, ANSWER_TIMEOUT)
        .await
        .unwrap();
    let values = reading
        .records
        .into_iter()
        .filter_map(|record| record.value);
    values
        .map(|value| String::from_utf8(value).unwrap())
        .collect()
}

/// A version of Kafka that is on this machine, or a reason to skip.
fn version(prefix: &str) -> Option<String> {
    let found = Machine::survey().kafka.unwrap_or_default();
    let version = found
        .into_iter()
        .map(|kafka| kafka.version)
        .find(|one| one.starts_with(prefix));
    if version.is_none() {
        let reason = format!(
            "skipped: no Kafka {prefix}x is on this machine; `scripts/setup.sh --kafka {prefix}0` fetches one"
        );
        let _ = writeln!(std::io::stderr(), "{reason}");
    }
    version
}

fn runs_and_logs(prefix: &str) {
    let _turn = turn();
    let Some(version) = version(prefix) else {
        return;
    };
    let bench = Bench::new();
    let levels = concat!(
        "      KAFKA_LOG4J_ROOT_LOGLEVEL: INFO\n",
        "      KAFKA_LOG4J_LOGGERS: org.apache.kafka.common.utils.LoggingSignalHandler=ERROR\n",
    );
    bench.write(
        "log/compose.yaml",
        &combined(&format!("apache/kafka:{version}"), levels),
    );
    bench.run(&["up", "log"]).expect(PASSED, &["kafka-1"]);
    produce_and_read(
        address(&bench, "log", "kafka-1", 9092),
        &Properties::new(),
        "tried",
    );
    // That it is this version and that it logs as it was asked to, is in its log.
    let log = bench.run(&["logs", "kafka-1"]).expect(PASSED, &[]).out;
    for said in [&format!("Kafka version: {version}"), "KafkaConfig values"] {
        assert!(log.contains(said), "no `{said}` in\n{log}");
    }
    assert!(!log.contains("Registered signal handlers"), "{log}");
}

#[test]
fn kafka_3_9_runs_and_logs() {
    runs_and_logs("3.9.");
}

#[test]
fn kafka_4_0_runs_and_logs() {
    runs_and_logs("4.0.");
}

#[test]
fn kafka_4_1_runs_and_logs() {
    runs_and_logs("4.1.");
}

#[test]
fn kafka_4_2_runs_and_logs() {
    runs_and_logs("4.2.");
}

#[test]
fn a_version_that_is_not_there_is_replaced_with_a_warning() {
    let _turn = turn();
    let bench = Bench::new();
    bench.write("log/compose.yaml", &combined("apache/kafka:3.0.0", ""));
    bench
        .run(&["up", "log"])
        .expect(PASSED, &["3.0.0", KAFKA_VERSION]);
}

#[test]
fn a_controller_of_its_own_and_a_broker_that_asks_for_a_login() {
    let _turn = turn();
    let bench = Bench::new();
    let login = |indent: &str| {
        [
            r#"KAFKA_ADVERTISED_LISTENERS: SECURE://kafka-2:9092"#,
            r#"KAFKA_INTER_BROKER_LISTENER_NAME: SECURE"#,
            r#"KAFKA_SASL_MECHANISM_INTER_BROKER_PROTOCOL: PLAIN"#,
            r#"KAFKA_LISTENER_NAME_SECURE_SASL_ENABLED_MECHANISMS: PLAIN"#,
            r#"KAFKA_LISTENER_NAME_SECURE_PLAIN_SASL_JAAS_CONFIG: 'org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="a:secret" user_admin="a:secret";'"#,
        ]
        .map(|line| format!("{indent}{line}\n"))
        .concat()
    };
    let controller = node(1, "apache/kafka", "controller", "CONTROLLER://:9093", "");
    let broker = node(
        2,
        "apache/kafka",
        "broker",
        "SECURE://:9092",
        &login("      "),
    );
    bench.write(
        "log/compose.yaml",
        &format!("name: log\nservices:{controller}{broker}"),
    );
    bench
        .run(&["up", "log"])
        .expect(PASSED, &["kafka-1", "kafka-2"]);
    let status = bench.system("log").unwrap();
    let secure = address(&bench, "log", "kafka-2", 9092);
    assert_eq!(status.bootstrap_servers(), [secure.to_string()]);
    let properties = Properties::new()
        .set("security.protocol", "SASL_PLAINTEXT")
        .set("sasl.mechanism", "PLAIN")
        .set("sasl.username", "admin")
        .set("sasl.password", "a:secret");
    produce_and_read(secure, &properties, "tried");
    // The password is in a file that nobody else can read, and on no command line.
    let process = bench.instance("log", "kafka-2").process.unwrap();
    let words = std::fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap();
    assert!(!String::from_utf8_lossy(&words).contains("a:secret"));
    let file = bench
        .home()
        .join("systems/log/data/kafka-2/server.properties");
    let mode = std::fs::metadata(file).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

#[test]
fn a_node_s_data_outlives_it_and_is_no_other_node_s() {
    let _turn = turn();
    let bench = Bench::new();
    let volume = "    volumes: ['log:/var/lib/kafka/data']\nvolumes: { log: }\n";
    bench.write("log/compose.yaml", &combined("apache/kafka", volume));
    // As if it had been killed while the folder was formatted.
    let data = bench.home().join("volumes/log/log");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("bootstrap.checkpoint"), "half").unwrap();
    std::fs::write(data.join("meta.properties.new"), "version=1\nclu").unwrap();
    bench.run(&["up", "log"]).expect(PASSED, &[]);
    produce_and_read(
        address(&bench, "log", "kafka-1", 9092),
        &Properties::new(),
        "kept",
    );
    bench.run(&["down", "log"]).expect(PASSED, &[]);
    bench.run(&["up", "log"]).expect(PASSED, &[]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cluster = Cluster::new([address(&bench, "log", "kafka-1", 9092)], "test-drivers");
    assert_eq!(runtime.block_on(read(&cluster, "kept")), ["pikachu"]);
    runtime.shutdown_background();
    bench.run(&["down", "log"]).expect(PASSED, &[]);

    let other = combined("apache/kafka", volume)
        .replace("NODE_ID: \"1\"", "NODE_ID: \"7\"")
        .replace("1@kafka-1", "7@kafka-1")
        .replace("cGxlYXNlLXRyeS1kcml2ZQ", "YW5vdGhlci1jbHVzdGVyLQ");
    bench.write("log/compose.yaml", &other);
    bench.run(&["up", "log"]).expect(
        ERROR,
        &[
            "volume `log` holds data of node 1",
            "KAFKA_NODE_ID is 7",
            "CLUSTER_ID is `YW5v",
            "down log --volumes",
        ],
    );
}
