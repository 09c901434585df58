//! The worker loop of the detective and the updater: one message, one effect, one commit.
//!
//! 1. A message is committed only after its effect: every message is handled at least once.
//! 2. The handler says what shall become of a message it could not handle ([`Remedy`]). Tried
//!    again, for ever: the worker goes back to the committed message, and everything behind it in
//!    its partition waits. Parked: it is committed after the dead-letter topic has it, and the
//!    messages behind it go on.
//! 3. A message that cannot be parked is tried again: it is never skipped.
//! 4. If the loop itself dies, the next tick starts it again with a new consumer.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, Statistics, TopicPartitionList};
use shaketable_kafka::Cluster;
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::metrics::Consumption;
use crate::parking::{OpenParking, Parking};
use crate::producer::bootstrap_list;
use crate::setting::Environment;
use crate::stop::Stop;

/// A consumer of one topic in one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// `KAFKA_BOOTSTRAP_SERVERS`.
    pub bootstrap: String,
    /// `CONSUMER_GROUP_ID`.
    pub group: String,
    /// `CONSUMER_TOPIC`.
    pub topic: String,
    /// The client id of the consumer.
    pub client_id: &'static str,
    /// `DLQ_TOPIC`: where messages go that can never be handled.
    pub dead_letter_topic: String,
}

/// The effect of one message.
pub trait Handle {
    /// Brings the effect about; called again with the same message after an error.
    fn handle(&mut self, message: &[u8]) -> impl Future<Output = Result<(), Failure>>;
}

/// Why a message could not be handled, and what shall become of it.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong.
    pub reason: anyhow::Error,
    /// What shall become of the message.
    pub remedy: Remedy,
}

/// What shall become of a message that could not be handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// It is tried again after this time, for ever, as published.
    RetryAfter(Duration),
    /// It is tried again after a pause that grows: what it needs is away and will come back.
    BackOff,
    /// It can never be handled: it goes to the dead-letter topic.
    Park,
}

/// `ON_POISON`, `ON_MISSING_ORDER`: what is done with a message that can never be handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnPermanent {
    /// It is tried again for ever, as published.
    Retry,
    /// It is parked.
    Park,
}

/// How long one poll waits for a message: the bound on how late a stop is seen. The original polls
/// for 1 s; a message ends the wait at once in both.
pub const POLL_TIMEOUT: Duration = Duration::from_millis(200);

/// The first start of the loop after the start of the process.
const FIRST_TICK: Duration = Duration::from_secs(1);

/// Between two ticks; a tick starts the loop unless it runs already.
const TICK_INTERVAL: Duration = Duration::from_secs(30);

/// How long the committed offset may take to look up, and a seek to take effect.
const SEEK_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a seek is tried before the consumer is given up.
const SEEK_TRIES: u32 = 5;

/// Between two tries.
const SEEK_PAUSE: Duration = Duration::from_millis(500);

/// How often the consumer tells its lag, in milliseconds.
const STATISTICS_INTERVAL_MS: &str = "1000";

/// At most one warning in this time.
const WARNING_INTERVAL: Duration = Duration::from_secs(5);

// === impl Worker ===

impl Worker {
    /// Reads the consumer's settings; `client_id` is the program's name.
    pub fn from_environment(
        environment: &mut Environment,
        bootstrap: Option<String>,
        client_id: &'static str,
        topic_default: &str,
        group_default: &str,
        dead_letter_default: &str,
    ) -> Option<Self> {
        let group = environment.text_or("CONSUMER_GROUP_ID", group_default);
        let topic = environment.text_or("CONSUMER_TOPIC", topic_default);
        let dead_letter_topic = environment.text_or("DLQ_TOPIC", dead_letter_default);
        Some(Self {
            bootstrap: bootstrap?,
            group: group?,
            topic: topic?,
            client_id,
            dead_letter_topic: dead_letter_topic?,
        })
    }

