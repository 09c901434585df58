//! The drivers on real servers: data in volumes, what is refused, and every version of Kafka that is
//! on this machine.
//!
//! Tests with brokers take turns; the machine has two cores.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use shaketable_kafka::produce::{Outgoing, produce};
use shaketable_kafka::{Cluster, NewTopic, Properties, truth};
use shaketable_testbed::drivers::{KAFKA_VERSION, Machine};
use support::{Bench, PASSED, eventually};

/// `up` of a system that does not become ready.
const ERROR: i32 = 5;
/// Of one answer of a server, and of one request to a cluster.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

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
    let node = node(1, image, "broker,controller", "CLIENT://:9092,CONTROLLER://:9093", &more);
    format!("name: log\nservices:{node}")
}

fn address(bench: &Bench, system: &str, instance: &str, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(bench.instance(system, instance).address, port)
}

/// What a server answers to a request; it reads until `end`, or until there is no more.
fn ask(address: SocketAddrV4, request: &str, end: &str) -> String {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::V4(address), ANSWER_TIMEOUT).unwrap();
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let length = stream.read(&mut buffer).unwrap();
        answer.extend(&buffer[..length]);
        let text = String::from_utf8_lossy(&answer);
        if length == 0 || (!end.is_empty() && text.ends_with(end)) {
            return text.into_owned();
        }
    }
}

/// Creates a topic, produces to it and reads it again.
fn produce_and_read(bootstrap: SocketAddrV4, properties: &Properties, topic: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let cluster = Cluster::with_properties([bootstrap], "test-drivers", properties).unwrap();
        cluster.create_topic(&NewTopic::new(topic, 1, 1)).await.unwrap();
        let message = Outgoing {
            topic: topic.to_owned(),
            value: Some(b"pikachu".to_vec()),
            ..Outgoing::default()
        };
        let produced = produce(&cluster, vec![message], ANSWER_TIMEOUT).await.unwrap();
        assert_eq!(produced[0].as_ref().unwrap().offset, 0);
        assert_eq!(read(&cluster, topic).await, ["pikachu"]);
    });
    runtime.shutdown_background();
}

async fn read(cluster: &Cluster, topic: &str) -> Vec<String> {
    let (from, to) = (BTreeMap::from([(0, 0)]), BTreeMap::from([(0, 1)]));
    let isolation = truth::Isolation::default();
    let reading = truth::read_from(cluster, topic, &from, &to, isolation, ANSWER_TIMEOUT).await.unwrap();
    let values = reading.records.into_iter().filter_map(|record| record.value);
    values.map(|value| String::from_utf8(value).unwrap()).collect()
}

/// A version of Kafka that is on this machine, or a reason to skip.
fn version(prefix: &str) -> Option<String> {
    let found = Machine::survey().kafka.unwrap_or_default();
    let version = found.into_iter().map(|kafka| kafka.version).find(|one| one.starts_with(prefix));
    if version.is_none() {
        eprintln!("skipped: no Kafka {prefix}x is on this machine; `scripts/setup.sh --kafka {prefix}0` fetches one");
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
    bench.write("log/compose.yaml", &combined(&format!("apache/kafka:{version}"), levels));
    bench.run(&["up", "log"]).expect(PASSED, &["kafka-1"]);
    produce_and_read(address(&bench, "log", "kafka-1", 9092), &Properties::new(), "tried");
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
    bench.run(&["up", "log"]).expect(PASSED, &["3.0.0", KAFKA_VERSION]);
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
    let broker = node(2, "apache/kafka", "broker", "SECURE://:9092", &login("      "));
    bench.write("log/compose.yaml", &format!("name: log\nservices:{controller}{broker}"));
    bench.run(&["up", "log"]).expect(PASSED, &["kafka-1", "kafka-2"]);
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
    let file = bench.home().join("systems/log/data/kafka-2/server.properties");
    use std::os::unix::fs::PermissionsExt;
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
    produce_and_read(address(&bench, "log", "kafka-1", 9092), &Properties::new(), "kept");
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
        &["volume `log` holds data of node 1", "KAFKA_NODE_ID is 7", "CLUSTER_ID is `YW5v", "down log --volumes"],
    );
}

