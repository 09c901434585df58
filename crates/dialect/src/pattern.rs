//! Patterns: regular expressions with the syntax and the meaning of Python 3.12's `re`.
//!
//! 1. Whether a pattern is valid, and the message when it is not, follow Python.
//! 2. A search means what `re.search` means: `\d`, `\w`, `\s` and `\b` are Python's Unicode classes,
//!    `$` matches before a last line feed, look-around, back-references, conditionals, atomic groups
//!    and possessive repetition work.
//! 3. Backtracking is bounded by [`MAX_BACKTRACKS`]; beyond it the search raises instead of hanging.
//!
//! Not covered: names of characters (`\N{...}`). The text is read by [`translate`]; the search itself
//! is the crate `fancy-regex`.

mod source;
mod translate;

use crate::Raised;

/// How many times one search may step back.
pub const MAX_BACKTRACKS: usize = 1_000_000;

/// How deep groups may nest.
pub const MAX_NESTING: usize = 100;

/// A pattern, compiled.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: fancy_regex::Regex,
}

impl Pattern {
    /// Compiles a pattern of text.
    ///
    /// # Errors
    ///
    /// Kind `error`, with the message of Python's `re.error` without its position, for an invalid
    /// pattern; `RecursionError` and `OverflowError` for what Python gives up on too.
    pub fn new(pattern: &str) -> Result<Pattern, Raised> {
        Pattern::compile(pattern, false)
    }

    /// Compiles a pattern of bytes, to be searched for with [`Pattern::search_bytes`].
    ///
    /// # Errors
    ///
    /// As [`Pattern::new`].
    pub fn of_bytes(pattern: &[u8]) -> Result<Pattern, Raised> {
        Pattern::compile(&latin(pattern), true)
    }

    fn compile(pattern: &str, bytes: bool) -> Result<Pattern, Raised> {
        let translated = translate::translate(pattern, bytes)?;
        fancy_regex::RegexBuilder::new(&translated)
            .backtrack_limit(MAX_BACKTRACKS)
            .build()
            .map(|regex| Pattern { regex })
            .map_err(|error| {
                Raised::new(
                    "error",
                    format!("this pattern is not supported here: {error}"),
                )
            })
    }

    /// Whether the pattern matches anywhere in the text.
    ///
    /// # Errors
    ///
    /// `RuntimeError` when the search needs too much backtracking.
    pub fn search(&self, text: &str) -> Result<bool, Raised> {
        self.regex.is_match(text).map_err(|error| {
            Raised::new(
                "RuntimeError",
                format!("the pattern cannot be searched for: {error}"),
            )
        })
    }

    /// Whether a pattern of bytes matches anywhere in the bytes.
    ///
    /// # Errors
    ///
    /// As [`Pattern::search`].
    pub fn search_bytes(&self, bytes: &[u8]) -> Result<bool, Raised> {
        self.search(&latin(bytes))
    }
}

/// One character for each byte.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}