    /// Runs the loop on a thread of its own until `stop`.
    pub async fn run(
        self,
        stop: Stop,
        mut handler: impl Handle + Send + 'static,
        consumption: Consumption,
    ) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Handle::current();
        let mut work = move || {
            let mut pause = FIRST_TICK;
            while !runtime.block_on(stop.pause(pause)) {
                let started = Instant::now();
                match self.consume(&stop, &runtime, &mut handler, &consumption) {
                    Ok(()) => break,
                    Err(reason) => warn!("the worker loop died and starts again: {reason:#}"),
                }
                pause = until_next_tick(started.elapsed());
            }
        };
        // Not the runtime's own pool: the loop blocks for as long as the process lives.
        let (done, ended) = tokio::sync::oneshot::channel();
        std::thread::Builder::new()
            .name("worker".to_owned())
            .spawn(move || {
                work();
                let _ = done.send(());
            })?;
        ended.await.context("the worker thread panicked")
    }

    fn consume(
        &self,
        stop: &Stop,
        runtime: &tokio::runtime::Handle,
        handler: &mut impl Handle,
        consumption: &Consumption,
    ) -> anyhow::Result<()> {
        let consumer: BaseConsumer<Narrator> = ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", self.client_id)
            .set("group.id", &self.group)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("statistics.interval.ms", STATISTICS_INTERVAL_MS)
            .create_with_context(Narrator(consumption.clone()))
            .context("cannot make a consumer")?;
        consumer
            .subscribe(&[&self.topic])
            .with_context(|| format!("cannot subscribe to {}", self.topic))?;
        let mut parking = None;
        let mut backoff = Backoff::default();
        let mut warnings = Warnings::default();
        while !stop.is_ordered() {
            let message = match consumer.poll(POLL_TIMEOUT) {
                None => continue,
                Some(Ok(message)) => message,
                Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                    anyhow::bail!("the consumer failed for good: {code}")
                }
                Some(Err(reason)) => {
                    warnings.warn(&format!("cannot consume {}: {reason}", self.topic));
                    continue;
                }
            };
            let worked = runtime.block_on(async {
                tokio::select! {
                    worked = self.work_off(&message, handler, &mut parking, consumption) => Some(worked),
                    () = stop.ordered() => None,
                }
            });
            let Some(worked) = worked else { break };
            let result = worked.and_then(|()| {
                let committed = consumer.commit_message(&message, CommitMode::Sync);
                let committed = committed.context("cannot commit");
                committed.map_err(Failure::transient)
            });
            let Err(Failure { reason, remedy }) = result else {
                consumption.consumed.inc();
                backoff.reset();
                continue;
            };
            consumption.retried.inc();
            warnings.warn(&format!("{} is tried again: {reason:#}", place(&message)));
            let pause = match remedy {
                Remedy::RetryAfter(pause) => pause,
                Remedy::BackOff | Remedy::Park => backoff.next_pause(),
            };
            runtime.block_on(stop.pause(pause));
            // Polling on without the seek would skip the message. When it cannot be done, the
            // consumer ends, and a new one begins at the committed offset.
            let mut tries = 1;
            while let Err(reason) = self.seek_to_committed(&consumer, &message) {
                warnings.warn(&format!("cannot seek: {reason:#}"));
                ensure!(
                    tries < SEEK_TRIES,
                    "cannot go back to the failed message: {reason:#}"
                );
                tries += 1;
                if runtime.block_on(stop.pause(SEEK_PAUSE)) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Handles a message or parks it; afterwards it may be committed.
    async fn work_off(
        &self,
        message: &BorrowedMessage<'_>,
        handler: &mut impl Handle,
        parking: &mut Option<OpenParking>,
        consumption: &Consumption,
    ) -> Result<(), Failure> {
        let Err(failure) = handler.handle(message.payload().unwrap_or_default()).await else {
            return Ok(());
        };
        if failure.remedy != Remedy::Park {
            return Err(failure);
        }
        let reason = format!("{:#}", failure.reason);
        let parked = self.park(message, &reason, parking).await;
        parked.map_err(|cause| {
            // An idempotent producer can fail for good: begin anew.
            *parking = None;
            let reason = cause.context(format!("cannot be parked ({reason})"));
            Failure::transient(reason)
        })?;
        consumption.parked.inc();
        warn!(
            "{} was parked in {}: {reason}",
            place(message),
            self.dead_letter_topic
        );
        Ok(())
    }

    async fn park(
        &self,
        message: &BorrowedMessage<'_>,
        reason: &str,
        parking: &mut Option<OpenParking>,
    ) -> anyhow::Result<()> {
        let parking = match parking {
            Some(parking) => parking,
            None => {
                let parked = Parking {
                    topic: self.dead_letter_topic.clone(),
                    bootstrap: self.bootstrap.clone(),
                    client_id: format!("{}-parking", self.client_id),
                };
                parking.insert(parked.open()?)
            }
        };
        parking.park(message, reason).await?;
        Ok(())
    }

    /// Goes back to the message after the last committed one, or, when that cannot be told, to
    /// `message`: either way nothing is skipped.
    fn seek_to_committed(
        &self,
        consumer: &BaseConsumer<Narrator>,
        message: &BorrowedMessage<'_>,
    ) -> anyhow::Result<()> {
        let mut partition = TopicPartitionList::new();
        partition.add_partition(&self.topic, message.partition());
        let committed = consumer
            .committed_offsets(partition, SEEK_TIMEOUT)
            .ok()
            .and_then(|list| match list.elements().first()?.offset() {
                Offset::Offset(offset) => Some(offset),
                // Nothing committed yet: the group began at the earliest message.
                Offset::Invalid => Some(self.earliest(consumer, message)),
                _ => None,
            });
        let offset = committed.unwrap_or(message.offset());
        consumer.seek(
            &self.topic,
            message.partition(),
            Offset::Offset(offset),
            SEEK_TIMEOUT,
        )?;
        Ok(())
    }

    fn earliest(&self, consumer: &BaseConsumer<Narrator>, message: &BorrowedMessage<'_>) -> i64 {
        consumer
            .fetch_watermarks(&self.topic, message.partition(), SEEK_TIMEOUT)
            .map_or(message.offset(), |(low, _)| low)
    }

    /// Whether the topic exists and the group is stable, that is, its members have been given the
    /// topic's partitions.
    pub async fn health(&self) -> anyhow::Result<()> {
        let cluster = Cluster::new(bootstrap_list(&self.bootstrap), self.client_id);
        let metadata = cluster.metadata(Some(&[&self.topic])).await?;
        metadata.topic(&self.topic)?;
        let group = cluster.describe_group(&self.group).await?;
        ensure!(
            group.state == "Stable" && !group.members.is_empty(),
            "group {} is {} and has {} members",
            self.group,
            group.state,
            group.members.len()
        );
        Ok(())
    }
}

// === impl Failure ===

impl Failure {
    /// What the message needs is away and will come back.
    pub fn transient(reason: anyhow::Error) -> Self {
        Self {
            reason,
            remedy: Remedy::BackOff,
        }
    }
}

// === impl OnPermanent ===

impl OnPermanent {
    /// Reads the switch `name`; the default is the published behaviour.
    pub fn from_environment(environment: &mut Environment, name: &str) -> Option<Self> {
        let parse = |text: &str| match text {
            "retry" => Some(OnPermanent::Retry),
            "park" => Some(OnPermanent::Park),
            _ => None,
        };
        environment.parsed_or(name, OnPermanent::Retry, "retry or park", parse)
    }
}

fn place(message: &BorrowedMessage<'_>) -> String {
    format!(
        "{}/{} offset {}",
        message.topic(),
        message.partition(),
        message.offset()
    )
}

/// The time from now to the next tick, when the loop started at a tick `elapsed` ago.
fn until_next_tick(elapsed: Duration) -> Duration {
    let into_interval = elapsed.as_millis() % TICK_INTERVAL.as_millis();
    TICK_INTERVAL - Duration::from_millis(into_interval as u64)
}

/// Warnings, so few that a message tried again without a pause does not fill the disk.
#[derive(Debug, Default)]
struct Warnings {
    last: Option<Instant>,
    suppressed: u64,
}

impl Warnings {
    fn warn(&mut self, warning: &str) {
        if self
            .last
            .is_some_and(|last| last.elapsed() < WARNING_INTERVAL)
        {
            self.suppressed += 1;
            return;
        }
        match self.suppressed {
            0 => warn!("{warning}"),
            suppressed => warn!("{warning} (and {suppressed} more warnings not shown)"),
        }
        *self = Self {
            last: Some(Instant::now()),
            suppressed: 0,
        };
    }
}

/// Logs which partitions the consumer was given and had to give up, and takes over their lags.
struct Narrator(Consumption);

impl ClientContext for Narrator {
    fn stats(&self, statistics: Statistics) {
        self.0.set_lags(&statistics);
    }
}

impl ConsumerContext for Narrator {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => info!("was given {}", names(partitions)),
            Rebalance::Revoke(partitions) => info!("gave up {}", names(partitions)),
            Rebalance::Error(reason) => warn!("rebalance failed: {reason}"),
        }
    }
}

fn names(partitions: &TopicPartitionList) -> String {
    let names = partitions
        .elements()
        .iter()
        .map(|element| format!("{}/{}", element.topic(), element.partition()))
        .collect::<Vec<_>>();
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    }
}
