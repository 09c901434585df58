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

use crate::fault::{BoxFuture, Context, Fault, FaultError, Observed, Parameters};
use crate::target::cluster_of;
use crate::undo::UndoRecord;

pub(crate) struct ProcessKill;

const PARAMETERS: &[Field<'static>] = &[
    Field::optional("restart-after", Kind::Duration, "When it may run again; at the end of the method when left out."),
    Field::optional("signal", Kind::Text, "The signal; SIGKILL by default."),
];

impl Fault for ProcessKill {
    fn declaration(&self) -> FaultDeclaration {
        FaultDeclaration {
            name: "process-kill",
            doc: "Kills a process and keeps it down.",
            parameters: PARAMETERS,
            targets: &["leader-of", "controller", "service"],
        }
    }

    fn describe(&self, record: &UndoRecord) -> String {
        format!("sends {} to {} and keeps it down", signal(&record.parameters), record.hit.instance)
    }

    fn check(&self, parameters: &Parameters) -> Result<(), String> {
        match parameters.text("signal") {
            Some(name) if Signal::from_str(name).is_err() => Err(format!("`{name}` is no signal; SIGKILL and SIGTERM are")),
            _ => Ok(()),
        }
    }

    fn lasts(&self, parameters: &Parameters) -> Option<Duration> {
        parameters.duration("restart-after")
    }

    fn apply<'a>(&'a self, record: &'a UndoRecord, context: &'a Context) -> BoxFuture<'a, Result<(), FaultError>> {
        Box::pin(async move {
            let client = context.client(&record.hit.system);
            client.hold(&record.hit.instance).await?;
            Ok(client.signal(&record.hit.instance, signal(&record.parameters)).await?)
        })
    }

    fn confirm<'a>(&'a self, record: &'a UndoRecord, context: &'a Context) -> BoxFuture<'a, Observed> {
        Box::pin(down_and_leaderless(record, context))
    }

    fn recover<'a>(&'a self, record: &'a UndoRecord, context: &'a Context) -> BoxFuture<'a, Result<(), FaultError>> {
        Box::pin(run_again(record, context))
    }

    fn is_recovered<'a>(&'a self, record: &'a UndoRecord, context: &'a Context) -> BoxFuture<'a, Observed> {
        Box::pin(runs_and_leads(record, context))
    }
}

fn signal(parameters: &Parameters) -> Signal {
    parameters
        .text("signal")
        .and_then(|name| Signal::from_str(name).ok())
        .unwrap_or(Signal::SIGKILL)
}

/// Whether the process is gone and, if it led a partition, leads it no more.
pub(crate) async fn down_and_leaderless(record: &UndoRecord, context: &Context) -> Observed {
    let hit = &record.hit;
    if hit.process.is_alive() {
        return Observed::No(format!("process {} of {} still runs", hit.process.pid, hit.instance));
    }
    let (Some(led), Some(node)) = (&hit.led, hit.node_id) else {
        return Observed::Yes(format!("process {} of {} is gone", hit.process.pid, hit.instance));
    };
    let place = format!("{}/{}", led.topic, led.partition);
    match leadership(record, context).await {
        Err(reason) => Observed::Unknown(format!("{} is gone, the leader of {place} cannot be asked for: {reason}", hit.instance)),
        Ok((None, _, _)) => Observed::Yes(format!("{} is gone, {place} is offline", hit.instance)),
        Ok((Some(leader), epoch, _)) if leader != node || epoch > led.leader_epoch => {
            Observed::Yes(format!("{} is gone, {place} is led by node {leader} instead of {node}", hit.instance))
        }
        Ok(_) => Observed::No(format!("{} is gone, but node {node} still counts as leader of {place}", hit.instance)),
    }
}

/// Lets the instance run again; nothing is to be done when its system has gone.
pub(crate) async fn run_again(record: &UndoRecord, context: &Context) -> Result<(), FaultError> {
    if context.status_of(record).await?.is_none() {
        return Ok(());
    }
    Ok(context.client(&record.hit.system).release(&record.hit.instance).await?)
}

/// Whether the instance runs, is healthy, and is in sync again with the partition it led.
pub(crate) async fn runs_and_leads(record: &UndoRecord, context: &Context) -> Observed {
    let hit = &record.hit;
    let status = match context.status_of(record).await {
        Ok(Some(status)) => status,
        Ok(None) => return Observed::Yes(format!("{} is gone with its system", hit.instance)),
        Err(error) => return Observed::Unknown(error.to_string()),
    };
    let Some(instance) = status.instance(&hit.instance) else {
        return Observed::Unknown(format!("the system no longer lists {}", hit.instance));
    };
    let Some(process) = instance.process.as_ref().filter(|_| !instance.held) else {
        return Observed::No(format!("{} does not run", hit.instance));
    };
    if instance.healthy == Some(false) || (instance.healthy.is_none() && instance.node_id.is_some()) {
        return Observed::No(format!("{} runs (process {}) and is not healthy yet", hit.instance, process.pid));
    }
    let (Some(led), Some(node)) = (&hit.led, hit.node_id) else {
        return Observed::Yes(format!("{} runs again (process {})", hit.instance, process.pid));
    };
    let place = format!("{}/{}", led.topic, led.partition);
    match leadership(record, context).await {
        Err(reason) => Observed::Unknown(format!("the leader of {place} cannot be asked for: {reason}")),
        Ok((Some(leader), _, isr)) if isr.contains(&node) => Observed::Yes(format!(
            "{} runs again (process {}), {place} is led by node {leader}, in sync: {isr:?}",
            hit.instance, process.pid
        )),
        Ok((leader, _, isr)) => Observed::No(format!("{place}: leader {leader:?}, in sync {isr:?}, node {node} not yet")),
    }
}

/// Leader, leader epoch and in-sync replicas of the partition a record speaks of.
async fn leadership(record: &UndoRecord, context: &Context) -> Result<(Option<i32>, i32, Vec<i32>), String> {
    let led = record.hit.led.as_ref().ok_or("the target was no leader")?;
    let status = context.status_of(record).await.map_err(|error| error.to_string())?;
    let status = status.ok_or("the system has gone")?;
    let metadata = cluster_of(&status).metadata(Some(&[&led.topic])).await.map_err(|error| error.to_string())?;
    let partition = metadata
        .topic(&led.topic)
        .and_then(|topic| topic.partition(led.partition))
        .map_err(|error| error.to_string())?;
    // A broker that is down cannot lead, whatever a stale answer says.
    let leader = partition.leader.filter(|leader| metadata.broker(*leader).is_some());
    Ok((leader, partition.leader_epoch, partition.isr.clone()))
}
