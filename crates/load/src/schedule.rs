//! The arrival schedule: when the n-th request is due.
//!
//! Every time is computed from `n`, never from the time before it, so that rounding cannot add up.

/// The largest rate a schedule accepts, in arrivals per second: one per microsecond.
pub const RATE_MAX_PER_S: f64 = 1_000_000.0;

const US_PER_S: f64 = 1_000_000.0;

/// Arrivals at a constant rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    start_us: u64,
    rate_per_s: f64,
}

impl Schedule {
    /// Arrivals at `rate_per_s` from `start_us` on, the first one at `start_us` itself.
    ///
    /// # Panics
    /// If the rate is not above 0 and at most [`RATE_MAX_PER_S`].
    pub fn new(start_us: u64, rate_per_s: f64) -> Self {
        assert!(
            rate_per_s > 0.0 && rate_per_s <= RATE_MAX_PER_S,
            "a schedule cannot keep a rate of {rate_per_s} per second"
        );
        Self {
            start_us,
            rate_per_s,
        }
    }

    /// When the `n`-th arrival (from 0) is due, in microseconds: `start + n / rate`, to the nearest.
    pub fn due_us(&self, n: u64) -> u64 {
        // A float holds every n below 2^53 exactly: 285 years at the largest rate.
        let offset_us = (n as f64 * US_PER_S / self.rate_per_s).round();
        self.start_us.saturating_add(offset_us as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_follow_from_n_and_do_not_drift() {
        let thirds = Schedule::new(1_000, 3.0);
        assert_eq!(
            (0..4).map(|n| thirds.due_us(n)).collect::<Vec<_>>(),
            [1_000, 334_333, 667_667, 1_001_000]
        );
        // 33 days later the third is still exact; adding 333 333 µs each time would be 2.9 s early.
        assert_eq!(thirds.due_us(3 * 2_900_000), 1_000 + 2_900_000_000_000);
        assert_eq!(Schedule::new(0, 50.0).due_us(4_711), 94_220_000);
        assert_eq!(Schedule::new(0, RATE_MAX_PER_S).due_us(7), 7);
        assert_eq!(Schedule::new(0, 0.5).due_us(7), 14_000_000);
    }

    #[test]
    fn absurdly_rare_arrivals_saturate() {
        assert_eq!(Schedule::new(5, f64::MIN_POSITIVE).due_us(1), u64::MAX);
    }
}
