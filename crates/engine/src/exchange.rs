//! The exchange: what one activity leaves for others and for the accounting.
//!
//! Outputs and controls set values that later activities use; a control in Python may change secrets, too.
//! Records that the experiment itself wrote to a
//! topic are no messages of the load: the accounting leaves out exactly these, by offset.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use shaketable_dialect::Value as PythonValue;

/// A record's place: topic, partition, offset.
pub type RecordPlace = (String, i32, i64);

/// What activities leave behind. Clones share it.
#[derive(Clone, Default)]
pub struct Exchange {
    shared: Arc<Mutex<Shared>>,
}

impl std::fmt::Debug for Exchange {
    /// Without values: they may be secrets.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Exchange")
    }
}

#[derive(Default)]
struct Shared {
    values: BTreeMap<String, Value>,
    secrets: PythonValue,
    written: BTreeSet<RecordPlace>,
    /// Modules of the controls whose activity has begun.
    begun: BTreeSet<String>,
}

impl Exchange {
    /// The values that outputs and controls have set.
    pub fn values(&self) -> BTreeMap<String, Value> {
        self.lock().values.clone()
    }

    /// Notes that the activity of a control begins: what the control sets is not known until it is
    /// called, whatever another activity's control has set.
    pub fn begin(&self, control: &str, sets: &[&str]) {
        let mut shared = self.lock();
        shared.begun.insert(control.to_owned());
        for name in sets {
            shared.values.remove(*name);
        }
    }

    /// Whether an activity of that control has begun.
    pub fn has_begun(&self, control: &str) -> bool {
        self.lock().begun.contains(control)
    }

    /// The secrets: groups of names, as functions and controls in Python get them.
    pub fn secrets(&self) -> PythonValue {
        self.lock().secrets.clone()
    }

    /// Takes over the secrets that were found, or that a control has changed.
    pub fn set_secrets(&self, secrets: PythonValue) {
        self.lock().secrets = secrets;
    }

    /// Adds values that an output or a control has set.
    pub fn set(&self, values: BTreeMap<String, Value>) {
        self.lock().values.extend(values);
    }

    /// Records the experiment itself has written.
    pub fn written(&self) -> BTreeSet<RecordPlace> {
        self.lock().written.clone()
    }

    /// Notes the records that a producing function says it has written: a list of maps with topic,
    /// partition and offset.
    pub fn note_written(&self, output: &Value) {
        let place = |item: &Value| -> Option<RecordPlace> {
            let partition = i32::try_from(item.get("partition")?.as_i64()?).ok()?;
            Some((
                item.get("topic")?.as_str()?.to_owned(),
                partition,
                item.get("offset")?.as_i64()?,
            ))
        };
        let places: Vec<RecordPlace> = output
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(place)
            .collect();
        self.lock().written.extend(places);
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
