//! Reports: a run's record as text for people ([`text`]), as JSON for programs ([`json`]), as JUnit XML
//! for continuous integration ([`junit`]) and as Markdown for pull requests ([`markdown`]).
//!
//! Pure: a record in, text out. The ledger comes first, integers only; then what happened when;
//! then witnesses with their stories. Where it is written is the caller's business.

mod json;
mod junit;
mod ledger;
mod markdown;
mod table;
mod text;

pub use json::json;
pub use junit::junit;
pub use ledger::{WITNESSES_MAX, ledger_text};
pub use markdown::markdown;
pub use table::table;
pub use text::{Compared, comparison, deviates, text};
