//! Reassignment: partitions moved between brokers, and how far the moves are.

use std::time::Duration;

use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use kafka_protocol::messages::list_partition_reassignments_response::OngoingPartitionReassignment;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, ListPartitionReassignmentsRequest,
};
use kafka_protocol::protocol::VersionRange;
use tokio::time::{Instant, sleep};

use crate::cluster::{Cluster, POLL_PAUSE, decided, settled};
use crate::error::{Error, Result};
use crate::metadata::node_ids;
use crate::topic::{CONTROLLER_TIMEOUT_MS, broker_ids, topic_name};

const REASSIGN_VERSIONS: VersionRange = VersionRange { min: 0, max: 0 };
const REASSIGNMENTS_VERSIONS: VersionRange = VersionRange { min: 0, max: 0 };

/// A partition that is being moved between brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassignment {
    /// The partition.
    pub partition: i32,
    /// All its replicas at this moment, old and new.
    pub replicas: Vec<i32>,
    /// The replicas that are still being filled.
    pub adding: Vec<i32>,
    /// The replicas that will be dropped once the new ones are in sync.
    pub removing: Vec<i32>,
}

impl Cluster {
    /// Starts to move partitions: each to the replicas given by node id, preferred leader first. Their number may
    /// differ from today's. The move is done when [`Cluster::reassignments`] no longer lists the partition.
    ///
    /// # Errors
    /// [`Error::Api`] such as `InvalidReplicaAssignment` or `UnknownTopicOrPartition`, [`Error::OutcomeUnknown`].
    pub async fn reassign(&self, topic: &str, moves: Vec<(i32, Vec<i32>)>) -> Result<()> {
        let moves = moves
            .into_iter()
            .map(|(partition, replicas)| (partition, Some(replicas)));
        self.alter_assignments(topic, moves.collect()).await
    }

    /// Stops the moves of these partitions: they stay with the replicas they had.
    ///
    /// # Errors
    /// [`Error::Api`] such as `NoReassignmentInProgress`, [`Error::OutcomeUnknown`].
    pub async fn cancel_reassignments(&self, topic: &str, partitions: &[i32]) -> Result<()> {
        let stops = partitions.iter().map(|partition| (*partition, None));
        self.alter_assignments(topic, stops.collect()).await
    }

    /// Moves partitions and waits until every move is done.
    ///
    /// # Errors
    /// As for [`Cluster::reassign`]; [`Error::Unfinished`] when a move still goes on after `timeout`, and is left alone.
    pub async fn reassign_and_wait(
        &self,
        topic: &str,
        moves: Vec<(i32, Vec<i32>)>,
        timeout: Duration,
    ) -> Result<()> {
        let deadline = Instant::now() + timeout;
        self.reassign(topic, moves.clone()).await?;
        loop {
            let ongoing = self.reassignments(topic).await?;
            let metadata = self.metadata(Some(&[topic])).await?;
            let found = metadata.topic(topic)?;
            // The controller is done first; brokers learn of it a moment later.
            let unmoved: Vec<_> = moves
                .iter()
                .map(|(partition, replicas)| found.partition(*partition).map(|one| (one, replicas)))
                .collect::<Result<Vec<_>>>()?
                .into_iter()
                .filter(|(one, replicas)| {
                    let moving = ongoing.iter().any(|moved| moved.partition == one.partition);
                    moving || one.replicas != **replicas
                })
                .map(|(one, _)| {
                    format!(
                        "{topic}/{} on {:?}, in sync {:?}",
                        one.partition, one.replicas, one.isr
                    )
                })
                .collect();
            if unmoved.is_empty() {
                return Ok(());
            }
            if Instant::now() + POLL_PAUSE >= deadline {
                return Err(Error::Unfinished {
                    what: format!("reassignment of {topic}"),
                    limit: timeout,
                    state: unmoved.join("; "),
                });
            }
            sleep(POLL_PAUSE).await;
        }
    }

    async fn alter_assignments(
        &self,
        topic: &str,
        changes: Vec<(i32, Option<Vec<i32>>)>,
    ) -> Result<()> {
        let partition = |(partition, replicas): &(i32, Option<Vec<i32>>)| {
            ReassignablePartition::default()
                .with_partition_index(*partition)
                .with_replicas(replicas.as_deref().map(broker_ids))
        };
        let named = ReassignableTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(changes.iter().map(partition).collect());
        let request = AlterPartitionReassignmentsRequest::default()
            .with_topics(vec![named])
            .with_timeout_ms(CONTROLLER_TIMEOUT_MS);
        let request = &request;
        decided(|deadline| async move {
            let answer = self.change(request, REASSIGN_VERSIONS, deadline).await?;
            let call = "AlterPartitionReassignments";
            Error::check(
                call,
                topic,
                answer.error_code,
                answer.error_message.as_deref(),
            )?;
            let mut partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
            partitions.try_for_each(|result| {
                let subject = format!("{topic}/{}", result.partition_index);
                Error::check(
                    call,
                    &subject,
                    result.error_code,
                    result.error_message.as_deref(),
                )
            })
        })
        .await
    }

    /// The moves of the topic's partitions that are not done.
    ///
    /// # Errors
    /// When no broker answers, or [`Error::Api`].
    pub async fn reassignments(&self, topic: &str) -> Result<Vec<Reassignment>> {
        settled(|deadline| async move {
            let metadata = self.metadata_by(Some(&[topic]), deadline).await?;
            let partitions = &metadata.topic(topic)?.partitions;
            let named = ListPartitionReassignmentsTopics::default()
                .with_name(topic_name(topic))
                .with_partition_indexes(partitions.iter().map(|one| one.partition).collect());
            let request = ListPartitionReassignmentsRequest::default()
                .with_topics(Some(vec![named]))
                .with_timeout_ms(CONTROLLER_TIMEOUT_MS);
            let answer = self
                .read(&request, REASSIGNMENTS_VERSIONS, deadline)
                .await?;
            let message = answer.error_message.as_deref();
            Error::check(
                "ListPartitionReassignments",
                topic,
                answer.error_code,
                message,
            )?;
            let ongoing = |partition: &OngoingPartitionReassignment| Reassignment {
                partition: partition.partition_index,
                replicas: node_ids(&partition.replicas),
                adding: node_ids(&partition.adding_replicas),
                removing: node_ids(&partition.removing_replicas),
            };
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            Ok(partitions.map(ongoing).collect())
        })
        .await
    }
}
