//! Topics: made, deleted, and made again as they were.
//!
//! Each of these can be sent to any broker, which forwards it to the active controller. When a change returns, the
//! controller has decided it; brokers learn of it a moment later, so await its effect in `metadata`.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{BrokerId, CreateTopicsRequest, DeleteTopicsRequest, TopicName};
use kafka_protocol::protocol::{StrBytes, VersionRange};
use serde::{Deserialize, Serialize};

use crate::cluster::{Cluster, decided};
use crate::config::{ConfigResource, ConfigSnapshot};
use crate::error::{Error, Result};

const CREATE_VERSIONS: VersionRange = VersionRange { min: 4, max: 7 };
const DELETE_VERSIONS: VersionRange = VersionRange { min: 6, max: 6 };

/// How long the controller may take over a change, in milliseconds: less than the bound of the
/// whole call, so that it answers.
pub(crate) const CONTROLLER_TIMEOUT_MS: i32 = 10_000;

/// A topic to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTopic {
    /// The name.
    pub name: String,
    /// How many partitions; -1 for the brokers' default.
    pub partitions: i32,
    /// How many replicas of each; -1 for the brokers' default.
    pub replication_factor: i16,
    /// The replicas of each partition by node id, preferred leader first; empty to let the controller choose. When
    /// given, it alone decides the number of partitions and replicas.
    pub assignment: Vec<Vec<i32>>,
    /// Configurations that differ from the brokers' defaults, such as `min.insync.replicas`.
    pub configs: BTreeMap<String, String>,
}

impl NewTopic {
    /// A topic whose replicas the controller spreads.
    pub fn new(name: &str, partitions: i32, replication_factor: i16) -> Self {
        Self {
            name: name.to_owned(),
            partitions,
            replication_factor,
            assignment: Vec::new(),
            configs: BTreeMap::new(),
        }
    }

    /// A topic whose replicas are where `assignment` says: one list of node ids for each partition.
    pub fn assigned(name: &str, assignment: Vec<Vec<i32>>) -> Self {
        Self {
            assignment,
            ..Self::new(name, -1, -1)
        }
    }

    /// The same with one more configuration.
    pub fn config(mut self, key: &str, value: &str) -> Self {
        self.configs.insert(key.to_owned(), value.to_owned());
        self
    }

    fn creatable(&self) -> CreatableTopic {
        let config = |(key, value): (&String, &String)| {
            CreatableTopicConfig::default()
                .with_name(text(key))
                .with_value(Some(text(value)))
        };
        let assigned = |(partition, replicas): (i32, &Vec<i32>)| {
            CreatableReplicaAssignment::default()
                .with_partition_index(partition)
                .with_broker_ids(broker_ids(replicas))
        };
        let (partitions, replication_factor) = match self.assignment.is_empty() {
            true => (self.partitions, self.replication_factor),
            false => (-1, -1),
        };
        CreatableTopic::default()
            .with_name(topic_name(&self.name))
            .with_num_partitions(partitions)
            .with_replication_factor(replication_factor)
            .with_assignments((0..).zip(&self.assignment).map(assigned).collect())
            .with_configs(self.configs.iter().map(config).collect())
    }
}

impl Cluster {
    /// Makes a topic.
    ///
    /// # Errors
    /// [`Error::Api`] by Kafka's name, such as `TopicAlreadyExists` or `InvalidReplicationFactor`;
    /// [`Error::OutcomeUnknown`].
    pub async fn create_topic(&self, topic: &NewTopic) -> Result<()> {
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic.creatable()])
            .with_timeout_ms(CONTROLLER_TIMEOUT_MS);
        let request = &request;
        decided(|deadline| async move {
            let answer = self.change(request, CREATE_VERSIONS, deadline).await?;
            answer.topics.iter().try_for_each(|result| {
                let message = result.error_message.as_deref();
                Error::check("CreateTopics", &topic.name, result.error_code, message)
            })
        })
        .await
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`], [`Error::Api`], [`Error::OutcomeUnknown`].
    pub async fn delete_topic(&self, topic: &str) -> Result<()> {
        let named = DeleteTopicState::default().with_name(Some(topic_name(topic)));
        let request = DeleteTopicsRequest::default()
            .with_topics(vec![named])
            .with_timeout_ms(CONTROLLER_TIMEOUT_MS);
        let request = &request;
        decided(|deadline| async move {
            let answer = self.change(request, DELETE_VERSIONS, deadline).await?;
            answer.responses.iter().try_for_each(|result| {
                let message = result.error_message.as_deref();
                Error::check_topic("DeleteTopics", topic, result.error_code, message)
            })
        })
        .await
    }

    /// What it takes to make the topic again as it is now: where its replicas are, and its dynamic configurations. Its
    /// records are not in it.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`], [`Error::Api`], or that no broker answers.
    pub async fn topic_snapshot(&self, topic: &str) -> Result<NewTopic> {
        let metadata = self.metadata(Some(&[topic])).await?;
        let assignment = metadata.topic(topic)?.assignment();
        let configs = self
            .config_snapshot(&ConfigResource::Topic(topic.to_owned()))
            .await?;
        Ok(NewTopic {
            configs: configs.overrides,
            ..NewTopic::assigned(topic, assignment)
        })
    }

    /// Makes the topic as the snapshot says. One that exists gets its configurations back, and starts to move its
    /// partitions back. May be repeated.
    ///
    /// # Errors
    /// As for [`Cluster::create_topic`], [`Cluster::restore_config`] and [`Cluster::reassign`].
    pub async fn restore_topic(&self, snapshot: &NewTopic) -> Result<()> {
        let exists = ResponseError::TopicAlreadyExists.code();
        match self.create_topic(snapshot).await {
            Err(Error::Api { code, .. }) if code == exists => {}
            result => return result,
        }
        let topic = &snapshot.name;
        self.restore_config(&ConfigSnapshot {
            resource: ConfigResource::Topic(topic.clone()),
            overrides: snapshot.configs.clone(),
            sensitive: BTreeSet::new(),
        })
        .await?;
        let metadata = self.metadata(Some(&[topic])).await?;
        let now = metadata.topic(topic)?.assignment();
        let moves: Vec<_> = (0..)
            .zip(&snapshot.assignment)
            .filter(|(partition, replicas)| now.get(*partition as usize) != Some(replicas))
            .map(|(partition, replicas)| (partition, replicas.clone()))
            .collect();
        match moves.is_empty() {
            true => Ok(()),
            false => self.reassign(topic, moves).await,
        }
    }
}

/// A topic's name as the codec wants it.
pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// A string as the codec wants it.
pub(crate) fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

/// Node ids as the codec wants them.
pub(crate) fn broker_ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}
