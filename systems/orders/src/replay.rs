//! `orders-replay`: lists the records of a dead-letter topic, and brings them back to where they
//! were, once what was wrong has been mended.
//!
//! 1. A record counts as replayed only when the broker has acknowledged it; then it is committed
//!    in the group [`GROUP`], so that the next run goes on behind it. A run that dies between the
//!    two replays one record twice.
//!    A record that was asked for by its offset is committed when it is the next in line;
//!    otherwise it stays in line for a run without offsets, and its line of output says so.
//! 2. Key, value and headers are kept; [`REPLAYED_FROM`] says where the record came from. Its time
//!    is that of the replay, so that retention does not take it at once.
//! 3. A run ends: records that are parked after its start are left to the next one.
//! 4. Nothing is skipped: the run stops at a record that cannot be replayed, and says why.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::{Args, Parser, Subcommand};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Runtime;
use tracing::error;

use crate::parking::{
    DELIVERY_TIMEOUT, ORIGINAL_OFFSET, ORIGINAL_PARTITION, ORIGINAL_TOPIC, PARKED_AT, REASON,
    RECORD_BYTES_MAX,
};
use crate::producer::{Acks, ProducerSettings, RETRIES_MAX, deliver};
use crate::program::log_to_stderr;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "orders-replay",
    about = "Lists the records of a dead-letter topic, and brings them back to where they were"
)]
pub struct Replay {
    /// host:port pairs, separated by commas
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS", global = true)]
    bootstrap: Option<String>,
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Show every record: where it was, why it was parked, whether it was replayed
    List {
        /// The dead-letter topic
        #[arg(long)]
        topic: String,
    },
    /// Bring records back that were not replayed yet, oldest first
    Replay(Selection),
}

#[derive(Debug, Args)]
struct Selection {
    /// The dead-letter topic
    #[arg(long)]
    topic: String,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// At most so many records
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// This record alone, replayed or not; may be repeated. Unless it is the next one in line, it
    /// stays in line
    #[arg(long = "offset", value_name = "PARTITION:OFFSET")]
    offsets: Vec<Position>,
    /// Another topic than the one each record was in, partitioned by key
    #[arg(long, value_name = "TOPIC")]
    to: Option<String>,
}

/// A place in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    partition: i32,
    offset: i64,
}

/// The consumer group that remembers what was replayed.
pub const GROUP: &str = "orders-replay";

/// Header: the dead-letter topic, partition and offset the record was brought back from, as
/// `poke-orders-dlq/0@17`.
pub const REPLAYED_FROM: &str = "x-replayed-from";

/// How long one question to the cluster may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long reading may make no progress.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// How long one poll waits for a record.
const POLL_TIMEOUT: Duration = Duration::from_millis(200);

/// Does what the arguments of this process ask for; one line for each record goes to `output`.
pub fn run(output: &mut impl Write) -> ExitCode {
    log_to_stderr();
    let done = Runtime::new()
        .context("cannot start the runtime")
        .and_then(|runtime| Replay::parse().perform(&runtime, output));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            error!("orders-replay: {reason:#}");
            ExitCode::FAILURE
        }
    }
}

impl Replay {
    /// Does it; one line for each record goes to `output`.
    ///
    /// # Errors
    /// The cluster does not answer, there is no such topic, a record cannot be replayed, or the
    /// output cannot be written.
    pub fn perform(&self, runtime: &Runtime, output: &mut impl Write) -> anyhow::Result<()> {
        let bootstrap = self.bootstrap.as_deref().unwrap_or_default();
        ensure!(
            !bootstrap.trim().is_empty(),
            "no cluster is given; set KAFKA_BOOTSTRAP_SERVERS or --bootstrap"
        );
        match &self.task {
            Task::List { topic } => DeadLetters::open(bootstrap, topic)?.list(output),
            Task::Replay(selection) => {
                let letters = DeadLetters::open(bootstrap, &selection.topic)?;
                let producer = ProducerSettings {
                    bootstrap: bootstrap.to_owned(),
                    client_id: GROUP.to_owned(),
                    acks: Acks::All,
                    retries: RETRIES_MAX,
                    message_timeout: DELIVERY_TIMEOUT,
                    idempotent: true,
                };
                let producer = producer
                    .config()
                    .set("message.max.bytes", RECORD_BYTES_MAX.to_string())
                    .create()?;
                letters.replay(selection, &producer, runtime, output)
            }
        }
    }
}

/// A dead-letter topic, read outside of any group; what was replayed is committed in [`GROUP`].
struct DeadLetters {
    topic: String,
    consumer: BaseConsumer,
    partitions: Vec<Extent>,
}

/// One partition, as it was at the start.
#[derive(Debug, Clone, Copy)]
struct Extent {
    partition: i32,
    start: i64,
    end: i64,
    /// The first record that was not replayed.
    next: i64,
}

