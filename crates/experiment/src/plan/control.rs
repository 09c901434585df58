//! Controls: what is called around the parts of an experiment.

use serde_json::{Map, Value};
use shaketable_document::Span;

/// A control: a module of a Chaos Toolkit extension that is called before and after something.
#[derive(Debug, Clone, PartialEq)]
pub struct Control {
    /// What it is called.
    pub name: String,
    /// Its module.
    pub module: String,
    /// Additional arguments of its functions.
    pub arguments: Map<String, Value>,
    /// Names of the groups of secrets that it gets.
    pub secrets: Vec<String>,
    /// When it is called.
    pub scope: ControlScope,
    /// Whether the parts below inherit it.
    pub automatic: bool,
    /// Whether it is carried out natively; otherwise Python does it.
    pub native: bool,
    /// Where the document says so.
    pub at: Span,
}

/// When a control is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ControlScope {
    /// Before and after.
    #[default]
    Both,
    /// Before only.
    Before,
    /// After only.
    After,
}

impl ControlScope {
    /// Whether it is called before.
    pub fn before(self) -> bool {
        self != ControlScope::After
    }

    /// Whether it is called after.
    pub fn after(self) -> bool {
        self != ControlScope::Before
    }
}
