//! An order API that is up for one test.
//!
//! Promise: it is down when its [`System`] is dropped, also when the test failed.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// The API with its database; what it would produce stays in its outbox.
const ALONE: &str = r#"
services:
  postgres:
    image: postgres:16
    environment: { POSTGRES_USER: user, POSTGRES_PASSWORD: password, POSTGRES_DB: poke_orders }
    healthcheck: { test: ["CMD", "pg_isready", "-U", "user", "-d", "poke_orders"], interval: 1s, retries: 30 }
  poke-order-api:
    image: shaketable/orders
    command: ["poke-order-api"]
    environment:
      LISTEN: 0.0.0.0:8000
      DATABASE_URL: postgresql://user:password@postgres:5432/poke_orders
      KAFKA_BOOTSTRAP_SERVERS: BROKER
      PRODUCE: outbox
      FLUSH_IN_EVENT_LOOP: "false"
      STATE_MACHINE: "true"
    healthcheck: { test: ["CMD", "poke-order-api", "health"], interval: 1s, timeout: 5s, retries: 30, start_period: 60s, start_interval: 500ms }
    depends_on:
      postgres: { condition: service_healthy }
"#;

/// A Kafka of one node with the topic of the orders, for a message to be seen there.
const KAFKA: &str = r#"
      kafka: { condition: service_healthy }
  kafka:
    image: apache/kafka:4.2.0
    environment:
      CLUSTER_ID: cG9rZW1vbi1wYWdlcy0xMQ
      KAFKA_NODE_ID: "1"
      KAFKA_PROCESS_ROLES: broker,controller
      KAFKA_LISTENERS: CLIENT://:9092,CONTROLLER://:9093
      KAFKA_ADVERTISED_LISTENERS: CLIENT://kafka:9092
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
      KAFKA_INTER_BROKER_LISTENER_NAME: CLIENT
      KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER
      KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka:9093
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: "1"
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: "true"
      KAFKA_HEAP_OPTS: "-Xms128m -Xmx256m"
"#;

/// A system that is up.
pub struct System {
    folder: TempDir,
    /// Where the API is: `http://ADDRESS:8000`.
    pub api: String,
}

impl System {
    /// The API with its database alone.
    pub fn without_kafka(name: &str) -> System {
        // Nobody listens on that port.
        System::up(name, &ALONE.replace("BROKER", "127.0.0.1:1"))
    }

    /// With a Kafka of one node.
    pub fn with_kafka(name: &str) -> System {
        let alone = ALONE.replace("BROKER", "kafka:9092");
        System::up(name, &format!("{}{KAFKA}", alone.trim_end()))
    }

    fn up(name: &str, services: &str) -> System {
        let program = Path::new(env!("CARGO_BIN_EXE_shaketable")).with_file_name("poke-order-api");
        assert!(
            program.exists(),
            "{} is missing: run `cargo build --workspace` first",
            program.display()
        );
        let mut system = System {
            folder: tempfile::tempdir().unwrap(),
            api: String::new(),
        };
        let compose = system.folder.path().join("compose.yaml");
        std::fs::write(&compose, format!("name: {name}\n{services}")).unwrap();
        system.run(&["up", compose.to_str().unwrap()]);
        let status = system.run(&["status", "--format", "json"]);
        let status: Value = serde_json::from_slice(&status.stdout).unwrap();
        let address = find(&status, &|object| object["service"] == "poke-order-api")
            .unwrap_or_else(|| panic!("no API in {status}"));
        system.api = format!("http://{}:8000", address["address"].as_str().unwrap());
        system
    }

    /// What the API shows to Prometheus.
    pub async fn metrics(&self) -> String {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let response = client.get(format!("{}/metrics", self.api)).send().await;
        response.unwrap().text().await.unwrap()
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shaketable"));
        command
            .args(arguments)
            .env("SHAKETABLE_HOME", self.folder.path().join("home"))
            .current_dir(self.folder.path());
        command
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let _ = self.command(&["down", "--all"]).output();
    }
}

/// The first object in a document of which this holds.
fn find<'v>(value: &'v Value, holds: &dyn Fn(&Value) -> bool) -> Option<&'v Value> {
    match value {
        Value::Object(_) if holds(value) => Some(value),
        Value::Object(members) => members.values().find_map(|one| find(one, holds)),
        Value::Array(items) => items.iter().find_map(|one| find(one, holds)),
        _ => None,
    }
}
