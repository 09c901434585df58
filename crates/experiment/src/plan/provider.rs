//! Providers: what carries an activity out.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use shaketable_document::Span;
use shaketable_ledger::Measure;

/// The request of a workload.
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

/// What carries an activity out.
#[derive(Debug, Clone, PartialEq)]
pub enum Provider {
    /// One HTTP request; its output is a map with `status`, `headers` and `body`.
    Http(HttpCall),
    /// One process; its output is a map with `status`, `stdout` and `stderr`.
    Process(ProcessCall),
    /// A function in Python, that is neither native nor bound to a fault.
    Python(PythonCall),
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

/// One request of an `http` activity.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpCall {
    /// Its method, in capitals.
    pub method: String,
    /// Its address.
    pub url: String,
    /// Additional headers.
    pub headers: BTreeMap<String, String>,
    /// Added to the address's query.
    pub query: Vec<(String, String)>,
    /// Its body.
    pub body: HttpBody,
    /// How long it may take in all.
    pub timeout: Duration,
    /// How long connecting may take, if that is limited by itself.
    pub connect_timeout: Option<Duration>,
    /// Whether the server's certificate is verified.
    pub verify_tls: bool,
    /// A file with the authorities that are trusted besides the machine's, relative to the
    /// experiment's folder.
    pub ca_file: Option<String>,
    /// How often a connection that failed is tried again.
    pub max_retries: u32,
    /// The statuses that are a success; any if empty.
    pub expected_status: Vec<u16>,
}

/// The body of an HTTP request.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum HttpBody {
    /// None.
    #[default]
    None,
    /// A JSON document, sent as `application/json`.
    Json(serde_json::Value),
    /// A form, sent as `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
    /// Text as it is.
    Text(String),
}

/// One process of a `process` activity.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessCall {
    /// The program.
    pub path: String,
    /// Its arguments.
    pub arguments: ProcessArguments,
    /// Variables that are added to the environment.
    pub environment: BTreeMap<String, String>,
    /// The folder it runs in, relative to the experiment's folder; ours if none is given.
    pub directory: Option<String>,
    /// How long it may run.
    pub timeout: Duration,
}

/// The arguments of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessArguments {
    /// Handed over as they are; no shell is involved.
    List(Vec<String>),
    /// Text behind the program in a command of the shell `sh`.
    Shell(String),
}

impl ProcessArguments {
    /// The texts of which they consist.
    pub fn texts_mut(&mut self) -> &mut [String] {
        match self {
            ProcessArguments::List(list) => list,
            ProcessArguments::Shell(text) => std::slice::from_mut(text),
        }
    }
}

/// One call of a function in Python.
#[derive(Debug, Clone, PartialEq)]
pub struct PythonCall {
    /// Its module.
    pub module: String,
    /// Its name.
    pub function: String,
    /// Its arguments by name.
    pub arguments: serde_json::Map<String, serde_json::Value>,
    /// Names of the groups of secrets that it gets, merged.
    pub secrets: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// Where the document says so.
    pub at: Span,
}

/// One call of a native function.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionCall {
    /// Its module.
    pub module: String,
    /// Its name.
    pub function: String,
    /// Its arguments by name.
    pub arguments: serde_json::Map<String, serde_json::Value>,
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
