//! Accounting: the load stops, what is in flight is resolved, work under way drains, every stage is
//! read to its end, and the ledger is balanced.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use shaketable_ledger::{Attempt, Facts, Outcome};
use shaketable_load::{LoadReport, RunningLoad};

use crate::exchange::Exchange;
use crate::journal::Journal;
use crate::stages::{Reading, Sampler, Seen, StageReader, ending_stages};

/// Between two looks at whether everything has drained.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Beyond a request's own timeout, for the generator to resolve it.
const FINISH_MARGIN: Duration = Duration::from_secs(2);

/// What was accounted for.
pub struct Accounts {
    /// The facts, from which the ledger follows.
    pub facts: Facts,
    /// The load's own report.
    pub report: LoadReport,
    /// When the load stopped, in µs since the run began.
    pub stopped_us: u64,
    /// When every acknowledged message had ended its way, as far as that was seen.
    pub drained_us: Option<u64>,
}

/// Stops the load and accounts for every message.
pub async fn account(
    load: RunningLoad,
    request_timeout: Duration,
    drain_timeout: Duration,
    readers: &Arc<Vec<StageReader>>,
    sampler: &Sampler,
    exchange: &Exchange,
    journal: &Arc<Journal>,
) -> Accounts {
    load.stop();
    let stopped_us = journal.now_us();
    let deadline = tokio::time::Instant::now() + drain_timeout;
    journal.write("load-stopped", json!({ "counts": load.attempts_so_far() }));
    let report = load.finish(request_timeout + FINISH_MARGIN).await;
    let ending = ending_stages(readers);
    let mut drained_us = None;
    while drained_us.is_none() && tokio::time::Instant::now() < deadline {
        if all_ended(&report.attempts, sampler.seen(), &ending) {
            drained_us = Some(journal.now_us());
        } else {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
    journal.write("drained", json!({ "drained": drained_us.is_some() }));
    let facts = facts(report.attempts.clone(), readers, sampler, exchange, journal).await;
    Accounts {
        facts,
        report,
        stopped_us,
        drained_us,
    }
}

/// Whether every attempt has its outcome and every acknowledged message was seen at an end.
pub fn all_ended(attempts: &[Attempt], seen: &Seen, ending: &[usize]) -> bool {
    attempts.iter().all(|attempt| match &attempt.outcome {
        Outcome::Acknowledged { identity } => seen.any(ending, identity),
        Outcome::Failed { .. } => true,
        Outcome::Indeterminate { .. } => attempt.ended_us.is_some(),
    })
}

/// Reads every stage to its end, all at the same time, and puts the facts together.
pub async fn facts(
    attempts: Vec<Attempt>,
    readers: &Arc<Vec<StageReader>>,
    sampler: &Sampler,
    exchange: &Exchange,
    journal: &Arc<Journal>,
) -> Facts {
    let written = Arc::new(exchange.written());
    let tasks: Vec<_> = (0..readers.len())
        .map(|index| {
            let (readers, written) = (readers.clone(), written.clone());
            tokio::spawn(async move { readers[index].read(&written).await })
        })
        .collect();
    let mut stages = Vec::new();
    for (index, task) in tasks.into_iter().enumerate() {
        let reading = task.await.unwrap_or_else(|error| Reading {
            incomplete: Some(format!("the reading failed: {error}")),
            ..Reading::default()
        });
        journal.write(
            "stage-read",
            json!({
                "stage": readers[index].stage().name,
                "sightings": reading.sightings.len(),
                "unidentified": reading.unidentified,
                "own": reading.own,
                "incomplete": reading.incomplete,
            }),
        );
        stages.push(readers[index].account(reading, &sampler.seen().of(index)));
    }
    Facts {
        attempts,
        stages,
        deadline_us: journal.now_us(),
    }
}
