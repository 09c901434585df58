//! The truth reader: what a topic's log really holds, between two offsets of every partition.
//!
//! What it promises:
//! 1. It reads by assignment, commits nothing, joins no group and creates no topic: the system under test does not notice.
//! 2. A partition is complete only when every offset below its target was passed. Offsets without a record (transaction
//!    markers, compaction) are legal; they are told apart from records not yet readable by reading again from the last
//!    record to the end of the log, after the log was seen to reach the target.
//! 3. What could not be read is listed with its reason. A reading that is not complete proves the records it holds, and
//!    proves nothing about those it does not hold.
//!
//! Records are held in memory. What they mean is the ledger's to judge.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;

use crate::cluster::Cluster;
use crate::error::librdkafka;

/// How long one poll waits for a record; also how soon an abandoned reading ends.
pub(crate) const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// The bound of asking a partition's leader where its log begins and ends.
const WATERMARK_TIMEOUT: Duration = Duration::from_secs(1);

/// The bound of rewinding one partition.
const SEEK_TIMEOUT: Duration = Duration::from_secs(1);

/// Which transactions are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Every record in the log, also those of open and aborted transactions.
    #[default]
    ReadUncommitted,
    /// Only records outside of transactions and in committed ones, up to the first open transaction.
    ReadCommitted,
}

/// A record as the log holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The partition.
    pub partition: i32,
    /// The offset in that partition.
    pub offset: i64,
    /// The record's timestamp in milliseconds since the epoch, whoever set it; nothing when it has none.
    pub timestamp_ms: Option<i64>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value; nothing for a tombstone.
    pub value: Option<Vec<u8>>,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruthReading {
    /// Every record read, in the order of its partition and offset.
    pub records: Vec<Record>,
    /// The partitions that were not read up to their targets; empty for a complete reading.
    pub incomplete: Vec<Incomplete>,
}

impl TruthReading {
    /// Whether every partition was read up to its target, so that a record which is not here is not in the log.
    pub fn is_complete(&self) -> bool {
        self.incomplete.is_empty()
    }
}

/// A partition that was not read up to its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incomplete {
    /// The partition.
    pub partition: i32,
    /// The first offset that was not read.
    pub reached: i64,
    /// The offset that the reading was to end before.
    pub target: i64,
    /// Why.
    pub reason: String,
}

/// Why nothing could be read at all.
#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    /// The reader's Kafka client could not be made or directed.
    #[error("cannot read {topic} from {bootstrap}: {reason}")]
    Client {
        /// The topic.
        topic: String,
        /// The bootstrap servers.
        bootstrap: String,
        /// What the client said.
        reason: String,
    },
    /// The reading's thread ended without a result.
    #[error("the reading of {topic} broke off: {reason}; this is a defect of the reader")]
    Broken {
        /// The topic.
        topic: String,
        /// How it ended.
        reason: String,
    },
}

/// Reads every record of `topic` with an offset in `from..to` of its partition, committed or not, from a cluster
/// without TLS and SASL.
///
/// # Errors
/// As for [`read_from`].
pub async fn read(
    bootstrap: &str,
    topic: &str,
    from: &BTreeMap<i32, i64>,
    to: &BTreeMap<i32, i64>,
    timeout: Duration,
) -> Result<TruthReading, TruthError> {
    let cluster = Cluster::new(bootstrap.split(','), "shaketable-truth");
    read_from(&cluster, topic, from, to, Isolation::default(), timeout).await
}

/// Reads every record of `topic` with an offset in `from..to` of its partition.
///
/// `to` names the partitions to read and their targets: end offsets captured before, by
/// [`end_offsets`](crate::Cluster::end_offsets). A partition missing from `from` is read from the start of its log.
/// Ends within about `timeout`, plus a second for each partition that is not complete.
///
/// # Errors
/// Only when no reading could begin. A broker that does not answer makes the reading incomplete instead.
pub async fn read_from(
    cluster: &Cluster,
    topic: &str,
    from: &BTreeMap<i32, i64>,
    to: &BTreeMap<i32, i64>,
    isolation: Isolation,
    timeout: Duration,
) -> Result<TruthReading, TruthError> {
    let unusable = |reason: String| TruthError::Client {
        topic: topic.to_owned(),
        bootstrap: cluster.bootstrap(),
        reason,
    };
    let mut config = reader_config(cluster).map_err(|error| unusable(error.to_string()))?;
    config.set(
        "isolation.level",
        match isolation {
            Isolation::ReadUncommitted => "read_uncommitted",
            Isolation::ReadCommitted => "read_committed",
        },
    );
    let progress = to
        .iter()
        .map(|(partition, target)| {
            (
                *partition,
                Progress::new(from.get(partition).copied(), *target),
            )
        })
        .collect();
    let abandoned = Abandoned::default();
    let reading = Reading {
        topic: topic.to_owned(),
        progress,
        records: Vec::new(),
        last_error: None,
        abandoned: Arc::clone(&abandoned.0),
        deadline: Instant::now() + timeout,
        timeout,
    };
    let outcome = tokio::task::spawn_blocking(move || reading.run(&config)).await;
    match outcome {
        Ok(result) => result.map_err(|error| unusable(librdkafka(&error))),
        Err(error) => Err(TruthError::Broken {
            topic: topic.to_owned(),
            reason: error.to_string(),
        }),
    }
}

