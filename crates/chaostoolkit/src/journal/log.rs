//! The event log of a run: one JSON object per line, written before the run goes on.

use std::cell::{Cell, RefCell};
use std::io;

use shaketable_dialect::{Dict, Value, json};

use crate::logger::Logger;
use crate::redaction::Redaction;

/// Where the lines of an event log go.
pub trait RunLog: Send {
    /// Appends one complete JSON object (no newline in it). When this returns it outlives this process;
    /// the caller sees to it that it is soon on disk.
    ///
    /// # Errors
    /// When it cannot be written.
    fn append(&mut self, line: &str) -> io::Result<()>;
}

/// The part of a run that an activity belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// The hypothesis before the method.
    Before,
    /// The hypothesis beside the method, with its iteration from 1.
    During(u64),
    /// The hypothesis after the method.
    After,
    /// The method.
    Method,
    /// The rollbacks.
    Rollbacks,
}

impl Section {
    /// Its name in event logs.
    pub fn name(self) -> &'static str {
        match self {
            Section::Before => "before",
            Section::During(_) => "during",
            Section::After => "after",
            Section::Method => "method",
            Section::Rollbacks => "rollbacks",
        }
    }

    /// The iteration of the hypothesis beside the method.
    pub fn iteration(self) -> Option<u64> {
        match self {
            Section::During(iteration) => Some(iteration),
            _ => None,
        }
    }
}

/// The writer of an event log: knows the vocabulary, numbers the activities, hides the secrets.
/// A log that cannot be written is told once and given up; the run goes on.
pub struct Chronicle {
    log: RefCell<Option<Box<dyn RunLog>>>,
    redaction: Redaction,
    logger: Logger,
    activities: Cell<u64>,
}

impl Chronicle {
    /// A chronicle; without a log it only counts.
    pub fn new(log: Option<Box<dyn RunLog>>, redaction: Redaction, logger: Logger) -> Chronicle {
        Chronicle {
            log: RefCell::new(log),
            redaction,
            logger,
            activities: Cell::new(0),
        }
    }

    /// The number of the next activity.
    pub fn next_id(&self) -> u64 {
        self.activities.set(self.activities.get() + 1);
        self.activities.get()
    }

    /// The run starts; `head` has the journal's first keys.
    pub fn run_started(&self, head: Dict) {
        self.append("run-started", || head);
    }

    /// The hypothesis starts.
    pub fn hypothesis_started(&self, section: Section) {
        self.append("hypothesis-started", || phase(section));
    }

    /// The hypothesis is decided, or not (`None`).
    pub fn hypothesis_ended(&self, section: Section, met: Option<bool>) {
        self.append("hypothesis-ended", || {
            let mut event = phase(section);
            event.insert("met", met);
            event
        });
    }

    /// An activity starts.
    pub fn activity_started(&self, section: Section, id: u64, entry: &Value) {
        self.append("activity-started", || {
            let mut event = Dict::new();
            event.insert("id", id);
            event.insert("section", section.name());
            if let Some(iteration) = section.iteration() {
                event.insert("iteration", iteration);
            }
            event.insert("activity", Value::from(entry.get("activity")));
            event.insert("start", Value::from(entry.get("start")));
            event
        });
    }

    /// An activity has ended: its entry as the journal has it.
    pub fn activity_ended(&self, id: u64, entry: &Value) {
        self.append("activity-ended", || {
            let mut event = Dict::new();
            event.insert("id", id);
            for (key, value) in entry.as_dict().into_iter().flat_map(Dict::iter) {
                if !matches!(key.as_str(), Some("start")) {
                    event.insert(key.clone(), value);
                }
            }
            event
        });
    }

    /// The run is over: the journal's last keys, and those that were added to it.
    pub fn run_ended(&self, journal: &Value) {
        const TOLD: [&str; 9] = [
            "chaoslib-version",
            "platform",
            "node",
            "start",
            "steady_states",
            "run",
            "rollbacks",
            "event",
            "at",
        ];
        self.append("run-ended", || {
            let rest = journal.as_dict().into_iter().flat_map(Dict::iter);
            rest.filter(|(key, _)| key.as_str().is_some_and(|key| !TOLD.contains(&key)))
                .map(|(key, value)| (key.clone(), value))
                .collect()
        });
    }

    fn append(&self, name: &str, fields: impl FnOnce() -> Dict) {
        let mut log = self.log.borrow_mut();
        let Some(open) = log.as_mut() else { return };
        let mut event = Dict::new();
        event.insert("event", name);
        event.insert("at", super::now());
        for (key, value) in fields() {
            event.insert(key, value);
        }
        let event = self.redaction.value(&Value::Dict(event));
        let line = json::dump(&event, None).unwrap_or_else(|_| event.to_json().to_string());
        if let Err(error) = open.append(&line) {
            *log = None;
            self.logger.error(format!(
                "the event log of this run cannot be written any more, the run goes on without it: {error}"
            ));
        }
    }
}

fn phase(section: Section) -> Dict {
    let mut event = Dict::new();
    event.insert("phase", section.name());
    if let Some(iteration) = section.iteration() {
        event.insert("iteration", iteration);
    }
    event
}
