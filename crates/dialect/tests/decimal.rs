//! Decimals against the recorded answers of Python's `decimal`.

mod anything;
mod matrix;

use std::cmp::Ordering;

use matrix::{Matrix, list, text};
use proptest::prelude::*;
use shaketable_dialect::decimal::Decimal;
use shaketable_dialect::{Raised, Value};

#[test]
fn every_recorded_pair_compares_as_in_python() {
    let matrix = Matrix::read(include_str!("recorded/decimal.ndjson"));
    let mut wrong = Vec::new();
    for row in &matrix.rows {
        for (right, recorded) in matrix.values.iter().zip(list(&row[1])) {
            let compare = || -> Result<&str, Raised> {
                let order = Decimal::parse(&row[0])?.partial_cmp(&Decimal::parse(right)?);
                Ok(match order {
                    Some(Ordering::Less) => "<",
                    Some(Ordering::Equal) => "=",
                    Some(Ordering::Greater) => ">",
                    None => "!InvalidOperation",
                })
            };
            let ours = match compare() {
                Ok(order) => order.to_owned(),
                Err(raised) => format!("!{}", raised.kind),
            };
            if ours != text(recorded) {
                wrong.push(format!(
                    "{:?} {right:?}: {ours}, recorded {recorded:?}",
                    row[0]
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

proptest! {
    #[test]
    fn no_value_panics(left in anything::value(), right in anything::value()) {
        if let (Ok(left), Ok(right)) = (Decimal::parse(&left), Decimal::parse(&right)) {
            let there = left.partial_cmp(&right);
            prop_assert_eq!(there, right.partial_cmp(&left).map(Ordering::reverse));
        }
    }

    #[test]
    fn whole_numbers_keep_their_order(left in any::<i128>(), right in any::<i128>()) {
        let decimal = |number: i128| Decimal::parse(&Value::Int(number)).expect("a number");
        prop_assert_eq!(decimal(left).partial_cmp(&decimal(right)), Some(left.cmp(&right)));
    }
}
