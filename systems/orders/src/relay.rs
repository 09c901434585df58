//! The relay of the transactional outbox: brings committed messages to the topic.
//!
//! 1. A message leaves the outbox only after the broker's acknowledgement: every committed order
//!    reaches the topic, at least once, however often this process or a broker dies.
//! 2. Messages are sent in the order of their outbox ids, keyed by their order's id.
//! 3. Several relays may run: each takes messages that no other has taken.
//!
//! A batch is held in a database transaction while it is sent, so that a relay that dies gives
//! its messages back. If it dies between acknowledgement and commit, they are sent again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::producer::ProducerSettings;
use crate::stop::Stop;
use crate::store::Store;

/// Brings the messages of one outbox to one topic.
#[derive(Debug)]
pub struct Relay {
    /// Where the outbox is.
    pub store: Store,
    /// How to send.
    pub producer: ProducerSettings,
    /// Where to.
    pub topic: String,
    /// Woken by every commit of a message in this process.
    pub committed: Arc<Notify>,
}

/// How long messages of other processes, and those left by a crash, wait at most.
pub const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The first wait after an error; doubled with every further one.
const BACKOFF_MIN: Duration = Duration::from_millis(100);

/// The longest wait after an error.
const BACKOFF_MAX: Duration = Duration::from_secs(2);

// === impl Relay ===

impl Relay {
    /// Relays until `stop`; errors are logged and tried again.
    pub async fn run(self, stop: Stop) {
        let mut producer = None;
        let mut backoff = BACKOFF_MIN;
        while !stop.is_ordered() {
            match self.relay_batch(&mut producer).await {
                Ok(0) => {
                    tokio::select! {
                        () = self.committed.notified() => {}
                        () = tokio::time::sleep(POLL_INTERVAL) => {}
                        () = stop.ordered() => {}
                    }
                }
                Ok(_) => backoff = BACKOFF_MIN,
                Err(reason) => {
                    warn!("the outbox waits {backoff:?}: {reason:#}");
                    // An idempotent producer can fail for good: begin anew.
                    producer = None;
                    stop.pause(backoff).await;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
            }
        }
    }

    /// Sends one batch; returns how many messages were acknowledged and removed.
    async fn relay_batch(&self, producer: &mut Option<FutureProducer>) -> anyhow::Result<usize> {
        let producer = match producer {
            Some(producer) => producer,
            None => {
                let created = self.producer.create().context("cannot make a producer")?;
                info!("the relay of the outbox has a new producer");
                producer.insert(created)
            }
        };
        let batch = self.store.outbox_batch().await?;
        if batch.messages.is_empty() {
            return Ok(0);
        }
        // First hand everything over, then wait for each: the order is that of the outbox.
        let deliveries: Vec<_> = batch
            .messages
            .iter()
            .map(|message| {
                let key = message.order_id.to_string();
                let record = FutureRecord::to(&self.topic)
                    .key(&key)
                    .payload(&message.payload);
                let delivery = producer.send_result(record).map_err(|(error, _)| error);
                (message.id, delivery)
            })
            .collect();
        let mut acknowledged = Vec::with_capacity(deliveries.len());
        let mut failure = None;
        for (id, delivery) in deliveries {
            let result = match delivery {
                Ok(delivery) => match delivery.await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err((error, _))) => Err(error),
                    Err(_) => Err(rdkafka::error::KafkaError::Canceled),
                },
                Err(error) => Err(error),
            };
            match result {
                Ok(()) => acknowledged.push(id),
                Err(error) => failure = Some(error),
            }
        }
        batch.remove(&acknowledged).await?;
        match failure {
            None => Ok(acknowledged.len()),
            Some(error) => Err(error).context(format!(
                "not every message of the outbox was acknowledged by {}",
                self.topic
            )),
        }
    }
}
