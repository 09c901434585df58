//! `process-throttle`: the process, with all its children, runs only part of the time, as on a
//! machine that has no more for it. The supervisor stops and continues it in turn; when the
//! supervisor dies, so does the process.
//!
//! Confirmed when the kernel says it stands still while the supervisor throttles it. Recovered when
//! it is throttled no more and runs.

use std::time::Duration;

use shaketable_document::{Field, Kind};
use shaketable_experiment::FaultDeclaration;
use shaketable_testbed::control::Throttle;

use crate::downtime::{goes_down, runs_and_leads};
use crate::fault::{BoxFuture, Context, Fault, FaultError, Observed, Parameters};
use crate::target::PROCESS_TARGETS;
use crate::undo::UndoRecord;

pub(crate) struct ProcessThrottle;

/// How long it runs in each cycle, unless the experiment says.
const RUN_DEFAULT: Duration = Duration::from_millis(10);
/// How long it stands still in each cycle, unless the experiment says.
const STOP_DEFAULT: Duration = Duration::from_millis(90);

const PARAMETERS: &[Field<'static>] = &[
    Field::optional(
        "run",
        Kind::Duration,
        "How long it runs in each cycle; 10ms by default.",
    ),
    Field::optional(
        "stop",
        Kind::Duration,
        "How long it stands still in each cycle; 90ms by default.",
    ),
    Field::optional(
        "resume-after",
        Kind::Duration,
        "When it may run freely again; at the end of the method when left out.",
    ),
];

fn throttle(parameters: &Parameters) -> Throttle {
    let of = |name, default| parameters.duration(name).unwrap_or(default).as_millis() as u64;
    Throttle {
        run_ms: of("run", RUN_DEFAULT),
        stop_ms: of("stop", STOP_DEFAULT),
    }
}

impl Fault for ProcessThrottle {
    fn declaration(&self) -> FaultDeclaration {
        FaultDeclaration {
            name: "process-throttle",
            doc: "Lets a process run only part of the time.",
            parameters: PARAMETERS,
            targets: PROCESS_TARGETS,
        }
    }

    fn undoing(&self) -> &'static str {
        "The supervisor lets the process run all the time; seen when it is throttled no more."
    }

    fn describe(&self, record: &UndoRecord) -> String {
        let Throttle { run_ms, stop_ms } = throttle(&record.parameters);
        format!(
            "lets {} run {run_ms} ms and stand still {stop_ms} ms in turn",
            record.hit.instance
        )
    }

    fn check(&self, parameters: &Parameters) -> Result<(), String> {
        throttle(parameters).check()
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
                .throttle(
                    &record.hit.instance,
                    &record.hit.process,
                    throttle(&record.parameters),
                )
                .await?)
        })
    }

    fn confirm<'a>(
        &'a self,
        record: &'a UndoRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Observed> {
        Box::pin(async move {
            let hit = &record.hit;
            let throttled = match context.status_of(record).await {
                Ok(status) => status
                    .as_ref()
                    .and_then(|status| status.instance(&hit.instance))
                    .and_then(|instance| instance.throttled),
                Err(error) => return Observed::Unknown(error.to_string()),
            };
            match throttled {
                None => Observed::No(format!("{} is not throttled", hit.instance)),
                Some(Throttle { run_ms, stop_ms }) if hit.process.is_stopped() => {
                    Observed::Yes(format!(
                        "process {} of {} runs {run_ms} ms and stands still {stop_ms} ms in turn",
                        hit.process.pid, hit.instance
                    ))
                }
                Some(_) => Observed::No(format!(
                    "process {} of {} was not seen to stand still",
                    hit.process.pid, hit.instance
                )),
            }
        })
    }

    fn recover<'a>(
        &'a self,
        record: &'a UndoRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<(), FaultError>> {
        Box::pin(async move {
            if goes_down(record, context).await? {
                return Ok(());
            }
            let client = context.client(&record.hit.system);
            Ok(client.unthrottle(&record.hit.instance).await?)
        })
    }

    fn is_recovered<'a>(
        &'a self,
        record: &'a UndoRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Observed> {
        Box::pin(async move {
            let hit = &record.hit;
            match context.status_of(record).await {
                Err(error) => return Observed::Unknown(error.to_string()),
                Ok(status) => {
                    let throttled = status
                        .as_ref()
                        .and_then(|status| status.instance(&hit.instance))
                        .and_then(|instance| instance.throttled);
                    if throttled.is_some() || hit.process.is_stopped() {
                        return Observed::No(format!("{} is still throttled", hit.instance));
                    }
                }
            }
            runs_and_leads(record, context).await
        })
    }
}
