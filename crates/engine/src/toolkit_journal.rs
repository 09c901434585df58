//! What of a run is in the Chaos Toolkit's journal: the run, the hypothesis, and every activity.
//!
//! 1. Each of these has an event when it begins and one when it has ended, with the fields that the
//!    Chaos Toolkit's journal has; so one can be made of our journal at any instant.
//! 2. An activity that has begun also has its end in the journal, however it ends, unless the program is
//!    killed.
//! 3. Controls get what came of activities from here.
//! 4. Documents are in it without what is nobody's business: passwords and queries of addresses, and the
//!    values of faults' parameters.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Map, Value, json};
use shaketable_dialect::redaction::HIDDEN;
use shaketable_experiment::Activity;
use shaketable_testbed::system::without_secrets;

use crate::journal::{Event, Journal};

/// The part of a run that an activity belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// The hypothesis before the method.
    Before,
    /// The hypothesis while the method is carried out.
    During,
    /// The hypothesis after the method.
    After,
    /// The method.
    Method,
    /// The rollbacks.
    Rollbacks,
}

impl Section {
    fn name(self) -> &'static str {
        match self {
            Section::Before => "before",
            Section::During => "during",
            Section::After => "after",
            Section::Method => "method",
            Section::Rollbacks => "rollbacks",
        }
    }
}

/// How an activity ended.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// `succeeded`, `failed` or `aborted`.
    pub status: &'static str,
    /// Its output.
    pub output: Value,
    /// Why it failed, in lines.
    pub exception: Vec<String>,
    /// Whether its tolerance held.
    pub tolerance_met: Option<bool>,
    /// For our own events: what came of it.
    pub detail: Value,
}

/// Writes these events. Clones are the same one.
#[derive(Clone)]
pub struct ToolkitJournal {
    shared: Arc<Shared>,
}

struct Shared {
    journal: Arc<Journal>,
    ids: AtomicU64,
    iterations: AtomicU64,
    head: Mutex<Map<String, Value>>,
    begun: Instant,
    ended: Mutex<Vec<(Section, Value)>>,
    names: Mutex<BTreeSet<String>>,
}

impl ToolkitJournal {
    /// The run begins; `experiment` is its document, `detail` is for our own event.
    pub fn begin(journal: Arc<Journal>, experiment: &Value, detail: Value) -> ToolkitJournal {
        let head = fields(json!({
            "chaoslib-version": concat!("shaketable ", env!("CARGO_PKG_VERSION")),
            "platform": format!("{}-{}-{}", kernel("ostype"), kernel("osrelease"), std::env::consts::ARCH),
            "node": kernel("hostname"),
            "experiment": told(experiment),
            "start": now(),
        }));
        journal.write_all([Event {
            name: "run-started",
            detail,
            fields: head.clone(),
        }]);
        ToolkitJournal {
            shared: Arc::new(Shared {
                journal,
                ids: AtomicU64::new(0),
                iterations: AtomicU64::new(0),
                head: Mutex::new(head),
                begun: Instant::now(),
                ended: Mutex::default(),
                names: Mutex::default(),
            }),
        }
    }

    /// The run has ended.
    pub fn end(&self, status: &str, deviated: bool, verdict: Value) {
        let mut end = self.last_fields(status, deviated);
        end.insert("shaketable".to_owned(), verdict.clone());
        self.shared.journal.write_all([Event {
            name: "run-ended",
            detail: verdict,
            fields: end,
        }]);
    }

    /// The journal as far as it is known, for controls.
    pub fn value(&self, status: &str, deviated: bool) -> Value {
        let head = self.shared.head.lock();
        let mut journal = head.unwrap_or_else(PoisonError::into_inner).clone();
        journal.insert("run".to_owned(), self.ended(Section::Method));
        journal.insert("rollbacks".to_owned(), self.ended(Section::Rollbacks));
        journal.extend(self.last_fields(status, deviated));
        Value::Object(journal)
    }

    fn last_fields(&self, status: &str, deviated: bool) -> Map<String, Value> {
        fields(json!({
            "status": status,
            "deviated": deviated,
            "end": now(),
            "duration": self.shared.begun.elapsed().as_secs_f64(),
        }))
    }

    /// The entries of activities of a section that have ended, in the order of their ends.
    pub fn ended(&self, section: Section) -> Value {
        let ended = self.lock_ended();
        let entries = ended.iter().filter(|(of, _)| *of == section);
        entries.map(|(_, entry)| entry.clone()).collect()
    }

    /// The hypothesis begins to be asked.
    pub fn hypothesis_started(&self, section: Section) {
        self.lock_ended().retain(|(of, _)| *of != section);
        self.shared
            .journal
            .write_all([phase_started(section, None)]);
    }

    /// The hypothesis was asked; returns its state for controls.
    pub fn hypothesis_ended(&self, section: Section, met: Option<bool>) -> Value {
        self.shared
            .journal
            .write_all([phase_ended(section, met, None)]);
        json!({ "steady_state_met": met, "probes": self.ended(section) })
    }

    /// An activity begins.
    pub fn activity_started(&self, section: Section, activity: &Activity) -> Begun {
        let begun = self.begun(section, activity);
        self.shared.journal.write_all([begun.started_event()]);
        let names = self.shared.names.lock();
        let mut names = names.unwrap_or_else(PoisonError::into_inner);
        names.insert(activity.name.clone());
        begun
    }

