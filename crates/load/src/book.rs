//! The book of a run: one entry per attempt, and the live counts.
//!
//! An entry is opened before anything is sent, as `Indeterminate` without an end. So an attempt
//! that nobody closes (its task died, the run was cut short) is already recorded as what it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde::Serialize;
use shaketable_ledger::{Attempt, Outcome};

/// The reason of an attempt that is not, or never was, resolved.
const UNRESOLVED: &str = "no answer yet when the attempts were read";

/// How many attempts there are, by outcome.
/// `attempted = acknowledged + failed + indeterminate + in_flight`, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Every request that was due, sent or not.
    pub attempted: u64,
    /// Answered with 2xx and an identity.
    pub acknowledged: u64,
    /// Certainly without effect.
    pub failed: u64,
    /// Neither of the two.
    pub indeterminate: u64,
    /// Not resolved yet. Zero in a finished report: those count as indeterminate there.
    pub in_flight: u64,
}

impl Counts {
    /// Counts attempts that will not change any more.
    pub(crate) fn of(attempts: &[Attempt]) -> Self {
        let mut counts = Self {
            attempted: attempts.len() as u64,
            ..Self::default()
        };
        for attempt in attempts {
            match attempt.outcome {
                Outcome::Acknowledged { .. } => counts.acknowledged += 1,
                Outcome::Failed { .. } => counts.failed += 1,
                Outcome::Indeterminate { .. } => counts.indeterminate += 1,
            }
        }
        counts
    }
}

/// A cheap handle on the counts of a running load, for a progress line; it takes no lock.
#[derive(Clone)]
pub struct LiveCounts(Arc<Book>);

impl LiveCounts {
    /// The counts now.
    pub fn now(&self) -> Counts {
        self.0.counts()
    }
}

#[derive(Default)]
pub(crate) struct Book {
    attempts: Mutex<Vec<Attempt>>,
    attempted: AtomicU64,
    acknowledged: AtomicU64,
    failed: AtomicU64,
    indeterminate: AtomicU64,
}

impl Book {
    pub(crate) fn live(self: &Arc<Self>) -> LiveCounts {
        LiveCounts(Arc::clone(self))
    }

    /// Opens the next entry; its sequence number is its place.
    pub(crate) fn open(&self, intended_us: u64, started_us: u64) -> u64 {
        let mut attempts = self.entries();
        let seq = attempts.len() as u64;
        attempts.push(Attempt {
            seq,
            intended_us,
            started_us,
            ended_us: None,
            outcome: Outcome::Indeterminate {
                reason: UNRESOLVED.to_owned(),
            },
            status: None,
        });
        self.attempted.fetch_add(1, Ordering::SeqCst);
        seq
    }

    /// Closes entry `seq`; called once for each.
    pub(crate) fn close(&self, seq: u64, ended_us: u64, status: Option<u16>, outcome: Outcome) {
        let mut attempts = self.entries();
        let attempt = &mut attempts[seq as usize];
        let count = match outcome {
            Outcome::Acknowledged { .. } => &self.acknowledged,
            Outcome::Failed { .. } => &self.failed,
            Outcome::Indeterminate { .. } => &self.indeterminate,
        };
        attempt.ended_us = Some(ended_us);
        attempt.status = status;
        attempt.outcome = outcome;
        count.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn counts(&self) -> Counts {
        // The outcomes are read before the attempts: an attempt is opened before it is closed, so
        // the difference cannot be negative.
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        let failed = self.failed.load(Ordering::SeqCst);
        let indeterminate = self.indeterminate.load(Ordering::SeqCst);
        let attempted = self.attempted.load(Ordering::SeqCst);
        let in_flight = attempted - acknowledged - failed - indeterminate;
        Counts {
            attempted,
            acknowledged,
            failed,
            indeterminate,
            in_flight,
        }
    }

    pub(crate) fn snapshot(&self) -> Vec<Attempt> {
        self.entries().clone()
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Attempt>> {
        self.attempts
            .lock()
            .expect("no one panics while holding the book")
    }
}
