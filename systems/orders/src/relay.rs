//! The relay of the transactional outbox: brings committed messages to the topic.
//!
//! 1. A message leaves the outbox only after the broker's acknowledgement: every committed order
//!    reaches the topic, at least once, however often this process or a broker dies.
//! 2. Messages are sent in the order of their outbox ids; with `KEYED=true` with their order's id
//!    as key, so that all messages about one order stay in order.
//! 3. A message that can never be sent, such as one too large for the topic, is moved to the table
//!    `poke_orders_outbox_failed`, with the reason; those behind it go on.
//! 4. Several relays may run: each takes messages that no other has taken.
//!
//! A batch is held in a database transaction while it is sent, so that a relay that dies gives
//! its messages back. If it dies between acknowledgement and commit, they are sent again.
//!
//! With `FLUSH_IN_EVENT_LOOP=true` the wait for the acknowledgements is a blocking call in the
//! API's event loop: while it lasts, no request starts.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::sync::Notify;
use tracing::{error, info, warn};

use crate::backoff::Backoff;
use crate::event_loop::EventLoop;
use crate::metrics::Production;
use crate::producer::{DeliveryError, ProducerSettings, deliver};
use crate::stop::Stop;
use crate::store::{OutboxMessage, Store};

/// Brings the messages of one outbox to one topic.
#[derive(Debug)]
pub struct Relay {
    /// Where the outbox is.
    pub store: Store,
    /// How to send.
    pub producer: ProducerSettings,
    /// Where to.
    pub topic: String,
    /// Whether a message has its order's id as key.
    pub keyed: bool,
    /// Counts what was sent.
    pub production: Production,
    /// Where the wait for the acknowledgements runs.
    pub event_loop: Arc<EventLoop>,
    /// Woken by every commit of a message in this process.
    pub committed: Arc<Notify>,
}

/// How long messages of other processes, and those left by a crash, wait at most.
pub const POLL_INTERVAL: Duration = Duration::from_millis(500);

// === impl Relay ===

impl Relay {
    /// Relays until `stop`; errors are logged and tried again.
    pub async fn run(self, stop: Stop) {
        let mut producer = None;
        let mut backoff = Backoff::default();
        while !stop.is_ordered() {
            match self.relay_batch(&mut producer).await {
                Ok(0) => {
                    tokio::select! {
                        () = self.committed.notified() => {}
                        () = tokio::time::sleep(POLL_INTERVAL) => {}
                        () = stop.ordered() => {}
                    }
                }
                Ok(_) => backoff.reset(),
                Err(reason) => {
                    let pause = backoff.next_pause();
                    warn!("the outbox waits {pause:?}: {reason:#}");
                    // An idempotent producer can fail for good: begin anew.
                    producer = None;
                    stop.pause(pause).await;
                }
            }
        }
    }

    /// Sends one batch; returns how many messages have left the outbox.
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
        let sending = self.send_all(producer, &batch.messages);
        let Outcome {
            acknowledged,
            failed,
            failure,
        } = self.event_loop.block(sending).await;
        batch.settle(&acknowledged, &failed).await?;
        for (id, reason) in &failed {
            error!("message {id} of the outbox was moved out of the way: {reason}");
        }
        match failure {
            None => Ok(acknowledged.len() + failed.len()),
            Some(error) => Err(error).context("not every message of the outbox was acknowledged"),
        }
    }

    /// Sends messages and waits for each.
    async fn send_all(&self, producer: &FutureProducer, messages: &[OutboxMessage]) -> Outcome {
        // First hand everything over, then wait for each: the order is that of the outbox.
        let deliveries: Vec<_> = messages
            .iter()
            .map(|message| {
                let key = message.order_id.to_string();
                let record = self.record(message, &key);
                producer.send_result(record).map_err(|(error, _)| error)
            })
            .collect();
        let mut outcome = Outcome::default();
        for (message, delivery) in messages.iter().zip(deliveries) {
            let result = match delivery {
                Ok(delivery) => match delivery.await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err((error, _))) => Err(error),
                    Err(_) => Err(KafkaError::Canceled),
                },
                Err(error) => Err(error),
            };
            let mut result = result.map_err(|error| DeliveryError::new(&self.topic, error));
            if result.as_ref().is_err_and(DeliveryError::is_permanent) {
                // Brokers refuse a request whole: alone, a message is refused for its own fault.
                let key = message.order_id.to_string();
                let alone = deliver(producer, self.record(message, &key)).await;
                result = alone.map(drop);
            }
            match self.production.count(result) {
                Ok(()) => outcome.acknowledged.push(message.id),
                Err(error) if error.is_permanent() => {
                    outcome.failed.push((message.id, error.to_string()));
                }
                Err(error) => outcome.failure = Some(error),
            }
        }
        outcome
    }

    fn record<'a>(
        &'a self,
        message: &'a OutboxMessage,
        key: &'a str,
    ) -> FutureRecord<'a, str, str> {
        let record = FutureRecord::to(&self.topic).payload(message.payload.as_str());
        if self.keyed { record.key(key) } else { record }
    }
}

/// What became of the messages of a batch, by their outbox ids.
#[derive(Debug, Default)]
struct Outcome {
    /// Those that the broker has.
    acknowledged: Vec<i64>,
    /// Those that can never be sent, and why.
    failed: Vec<(i64, String)>,
    /// The last error of those that are sent again.
    failure: Option<DeliveryError>,
}
