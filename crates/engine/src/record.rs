//! The record of a run: everything a report is made of.

use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shaketable_dialect::redaction::Redaction;
use shaketable_faults::Observed;
use shaketable_ledger::{Ledger, Recovery};

use crate::verdict::Verdict;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// The run's id.
    pub run: String,
    /// The run's folder; absent when it could not even be made.
    pub folder: Option<PathBuf>,
    /// The experiment's file.
    pub experiment: PathBuf,
    /// Its title.
    pub title: String,
    /// The system's variant.
    pub variant: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// The reasons for it, in words; a pass has none.
    pub reasons: Vec<String>,
    /// Whether an `error` is the document's or the command line's, rather than the machine's.
    pub usage: bool,
    /// Time from the beginning to the verdict.
    pub duration: Duration,
    /// Time until the system was ready, when this run brought it up.
    pub ready_after: Option<Duration>,
    /// The hypothesis, before and after.
    pub probes: Vec<ProbeOutcome>,
    /// Every fault.
    pub faults: Vec<FaultOutcome>,
    /// What happened when, by time.
    pub timeline: Vec<TimelineEvent>,
    /// The accounting; absent when it was not come to.
    pub ledger: Option<Ledger>,
    /// Availability and recovery.
    pub recovery: Option<Recovery>,
    /// Seconds from the end of the load until nothing was under way any more; absent when that was
    /// not seen.
    pub drain_s: Option<f64>,
    /// What a message is called in this experiment: the workload's name in the singular.
    pub noun: String,
    /// Response times, measured from the intended time; absent when nothing was answered.
    pub latency: Option<shaketable_load::Latency>,
}

impl RunRecord {
    /// Takes secrets out of every text.
    pub(crate) fn without(&mut self, redaction: &Redaction) {
        let RunRecord {
            title,
            reasons,
            probes,
            faults,
            timeline,
            ..
        } = self;
        redact(title, redaction);
        redact(reasons, redaction);
        redact(probes, redaction);
        redact(faults, redaction);
        redact(timeline, redaction);
    }
}

fn redact<T: Serialize + DeserializeOwned>(value: &mut T, redaction: &Redaction) {
    let redacted = serde_json::to_value(&*value).map(|json| redaction.json(&json));
    if let Ok(redacted) = redacted.and_then(serde_json::from_value) {
        *value = redacted;
    }
}

/// When the hypothesis was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Before anything was broken.
    Before,
    /// All the time while the method was carried out.
    During,
    /// After everything was healed.
    After,
}

/// One probe of the hypothesis.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProbeOutcome {
    /// Its name.
    pub name: String,
    /// When it was asked.
    pub when: When,
    /// Its output.
    pub output: serde_json::Value,
    /// Whether its tolerance holds.
    pub holds: Observed,
}

/// One fault.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FaultOutcome {
    /// The activity's name.
    pub name: String,
    /// The fault's name in the catalogue.
    pub fault: String,
    /// The target as the experiment names it.
    pub target: String,
    /// The instance it was.
    pub instance: Option<String>,
    /// When it was applied, in µs since the run began; absent when it was not.
    pub applied_us: Option<u64>,
    /// Whether its effect was seen.
    pub confirmed: Observed,
    /// When its effect was seen.
    pub confirmed_us: Option<u64>,
    /// Whether it was seen to be gone.
    pub recovered: Observed,
    /// When it was undone, as far as acting goes: the process may run again from here.
    pub released_us: Option<u64>,
    /// When it was seen to be gone.
    pub recovered_us: Option<u64>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// µs since the run began.
    pub at_us: u64,
    /// What happened.
    pub what: String,
}
