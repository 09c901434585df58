//! Open-loop load: HTTP requests at a constant arrival rate, each with one of three outcomes.
//!
//! What this crate promises:
//!
//! 1. **Open loop.** The n-th request is due at `start + n / rate`, whatever the answers to the
//!    earlier ones do. A generator that is behind sends at once; its lateness is visible as
//!    `started_us - intended_us`.
//! 2. **Nothing is lost.** Every request due before the stop becomes exactly one
//!    [`Attempt`](shaketable_ledger::Attempt), also when it could not be sent, and at every moment
//!    `attempted = acknowledged + failed + indeterminate + in flight`.
//! 3. **Failed is definite.** An attempt is `Failed` only by the whitelist in `outcome`; whatever
//!    is not on it, and whatever is still open at the end, is `Indeterminate`.
//! 4. **No attempt is sent twice**: no retries, no redirects followed.
//! 5. **Every wait is bounded**: one exchange by the request timeout, connecting included; the end
//!    of a run by the caller's timeout; the number of open requests by `max_in_flight`.
//!
//! A [`HttpWorkload`] says what to send, a [`HttpDriver`] is one that was found valid, a
//! [`RunningLoad`] is one that runs, and a [`LoadReport`] is what became of it. What happened to
//! the acknowledged identities afterwards is for `shaketable-ledger` to say; the attempts go there.

mod book;
mod driver;
mod identity;
mod outcome;
mod report;
mod run;
mod schedule;
mod workload;

pub use book::{Counts, LiveCounts};
pub use driver::HttpDriver;
pub use report::{Latency, LoadReport, Percentiles};
pub use run::RunningLoad;
pub use schedule::{RATE_MAX_PER_S, Schedule};
pub use workload::{HttpWorkload, TIMEOUT_MAX, WorkloadError};
