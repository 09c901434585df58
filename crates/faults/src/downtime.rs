//! Downtime: what `process-kill` and `process-restart` share. A process is ended, kept down, and let
//! run again; each step is observed.

use std::time::Duration;

use shaketable_testbed::SystemPhase;
use tokio::time::Instant;

use crate::fault::{Context, FaultError, Observed};
use crate::target::cluster_of;
use crate::undo::UndoRecord;

/// The longest wait for a process to end: grace periods are seconds, then comes SIGKILL.
const END_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two looks at whether it has.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Whether the process is gone and, if it led a partition, leads it no more.
pub(crate) async fn down_and_leaderless(record: &UndoRecord, context: &Context) -> Observed {
    let hit = &record.hit;
    if hit.process.is_alive() {
        return Observed::No(format!(
            "process {} of {} still runs",
            hit.process.pid, hit.instance
        ));
    }
    let (Some(led), Some(node)) = (&hit.led, hit.node_id) else {
        return Observed::Yes(format!(
            "process {} of {} is gone",
            hit.process.pid, hit.instance
        ));
    };
    let place = format!("{}/{}", led.topic, led.partition);
    match leadership(record, context).await {
        Err(reason) => Observed::Unknown(format!(
            "{} is gone, the leader of {place} cannot be asked for: {reason}",
            hit.instance
        )),
        Ok((None, _)) => Observed::Yes(format!("{} is gone, {place} is offline", hit.instance)),
        Ok((Some(leader), _)) if leader != node => Observed::Yes(format!(
            "{} is gone, {place} is led by node {leader} instead of {node}",
            hit.instance
        )),
        Ok(_) => Observed::No(format!(
            "{} is gone, but node {node} still counts as leader of {place}",
            hit.instance
        )),
    }
}

/// Lets the instance run again; nothing is to be done when its system has gone or is going.
pub(crate) async fn run_again(record: &UndoRecord, context: &Context) -> Result<(), FaultError> {
    end(record, context).await?;
    if goes_down(record, context).await? {
        return Ok(());
    }
    match context
        .client(&record.hit.system)
        .release(&record.hit.instance)
        .await
    {
        Err(_) if goes_down(record, context).await? => Ok(()),
        done => Ok(done?),
    }
}

/// Whether the system has gone or is being taken down, and the fault with it.
pub(crate) async fn goes_down(record: &UndoRecord, context: &Context) -> Result<bool, FaultError> {
    let status = context.status_of(record).await?;
    Ok(status.is_none_or(|status| status.phase == SystemPhase::Stopping))
}

/// Whether the instance runs, is healthy, and is in sync again with the partition it led.
pub(crate) async fn runs_and_leads(record: &UndoRecord, context: &Context) -> Observed {
    let hit = &record.hit;
    let status = match context.status_of(record).await {
        Ok(Some(status)) => status,
        Ok(None) => return Observed::Yes(format!("{} is gone with its system", hit.instance)),
        Err(error) => return Observed::Unknown(error.to_string()),
    };
    if status.phase == SystemPhase::Stopping {
        return Observed::No(format!("system `{}` is still being taken down", hit.system));
    }
    let Some(instance) = status.instance(&hit.instance) else {
        return Observed::Unknown(format!("the system no longer lists {}", hit.instance));
    };
    let Some(process) = instance.process.as_ref().filter(|_| !instance.held) else {
        return Observed::No(format!("{} does not run", hit.instance));
    };
    if instance.has_check && instance.healthy != Some(true) {
        return Observed::No(format!(
            "{} runs (process {}) and is not healthy yet",
            hit.instance, process.pid
        ));
    }
    let (Some(led), Some(node)) = (&hit.led, hit.node_id) else {
        return Observed::Yes(format!(
            "{} runs again (process {})",
            hit.instance, process.pid
        ));
    };
    let place = format!("{}/{}", led.topic, led.partition);
    match leadership(record, context).await {
        Err(reason) => Observed::Unknown(format!(
            "the leader of {place} cannot be asked for: {reason}"
        )),
        Ok((Some(leader), isr)) if isr.contains(&node) => Observed::Yes(format!(
            "{} runs again (process {}), {place} is led by node {leader}, in sync: {isr:?}",
            hit.instance, process.pid
        )),
        Ok((leader, isr)) => Observed::No(format!(
            "{place}: leader {leader:?}, in sync {isr:?}, node {node} not yet"
        )),
    }
}

/// Leader and in-sync replicas of the partition a record speaks of.
async fn leadership(
    record: &UndoRecord,
    context: &Context,
) -> Result<(Option<i32>, Vec<i32>), String> {
    let led = record.hit.led.as_ref().ok_or("the target was no leader")?;
    let status = context
        .status_of(record)
        .await
        .map_err(|error| error.to_string())?;
    let status = status.ok_or("the system has gone")?;
    let metadata = cluster_of(&status)
        .metadata(Some(&[&led.topic]))
        .await
        .map_err(|error| error.to_string())?;
    let partition = metadata
        .topic(&led.topic)
        .and_then(|topic| topic.partition(led.partition))
        .map_err(|error| error.to_string())?;
    // A broker that is down cannot lead, whatever a stale answer says.
    let leader = partition
        .leader
        .filter(|leader| metadata.broker(*leader).is_some());
    Ok((leader, partition.isr.clone()))
}

/// Waits for a process that is still on its way down: one that may run again before it has ended
/// would look recovered, and then end. It is asked once more, since the engine may have died before.
async fn end(record: &UndoRecord, context: &Context) -> Result<(), FaultError> {
    let hit = &record.hit;
    if goes_down(record, context).await? {
        return Ok(());
    }
    let status = context.status_of(record).await?;
    let is_held = status
        .as_ref()
        .and_then(|status| status.instance(&hit.instance))
        .is_some_and(|instance| instance.held);
    if !is_held || !hit.process.is_alive() {
        return Ok(());
    }
    context.client(&hit.system).terminate(&hit.instance).await?;
    let deadline = Instant::now() + END_TIMEOUT;
    while hit.process.is_alive() {
        if Instant::now() >= deadline {
            return Err(FaultError::StillRuns {
                instance: hit.instance.clone(),
                pid: hit.process.pid,
                waited: END_TIMEOUT,
            });
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(())
}
