//! The journal: what a run did, in the Chaos Toolkit's shape, and the event log it can be read from
//! at any instant.
//!
//! 1. [`Journal::value`] is what `journal.json` holds: the keys of the reference in its order.
//! 2. Activities in the journal share their nested parts with the experiment, as the reference's
//!    shallow copies do: a change that a control or a probe tolerance makes there shows in the journal.
//! 3. A [`RunLog`] gets one line per event, before the run goes on; [`from_events`] makes a journal of
//!    the lines, also when they stop anywhere.

mod entry;
mod log;
mod reading;

use std::cell::RefCell;
use std::rc::Rc;

use shaketable_dialect::{Dict, Value};

pub use entry::{Entry, Place};
pub use log::{Chronicle, RunLog, Section};
pub use reading::from_events;

/// An entry, shared by the journal and by whoever runs the activity.
pub type SharedEntry = Rc<RefCell<Entry>>;
/// The entries of a method or of the rollbacks, in the order of their start.
pub type Runs = Rc<RefCell<Vec<SharedEntry>>>;

/// The journal of a run while it happens.
#[derive(Debug)]
pub struct Journal {
    head: Dict,
    /// `completed`, `failed`, `aborted`, `interrupted`; none while nothing is decided.
    pub status: Option<&'static str>,
    /// Did the steady state not hold after the method?
    pub deviated: bool,
    /// The hypothesis before the method.
    pub before: Option<HypothesisState>,
    /// The hypothesis after the method.
    pub after: Option<HypothesisState>,
    /// The hypothesis while the method ran, one state per iteration.
    pub during: Vec<HypothesisState>,
    /// The entries of the method.
    pub run: Runs,
    /// The entries of the rollbacks.
    pub rollbacks: Runs,
    /// End and duration in seconds.
    pub ended: Option<(String, f64)>,
    /// Keys that a control or a handler added, or the whole when a control changed it.
    replaced: Option<Dict>,
    /// What interrupted the run.
    pub interruption: Option<Value>,
}

impl Journal {
    /// The journal at the start of a run.
    pub fn new(experiment: &Value, lib_version: &str, start: &str) -> Journal {
        let mut head = Dict::new();
        head.insert("chaoslib-version", lib_version);
        head.insert("platform", platform());
        head.insert("node", node());
        head.insert("experiment", experiment);
        head.insert("start", start);
        Journal {
            head,
            status: None,
            deviated: false,
            before: None,
            after: None,
            during: Vec::new(),
            run: Runs::default(),
            rollbacks: Runs::default(),
            ended: None,
            replaced: None,
            interruption: None,
        }
    }

    /// One of the keys that are known from the start.
    pub fn head(&self, key: &str) -> Value {
        self.head.get(key).into()
    }

    /// The whole, with what is shared taken from the experiment as it is now.
    pub fn value(&self, experiment: &Value) -> Value {
        let mut journal = match &self.replaced {
            Some(replaced) => replaced.clone(),
            None => self.rendered(experiment),
        };
        if let Some(interruption) = &self.interruption
            && !journal.get("interruption").is_some_and(Value::is_truthy)
        {
            journal.insert("interruption", interruption);
        }
        Value::Dict(journal)
    }

    /// A control changed the journal: that is the journal from now on.
    pub fn replace(&mut self, changed: Value) {
        if let Value::Dict(changed) = changed {
            self.replaced = Some(changed);
        }
    }

    fn rendered(&self, experiment: &Value) -> Dict {
        let mut journal = self.head.clone();
        if let Some(Value::Dict(copy)) = journal.get("experiment") {
            let fresh = entry::refreshed(copy, experiment);
            journal.insert("experiment", fresh);
        }
        journal.insert("status", self.status);
        journal.insert("deviated", self.deviated);
        let mut states = Dict::new();
        let state = |state: &Option<HypothesisState>| -> Value {
            state.as_ref().map(|state| state.value(experiment)).into()
        };
        states.insert("before", state(&self.before));
        states.insert("after", state(&self.after));
        let during = self.during.iter().map(|state| state.value(experiment));
        states.insert("during", during.collect::<Vec<_>>());
        journal.insert("steady_states", states);
        journal.insert("run", runs_value(&self.run, experiment));
        journal.insert("rollbacks", runs_value(&self.rollbacks, experiment));
        if let Some((end, duration)) = &self.ended {
            journal.insert("end", end.as_str());
            journal.insert("duration", *duration);
        }
        journal
    }
}

/// The entries as the journal lists them.
pub fn runs_value(runs: &Runs, experiment: &Value) -> Value {
    let runs = runs.borrow();
    let entries = runs.iter().map(|entry| entry.borrow().value(experiment));
    Value::List(entries.collect())
}

/// A control changed the list of entries: these are the entries from now on.
pub fn replace_runs(runs: &Runs, changed: Value) {
    let Value::List(changed) = changed else {
        return;
    };
    let mut runs = runs.borrow_mut();
    runs.truncate(changed.len());
    for (index, value) in changed.into_iter().enumerate() {
        match runs.get(index) {
            Some(entry) => entry.borrow_mut().replace(value),
            None => runs.push(Rc::new(RefCell::new(Entry::foreign(value)))),
        }
    }
}

/// What one evaluation of the hypothesis found.
#[derive(Debug, Clone, Default)]
pub struct HypothesisState {
    /// None until it is decided.
    pub met: Option<bool>,
    /// The probes that were run.
    pub probes: Vec<SharedEntry>,
    /// Set when a control changed the state.
    pub replaced: Option<Value>,
}

impl HypothesisState {
    /// As the journal has it.
    pub fn value(&self, experiment: &Value) -> Value {
        if let Some(replaced) = &self.replaced {
            return replaced.clone();
        }
        let mut state = Dict::new();
        state.insert("steady_state_met", self.met);
        let probes = self
            .probes
            .iter()
            .map(|entry| entry.borrow().value(experiment));
        state.insert("probes", probes.collect::<Vec<_>>());
        Value::Dict(state)
    }
}

/// Now, as the reference writes times: microseconds and the offset in digits.
pub fn now() -> String {
    timestamp(jiff::Timestamp::now())
}

/// A time as the reference writes it.
pub fn timestamp(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
}

fn kernel(file: &str) -> String {
    std::fs::read_to_string(format!("/proc/sys/kernel/{file}"))
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// The platform as Python names it.
pub fn platform() -> String {
    let name = kernel("ostype");
    let name = if name.is_empty() {
        std::env::consts::OS.to_owned()
    } else {
        name
    };
    let release = kernel("osrelease");
    format!("{name}-{release}-{}{}", std::env::consts::ARCH, c_library())
}

/// The C library, as Python's name of the platform ends with it.
#[cfg(target_env = "gnu")]
fn c_library() -> String {
    // SAFETY: the C library gives a constant text, which ends with a zero.
    let version = unsafe { std::ffi::CStr::from_ptr(nix::libc::gnu_get_libc_version()) };
    format!("-with-glibc{}", version.to_string_lossy())
}

/// Only glibc can be asked for its version.
#[cfg(not(target_env = "gnu"))]
fn c_library() -> String {
    String::new()
}

/// The name of this machine.
pub fn node() -> String {
    kernel("hostname")
}
