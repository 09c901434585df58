//! Steady state: the hypothesis must hold before anything is broken, or the method never runs; unless
//! the experiment's strategy is not to ask it before the method.
//!
//! With a workload this is asked of the orders of the warm-up: all of them are followed to their
//! end, and the same ledger that decides at the end decides here.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use shaketable_experiment::{Activity, Experiment, Provider};
use shaketable_faults::Observed;
use shaketable_ledger::{Attempt, Facts, Ledger};
use shaketable_load::RunningLoad;

use crate::accounting::{all_ended, facts};
use crate::controls::Level;
use crate::record::{ProbeOutcome, When};
use crate::stagehand::Stagehand;
use crate::stages::{Sampler, StageReader, ending_stages};
use crate::toolkit_journal::Section;

/// Between two looks at whether the warm-up's messages have all ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Waits for the warm-up and asks the hypothesis. The error says why the system is not steady.
pub async fn reach(
    experiment: &Experiment,
    stagehand: &Stagehand,
    load: Option<&RunningLoad>,
    readers: &Arc<Vec<StageReader>>,
    sampler: &Sampler,
) -> Result<Vec<ProbeOutcome>, (Vec<ProbeOutcome>, String)> {
    let (asker, journal) = (&stagehand.asker, &stagehand.journal);
    let ledger = match load {
        None => None,
        Some(load) => {
            let until_us = journal.now_us() + experiment.warm_up.as_micros() as u64;
            tokio::time::sleep(experiment.warm_up).await;
            let first = |load: &RunningLoad| -> Vec<Attempt> {
                load.snapshot()
                    .into_iter()
                    .filter(|attempt| attempt.intended_us <= until_us)
                    .collect()
            };
            let ending = ending_stages(readers);
            let deadline = tokio::time::Instant::now() + experiment.steady_timeout;
            let mut attempts = first(load);
            while !all_ended(&attempts, sampler.seen(), &ending)
                && tokio::time::Instant::now() < deadline
            {
                tokio::time::sleep(LOOK_INTERVAL).await;
                attempts = first(load);
            }
            let ledger = Ledger::balance(&of_these(
                facts(attempts, readers, sampler, &asker.exchange, journal).await,
            ));
            if ledger.counts().acknowledged == 0 {
                let counts = ledger.counts();
                let reason = format!(
                    "of {} attempts in the warm-up none was acknowledged ({} failed, {} without an answer)",
                    counts.attempted, counts.failed, counts.indeterminate
                );
                return Err((Vec::new(), reason));
            }
            Some(ledger)
        }
    };
    if !experiment.strategy.before() {
        return Ok(Vec::new());
    }
    let outcomes = ask_hypothesis(experiment, stagehand, ledger.as_ref(), When::Before).await;
    let unmet: Vec<String> = outcomes
        .iter()
        .filter(|outcome| !outcome.holds.is_yes())
        .map(|outcome| format!("`{}`: {}", outcome.name, outcome.holds.detail()))
        .collect();
    if unmet.is_empty() {
        Ok(outcomes)
    } else {
        Err((outcomes, unmet.join("; ")))
    }
}

/// Asks every probe of the hypothesis, but for those that a dry run leaves out; also after one was
/// seen not to hold.
pub async fn ask_hypothesis(
    experiment: &Experiment,
    stagehand: &Stagehand,
    ledger: Option<&Ledger>,
    when: When,
) -> Vec<ProbeOutcome> {
    let Some(hypothesis) = &experiment.hypothesis else {
        return Vec::new();
    };
    let section = match when {
        When::Before => Section::Before,
        When::During => Section::During,
        When::After => Section::After,
    };
    let controls = stagehand.controls.of(Level::Hypothesis);
    let context = experiment.source.get("steady-state-hypothesis");
    let context = context.unwrap_or(&Value::Null);
    let caller = stagehand.caller();
    stagehand
        .controls
        .before(Level::Hypothesis, &controls, context, caller)
        .await;
    stagehand.toolkit.hypothesis_started(section);
    let mut outcomes = Vec::new();
    for probe in &hypothesis.probes {
        // A plain experiment has no load to be accounted for.
        let ledger = ledger.filter(|_| matches!(probe.provider, Provider::Ledger { .. }));
        let done = stagehand.one(probe, section, ledger).await;
        if !done.is_left_out {
            outcomes.push(ProbeOutcome {
                name: probe.name.clone(),
                when,
                output: done.output.unwrap_or_default(),
                holds: match (done.failure, done.holds) {
                    // A control of its own failed.
                    (Some(reason), Some(holds)) if holds.is_yes() => Observed::Unknown(reason),
                    (_, Some(holds)) => holds,
                    (reason, None) => Observed::Unknown(reason.unwrap_or_default()),
                },
            });
        }
    }
    let all = outcomes.iter().all(|outcome| outcome.holds.is_yes());
    let met = (outcomes.len() == hypothesis.probes.len()).then_some(all);
    let state = stagehand.toolkit.hypothesis_ended(section, met);
    stagehand
        .controls
        .after(Level::Hypothesis, &controls, context, &state, caller)
        .await;
    outcomes
}

/// Asks the probes that are asked of the system itself: all but the ledger's.
pub async fn ask_system(
    experiment: &Experiment,
    stagehand: &Stagehand,
    when: When,
) -> Vec<ProbeOutcome> {
    let mut of_system = experiment.clone();
    if let Some(hypothesis) = &mut of_system.hypothesis {
        let is_asked = |probe: &Activity| !matches!(probe.provider, Provider::Ledger { .. });
        hypothesis.probes.retain(is_asked);
    }
    ask_hypothesis(&of_system, stagehand, None, when).await
}

/// The outcomes of `last`, but for those probes that did not hold in `first`.
pub fn worse_of(last: Vec<ProbeOutcome>, first: Vec<ProbeOutcome>) -> Vec<ProbeOutcome> {
    let mut unmet: Vec<ProbeOutcome> = first
        .into_iter()
        .filter(|outcome| !outcome.holds.is_yes())
        .collect();
    last.into_iter()
        .map(
            |outcome| match unmet.iter().position(|first| first.name == outcome.name) {
                Some(position) if !matches!(outcome.holds, Observed::No(_)) => {
                    unmet.swap_remove(position)
                }
                _ => outcome,
            },
        )
        .collect()
}

/// Leaves out the sightings of messages that came after the ones in question.
fn of_these(mut facts: Facts) -> Facts {
    let wanted: std::collections::HashSet<String> = facts
        .attempts
        .iter()
        .filter_map(|attempt| attempt.outcome.identity().map(str::to_owned))
        .collect();
    for stage in &mut facts.stages {
        stage
            .sightings
            .retain(|sighting| wanted.contains(&sighting.identity));
    }
    facts
}
