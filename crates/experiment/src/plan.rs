//! The plan: an experiment as it will be carried out.

mod activity;
mod control;
mod provider;
mod value_source;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use shaketable_document::Span;
use shaketable_ledger::StageRole;

pub use activity::{
    ASK_INTERVAL_DEFAULT, Activity, ActivityKind, Hypothesis, LateValue, RETRY_INTERVAL_DEFAULT,
    Retries, Safeguard, Setter, Tolerance, Until,
};
pub use control::{Control, ControlScope};
pub use provider::{
    FaultCall, FunctionCall, HttpBody, HttpCall, HttpRequest, ProcessArguments, ProcessCall,
    Provider, PythonCall, Target, Value,
};
pub use value_source::{ConfigurationSource, Found, SecretGroup, ValueSource, Values};

use crate::draft::Draft;

/// How long the workload runs before the hypothesis is first asked, unless the document says.
pub const WARM_UP_DEFAULT: Duration = Duration::from_secs(5);
/// How long the system may take to become steady, unless the document says.
pub const STEADY_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// How long work in flight may take after the load has stopped, unless the document says.
pub const DRAIN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
/// Timeout of a workload's requests, unless the document says.
pub const WORKLOAD_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// Timeout of an HTTP activity, unless the document says.
pub const HTTP_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// Timeout of a query of a `postgres` activity, unless the document says.
pub const POSTGRES_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
/// From one question to the next of a continuous hypothesis, unless the document says; the Chaos
/// Toolkit's default.
pub const FREQUENCY_DEFAULT: Duration = Duration::from_secs(1);
/// Timeout of a process activity, unless the document says.
pub const PROCESS_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// Timeout of a function in Python, unless the document says.
pub const PYTHON_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10 * 60);
/// Most requests of a workload that are unanswered at once, unless the document says.
pub const MAX_IN_FLIGHT_DEFAULT: usize = 5000;

/// A whole experiment.
///
/// Values that are found out only when the experiment is run are not in it yet: it
/// [waits](Experiment::waits) for its `sources` and `secrets`, and [`Experiment::with`] is the plan
/// with them. Until then a text holds their `${name}` as it was written, and what else such a text
/// stands for is left at its default.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// What it shows, in a line.
    pub title: String,
    /// What is done and what is expected.
    pub description: String,
    /// Free labels.
    pub tags: Vec<String>,
    /// The system it is about, if the experiment names one.
    pub system: Option<SystemRef>,
    /// The running system it is about instead, if the experiment names one.
    pub endpoints: Option<Endpoints>,
    /// The configuration as far as it is known.
    pub configuration: BTreeMap<String, serde_json::Value>,
    /// The configuration that has to be found out before the run, in the document's order.
    pub sources: Vec<ConfigurationSource>,
    /// The secrets, none of them found out yet, in the document's order.
    pub secrets: Vec<SecretGroup>,
    /// The load.
    pub workload: Option<Workload>,
    /// How every message is accounted for.
    pub ledger: Option<LedgerPlan>,
    /// What has to hold.
    pub hypothesis: Option<Hypothesis>,
    /// When the hypothesis is asked.
    pub strategy: HypothesisStrategy,
    /// From one question to the next while the method is carried out.
    pub frequency: Duration,
    /// What is done, in order.
    pub method: Vec<Activity>,
    /// What is done at the end, in order.
    pub rollbacks: Vec<Activity>,
    /// When the rollbacks are carried out.
    pub rollback_strategy: RollbackStrategy,
    /// What is watched all the time; a breach aborts.
    pub safeguards: Vec<Safeguard>,
    /// Controls around the experiment, and around every part that inherits them.
    pub controls: Vec<Control>,
    /// The Python that modules of extensions are run with.
    pub python: PythonRuntime,
    /// What is not really done, unless the command line says something else.
    pub dry: Option<Dry>,
    /// Data of other tools, each with a `name`; means nothing here.
    pub extensions: Vec<serde_json::Value>,
    /// What the experiment contributes to, and how much.
    pub contributions: BTreeMap<String, Contribution>,
    /// How long the workload runs before the hypothesis is first asked.
    pub warm_up: Duration,
    /// How long the system may take to become steady.
    pub steady_timeout: Duration,
    /// How long work in flight may take after the load has stopped.
    pub drain_timeout: Duration,
    /// The document as it was written, with overrides and references carried out, but no variable
    /// filled in. Secrets that stand in it literally are there.
    pub source: serde_json::Value,
    /// What the plan was read from.
    pub(crate) draft: Draft,
}

/// When the hypothesis is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HypothesisStrategy {
    /// Before the method and after it.
    #[default]
    Default,
    /// Before the method only.
    BeforeMethodOnly,
    /// After the method only.
    AfterMethodOnly,
    /// While the method is carried out only.
    DuringMethodOnly,
    /// Before, after, and all the time in between.
    Continuously,
    /// Never.
    Skip,
}

impl HypothesisStrategy {
    /// Its names in documents, in the order of the cases.
    pub const NAMES: [&'static str; 6] = [
        "default",
        "before-method-only",
        "after-method-only",
        "during-method-only",
        "continuously",
        "skip",
    ];

    /// Whether the hypothesis is asked before the method.
    pub fn before(self) -> bool {
        matches!(
            self,
            Self::Default | Self::BeforeMethodOnly | Self::Continuously
        )
    }

    /// Whether the hypothesis is asked while the method is carried out.
    pub fn during(self) -> bool {
        matches!(self, Self::DuringMethodOnly | Self::Continuously)
    }

