//! The actions: what is changed. Each returns when the controller has taken the change, which brokers may learn a moment
//! later, and says what was there before, where there was something. Nothing of it is undone by itself: there are no
//! undo records for actions.

use std::time::Duration;

use serde_json::{Value, json};
use shaketable_kafka::{
    ConfigResource, ElectionKind, ElectionOutcome, Error, NewTopic, OffsetReset, TopicPartition,
};

use super::{ANY_TOPIC, CLIENT_ID, GROUP_ID, MODULE, PARTITION, TOPIC};
use crate::arguments::{Argument, ArgumentKind, Arguments};
use crate::chaoskafka::{self, BOOTSTRAP_SERVERS, CLIENT_PROPERTIES, cluster, partition_id};
use crate::failure::Failure;
use crate::function::{Function, How, Kind};

/// The bound of a reassignment: every record of the partitions is copied.
const REASSIGN_TIMEOUT: Duration = Duration::from_secs(120);

pub(crate) const PRODUCE_MESSAGES: Function = Function {
    module: MODULE,
    ..chaoskafka::actions::PRODUCE_MESSAGES
};

pub(crate) const CONSUME_MESSAGES: Function = Function {
    module: MODULE,
    ..chaoskafka::actions::CONSUME_MESSAGES
};

pub(crate) const REBALANCE_GROUP: Function = Function {
    module: MODULE,
    name: "rebalance_group",
    ..chaoskafka::actions::REBALANCE_CONSUMER_GROUP
};

pub(crate) const DELETE_GROUP: Function = Function {
    module: MODULE,
    name: "delete_group",
    ..chaoskafka::actions::DELETE_CONSUMER_GROUP
};

pub(crate) const DELETE_TOPIC: Function = Function {
    module: MODULE,
    name: "delete_topic",
    ..chaoskafka::actions::DELETE_KAFKA_TOPIC
};

pub(crate) const CREATE_TOPIC: Function = Function {
    module: MODULE,
    name: "create_topic",
    kind: Kind::Action,
    doc: "Makes a topic; returns true.",
    arguments: &[
        BOOTSTRAP_SERVERS,
        TOPIC,
        Argument::optional(
            "partitions",
            ArgumentKind::Integer,
            "1",
            "how many partitions",
        ),
        Argument::optional(
            "replication_factor",
            ArgumentKind::Integer,
            "1",
            "how many replicas of each",
        ),
        Argument::optional(
            "configs",
            ArgumentKind::Map,
            "null",
            "the topic's configuration",
        ),
        CLIENT_PROPERTIES,
    ],
    how: How::Native(|arguments| Box::pin(create_topic(arguments))),
};

const KEY: Argument = Argument::required("key", ArgumentKind::Text, "the configuration's name");
const VALUE: Argument = Argument::optional(
    "value",
    ArgumentKind::Any,
    "null",
    "its value; back to the default when not given",
);

pub(crate) const SET_TOPIC_CONFIG: Function = Function {
    module: MODULE,
    name: "set_topic_config",
    kind: Kind::Action,
    doc: "Changes one configuration of a topic; returns the value that was in force before.",
    arguments: &[BOOTSTRAP_SERVERS, TOPIC, KEY, VALUE, CLIENT_PROPERTIES],
    how: How::Native(|arguments| Box::pin(set_topic_config(arguments))),
};

pub(crate) const SET_BROKER_CONFIG: Function = Function {
    module: MODULE,
    name: "set_broker_config",
    kind: Kind::Action,
    doc: "Changes one dynamic configuration of a broker; returns the value that was in force before.",
    arguments: &[
        BOOTSTRAP_SERVERS,
        Argument::required("broker", ArgumentKind::Integer, "the broker's node id"),
        KEY,
        VALUE,
        CLIENT_PROPERTIES,
    ],
    how: How::Native(|arguments| Box::pin(set_broker_config(arguments))),
};

pub(crate) const REASSIGN_PARTITIONS: Function = Function {
    module: MODULE,
    name: "reassign_partitions",
    kind: Kind::Action,
    doc: "Moves the partitions of a topic to other brokers and waits until that is done; returns where they were.",
    arguments: &[
        BOOTSTRAP_SERVERS,
        TOPIC,
        Argument::required(
            "replicas",
            ArgumentKind::List,
            "for partition 0, 1, …: the list of its brokers, the preferred leader first",
        ),
        CLIENT_PROPERTIES,
    ],
    how: How::Native(|arguments| Box::pin(reassign_partitions(arguments))),
};

