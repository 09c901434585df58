//! The producers' settings: one place for what all of them have in common.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaResult;
use rdkafka::producer::FutureProducer;

use crate::setting::{Environment, Unit};

/// Where and how a producer sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerSettings {
    /// `host:port` pairs, separated by commas.
    pub bootstrap: String,
    /// The client id.
    pub client_id: String,
    /// How many replicas must have a record before it counts as sent.
    pub acks: Acks,
    /// How often a send is repeated.
    pub retries: u32,
    /// How long a record may take until it is given up, retries included.
    pub message_timeout: Duration,
    /// Whether retries write a record once only.
    pub idempotent: bool,
}

/// How many replicas must have a record before it counts as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// Every replica in sync.
    All,
    /// The leader.
    Leader,
    /// None.
    None,
}

/// librdkafka's default of `message.timeout.ms`.
pub const MESSAGE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(300);

/// The original's number of retries.
pub const RETRIES_DEFAULT: u32 = 3;

// === impl ProducerSettings ===

impl ProducerSettings {
    /// A producer with these settings; it connects in the background.
    ///
    /// It sends a record at once instead of waiting for more to fill a batch: the original
    /// flushes after every record, which comes to the same.
    pub fn create(&self) -> KafkaResult<FutureProducer> {
        ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", &self.client_id)
            .set("acks", self.acks.value())
            .set("retries", self.retries.to_string())
            .set(
                "message.timeout.ms",
                self.message_timeout.as_millis().to_string(),
            )
            .set("linger.ms", "0")
            .set("enable.idempotence", self.idempotent.to_string())
            .create()
    }
}

// === impl Acks ===

impl Acks {
    /// Reads `KAFKA_ACKS`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "all" | "-1" => Some(Acks::All),
            "1" => Some(Acks::Leader),
            "0" => Some(Acks::None),
            _ => None,
        }
    }

    fn value(self) -> &'static str {
        match self {
            Acks::All => "all",
            Acks::Leader => "1",
            Acks::None => "0",
        }
    }
}

/// Reads `KAFKA_BOOTSTRAP_SERVERS`.
pub fn bootstrap(environment: &mut Environment) -> Option<String> {
    environment.text(
        "KAFKA_BOOTSTRAP_SERVERS",
        "host:port pairs, separated by commas",
    )
}

/// Reads `MESSAGE_TIMEOUT_MS`.
pub fn message_timeout(environment: &mut Environment, default: Duration) -> Option<Duration> {
    environment.duration_or("MESSAGE_TIMEOUT_MS", default, Unit::Milliseconds)
}

/// The bootstrap servers one by one, as the control plane wants them.
pub fn bootstrap_list(bootstrap: &str) -> Vec<String> {
    bootstrap
        .split(',')
        .map(|server| server.trim().to_owned())
        .filter(|server| !server.is_empty())
        .collect()
}
