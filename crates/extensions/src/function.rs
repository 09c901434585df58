//! A function of an extension: what it is called, what it takes, and how it is carried out.

use std::pin::Pin;

use serde_json::{Map, Value};

use crate::arguments::{self, Argument, Arguments};
use crate::failure::Failure;

/// What a function is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It looks and changes nothing.
    Probe,
    /// It changes something.
    Action,
    /// It is called around an activity, never as one; see [`Control`](crate::Control).
    Control,
}

/// A function of an extension.
#[derive(Debug)]
pub struct Function {
    /// The Python module, such as `chaoskafka.probes`.
    pub module: &'static str,
    /// The function's name in it.
    pub name: &'static str,
    /// What it is for.
    pub kind: Kind,
    /// What it does and what it returns.
    pub doc: &'static str,
    /// What it takes, in the order of its signature.
    pub arguments: &'static [Argument],
    pub(crate) how: How,
}

/// How a function is carried out.
#[derive(Debug)]
pub(crate) enum How {
    /// By us.
    Native(fn(Arguments) -> Answer),
    /// By somebody else; the text says by whom.
    Elsewhere(&'static str),
}

/// What a call returns in the end.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Value, Failure>> + Send>>;

impl Function {
    /// Module and name: `chaoskafka.probes.all_replicas_in_sync`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.module, self.name)
    }

    /// Whether [`Function::call`] can carry it out; if not, the caller has to bind it to something.
    pub fn is_native(&self) -> bool {
        matches!(self.how, How::Native(_))
    }

    /// Everything that is wrong with these arguments; nothing when they are right. A text that still has a placeholder
    /// is not judged, so that an experiment can be checked before its controls have run.
    pub fn check(&self, arguments: &Map<String, Value>) -> Vec<String> {
        arguments::problems(self.arguments, arguments, false)
    }

    /// Carries it out, with arguments in which every placeholder is filled in. A number may come as text.
    ///
    /// # Errors
    /// When the arguments are wrong, when it is not native, or when its effect was not seen.
    pub async fn call(&self, arguments: &Map<String, Value>) -> Result<Value, Failure> {
        let problems = arguments::problems(self.arguments, arguments, true);
        if !problems.is_empty() {
            return Err(Failure::experiment(&self.path(), problems.join("; ")));
        }
        match self.how {
            How::Native(carry_out) => {
                carry_out(Arguments::new(self.path(), self.arguments, arguments)).await
            }
            How::Elsewhere(reason) => Err(Failure::experiment(&self.path(), reason)),
        }
    }
}
