//! The continuous hypothesis: every probe is asked again and again while the method is carried out.
//!
//! All probes are sampled, also after one was seen not to hold. The ledger's probes are not: in the
//! middle of a run no message can be accounted for. A probe holds during the method if every sample
//! held, and one of them was taken while a fault was in place; if none was seen not to hold and one
//! gave no answer, that is unknown.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use shaketable_experiment::{Activity, Experiment, Provider};
use shaketable_faults::Observed;

use crate::record::{ProbeOutcome, When};
use crate::stagehand::Stagehand;
use crate::toolkit_journal::Ending;

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
    /// When each sample that was answered began, in µs since the run began.
    begun_us: Vec<u64>,
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
    pub fn start(experiment: &Experiment, stagehand: &Stagehand) -> Continuous {
        let every = experiment.strategy.during().then_some(experiment.frequency);
        let probes = every
            .into_iter()
            .flat_map(|every| {
                let probes = experiment.hypothesis.iter().flat_map(|h| &h.probes);
                probes.map(move |probe| (every, probe))
            })
            .filter(|(_, probe)| !matches!(probe.provider, Provider::Ledger { .. }))
            .filter(|(_, probe)| !stagehand.leaves_out(probe));
        let (mut samples, mut tasks) = (Vec::new(), Vec::new());
        for (every, probe) in probes {
            let kept = Arc::new(Mutex::new(Samples {
                name: probe.name.clone(),
                ..Samples::default()
            }));
            samples.push(kept.clone());
            let (probe, stagehand) = (probe.clone(), stagehand.in_background());
            tasks.push(tokio::spawn(async move {
                let mut clock = tokio::time::interval(every);
                clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                loop {
                    clock.tick().await;
                    sample(&probe, &stagehand, &kept).await;
                }
            }));
        }
        Continuous { samples, tasks }
    }

    /// Ends the sampling; one outcome for each probe that was sampled. `broken` are the times in µs
    /// in which a fault was in place: samples from before and after alone prove nothing. With no
    /// faults at all, any sample does.
    pub fn finish(self, broken: &[Range<u64>]) -> Vec<ProbeOutcome> {
        let both = self.samples.iter().zip(&self.tasks);
        both.map(|(samples, task)| {
            let samples = samples.lock().unwrap_or_else(PoisonError::into_inner);
            let holds = if task.is_finished() {
                Observed::Unknown("its sampling ended by itself".to_owned())
            } else {
                samples.observed(broken)
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

async fn sample(probe: &Activity, stagehand: &Stagehand, kept: &Mutex<Samples>) {
    let (asker, journal) = (&stagehand.asker, &stagehand.journal);
    let begun = stagehand.toolkit.sample_started(probe);
    let begun_us = journal.now_us();
    let (output, holds) = match asker.prepare(probe) {
        Ok(probe) => {
            let judged = asker.judge(&probe, None, false).await;
            if let Some(reason) = &judged.carried.interrupts {
                let reason = format!("probe `{}` interrupted it: {reason}", probe.name);
                stagehand.abort.request(asker.redaction.text(&reason));
            }
            (judged.carried.output, judged.holds)
        }
        Err(reason) => (Err(reason.clone()), Observed::Unknown(reason)),
    };
    let at_us = journal.now_us();
    stagehand.toolkit.sample_ended(
        begun,
        Ending {
            status: if output.is_ok() {
                "succeeded"
            } else {
                "failed"
            },
            output: output.clone().unwrap_or_default(),
            exception: output.clone().err().into_iter().collect(),
            tolerance_met: Some(holds.is_yes()),
            detail: json!({ "sampled": holds }),
        },
    );
    let mut samples = kept.lock().unwrap_or_else(PoisonError::into_inner);
    samples.last = output.unwrap_or_default();
    samples.begun_us.push(begun_us);
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
    fn observed(&self, broken: &[Range<u64>]) -> Observed {
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
            None if !self.saw(broken) => Observed::Unknown(format!(
                "none of {all} samples was taken while anything was broken; ask more often"
            )),
            None => Observed::Yes(format!("{all} samples")),
        }
    }

    /// Whether a sample began while something was broken.
    fn saw(&self, broken: &[Range<u64>]) -> bool {
        let during = |at| broken.iter().any(|time| time.contains(at));
        broken.is_empty() || self.begun_us.iter().any(during)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples that held and began then.
    fn held(begun_us: &[u64]) -> Samples {
        Samples {
            held: begun_us.len() as u64,
            begun_us: begun_us.to_vec(),
            ..Samples::default()
        }
    }

    #[test]
    fn a_sample_proves_something_only_while_something_is_broken() {
        let broken = [10..20, 40..50];
        for (begun_us, proves) in [
            (&[][..], false),
            (&[0, 9], false),
            (&[9, 20, 39, 50], false),
            (&[0, 10], true),
            (&[45], true),
        ] {
            let observed = held(begun_us).observed(&broken);
            assert_eq!(observed.is_yes(), proves, "{begun_us:?}: {observed:?}");
            assert!(!matches!(observed, Observed::No(_)));
        }
        assert!(held(&[3]).observed(&[]).is_yes());
    }
}
