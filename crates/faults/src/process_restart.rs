//! `process-restart`: a graceful stop (the service's stop signal, SIGKILL after its grace period),
//! some time down, and a start. Confirmed and recovered like `process-kill`.

use std::time::Duration;

use shaketable_document::{Field, Kind};
use shaketable_experiment::FaultDeclaration;

use crate::downtime::{down_and_leaderless, run_again, runs_and_leads};
use crate::fault::{BoxFuture, Context, Fault, FaultError, Observed, Parameters};
use crate::target::PROCESS_TARGETS;
use crate::undo::UndoRecord;

pub(crate) struct ProcessRestart;

const PARAMETERS: &[Field<'static>] = &[Field::optional(
    "restart-after",
    Kind::Duration,
    "When it may run again, from the moment it was asked to stop; at the end of the method when left out.",
)];

impl Fault for ProcessRestart {
    fn declaration(&self) -> FaultDeclaration {
        FaultDeclaration {
            name: "process-restart",
            doc: "Stops a process gracefully and starts it again.",
            parameters: PARAMETERS,
            targets: PROCESS_TARGETS,
        }
    }

    fn undoing(&self) -> &'static str {
        "The supervisor starts the process again; seen when it is healthy and, for a broker that led, in sync again."
    }

    fn describe(&self, record: &UndoRecord) -> String {
        format!(
            "stops {} gracefully and starts it again",
            record.hit.instance
        )
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
            Ok(client.terminate(&record.hit.instance).await?)
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
