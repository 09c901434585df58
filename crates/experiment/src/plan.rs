//! The plan: an experiment as it will be carried out.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use shaketable_document::Span;
use shaketable_ledger::{Measure, StageRole};

use crate::Tolerance;

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
/// Most requests of a workload that are unanswered at once, unless the document says.
pub const MAX_IN_FLIGHT_DEFAULT: usize = 5000;

/// A whole experiment.
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
    /// The configuration with environment values filled in.
    pub configuration: BTreeMap<String, serde_json::Value>,
    /// The load.
    pub workload: Option<Workload>,
    /// How every message is accounted for.
    pub ledger: Option<LedgerPlan>,
    /// What has to hold before and after.
    pub hypothesis: Option<Hypothesis>,
    /// From one question to the next while the method is carried out; `None`: it is not asked then.
    pub continuously: Option<Duration>,
    /// What is done, in order.
    pub method: Vec<Activity>,
    /// What is done at the end in any case, in order.
    pub rollbacks: Vec<Activity>,
    /// What is watched all the time; a breach aborts.
    pub safeguards: Vec<Safeguard>,
    /// How long the workload runs before the hypothesis is first asked.
    pub warm_up: Duration,
    /// How long the system may take to become steady.
    pub steady_timeout: Duration,
    /// How long work in flight may take after the load has stopped.
    pub drain_timeout: Duration,
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

/// An HTTP request.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpRequest {
    /// Its method, in capitals.
    pub method: String,
    /// Its address.
    pub url: String,
    /// Additional headers.
    pub headers: BTreeMap<String, String>,
    /// Its body, sent as JSON.
    pub json: Option<serde_json::Value>,
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

/// The steady-state hypothesis.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// What is claimed, in a line.
    pub title: String,
    /// The probes, each with a tolerance.
    pub probes: Vec<Activity>,
}

/// A probe that is asked again and again; when its tolerance does not hold, the run is aborted.
#[derive(Debug, Clone, PartialEq)]
pub struct Safeguard {
    /// The probe, with a tolerance.
    pub activity: Activity,
    /// From one question to the next.
    pub every: Duration,
}

/// One thing that is asked or done.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    /// Whether it asks or acts.
    pub kind: ActivityKind,
    /// What it is called.
    pub name: String,
    /// What carries it out.
    pub provider: Provider,
    /// What its output has to be.
    pub tolerance: Option<Tolerance>,
    /// Modules of the controls that are called after it.
    pub controls: Vec<String>,
    /// Pause before it.
    pub pauses_before: Duration,
    /// Pause after it.
    pub pauses_after: Duration,
    /// Where the document says so.
    pub at: Span,
}

/// Whether an activity asks or acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivityKind {
    /// It observes the system.
    Probe,
    /// It changes the system.
    Action,
}

/// What carries an activity out.
#[derive(Debug, Clone, PartialEq)]
pub enum Provider {
    /// One HTTP request; its output is a map with `status`, `headers` and `body`.
    Http {
        /// The request.
        request: HttpRequest,
        /// How long it may take.
        timeout: Duration,
    },
    /// One process, without a shell; its output is a map with `status`, `stdout` and `stderr`.
    Process {
        /// The program.
        path: String,
        /// Its arguments.
        arguments: Vec<String>,
        /// How long it may run.
        timeout: Duration,
    },
    /// A fault of the catalogue.
    Fault(FaultCall),
    /// A native function of an extension, or of Kafka's control plane.
    Function(FunctionCall),
    /// A function that is not native and that faults stand for.
    Bound {
        /// The function, as `module.function`.
        function: String,
        /// What is injected instead, in this order.
        calls: Vec<FaultCall>,
    },
    /// A query; its output is its only value, or else the list of its rows.
    Postgres {
        /// The database, as a connection URL.
        url: String,
        /// The query.
        query: String,
        /// How long it may take.
        timeout: Duration,
    },
    /// A number of the ledger.
    Ledger {
        /// Which number.
        measure: Measure,
    },
}

/// One call of a native function.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionCall {
    /// Its module.
    pub module: String,
    /// Its name.
    pub function: String,
    /// Its arguments by name. Texts may hold `${name}` of values that controls set during the run.
    pub arguments: serde_json::Map<String, serde_json::Value>,
    /// Names of those values, each with the control that sets it.
    pub late: BTreeMap<String, String>,
    /// Where the document says so.
    pub at: Span,
}

/// One use of a fault.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultCall {
    /// The fault's name in the catalogue.
    pub fault: String,
    /// What it hits.
    pub target: Target,
    /// Where the document names the target.
    pub target_at: Span,
    /// The parameters that were given; those left out have the fault's own defaults.
    pub parameters: BTreeMap<String, Value>,
    /// The file whose binding this is a use of; `None` when the document itself says it.
    pub bound_in: Option<String>,
}

/// What a fault hits, by role; resolved at the moment of injection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The broker that leads a partition.
    LeaderOf {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// The Kafka broker with that node id.
    Broker(i32),
    /// The active controller of the Kafka cluster.
    Controller,
    /// A service of the system.
    Service(String),
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::LeaderOf { topic, partition } => {
                write!(formatter, "leader of {topic}/{partition}")
            }
            Target::Broker(node) => write!(formatter, "broker {node}"),
            Target::Controller => formatter.write_str("controller"),
            Target::Service(name) => write!(formatter, "service {name}"),
        }
    }
}

/// A parameter of a fault.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text, or one of a choice.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Any number; a rate is per second.
    Number(f64),
    /// A truth value.
    Bool(bool),
    /// A duration.
    Duration(Duration),
    /// Texts by name.
    Map(BTreeMap<String, String>),
}
