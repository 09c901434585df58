//! The probes: what topics, groups and the cluster look like now. Each looks once.

use serde_json::{Map, Value, json};
use shaketable_kafka::{ConfigResource, Error, PartitionLag};

use super::{ANY_TOPIC, CLIENT_ID, GROUP_ID, MODULE, PARTITION, TOPIC};
use crate::arguments::{Argument, ArgumentKind, Arguments};
use crate::chaoskafka::{BOOTSTRAP_SERVERS, CLIENT_PROPERTIES, cluster, partition_id};
use crate::failure::Failure;
use crate::function::{Function, How, Kind};

pub(crate) const OFFLINE_PARTITIONS: Function = Function {
    module: MODULE,
    name: "offline_partitions",
    kind: Kind::Probe,
    doc: "How many partitions have no leader.",
    arguments: &[BOOTSTRAP_SERVERS, ANY_TOPIC, CLIENT_PROPERTIES],
    how: How::Native(|arguments| Box::pin(offline_partitions(arguments))),
};

pub(crate) const UNDER_REPLICATED_PARTITIONS: Function = Function {
    module: MODULE,
    name: "under_replicated_partitions",
    kind: Kind::Probe,
    doc: "How many partitions have a replica that is not in sync.",
    arguments: &[BOOTSTRAP_SERVERS, ANY_TOPIC, CLIENT_PROPERTIES],
    how: How::Native(|arguments| Box::pin(under_replicated_partitions(arguments))),
};

pub(crate) const UNDER_MIN_ISR_PARTITIONS: Function = Function {
    module: MODULE,
    name: "under_min_isr_partitions",
    kind: Kind::Probe,
    doc: "How many partitions have fewer replicas in sync than their topic's min.insync.replicas.",
    arguments: &[BOOTSTRAP_SERVERS, ANY_TOPIC, CLIENT_PROPERTIES],
    how: How::Native(|arguments| Box::pin(under_min_isr_partitions(arguments))),
};

pub(crate) const CONSUMER_LAG: Function = Function {
    module: MODULE,
    name: "consumer_lag",
    kind: Kind::Probe,
    doc: "How many records a group has not committed yet, on one partition or on all of them together.",
    arguments: &[
        BOOTSTRAP_SERVERS,
        GROUP_ID,
        TOPIC,
        PARTITION,
        CLIENT_PROPERTIES,
    ],
    how: How::Native(|arguments| Box::pin(consumer_lag(arguments))),
};

pub(crate) const CONSUMER_LAG_SECONDS: Function = Function {
    module: MODULE,
    name: "consumer_lag_seconds",
    kind: Kind::Probe,
    doc: "How old the first record is that a group has not committed yet, in seconds; 0 when there is none. Of several \
          partitions the oldest.",
    arguments: &[
        BOOTSTRAP_SERVERS,
        GROUP_ID,
        TOPIC,
        PARTITION,
        CLIENT_PROPERTIES,
    ],
    how: How::Native(|arguments| Box::pin(consumer_lag_seconds(arguments))),
};

pub(crate) const RECORD_COUNT: Function = Function {
    module: MODULE,
    name: "record_count",
    kind: Kind::Probe,
    doc: "How many offsets a topic holds, from the first to the end, on one partition or on all of them together.",
    arguments: &[BOOTSTRAP_SERVERS, TOPIC, PARTITION, CLIENT_PROPERTIES],
    how: How::Native(|arguments| Box::pin(record_count(arguments))),
};

pub(crate) const DESCRIBE_TOPIC: Function = Function {
    module: MODULE,
    name: "describe_topic",
    kind: Kind::Probe,
    doc: "Leader, replicas and in-sync replicas of each partition of a topic, and its configuration.",
    arguments: &[BOOTSTRAP_SERVERS, TOPIC, CLIENT_PROPERTIES],
    how: How::Native(|arguments| Box::pin(describe_topic(arguments))),
};

