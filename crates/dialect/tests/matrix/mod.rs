//! Recorded answers of the reference: a row of results for each thing that was tried.

use shaketable_dialect::{Value, json};

/// Values in the first line, rows about them in the others.
pub struct Matrix {
    pub values: Vec<Value>,
    pub rows: Vec<Vec<Value>>,
}

impl Matrix {
    pub fn read(recorded: &str) -> Matrix {
        let mut rows = recorded
            .lines()
            .map(|line| list(&json::parse(line).expect("JSON")).to_vec());
        let values = rows.next().expect("a first line");
        Matrix {
            values,
            rows: rows.collect(),
        }
    }
}

pub fn list(value: &Value) -> &[Value] {
    value.as_list().expect("a list")
}

pub fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}