    /// A probe begins to be sampled: nothing is written before its end.
    pub fn sample_started(&self, activity: &Activity) -> Begun {
        let mut begun = self.begun(Section::During, activity);
        begun.is_open = false;
        begun
    }

    /// A probe was sampled.
    pub fn sample_ended(&self, begun: Begun, ending: Ending) {
        let iteration = self.shared.iterations.fetch_add(1, Ordering::Relaxed) + 1;
        let met = ending.tolerance_met;
        let (ended, _) = begun.ended_event(ending);
        self.shared.journal.write_all([
            phase_started(Section::During, Some(iteration)),
            begun.started_event(),
            ended,
            phase_ended(Section::During, met, Some(iteration)),
        ]);
    }

    /// Whether an activity of that name has begun.
    pub fn has_begun(&self, name: &str) -> bool {
        let names = self.shared.names.lock();
        names.unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    fn begun(&self, section: Section, activity: &Activity) -> Begun {
        Begun {
            toolkit: self.clone(),
            id: self.shared.ids.fetch_add(1, Ordering::Relaxed) + 1,
            section,
            name: activity.name.clone(),
            activity: activity.source.clone(),
            start: now(),
            begun: Instant::now(),
            is_open: true,
        }
    }

    fn lock_ended(&self) -> std::sync::MutexGuard<'_, Vec<(Section, Value)>> {
        let ended = self.shared.ended.lock();
        ended.unwrap_or_else(PoisonError::into_inner)
    }
}

/// An activity that has begun. When it is dropped before its end, it was cut short.
pub struct Begun {
    toolkit: ToolkitJournal,
    id: u64,
    section: Section,
    name: String,
    activity: Value,
    start: String,
    begun: Instant,
    is_open: bool,
}

impl Begun {
    /// The activity has ended; returns its entry for controls.
    pub fn end(mut self, ending: Ending) -> Value {
        self.is_open = false;
        self.write_end(ending)
    }

    fn write_end(&self, ending: Ending) -> Value {
        let (event, entry) = self.ended_event(ending);
        let shared = &self.toolkit.shared;
        shared.journal.write_all([event]);
        let redacted = shared.journal.redaction().json(&entry);
        self.toolkit.lock_ended().push((self.section, redacted));
        entry
    }

    fn started_event(&self) -> Event {
        Event {
            name: "activity-started",
            detail: json!({ "name": self.name }),
            fields: fields(json!({
                "id": self.id,
                "section": self.section.name(),
                "activity": told(&self.activity),
                "start": self.start,
            })),
        }
    }

    /// The event and the entry of the journal.
    fn ended_event(&self, ending: Ending) -> (Event, Value) {
        let mut last = fields(json!({
            "output": ending.output,
            "status": ending.status,
            "end": now(),
            "duration": self.begun.elapsed().as_secs_f64(),
        }));
        if !ending.exception.is_empty() {
            last.insert("exception".to_owned(), ending.exception.into());
        }
        if let Some(met) = ending.tolerance_met {
            last.insert("tolerance_met".to_owned(), met.into());
        }
        let mut entry = fields(json!({ "activity": self.activity, "start": self.start }));
        entry.extend(last.clone());
        let mut line = fields(json!({ "id": self.id }));
        line.extend(last);
        let event = Event {
            name: "activity-ended",
            detail: json!({ "name": self.name, "result": ending.detail }),
            fields: line,
        };
        (event, Value::Object(entry))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.is_open {
            self.write_end(Ending {
                status: "aborted",
                exception: vec!["it was cut short, since the run is to end\n".to_owned()],
                detail: json!({ "cut_short": true }),
                ..Ending::default()
            });
        }
    }
}

fn phase_started(section: Section, iteration: Option<u64>) -> Event {
    Event {
        name: "hypothesis-started",
        detail: Value::Null,
        fields: fields(json!({ "phase": section.name(), "iteration": iteration })),
    }
}

fn phase_ended(section: Section, met: Option<bool>, iteration: Option<u64>) -> Event {
    Event {
        name: "hypothesis-ended",
        detail: Value::Null,
        fields: fields(json!({ "phase": section.name(), "met": met, "iteration": iteration })),
    }
}

/// A document as the journal has it.
fn told(document: &Value) -> Value {
    match document {
        Value::String(text) => without_secrets(text).into(),
        Value::Array(items) => items.iter().map(told).collect(),
        Value::Object(members) => {
            let is_fault = members.contains_key("fault") && members.contains_key("target");
            let told = members.iter().map(|(name, value)| {
                let is_parameters = is_fault && name != "target" && value.is_object();
                let value = if is_parameters {
                    hidden(value)
                } else {
                    told(value)
                };
                (name.clone(), value)
            });
            Value::Object(told.collect())
        }
        other => other.clone(),
    }
}

/// The names of a map, without the values.
fn hidden(map: &Value) -> Value {
    let names = map.as_object().into_iter().flat_map(Map::keys);
    let members = names.map(|name| (name.clone(), HIDDEN.into()));
    Value::Object(members.collect())
}

fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// Now, as the Chaos Toolkit writes times.
fn now() -> String {
    let now = jiff::Timestamp::now();
    now.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
}

fn kernel(file: &str) -> String {
    std::fs::read_to_string(format!("/proc/sys/kernel/{file}"))
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}
