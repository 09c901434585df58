//! `process-environment`: a process is started again with other environment variables, as after a
//! deployment with a wrong setting or a move to a machine in another time zone.
//!
//! Confirmed when the kernel shows the variables in the environment of a new process, as the
//! supervisor says it starts it, whether or not that process is healthy. Recovered when a process
//! with its own variables runs and is healthy. A program that overwrites its environment, such as
//! PostgreSQL, cannot be confirmed.

use std::collections::BTreeMap;
use std::time::Duration;

use shaketable_document::{Field, Kind};
use shaketable_experiment::FaultDeclaration;

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

    fn undoing(&self) -> &'static str {
        "The process is started again with its own variables; seen when that one is healthy."
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
        match set
            .keys()
            .find(|name| name.is_empty() || name.contains(['=', '\0']))
        {
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
        Box::pin(async move {
            let (set, instance) = (record.parameters.map("set"), &record.hit.instance);
            let own = context.client(&record.hit.system).launch(instance).await?;
            if set
                .iter()
                .all(|(name, value)| own.environment.get(name) == Some(value))
            {
                return Err(FaultError::Pointless {
                    instance: instance.clone(),
                    reason: "it has these values already".to_owned(),
                });
            }
            start_with(record, context, set).await
        })
    }

    fn confirm<'a>(
        &'a self,
        record: &'a UndoRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Observed> {
        Box::pin(async move {
            match shown(record, context).await {
                Err(seen) => seen,
                Ok(None) => Observed::No("its system has gone".to_owned()),
                Ok(Some(shown)) if shown.overrides != record.parameters.map("set") => {
                    Observed::No(format!("{} has its own variables", record.hit.instance))
                }
                Ok(Some(shown)) if !shown.differing.is_empty() => Observed::No(format!(
                    "process {} of {} does not show the new {}",
                    shown.pid,
                    record.hit.instance,
                    shown.differing.join(", ")
                )),
                Ok(Some(shown)) => Observed::Yes(format!(
                    "process {} of {} has another {}",
                    shown.pid,
                    record.hit.instance,
                    shown
                        .overrides
                        .keys()
                        .cloned()
                        .collect::<Vec<_>>()
                        .join(", ")
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
            match shown(record, context).await {
                Ok(None) => {}
                Err(seen) => return seen,
                Ok(Some(shown)) if !shown.overrides.is_empty() || !shown.differing.is_empty() => {
                    return Observed::No(format!(
                        "process {} of {} still has another {}",
                        shown.pid,
                        record.hit.instance,
                        record.parameters.names_in("set").join(", ")
                    ));
                }
                Ok(Some(_)) => {}
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

/// What the supervisor and the kernel say of an instance's variables.
struct Shown {
    pid: i32,
    /// The variables laid over its own.
    overrides: BTreeMap<String, String>,
    /// Variables of the fault whose value in the process is not the one that the supervisor would
    /// start it with.
    differing: Vec<String>,
}

/// `None` when the system has gone.
async fn shown(record: &UndoRecord, context: &Context) -> Result<Option<Shown>, Observed> {
    let unknown = |reason: String| Observed::Unknown(reason);
    let name = &record.hit.instance;
    let status = context
        .status_of(record)
        .await
        .map_err(|error| unknown(error.to_string()))?;
    let Some(status) = status else {
        return Ok(None);
    };
    let instance = status
        .instance(name)
        .ok_or_else(|| unknown(format!("the system no longer lists {name}")))?;
    let process = instance
        .process
        .as_ref()
        .ok_or_else(|| Observed::No(format!("{name} does not run")))?;
    let launch = context
        .client(&record.hit.system)
        .launch(name)
        .await
        .map_err(|error| unknown(error.to_string()))?;
    let path = format!("/proc/{}/environ", process.pid);
    let environment =
        std::fs::read(&path).map_err(|error| Observed::No(format!("{path}: {error}")))?;
    let variables: Vec<&[u8]> = environment.split(|byte| *byte == 0).collect();
    let differing = record
        .parameters
        .map("set")
        .into_keys()
        .filter(|name| match launch.environment.get(name) {
            Some(value) => !variables.contains(&format!("{name}={value}").as_bytes()),
            None => {
                let prefix = format!("{name}=");
                variables
                    .iter()
                    .any(|variable| variable.starts_with(prefix.as_bytes()))
            }
        })
        .collect();
    Ok(Some(Shown {
        pid: process.pid,
        overrides: instance.overrides.clone(),
        differing,
    }))
}