/// Tells the reading's thread that nobody waits for it any more.
#[derive(Default)]
struct Abandoned(Arc<AtomicBool>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How far one partition was read.
struct Progress {
    /// Where reading began; nothing for the start of the log.
    from: Option<i64>,
    /// The first offset not yet known to be read or empty.
    next: i64,
    target: i64,
    stage: Stage,
    /// Why the partition can never be complete.
    failed: Option<String>,
}

/// What is known about the offsets between the last record and the target.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Records are expected.
    Reading,
    /// The end of the log was reached before the target; the log has yet to be seen reaching it.
    AtEnd,
    /// The log was seen to reach the target, and is being read again from the last record: when its end is reached
    /// once more, there is no further record below the target.
    Rechecking,
}

impl Progress {
    fn new(from: Option<i64>, target: i64) -> Self {
        Self {
            from,
            next: from.unwrap_or(0),
            target,
            stage: Stage::Reading,
            failed: None,
        }
    }

    fn complete(&self) -> bool {
        self.next >= self.target
    }

    fn finished(&self) -> bool {
        self.complete() || self.failed.is_some()
    }

    /// Where to read on, or again.
    fn position(&self) -> Offset {
        match self.from {
            None if self.next == 0 => Offset::Beginning,
            _ => Offset::Offset(self.next),
        }
    }
}

/// One reading, on a thread of its own.
struct Reading {
    topic: String,
    progress: BTreeMap<i32, Progress>,
    records: Vec<Record>,
    last_error: Option<KafkaError>,
    abandoned: Arc<AtomicBool>,
    deadline: Instant,
    timeout: Duration,
}

impl Reading {
    fn run(mut self, config: &ClientConfig) -> KafkaResult<TruthReading> {
        if self.unfinished().is_empty() {
            return Ok(self.conclude(None));
        }
        let consumer: BaseConsumer = config.create()?;
        let mut assignment = TopicPartitionList::new();
        for (partition, progress) in &self.progress {
            if !progress.finished() {
                assignment.add_partition_offset(&self.topic, *partition, progress.position())?;
            }
        }
        consumer.assign(&assignment)?;
        while !self.unfinished().is_empty()
            && Instant::now() < self.deadline
            && !self.abandoned.load(Ordering::Relaxed)
        {
            match consumer.poll(POLL_TIMEOUT) {
                Some(Ok(message)) => self.take(&consumer, &message),
                Some(Err(KafkaError::PartitionEOF(partition))) => self.at_end(partition),
                Some(Err(error)) => self.trouble(&consumer, error),
                None => self.recheck(&consumer),
            }
        }
        Ok(self.conclude(Some(&consumer)))
    }

    fn unfinished(&self) -> Vec<i32> {
        let open = self
            .progress
            .iter()
            .filter(|(_, progress)| !progress.finished());
        open.map(|(partition, _)| *partition).collect()
    }

    fn take(&mut self, consumer: &BaseConsumer, message: &BorrowedMessage<'_>) {
        let partition = message.partition();
        let Some(progress) = self.progress.get_mut(&partition) else {
            return;
        };
        // Records that a rewind delivers again, and those that came after the reading was ordered.
        if message.offset() < progress.next || progress.finished() {
            return;
        }
        if message.offset() < progress.target {
            self.records.push(Record {
                partition,
                offset: message.offset(),
                timestamp_ms: message.timestamp().to_millis(),
                key: message.key().map(<[u8]>::to_vec),
                value: message.payload().map(<[u8]>::to_vec),
            });
        }
        progress.next = (message.offset() + 1).min(progress.target);
        progress.stage = Stage::Reading;
        if progress.complete() {
            // The log may go on growing; a failed pause costs traffic, not truth.
            let mut done = TopicPartitionList::new();
            done.add_partition(&self.topic, partition);
            if let Err(error) = consumer.pause(&done) {
                self.last_error = Some(error);
            }
        }
    }

