//! The actions: what is done to topics, groups and records.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use shaketable_kafka::Error;
use shaketable_kafka::consume::{self, TAKE_TIMEOUT, Taken};
use shaketable_kafka::produce::{self, Outgoing, PRODUCE_TIMEOUT};
use shaketable_kafka::truth::Record;

use super::{
    BOOTSTRAP_SERVERS, CLIENT_ID, CLIENT_PROPERTIES, GROUP_ID, TOPIC, cluster, partition_id,
};
use crate::arguments::{Argument, ArgumentKind, Arguments};
use crate::failure::Failure;
use crate::function::{Function, How, Kind};

const MODULE: &str = "chaoskafka.actions";

/// The bound of a rebalance: the members have to notice and to join again.
const REBALANCE_TIMEOUT: Duration = Duration::from_secs(60);

/// How many messages one call takes; more than any experiment names, and no burden on memory.
const NUM_MESSAGES_MAX: i64 = 100_000;

/// The partition of a message that may go to any.
const ANY_PARTITION: i64 = -1;

/// Topics that Kafka keeps its own state in begin with this.
const INTERNAL_PREFIX: &str = "__";

pub(crate) const DELETE_KAFKA_TOPIC: Function = Function {
    module: MODULE,
    name: "delete_kafka_topic",
    kind: Kind::Action,
    doc: "Deletes a topic with all of its records; returns true.",
    arguments: &[BOOTSTRAP_SERVERS, TOPIC, CLIENT_PROPERTIES],
    how: How::Native(|arguments| Box::pin(delete_kafka_topic(arguments))),
};

pub(crate) const REBALANCE_CONSUMER_GROUP: Function = Function {
    module: MODULE,
    name: "rebalance_consumer_group",
    kind: Kind::Action,
    doc: "Makes a group with members rebalance; returns true when it has, and is stable again.",
    arguments: &[BOOTSTRAP_SERVERS, TOPIC, GROUP_ID, CLIENT_PROPERTIES],
    how: How::Native(|arguments| Box::pin(rebalance_consumer_group(arguments))),
};

pub(crate) const DELETE_CONSUMER_GROUP: Function = Function {
    module: MODULE,
    name: "delete_consumer_group",
    kind: Kind::Action,
    doc: "Deletes a group without members, and its offsets; returns true.",
    arguments: &[BOOTSTRAP_SERVERS, GROUP_ID, CLIENT_PROPERTIES],
    how: How::Native(|arguments| Box::pin(delete_consumer_group(arguments))),
};

pub(crate) const PRODUCE_MESSAGES: Function = Function {
    module: MODULE,
    name: "produce_messages",
    kind: Kind::Action,
    doc: "Writes messages to one partition of a topic; returns topic, partition and offset of each.",
    arguments: &[
        BOOTSTRAP_SERVERS,
        Argument::optional(
            "client_id",
            ArgumentKind::Text,
            "\"chaostoolkit\"",
            "what the producer calls itself",
        ),
        TOPIC,
        Argument::optional(
            "messages",
            ArgumentKind::List,
            "[]",
            "the values, as texts; beyond the extension, null is a tombstone, and a mapping has `key`, `value` and \
             `headers`",
        ),
        Argument::optional(
            "partition",
            ArgumentKind::Integer,
            "0",
            "the id of the partition; -1 leaves it to the producer",
        ),
        CLIENT_PROPERTIES,
    ],
    how: How::Native(|arguments| Box::pin(produce_messages(arguments))),
};

pub(crate) const CONSUME_MESSAGES: Function = Function {
    module: MODULE,
    name: "consume_messages",
    kind: Kind::Action,
    doc: "Takes named messages out of a group's way: the group reads on behind them and misses no other. Returns \
          partition, offset and value of each.",
    arguments: &[
        BOOTSTRAP_SERVERS,
        Argument::optional(
            "group_id",
            ArgumentKind::Text,
            "\"chaostoolkit\"",
            "the group that is to pass the messages",
        ),
        TOPIC,
        Argument::optional(
            "partition",
            ArgumentKind::Integer,
            "0",
            "the id of the partition",
        ),
        Argument::optional(
            "offset",
            ArgumentKind::Integer,
            "0",
            "the offset of the first message",
        ),
        Argument::optional(
            "num_messages",
            ArgumentKind::Integer,
            "1",
            "how many messages, in a row",
        ),
        Argument::optional(
            "offsets",
            ArgumentKind::List,
            "null",
            "the offsets of the messages, instead of `offset` and `num_messages`, when they are not in a row; not in \
             the extension",
        ),
        CLIENT_PROPERTIES,
    ],
    how: How::Native(|arguments| Box::pin(consume_messages(arguments))),
};

