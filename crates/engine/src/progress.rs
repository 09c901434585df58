//! What a run tells while it goes on.

use std::sync::Arc;
use std::time::Duration;

use shaketable_dialect::redaction::Redaction;
use shaketable_experiment::StageRole;
use shaketable_load::RunningLoad;

use crate::journal::Journal;
use crate::stages::{Sampler, StageReader, ending_stages};

/// Between two live figures.
const LIVE_INTERVAL: Duration = Duration::from_millis(250);

/// Figures of the moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Live {
    /// Seconds since the load began.
    pub at_s: f64,
    /// Attempts so far.
    pub attempted: u64,
    /// Acknowledged so far.
    pub acknowledged: u64,
    /// Failed for certain so far.
    pub failed: u64,
    /// Neither so far, without those in flight.
    pub indeterminate: u64,
    /// Unanswered now.
    pub in_flight: u64,
    /// Seen settled so far.
    pub settled: u64,
    /// Seen at an unwanted end so far.
    pub unwanted: u64,
}

/// Who is told. Calls come from several tasks.
pub trait Progress: Send + Sync {
    /// A step begins, or something happened that belongs on a line of its own.
    fn event(&self, text: &str);
    /// The figures changed.
    fn live(&self, live: Live);
}

/// Tells everything on, but for secrets.
pub(crate) struct WithoutSecrets {
    /// Who is told.
    pub(crate) progress: Arc<dyn Progress>,
    /// The secrets.
    pub(crate) redaction: Redaction,
}

impl Progress for WithoutSecrets {
    fn event(&self, text: &str) {
        self.progress.event(&self.redaction.text(text));
    }

    fn live(&self, live: Live) {
        self.progress.live(live);
    }
}

/// Tells the figures of the moment until it is dropped.
pub(crate) struct Telling(tokio::task::JoinHandle<()>);

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Begins to tell the figures of the moment.
pub(crate) fn tell_live(
    load: &RunningLoad,
    sampler: &Sampler,
    readers: &[StageReader],
    progress: &Arc<dyn Progress>,
    journal: &Journal,
) -> Telling {
    let (counts, seen, progress, t0) = (
        load.subscribe(),
        sampler.seen().clone(),
        progress.clone(),
        journal.t0(),
    );
    let begun_s = t0.elapsed().as_secs_f64();
    let (settled, unwanted): (Vec<usize>, Vec<usize>) = ending_stages(readers)
        .into_iter()
        .partition(|&index| readers[index].stage().role == StageRole::Settled);
    Telling(tokio::spawn(async move {
        let mut clock = tokio::time::interval(LIVE_INTERVAL);
        loop {
            clock.tick().await;
            let now = counts.now();
            progress.live(Live {
                at_s: t0.elapsed().as_secs_f64() - begun_s,
                attempted: now.attempted,
                acknowledged: now.acknowledged,
                failed: now.failed,
                indeterminate: now.indeterminate,
                in_flight: now.in_flight,
                settled: settled.iter().map(|&stage| seen.count(stage)).sum(),
                unwanted: unwanted.iter().map(|&stage| seen.count(stage)).sum(),
            });
        }
    }))
}
