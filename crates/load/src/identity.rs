//! The identity: where an answer names what was acknowledged.
//!
//! An identity is one string or one integer. Anything else (no node, several nodes, `null`, an
//! empty string, a fraction, an object) is no identity: the ledger could not follow it.

use serde_json::Value;
use serde_json_path::JsonPath;

use crate::workload::WorkloadError;

/// A JSONPath that is expected to find one identity.
pub(crate) struct Identity {
    path: JsonPath,
    source: String,
}

impl Identity {
    pub(crate) fn parse(source: &str) -> Result<Self, WorkloadError> {
        match JsonPath::parse(source) {
            Ok(path) => Ok(Self {
                path,
                source: source.to_owned(),
            }),
            Err(error) => Err(WorkloadError::Identity {
                path: source.to_owned(),
                problem: error.to_string(),
            }),
        }
    }

    /// The identity in `body`, or the reason why there is none.
    pub(crate) fn find(&self, body: &[u8]) -> Result<String, String> {
        let missing = || format!("without identity at {}", self.source);
        let body: Value = serde_json::from_slice(body)
            .map_err(|_| format!("{}: the body is not JSON", missing()))?;
        match self.path.query(&body).all().as_slice() {
            [Value::String(text)] if !text.is_empty() => Ok(text.clone()),
            [Value::Number(number)] if number.is_u64() || number.is_i64() => Ok(number.to_string()),
            [] => Err(missing()),
            [_] => Err(format!(
                "{}: it is neither a string nor an integer",
                missing()
            )),
            nodes => Err(format!("{}: {} values match", missing(), nodes.len())),
        }
    }
}
