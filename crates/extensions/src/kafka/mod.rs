//! Kafka's control plane for experiments: the functions of the `kafka` provider.
//!
//! They answer with numbers and maps rather than with yes or no, so that a tolerance decides and the journal shows
//! how far off it was. Without `bootstrap_servers` they are about the cluster of the system under test.

pub(crate) mod actions;
pub(crate) mod probes;

use crate::arguments::{Argument, ArgumentKind};

/// The module that the `kafka` provider stands for.
pub(crate) const MODULE: &str = "shaketable.kafka";

/// What brokers and their logs call us.
const CLIENT_ID: &str = "shaketable";

const TOPIC: Argument = Argument::required("topic", ArgumentKind::Text, "the topic");

const ANY_TOPIC: Argument = Argument::optional(
    "topic",
    ArgumentKind::Text,
    "null",
    "the topic; all topics when not given",
);

const PARTITION: Argument = Argument::optional(
    "partition",
    ArgumentKind::Integer,
    "null",
    "the id of the partition; all of them when not given",
);

const GROUP_ID: Argument = Argument::required("group_id", ArgumentKind::Text, "the consumer group");
