//! Python's `<=` between values of any types.

use std::cmp::Ordering;

use crate::decimal::Decimal;
use crate::{Raised, Value};

/// How deep lists inside of lists are compared.
const MAX_DEPTH: usize = 500;

/// `left <= right`
pub(super) fn at_most(left: &Value, right: &Value) -> Result<bool, Raised> {
    within(left, right, MAX_DEPTH)
}

fn within(left: &Value, right: &Value, depth: usize) -> Result<bool, Raised> {
    match (left, right) {
        (
            Value::Bool(_) | Value::Int(_) | Value::Float(_),
            Value::Bool(_) | Value::Int(_) | Value::Float(_),
        ) => {
            let order = Decimal::parse(left)?.partial_cmp(&Decimal::parse(right)?);
            Ok(order.is_some_and(Ordering::is_le))
        }
        (Value::Str(left), Value::Str(right)) => Ok(left <= right),
        (Value::Bytes(left), Value::Bytes(right)) => Ok(left <= right),
        (Value::List(left), Value::List(right)) => {
            if depth == 0 {
                let message = "maximum recursion depth exceeded in comparison";
                return Err(Raised::new("RecursionError", message));
            }
            match left.iter().zip(right).find(|(left, right)| left != right) {
                Some((left, right)) => within(left, right, depth - 1),
                None => Ok(left.len() <= right.len()),
            }
        }
        // Written alike, dates and times without an offset sort as text does.
        (Value::Date(first), Value::Date(second))
            if (first.len() == 10) == (second.len() == 10) =>
        {
            Ok(first <= second)
        }
        _ => Err(Raised::new(
            "TypeError",
            format!(
                "'<=' not supported between instances of '{}' and '{}'",
                left.type_name(),
                right.type_name()
            ),
        )),
    }
}
