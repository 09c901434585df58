//! The control `get_production_offsets`: what it sets, and when it says that it cannot.

use serde_json::{Value, json};
use shaketable_extensions::control;

fn after(output: Option<Value>) -> Result<Value, String> {
    let control = control("chaoskafka.controls.get_production_offsets").unwrap();
    let values = control.after_activity(output.as_ref());
    let values = values.map_err(|failure| failure.to_string())?;
    assert!(values.keys().all(|name| control.sets.contains(&&**name)));
    Ok(values.into_iter().collect())
}

fn at(partition: i32, offset: i64) -> Value {
    json!({ "topic": "orders", "partition": partition, "offset": offset })
}

#[test]
fn offsets_in_a_row_are_named_as_the_extension_names_them() {
    assert_eq!(
        after(Some(json!([at(1, 15), at(1, 14), at(1, 16)]))),
        Ok(json!({ "partition": 1, "earliest": 14, "num_messages": 3, "offsets": [14, 15, 16] }))
    );
}

#[test]
fn a_record_of_somebody_else_in_between_is_not_taken_for_one_of_ours() {
    assert_eq!(
        after(Some(json!([at(1, 14), at(1, 16)]))),
        Ok(json!({ "partition": 1, "offsets": [14, 16] }))
    );
}

#[test]
fn without_offsets_nothing_is_set_and_the_reason_is_said() {
    for (output, said) in [
        (None, "the activity failed"),
        (Some(json!([])), "produced no message"),
        (Some(json!(true)), "did not return a list of messages"),
        (
            Some(json!([{ "offset": 1 }])),
            "did not return a list of messages",
        ),
        (Some(json!([at(0, 1), at(1, 1)])), "went to 2 partitions"),
    ] {
        let failure = after(output).unwrap_err();
        assert!(failure.contains(said), "{failure}");
    }
}
