//! The continuous hypothesis: every probe is asked again and again while the method is carried out.
//!
//! All probes are sampled, also after one was seen not to hold. The ledger's probes are not: in the
//! middle of a run no message can be accounted for. A probe holds during the method if every sample
//! held, and one of them was taken while the first fault was in place; if none was seen not to hold
//! and one gave no answer, that is unknown.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use shaketable_experiment::{Activity, Experiment, Provider};
use shaketable_faults::Observed;

use crate::journal::Journal;
use crate::probes::{Asker, judge};
use crate::record::{ProbeOutcome, When};

/// The sampling; it ends when this is dropped.
pub struct Continuous {
    samples: Vec<Arc<Mutex<Samples>>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// What was seen of one probe.
#[derive(Debug, Default)]
struct Samples {
    name: String,
    held: u64,
    unmet: Vec<Sample>,
    unmet_count: u64,
    unanswered: u64,
    first_unanswered: Option<String>,
    /// When the last sample began, in µs since the run began.
    last_begun_us: u64,
    last: serde_json::Value,
}

/// One sample that did not hold.
#[derive(Debug)]
struct Sample {
    at_us: u64,
    detail: String,
}

impl Continuous {
    /// Begins to sample, if the experiment wants that.
    pub fn start(experiment: &Experiment, asker: &Asker, journal: &Arc<Journal>) -> Continuous {
        let probes = experiment
            .continuously
            .into_iter()
            .flat_map(|every| {
                let probes = experiment.hypothesis.iter().flat_map(|h| &h.probes);
                probes.map(move |probe| (every, probe))
            })
            .filter(|(_, probe)| !matches!(probe.provider, Provider::Ledger { .. }));
        let (mut samples, mut tasks) = (Vec::new(), Vec::new());
        for (every, probe) in probes {
            let kept = Arc::new(Mutex::new(Samples {
                name: probe.name.clone(),
                ..Samples::default()
            }));
            samples.push(kept.clone());
            let (probe, asker, journal) = (probe.clone(), asker.clone(), journal.clone());
            tasks.push(tokio::spawn(async move {
                let mut clock = tokio::time::interval(every);
                clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                loop {
                    clock.tick().await;
                    sample(&probe, &asker, &journal, &kept).await;
                }
            }));
        }
        Continuous { samples, tasks }
    }

    /// Ends the sampling; one outcome for each probe that was sampled. `broken_us` is when the first
    /// fault was seen to take effect, 0 if there was none: a sample from before proves nothing.
    pub fn finish(self, broken_us: u64) -> Vec<ProbeOutcome> {
        let both = self.samples.iter().zip(&self.tasks);
        both.map(|(samples, task)| {
            let samples = samples.lock().unwrap_or_else(PoisonError::into_inner);
            let holds = if task.is_finished() {
                Observed::Unknown("its sampling ended by itself".to_owned())
            } else {
                samples.observed(broken_us)
            };
            ProbeOutcome {
                name: samples.name.clone(),
                when: When::During,
                output: samples.last.clone(),
                holds,
            }
        })
        .collect()
    }
}

impl Drop for Continuous {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

async fn sample(probe: &Activity, asker: &Asker, journal: &Arc<Journal>, kept: &Mutex<Samples>) {
    let begun_us = journal.now_us();
    let output = asker.ask(&probe.provider, None).await;
    let holds = judge(&output, probe.tolerance.as_ref());
    let at_us = journal.now_us();
    if !holds.is_yes() {
        journal.write(
            "hypothesis-sampled",
            json!({ "probe": probe.name, "holds": holds }),
        );
    }
    let mut samples = kept.lock().unwrap_or_else(PoisonError::into_inner);
    samples.last = output.unwrap_or_default();
    samples.last_begun_us = begun_us;
    match holds {
        Observed::Yes(_) => samples.held += 1,
        Observed::No(detail) => {
            samples.unmet_count += 1;
            samples.unmet.truncate(1);
            samples.unmet.push(Sample { at_us, detail });
        }
        Observed::Unknown(reason) => {
            samples.unanswered += 1;
            samples.first_unanswered.get_or_insert(reason);
        }
    }
}

impl Samples {
    fn observed(&self, broken_us: u64) -> Observed {
        let all = self.held + self.unmet_count + self.unanswered;
        if let (Some(first), Some(last)) = (self.unmet.first(), self.unmet.last()) {
            return Observed::No(format!(
                "{} in {} of {all} samples, first at {:.1} s, last at {:.1} s",
                first.detail,
                self.unmet_count,
                first.at_us as f64 / 1e6,
                last.at_us as f64 / 1e6,
            ));
        }
        match &self.first_unanswered {
            Some(reason) => Observed::Unknown(format!(
                "{} of {all} samples gave no answer, first: {reason}",
                self.unanswered
            )),
            None if all == 0 => Observed::Unknown("it was never sampled".to_owned()),
            None if self.last_begun_us < broken_us => Observed::Unknown(format!(
                "none of {all} samples was taken while anything was broken; ask more often"
            )),
            None => Observed::Yes(format!("{all} samples")),
        }
    }
}