pub(crate) const ELECT_LEADERS: Function = Function {
    module: MODULE,
    name: "elect_leaders",
    kind: Kind::Action,
    doc: "Has the preferred replicas elected as leaders; returns how many partitions changed hands.",
    arguments: &[
        BOOTSTRAP_SERVERS,
        ANY_TOPIC,
        PARTITION,
        Argument::optional(
            "unclean",
            ArgumentKind::Bool,
            "false",
            "whether a replica that is not in sync may lead, which loses records",
        ),
        CLIENT_PROPERTIES,
    ],
    how: How::Native(|arguments| Box::pin(elect_leaders(arguments))),
};

pub(crate) const RESET_OFFSETS: Function = Function {
    module: MODULE,
    name: "reset_offsets",
    kind: Kind::Action,
    doc: "Moves the committed offsets of a group without members; returns the old ones.",
    arguments: &[
        BOOTSTRAP_SERVERS,
        GROUP_ID,
        TOPIC,
        PARTITION,
        Argument::required(
            "to",
            ArgumentKind::Text,
            "`earliest`, `latest`, `offset`, `shift-by` or `timestamp`",
        ),
        Argument::optional(
            "value",
            ArgumentKind::Integer,
            "null",
            "the offset, by how many records, or the time in ms since the epoch",
        ),
        CLIENT_PROPERTIES,
    ],
    how: How::Native(|arguments| Box::pin(reset_offsets(arguments))),
};

async fn create_topic(arguments: Arguments) -> Result<Value, Failure> {
    let count = |name| arguments.integer(name).unwrap_or(1);
    let sizes = (
        i32::try_from(count("partitions")),
        i16::try_from(count("replication_factor")),
    );
    let (Ok(partitions @ 1..), Ok(replicas @ 1..)) = sizes else {
        let problem = "`partitions` and `replication_factor` have to be at least 1";
        return Err(Failure::experiment(&arguments.function, problem));
    };
    let mut topic = NewTopic::new(arguments.text("topic"), partitions, replicas);
    for (key, value) in arguments.map("configs").into_iter().flatten() {
        topic = topic.config(key, &plain(value));
    }
    let created = cluster(&arguments, CLIENT_ID)?.create_topic(&topic).await;
    created.map_err(|error| Failure::kafka(&arguments.function, &error))?;
    Ok(true.into())
}

async fn set_topic_config(arguments: Arguments) -> Result<Value, Failure> {
    let topic = arguments.text("topic").to_owned();
    set_config(&arguments, ConfigResource::Topic(topic)).await
}

async fn set_broker_config(arguments: Arguments) -> Result<Value, Failure> {
    let broker = arguments.integer("broker").unwrap_or_default();
    let broker = partition_id(&arguments, broker)?;
    set_config(&arguments, ConfigResource::Broker(broker)).await
}

async fn set_config(arguments: &Arguments, resource: ConfigResource) -> Result<Value, Failure> {
    let failed = |error: Error| Failure::kafka(&arguments.function, &error);
    let cluster = cluster(arguments, CLIENT_ID)?;
    let key = arguments.text("key");
    let before = cluster.config(&resource).await.map_err(failed)?;
    let value = arguments.any("value").map(plain);
    cluster
        .set_config(&resource, key, value.as_deref())
        .await
        .map_err(failed)?;
    Ok(json!(before.get(key)))
}