pub(crate) const DESCRIBE_GROUP: Function = Function {
    module: MODULE,
    name: "describe_group",
    kind: Kind::Probe,
    doc: "State, assignor and members of a consumer group.",
    arguments: &[BOOTSTRAP_SERVERS, GROUP_ID, CLIENT_PROPERTIES],
    how: How::Native(|arguments| Box::pin(describe_group(arguments))),
};

pub(crate) const COMMITTED_OFFSETS: Function = Function {
    module: MODULE,
    name: "committed_offsets",
    kind: Kind::Probe,
    doc: "The offset that a group has committed on each partition of a topic, by partition.",
    arguments: &[BOOTSTRAP_SERVERS, GROUP_ID, TOPIC, CLIENT_PROPERTIES],
    how: How::Native(|arguments| Box::pin(committed_offsets(arguments))),
};

pub(crate) const BROKER_CONFIG: Function = Function {
    module: MODULE,
    name: "broker_config",
    kind: Kind::Probe,
    doc: "The configuration in force on a broker.",
    arguments: &[
        BOOTSTRAP_SERVERS,
        Argument::required("broker", ArgumentKind::Integer, "the broker's node id"),
        CLIENT_PROPERTIES,
    ],
    how: How::Native(|arguments| Box::pin(broker_config(arguments))),
};

/// The topic, if one is given, as a list for the control plane.
fn topics(arguments: &Arguments) -> Option<Vec<&str>> {
    arguments.optional_text("topic").map(|topic| vec![topic])
}

async fn offline_partitions(arguments: Arguments) -> Result<Value, Failure> {
    let failed = |error: Error| Failure::kafka(&arguments.function, &error);
    let cluster = cluster(&arguments, CLIENT_ID)?;
    let metadata = cluster.metadata(topics(&arguments).as_deref()).await;
    let metadata = metadata.map_err(failed)?;
    Ok(metadata.offline_partitions().map_err(failed)?.len().into())
}

async fn under_replicated_partitions(arguments: Arguments) -> Result<Value, Failure> {
    let failed = |error: Error| Failure::kafka(&arguments.function, &error);
    let cluster = cluster(&arguments, CLIENT_ID)?;
    let metadata = cluster.metadata(topics(&arguments).as_deref()).await;
    let metadata = metadata.map_err(failed)?;
    let partitions = metadata.under_replicated_partitions().map_err(failed)?;
    Ok(partitions.len().into())
}

async fn under_min_isr_partitions(arguments: Arguments) -> Result<Value, Failure> {
    let cluster = cluster(&arguments, CLIENT_ID)?;
    let under = cluster.under_min_isr(topics(&arguments).as_deref()).await;
    let under = under.map_err(|error| Failure::kafka(&arguments.function, &error))?;
    Ok(under.len().into())
}

/// The lag of every partition that is asked for.
async fn lags(arguments: &Arguments) -> Result<Vec<PartitionLag>, Failure> {
    let failed = |error: Error| Failure::kafka(&arguments.function, &error);
    let (group, topic) = (arguments.text("group_id"), arguments.text("topic"));
    let lags = cluster(arguments, CLIENT_ID)?
        .lag(group, topic)
        .await
        .map_err(failed)?;
    let Some(partition) = arguments.integer("partition") else {
        return Ok(lags);
    };
    let partition = partition_id(arguments, partition)?;
    let of_it: Vec<PartitionLag> = lags
        .into_iter()
        .filter(|lag| lag.partition == partition)
        .collect();
    if of_it.is_empty() {
        let problem = format!("topic {topic} has no partition {partition}");
        return Err(Failure::experiment(&arguments.function, problem));
    }
    Ok(of_it)
}

async fn consumer_lag(arguments: Arguments) -> Result<Value, Failure> {
    let lags = lags(&arguments).await?;
    Ok(lags.iter().map(|lag| lag.lag).sum::<i64>().into())
}

