//! The metadata quorum: who the active controller is, and which brokers are registered with it.

use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::describe_quorum_response::ReplicaState;
use kafka_protocol::messages::{DescribeClusterRequest, DescribeQuorumRequest};
use kafka_protocol::protocol::VersionRange;
use tokio::time::Instant;

use crate::cluster::{Cluster, settled};
use crate::error::{Error, Result};
use crate::topic::topic_name;

/// The log that the controllers replicate, as a topic with one partition.
const METADATA_LOG: &str = "__cluster_metadata";

const QUORUM_VERSIONS: VersionRange = VersionRange { min: 0, max: 1 };

/// Version 2 is the first that also lists fenced brokers.
const CLUSTER_VERSIONS: VersionRange = VersionRange { min: 2, max: 2 };

/// The metadata quorum, as its leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    /// The node id of the active controller; nothing during an election.
    pub leader: Option<i32>,
    /// The epoch of that leadership.
    pub epoch: i32,
    /// The controllers that vote.
    pub voters: Vec<Voter>,
}

/// A controller that votes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voter {
    /// The node id.
    pub node_id: i32,
    /// The end of its copy of the metadata log.
    pub log_end_offset: i64,
    /// When the leader last saw this voter caught up, in milliseconds since the epoch; -1 when unknown.
    pub last_caught_up_ms: i64,
}

/// A broker that is registered with the controller, alive or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredBroker {
    /// The node id.
    pub node_id: i32,
    /// The advertised host.
    pub host: String,
    /// The advertised port.
    pub port: i32,
    /// Whether the controller keeps it from leading or serving: it is starting, stopping, or its session expired.
    pub fenced: bool,
}

impl Cluster {
    /// The node id of the active controller.
    ///
    /// This is the leader of the metadata quorum. The controller id in Metadata and DescribeCluster answers is *not*
    /// it: with KRaft a broker puts a random alive broker there, because any broker forwards to the controller.
    ///
    /// # Errors
    /// [`Error::NoController`] when no leader was elected within [`CALL_TIMEOUT`](crate::CALL_TIMEOUT), or that no broker answers.
    pub async fn controller(&self) -> Result<i32> {
        settled(|deadline| async move {
            let quorum = self.quorum_by(deadline).await?;
            let epoch = quorum.epoch;
            quorum.leader.ok_or(Error::NoController { epoch })
        })
        .await
    }

    /// The metadata quorum.
    ///
    /// # Errors
    /// When no broker answers, or none can reach the controllers.
    pub async fn quorum(&self) -> Result<Quorum> {
        settled(|deadline| self.quorum_by(deadline)).await
    }

    /// The brokers registered with the controller, fenced ones included. Needs Kafka 4.0 or newer.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn describe_cluster(&self) -> Result<Vec<RegisteredBroker>> {
        settled(|deadline| async move {
            let request = DescribeClusterRequest::default().with_include_fenced_brokers(true);
            let answer = self.read(&request, CLUSTER_VERSIONS, deadline).await?;
            let message = answer.error_message.as_deref();
            Error::check("DescribeCluster", "the cluster", answer.error_code, message)?;
            let mut brokers: Vec<_> = answer
                .brokers
                .iter()
                .map(|broker| RegisteredBroker {
                    node_id: broker.broker_id.0,
                    host: broker.host.to_string(),
                    port: broker.port,
                    fenced: broker.is_fenced,
                })
                .collect();
            brokers.sort_by_key(|broker| broker.node_id);
            Ok(brokers)
        })
        .await
    }

    async fn quorum_by(&self, deadline: Instant) -> Result<Quorum> {
        let log = TopicData::default()
            .with_topic_name(topic_name(METADATA_LOG))
            .with_partitions(vec![PartitionData::default()]);
        let request = DescribeQuorumRequest::default().with_topics(vec![log]);
        let answer = self.read(&request, QUORUM_VERSIONS, deadline).await?;
        let refused = |code, message| Error::check("DescribeQuorum", METADATA_LOG, code, message);
        refused(answer.error_code, answer.error_message.as_deref())?;
        let log = answer
            .topics
            .first()
            .and_then(|topic| topic.partitions.first());
        let log = log.ok_or(Error::NoController { epoch: -1 })?;
        refused(log.error_code, log.error_message.as_deref())?;
        let voter = |voter: &ReplicaState| Voter {
            node_id: voter.replica_id.0,
            log_end_offset: voter.log_end_offset,
            last_caught_up_ms: voter.last_caught_up_timestamp,
        };
        Ok(Quorum {
            leader: Some(log.leader_id.0).filter(|leader| *leader >= 0),
            epoch: log.leader_epoch,
            voters: log.current_voters.iter().map(voter).collect(),
        })
    }
}