// === impl DeadLetters ===

impl DeadLetters {
    fn open(bootstrap: &str, topic: &str) -> anyhow::Result<Self> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("client.id", GROUP)
            .set("group.id", GROUP)
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .create()
            .context("cannot make a consumer")?;
        let metadata = consumer
            .fetch_metadata(Some(topic), CALL_TIMEOUT)
            .with_context(|| format!("cannot look topic {topic} up"))?;
        let found = metadata.topics().first();
        let numbers: Vec<i32> = found.map_or(Vec::new(), |topic| {
            topic.partitions().iter().map(|part| part.id()).collect()
        });
        ensure!(!numbers.is_empty(), "there is no topic {topic}");
        let mut wanted = TopicPartitionList::new();
        for number in &numbers {
            wanted.add_partition(topic, *number);
        }
        let committed = consumer
            .committed_offsets(wanted, CALL_TIMEOUT)
            .with_context(|| format!("cannot look up what group {GROUP} has committed"))?;
        let mut partitions = Vec::with_capacity(numbers.len());
        for partition in numbers {
            let (start, end) = consumer
                .fetch_watermarks(topic, partition, CALL_TIMEOUT)
                .with_context(|| format!("cannot look up the offsets of {topic}/{partition}"))?;
            let committed = committed.find_partition(topic, partition);
            let next = match committed.map(|element| element.offset()) {
                Some(Offset::Offset(offset)) => offset.max(start),
                _ => start,
            };
            partitions.push(Extent {
                partition,
                start,
                end,
                next,
            });
        }
        partitions.sort_by_key(|extent| extent.partition);
        Ok(Self {
            topic: topic.to_owned(),
            consumer,
            partitions,
        })
    }

    fn list(&self, output: &mut impl Write) -> anyhow::Result<()> {
        let (mut records, mut replayed) = (0, 0);
        for extent in &self.partitions {
            self.read(extent.partition, extent.start, extent.end, |message| {
                let note = if message.offset() < extent.next {
                    replayed += 1;
                    " (replayed)"
                } else {
                    ""
                };
                records += 1;
                writeln!(output, "{}{note} {}", place(message), story(message))?;
                Ok(ControlFlow::Continue(()))
            })?;
        }
        writeln!(
            output,
            "{records} records in {}, {replayed} of them replayed",
            self.topic
        )?;
        Ok(())
    }

    fn replay(
        &self,
        selection: &Selection,
        producer: &FutureProducer,
        runtime: &Runtime,
        output: &mut impl Write,
    ) -> anyhow::Result<()> {
        let limit = selection.limit.unwrap_or(u64::MAX);
        let mut replayed = 0;
        let extents = self.partitions.iter();
        let mut next: BTreeMap<i32, i64> = extents
            .map(|extent| (extent.partition, extent.next))
            .collect();
        let mut replay_one = |message: &BorrowedMessage<'_>| {
            if replayed == limit {
                return Ok(ControlFlow::Break(()));
            }
            let destination = Destination::of(message, selection.to.as_deref())?;
            if selection.dry_run {
                let (place, story) = (place(message), story(message));
                writeln!(output, "{place} would go to {destination}; it is {story}")?;
            } else {
                let record = record(message, &destination);
                let delivery = runtime
                    .block_on(deliver(producer, record))
                    .with_context(|| format!("{} was not replayed", place(message)))?;
                let next = next.entry(message.partition()).or_default();
                let note = if selection.offsets.is_empty() || message.offset() == *next {
                    self.commit(message)?;
                    *next = message.offset() + 1;
                    ""
                } else if message.offset() > *next {
                    " (it stays in line: it is not the next)"
                } else {
                    ""
                };
                writeln!(
                    output,
                    "{} went to {}/{}@{}{note}; it was {}",
                    place(message),
                    destination.topic,
                    delivery.partition,
                    delivery.offset,
                    story(message)
                )?;
            }
            replayed += 1;
            Ok(ControlFlow::Continue(()))
        };
        if selection.offsets.is_empty() {
            for extent in &self.partitions {
                self.read(extent.partition, extent.next, extent.end, &mut replay_one)?;
            }
        }
        for Position { partition, offset } in selection.offsets.iter().copied() {
            let extent = self
                .partitions
                .iter()
                .find(|extent| extent.partition == partition);
            ensure!(
                extent.is_some_and(|extent| (extent.start..extent.end).contains(&offset)),
                "there is no record {}/{partition}@{offset}",
                self.topic
            );
            self.read(partition, offset, offset + 1, &mut replay_one)?;
        }
        let verb = match selection.dry_run {
            true => "would be",
            false => "were",
        };
        writeln!(
            output,
            "{replayed} records of {} {verb} replayed",
            self.topic
        )?;
        Ok(())
    }

    /// Reads the records from `from` up to before `end`, until `visit` breaks.
    fn read(
        &self,
        partition: i32,
        from: i64,
        end: i64,
        mut visit: impl FnMut(&BorrowedMessage<'_>) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<()> {
        if from >= end {
            return Ok(());
        }
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(&self.topic, partition, Offset::Offset(from))?;
        self.consumer.assign(&assignment)?;
        let mut progressed = Instant::now();
        loop {
            match self.consumer.poll(POLL_TIMEOUT) {
                Some(Ok(message)) if message.offset() >= end => return Ok(()),
                Some(Ok(message)) => {
                    let is_last = message.offset() + 1 >= end;
                    if visit(&message)?.is_break() || is_last {
                        return Ok(());
                    }
                    progressed = Instant::now();
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                // The client tries again by itself; the bound below is on all of it.
                Some(Err(reason)) if progressed.elapsed() > READ_TIMEOUT => {
                    return Err(reason).context(format!("cannot read {}/{partition}", self.topic));
                }
                Some(Err(_)) | None => ensure!(
                    progressed.elapsed() <= READ_TIMEOUT,
                    "nothing could be read of {}/{partition} within {READ_TIMEOUT:?}",
                    self.topic
                ),
            }
        }
    }

    fn commit(&self, message: &BorrowedMessage<'_>) -> anyhow::Result<()> {
        let mut offsets = TopicPartitionList::new();
        let next = Offset::Offset(message.offset() + 1);
        offsets.add_partition_offset(&self.topic, message.partition(), next)?;
        self.consumer
            .commit(&offsets, CommitMode::Sync)
            .with_context(|| {
                format!(
                    "{} was replayed, but that is not remembered: the next run replays it again",
                    place(message)
                )
            })
    }
}

/// Where a record goes.
struct Destination {
    topic: String,
    /// None: by the record's key.
    partition: Option<i32>,
}

impl Destination {
    fn of(message: &BorrowedMessage<'_>, to: Option<&str>) -> anyhow::Result<Self> {
        if let Some(topic) = to {
            return Ok(Self {
                topic: topic.to_owned(),
                partition: None,
            });
        }
        let Some(topic) = header(message, ORIGINAL_TOPIC) else {
            bail!(
                "{} has no header {ORIGINAL_TOPIC}; say with --to where it shall go",
                place(message)
            );
        };
        let partition = header(message, ORIGINAL_PARTITION);
        Ok(Self {
            topic,
            partition: partition.and_then(|number| number.parse().ok()),
        })
    }
}

impl std::fmt::Display for Destination {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.partition {
            Some(partition) => write!(formatter, "{}/{partition}", self.topic),
            None => write!(formatter, "{}", self.topic),
        }
    }
}

