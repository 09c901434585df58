//! Carrying out one activity, however often it is tried.
//!
//! 1. Every attempt ends within the activity's timeout, if it has one, and within its provider's.
//! 2. An attempt that fails is tried again as often as the activity says; a run that is to be
//!    interrupted is not.
//! 3. What the activity's `outputs` name is there for later activities before the next one begins,
//!    or the activity has failed.

use std::time::Duration;

use serde_json::Value;
use serde_json_path::JsonPath;
use shaketable_experiment::{Activity, Values};
use shaketable_ledger::Ledger;

use crate::probes::{Asker, Output};

/// Longest wait between two attempts, however often it was multiplied.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(10 * 60);

/// What came of an activity.
#[derive(Clone, Debug, PartialEq)]
pub struct Carried {
    /// Its output, or why there is none. Secrets are in it as they are.
    pub output: Output,
    /// What its `outputs` have set; they are in the exchange already.
    pub values: Values,
    /// How often it was tried.
    pub attempts: u32,
    /// The lines of the exception that ended the last attempt, as Python prints them; none if it was
    /// no exception.
    pub exception: Vec<String>,
    /// Why the run is to be interrupted, if code of the activity asked for that.
    pub interrupts: Option<String>,
}

impl Carried {
    /// An activity that could not even be begun.
    pub fn not_begun(reason: String) -> Carried {
        Carried {
            output: Err(reason),
            values: Values::new(),
            attempts: 0,
            exception: Vec::new(),
            interrupts: None,
        }
    }
}

/// Why an attempt has no output.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Failure {
    /// In words.
    pub(crate) reason: String,
    /// The lines of the exception.
    pub(crate) exception: Vec<String>,
    /// Why the run is to be interrupted.
    pub(crate) interrupts: Option<String>,
}

impl From<String> for Failure {
    fn from(reason: String) -> Failure {
        Failure {
            reason,
            ..Failure::default()
        }
    }
}

impl Asker {
    /// Carries out an activity that is [prepared](Asker::prepare). Faults are not carried out here;
    /// `ledger` is what a ledger probe is answered from.
    pub async fn carry_out(&self, activity: &Activity, ledger: Option<&Ledger>) -> Carried {
        let retries = activity.retries;
        let mut wait = retries.map_or(Duration::ZERO, |retries| retries.every);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let failure = match self.attempt(activity, ledger).await {
                Ok((output, values)) => {
                    self.exchange.set(values.clone());
                    return Carried {
                        output: Ok(output),
                        values,
                        attempts,
                        exception: Vec::new(),
                        interrupts: None,
                    };
                }
                Err(failure) => failure,
            };
            match retries {
                Some(retries) if attempts < retries.attempts && failure.interrupts.is_none() => {
                    tokio::time::sleep(wait).await;
                    wait = wait
                        .mul_f64(retries.backoff.clamp(1.0, 1e6))
                        .min(RETRY_WAIT_MAX);
                }
                _ => {
                    return Carried {
                        output: Err(failure.reason),
                        attempts,
                        exception: failure.exception,
                        interrupts: failure.interrupts,
                        values: Values::new(),
                    };
                }
            }
        }
    }

    async fn attempt(
        &self,
        activity: &Activity,
        ledger: Option<&Ledger>,
    ) -> Result<(Value, Values), Failure> {
        let asked = self.ask_provider(activity, ledger);
        let output = match activity.timeout {
            None => asked.await?,
            Some(timeout) => tokio::time::timeout(timeout, asked).await.map_err(|_| {
                format!(
                    "it did not end within its timeout of {} s",
                    timeout.as_secs_f64()
                )
            })??,
        };
        let values = outputs(activity, &output)?;
        Ok((output, values))
    }
}

/// What the activity's `outputs` find in its output.
fn outputs(activity: &Activity, output: &Value) -> Result<Values, String> {
    let found = activity.outputs.iter().map(|(name, path)| {
        let value = only_at(path, output)
            .map_err(|reason| format!("its output `{name}` has no value: {reason}"))?;
        Ok((name.clone(), value.clone()))
    });
    found.collect()
}

/// The one value at a JSONPath.
pub(crate) fn only_at<'a>(path: &str, value: &'a Value) -> Result<&'a Value, String> {
    let parsed = JsonPath::parse(path).map_err(|error| format!("{path}: {error}"))?;
    let found = parsed.query(value).all();
    match found.as_slice() {
        [only] => Ok(only),
        [] => Err(format!("nothing is at {path}")),
        several => Err(format!("{} values are at {path}", several.len())),
    }
}