#[test]
fn what_a_node_needs_is_named_all_at_once() {
    let bench = Bench::new();
    bench.write(
        "log/compose.yaml",
        "name: log\nservices:\n  kafka:\n    image: apache/kafka\n    environment: { KAFKA_NODE_ID: '1', KAFKA_LISTENERS: 'A://:9092' }\n",
    );
    bench.run(&["up", "log"]).expect(
        ERROR,
        &["KAFKA_PROCESS_ROLES", "KAFKA_CONTROLLER_LISTENER_NAMES", "KAFKA_CONTROLLER_QUORUM_VOTERS"],
    );
}

const SHOP: &str = r#"
name: shop
services:
  redis:
    image: redis:7
    command: [redis-server, --appendonly, "yes", --requirepass, "se \"cret"]
    volumes: ["cart:/data"]
  postgres:
    image: postgres
    environment: { POSTGRES_PASSWORD: secret, POSTGRES_DB: shop }
    volumes: ["orders:/var/lib/postgresql/data"]
volumes: { cart: , orders: }
"#;

fn redis(bench: &Bench, command: &str) -> String {
    let request = format!("AUTH \"se \\\"cret\"\r\n{command}\r\nQUIT\r\n");
    ask(address(bench, "shop", "redis", 6379), &request, "")
}

fn psql(bench: &Bench, statement: &str) -> String {
    let folder = Machine::survey().postgres.unwrap();
    let host = bench.instance("shop", "postgres").address.to_string();
    let output = Command::new(folder.join("psql"))
        .args(["-qAt", "-h", &host, "-U", "postgres", "-d", "shop", "-c", statement])
        .env("PGPASSWORD", "secret")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn redis_and_postgres_keep_what_is_in_a_volume() {
    let bench = Bench::new();
    bench.write("shop/compose.yaml", SHOP);
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    assert!(redis(&bench, "SET pikachu 25").starts_with("+OK\r\n+OK"));
    psql(&bench, "create table orders (id int); insert into orders values (25)");
    let process = bench.instance("shop", "redis").process.unwrap();
    let words = std::fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap();
    assert!(!String::from_utf8_lossy(&words).contains("cret"));

    bench.run(&["down", "shop"]).expect(PASSED, &[]);
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    assert!(redis(&bench, "GET pikachu").contains("\r\n25\r\n"));
    assert_eq!(psql(&bench, "select id from orders"), "25");

    bench.run(&["down", "shop", "--volumes"]).expect(PASSED, &[]);
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    assert!(redis(&bench, "GET pikachu").contains("$-1"));
    assert_eq!(psql(&bench, "select to_regclass('orders')"), "");
    bench.run(&["down", "shop", "--volumes"]).expect(PASSED, &[]);
}

#[test]
fn a_database_that_is_half_made_or_of_another_version_is_recognised() {
    let bench = Bench::new();
    bench.write("shop/compose.yaml", SHOP);
    let folder = bench.home().join("volumes/shop/orders");
    std::fs::create_dir_all(&folder).unwrap();
    // Killed in the middle of initdb; also in the other place, when the server runs as another user
    // that cannot enter this folder.
    let elsewhere = tempfile::Builder::new().prefix("shaketable-test-").tempdir_in("/var/tmp").unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(elsewhere.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), folder.join("elsewhere")).unwrap();
    for place in [folder.as_path(), elsewhere.path()] {
        std::fs::create_dir(place.join("pgdata.new")).unwrap();
        std::fs::write(place.join("pgdata.new/PG_VERSION"), "15\n").unwrap();
    }
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    assert_eq!(psql(&bench, "select 1"), "1");
    bench.run(&["down", "shop"]).expect(PASSED, &[]);

    let place = if folder.join("pgdata").exists() { &folder } else { elsewhere.path() };
    std::fs::write(place.join("pgdata/PG_VERSION"), "9.6\n").unwrap();
    bench.run(&["up", "shop"]).expect(
        ERROR,
        &["volume `orders` holds data of PostgreSQL 9.6", "down shop --volumes"],
    );
    bench.run(&["down", "shop", "--volumes"]);
    assert!(!folder.exists() && !elsewhere.path().exists());
}

#[test]
fn two_servers_never_share_a_data_folder() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        "name: shop\nservices:\n  redis:\n    image: redis\n    scale: 2\n    volumes: ['cart:/data']\nvolumes: { cart: }\n",
    );
    bench.run(&["up", "shop"]).expect(ERROR, &["`redis-1`", "`redis-2`", "/data"]);
}

