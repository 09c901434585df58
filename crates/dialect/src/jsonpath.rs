//! JSON paths: the dialect of the Python package `jsonpath2` 0.4.5.
//!
//! What is promised, because the reference behaves so:
//! 1. A path starts with `$`; names in brackets stand between double quotes and are taken as they
//!    are written, escapes and all; whitespace between tokens does not matter.
//! 2. A filter `[?(...)]` judges the current value itself, not its children. Equality is one `=`;
//!    `or` binds closer than `and`; order comparisons hold between numbers only.
//! 3. When both sides of a comparison are paths, only the first value of the left side meets the
//!    values of the right side.
//! 4. Slices may wrap around, as the reference's do; a step of zero raises.
//! 5. The functions are `charAt`, `entries`, `keys`, `length`, `substring` and `values`; any other
//!    name makes the path invalid.
//! 6. Work is bounded: [`MAX_STEPS`] and [`MAX_DEPTH`] end a search that would not end soon.
//!
//! [`parser`] reads the text, [`search`] walks a value; tolerances are the caller.

mod lexer;
mod parser;
mod search;

use std::borrow::Cow;

use crate::{Raised, Value};

/// How many values one search may look at (or copy) before it gives up.
pub const MAX_STEPS: usize = 5_000_000;

/// How deep paths, filters and the values below them may nest.
pub const MAX_DEPTH: usize = 240;

/// How many subscripts in a row one path may have.
pub const MAX_SUBSCRIPTS: usize = 240;

/// A path, ready to be searched for.
#[derive(Debug, Clone)]
pub struct Path {
    steps: Vec<Step>,
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    ///
    /// `ValueError` where the reference finds the text invalid, with line and column;
    /// `RecursionError` for a path that nests too deep.
    pub fn parse(text: &str) -> Result<Path, Raised> {
        parser::parse(text)
    }

    /// Every value the path leads to, in the reference's order.
    ///
    /// # Errors
    ///
    /// `ValueError` for a slice with the step zero, `RecursionError` for a value that nests too
    /// deep, `MemoryError` when the search is beyond [`MAX_STEPS`].
    pub fn find<'a>(&self, value: &'a Value) -> Result<Vec<Cow<'a, Value>>, Raised> {
        search::find(self, value)
    }
}

/// One subscript node: what is selected, at this value or (`descend`) also everywhere below it.
#[derive(Debug, Clone)]
struct Step {
    descend: bool,
    subscripts: Vec<Subscript>,
}

#[derive(Debug, Clone)]
enum Subscript {
    Key(String),
    Index(i128),
    Slice {
        start: Option<i128>,
        end: Option<i128>,
        step: Option<i128>,
    },
    Wildcard,
    Filter(Expression),
    /// The values this leads to are indices and keys.
    Query(Query),
    Call(Function, Vec<Operand>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    CharAt,
    Entries,
    Keys,
    Length,
    Substring,
    Values,
}

/// A path inside a path: from the root `$` or from the current value `@`.
#[derive(Debug, Clone)]
struct Query {
    from_root: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Operand {
    Query(Query),
    Literal(Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone)]
enum Expression {
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
    Compare(Operand, Comparison, Operand),
    Some(Operand),
}
