//! The accounting: pure functions over recorded [`Facts`]. No IO, no clock, no client is known here.
//!
//! The facts say what the load attempted and what every stage of the system showed afterwards.
//! [`Ledger::balance`] decides the fate of every acknowledged message, and this is what it promises:
//!
//! 1. **Every attempt has one outcome:** `attempted = acknowledged + failed + indeterminate`.
//! 2. **Every acknowledged attempt has one fate:** `acknowledged = settled + unwanted + stuck + lost`.
//!    - *unwanted*: seen in an unwanted stage, whatever else was seen;
//!    - *settled*: seen in a settled stage and in no unwanted one;
//!    - *stuck*: seen in a trace stage only, when the drain had ended;
//!    - *lost*: seen nowhere.
//! 3. **Every stage accounts for every acknowledged attempt:** `acknowledged = once + duplicated + missing`,
//!    and `ids = claimed + unclaimed` where a claimed identity is one that an attempt was acknowledged with.
//! 4. **What was there before the load is not this run's doing:** a sighting of an identity in the
//!    stage's baseline counts for nothing in that stage. An attempt that is acknowledged with such
//!    an identity is the finding `STALE`.
//! 5. **Two attempts acknowledged with one identity** are counted one by one, so that 1 to 3 hold, and
//!    are the finding `REPEATED`.
//! 6. ***duplicated*** counts identities, claimed or not, that a settled stage showed twice or more.
//! 7. ***late*** counts settled attempts that a settled stage first showed more than its limit after the
//!    *intended* time. The time of a sighting is an upper bound, and one without a time counts as
//!    seen at the drain deadline, so *late* can be overstated and never understated.
//! 8. ***conflicting*** counts attempts seen both in a settled and in an unwanted stage. They are
//!    *unwanted*, and the finding `TORN`.
//! 9. ***scattered*** counts attempts whose records one topic showed in more than one partition:
//!    nothing keeps them in order.
//! 10. **An identity that nobody claims** and that is in no baseline may be the effect of an
//!     indeterminate attempt, whose identity the sender never learned. So of the unclaimed identities
//!     (distinct, over all stages) `resolved_plus = min(unclaimed, indeterminate)` are excused and
//!     `phantom = unclaimed − resolved_plus` are not: a failure that had an effect, or a stranger.
//!     *phantom* is the least number for which there is no excuse.
//! 11. **Nothing is known that could have been different:** a measure is [`Measured::Known`] only if no
//!     sighting that an incomplete reading may have missed could change it, and if some stage of the
//!     needed role was read at all. Otherwise it is [`Measured::Unknown`], which is never a pass.
//!     The integers in [`Counts`] count what was seen.
//! 12. **The books are audited:** [`Ledger::check`] counts everything again from the facts, by set algebra
//!     and not from the ledger's entries. A difference is an error of the checker, never a pass.
//!
//! Left to others: which errors are definite failures (the load drivers), reading logs and stores to
//! their end (the readers), the verdict (the engine). [`recovery`] measures availability from
//! the same attempts. The ledger goes to the engine's `ledger` probes and to the report.

mod entry;
mod facts;
mod fate;
mod finding;
mod imbalance;
mod ledger;
mod measure;
mod recovery;
mod story;

pub use facts::{Attempt, Facts, Outcome, Sighting, StageReading, StageRole, StageSpec};
pub use fate::Fate;
pub use finding::{Class, Finding, FindingKind};
pub use imbalance::Imbalance;
pub use ledger::{Counts, Ledger, StageCount};
pub use measure::{Measure, Measured, UnknownMeasure};
pub use recovery::{Recovery, recovery};
pub use story::Story;
