//! Where the logs of a topic begin and end, according to each partition's leader.

use std::collections::BTreeMap;

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest};
use kafka_protocol::protocol::VersionRange;
use tokio::time::Instant;

use crate::cluster::{Cluster, settled};
use crate::error::{Error, Result};
use crate::topic::topic_name;

const VERSIONS: VersionRange = VersionRange { min: 4, max: 7 };

/// Kafka's stand-ins for a timestamp: the end and the start of the log.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// The replica id of whoever is no replica.
const CONSUMER: BrokerId = BrokerId(-1);

/// The isolation level that counts open and aborted transactions too.
const READ_UNCOMMITTED: i8 = 0;

impl Cluster {
    /// The end of every partition's log: the offset that its next record will get, as far as consumers may see (its
    /// high watermark). Transactions count, also open and aborted ones, and so do their markers.
    ///
    /// # Errors
    /// [`Error::NoLeader`] when a partition is offline, [`Error::UnknownTopic`], [`Error::NodeUnreachable`] when a
    /// leader does not answer and no other takes over within [`CALL_TIMEOUT`](crate::CALL_TIMEOUT).
    pub async fn end_offsets(&self, topic: &str) -> Result<BTreeMap<i32, i64>> {
        self.offsets(topic, LATEST).await
    }

    /// The start of every partition's log: the offset of the oldest record that was neither deleted nor expired.
    ///
    /// # Errors
    /// As for [`Cluster::end_offsets`].
    pub async fn start_offsets(&self, topic: &str) -> Result<BTreeMap<i32, i64>> {
        self.offsets(topic, EARLIEST).await
    }

    /// The offset of every partition's first record with this timestamp, in milliseconds since the epoch, or a later
    /// one. Partitions without such a record are left out.
    ///
    /// # Errors
    /// As for [`Cluster::end_offsets`].
    pub async fn offsets_at(&self, topic: &str, timestamp_ms: i64) -> Result<BTreeMap<i32, i64>> {
        // Negative numbers are Kafka's stand-ins.
        let mut offsets = self.offsets(topic, timestamp_ms.max(0)).await?;
        offsets.retain(|_, offset| *offset >= 0);
        Ok(offsets)
    }

    async fn offsets(&self, topic: &str, timestamp: i64) -> Result<BTreeMap<i32, i64>> {
        settled(|deadline| self.offsets_by(topic, timestamp, deadline)).await
    }

    async fn offsets_by(
        &self,
        topic: &str,
        timestamp: i64,
        deadline: Instant,
    ) -> Result<BTreeMap<i32, i64>> {
        let metadata = self.metadata_by(Some(&[topic]), deadline).await?;
        let mut led: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for partition in &metadata.topic(topic)?.partitions {
            led.entry(partition.led(topic)?)
                .or_default()
                .push(partition.partition);
        }
        let mut offsets = BTreeMap::new();
        for (leader, partitions) in led {
            let role = format!("leader of {topic}/{}", partitions[0]);
            let broker = metadata
                .broker(leader)
                .ok_or_else(|| Error::NodeUnreachable {
                    role: role.clone(),
                    node: leader,
                    address: "an unknown address".to_owned(),
                    reason: "the broker is no longer alive".to_owned(),
                })?;
            let asked = |partition: &i32| {
                ListOffsetsPartition::default()
                    .with_partition_index(*partition)
                    .with_timestamp(timestamp)
            };
            let named = ListOffsetsTopic::default()
                .with_name(topic_name(topic))
                .with_partitions(partitions.iter().map(asked).collect());
            let request = ListOffsetsRequest::default()
                .with_replica_id(CONSUMER)
                .with_isolation_level(READ_UNCOMMITTED)
                .with_topics(vec![named]);
            let answer = self
                .read_from(broker, &role, &request, VERSIONS, deadline)
                .await?;
            for found in answer.topics.iter().flat_map(|topic| &topic.partitions) {
                let subject = format!("{topic}/{}", found.partition_index);
                Error::check("ListOffsets", &subject, found.error_code, None)?;
                offsets.insert(found.partition_index, found.offset);
            }
            if let Some(missing) = partitions.iter().find(|one| !offsets.contains_key(one)) {
                return Err(Error::Protocol {
                    call: "ListOffsets".to_owned(),
                    address: broker.address(),
                    reason: format!("the answer does not contain {topic}/{missing}"),
                });
            }
        }
        Ok(offsets)
    }
}
