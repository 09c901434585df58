//! `process-pause`: SIGSTOP, and SIGCONT to recover, to the process and all its children. It keeps
//! its connections and answers nothing. Confirmed by the kernel's word that all of them are stopped.

use std::time::Duration;

use nix::sys::signal::Signal;
use shaketable_document::{Field, Kind};
use shaketable_experiment::FaultDeclaration;
use shaketable_testbed::process::{ProcessIdentity, descendants};

use crate::downtime::{goes_down, runs_and_leads};
use crate::fault::{BoxFuture, Context, Fault, FaultError, Observed, Parameters};
use crate::target::PROCESS_TARGETS;
use crate::undo::UndoRecord;

pub(crate) struct ProcessPause;

const PARAMETERS: &[Field<'static>] = &[Field::optional(
    "resume-after",
    Kind::Duration,
    "When it may go on; at the end of the method when left out.",
)];

impl Fault for ProcessPause {
    fn declaration(&self) -> FaultDeclaration {
        FaultDeclaration {
            name: "process-pause",
            doc: "Stops a process where it is (SIGSTOP) and lets it go on (SIGCONT).",
            parameters: PARAMETERS,
            targets: PROCESS_TARGETS,
        }
    }

    fn undoing(&self) -> &'static str {
        "SIGCONT to the process and its children; seen when the kernel says that it runs."
    }

    fn describe(&self, record: &UndoRecord) -> String {
        format!("pauses {}", record.hit.instance)
    }

    fn lasts(&self, parameters: &Parameters) -> Option<Duration> {
        parameters.duration("resume-after")
    }

    fn apply<'a>(
        &'a self,
        record: &'a UndoRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<(), FaultError>> {
        Box::pin(async move {
            let client = context.client(&record.hit.system);
            Ok(client
                .signal_tree(&record.hit.instance, &record.hit.process, Signal::SIGSTOP)
                .await?)
        })
    }

    fn confirm<'a>(
        &'a self,
        record: &'a UndoRecord,
        _context: &'a Context,
    ) -> BoxFuture<'a, Observed> {
        Box::pin(async move {
            let (pid, instance) = (record.hit.process.pid, &record.hit.instance);
            let going_on: Vec<i32> = descendants(pid)
                .into_iter()
                .filter_map(ProcessIdentity::of)
                .filter(|child| child.is_alive() && !child.is_stopped())
                .map(|child| child.pid)
                .collect();
            if record.hit.process.is_stopped() && !going_on.is_empty() {
                Observed::No(format!(
                    "process {pid} of {instance} is stopped, but its children go on: {going_on:?}"
                ))
            } else if record.hit.process.is_stopped() {
                Observed::Yes(format!("process {pid} of {instance} is stopped"))
            } else {
                Observed::No(format!("process {pid} of {instance} is not stopped"))
            }
        })
    }

    fn recover<'a>(
        &'a self,
        record: &'a UndoRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<(), FaultError>> {
        Box::pin(async move {
            // A process that has ended since, or been replaced, is not paused.
            if goes_down(record, context).await? || !record.hit.process.is_alive() {
                return Ok(());
            }
            let client = context.client(&record.hit.system);
            Ok(client
                .signal_tree(&record.hit.instance, &record.hit.process, Signal::SIGCONT)
                .await?)
        })
    }

    fn is_recovered<'a>(
        &'a self,
        record: &'a UndoRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Observed> {
        Box::pin(async move {
            if record.hit.process.is_stopped() {
                return Observed::No(format!(
                    "process {} of {} is still stopped",
                    record.hit.process.pid, record.hit.instance
                ));
            }
            runs_and_leads(record, context).await
        })
    }
}
