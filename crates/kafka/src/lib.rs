//! The Kafka control plane: roles, admin calls, offsets, and the reader that says what a log really holds.
//!
//! What it promises:
//! 1. Leaders, coordinators and the controller are asked for through the Kafka protocol, anew in every call;
//!    nothing is cached between calls.
//! 2. Every call ends within a named bound ([`CALL_TIMEOUT`], [`CHANGE_TIMEOUT`], or the bound given to [`truth::read`]),
//!    also when brokers are dead, paused or unreachable.
//! 3. A request that changes something is sent again only when a broker said that it was not carried out because the
//!    controller moved; when its answer is lost, the error is [`Error::OutcomeUnknown`], never a silent second attempt.
//! 4. The truth reader either read every partition up to its target or says which one it did not, how far it came, and why.
//!
//! 5. What changes a cluster has its way back: topics, configurations and commits come as snapshots that restore exactly.
//! 6. Passwords and keys are in no error, no log and no `Debug`.
//!
//! What it leaves to others: producing load, consumer groups of the system under test, starting brokers, and the
//! judgement of what was read (that is the ledger's).
//!
//! Control calls go over our own connection with the `kafka-protocol` codec ([`Cluster`]), because librdkafka lacks many of
//! them; records are read and written with librdkafka ([`truth`], [`produce`]), because accounting should rest on the
//! most mature client there is. Both speak PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL, as the [`Properties`] say.

mod cluster;
mod committed;
mod config;
mod connection;
pub mod consume;
mod election;
mod error;
mod group;
mod health;
pub mod identity;
mod lag;
mod metadata;
mod offsets;
pub mod produce;
mod properties;
mod quorum;
mod reassignment;
mod scram;
mod security;
mod topic;
pub mod truth;

pub use cluster::{ATTEMPT_TIMEOUT, CALL_TIMEOUT, CHANGE_TIMEOUT, CONNECT_TIMEOUT, Cluster};
pub use committed::{Committed, GroupOffsets, OffsetReset};
pub use config::{ConfigResource, ConfigSnapshot};
pub use election::{Election, ElectionKind, ElectionOutcome};
pub use error::{Error, Result};
pub use group::{Group, GroupKind, ListedGroup, Member, Rebalance};
pub use health::UnderMinIsr;
pub use lag::PartitionLag;
pub use metadata::{Broker, ClusterMetadata, Partition, Topic, TopicPartition};
pub use properties::Properties;
pub use quorum::{Quorum, RegisteredBroker, Voter};
pub use reassignment::Reassignment;
pub use topic::NewTopic;
