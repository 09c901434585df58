//! Who leads what: brokers, topics and partitions as one broker sees them at this moment.

use std::fmt;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse};
use kafka_protocol::protocol::VersionRange;
use tokio::time::Instant;

use crate::cluster::{CALL_TIMEOUT, Cluster};
use crate::error::{Error, Result, code_name};
use crate::topic::topic_name;

const VERSIONS: VersionRange = VersionRange { min: 7, max: 12 };

/// The cluster as one broker sees it at one moment. A broker that was just cut off or resumed may see the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterMetadata {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The brokers that are alive: registered, and heartbeating to the controller.
    pub brokers: Vec<Broker>,
    /// The topics asked for; one that does not exist is here with its error.
    pub topics: Vec<Topic>,
}

impl ClusterMetadata {
    /// The topic of that name, if it was asked for and exists.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`], or [`Error::Api`] with what the broker said about it.
    pub fn topic(&self, name: &str) -> Result<&Topic> {
        let found = self.topics.iter().find(|topic| topic.name == name);
        let unknown = ResponseError::UnknownTopicOrPartition.code();
        let topic = found.ok_or_else(|| Error::UnknownTopic {
            topic: name.to_owned(),
        })?;
        if topic.code == unknown {
            return Err(Error::UnknownTopic {
                topic: name.to_owned(),
            });
        }
        Error::check("Metadata", name, topic.code, None)?;
        Ok(topic)
    }

    /// The broker with that node id, if it is alive.
    pub fn broker(&self, node_id: i32) -> Option<&Broker> {
        self.brokers.iter().find(|broker| broker.node_id == node_id)
    }
}

/// A broker, at the address it advertises on the listener that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// The node id.
    pub node_id: i32,
    /// The advertised host.
    pub host: String,
    /// The advertised port.
    pub port: i32,
}

impl Broker {
    /// The advertised address as `host:port`.
    pub fn address(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// The name.
    pub name: String,
    /// What is wrong with the topic as a whole, by Kafka's name; nothing when all is well.
    pub error: Option<String>,
    /// The partitions, in order.
    pub partitions: Vec<Partition>,
    code: i16,
}

/// A partition of a topic, by name and number; shown as `orders/0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
}

impl TopicPartition {
    /// The partition of that number.
    pub fn new(topic: &str, partition: i32) -> Self {
        Self {
            topic: topic.to_owned(),
            partition,
        }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.topic, self.partition)
    }
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The partition's number.
    pub partition: i32,
    /// The leader's node id; nothing when the partition is offline.
    pub leader: Option<i32>,
    /// The epoch of the leader; it grows with every election, and -1 stands for unknown.
    pub leader_epoch: i32,
    /// The brokers that are to hold the partition, preferred leader first.
    pub replicas: Vec<i32>,
    /// The replicas in sync.
    pub isr: Vec<i32>,
    /// The replicas on brokers that are not alive.
    pub offline: Vec<i32>,
    /// What is wrong with the partition, by Kafka's name, such as `LeaderNotAvailable`.
    pub error: Option<String>,
}

impl Cluster {
    /// Brokers, and the topics named, or all topics. Never creates a topic.
    ///
    /// # Errors
    /// When no broker answers. Errors of single topics and partitions are part of the result.
    pub async fn metadata(&self, topics: Option<&[&str]>) -> Result<ClusterMetadata> {
        self.metadata_by(topics, Instant::now() + CALL_TIMEOUT)
            .await
    }

    /// The node id of the partition's leader.
    ///
    /// # Errors
    /// [`Error::NoLeader`] when the partition is offline, [`Error::UnknownTopic`], [`Error::UnknownPartition`], or
    /// that no broker answers.
    pub async fn leader_of(&self, topic: &str, partition: i32) -> Result<i32> {
        let metadata = self.metadata(Some(&[topic])).await?;
        let found = metadata.topic(topic)?;
        found.partition(partition)?.led(topic)
    }

    pub(crate) async fn metadata_by(
        &self,
        topics: Option<&[&str]>,
        deadline: Instant,
    ) -> Result<ClusterMetadata> {
        let named = |name: &&str| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let request = MetadataRequest::default()
            .with_topics(topics.map(|topics| topics.iter().map(named).collect()))
            .with_allow_auto_topic_creation(false);
        let answer = self.read(&request, VERSIONS, deadline).await?;
        Ok(ClusterMetadata::from(answer))
    }
}

impl Topic {
    /// The replicas of each partition by node id, preferred leader first.
    pub fn assignment(&self) -> Vec<Vec<i32>> {
        let replicas = self.partitions.iter().map(|one| one.replicas.clone());
        replicas.collect()
    }

    /// The partition of that number.
    ///
    /// # Errors
    /// [`Error::UnknownPartition`].
    pub fn partition(&self, number: i32) -> Result<&Partition> {
        let found = self
            .partitions
            .iter()
            .find(|partition| partition.partition == number);
        found.ok_or_else(|| Error::UnknownPartition {
            topic: self.name.clone(),
            partition: number,
            partitions: self.partitions.len(),
        })
    }
}

impl Partition {
    /// The leader's node id, or [`Error::NoLeader`].
    pub(crate) fn led(&self, topic: &str) -> Result<i32> {
        self.leader.ok_or_else(|| Error::NoLeader {
            topic: topic.to_owned(),
            partition: self.partition,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
        })
    }
}

impl From<MetadataResponse> for ClusterMetadata {
    fn from(answer: MetadataResponse) -> Self {
        let broker = |broker: &MetadataResponseBroker| Broker {
            node_id: broker.node_id.0,
            host: broker.host.to_string(),
            port: broker.port,
        };
        Self {
            cluster_id: answer.cluster_id.as_ref().map(ToString::to_string),
            brokers: answer.brokers.iter().map(broker).collect(),
            topics: answer.topics.iter().map(Topic::from).collect(),
        }
    }
}

impl From<&MetadataResponseTopic> for Topic {
    fn from(topic: &MetadataResponseTopic) -> Self {
        let mut partitions: Vec<_> = topic.partitions.iter().map(Partition::from).collect();
        partitions.sort_by_key(|partition| partition.partition);
        Self {
            name: topic
                .name
                .as_ref()
                .map(|name| name.to_string())
                .unwrap_or_default(),
            error: code_name(topic.error_code),
            partitions,
            code: topic.error_code,
        }
    }
}

impl From<&MetadataResponsePartition> for Partition {
    fn from(partition: &MetadataResponsePartition) -> Self {
        Self {
            partition: partition.partition_index,
            leader: Some(partition.leader_id.0).filter(|leader| *leader >= 0),
            leader_epoch: partition.leader_epoch,
            replicas: node_ids(&partition.replica_nodes),
            isr: node_ids(&partition.isr_nodes),
            offline: node_ids(&partition.offline_replicas),
            error: code_name(partition.error_code),
        }
    }
}

/// Node ids as plain numbers.
pub(crate) fn node_ids(ids: &[BrokerId]) -> Vec<i32> {
    ids.iter().map(|id| id.0).collect()
}
