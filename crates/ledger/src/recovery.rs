//! Availability and recovery, as the load saw them: pure functions of the attempts.
//!
//! Attempts are put into buckets of 100 ms by their *intended* time, so that a stall is seen where the
//! load was due and not where it was finally sent. An attempt is *ok* if it was acknowledged;
//! everything else is an error.
//!
//! *Steady* means 5 s in which at least 99 % of what was offered is ok.

use serde::{Deserialize, Serialize};

use crate::{Attempt, Outcome};

/// The length of a bucket, in µs.
const BUCKET_US: u64 = 100_000;
/// How many buckets must be steady in a row: 5 s.
const STEADY_BUCKETS: usize = 50;
/// At least this share of the offered attempts is ok when the system is steady, in percent.
const STEADY_OK_PERCENT: u64 = 99;
/// A bucket counts as unavailable if a smaller share of its attempts is ok, in percent.
const AVAILABLE_OK_PERCENT: u64 = 50;

/// How available a system was, and how fast it recovered. All values are in seconds;
/// those named `…_at_s` since the run began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// The longest time between two successive acknowledgements. The time from the first intended
    /// attempt to the first acknowledgement counts, and so does that from the last acknowledgement to
    /// the last intended attempt: a system that never comes back has a gap, too.
    pub longest_gap_s: f64,
    /// The sum of the buckets in which less than half of what was offered is ok.
    pub unavailable_s: f64,
    /// When the first error was known, at or after the fault (or in the run, if there was no fault).
    pub first_error_at_s: Option<f64>,
    /// From the fault to the first error.
    pub time_to_detect_s: Option<f64>,
    /// From the fault until the system was steady again while still faulty: the failover.
    /// Zero if it stayed steady; `None` if it did not become steady before the fault was healed, or
    /// if the fault was shorter than it takes to tell.
    pub mttr_fault_s: Option<f64>,
    /// From the healing until the system was steady; `None` if it was not before the load ended.
    pub mttr_heal_s: Option<f64>,
}

/// Measures availability. `fault_at_us` and `heal_at_us` are when the fault was applied and recovered,
/// `end_us` is when the load ended; attempts due later are left out.
pub fn recovery(
    attempts: &[Attempt],
    fault_at_us: Option<u64>,
    heal_at_us: Option<u64>,
    end_us: u64,
) -> Recovery {
    let attempts: Vec<&Attempt> = attempts
        .iter()
        .filter(|attempt| attempt.intended_us < end_us)
        .collect();
    let buckets = Buckets::of(&attempts);
    let first_error_us = attempts
        .iter()
        .filter(|attempt| !is_ok(attempt))
        .map(|attempt| known_at_us(attempt))
        .filter(|&at| at >= fault_at_us.unwrap_or(0))
        .min();
    Recovery {
        longest_gap_s: seconds(longest_gap_us(&attempts)),
        unavailable_s: seconds(buckets.unavailable_us()),
        first_error_at_s: first_error_us.map(seconds),
        time_to_detect_s: fault_at_us.and_then(|fault| Some(seconds(first_error_us? - fault))),
        mttr_fault_s: fault_at_us.and_then(|fault| {
            let until = heal_at_us.unwrap_or(end_us).min(end_us);
            buckets.failover_us(fault, until).map(seconds)
        }),
        mttr_heal_s: heal_at_us.and_then(|heal| buckets.steady_after_us(heal, end_us).map(seconds)),
    }
}

fn is_ok(attempt: &Attempt) -> bool {
    matches!(attempt.outcome, Outcome::Acknowledged { .. })
}

fn known_at_us(attempt: &Attempt) -> u64 {
    attempt.ended_us.unwrap_or(attempt.started_us)
}

fn longest_gap_us(attempts: &[&Attempt]) -> u64 {
    let intended = || attempts.iter().map(|attempt| attempt.intended_us);
    let (Some(first), Some(last)) = (intended().min(), intended().max()) else {
        return 0;
    };
    let mut marks: Vec<u64> = attempts
        .iter()
        .filter(|attempt| is_ok(attempt))
        .map(|attempt| known_at_us(attempt))
        .collect();
    marks.sort_unstable();
    let tail = last.max(marks.last().copied().unwrap_or(first));
    marks.insert(0, first.min(marks.first().copied().unwrap_or(first)));
    marks.push(tail);
    marks
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .max()
        .unwrap_or(0)
}

/// What was offered and what of it was ok, per bucket since the run began.
struct Buckets(Vec<Bucket>);

#[derive(Clone, Copy, Default)]
struct Bucket {
    offered: u64,
    ok: u64,
}

impl Buckets {
    fn of(attempts: &[&Attempt]) -> Buckets {
        let mut buckets = Vec::new();
        for attempt in attempts {
            let index = (attempt.intended_us / BUCKET_US) as usize;
            if buckets.len() <= index {
                buckets.resize(index + 1, Bucket::default());
            }
            buckets[index].offered += 1;
            buckets[index].ok += u64::from(is_ok(attempt));
        }
        Buckets(buckets)
    }

    fn unavailable_us(&self) -> u64 {
        let unavailable = self
            .0
            .iter()
            .filter(|bucket| bucket.ok * 100 < bucket.offered * AVAILABLE_OK_PERCENT)
            .count();
        unavailable as u64 * BUCKET_US
    }

    /// From `fault` until the first steady 5 s after the first unsteady 5 s, all before `until`.
    /// A fault takes time to bite: the calm before that is not the recovery.
    fn failover_us(&self, fault: u64, until: u64) -> Option<u64> {
        let windows: Vec<(u64, bool)> = self.windows(fault, until).collect();
        let unsteady = windows.iter().position(|(_, steady)| !steady);
        let recovered = match unsteady {
            None => windows.first(),
            Some(unsteady) => windows[unsteady..].iter().find(|(_, steady)| *steady),
        };
        recovered.map(|(start, _)| start.saturating_sub(fault))
    }

    /// From `from` until the first steady 5 s, before `until`.
    fn steady_after_us(&self, from: u64, until: u64) -> Option<u64> {
        self.windows(from, until)
            .find(|(_, steady)| *steady)
            .map(|(start, _)| start.saturating_sub(from))
    }

    /// Every 5 s that lie in `from..until`, with their start in µs and whether they are steady. Those in which
    /// nothing was offered are left out.
    fn windows(&self, from: u64, until: u64) -> impl Iterator<Item = (u64, bool)> {
        let first = (from / BUCKET_US) as usize;
        self.0
            .windows(STEADY_BUCKETS)
            .enumerate()
            .skip(first)
            .map(|(index, window)| (index as u64 * BUCKET_US, window))
            .take_while(move |(start, _)| start + STEADY_BUCKETS as u64 * BUCKET_US <= until)
            .filter_map(|(start, window)| {
                let offered: u64 = window.iter().map(|bucket| bucket.offered).sum();
                let ok: u64 = window.iter().map(|bucket| bucket.ok).sum();
                (offered > 0).then_some((start, ok * 100 >= offered * STEADY_OK_PERCENT))
            })
    }
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}
