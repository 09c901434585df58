//! `process-environment`: a process is started again with other environment variables, as after a
//! deployment with a wrong setting or a move to a machine in another time zone.
//!
//! Confirmed when a new process runs, is healthy if that is checked, and the kernel shows the
//! variables in its environment. Recovered when a process without them runs and is healthy.

use std::collections::BTreeMap;
use std::time::Duration;

use shaketable_document::{Field, Kind};
use shaketable_experiment::FaultDeclaration;
use shaketable_testbed::control::InstanceStatus;

use crate::downtime::{goes_down, runs_and_leads};
use crate::fault::{BoxFuture, Context, Fault, FaultError, Observed, Parameters};
use crate::target::PROCESS_TARGETS;
use crate::undo::UndoRecord;

pub(crate) struct ProcessEnvironment;

const PARAMETERS: &[Field<'static>] = &[
    Field::required(
        "set",
        Kind::Map(&Kind::AnyOf(&[
            Kind::Text,
            Kind::Integer,
            Kind::Number,
            Kind::Bool,
        ])),
        "The variables it is started with, beside its own.",
    ),
    Field::optional(
        "restore-after",
        Kind::Duration,
        "When it is started with its own variables again; at the end of the method when left out.",
    ),
];

impl Fault for ProcessEnvironment {
    fn declaration(&self) -> FaultDeclaration {
        FaultDeclaration {
            name: "process-environment",
            doc: "Starts a process again with other environment variables.",
            parameters: PARAMETERS,
            targets: PROCESS_TARGETS,
        }
    }

    fn describe(&self, record: &UndoRecord) -> String {
        let names: Vec<String> = record.parameters.map("set").into_keys().collect();
        format!(
            "starts {} again with another {}",
            record.hit.instance,
            names.join(", ")
        )
    }

    fn check(&self, parameters: &Parameters) -> Result<(), String> {
        let set = parameters.map("set");
        if set.is_empty() {
            return Err("`set` names no variable".to_owned());
        }
        match set.keys().find(|name| name.is_empty() || name.contains(['=', '\0'])) {
            Some(name) => Err(format!("`{name}` cannot be the name of a variable")),
            None => Ok(()),
        }
    }

    fn lasts(&self, parameters: &Parameters) -> Option<Duration> {
        parameters.duration("restore-after")
    }

    fn apply<'a>(
        &'a self,
        record: &'a UndoRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<(), FaultError>> {
        Box::pin(start_with(record, context, record.parameters.map("set")))
    }

    fn confirm<'a>(
        &'a self,
        record: &'a UndoRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Observed> {
        Box::pin(async move {
            let instance = match instance(record, context).await {
                Ok(Some(instance)) => instance,
                Ok(None) => return Observed::No("its system has gone".to_owned()),
                Err(seen) => return seen,
            };
            let set = record.parameters.map("set");
            match shown(&instance, &set) {
                Err(reason) => Observed::No(reason),
                Ok((_, missing)) if !missing.is_empty() => Observed::No(format!(
                    "{} runs without the new {}",
                    instance.name,
                    missing.join(", ")
                )),
                Ok(_) if instance.has_check && instance.healthy != Some(true) => {
                    Observed::No(format!("{} is not healthy yet", instance.name))
                }
                Ok((pid, _)) => Observed::Yes(format!(
                    "process {pid} of {} has {}",
                    instance.name,
                    set.keys().cloned().collect::<Vec<_>>().join(", ")
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
            start_with(record, context, BTreeMap::new()).await
        })
    }

    fn is_recovered<'a>(
        &'a self,
        record: &'a UndoRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Observed> {
        Box::pin(async move {
            let set = record.parameters.map("set");
            match instance(record, context).await {
                Ok(None) => {}
                Err(seen) => return seen,
                Ok(Some(instance)) => match shown(&instance, &set) {
                    Err(reason) => return Observed::No(reason),
                    Ok((_, missing)) if missing.is_empty() || !instance.overrides.is_empty() => {
                        return Observed::No(format!(
                            "{} still runs with the other {}",
                            instance.name,
                            set.keys().cloned().collect::<Vec<_>>().join(", ")
                        ));
                    }
                    Ok(_) => {}
                },
            }
            runs_and_leads(record, context).await
        })
    }
}

async fn start_with(
    record: &UndoRecord,
    context: &Context,
    set: BTreeMap<String, String>,
) -> Result<(), FaultError> {
    let client = context.client(&record.hit.system);
    client.set_environment(&record.hit.instance, set).await?;
    Ok(client.restart(&record.hit.instance).await?)
}

/// The instance as it is now; `None` when its system has gone.
async fn instance(
    record: &UndoRecord,
    context: &Context,
) -> Result<Option<InstanceStatus>, Observed> {
    match context.status_of(record).await {
        Ok(None) => Ok(None),
        Ok(Some(status)) => match status.instance(&record.hit.instance) {
            Some(instance) => Ok(Some(instance.clone())),
            None => Err(Observed::Unknown(format!(
                "the system no longer lists {}",
                record.hit.instance
            ))),
        },
        Err(error) => Err(Observed::Unknown(error.to_string())),
    }
}

/// The instance's process, and which of the variables the kernel does not show in its environment.
fn shown(
    instance: &InstanceStatus,
    set: &BTreeMap<String, String>,
) -> Result<(i32, Vec<String>), String> {
    let process = instance
        .process
        .as_ref()
        .ok_or_else(|| format!("{} does not run", instance.name))?;
    let path = format!("/proc/{}/environ", process.pid);
    let environment = std::fs::read(&path).map_err(|error| format!("{path}: {error}"))?;
    let variables: Vec<&[u8]> = environment.split(|byte| *byte == 0).collect();
    let missing = set
        .iter()
        .filter(|(name, value)| !variables.contains(&format!("{name}={value}").as_bytes()))
        .map(|(name, _)| name.clone())
        .collect();
    Ok((process.pid, missing))
}
