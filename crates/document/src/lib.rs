//! Documents: the text a person wrote, as a tree that knows where everything stands.
//!
//! What this crate promises:
//! 1. [`parse`] never panics and never builds more than [`NODES_MAX`] nodes or nests deeper than
//!    [`DEPTH_MAX`], whatever the text is.
//! 2. Every [`Node`] and every key has a [`Span`] into its [`Source`], so every later complaint can
//!    point at a line and a column.
//! 3. What a document may contain is written once, as a table ([`Object`], [`Field`], [`Kind`]);
//!    [`check`] and [`schema`] both read that table, so they cannot disagree.
//! 4. [`check`] reports everything that is wrong, not the first thing.
//!
//! It does no IO: it takes text and returns values. What the keys *mean* is left to the crates
//! that own the tables; they read the checked tree and build their own types from it.

mod check;
mod diagnostic;
mod node;
mod quantity;
mod schema;
mod source;
mod table;
mod yaml;

pub use check::{check, closest};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use node::{Data, Entry, Node};
pub use quantity::{duration, rate};
pub use schema::schema;
pub use source::{Source, Span};
pub use table::{Field, Kind, Object};
pub use yaml::{DEPTH_MAX, NODES_MAX, SOURCE_BYTES_MAX, parse};
