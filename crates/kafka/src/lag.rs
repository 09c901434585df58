//! How far a group is behind, in records and in seconds.
//!
//! Commits, starts and ends are asked for at the same time, all partitions at once. For the seconds the first record
//! that was not consumed is read from every partition that is behind, by assignment: the group does not notice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::cluster::Cluster;
use crate::error::{Error, Result, librdkafka};
use crate::truth::{POLL_TIMEOUT, reader_config};

/// The bound of reading the first record of every partition that is behind.
const AGE_TIMEOUT: Duration = Duration::from_secs(3);

/// How much of a partition is fetched for its first record, in bytes; a larger record comes all the same.
const AGE_FETCH_BYTES: &str = "65536";

/// How far a group is behind in one partition.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionLag {
    /// The partition.
    pub partition: i32,
    /// The offset of the next record the group will read, if it committed any.
    pub committed: Option<i64>,
    /// The first offset of the log.
    pub start: i64,
    /// The offset that the next record will get.
    pub end: i64,
    /// The offsets between the commit and the end; without a commit, between the start and the end.
    pub lag: i64,
    /// How long ago the first record not consumed was written, in seconds, by that record's timestamp and this machine's
    /// clock. 0 when the lag is 0; nothing when it cannot be told: there is no such record (transaction markers have
    /// offsets too), it has no timestamp, or its broker did not answer.
    pub seconds: Option<f64>,
}

impl Cluster {
    /// How far the group is behind in each partition of the topic, in order.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`], [`Error::UnknownTopic`], [`Error::NoLeader`], [`Error::NodeUnreachable`], or that no
    /// broker answers.
    pub async fn lag(&self, group: &str, topic: &str) -> Result<Vec<PartitionLag>> {
        let (committed, starts, ends) = tokio::try_join!(
            self.committed_offsets(group, topic),
            self.start_offsets(topic),
            self.end_offsets(topic),
        )?;
        if committed.is_empty() {
            // A group that only just started has committed nothing; one that does not exist neither.
            self.describe_group(group).await?;
        }
        let mut lags: Vec<_> = ends
            .iter()
            .map(|(partition, end)| {
                let start = starts.get(partition).copied().unwrap_or_default();
                let committed = committed.get(partition).copied();
                PartitionLag {
                    partition: *partition,
                    committed,
                    start,
                    end: *end,
                    lag: (end - committed.unwrap_or(start)).max(0),
                    seconds: None,
                }
            })
            .collect();
        let behind = lags.iter().filter(|one| one.lag > 0).map(|one| {
            let next = one.committed.unwrap_or(one.start);
            (one.partition, next.max(one.start))
        });
        let behind: BTreeMap<_, _> = behind.collect();
        let written = match behind.is_empty() {
            true => BTreeMap::new(),
            false => self.first_timestamps(topic, behind).await?,
        };
        let now_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as i64);
        for one in &mut lags {
            one.seconds = match one.lag {
                0 => Some(0.0),
                _ => written
                    .get(&one.partition)
                    .map(|written_ms| (now_ms - written_ms).max(0) as f64 / 1000.0),
            };
        }
        Ok(lags)
    }

    /// The timestamps, in milliseconds since the epoch, of the first records at or behind these offsets.
    async fn first_timestamps(
        &self,
        topic: &str,
        from: BTreeMap<i32, i64>,
    ) -> Result<BTreeMap<i32, i64>> {
        let mut config = reader_config(self)?;
        config.set("fetch.message.max.bytes", AGE_FETCH_BYTES);
        let failed = |reason| Error::Client {
            what: format!("read the first records of {topic}"),
            reason,
        };
        let owned = topic.to_owned();
        tokio::task::spawn_blocking(move || first_timestamps(&config, &owned, from))
            .await
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(librdkafka(&error)))
    }
}

fn first_timestamps(
    config: &ClientConfig,
    topic: &str,
    mut pending: BTreeMap<i32, i64>,
) -> KafkaResult<BTreeMap<i32, i64>> {
    let deadline = Instant::now() + AGE_TIMEOUT;
    let consumer: BaseConsumer = config.create()?;
    let mut assignment = TopicPartitionList::new();
    for (partition, offset) in &pending {
        assignment.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    consumer.assign(&assignment)?;
    let mut written = BTreeMap::new();
    while !pending.is_empty() && Instant::now() < deadline {
        match consumer.poll(POLL_TIMEOUT) {
            Some(Ok(message)) => {
                if pending.remove(&message.partition()).is_some() {
                    let timestamp = message.timestamp().to_millis();
                    written.extend(timestamp.map(|at| (message.partition(), at)));
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                pending.remove(&partition);
            }
            // Brokers that do not answer leave the age unknown at the deadline.
            Some(Err(_)) | None => {}
        }
    }
    Ok(written)
}
