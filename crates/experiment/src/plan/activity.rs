//! Activities: what is asked or done, when, how often, and what has to come of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use shaketable_document::Span;

use super::{Control, Dry, FunctionCall, HttpBody, ProcessArguments, Provider, PythonCall};
use crate::Condition;
use crate::draft::Template;

/// From one attempt of an activity to the next, unless the document says.
pub const RETRY_INTERVAL_DEFAULT: Duration = Duration::from_secs(1);
/// From one question to the next while something is waited for or sampled, unless the document says.
pub const ASK_INTERVAL_DEFAULT: Duration = Duration::from_millis(500);

/// The steady-state hypothesis.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// What is claimed, in a line.
    pub title: String,
    /// The probes, each with a tolerance.
    pub probes: Vec<Activity>,
    /// Controls around it.
    pub controls: Vec<Control>,
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
///
/// Where `late` is not empty, the rest of it is only a sketch until [`Activity::filled_in`].
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
    /// It is asked again until the tolerance holds, or until it has taken too long.
    pub until: Option<Until>,
    /// It is tried again when it fails.
    pub retries: Option<Retries>,
    /// How long one attempt may take in all, whatever the provider's own timeout.
    pub timeout: Option<Duration>,
    /// Whether the next one begins without waiting for its end.
    pub background: bool,
    /// What of it is not really done; goes before what is said for the whole run.
    pub dry: Option<Dry>,
    /// Variables that its output sets for later activities, each with the JSONPath of its value.
    pub outputs: BTreeMap<String, String>,
    /// Its controls, in order; those that it inherits are not among them.
    pub controls: Vec<Control>,
    /// Pause before it.
    pub pauses_before: Duration,
    /// Pause after it.
    pub pauses_after: Duration,
    /// Variables it uses that are set while the experiment runs.
    pub late: BTreeMap<String, LateValue>,
    /// It as it was written, with its reference carried out, but no variable filled in.
    pub source: Value,
    /// Where the document says so.
    pub at: Span,
    /// What it was read from.
    pub(crate) template: Template,
}

/// A variable that is set while the experiment runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateValue {
    /// What sets it.
    pub set_by: Setter,
    /// Whether the activity cannot be carried out before it is set.
    pub is_required: bool,
}

/// What sets a variable while the experiment runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setter {
    /// The `outputs` of an earlier activity of this name.
    Output(String),
    /// A native control of this module, of an earlier activity.
    Control(String),
    /// Maybe a control in Python, which may change the configuration at any time.
    Python,
    /// It is a secret, or another value of the configuration that is found out before the run; for
    /// activities that find one out themselves.
    Source,
}

/// Whether an activity asks or acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivityKind {
    /// It observes the system.
    Probe,
    /// It changes the system.
    Action,
}

/// How the output of a probe is judged.
#[derive(Debug, Clone, PartialEq)]
pub enum Tolerance {
    /// The output has to be this.
    Output(Condition),
    /// The probe is asked several times; most outputs have to be this.
    Samples {
        /// What an output has to be.
        condition: Condition,
        /// The share of the outputs that have to be, from 0 to 1; no answer is one that is not.
        at_least: f64,
        /// How often it is asked.
        of: u32,
        /// From one question to the next.
        every: Duration,
    },
    /// The probe is asked twice; what its number has changed by per second has to be this.
    Rate {
        /// What the change per second has to be.
        condition: Condition,
        /// From the first question to the second.
        over: Duration,
        /// The key of the output that has the number; the output itself if none is given.
        target: Option<String>,
    },
    /// Another probe judges: it gets the output [as its argument](Activity::with_value) `value` and
    /// answers with true, or with anything else that Python takes for true.
    Probe(Box<Activity>),
}

impl Tolerance {
    /// The number of an output whose change is judged: the output itself, or its `target`.
    pub fn number(output: &Value, target: Option<&str>) -> Option<f64> {
        let value = match target {
            Some(key) => output.get(key)?,
            None => output,
        };
        match value {
            Value::String(text) => text.trim().parse().ok(),
            _ => value.as_f64(),
        }
    }
}

impl Activity {
    /// A probe that judges, with the output that it judges as its argument `value`.
    #[must_use]
    pub fn with_value(&self, output: &Value) -> Activity {
        let mut probe = self.clone();
        let text = || match output {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match &mut probe.provider {
            Provider::Python(PythonCall { arguments, .. })
            | Provider::Function(FunctionCall { arguments, .. }) => {
                arguments.insert(VALUE.to_owned(), output.clone());
            }
            Provider::Process(call) => match &mut call.arguments {
                ProcessArguments::List(list) => list.extend([VALUE.to_owned(), text()]),
                ProcessArguments::Shell(_) => {
                    call.environment.insert(VALUE.to_owned(), text());
                }
            },
            Provider::Http(call) => match &mut call.body {
                HttpBody::Json(Value::Object(body)) => {
                    body.insert(VALUE.to_owned(), output.clone());
                }
                HttpBody::Form(fields) => fields.push((VALUE.to_owned(), text())),
                _ => call.query.push((VALUE.to_owned(), text())),
            },
            Provider::Fault(_)
            | Provider::Bound { .. }
            | Provider::Postgres { .. }
            | Provider::Ledger { .. } => {}
        }
        probe
    }
}

/// The argument in which a probe that judges gets the output.
const VALUE: &str = "value";

/// Waiting for a tolerance to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until {
    /// From one question to the next.
    pub every: Duration,
    /// How long it may take until it holds.
    pub timeout: Duration,
}

/// Trying again after a failure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retries {
    /// Most attempts, the first one included; at least 1.
    pub attempts: u32,
    /// From the end of the first attempt to the next one.
    pub every: Duration,
    /// By what the wait is multiplied each time; at least 1.
    pub backoff: f64,
}
