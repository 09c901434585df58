//! The facts: what was recorded about a run, before anybody judged it.
//!
//! The load generator writes the attempts, the readers of logs and stores write the sightings.
//! All times are microseconds since the run began, on one monotonic clock, so that no verdict
//! depends on the wall clock of a machine that was broken on purpose. Facts are written to disk
//! and can be balanced again later; the result is the same to the last integer.

use serde::{Deserialize, Serialize};

/// Everything that was recorded about one run. [`Ledger::balance`](crate::Ledger::balance) judges it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Every attempt of the load, in any order; their sequence numbers are dense from 0.
    pub attempts: Vec<Attempt>,
    /// What every stage showed, in the order in which a message passes them.
    pub stages: Vec<StageReading>,
    /// When the drain ended, in µs: what has not settled by then counts as stuck.
    pub deadline_us: u64,
}

/// One message that the load offered to the system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Sequence number: dense, from 0, given before the attempt was made.
    pub seq: u64,
    /// When it was due by the arrival schedule, in µs.
    pub intended_us: u64,
    /// When it was really sent, in µs.
    pub started_us: u64,
    /// When its outcome became known, in µs; `None` if that never happened.
    pub ended_us: Option<u64>,
    /// What the sender may conclude from what it saw.
    pub outcome: Outcome,
    /// The protocol's status code, where one was received (HTTP: 200).
    pub status: Option<u16>,
}

/// What the sender knows about an attempt: exactly one of three.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The system said yes, and named the message.
    Acknowledged {
        /// The name under which the message is looked for at every stage.
        identity: String,
    },
    /// The system certainly did not do it. Which errors prove that is a whitelist of the driver.
    Failed {
        /// What happened, for the report.
        reason: String,
    },
    /// Anything else: it may have been done, or not.
    Indeterminate {
        /// What happened, for the report.
        reason: String,
    },
}

impl Outcome {
    /// The identity of an acknowledged attempt.
    pub fn identity(&self) -> Option<&str> {
        match self {
            Outcome::Acknowledged { identity } => Some(identity),
            Outcome::Failed { .. } | Outcome::Indeterminate { .. } => None,
        }
    }
}

/// What being seen at a stage says about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageRole {
    /// It was on its way here (a topic, a queue, a pending row).
    Trace,
    /// It has arrived: the promise is kept.
    Settled,
    /// It has ended where it should not have (reversed, expired, dead-lettered).
    Unwanted,
}

/// A place where messages can be looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageSpec {
    /// The stage's name, as the experiment and the report spell it; unique within the facts.
    pub name: String,
    /// What being seen here means.
    pub role: StageRole,
    /// How long after its intended time a message may settle here, in µs.
    /// Only stages with the role [`StageRole::Settled`] are judged by it.
    pub within_us: Option<u64>,
}

/// What a stage showed after the load had stopped and the drain had ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageReading {
    /// Which stage was read.
    pub spec: StageSpec,
    /// Everything that was seen, also what nobody had sent; two sightings of one identity mean
    /// that it is there twice.
    pub sightings: Vec<Sighting>,
    /// Why there may be more than `sightings` tells; `None` if it was read to its end.
    pub incomplete: Option<String>,
    /// Identities that were here before the load began: they are not this run's doing.
    pub baseline: Vec<String>,
}

/// One record, row or document that carries an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Which message it is.
    pub identity: String,
    /// When it was first seen, in µs: an upper bound of when it got there.
    /// `None` if only the final reading saw it.
    pub at_us: Option<u64>,
    /// Where exactly: `poke-orders/0@123`, `state=success`.
    pub place: String,
    /// The partition, where the stage is a topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
}