async fn reassign_partitions(arguments: Arguments) -> Result<Value, Failure> {
    let failed = |error: Error| Failure::kafka(&arguments.function, &error);
    let mut moves = Vec::new();
    for (partition, brokers) in (0_i32..).zip(arguments.list("replicas").unwrap_or_default()) {
        let brokers: Option<Vec<i32>> = brokers
            .as_array()
            .filter(|brokers| !brokers.is_empty())
            .and_then(|brokers| {
                let ids = brokers.iter();
                ids.map(|id| id.as_i64().and_then(|id| i32::try_from(id).ok()))
                    .collect()
            });
        let Some(brokers) = brokers else {
            let problem = format!("`replicas[{partition}]` has to be a list of node ids");
            return Err(Failure::experiment(&arguments.function, problem));
        };
        moves.push((partition, brokers));
    }
    let topic = arguments.text("topic");
    let cluster = cluster(&arguments, CLIENT_ID)?;
    let metadata = cluster.metadata(Some(&[topic])).await.map_err(failed)?;
    let before = metadata.topic(topic).map_err(failed)?.assignment();
    cluster
        .reassign_and_wait(topic, moves, REASSIGN_TIMEOUT)
        .await
        .map_err(failed)?;
    Ok(json!(before))
}

async fn elect_leaders(arguments: Arguments) -> Result<Value, Failure> {
    let failed = |error: Error| Failure::kafka(&arguments.function, &error);
    let unclean = arguments.any("unclean") == Some(&Value::Bool(true));
    let cluster = cluster(&arguments, CLIENT_ID)?;
    let partitions = match arguments.optional_text("topic") {
        None if unclean || arguments.integer("partition").is_some() => {
            let problem = "`partition` and `unclean` need a `topic`: without one every partition of the cluster is meant";
            return Err(Failure::experiment(&arguments.function, problem));
        }
        None => None,
        Some(topic) => {
            let metadata = cluster.metadata(Some(&[topic])).await.map_err(failed)?;
            let wanted = arguments.integer("partition");
            let wanted = wanted.map(|id| partition_id(&arguments, id)).transpose()?;
            let partitions = metadata.topic(topic).map_err(failed)?.partitions.iter();
            let partitions: Vec<TopicPartition> = partitions
                .map(|partition| partition.partition)
                .filter(|partition| wanted.is_none_or(|wanted| wanted == *partition))
                .map(|partition| TopicPartition {
                    topic: topic.to_owned(),
                    partition,
                })
                .collect();
            if partitions.is_empty() {
                let problem = format!("topic {topic} has no such partition");
                return Err(Failure::experiment(&arguments.function, problem));
            }
            Some(partitions)
        }
    };
    let kind = if unclean {
        ElectionKind::Unclean
    } else {
        ElectionKind::Preferred
    };
    let elections = cluster
        .elect_leaders(kind, partitions.as_deref())
        .await
        .map_err(failed)?;
    let refused: Vec<String> = elections
        .iter()
        .filter_map(|election| match &election.outcome {
            ElectionOutcome::Refused { name, message } => Some(format!(
                "{}/{}: {name} {}",
                election.topic,
                election.partition,
                message.as_deref().unwrap_or_default()
            )),
            _ => None,
        })
        .collect();
    if !refused.is_empty() {
        return Err(Failure::system(&arguments.function, refused.join("; ")));
    }
    let elected = elections
        .iter()
        .filter(|election| matches!(election.outcome, ElectionOutcome::Elected));
    Ok(elected.count().into())
}

async fn reset_offsets(arguments: Arguments) -> Result<Value, Failure> {
    let wrong = |problem: &str| Failure::experiment(&arguments.function, problem);
    let value = arguments.integer("value");
    let needed = || value.ok_or_else(|| wrong("`to` needs a `value`"));
    let to = match arguments.text("to") {
        "earliest" => OffsetReset::Earliest,
        "latest" => OffsetReset::Latest,
        "offset" => OffsetReset::To(needed()?),
        "shift-by" => OffsetReset::ShiftBy(needed()?),
        "timestamp" => OffsetReset::Timestamp(needed()?),
        _ => {
            return Err(wrong(
                "`to` has to be `earliest`, `latest`, `offset`, `shift-by` or `timestamp`",
            ));
        }
    };
    let partition = arguments.integer("partition");
    let partition = partition
        .map(|id| partition_id(&arguments, id))
        .transpose()?
        .map(|partition| [partition]);
    let (group, topic) = (arguments.text("group_id"), arguments.text("topic"));
    let before = cluster(&arguments, CLIENT_ID)?
        .reset_offsets(group, topic, partition.as_ref().map(|p| &p[..]), to)
        .await
        .map_err(|error| Failure::kafka(&arguments.function, &error))?;
    Ok(json!(before))
}

/// A configuration's value as Kafka has it: text.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
