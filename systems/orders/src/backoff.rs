//! The wait between two tries: longer with every failure, bounded, and never the same twice, so
//! that workers that failed together do not come back together.

use std::time::Duration;

/// The waits of one series of tries.
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
}

/// The first wait, before jitter; doubled with every further failure.
pub const BACKOFF_MIN: Duration = Duration::from_millis(100);

/// The longest wait.
pub const BACKOFF_MAX: Duration = Duration::from_secs(2);

impl Backoff {
    /// The next wait: between the half and the whole of what it would be without jitter.
    pub fn next_pause(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(BACKOFF_MAX);
        whole.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// Begins anew: the last try succeeded.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: BACKOFF_MIN }
    }
}
