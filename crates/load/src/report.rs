//! The report of a finished load: every attempt, and how long the answers took.
//!
//! Latency is told from the intended time (what a user waits: it includes the wait for a generator
//! that is late) and from the actual send. It covers every attempt that ended and was not a
//! definite failure: acknowledged ones, and indeterminate ones with the whole time that was waited
//! for them, as leaving timeouts out would flatter the system. An attempt that was refused at once
//! says nothing about how fast the system works.

use hdrhistogram::Histogram;
use serde::Serialize;
use shaketable_ledger::{Attempt, Outcome};

use crate::book::Counts;
use crate::workload::TIMEOUT_MAX;

/// The longest latency that is told apart from longer ones, in µs.
const LATENCY_US_MAX: u64 = TIMEOUT_MAX.as_micros() as u64;

/// Significant decimal digits kept of a latency.
const LATENCY_DIGITS: u8 = 3;

/// What became of a load.
#[derive(Clone, Debug)]
pub struct LoadReport {
    /// Every attempt, by sequence number; `attempts[n].seq == n`.
    pub attempts: Vec<Attempt>,
    /// The attempts by outcome; none is in flight any more.
    pub counts: Counts,
    /// When the first request was due, in µs since `t0`.
    pub started_us: u64,
    /// When the arrivals were stopped, in µs since `t0`.
    pub stopped_us: u64,
    /// How late the generator itself was at worst, in µs: started after intended.
    pub lateness_us_max: u64,
    /// How long answers took; `None` if no attempt counts.
    pub latency: Option<Latency>,
}

/// Latency of the attempts that ended and were not definite failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// How many attempts it covers.
    pub count: u64,
    /// From the time the request was due until it ended.
    pub from_intended: Percentiles,
    /// From the time the request was sent until it ended.
    pub from_sent: Percentiles,
}

/// Percentiles in microseconds, exact to three digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Half of the attempts took at most this.
    pub p50_us: u64,
    /// Nine tenths of the attempts took at most this.
    pub p90_us: u64,
    /// 99 % of the attempts took at most this.
    pub p99_us: u64,
    /// The slowest attempt; never more than an hour.
    pub max_us: u64,
}

impl LoadReport {
    pub(crate) fn new(attempts: Vec<Attempt>, started_us: u64, stopped_us: u64) -> Self {
        let lateness = |attempt: &Attempt| attempt.started_us.saturating_sub(attempt.intended_us);
        Self {
            counts: Counts::of(&attempts),
            started_us,
            stopped_us,
            lateness_us_max: attempts.iter().map(lateness).max().unwrap_or(0),
            latency: Latency::of(&attempts),
            attempts,
        }
    }
}

impl Latency {
    fn of(attempts: &[Attempt]) -> Option<Self> {
        let (mut from_intended, mut from_sent) = (histogram(), histogram());
        for attempt in attempts {
            match (&attempt.outcome, attempt.ended_us) {
                (Outcome::Failed { .. }, _) | (_, None) => {}
                (_, Some(ended_us)) => {
                    from_intended.saturating_record(ended_us.saturating_sub(attempt.intended_us));
                    from_sent.saturating_record(ended_us.saturating_sub(attempt.started_us));
                }
            }
        }
        (!from_sent.is_empty()).then(|| Self {
            count: from_sent.len(),
            from_intended: Percentiles::of(&from_intended),
            from_sent: Percentiles::of(&from_sent),
        })
    }
}

impl Percentiles {
    fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            p50_us: histogram.value_at_quantile(0.50),
            p90_us: histogram.value_at_quantile(0.90),
            p99_us: histogram.value_at_quantile(0.99),
            max_us: histogram.max(),
        }
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, LATENCY_DIGITS)
        .expect("the bounds are constants within what a histogram accepts")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(seq: u64, started_us: u64, ended_us: Option<u64>, outcome: Outcome) -> Attempt {
        Attempt {
            seq,
            intended_us: seq * 1_000,
            started_us,
            ended_us,
            outcome,
            status: None,
        }
    }

    #[test]
    fn latency_covers_what_was_waited_for_and_nothing_else() {
        let acknowledged = Outcome::Acknowledged {
            identity: "1".into(),
        };
        let failed = Outcome::Failed {
            reason: "refused".into(),
        };
        let open = Outcome::Indeterminate {
            reason: "timeout".into(),
        };
        let report = LoadReport::new(
            vec![
                attempt(0, 0, Some(100), acknowledged.clone()),
                attempt(1, 1_400, Some(1_500), acknowledged),
                attempt(2, 2_000, Some(2_001), failed),
                attempt(3, 3_000, Some(4_000), open.clone()),
                attempt(4, 4_000, None, open),
            ],
            0,
            4_000,
        );
        let latency = report.latency.expect("three attempts count");
        assert_eq!(latency.count, 3);
        assert_eq!(latency.from_sent.p50_us, 100);
        assert_eq!(latency.from_intended.p50_us, 500);
        assert_eq!(latency.from_intended.max_us, 1_000);
        assert_eq!(report.lateness_us_max, 400);
        assert_eq!((report.counts.failed, report.counts.indeterminate), (1, 2));
    }

    #[test]
    fn without_answers_there_is_no_latency() {
        assert_eq!(LoadReport::new(Vec::new(), 0, 0).latency, None);
    }
}
