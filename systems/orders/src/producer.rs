//! The producers' settings: one place for what all of them have in common.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::ToBytes;
use rdkafka::producer::future_producer::Delivery;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;

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

/// A record was not acknowledged by the brokers.
#[derive(Debug, thiserror::Error)]
#[error("the record for {topic} was not delivered: {reason}")]
pub struct DeliveryError {
    /// Where the record was to go.
    pub topic: String,
    /// What the client library said.
    #[source]
    pub reason: KafkaError,
}

/// librdkafka's default of `message.timeout.ms`.
pub const MESSAGE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(300);

/// How long the relay of the outbox waits for an acknowledgement: longer than a failover takes.
pub const OUTBOX_MESSAGE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(120);

/// The original's number of retries.
pub const RETRIES_DEFAULT: u32 = 3;

/// librdkafka's default: as often as the message timeout allows.
pub const RETRIES_MAX: u32 = i32::MAX as u32;

// === impl ProducerSettings ===

impl ProducerSettings {
    /// A producer with these settings; it connects in the background.
    ///
    /// It sends a record at once instead of waiting for more to fill a batch: the original
    /// flushes after every record, which comes to the same.
    ///
    /// # Errors
    /// librdkafka refuses the settings.
    pub fn create(&self) -> KafkaResult<FutureProducer> {
        self.config().create()
    }

    /// These settings as librdkafka names them.
    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", &self.client_id)
            .set("acks", self.acks.value())
            .set("retries", self.retries.to_string())
            .set(
                "message.timeout.ms",
                self.message_timeout.as_millis().to_string(),
            )
            .set("linger.ms", "0")
            .set("enable.idempotence", self.idempotent.to_string());
        config
    }
}

/// Sends one record and waits until the brokers have acknowledged it, or until it is given up.
///
/// Returns where the record is.
///
/// # Errors
/// It was not acknowledged; a full queue is an error at once.
pub async fn deliver<K, P>(
    producer: &FutureProducer,
    record: FutureRecord<'_, K, P>,
) -> Result<Delivery, DeliveryError>
where
    K: ToBytes + ?Sized,
    P: ToBytes + ?Sized,
{
    let topic = record.topic;
    let delivery = producer.send(record, Timeout::After(Duration::ZERO));
    delivery
        .await
        .map_err(|(reason, _)| DeliveryError::new(topic, reason))
}

// === impl DeliveryError ===

impl DeliveryError {
    /// What the client library said about a record for `topic`.
    pub fn new(topic: &str, reason: KafkaError) -> Self {
        Self {
            topic: topic.to_owned(),
            reason,
        }
    }

    /// Whether sending the same record again can never help: it is the record's own fault.
    pub fn is_permanent(&self) -> bool {
        matches!(
            self.reason.rdkafka_error_code(),
            Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidRecord)
        )
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

/// Reads `OUTBOX_MESSAGE_TIMEOUT_MS`.
pub fn outbox_message_timeout(environment: &mut Environment) -> Option<Duration> {
    environment.duration_or(
        "OUTBOX_MESSAGE_TIMEOUT_MS",
        OUTBOX_MESSAGE_TIMEOUT_DEFAULT,
        Unit::Milliseconds,
    )
}

/// The bootstrap servers one by one, as the control plane wants them.
pub fn bootstrap_list(bootstrap: &str) -> Vec<String> {
    bootstrap
        .split(',')
        .map(|server| server.trim().to_owned())
        .filter(|server| !server.is_empty())
        .collect()
}