fn record<'a>(
    message: &'a BorrowedMessage<'_>,
    destination: &'a Destination,
) -> FutureRecord<'a, [u8], [u8]> {
    let headers = message.headers().map_or_else(OwnedHeaders::new, |headers| {
        headers
            .iter()
            .filter(|header| header.key != REPLAYED_FROM)
            .fold(OwnedHeaders::new(), OwnedHeaders::insert)
    });
    let origin = place(message);
    let headers = headers.insert(Header {
        key: REPLAYED_FROM,
        value: Some(&origin),
    });
    let mut record = FutureRecord::to(&destination.topic).headers(headers);
    record.partition = destination.partition;
    record.key = message.key();
    record.payload = message.payload();
    record
}

/// Where the record was, and why it was parked.
fn story(message: &BorrowedMessage<'_>) -> String {
    let of = |key| header(message, key).unwrap_or_else(|| "?".to_owned());
    format!(
        "from {}/{}@{}, parked at {}: {}",
        of(ORIGINAL_TOPIC),
        of(ORIGINAL_PARTITION),
        of(ORIGINAL_OFFSET),
        of(PARKED_AT),
        of(REASON)
    )
}

fn place(message: &BorrowedMessage<'_>) -> String {
    format!(
        "{}/{}@{}",
        message.topic(),
        message.partition(),
        message.offset()
    )
}

/// The value of the last header with this key.
fn header(message: &BorrowedMessage<'_>, key: &str) -> Option<String> {
    let headers = message.headers()?;
    let value = headers.iter().filter(|header| header.key == key).last()?;
    Some(String::from_utf8_lossy(value.value?).into_owned())
}

impl FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once(':').and_then(|(partition, offset)| {
            Some(Self {
                partition: partition.parse().ok()?,
                offset: offset.parse().ok()?,
            })
        });
        parsed.ok_or_else(|| "it must be PARTITION:OFFSET, such as 0:17".to_owned())
    }
}
