//! The probes: what a topic, the cluster and a group look like now.
//!
//! Each looks once; nothing is remembered between calls.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use shaketable_kafka::{Error, Partition, Topic};

use super::{
    BOOTSTRAP_SERVERS, CLIENT_ID, CLIENT_PROPERTIES, GROUP_ID, TOPIC, cluster, partition_id,
};
use crate::arguments::{Argument, ArgumentKind, Arguments};
use crate::failure::Failure;
use crate::function::{Function, How, Kind};

const MODULE: &str = "chaoskafka.probes";

const TOPIC_ARGUMENTS: &[Argument] = &[BOOTSTRAP_SERVERS, TOPIC, CLIENT_PROPERTIES];

/// What Kafka's clients call the leader of a partition that has none.
const NO_LEADER: i32 = -1;

pub(crate) const DESCRIBE_KAFKA_TOPIC: Function = Function {
    module: MODULE,
    name: "describe_kafka_topic",
    kind: Kind::Probe,
    doc: "Leader, replicas and in-sync replicas of each partition of a topic, as JSON text.",
    arguments: TOPIC_ARGUMENTS,
    how: How::Native(|arguments| Box::pin(describe_kafka_topic(arguments))),
};

pub(crate) const ALL_REPLICAS_IN_SYNC: Function = Function {
    module: MODULE,
    name: "all_replicas_in_sync",
    kind: Kind::Probe,
    doc: "Whether every replica of every partition of a topic is in sync.",
    arguments: TOPIC_ARGUMENTS,
    how: How::Native(|arguments| Box::pin(all_replicas_in_sync(arguments))),
};

pub(crate) const CLUSTER_DOESNT_HAVE_UNDER_REPLICATED_PARTITIONS: Function = Function {
    module: MODULE,
    name: "cluster_doesnt_have_under_replicated_partitions",
    kind: Kind::Probe,
    doc: "Whether every replica of every partition of every topic is in sync.",
    arguments: &[BOOTSTRAP_SERVERS, CLIENT_PROPERTIES],
    how: How::Native(|arguments| {
        Box::pin(cluster_doesnt_have_under_replicated_partitions(arguments))
    }),
};

pub(crate) const CHECK_CONSUMER_LAG_UNDER_THRESHOLD: Function = Function {
    module: MODULE,
    name: "check_consumer_lag_under_threshold",
    kind: Kind::Probe,
    doc: "Whether a group's lag is below a threshold, on one partition of a topic or on all of them.",
    arguments: &[
        BOOTSTRAP_SERVERS,
        GROUP_ID,
        TOPIC,
        Argument::optional(
            "threshold",
            ArgumentKind::Integer,
            "0",
            "the lag, in records, that is too much",
        ),
        Argument::optional(
            "partition",
            ArgumentKind::Integer,
            "null",
            "the id of the partition to look at; all of them when not given",
        ),
        CLIENT_PROPERTIES,
    ],
    how: How::Native(|arguments| Box::pin(check_consumer_lag_under_threshold(arguments))),
};

pub(crate) const TOPIC_HAS_NO_OFFLINE_PARTITIONS: Function = Function {
    module: MODULE,
    name: "topic_has_no_offline_partitions",
    kind: Kind::Probe,
    doc: "Whether every partition of a topic has a leader and an in-sync replica.",
    arguments: TOPIC_ARGUMENTS,
    how: How::Native(|arguments| Box::pin(topic_has_no_offline_partitions(arguments))),
};

async fn describe_kafka_topic(arguments: Arguments) -> Result<Value, Failure> {
    let topic = described(&arguments).await?;
    let partitions: Map<String, Value> = topic
        .partitions
        .iter()
        .map(|partition| {
            let description = json!({
                "leader": partition.leader.unwrap_or(NO_LEADER),
                "replicas": partition.replicas,
                "isr": partition.isr,
            });
            (partition.partition.to_string(), description)
        })
        .collect();
    let description = json!({
        "topic": topic.name,
        "partitions": partitions.len(),
        "partitions_info": partitions,
    });
    // The extension returns text, and experiments look into it as such.
    Ok(Value::String(format!("{description:#}")))
}

async fn all_replicas_in_sync(arguments: Arguments) -> Result<Value, Failure> {
    let topic = described(&arguments).await?;
    Ok(topic.partitions.iter().all(in_sync).into())
}

async fn topic_has_no_offline_partitions(arguments: Arguments) -> Result<Value, Failure> {
    let topic = described(&arguments).await?;
    let mut partitions = topic.partitions.iter();
    Ok(partitions
        .all(|partition| partition.leader.is_some() && !partition.isr.is_empty())
        .into())
}

async fn cluster_doesnt_have_under_replicated_partitions(
    arguments: Arguments,
) -> Result<Value, Failure> {
    let failed = |error: Error| Failure::kafka(&arguments.function, &error);
    let cluster = cluster(&arguments, CLIENT_ID)?;
    let metadata = cluster.metadata(None).await.map_err(failed)?;
    let under_replicated = metadata.under_replicated_partitions().map_err(failed)?;
    Ok(under_replicated.is_empty().into())
}

async fn check_consumer_lag_under_threshold(arguments: Arguments) -> Result<Value, Failure> {
    let failed = |error: Error| Failure::kafka(&arguments.function, &error);
    let wanted = arguments.integer("partition");
    let wanted = wanted.map(|id| partition_id(&arguments, id)).transpose()?;
    let threshold = arguments.integer("threshold").unwrap_or_default();
    let topic = arguments.text("topic");
    let cluster = cluster(&arguments, CLIENT_ID)?;
    let lags = cluster
        .lag(arguments.text("group_id"), topic)
        .await
        .map_err(failed)?;
    if let Some(partition) = wanted
        && lags.iter().all(|one| one.partition != partition)
    {
        return Err(failed(Error::UnknownPartition {
            topic: topic.to_owned(),
            partition,
            partitions: lags.len(),
        }));
    }
    let mut looked_at = lags
        .iter()
        .filter(|one| wanted.is_none_or(|partition| one.partition == partition));
    Ok(looked_at.all(|one| one.lag < threshold).into())
}

/// The topic, as Kafka describes it now.
async fn described(arguments: &Arguments) -> Result<Topic, Failure> {
    let failed = |error: Error| Failure::kafka(&arguments.function, &error);
    let topic = arguments.text("topic");
    let cluster = cluster(arguments, CLIENT_ID)?;
    let metadata = cluster.metadata(Some(&[topic])).await.map_err(failed)?;
    metadata.topic(topic).cloned().map_err(failed)
}

/// Whether all replicas are in sync, in whatever order Kafka names them.
fn in_sync(partition: &Partition) -> bool {
    let isr: BTreeSet<i32> = partition.isr.iter().copied().collect();
    partition
        .replicas
        .iter()
        .all(|replica| isr.contains(replica))
}
