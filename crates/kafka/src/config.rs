//! Configurations of topics and brokers: what is in force, what was set while running, and how to put that back.
//!
//! Only dynamic overrides are changed and restored; what a broker's own file says stays. When a change returns, the
//! controller has decided it; brokers learn of it a moment later. So await its effect before the next snapshot, or that
//! will be of the time before.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};
use kafka_protocol::protocol::VersionRange;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::cluster::{Cluster, decided, settled};
use crate::error::{Error, Result};
use crate::metadata::Broker;
use crate::topic::text;

const ALTER_VERSIONS: VersionRange = VersionRange { min: 0, max: 1 };
const DESCRIBE_VERSIONS: VersionRange = VersionRange { min: 1, max: 4 };

/// Kafka's numbers for kinds of resources.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Kafka's numbers for setting a configuration, and for returning it to its default.
const SET: i8 = 0;
const DELETE: i8 = 1;

/// Kafka's numbers for where a value comes from: set dynamically for the topic, the broker, all brokers.
const FROM_TOPIC: i8 = 1;
const FROM_BROKER: i8 = 2;
const FROM_ALL_BROKERS: i8 = 3;

/// What has configurations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigResource {
    /// A topic.
    Topic(String),
    /// One broker, by node id; that broker itself is asked, and has to be alive.
    Broker(i32),
    /// All brokers: the dynamic defaults of the cluster.
    AllBrokers,
}

impl ConfigResource {
    fn kind(&self) -> i8 {
        match self {
            Self::Topic(_) => TOPIC,
            Self::Broker(_) | Self::AllBrokers => BROKER,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Topic(topic) => topic.clone(),
            Self::Broker(node) => node.to_string(),
            Self::AllBrokers => String::new(),
        }
    }

    fn own_source(&self) -> i8 {
        match self {
            Self::Topic(_) => FROM_TOPIC,
            Self::Broker(_) => FROM_BROKER,
            Self::AllBrokers => FROM_ALL_BROKERS,
        }
    }

    fn check(&self, call: &str, code: i16, message: Option<&str>) -> Result<()> {
        match self {
            Self::Topic(topic) => Error::check_topic(call, topic, code, message),
            _ => Error::check(call, &self.to_string(), code, message),
        }
    }
}

impl fmt::Display for ConfigResource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(topic) => write!(formatter, "topic {topic}"),
            Self::Broker(node) => write!(formatter, "broker {node}"),
            Self::AllBrokers => formatter.write_str("all brokers"),
        }
    }
}

/// The dynamic overrides of a resource at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigSnapshot {
    /// Whose they are.
    pub resource: ConfigResource,
    /// What was set, by name.
    pub overrides: BTreeMap<String, String>,
    /// What was set to a value that Kafka does not tell, such as a password. Restoring leaves these as they are.
    pub sensitive: BTreeSet<String>,
}

impl Cluster {
    /// The configurations of a resource in force, defaults included; without those whose value Kafka does not tell.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`], [`Error::Api`], [`Error::NodeUnreachable`] when the broker itself has to be asked and
    /// is not there, or that no broker answers.
    pub async fn config(&self, resource: &ConfigResource) -> Result<BTreeMap<String, String>> {
        let configs = self.configs_of(resource).await?;
        let told = configs.into_iter().filter_map(|config| {
            let value = config.value.as_ref()?;
            Some((config.name.to_string(), value.to_string()))
        });
        Ok(told.collect())
    }

    /// Sets one configuration and leaves the others as they are; `None` removes the dynamic override.
    ///
    /// # Errors
    /// As for [`Cluster::config`]; [`Error::Api`] such as `InvalidConfig`; [`Error::OutcomeUnknown`].
    pub async fn set_config(
        &self,
        resource: &ConfigResource,
        key: &str,
        value: Option<&str>,
    ) -> Result<()> {
        self.alter(resource, vec![alteration(key, value)]).await
    }

    /// The dynamic overrides of a resource, for [`Cluster::restore_config`].
    ///
    /// # Errors
    /// As for [`Cluster::config`].
    pub async fn config_snapshot(&self, resource: &ConfigResource) -> Result<ConfigSnapshot> {
        let mut snapshot = ConfigSnapshot {
            resource: resource.clone(),
            overrides: BTreeMap::new(),
            sensitive: BTreeSet::new(),
        };
        for config in self.configs_of(resource).await? {
            if config.config_source != resource.own_source() {
                continue;
            }
            let name = config.name.to_string();
            match config.value.filter(|_| !config.is_sensitive) {
                Some(value) => drop(snapshot.overrides.insert(name, value.to_string())),
                None => drop(snapshot.sensitive.insert(name)),
            }
        }
        Ok(snapshot)
    }

