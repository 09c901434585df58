//! A control: what is called around an activity, and what it sets in the configuration.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::failure::Failure;

/// A control of an extension, called after the activity that it is declared on.
#[derive(Debug)]
pub struct Control {
    /// The Python module, such as `chaoskafka.controls.get_production_offsets`.
    pub module: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// The names that it may set in the configuration. Until it has, `${name}` has no value, whatever the experiment
    /// says.
    pub sets: &'static [&'static str],
    pub(crate) after: After,
}

/// From what the activity returned to what is set.
pub(crate) type After = fn(Option<&Value>) -> Result<BTreeMap<String, Value>, Failure>;

impl Control {
    /// What it sets in the configuration, given what the activity returned; `None` when the activity failed.
    ///
    /// # Errors
    /// When the activity failed, or returned what this control cannot tell anything from. Nothing is set then.
    pub fn after_activity(
        &self,
        output: Option<&Value>,
    ) -> Result<BTreeMap<String, Value>, Failure> {
        (self.after)(output)
    }
}
