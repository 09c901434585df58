//! Reports: a run's record as text for people ([`text`]) and as JSON for programs ([`json`]).
//!
//! Pure: a record in, text out. The ledger comes first, integers only; then what happened when;
//! then witnesses with their stories. Where it is written is the caller's business.

mod json;
mod ledger;
mod table;
mod text;

pub use json::json;
pub use ledger::{WITNESSES_MAX, ledger_text};
pub use table::table;
pub use text::{Compared, comparison, deviates, text};
