//! What can go wrong in a call to a Kafka cluster, and whose fault it is.

use std::time::Duration;

use kafka_protocol::ResponseError;
use rdkafka::error::KafkaError;

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
        "{call} with {address} failed in the protocol: {reason}; check that this is a kafka broker's client listener, that security.protocol is that listener's, and that the broker is new enough"
    )]
    Protocol {
        /// The protocol's name of the call, such as `ApiVersions`.
        call: String,
        /// The peer, as `host:port`.
        address: String,
        /// What could not be understood.
        reason: String,
    },
    /// A client property is missing, unknown or unusable.
    #[error("client property {key} {reason}")]
    Property {
        /// The property.
        key: String,
        /// What is wrong with it; never its value if that may be a secret.
        reason: String,
    },
    /// The encrypted connection was refused, by us or by the broker.
    #[error(
        "no TLS connection with {address}: {reason}; check that its listener speaks TLS, its certificate, and ssl.ca.location"
    )]
    Tls {
        /// The peer, as `host:port`.
        address: String,
        /// What TLS said.
        reason: String,
    },
    /// The login was refused, by the broker or, when it could not prove itself, by us.
    #[error(
        "login at {address} with {mechanism} failed: {reason}; check sasl.mechanism, user name and password"
    )]
    Authentication {
        /// The peer, as `host:port`.
        address: String,
        /// The SASL mechanism.
        mechanism: String,
        /// What was said.
        reason: String,
    },
    /// There is no such group, of either protocol: it has neither members nor commits.
    #[error("group {group} does not exist; check its name, and whether its consumers ever started")]
    UnknownGroup {
        /// The group.
        group: String,
    },
    /// The group has members, and what was asked can only be done to an empty one.
    #[error(
        "group {group} has members: {}; stop these consumers first", members.join(", ")
    )]
    GroupNotEmpty {
        /// The group.
        group: String,
        /// Its members, each as `client id at host (member id)`.
        members: Vec<String>,
    },
    /// The offset is not in the partition's log.
    #[error(
        "offset {offset} is outside of {topic}/{partition}, whose log reaches from {start} to {end}"
    )]
    OffsetOutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset asked for.
        offset: i64,
        /// The first offset of the log.
        start: i64,
        /// The offset that the next record will get.
        end: i64,
    },
    /// What was waited for did not come about within the bound.
    #[error("{what} was not done within {limit:?}: {state}; it may still be going on")]
    Unfinished {
        /// What was waited for.
        what: String,
        /// The bound.
        limit: Duration,
        /// What was seen last.
        state: String,
    },
    /// A message was handed over, but not acknowledged in time.
    #[error("message for {topic}{} was not acknowledged: {reason}; unless the broker refused it, it may be in the log", partition.map(|number| format!("/{number}")).unwrap_or_default())]
    NotAcknowledged {
        /// The topic.
        topic: String,
        /// The partition, if the message named one.
        partition: Option<i32>,
        /// What librdkafka said.
        reason: String,
    },
    /// librdkafka could not be made or directed.
    #[error("cannot {what}: {reason}; check the client properties")]
    Client {
        /// What it was needed for.
        what: String,
        /// What librdkafka said.
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

/// What librdkafka said. Of a property that it refuses only the name: the value may be a secret.
pub(crate) fn librdkafka(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, description, key, _) => {
            format!("client property {key} is refused: {description}")
        }
        other => other.to_string(),
    }
}

/// The name of a Kafka error code, or nothing for code 0.
pub(crate) fn code_name(code: i16) -> Option<String> {
    ResponseError::try_from_code(code).map(|error| error.to_string())
}