    fn at_end(&mut self, partition: i32) {
        let Some(progress) = self.progress.get_mut(&partition) else {
            return;
        };
        match progress.stage {
            Stage::Reading => progress.stage = Stage::AtEnd,
            Stage::AtEnd => {}
            Stage::Rechecking => progress.next = progress.target,
        }
    }

    /// Rewinds the partitions at their end whose logs are now seen to reach the target.
    fn recheck(&mut self, consumer: &BaseConsumer) {
        for (partition, progress) in &mut self.progress {
            if progress.finished() || progress.stage != Stage::AtEnd {
                continue;
            }
            let outcome = consumer
                .fetch_watermarks(&self.topic, *partition, WATERMARK_TIMEOUT)
                .and_then(|(_, end)| {
                    if end >= progress.target {
                        consumer.seek(
                            &self.topic,
                            *partition,
                            progress.position(),
                            SEEK_TIMEOUT,
                        )?;
                        progress.stage = Stage::Rechecking;
                    }
                    Ok(())
                });
            if let Err(error) = outcome {
                self.last_error = Some(error);
            }
            if Instant::now() >= self.deadline {
                return;
            }
        }
    }

    /// Most errors pass once brokers are back; an offset that no longer exists does not.
    fn trouble(&mut self, consumer: &BaseConsumer, error: KafkaError) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) {
            for (partition, progress) in &mut self.progress {
                if progress.finished() || progress.position() == Offset::Beginning {
                    continue;
                }
                let watermarks =
                    consumer.fetch_watermarks(&self.topic, *partition, WATERMARK_TIMEOUT);
                if let Ok((start, _)) = watermarks
                    && start > progress.next
                {
                    progress.failed = Some(format!(
                        "the log now begins at {start}: older records were deleted or expired before they were read"
                    ));
                }
            }
        }
        self.last_error = Some(error);
    }

    fn conclude(mut self, consumer: Option<&BaseConsumer>) -> TruthReading {
        self.records
            .sort_by_key(|record| (record.partition, record.offset));
        let mut incomplete = Vec::new();
        for (partition, progress) in &self.progress {
            if progress.complete() {
                continue;
            }
            let reason = progress
                .failed
                .clone()
                .unwrap_or_else(|| self.reason(consumer, *partition, progress));
            incomplete.push(Incomplete {
                partition: *partition,
                reached: progress.next,
                target: progress.target,
                reason,
            });
        }
        TruthReading {
            records: self.records,
            incomplete,
        }
    }

    fn reason(
        &self,
        consumer: Option<&BaseConsumer>,
        partition: i32,
        progress: &Progress,
    ) -> String {
        let late = format!("not reached within {:?}", self.timeout);
        let Some(consumer) = consumer else {
            return late;
        };
        match consumer.fetch_watermarks(&self.topic, partition, WATERMARK_TIMEOUT) {
            Ok((_, end)) if end < progress.target => format!(
                "the log can be read to {end} only: it was truncated, its high watermark has not recovered, or a transaction is open"
            ),
            Err(error) => format!("{late}, and the partition's leader does not answer: {error}"),
            Ok(_) => match &self.last_error {
                Some(error) => format!("{late}; the last error was: {error}"),
                None => late,
            },
        }
    }
}

/// What a consumer is told that reads by assignment and leaves no trace.
pub(crate) fn reader_config(cluster: &Cluster) -> crate::Result<ClientConfig> {
    static READINGS: AtomicU64 = AtomicU64::new(0);
    let number = READINGS.fetch_add(1, Ordering::Relaxed);
    let mut config = cluster.client_config()?;
    config
        // librdkafka demands a group id; without a subscription or a commit, no group comes to be.
        .set(
            "group.id",
            format!("shaketable-truth-{}-{number}", std::process::id()),
        )
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false")
        .set("auto.offset.reset", "error")
        .set("check.crcs", "true")
        .set("reconnect.backoff.max.ms", "500")
        .set("fetch.wait.max.ms", "50")
        .set("fetch.error.backoff.ms", "100");
    Ok(config)
}
