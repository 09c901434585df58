//! Any value at all, for properties.

use proptest::prelude::*;
use shaketable_dialect::{Dict, Value};

/// Any value, small.
pub fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        (-3_i128..3).prop_map(Value::Int),
        any::<i128>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        "[a0-9.e+-]{0,6}".prop_map(Value::Str),
        any::<String>().prop_map(Value::Str),
        proptest::collection::vec(any::<u8>(), 0..6).prop_map(Value::Bytes),
        Just(Value::Date("2026-01-02".to_owned())),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
            proptest::collection::vec(("[a-c]|status|type", inner), 0..4)
                .prop_map(|items| { Value::Dict(items.into_iter().collect::<Dict>()) }),
        ]
    })
}
