//! `process-kill`: a signal, SIGKILL by default, and the process stays down until it is recovered.
//!
//! Confirmed when the process is gone and, for a leader, when the partition has another leader or
//! none. Recovered when the instance runs again and is healthy and, for a leader, when the
//! partition has a leader and the node is in sync again.

use std::str::FromStr;
use std::time::Duration;

use nix::sys::signal::Signal;
use shaketable_document::{Field, Kind};
use shaketable_experiment::FaultDeclaration;

use crate::downtime::{down_and_leaderless, run_again, runs_and_leads};
use crate::fault::{BoxFuture, Context, Fault, FaultError, Observed, Parameters};
use crate::target::PROCESS_TARGETS;
use crate::undo::UndoRecord;

pub(crate) struct ProcessKill;

const PARAMETERS: &[Field<'static>] = &[
    Field::optional(
        "restart-after",
        Kind::Duration,
        "When it may run again; at the end of the method when left out.",
    ),
    Field::optional("signal", Kind::Text, "The signal; SIGKILL by default."),
];

impl Fault for ProcessKill {
    fn declaration(&self) -> FaultDeclaration {
        FaultDeclaration {
            name: "process-kill",
            doc: "Kills a process and keeps it down.",
            parameters: PARAMETERS,
            targets: PROCESS_TARGETS,
        }
    }

    fn undoing(&self) -> &'static str {
        "The supervisor starts the process again; seen when it is healthy and, for a broker that led, in sync again."
    }

    fn describe(&self, record: &UndoRecord) -> String {
        format!(
            "sends {} to {} and keeps it down",
            signal(&record.parameters),
            record.hit.instance
        )
    }

    fn check(&self, parameters: &Parameters) -> Result<(), String> {
        match parameters.text("signal") {
            Some(name) if Signal::from_str(name).is_err() => {
                Err(format!("`{name}` is no signal; SIGKILL and SIGTERM are"))
            }
            _ => Ok(()),
        }
    }

    fn lasts(&self, parameters: &Parameters) -> Option<Duration> {
        parameters.duration("restart-after")
    }

    fn apply<'a>(
        &'a self,
        record: &'a UndoRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<(), FaultError>> {
        Box::pin(async move {
            let client = context.client(&record.hit.system);
            client.hold(&record.hit.instance).await?;
            Ok(client
                .signal(
                    &record.hit.instance,
                    &record.hit.process,
                    signal(&record.parameters),
                )
                .await?)
        })
    }

    fn confirm<'a>(
        &'a self,
        record: &'a UndoRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Observed> {
        Box::pin(down_and_leaderless(record, context))
    }

    fn recover<'a>(
        &'a self,
        record: &'a UndoRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<(), FaultError>> {
        Box::pin(run_again(record, context))
    }

    fn is_recovered<'a>(
        &'a self,
        record: &'a UndoRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Observed> {
        Box::pin(runs_and_leads(record, context))
    }
}

fn signal(parameters: &Parameters) -> Signal {
    parameters
        .text("signal")
        .and_then(|name| Signal::from_str(name).ok())
        .unwrap_or(Signal::SIGKILL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shaketable_experiment::Value;
    use std::collections::BTreeMap;

    #[test]
    fn sigkill_unless_another_signal_is_named_and_only_signals_are_taken() {
        let with = |name: &str| {
            Parameters::of(&BTreeMap::from([(
                "signal".to_owned(),
                Value::Text(name.to_owned()),
            )]))
        };
        assert_eq!(signal(&Parameters::default()), Signal::SIGKILL);
        assert_eq!(signal(&with("SIGTERM")), Signal::SIGTERM);
        assert_eq!(ProcessKill.check(&with("SIGTERM")), Ok(()));
        assert!(
            ProcessKill
                .check(&with("SIGTREM"))
                .unwrap_err()
                .contains("`SIGTREM` is no signal")
        );
    }

    #[test]
    fn it_lasts_as_long_as_it_is_told() {
        let told = BTreeMap::from([(
            "restart-after".to_owned(),
            Value::Duration(Duration::from_millis(1500)),
        )]);
        assert_eq!(
            ProcessKill.lasts(&Parameters::of(&told)),
            Some(Duration::from_millis(1500))
        );
        assert_eq!(ProcessKill.lasts(&Parameters::default()), None);
    }
}
