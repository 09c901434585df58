//! The health of partitions: offline, under-replicated, or without enough replicas in sync to accept writes.

use std::collections::BTreeSet;

use crate::cluster::{Cluster, settled};
use crate::error::{Error, Result};
use crate::metadata::{ClusterMetadata, Partition, TopicPartition};

const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

/// A partition with fewer replicas in sync than its topic demands: producers that want all acknowledgements are
/// refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnderMinIsr {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The replicas in sync.
    pub isr: Vec<i32>,
    /// How many there have to be.
    pub min: usize,
}

impl ClusterMetadata {
    /// The partitions without a leader, in order: they can be neither written nor read.
    ///
    /// # Errors
    /// When a topic asked for does not exist, or the broker could not tell about it.
    pub fn offline_partitions(&self) -> Result<Vec<TopicPartition>> {
        self.partitions_that(|partition| partition.leader.is_none())
    }

    /// The partitions of which a replica is not in sync. The order of replicas does not matter.
    ///
    /// # Errors
    /// As for [`ClusterMetadata::offline_partitions`].
    pub fn under_replicated_partitions(&self) -> Result<Vec<TopicPartition>> {
        self.partitions_that(|partition| {
            let in_sync: BTreeSet<_> = partition.isr.iter().collect();
            partition.replicas.iter().any(|one| !in_sync.contains(one))
        })
    }

    fn partitions_that(&self, test: impl Fn(&Partition) -> bool) -> Result<Vec<TopicPartition>> {
        let mut found = Vec::new();
        for topic in &self.topics {
            // What a broker cannot tell is not taken for healthy.
            let topic = self.topic(&topic.name)?;
            let matching = topic.partitions.iter().filter(|one| test(one));
            found.extend(matching.map(|one| TopicPartition::new(&topic.name, one.partition)));
        }
        found.sort();
        Ok(found)
    }
}

impl Cluster {
    /// The partitions of these topics, or of all, with fewer replicas in sync than `min.insync.replicas` demands.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`], [`Error::Api`], or that no broker answers.
    pub async fn under_min_isr(&self, topics: Option<&[&str]>) -> Result<Vec<UnderMinIsr>> {
        settled(|deadline| async move {
            let metadata = self.metadata_by(topics, deadline).await?;
            let names: Vec<_> = metadata
                .topics
                .iter()
                .map(|one| one.name.as_str())
                .collect();
            if names.is_empty() {
                return Ok(Vec::new());
            }
            let configured = self
                .config_of_topics(&names, MIN_INSYNC_REPLICAS, deadline)
                .await?;
            let mut found = Vec::new();
            for name in names {
                let min: usize = configured
                    .get(name)
                    .and_then(|min| min.parse().ok())
                    .ok_or_else(|| Error::Protocol {
                        call: "DescribeConfigs".to_owned(),
                        address: self.bootstrap(),
                        reason: format!("the answer does not tell {MIN_INSYNC_REPLICAS} of {name}"),
                    })?;
                let partitions = &metadata.topic(name)?.partitions;
                let lacking = partitions.iter().filter(|one| one.isr.len() < min);
                found.extend(lacking.map(|one| UnderMinIsr {
                    topic: name.to_owned(),
                    partition: one.partition,
                    isr: one.isr.clone(),
                    min,
                }));
            }
            found.sort();
            Ok(found)
        })
        .await
    }
}
