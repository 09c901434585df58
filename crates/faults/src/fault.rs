//! The fault contract.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shaketable_experiment::{FaultDeclaration, Value};
use shaketable_testbed::{Home, SystemClient, SystemStatus, TestbedError};

use crate::undo::UndoRecord;

/// A boxed future, so that faults can be listed in one table.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A kind of fault. The target was resolved before, and is in the record with everything else.
///
/// All four verbs are idempotent. `confirm` and `is_recovered` look once and do not wait; waiting,
/// with a bound, is [`crate::injection`]'s.
pub trait Fault: Send + Sync {
    /// Its name, parameters and possible targets.
    fn declaration(&self) -> FaultDeclaration;

    /// What it does to the resolved target, in a sentence.
    fn describe(&self, record: &UndoRecord) -> String;

    /// How it is undone, and by what that is seen, in a sentence.
    fn undoing(&self) -> &'static str;

    /// Checks parameters beyond their types. The error is a plain sentence.
    fn check(&self, _parameters: &Parameters) -> Result<(), String> {
        Ok(())
    }

    /// After which time it is to be recovered, when the experiment gives one.
    fn lasts(&self, parameters: &Parameters) -> Option<Duration>;

    /// Breaks it.
    fn apply<'a>(
        &'a self,
        record: &'a UndoRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<(), FaultError>>;

    /// Whether the effect can be seen now.
    fn confirm<'a>(
        &'a self,
        record: &'a UndoRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Observed>;

    /// Undoes it.
    fn recover<'a>(
        &'a self,
        record: &'a UndoRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<(), FaultError>>;

    /// Whether nothing of it can be seen any more.
    fn is_recovered<'a>(
        &'a self,
        record: &'a UndoRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Observed>;
}

/// What was observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "observed", content = "detail", rename_all = "kebab-case")]
pub enum Observed {
    /// It is so; the text says what was seen.
    Yes(String),
    /// It is not so.
    No(String),
    /// It could not be seen.
    Unknown(String),
}

impl Observed {
    /// Whether it was seen to be so.
    pub fn is_yes(&self) -> bool {
        matches!(self, Observed::Yes(_))
    }

    /// What was seen, or why not.
    pub fn detail(&self) -> &str {
        match self {
            Observed::Yes(detail) | Observed::No(detail) | Observed::Unknown(detail) => detail,
        }
    }
}

/// The parameters of one use of a fault, as they are written to the undo record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parameters(BTreeMap<String, serde_json::Value>);

impl Parameters {
    /// Takes the parameters of a plan; durations become seconds.
    pub fn of(values: &BTreeMap<String, Value>) -> Parameters {
        Parameters(
            values
                .iter()
                .map(|(name, value)| {
                    let value = match value {
                        Value::Text(text) => text.clone().into(),
                        Value::Integer(n) => (*n).into(),
                        Value::Number(n) => (*n).into(),
                        Value::Bool(b) => (*b).into(),
                        Value::Duration(duration) => duration.as_secs_f64().into(),
                        Value::Map(texts) => texts
                            .iter()
                            .map(|(name, text)| (name.clone(), text.clone().into()))
                            .collect::<serde_json::Map<_, _>>()
                            .into(),
                    };
                    (name.clone(), value)
                })
                .collect(),
        )
    }

    /// The names of those that were given.
    pub fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// A duration, if it was given.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        Duration::try_from_secs_f64(self.0.get(name)?.as_f64()?).ok()
    }

    /// Texts by name; empty if none were given.
    pub fn map(&self, name: &str) -> BTreeMap<String, String> {
        let entries = self.0.get(name).and_then(serde_json::Value::as_object);
        entries
            .into_iter()
            .flatten()
            .filter_map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned())))
            .collect()
    }

    /// The names in a map of texts.
    pub fn names_in(&self, name: &str) -> Vec<String> {
        self.map(name).into_keys().collect()
    }

    /// A text, if it was given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }
}

/// Why a fault could not be applied or undone.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// No target of that description exists now.
    #[error("target `{target}` cannot be found: {reason}")]
    Target {
        /// The target as the experiment names it.
        target: String,
        /// Why.
        reason: String,
    },
    /// The testbed refused or did not answer.
    #[error(transparent)]
    Testbed(#[from] TestbedError),
    /// Another fault is in place there.
    #[error(
        "{instance} has the fault `{other}` already ({id}); two at a time would undo each other: wait until it has ended"
    )]
    Overlap {
        /// The instance.
        instance: String,
        /// The other fault.
        other: String,
        /// Its record.
        id: String,
    },
    /// It would change nothing.
    #[error("{instance}: {reason}")]
    Pointless {
        /// The instance.
        instance: String,
        /// Why.
        reason: String,
    },
    /// A database refused or did not answer.
    #[error("{database}: {reason}")]
    Database {
        /// Which one, without secrets.
        database: String,
        /// Why.
        reason: String,
    },
    /// The undo record could not be written or removed.
    #[error("undo record {path}: {source}")]
    Record {
        /// The record's file or folder.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A process that is to be ended runs on.
    #[error("process {pid} of {instance} has not ended within {} s, so it cannot be started anew", waited.as_secs())]
    StillRuns {
        /// The instance.
        instance: String,
        /// Its process.
        pid: i32,
        /// How long was waited.
        waited: Duration,
    },
    /// The record names a fault that this version does not have.
    #[error(
        "fault `{0}` is unknown to this version of shaketable; the version that applied it can recover it"
    )]
    UnknownFault(String),
}

/// What faults reach the world through.
#[derive(Clone, Debug)]
pub struct Context {
    home: Home,
}

impl Context {
    /// The world of one home folder.
    pub fn new(home: Home) -> Context {
        Context { home }
    }

    /// The home folder.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// A client of the system a record speaks of.
    pub fn client(&self, system: &str) -> SystemClient {
        SystemClient::new(system, self.home.system(system))
    }

    /// The status of the very system a record speaks of: `None` when that has gone, with its
    /// supervisor, whatever runs under its name now.
    pub async fn status_of(
        &self,
        record: &UndoRecord,
    ) -> Result<Option<SystemStatus>, TestbedError> {
        if !record.hit.supervisor.is_alive() {
            return Ok(None);
        }
        match self.client(&record.hit.system).status().await {
            Ok(status) if status.supervisor == record.hit.supervisor => Ok(Some(status)),
            Ok(_) => Ok(None),
            // It may have ended between the two looks.
            Err(_) if !record.hit.supervisor.is_alive() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
