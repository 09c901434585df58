//! Retries: whether and when a process that has ended is started again, as Compose's `restart` says
//! and Docker does it.

use std::time::Duration;

use crate::compose::RestartPolicy;

/// The wait before the first restart; each further one waits twice as long.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// The longest wait between two starts. Docker's is a minute, longer than most experiments.
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// A process that ran this long starts with the first back-off again.
const BACKOFF_RESET_AFTER: Duration = Duration::from_secs(10);

/// The restarts of one instance.
#[derive(Debug)]
pub(super) struct Retry {
    policy: RestartPolicy,
    backoff: Duration,
    /// Restarts by policy so far; those of `on-failure:n` are never given back.
    count: u32,
}

impl Retry {
    pub(super) fn new(policy: RestartPolicy) -> Retry {
        Retry {
            policy,
            backoff: BACKOFF_FIRST,
            count: 0,
        }
    }

    /// How long to wait before the next start, also after a program that could not be started at
    /// all; `None` when there is none.
    pub(super) fn after_exit(&mut self, success: bool, ran_for: Duration) -> Option<Duration> {
        if ran_for >= BACKOFF_RESET_AFTER {
            self.reset();
        }
        let again = match self.policy {
            RestartPolicy::No => false,
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure(most) => !success && most.is_none_or(|most| self.count < most),
        };
        again.then(|| {
            self.count += 1;
            let wait = self.backoff;
            self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
            wait
        })
    }

    /// Begins with the shortest wait again.
    pub(super) fn reset(&mut self) {
        self.backoff = BACKOFF_FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRIEF: Duration = Duration::from_millis(1);

    fn waits_ms(policy: RestartPolicy, exits: &[(bool, Duration)]) -> Vec<Option<u128>> {
        let mut retry = Retry::new(policy);
        exits
            .iter()
            .map(|(success, ran_for)| Some(retry.after_exit(*success, *ran_for)?.as_millis()))
            .collect()
    }

    #[test]
    fn waits_double_up_to_a_bound_and_begin_again_after_a_long_run() {
        let mut exits = vec![(false, BRIEF); 9];
        exits.push((true, BACKOFF_RESET_AFTER));
        exits.push((true, BRIEF));
        let waits = [
            100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 100, 200,
        ];
        assert_eq!(
            waits_ms(RestartPolicy::Always, &exits),
            waits.map(Some).to_vec()
        );
    }

    #[test]
    fn only_failures_are_retried_and_no_more_often_than_allowed() {
        let failure = (false, BRIEF);
        let long_failure = (false, BACKOFF_RESET_AFTER);
        let success = (true, BRIEF);
        assert_eq!(waits_ms(RestartPolicy::No, &[failure]), [None]);
        assert_eq!(
            waits_ms(RestartPolicy::OnFailure(None), &[failure, success]),
            [Some(100), None]
        );
        // A long run resets the wait, not the count.
        assert_eq!(
            waits_ms(
                RestartPolicy::OnFailure(Some(2)),
                &[failure, long_failure, failure]
            ),
            [Some(100), Some(100), None]
        );
    }
}
