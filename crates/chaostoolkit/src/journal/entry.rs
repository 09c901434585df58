//! One activity in the journal, and where in the experiment it stands.

use shaketable_dialect::{Dict, Value};
use shaketable_python::Step;

/// Where an activity stands in an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A probe of the hypothesis.
    Probe(usize),
    /// An activity of the method.
    Method(usize),
    /// A rollback.
    Rollback(usize),
}

const HYPOTHESIS: &str = "steady-state-hypothesis";

impl Place {
    /// The activity there.
    pub fn find<'a>(&self, experiment: &'a Value) -> Option<&'a Value> {
        let (list, index) = match self {
            Place::Probe(index) => (experiment.get(HYPOTHESIS)?.get("probes")?, index),
            Place::Method(index) => (experiment.get("method")?, index),
            Place::Rollback(index) => (experiment.get("rollbacks")?, index),
        };
        list.as_list()?.get(*index)
    }

    /// The activity there, to be changed.
    pub fn find_mut<'a>(&self, experiment: &'a mut Value) -> Option<&'a mut Value> {
        let experiment = experiment.as_dict_mut()?;
        let (list, index) = match self {
            Place::Probe(index) => {
                let hypothesis = experiment.get_mut(HYPOTHESIS)?.as_dict_mut()?;
                (hypothesis.get_mut("probes")?, index)
            }
            Place::Method(index) => (experiment.get_mut("method")?, index),
            Place::Rollback(index) => (experiment.get_mut("rollbacks")?, index),
        };
        list.as_list_mut()?.get_mut(*index)
    }

    /// The way there from the experiment.
    pub fn steps(&self) -> Vec<Step> {
        let key = |key: &str| Step::Key(key.to_owned());
        match self {
            Place::Probe(index) => vec![key(HYPOTHESIS), key("probes"), Step::Index(*index)],
            Place::Method(index) => vec![key("method"), Step::Index(*index)],
            Place::Rollback(index) => vec![key("rollbacks"), Step::Index(*index)],
        }
    }
}

/// One activity in the journal.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its number in the run, for the event log.
    pub id: u64,
    /// The keys of the journal, in the order in which they are set.
    pub fields: Dict,
    place: Place,
    detached: bool,
}

impl Entry {
    /// An activity that starts now.
    pub fn new(id: u64, place: Place, activity: &Value, start: &str) -> Entry {
        let mut fields = Dict::new();
        fields.insert("activity", activity);
        fields.insert("output", Value::None);
        fields.insert("start", start);
        Entry {
            id,
            fields,
            place,
            detached: false,
        }
    }

    /// An entry that a control made up.
    pub fn foreign(value: Value) -> Entry {
        let mut entry = Entry::new(0, Place::Method(usize::MAX), &Value::None, "");
        entry.replace(value);
        entry
    }

    /// As the journal has it.
    pub fn value(&self, experiment: &Value) -> Value {
        let mut fields = self.fields.clone();
        if !self.detached
            && let Some(Value::Dict(copy)) = fields.get("activity")
            && let Some(live) = self.place.find(experiment)
        {
            let fresh = refreshed(copy, live);
            fields.insert("activity", fresh);
        }
        Value::Dict(fields)
    }

    /// A control changed the entry.
    pub fn replace(&mut self, changed: Value) {
        if let Value::Dict(changed) = changed {
            self.detached = true;
            self.fields = changed;
        }
    }

    /// `succeeded`, `failed`, or nothing yet.
    pub fn status(&self) -> Option<&str> {
        self.fields.get("status").and_then(Value::as_str)
    }
}

/// A shallow copy as it looks now: what it shares with the original is as the original has it.
pub(super) fn refreshed(copy: &Dict, live: &Value) -> Dict {
    let nested = |value: &Value| matches!(value, Value::List(_) | Value::Dict(_));
    let mut fresh = copy.clone();
    for (key, value) in copy.iter() {
        let now = key.as_str().and_then(|key| live.get(key));
        if let Some(now) = now.filter(|now| nested(now) && nested(value)) {
            fresh.insert(key.clone(), now);
        }
    }
    fresh
}
