//! A running load: the task that lets requests arrive, and the requests it has in flight.
//!
//! The arrivals are one task. It alone opens entries in the book and starts one task per request,
//! so the bound on requests in flight needs no lock. It ends when it is told to stop, after the
//! last arrival that was due by then, or when its [`RunningLoad`] is dropped.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shaketable_ledger::{Attempt, Outcome};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet, consume_budget};
use tokio::time::sleep_until;

use crate::book::{Book, Counts, LiveCounts};
use crate::driver::Sender;
use crate::report::LoadReport;
use crate::schedule::Schedule;

/// A load that is being sent. Dropping it abandons the run: arrivals end and open requests are
/// cut off.
pub struct RunningLoad {
    book: Arc<Book>,
    clock: Clock,
    start_us: u64,
    /// When the arrivals were told to stop, in µs since `t0`.
    stop_us: watch::Sender<Option<u64>>,
    arrivals: JoinHandle<JoinSet<()>>,
}

impl RunningLoad {
    pub(crate) fn spawn(
        sender: Arc<Sender>,
        rate_per_s: f64,
        max_in_flight: usize,
        t0: Instant,
    ) -> Self {
        assert!(
            t0 <= Instant::now(),
            "a load cannot start before its own time base"
        );
        let book = Arc::new(Book::default());
        let clock = Clock { t0 };
        let start_us = clock.now_us();
        let (stop_us, stop) = watch::channel(None);
        let arrivals = Arrivals {
            schedule: Schedule::new(start_us, rate_per_s),
            book: Arc::clone(&book),
            sender,
            clock,
            max_in_flight: max_in_flight as u64,
            requests: JoinSet::new(),
        };
        let arrivals = tokio::spawn(arrivals.run(stop));
        Self {
            book,
            clock,
            start_us,
            stop_us,
            arrivals,
        }
    }

    /// Ends the arrivals. Requests in flight go on; a second call changes nothing.
    pub fn stop(&self) {
        self.stop_us.send_if_modified(|stop_us| {
            let first = stop_us.is_none();
            stop_us.get_or_insert_with(|| self.clock.now_us());
            first
        });
    }

    /// Stops, waits until every request in flight is resolved, but no longer than `timeout`, and
    /// reports. Requests that are still open then are cut off and stay indeterminate, without an
    /// end. As each request has a timeout of its own, a longer `timeout` leaves none open.
    pub async fn finish(self, timeout: Duration) -> LoadReport {
        self.stop();
        let Self {
            book,
            start_us,
            stop_us,
            arrivals,
            ..
        } = self;
        let resolved = async {
            match arrivals.await {
                Ok(mut requests) => while requests.join_next().await.is_some() {},
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                // The runtime is shutting down: what is open stays indeterminate.
                Err(_) => {}
            }
        };
        // When the time is up, dropping the requests cuts off those that are still open.
        tokio::time::timeout(timeout, resolved).await.ok();
        let stopped_us = stop_us.borrow().expect("the load was stopped above");
        LoadReport::new(book.snapshot(), start_us, stopped_us)
    }

    /// The counts now.
    pub fn attempts_so_far(&self) -> Counts {
        self.book.counts()
    }

    /// A handle on the counts that can be kept and cloned, for a progress line.
    pub fn subscribe(&self) -> LiveCounts {
        self.book.live()
    }

    /// A copy of every attempt so far. Those in flight are indeterminate and have no end yet.
    pub fn snapshot(&self) -> Vec<Attempt> {
        self.book.snapshot()
    }
}

/// The time base of a run: microseconds since `t0`, on the monotonic clock.
#[derive(Clone, Copy)]
struct Clock {
    t0: Instant,
}

impl Clock {
    fn now_us(self) -> u64 {
        self.t0.elapsed().as_micros() as u64
    }

    fn at(self, us: u64) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.t0 + Duration::from_micros(us))
    }
}

struct Arrivals {
    schedule: Schedule,
    book: Arc<Book>,
    sender: Arc<Sender>,
    clock: Clock,
    max_in_flight: u64,
    requests: JoinSet<()>,
}

impl Arrivals {
    /// Lets requests arrive until `stop`, then returns those that may still be in flight.
    async fn run(mut self, mut stop: watch::Receiver<Option<u64>>) -> JoinSet<()> {
        for n in 0.. {
            let due_us = self.schedule.due_us(n);
            tokio::select! {
                biased;
                stopped = stop.wait_for(Option::is_some) => {
                    // No sender any more: the run was abandoned. Otherwise what was due by the
                    // stop, but is late, still arrives.
                    if stopped.map_or(true, |stop_us| stop_us.is_some_and(|stop_us| due_us > stop_us)) {
                        break;
                    }
                }
                () = sleep_until(self.clock.at(due_us)) => {}
            }
            self.arrive(due_us);
            // Catching up must not keep the requests from being sent.
            consume_budget().await;
        }
        self.requests
    }

    fn arrive(&mut self, due_us: u64) {
        // Finished tasks are let go of, so that the set holds only what is in flight.
        while self.requests.try_join_next().is_some() {}
        let in_flight = self.book.counts().in_flight;
        let started_us = self.clock.now_us();
        let seq = self.book.open(due_us, started_us);
        if in_flight >= self.max_in_flight {
            let reason = format!("not sent: {} requests in flight", self.max_in_flight);
            return self
                .book
                .close(seq, started_us, None, Outcome::Failed { reason });
        }
        let (sender, book, clock) = (Arc::clone(&self.sender), Arc::clone(&self.book), self.clock);
        self.requests.spawn(async move {
            let (status, outcome) = sender.send().await;
            book.close(seq, clock.now_us(), status, outcome);
        });
    }
}
