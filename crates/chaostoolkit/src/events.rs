//! `--events-file`: the progress of a run, one JSON object per line, flushed line by line.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use shaketable_dialect::{Dict, Value, json, text};

use crate::journal;
use crate::redaction::Redaction;

/// Longest output, in characters of JSON, that an event or a report holds.
pub const LONGEST_OUTPUT: usize = 4096;

/// What happens in a run, for those who watch it.
#[derive(Debug)]
pub enum Event<'a> {
    /// The run starts.
    RunStarted {
        /// The experiment's title.
        title: Value,
    },
    /// The run is over.
    RunFinished {
        /// The journal.
        journal: &'a Value,
    },
    /// `InterruptExecution` ended the method or the hypothesis.
    RunInterrupted,
    /// SIGINT, SIGUSR1 or SIGUSR2 did.
    RunSignalExit,
    /// A hypothesis starts; the seconds between two iterations when it is beside the method.
    HypothesisStarted {
        /// `before`, `during` or `after`.
        phase: &'static str,
        /// Seconds between two iterations.
        frequency: Option<f64>,
    },
    /// A hypothesis is decided.
    HypothesisCompleted {
        /// `before`, `during` or `after`.
        phase: &'static str,
        /// From 1, beside the method.
        iteration: Option<u64>,
        /// The journal's state.
        state: &'a Value,
    },
    /// The hypothesis is not evaluated any more beside the method. Not written to the file.
    ContinuousCompleted,
    /// The controls are ready. Not written to the file.
    Running,
    /// The method starts.
    MethodStarted,
    /// The method has ended.
    MethodCompleted,
    /// The rollbacks start.
    RollbacksStarted,
    /// The rollbacks have ended.
    RollbacksCompleted,
    /// An activity starts.
    ActivityStarted {
        /// The activity.
        activity: &'a Value,
    },
    /// An activity has ended.
    ActivityCompleted {
        /// The activity.
        activity: &'a Value,
        /// The journal's entry.
        entry: &'a Value,
    },
}

/// The file that events are written to.
pub struct EventFile {
    file: File,
    redaction: Redaction,
}

impl EventFile {
    /// Creates the file, or empties it.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(path: &Path, redaction: Redaction) -> io::Result<EventFile> {
        let file = File::create(path)?;
        Ok(EventFile { file, redaction })
    }

    /// Writes one event.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, event: &Event<'_>) -> io::Result<()> {
        if matches!(event, Event::ContinuousCompleted | Event::Running) {
            return Ok(());
        }
        let fields = self.redaction.value(&Value::Dict(fields(event)));
        let mut line = written(&fields);
        line.push('\n');
        self.file.write_all(line.as_bytes())
    }
}

/// An output for an event or a report: itself, or how large it is.
pub fn bounded_output(output: &Value) -> Dict {
    let size = written(output).chars().count();
    let mut bounded = Dict::new();
    if size > LONGEST_OUTPUT {
        bounded.insert("output_truncated", true);
        bounded.insert("output_size", i128::try_from(size).unwrap_or(i128::MAX));
    } else {
        bounded.insert("output", output);
    }
    bounded
}

/// JSON of anything: what JSON cannot hold is its textual representation.
pub fn written(value: &Value) -> String {
    json::dump(value, None)
        .or_else(|_| json::dump(&writable(value), None))
        .unwrap_or_else(|_| value.to_json().to_string())
}

/// The same with everything that JSON cannot hold as text.
pub fn writable(value: &Value) -> Value {
    match value {
        Value::Bytes(_) => Value::Str(text::repr(value)),
        Value::List(items) => Value::List(items.iter().map(writable).collect()),
        Value::Dict(dict) => {
            let pairs = dict
                .iter()
                .map(|(key, value)| (key.clone(), writable(value)));
            Value::Dict(pairs.collect())
        }
        other => other.clone(),
    }
}

fn fields(event: &Event<'_>) -> Dict {
    let mut fields = Dict::new();
    let kind = match event {
        Event::RunStarted { .. } => "run-started",
        Event::RunFinished { .. } => "run-finished",
        Event::RunInterrupted => "run-interrupted",
        Event::RunSignalExit => "run-signal-exit",
        Event::HypothesisStarted { .. } => "hypothesis-started",
        Event::HypothesisCompleted { .. } => "hypothesis-completed",
        Event::MethodStarted => "method-started",
        Event::MethodCompleted => "method-completed",
        Event::RollbacksStarted => "rollbacks-started",
        Event::RollbacksCompleted => "rollbacks-completed",
        Event::ActivityStarted { .. } => "activity-started",
        Event::ActivityCompleted { .. } => "activity-completed",
        Event::ContinuousCompleted => "continuous-completed",
        Event::Running => "running",
    };
    fields.insert("type", kind);
    fields.insert("timestamp", journal::now());
    match event {
        Event::RunStarted { title } => {
            fields.insert("title", title);
        }
        Event::RunFinished { journal } => {
            fields.insert("status", Value::from(journal.get("status")));
            let deviated = journal.get("deviated").cloned();
            fields.insert("deviated", deviated.unwrap_or(Value::Bool(false)));
        }
        Event::HypothesisStarted { phase, frequency } => {
            fields.insert("phase", *phase);
            if let Some(frequency) = frequency {
                fields.insert("frequency", *frequency);
            }
        }
        Event::HypothesisCompleted {
            phase,
            iteration,
            state,
        } => {
            fields.insert("phase", *phase);
            if let Some(iteration) = iteration {
                fields.insert("iteration", i128::from(*iteration));
            }
            hypothesis(state, &mut fields);
        }
        Event::ActivityStarted { activity } => {
            fields.insert("name", Value::from(activity.get("name")));
            fields.insert("activity_type", Value::from(activity.get("type")));
            let background = activity.get("background");
            fields.insert("background", background.is_some_and(Value::is_truthy));
        }
        Event::ActivityCompleted { activity, entry } => {
            fields.insert("name", Value::from(activity.get("name")));
            fields.insert("activity_type", Value::from(activity.get("type")));
            fields.insert("status", Value::from(entry.get("status")));
            fields.insert("duration", Value::from(entry.get("duration")));
            fields.extend(bounded_output(&entry.get("output").into()));
            let exception = entry.get("exception").and_then(Value::as_list);
            if let Some(lines) = exception.filter(|lines| !lines.is_empty()) {
                let lines: String = lines.iter().filter_map(Value::as_str).collect();
                fields.insert("error", lines.trim());
            }
        }
        _ => {}
    }
    fields
}

fn hypothesis(state: &Value, fields: &mut Dict) {
    fields.insert("met", Value::from(state.get("steady_state_met")));
    let probes = state.get("probes").and_then(Value::as_list);
    let probes = probes.unwrap_or_default().iter().map(|probe| {
        let mut told = Dict::new();
        let activity = probe.get("activity");
        told.insert("name", Value::from(activity.and_then(|a| a.get("name"))));
        told.insert("status", Value::from(probe.get("status")));
        told.insert("tolerance_met", Value::from(probe.get("tolerance_met")));
        told.extend(bounded_output(&probe.get("output").into()));
        Value::Dict(told)
    });
    fields.insert("probes", probes.collect::<Vec<_>>());
}

trait Extend {
    fn extend(&mut self, more: Dict);
}

impl Extend for Dict {
    fn extend(&mut self, more: Dict) {
        for (key, value) in more {
            self.insert(key, value);
        }
    }
}
