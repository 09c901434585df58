//! The control: which records `produce_messages` wrote, for the rollback that takes them out again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::control::Control;
use crate::failure::Failure;
use crate::function::{Function, How, Kind};

const MODULE: &str = "chaoskafka.controls.get_production_offsets";

/// The function by which an extension is a control.
pub(crate) const AFTER_ACTIVITY_CONTROL: Function = Function {
    module: MODULE,
    name: "after_activity_control",
    kind: Kind::Control,
    doc: "Declared as a control of a produce_messages action.",
    arguments: &[],
    how: How::Elsewhere(
        "is a control, not an activity: declare its module under `controls` of the action that produces",
    ),
};

pub(crate) const GET_PRODUCTION_OFFSETS: Control = Control {
    module: MODULE,
    doc: "Sets partition, earliest, num_messages and offsets to what produce_messages wrote; earliest and num_messages \
          only when nobody else's record is in between.",
    sets: &["partition", "earliest", "num_messages", "offsets"],
    after,
};

fn after(output: Option<&Value>) -> Result<BTreeMap<String, Value>, Failure> {
    let Some(output) = output else {
        return Err(Failure::experiment(
            MODULE,
            "the activity failed, so there are no offsets: `${partition}`, `${earliest}`, `${num_messages}` and \
             `${offsets}` have no value, and whatever uses them will fail; see why the activity failed",
        ));
    };
    let (partitions, offsets) = written(output).ok_or_else(|| {
        Failure::experiment(
            MODULE,
            "the activity did not return a list of messages with `partition` and `offset`; declare this control on a \
             produce_messages action",
        )
    })?;
    let (Some(partition), Some(earliest), Some(latest)) =
        (partitions.first(), offsets.first(), offsets.last())
    else {
        return Err(Failure::experiment(
            MODULE,
            "the activity produced no message, so there are no offsets; give it `messages`",
        ));
    };
    if partitions.len() > 1 {
        return Err(Failure::experiment(
            MODULE,
            format!(
                "the messages went to {} partitions, and one `${{partition}}` cannot name them; give the activity a \
                 `partition`",
                partitions.len()
            ),
        ));
    }
    let mut values = BTreeMap::from([
        ("partition".to_owned(), Value::from(*partition)),
        ("offsets".to_owned(), offsets.iter().copied().collect()),
    ]);
    // A record of somebody else in between must not be taken for one of ours.
    if latest - earliest + 1 == offsets.len() as i64 {
        values.insert("earliest".to_owned(), Value::from(*earliest));
        values.insert("num_messages".to_owned(), Value::from(offsets.len()));
    }
    Ok(values)
}

/// The partitions and the offsets that were written to.
fn written(output: &Value) -> Option<(BTreeSet<i64>, BTreeSet<i64>)> {
    let messages = output.as_array()?.iter();
    messages
        .map(|message| Some((message["partition"].as_i64()?, message["offset"].as_i64()?)))
        .collect()
}