#[test]
fn options_that_redis_does_not_read_are_refused() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        "name: shop\nservices:\n  redis:\n    image: redis\n    environment: { REDIS_ARGS: --appendonly yes }\n",
    );
    bench.run(&["up", "shop"]).expect(ERROR, &["REDIS_ARGS", "`command`"]);
    bench.write(
        "shop/compose.yaml",
        "name: shop\nservices:\n  redis:\n    image: redis\n    command: [redis-server, /etc/redis.conf]\n",
    );
    bench.run(&["up", "shop"]).expect(ERROR, &["/etc/redis.conf", "`volumes`"]);
}

#[test]
fn a_configuration_file_of_redis_is_read() {
    let bench = Bench::new();
    bench.write("shop/redis.conf", "port 6380\nmaxmemory 7mb\n");
    bench.write(
        "shop/compose.yaml",
        "name: shop\nservices:\n  redis:\n    image: redis\n    command: [redis-server, /etc/redis.conf, --maxclients, '77']\n    volumes: ['./redis.conf:/etc/redis.conf:ro']\n",
    );
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    let answer = ask(
        address(&bench, "shop", "redis", 6380),
        "CONFIG GET maxmemory\r\nCONFIG GET maxclients\r\nQUIT\r\n",
        "",
    );
    assert!(answer.contains("7340032") && answer.contains("\r\n77\r\n"), "{answer}");
}

#[test]
fn prometheus_finds_every_replica_by_the_name_of_the_service() {
    let bench = Bench::new();
    bench.write(
        "watch/prometheus.yml",
        r#"
global: { scrape_interval: 1s, scrape_timeout: 1s }
rule_files: [rules.yml]
scrape_configs:
  - job_name: self
    static_configs: [{ targets: ["localhost:9090"] }]
  - job_name: static
    static_configs:
      - targets: ["watched:9091", "alone:9090"]
        labels: { team: rocket }
  - job_name: dns
    dns_sd_configs: [{ names: [tasks.watched], type: A, port: 9091 }]
"#,
    );
    bench.write(
        "watch/rules.yml",
        "groups: [{ name: g, rules: [{ record: shop_up, expr: count(up) }] }]\n",
    );
    bench.write(
        "watch/compose.yaml",
        r#"
name: watch
services:
  prometheus:
    image: prom/prometheus:v2.42.0
    command: [--config.file=/etc/prometheus/prometheus.yml, --storage.tsdb.path=/prometheus, --web.enable-lifecycle]
    volumes: ["./prometheus.yml:/etc/prometheus/prometheus.yml:ro", "metrics:/prometheus"]
  watched:
    image: prom/prometheus
    command: ["--web.listen-address=:9091"]
    scale: 2
  alone:
    image: prom/prometheus
volumes: { metrics: }
"#,
    );
    bench.run(&["up", "watch"]).expect(PASSED, &[]);
    let prometheus = address(&bench, "watch", "prometheus", 9090);
    let get = |path: &str| -> Value {
        let answer = ask(prometheus, &format!("GET {path} HTTP/1.0\r\n\r\n"), "");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}\n{head}\n{body}"))
    };
    let mut targets = BTreeSet::new();
    eventually("every target was scraped", || {
        let answer = get("/api/v1/targets");
        let active = answer["data"]["activeTargets"].as_array().unwrap().clone();
        targets = active
            .iter()
            .map(|target| {
                let label = |name: &str| target["labels"][name].as_str().unwrap_or("").to_owned();
                (label("job"), label("instance"), label("team"))
            })
            .collect();
        active.len() == 6 && active.iter().all(|target| target["health"] == "up")
    });
    let expected = [
        ("self", "localhost:9090", ""),
        ("static", "watched-1:9091", "rocket"),
        ("static", "watched-2:9091", "rocket"),
        ("static", "alone:9090", "rocket"),
        ("dns", "watched-1:9091", ""),
        ("dns", "watched-2:9091", ""),
    ];
    let expected = expected.map(|(job, instance, team)| (job.to_owned(), instance.to_owned(), team.to_owned()));
    assert_eq!(targets, BTreeSet::from(expected));
    let rules = get("/api/v1/rules");
    assert_eq!(rules["data"]["groups"][0]["rules"][0]["name"], "shop_up", "{rules}");
    // Data in its volume.
    assert!(Path::new(&bench.home().join("volumes/watch/metrics/wal")).exists());
}