async fn consumer_lag_seconds(arguments: Arguments) -> Result<Value, Failure> {
    let mut oldest = 0.0_f64;
    for lag in lags(&arguments).await? {
        let seconds = lag.seconds.ok_or_else(|| {
            let problem = format!(
                "the age of the first record of partition {} that is not committed cannot be told",
                lag.partition
            );
            Failure::system(&arguments.function, problem)
        })?;
        oldest = oldest.max(seconds);
    }
    Ok(oldest.into())
}

async fn record_count(arguments: Arguments) -> Result<Value, Failure> {
    let failed = |error: Error| Failure::kafka(&arguments.function, &error);
    let topic = arguments.text("topic");
    let cluster = cluster(&arguments, CLIENT_ID)?;
    let start = cluster.start_offsets(topic).await.map_err(failed)?;
    let end = cluster.end_offsets(topic).await.map_err(failed)?;
    let count = |partition: &i32| {
        let length = end.get(partition)? - start.get(partition)?;
        Some(length.max(0))
    };
    match arguments.integer("partition") {
        None => Ok(end.keys().filter_map(count).sum::<i64>().into()),
        Some(partition) => {
            let partition = partition_id(&arguments, partition)?;
            count(&partition).map(Value::from).ok_or_else(|| {
                let problem = format!("topic {topic} has no partition {partition}");
                Failure::experiment(&arguments.function, problem)
            })
        }
    }
}

async fn describe_topic(arguments: Arguments) -> Result<Value, Failure> {
    let failed = |error: Error| Failure::kafka(&arguments.function, &error);
    let topic = arguments.text("topic");
    let cluster = cluster(&arguments, CLIENT_ID)?;
    let metadata = cluster.metadata(Some(&[topic])).await.map_err(failed)?;
    let partitions: Vec<Value> = metadata
        .topic(topic)
        .map_err(failed)?
        .partitions
        .iter()
        .map(|partition| {
            json!({
                "partition": partition.partition,
                "leader": partition.leader,
                "replicas": partition.replicas,
                "isr": partition.isr,
                "offline": partition.offline,
            })
        })
        .collect();
    let config = cluster
        .config(&ConfigResource::Topic(topic.to_owned()))
        .await
        .map_err(failed)?;
    Ok(json!({ "topic": topic, "partitions": partitions, "config": config }))
}

async fn describe_group(arguments: Arguments) -> Result<Value, Failure> {
    let cluster = cluster(&arguments, CLIENT_ID)?;
    let group = cluster.describe_group(arguments.text("group_id")).await;
    let group = group.map_err(|error| Failure::kafka(&arguments.function, &error))?;
    let members: Vec<Value> = group
        .members
        .iter()
        .map(|member| {
            json!({ "member": member.member_id, "client": member.client_id, "host": member.host })
        })
        .collect();
    Ok(json!({
        "group": group.group,
        "state": group.state,
        "assignor": group.protocol,
        "members": members,
    }))
}

async fn committed_offsets(arguments: Arguments) -> Result<Value, Failure> {
    let (group, topic) = (arguments.text("group_id"), arguments.text("topic"));
    let offsets = cluster(&arguments, CLIENT_ID)?
        .committed_offsets(group, topic)
        .await
        .map_err(|error| Failure::kafka(&arguments.function, &error))?;
    let offsets = offsets.into_iter();
    Ok(offsets
        .map(|(partition, offset)| (partition.to_string(), offset.into()))
        .collect::<Map<String, Value>>()
        .into())
}

async fn broker_config(arguments: Arguments) -> Result<Value, Failure> {
    let broker = arguments.integer("broker").unwrap_or_default();
    let broker = ConfigResource::Broker(partition_id(&arguments, broker)?);
    let config = cluster(&arguments, CLIENT_ID)?.config(&broker).await;
    let config = config.map_err(|error| Failure::kafka(&arguments.function, &error))?;
    Ok(json!(config))
}
