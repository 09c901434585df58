//! The exchange: what one activity leaves for others and for the accounting.
//!
//! Controls set values that later activities use. Records that the experiment itself wrote to a
//! topic are no messages of the load: the accounting leaves out exactly these, by offset.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// A record's place: topic, partition, offset.
pub type RecordPlace = (String, i32, i64);

/// What activities leave behind. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    values: BTreeMap<String, Value>,
    written: BTreeSet<RecordPlace>,
    /// Modules of the controls whose activity has begun.
    begun: BTreeSet<String>,
}

impl Exchange {
    /// The values that controls have set.
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

    /// Adds values that a control has set.
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