async fn delete_kafka_topic(arguments: Arguments) -> Result<Value, Failure> {
    let topic = arguments.text("topic");
    if topic.starts_with(INTERNAL_PREFIX) {
        let problem = format!(
            "{topic} is not deleted: kafka keeps its own state in topics that begin with {INTERNAL_PREFIX}; name a \
             topic of the system under test"
        );
        return Err(Failure::experiment(&arguments.function, problem));
    }
    let cluster = cluster(&arguments, CLIENT_ID)?;
    let deleted = cluster.delete_topic(topic).await;
    deleted.map_err(|error| Failure::kafka(&arguments.function, &error))?;
    Ok(true.into())
}

async fn rebalance_consumer_group(arguments: Arguments) -> Result<Value, Failure> {
    let failed = |error: Error| Failure::kafka(&arguments.function, &error);
    let topic = arguments.text("topic");
    let cluster = cluster(&arguments, CLIENT_ID)?;
    let metadata = cluster.metadata(Some(&[topic])).await.map_err(failed)?;
    metadata.topic(topic).map_err(failed)?;
    cluster
        .rebalance(arguments.text("group_id"), REBALANCE_TIMEOUT)
        .await
        .map_err(failed)?;
    Ok(true.into())
}

async fn delete_consumer_group(arguments: Arguments) -> Result<Value, Failure> {
    let cluster = cluster(&arguments, CLIENT_ID)?;
    let deleted = cluster.delete_group(arguments.text("group_id")).await;
    deleted.map_err(|error| Failure::kafka(&arguments.function, &error))?;
    Ok(true.into())
}

async fn produce_messages(arguments: Arguments) -> Result<Value, Failure> {
    let topic = arguments.text("topic");
    let partition = arguments
        .integer("partition")
        .filter(|id| *id != ANY_PARTITION);
    let partition = partition
        .map(|id| partition_id(&arguments, id))
        .transpose()?;
    let mut messages = Vec::new();
    let given = arguments.list("messages").unwrap_or_default();
    for (index, message) in given.iter().enumerate() {
        let message = outgoing(message, topic, partition).ok_or_else(|| {
            let problem = format!(
                "`messages[{index}]` must be text, null for a tombstone, or a mapping of `key`, `value` (texts or null) \
                 and `headers` (a mapping of texts)"
            );
            Failure::experiment(&arguments.function, problem)
        })?;
        messages.push(message);
    }
    let cluster = cluster(&arguments, arguments.text("client_id"))?;
    let outcomes = produce::produce(&cluster, messages, PRODUCE_TIMEOUT)
        .await
        .map_err(|error| Failure::kafka(&arguments.function, &error))?;
    let mut written = Vec::new();
    let mut failed = Vec::new();
    for (index, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Ok(place) => written.push(
                json!({ "topic": topic, "partition": place.partition, "offset": place.offset }),
            ),
            Err(error) => failed.push(format!("`messages[{index}]`: {error}")),
        }
    }
    if failed.is_empty() {
        return Ok(written.into());
    }
    let places: Vec<String> = written
        .iter()
        .map(|place| format!("{topic}/{} at {}", place["partition"], place["offset"]))
        .collect();
    let written = if places.is_empty() {
        "no other was written".to_owned()
    } else {
        format!("others were written and stay: {}", places.join(", "))
    };
    Err(Failure::system(
        &arguments.function,
        format!("{}; {written}", failed.join("; ")),
    ))
}

/// A message to produce, from how an experiment writes it.
fn outgoing(message: &Value, topic: &str, partition: Option<i32>) -> Option<Outgoing> {
    let mut outgoing = Outgoing {
        topic: topic.to_owned(),
        partition,
        ..Outgoing::default()
    };
    let Value::Object(parts) = message else {
        outgoing.value = bytes(message)?;
        return Some(outgoing);
    };
    for (part, value) in parts {
        match (part.as_str(), value) {
            ("key", value) => outgoing.key = bytes(value)?,
            ("value", value) => outgoing.value = bytes(value)?,
            ("headers", Value::Object(headers)) => {
                for (name, value) in headers {
                    outgoing.headers.push((name.clone(), bytes(value)?));
                }
            }
            _ => return None,
        }
    }
    Some(outgoing)
}

