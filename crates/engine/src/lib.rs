//! The engine: runs a plan and says what came of it.
//!
//! plan → preflight → steady state → inject → observe → heal → roll back → account → verdict, one file a
//! step: [`sources`] (values that are found out first), [`preflight`], [`steady`], [`method`] (with
//! [`background`], [`injections`], [`safeguards`] and [`continuous`]), [`accounting`] (with [`stages`]),
//! [`verdict`]; `course` puts them in order, [`run`] is what is around them.
//!
//! One activity is carried out by a [`stagehand`], with its [`controls`]; what carries it out is asked by an
//! asker ([`probes`]: [`carrying`], [`judging`], [`python`]).
//!
//! Promises:
//! 1. A run always ends with a [`RunRecord`], and every fault it applied is recovered first, whatever
//!    happened; what could not be recovered is in the record and the verdict is never `passed`.
//! 2. Nothing is reported as injected, recovered or settled that was not observed to be so.
//! 3. Every event is in the journal, on disk, before the next step begins; the journal can be read
//!    after a crash.
//! 4. The verdict follows from recorded facts alone: `facts.json` gives the same ledger again.
//!
//! 5. What is known to be a secret is in no text that leaves the engine: not in the journal, the record,
//!    what is told, or a message.
//! 6. The Chaos Toolkit's journal can be made of ours at any instant ([`toolkit_journal`]).
//!
//! The engine prints nothing: it tells a [`Progress`]. How a record is shown is `report`'s business.

pub mod abort;
pub mod accounting;
mod addresses;
pub mod background;
mod calls;
pub mod carrying;
pub mod continuous;
pub mod controls;
mod course;
mod database;
mod dry;
pub mod exchange;
pub mod folder;
pub mod injections;
pub mod journal;
pub mod judging;
pub mod method;
pub mod preflight;
pub mod probes;
pub mod progress;
pub mod python;
pub mod record;
pub mod run;
mod run_lock;
pub mod safeguards;
pub mod site;
pub mod sources;
pub mod stagehand;
pub mod stages;
pub mod steady;
pub mod toolkit_journal;
pub mod verdict;

pub use abort::Abort;
pub use folder::RunFolder;
pub use progress::{Live, Progress};
pub use record::{FaultOutcome, ProbeOutcome, RunRecord, TimelineEvent};
pub use run::{RunOptions, run};
pub use verdict::Verdict;