    /// Makes the dynamic overrides of the resource exactly those of the snapshot, in one change. May be repeated.
    ///
    /// # Errors
    /// As for [`Cluster::set_config`].
    pub async fn restore_config(&self, snapshot: &ConfigSnapshot) -> Result<()> {
        let now = self.config_snapshot(&snapshot.resource).await?;
        let set_since = now.overrides.keys().chain(&now.sensitive).filter(|key| {
            !snapshot.overrides.contains_key(*key) && !snapshot.sensitive.contains(*key)
        });
        let changed = snapshot
            .overrides
            .iter()
            .filter(|(key, value)| now.overrides.get(*key) != Some(value));
        let alterations: Vec<_> = set_since
            .map(|key| alteration(key, None))
            .chain(changed.map(|(key, value)| alteration(key, Some(value))))
            .collect();
        match alterations.is_empty() {
            true => Ok(()),
            false => self.alter(&snapshot.resource, alterations).await,
        }
    }

    /// As [`Cluster::set_config`] for a topic.
    ///
    /// # Errors
    /// As for [`Cluster::set_config`].
    pub async fn set_topic_config(
        &self,
        topic: &str,
        key: &str,
        value: Option<&str>,
    ) -> Result<()> {
        self.set_config(&ConfigResource::Topic(topic.to_owned()), key, value)
            .await
    }

    /// As [`Cluster::config`] for a topic.
    ///
    /// # Errors
    /// As for [`Cluster::config`].
    pub async fn topic_config(&self, topic: &str) -> Result<BTreeMap<String, String>> {
        self.config(&ConfigResource::Topic(topic.to_owned())).await
    }

    /// One configuration of many topics, in one round trip; topics that do not have it are left out.
    pub(crate) async fn config_of_topics(
        &self,
        topics: &[&str],
        key: &str,
        deadline: Instant,
    ) -> Result<BTreeMap<String, String>> {
        let asked = |topic: &&str| {
            DescribeConfigsResource::default()
                .with_resource_type(TOPIC)
                .with_resource_name(text(topic))
                .with_configuration_keys(Some(vec![text(key)]))
        };
        let request =
            DescribeConfigsRequest::default().with_resources(topics.iter().map(asked).collect());
        let answer = self.read(&request, DESCRIBE_VERSIONS, deadline).await?;
        let mut values = BTreeMap::new();
        for result in &answer.results {
            let topic = result.resource_name.to_string();
            checked(&ConfigResource::Topic(topic.clone()), result)?;
            let value = result.configs.iter().find_map(|one| one.value.as_ref());
            values.extend(value.map(|value| (topic, value.to_string())));
        }
        Ok(values)
    }

    async fn configs_of(
        &self,
        resource: &ConfigResource,
    ) -> Result<Vec<DescribeConfigsResourceResult>> {
        let asked = DescribeConfigsResource::default()
            .with_resource_type(resource.kind())
            .with_resource_name(text(&resource.name()))
            .with_configuration_keys(None);
        let request = DescribeConfigsRequest::default().with_resources(vec![asked]);
        let request = &request;
        settled(|deadline| async move {
            let answer = match self.owner(resource, deadline).await? {
                None => self.read(request, DESCRIBE_VERSIONS, deadline).await?,
                Some(broker) => {
                    let role = resource.to_string();
                    self.read_from(&broker, &role, request, DESCRIBE_VERSIONS, deadline)
                        .await?
                }
            };
            let mut configs = Vec::new();
            for result in answer.results {
                checked(resource, &result)?;
                configs.extend(result.configs);
            }
            Ok(configs)
        })
        .await
    }

    async fn alter(&self, resource: &ConfigResource, configs: Vec<AlterableConfig>) -> Result<()> {
        let altered = AlterConfigsResource::default()
            .with_resource_type(resource.kind())
            .with_resource_name(text(&resource.name()))
            .with_configs(configs);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![altered]);
        let request = &request;
        decided(|deadline| async move {
            let answer = match self.owner(resource, deadline).await? {
                None => self.change(request, ALTER_VERSIONS, deadline).await?,
                Some(broker) => {
                    let role = resource.to_string();
                    self.change_at(&broker, &role, request, ALTER_VERSIONS, deadline)
                        .await?
                }
            };
            answer.responses.iter().try_for_each(|result| {
                let message = result.error_message.as_deref();
                resource.check("IncrementalAlterConfigs", result.error_code, message)
            })
        })
        .await
    }

    /// The one broker that has to be asked about the resource, if any broker will not do.
    async fn owner(&self, resource: &ConfigResource, deadline: Instant) -> Result<Option<Broker>> {
        let ConfigResource::Broker(node) = resource else {
            return Ok(None);
        };
        let metadata = self.metadata_by(Some(&[]), deadline).await?;
        let found = metadata.broker(*node).cloned();
        let broker = found.ok_or_else(|| Error::NodeUnreachable {
            role: resource.to_string(),
            node: *node,
            address: "an unknown address".to_owned(),
            reason: "it is not among the brokers that are alive".to_owned(),
        })?;
        Ok(Some(broker))
    }
}

fn checked(resource: &ConfigResource, result: &DescribeConfigsResult) -> Result<()> {
    let message = result.error_message.as_deref();
    resource.check("DescribeConfigs", result.error_code, message)
}

fn alteration(key: &str, value: Option<&str>) -> AlterableConfig {
    AlterableConfig::default()
        .with_name(text(key))
        .with_config_operation(if value.is_some() { SET } else { DELETE })
        .with_value(value.map(text))
}
