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
//! What it leaves to others: producing load, consumer groups of the system under test, starting brokers, and the
//! judgement of what was read (that is the ledger's). TLS and SASL are not spoken.
//!
//! Calls that librdkafka lacks go over a plain TCP connection with the `kafka-protocol` codec ([`Cluster`]); records are
//! read with librdkafka ([`truth`]), because accounting should rest on the most mature client there is.

mod cluster;
mod connection;
mod error;
mod group;
pub mod identity;
mod metadata;
mod offsets;
mod quorum;
mod topic;
pub mod truth;

pub use cluster::{ATTEMPT_TIMEOUT, CALL_TIMEOUT, CHANGE_TIMEOUT, CONNECT_TIMEOUT, Cluster};
pub use error::{Error, Result};
pub use group::{Group, Member};
pub use metadata::{Broker, ClusterMetadata, Partition, Topic};
pub use quorum::{Quorum, RegisteredBroker, Voter};
pub use topic::{NewTopic, Reassignment};
