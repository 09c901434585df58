//! The dead-letter topics: where a record goes that can never be handled, so that the records
//! behind it can.
//!
//! 1. A record counts as parked only when the broker has acknowledged it: the caller commits
//!    afterwards, never before.
//! 2. Key, value and headers are kept, byte for byte; [`ORIGINAL_TOPIC`] and the headers after it
//!    say where the record was, and why it was parked.
//! 3. A record is parked at least once: a caller that dies before its commit parks it again.
//!
//! `orders-replay` ([`crate::replay`]) brings parked records back.

use std::fmt;
use std::time::Duration;

use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::producer::{self, Acks, DeliveryError, ProducerSettings, deliver};

/// Where records are parked, and how they are sent there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parking {
    /// The dead-letter topic.
    pub topic: String,
    /// `KAFKA_BOOTSTRAP_SERVERS`.
    pub bootstrap: String,
    /// The client id.
    pub client_id: String,
}

/// A parking with its producer.
pub struct OpenParking {
    producer: FutureProducer,
    topic: String,
}

/// Header: the topic the record was in.
pub const ORIGINAL_TOPIC: &str = "x-original-topic";

/// Header: its partition, a decimal number.
pub const ORIGINAL_PARTITION: &str = "x-original-partition";

/// Header: its offset, a decimal number.
pub const ORIGINAL_OFFSET: &str = "x-original-offset";

/// Header: why it cannot be handled, for people.
pub const REASON: &str = "x-reason";

/// Header: when it was parked, RFC 3339 in UTC.
pub const PARKED_AT: &str = "x-parked-at";

/// The largest record that can be parked, in bytes: twice what the other topics take, so that the
/// headers always fit.
pub const RECORD_BYTES_MAX: u32 = 2 * 1024 * 1024;

/// How long the acknowledgement may take; then the caller tries again.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest reason that is written down, in characters.
const REASON_CHARS_MAX: usize = 500;

impl Parking {
    /// Makes the producer; it connects in the background.
    ///
    /// # Errors
    /// librdkafka refuses the settings.
    pub fn open(&self) -> rdkafka::error::KafkaResult<OpenParking> {
        let settings = ProducerSettings {
            bootstrap: self.bootstrap.clone(),
            client_id: self.client_id.clone(),
            acks: Acks::All,
            retries: producer::RETRIES_MAX,
            message_timeout: DELIVERY_TIMEOUT,
            idempotent: true,
        };
        let producer = settings
            .config()
            .set("message.max.bytes", RECORD_BYTES_MAX.to_string())
            .create()?;
        Ok(OpenParking {
            producer,
            topic: self.topic.clone(),
        })
    }
}

impl OpenParking {
    /// The dead-letter topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Parks the record, and waits for the acknowledgement.
    ///
    /// # Errors
    /// It was not acknowledged in time; whether the topic has it is then unknown.
    pub async fn park(
        &self,
        message: &BorrowedMessage<'_>,
        reason: &str,
    ) -> Result<(), DeliveryError> {
        let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
        let headers = message.headers().map_or_else(OwnedHeaders::new, |headers| {
            // A record that was replayed and failed again: the newest story counts.
            headers
                .iter()
                .filter(|header| !is_parking_header(header.key))
                .fold(OwnedHeaders::new(), OwnedHeaders::insert)
        });
        let headers = [
            (ORIGINAL_TOPIC, message.topic().to_owned()),
            (ORIGINAL_PARTITION, message.partition().to_string()),
            (ORIGINAL_OFFSET, message.offset().to_string()),
            (REASON, reason),
            (PARKED_AT, jiff::Timestamp::now().to_string()),
        ]
        .iter()
        .fold(headers, |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: Some(value),
            })
        });
        let mut record: FutureRecord<'_, [u8], [u8]> =
            FutureRecord::to(&self.topic).headers(headers);
        record.key = message.key();
        record.payload = message.payload();
        deliver(&self.producer, record).await.map(drop)
    }
}

fn is_parking_header(key: &str) -> bool {
    [
        ORIGINAL_TOPIC,
        ORIGINAL_PARTITION,
        ORIGINAL_OFFSET,
        REASON,
        PARKED_AT,
    ]
    .contains(&key)
}

impl fmt::Debug for OpenParking {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "parking in {}", self.topic)
    }
}
