//! Carrying out process and HTTP activities, and reading secrets of Vault, bounded in time and memory.
//!
//! What is promised:
//!
//! 1. Every wait ends: at the time the caller gave, or when the caller drops the future.
//! 2. A process is never left behind by a timeout or a dropped future: its whole group is killed
//!    and the child is reaped.
//! 3. Of everything read, at most `keep` bytes are kept; the rest is read, counted and dropped.
//! 4. What goes over the wire, and what comes back, is what Python's `subprocess` and `requests`
//!    would have sent and returned, so that experiments written for them mean the same here.
//!
//! What an activity means (which field goes where, what counts as failed, how text is judged)
//! is the caller's: this crate only carries out.

pub mod decode;
pub mod http;
pub mod process;
pub mod vault;

pub use http::{Body, HttpFailure, Query, Request, Response};
pub use process::{Process, ProcessFailure, ProcessOutput, Stdin, Stream, expand_user, which};