/// The bytes of a text, or of nothing.
fn bytes(value: &Value) -> Option<Option<Vec<u8>>> {
    match value {
        Value::Null => Some(None),
        Value::String(text) => Some(Some(text.clone().into_bytes())),
        _ => None,
    }
}

async fn consume_messages(arguments: Arguments) -> Result<Value, Failure> {
    let partition = arguments.integer("partition").unwrap_or_default();
    let partition = partition_id(&arguments, partition)?;
    let offsets =
        named(&arguments).map_err(|problem| Failure::experiment(&arguments.function, problem))?;
    let (group, topic) = (arguments.text("group_id"), arguments.text("topic"));
    let cluster = cluster(&arguments, CLIENT_ID)?;
    let taken = consume::take(&cluster, group, topic, partition, &offsets, TAKE_TIMEOUT)
        .await
        .map_err(|error| Failure::kafka(&arguments.function, &error))?;
    match shortfall(&taken, &offsets) {
        None => Ok(taken.records.iter().map(message).collect()),
        Some(problem) => Err(Failure::system(
            &arguments.function,
            format!("{topic}/{partition}, group {group}: {problem}"),
        )),
    }
}

/// The offsets to take.
fn named(arguments: &Arguments) -> Result<BTreeSet<i64>, String> {
    if let Some(offsets) = arguments.list("offsets") {
        let offsets = offsets
            .iter()
            .map(|offset| offset.as_i64().filter(|offset| *offset >= 0));
        return offsets
            .collect::<Option<BTreeSet<i64>>>()
            .filter(|offsets| !offsets.is_empty())
            .ok_or_else(|| {
                "`offsets` must name at least one offset; they are counted from 0".to_owned()
            });
    }
    let first = arguments.integer("offset").unwrap_or_default();
    let count = arguments.integer("num_messages").unwrap_or_default();
    if first < 0 {
        return Err(format!("`offset` is {first}; offsets are counted from 0"));
    }
    if !(1..=NUM_MESSAGES_MAX).contains(&count) {
        return Err(format!(
            "`num_messages` is {count}; it must be from 1 to {NUM_MESSAGES_MAX}"
        ));
    }
    Ok((first..first.saturating_add(count)).collect())
}

/// What was not done; nothing when the group is past every message and each was read.
fn shortfall(taken: &Taken, named: &BTreeSet<i64>) -> Option<String> {
    if !taken.waiting.is_empty() {
        let at = taken.committed.map_or_else(
            || "has committed nothing".to_owned(),
            |offset| format!("has committed {offset}"),
        );
        return Some(format!(
            "not next in line within {} s, so nothing was done about {}: {}; the group {at}: wait until it comes to \
             them, or see why it does not read",
            TAKE_TIMEOUT.as_secs(),
            plural(taken.waiting.len(), "message"),
            listed(&taken.waiting),
        ));
    }
    let read: BTreeSet<i64> = taken.records.iter().map(|record| record.offset).collect();
    let missing: BTreeSet<i64> = named.difference(&read).copied().collect();
    (!missing.is_empty()).then(|| {
        format!(
            "there is no record at {}: {}; they were compacted away, expired, or are marks of a transaction",
            plural(missing.len(), "offset"),
            listed(&missing)
        )
    })
}

fn plural(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// Offsets for a message: the first few, and whether there are more.
fn listed(offsets: &BTreeSet<i64>) -> String {
    const SHOWN_MAX: usize = 10;
    let mut shown: Vec<String> = offsets.iter().take(SHOWN_MAX).map(i64::to_string).collect();
    if offsets.len() > SHOWN_MAX {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

/// A message as the extension returns it; what is not text is in `value_bytes` too, so that nothing of it is lost.
fn message(record: &Record) -> Value {
    let mut message = json!({ "partition": record.partition, "offset": record.offset });
    let value = record.value.as_deref();
    message["value"] = value.map(String::from_utf8_lossy).into();
    if let Some(bytes) = value
        && std::str::from_utf8(bytes).is_err()
    {
        message["value_bytes"] = bytes.into();
    }
    message
}
