//! What can go wrong in a call to a Kafka cluster, and whose fault it is.

use std::time::Duration;

use kafka_protocol::ResponseError;

/// The result of a call to a Kafka cluster.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call to a Kafka cluster failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No bootstrap server could be talked to.
    #[error("no kafka broker answered at {}: {reason}; check that the brokers run and that the addresses are right", addresses.join(", "))]
    Unreachable {
        /// Every address that was tried, as `host:port`.
        addresses: Vec<String>,
        /// What happened at each address.
        reason: String,
    },
    /// The cluster answers, but the one broker that had to be asked does not.
    #[error(
        "{role} (node {node} at {address}) cannot be reached: {reason}; kafka still names it, so it failed just now or cannot be reached from here"
    )]
    NodeUnreachable {
        /// Why this broker and no other: `leader of orders/0`, `coordinator of group updater`.
        role: String,
        /// The broker's node id.
        node: i32,
        /// Its advertised address, as `host:port`.
        address: String,
        /// What the network said.
        reason: String,
    },
    /// Brokers accepted connections but did not answer in time.
    #[error(
        "{call} was not answered within {limit:?} ({reason}); a broker is paused, overloaded or cut off"
    )]
    Timeout {
        /// The protocol's name of the call, such as `Metadata`.
        call: String,
        /// The bound that was exceeded.
        limit: Duration,
        /// What happened at each address.
        reason: String,
    },
    /// A change was sent, but its answer never came: it may or may not have been carried out.
    #[error(
        "{call} was sent to {address} but not answered: {reason}; it may have been carried out: look at the cluster before trying again"
    )]
    OutcomeUnknown {
        /// The protocol's name of the call, such as `CreateTopics`.
        call: String,
        /// The broker it was sent to, as `host:port`.
        address: String,
        /// What the network said.
        reason: String,
    },
    /// The broker refused.
    #[error("{call} of {subject} was refused: {name}{}", message.as_ref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Api {
        /// The protocol's name of the call, such as `CreateTopics`.
        call: String,
        /// What the call was about: a topic, a partition, a group.
        subject: String,
        /// Kafka's error code.
        code: i16,
        /// Kafka's name of that code, such as `TopicAlreadyExists`.
        name: String,
        /// The broker's own explanation, if it gave one.
        message: Option<String>,
    },
    /// The partition is offline: it has no leader.
    #[error(
        "{topic}/{partition} has no leader (replicas {replicas:?}, in sync {isr:?}); it is offline until one of its in-sync replicas returns"
    )]
    NoLeader {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The brokers that hold the partition.
        replicas: Vec<i32>,
        /// The replicas last known in sync; only these may become leader.
        isr: Vec<i32>,
    },
    /// The metadata quorum has no leader: there is no active controller.
    #[error(
        "the metadata quorum has no leader (epoch {epoch}); a majority of the controllers is needed to elect one"
    )]
    NoController {
        /// The epoch in which no leader was known.
        epoch: i32,
    },
    /// The topic does not exist, as far as the broker asked knows.
    #[error("topic {topic} does not exist; create it, or check its name")]
    UnknownTopic {
        /// The topic.
        topic: String,
    },
    /// The topic exists, the partition does not.
    #[error(
        "{topic}/{partition} does not exist: the topic has {partitions} partitions, counted from 0"
    )]
    UnknownPartition {
        /// The topic.
        topic: String,
        /// The partition asked for.
        partition: i32,
        /// How many partitions the topic has.
        partitions: usize,
    },
    /// The peer does not speak the protocol as we know it.
    #[error(
        "{call} with {address} failed in the protocol: {reason}; check that this is a kafka broker's client listener without TLS, kafka 4.0 or newer"
    )]
    Protocol {
        /// The protocol's name of the call, such as `ApiVersions`.
        call: String,
        /// The peer, as `host:port`.
        address: String,
        /// What could not be understood.
        reason: String,
    },
}

impl Error {
    /// Whether the same call may succeed a moment later, once leaders, coordinators or controllers have settled.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NodeUnreachable { .. } | Self::NoController { .. } => true,
            Self::Api { code, .. } => {
                ResponseError::try_from_code(*code).is_some_and(|error| error.is_retriable())
            }
            _ => false,
        }
    }

    /// `Ok` for code 0, else [`Error::Api`]; a call about a topic that does not exist becomes [`Error::UnknownTopic`].
    pub(crate) fn check(call: &str, subject: &str, code: i16, message: Option<&str>) -> Result<()> {
        match ResponseError::try_from_code(code) {
            None => Ok(()),
            Some(error) => Err(Self::Api {
                call: call.to_owned(),
                subject: subject.to_owned(),
                code,
                name: error.to_string(),
                message: message.map(str::to_owned).filter(|text| !text.is_empty()),
            }),
        }
    }

    /// Like [`Error::check`] for a call whose subject is a topic: a missing one is [`Error::UnknownTopic`].
    pub(crate) fn check_topic(
        call: &str,
        topic: &str,
        code: i16,
        message: Option<&str>,
    ) -> Result<()> {
        if code == ResponseError::UnknownTopicOrPartition.code() {
            return Err(Self::UnknownTopic {
                topic: topic.to_owned(),
            });
        }
        Self::check(call, topic, code, message)
    }
}

/// The name of a Kafka error code, or nothing for code 0.
pub(crate) fn code_name(code: i16) -> Option<String> {
    ResponseError::try_from_code(code).map(|error| error.to_string())
}
