//! Topics: made, deleted, moved between brokers, configured.
//!
//! Each of these can be sent to any broker, which forwards it to the active controller. When a change returns, the
//! controller has decided it; brokers learn of it a moment later, so await its effect in `metadata`.

use std::collections::BTreeMap;

use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use kafka_protocol::messages::list_partition_reassignments_response::OngoingPartitionReassignment;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, CreateTopicsRequest, DeleteTopicsRequest,
    DescribeConfigsRequest, IncrementalAlterConfigsRequest, ListPartitionReassignmentsRequest,
    TopicName,
};
use kafka_protocol::protocol::{StrBytes, VersionRange};

use crate::cluster::{Cluster, decided, settled};
use crate::error::{Error, Result};
use crate::metadata::node_ids;

const CREATE_VERSIONS: VersionRange = VersionRange { min: 4, max: 7 };
const DELETE_VERSIONS: VersionRange = VersionRange { min: 6, max: 6 };
const REASSIGN_VERSIONS: VersionRange = VersionRange { min: 0, max: 0 };
const REASSIGNMENTS_VERSIONS: VersionRange = VersionRange { min: 0, max: 0 };
const ALTER_CONFIGS_VERSIONS: VersionRange = VersionRange { min: 0, max: 1 };
const DESCRIBE_CONFIGS_VERSIONS: VersionRange = VersionRange { min: 1, max: 4 };

/// How long the controller may take over a change, in milliseconds: less than the bound of the
/// whole call, so that it answers.
const CONTROLLER_TIMEOUT_MS: i32 = 10_000;

/// Kafka's number for a resource that is a topic.
const TOPIC_RESOURCE: i8 = 2;

/// Kafka's numbers for setting a configuration, and for returning it to its default.
const SET: i8 = 0;
const DELETE: i8 = 1;

/// A topic to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
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

    /// Starts to move partitions: each to the replicas given by node id, preferred leader first. Their number may
    /// differ from today's. The move is done when [`Cluster::reassignments`] no longer lists the partition.
    ///
    /// # Errors
    /// [`Error::Api`] such as `InvalidReplicaAssignment` or `UnknownTopicOrPartition`, [`Error::OutcomeUnknown`].
    pub async fn reassign(&self, topic: &str, moves: Vec<(i32, Vec<i32>)>) -> Result<()> {
        let partition = |(partition, replicas): &(i32, Vec<i32>)| {
            ReassignablePartition::default()
                .with_partition_index(*partition)
                .with_replicas(Some(broker_ids(replicas)))
        };
        let named = ReassignableTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(moves.iter().map(partition).collect());
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

    /// Sets one configuration of a topic and leaves the others as they are; `None` returns it to its default.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`], [`Error::Api`] such as `InvalidConfig`, [`Error::OutcomeUnknown`].
    pub async fn set_topic_config(
        &self,
        topic: &str,
        key: &str,
        value: Option<&str>,
    ) -> Result<()> {
        let config = AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(if value.is_some() { SET } else { DELETE })
            .with_value(value.map(text));
        let resource = AlterConfigsResource::default()
            .with_resource_type(TOPIC_RESOURCE)
            .with_resource_name(text(topic))
            .with_configs(vec![config]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let request = &request;
        decided(|deadline| async move {
            let answer = self
                .change(request, ALTER_CONFIGS_VERSIONS, deadline)
                .await?;
            answer.responses.iter().try_for_each(|result| {
                let message = result.error_message.as_deref();
                Error::check_topic("IncrementalAlterConfigs", topic, result.error_code, message)
            })
        })
        .await
    }

    /// The configurations of a topic in force, defaults included.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`], [`Error::Api`], or that no broker answers.
    pub async fn topic_config(&self, topic: &str) -> Result<BTreeMap<String, String>> {
        let resource = DescribeConfigsResource::default()
            .with_resource_type(TOPIC_RESOURCE)
            .with_resource_name(text(topic))
            .with_configuration_keys(None);
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let request = &request;
        settled(|deadline| async move {
            let answer = self
                .read(request, DESCRIBE_CONFIGS_VERSIONS, deadline)
                .await?;
            let mut configs = BTreeMap::new();
            for result in &answer.results {
                let message = result.error_message.as_deref();
                Error::check_topic("DescribeConfigs", topic, result.error_code, message)?;
                configs.extend(result.configs.iter().filter_map(|config| {
                    let value = config.value.as_ref()?;
                    Some((config.name.to_string(), value.to_string()))
                }));
            }
            Ok(configs)
        })
        .await
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

fn broker_ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}
