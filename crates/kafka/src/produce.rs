//! Messages sent by hand: a few, in order, each acknowledged by every replica in sync or reported as not.
//!
//! What it promises:
//! 1. The call ends within its bound, also when brokers are away.
//! 2. A message that is reported as produced is in the log, once, at that offset. Messages of one partition are there
//!    in the order given.
//! 3. It creates no topic.
//!
//! Load is not its purpose: messages are held in memory.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::time::{Instant, timeout_at};

use crate::cluster::Cluster;
use crate::error::{Error, Result, librdkafka};

/// A reasonable bound for the whole of a call.
pub const PRODUCE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long after the bound librdkafka may take to say that a message failed.
const REPORT_GRACE: Duration = Duration::from_millis(500);

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outgoing {
    /// The topic.
    pub topic: String,
    /// The partition; nothing to let the key decide as Java's client does, or chance when there is no key.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value; nothing for a tombstone.
    pub value: Option<Vec<u8>>,
    /// The headers in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Produced {
    /// The partition.
    pub partition: i32,
    /// The offset in that partition.
    pub offset: i64,
}

/// Sends messages; the result has one entry for each, in the same order.
///
/// # Errors
/// When nothing was sent: [`Error::UnknownTopic`], [`Error::UnknownPartition`], [`Error::Client`], or that no broker
/// answers. A single message's error is [`Error::NotAcknowledged`].
pub async fn produce(
    cluster: &Cluster,
    messages: Vec<Outgoing>,
    timeout: Duration,
) -> Result<Vec<Result<Produced>>> {
    let deadline = Instant::now() + timeout;
    check(cluster, &messages).await?;
    let left = deadline.saturating_duration_since(Instant::now());
    let producer = producer(cluster, left)?;
    // All are handed over before the first is awaited: that keeps the order and costs one round trip, not many.
    let handed: Vec<_> = messages
        .iter()
        .map(|message| {
            let handed = producer.send_result(record(message));
            handed.map_err(|(error, _)| librdkafka(&error))
        })
        .collect();
    let mut results = Vec::new();
    for (message, handed) in messages.iter().zip(handed) {
        let outcome = match handed {
            Err(reason) => Err(reason),
            Ok(delivery) => match timeout_at(deadline + REPORT_GRACE, delivery).await {
                Ok(Ok(Ok(delivery))) => Ok(Produced {
                    partition: delivery.partition,
                    offset: delivery.offset,
                }),
                Ok(Ok(Err((error, _)))) => Err(librdkafka(&error)),
                Ok(Err(_)) => Err("the client ended before it".to_owned()),
                Err(_) => Err(format!("no result within {timeout:?}")),
            },
        };
        results.push(outcome.map_err(|reason| Error::NotAcknowledged {
            topic: message.topic.clone(),
            partition: message.partition,
            reason,
        }));
    }
    // Its end joins a thread; what is still queued has failed by now.
    tokio::task::spawn_blocking(move || drop(producer));
    Ok(results)
}

/// Every topic and partition named exists.
async fn check(cluster: &Cluster, messages: &[Outgoing]) -> Result<()> {
    let topics: BTreeSet<_> = messages.iter().map(|one| one.topic.as_str()).collect();
    let topics: Vec<_> = topics.into_iter().collect();
    let metadata = cluster.metadata(Some(&topics)).await?;
    for message in messages {
        let topic = metadata.topic(&message.topic)?;
        if let Some(partition) = message.partition {
            topic.partition(partition)?;
        }
    }
    Ok(())
}

fn producer(cluster: &Cluster, timeout: Duration) -> Result<FutureProducer> {
    let timeout_ms = timeout.as_millis().max(1).to_string();
    cluster
        .client_config()?
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "0")
        .set("message.timeout.ms", timeout_ms)
        .set("queue.buffering.max.messages", "0")
        .set("reconnect.backoff.max.ms", "500")
        .create()
        .map_err(|error| Error::Client {
            what: "make a producer".to_owned(),
            reason: librdkafka(&error),
        })
}

fn record(message: &Outgoing) -> FutureRecord<'_, [u8], [u8]> {
    let mut record = FutureRecord::to(&message.topic);
    record.partition = message.partition;
    record.key = message.key.as_deref();
    record.payload = message.value.as_deref();
    if !message.headers.is_empty() {
        let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
        for (key, value) in &message.headers {
            let value = value.as_deref();
            headers = headers.insert(Header { key, value });
        }
        record.headers = Some(headers);
    }
    record
}