    /// Whether the hypothesis is asked after the method.
    pub fn after(self) -> bool {
        matches!(
            self,
            Self::Default | Self::AfterMethodOnly | Self::Continuously
        )
    }
}

impl FromStr for HypothesisStrategy {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "default" => Ok(Self::Default),
            "before-method-only" => Ok(Self::BeforeMethodOnly),
            "after-method-only" => Ok(Self::AfterMethodOnly),
            "during-method-only" => Ok(Self::DuringMethodOnly),
            // The Chaos Toolkit takes the second spelling, too.
            "continuously" | "continously" => Ok(Self::Continuously),
            "skip" => Ok(Self::Skip),
            _ => Err(UnknownName::new(name, &Self::NAMES)),
        }
    }
}

/// When the rollbacks are carried out. Faults are healed in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RollbackStrategy {
    /// However the run ended, also early.
    #[default]
    Default,
    /// The same, in the Chaos Toolkit's words.
    Always,
    /// Never.
    Never,
    /// Only when the hypothesis was seen not to hold.
    Deviated,
}

impl RollbackStrategy {
    /// Its names in documents, in the order of the cases.
    pub const NAMES: [&'static str; 4] = ["default", "always", "never", "deviated"];
}

impl FromStr for RollbackStrategy {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "default" => Ok(Self::Default),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            "deviated" => Ok(Self::Deviated),
            _ => Err(UnknownName::new(name, &Self::NAMES)),
        }
    }
}

/// What of an experiment is not really done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dry {
    /// Probes are not asked.
    Probes,
    /// Actions are not carried out.
    Actions,
    /// Neither probes nor actions.
    Activities,
    /// Pauses are not waited for.
    Pause,
}

impl Dry {
    /// Its names in documents, in the order of the cases.
    pub const NAMES: [&'static str; 4] = ["probes", "actions", "activities", "pause"];

    /// Whether an activity of that kind is left out.
    pub fn leaves_out(self, kind: ActivityKind) -> bool {
        match self {
            Self::Probes => kind == ActivityKind::Probe,
            Self::Actions => kind == ActivityKind::Action,
            Self::Activities => true,
            Self::Pause => false,
        }
    }
}

impl FromStr for Dry {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "probes" => Ok(Self::Probes),
            "actions" => Ok(Self::Actions),
            "activities" => Ok(Self::Activities),
            "pause" => Ok(Self::Pause),
            _ => Err(UnknownName::new(name, &Self::NAMES)),
        }
    }
}

/// A name that is none of those that exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is none of {known}")]
pub struct UnknownName {
    name: String,
    known: String,
}

impl UnknownName {
    fn new(name: &str, known: &[&str]) -> UnknownName {
        UnknownName {
            name: name.to_owned(),
            known: known.join(", "),
        }
    }
}

/// How much an experiment contributes to something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contribution {
    /// Much.
    High,
    /// Some.
    Medium,
    /// Little.
    Low,
    /// Nothing.
    None,
}

/// The Python that modules of extensions are run with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PythonRuntime {
    /// The interpreter; what the environment offers if none is given.
    pub interpreter: Option<String>,
    /// Packages that have to be there, as requirements; `uv` provides them.
    pub dependencies: Vec<String>,
    /// Whether only these packages are to be seen.
    pub isolated: bool,
    /// The version of Python that is wanted; `uv` provides it.
    pub version: Option<String>,
}

/// The system an experiment is about.
#[derive(Debug, Clone, PartialEq)]
pub struct SystemRef {
    /// Its Compose file, relative to the experiment's folder.
    pub path: String,
    /// Where the document says so.
    pub at: Span,
}

/// A running system that is used as it is: nothing of it is started, stopped or owned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Kafka's bootstrap servers, `host:port` with commas; empty when there is no Kafka.
    pub bootstrap_servers: String,
    /// Kafka client properties, such as `security.protocol`.
    pub client_properties: BTreeMap<String, String>,
    /// Where service names of the experiment lead: a host, or `host:port`.
    pub services: BTreeMap<String, String>,
    /// Where the document says so.
    pub at: Span,
}

/// A load: requests at a rate, each with an identity.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// What it is called.
    pub name: String,
    /// The request that is sent.
    pub http: HttpRequest,
    /// Requests per second.
    pub rate: f64,
    /// How long one request may take.
    pub timeout: Duration,
    /// Where the acknowledged identity is in the response: a JSONPath.
    pub identity: String,
    /// Most requests that are unanswered at once.
    pub max_in_flight: usize,
    /// Where the document says so.
    pub at: Span,
}

/// How every message is accounted for.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerPlan {
    /// The workload whose acknowledgements are accounted for.
    pub acknowledged: String,
    /// Where messages are looked for afterwards; at least one of them is settled.
    pub stages: Vec<Stage>,
}

/// One place where messages are looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// What it is called; unique.
    pub name: String,
    /// Where its records are read.
    pub source: StageSource,
    /// What it means to be found there.
    pub role: StageRole,
    /// How long after it was due to be sent a message may take to settle; for settled stages only.
    pub within: Option<Duration>,
    /// Where the document says so.
    pub at: Span,
}

/// Where a stage's records are read.
#[derive(Debug, Clone, PartialEq)]
pub enum StageSource {
    /// All records of a topic.
    Kafka {
        /// The topic.
        topic: String,
        /// Where the identity is in a record's value: a JSONPath.
        identity: String,
    },
    /// The rows of a query: the first column is the identity, a second one the value.
    Postgres {
        /// The database, as a connection URL.
        url: String,
        /// The query.
        query: String,
    },
}
