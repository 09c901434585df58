//! The course of a run on its system: sources, preflight, steady state, method, healing, rollbacks,
//! accounting, judgement. The steps are in the order of the life of an experiment.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use shaketable_experiment::{Experiment, Found, HypothesisStrategy, RollbackStrategy};
use shaketable_faults::{Context, Observed};
use shaketable_ledger::{Ledger, recovery};
use shaketable_python::{Notice, Notices};
use shaketable_testbed::testbed::UpSystem;

use crate::abort::Abort;
use crate::accounting::{Accounts, account};
use crate::continuous::Continuous;
use crate::controls::{Controls, Level};
use crate::folder::RunFolder;
use crate::injections::Injections;
use crate::journal::Journal;
use crate::method::Part;
use crate::preflight::{self, Ready, Refusal};
use crate::probes::Asker;
use crate::progress::{Progress, tell_live};
use crate::python::Python;
use crate::record::{ProbeOutcome, When};
use crate::run::Run;
use crate::site::Site;
use crate::stagehand::Stagehand;
use crate::stages::Sampler;
use crate::toolkit_journal::ToolkitJournal;
use crate::{addresses, dry, safeguards, sources, steady};

/// How long the load goes on after the last recovery: long enough to see five steady seconds.
const AFTERMATH: Duration = Duration::from_secs(6);

impl Run {
    /// From what has to be found out first to the verdict's grounds.
    pub(crate) async fn experiment(
        &mut self,
        system: Option<&UpSystem>,
        journal: &Arc<Journal>,
        toolkit: &ToolkitJournal,
        folder: &RunFolder,
    ) {
        let site = match (system, &self.options.experiment.endpoints) {
            (Some(system), _) => Site::of_system(system.status.clone()),
            (None, Some(endpoints)) => Site::of_endpoints(endpoints),
            (None, None) => Site::default(),
        };
        let (abort, progress) = (self.options.abort.clone(), self.options.progress.clone());
        let documents = self.options.path.parent().unwrap_or(Path::new("."));
        let (python, notices) = Python::new(&self.options.experiment.python, documents);
        if let Some(notices) = notices {
            listen(notices, abort.clone(), progress.clone());
        }
        let asker = Asker::new(site, documents, python, self.redaction.clone());
        let Some((experiment, asker)) = self.found_out(asker, journal).await else {
            return;
        };

        progress.event("preflight");
        let done = dry::what_is_done(&experiment);
        let checked = preflight::check(&done, &self.options.source, &asker.site);
        let ready = match abort.or(checked).await {
            None => return,
            Some(Ok(ready)) => ready,
            Some(Err(Refusal::Document { rendered, messages })) => {
                progress.event(&rendered);
                self.record.usage = true;
                return messages.into_iter().for_each(|message| self.error(message));
            }
            Some(Err(Refusal::System(reasons))) => {
                return reasons.into_iter().for_each(|reason| self.error(reason));
            }
        };
        journal.write("preflight-passed", json!({ "targets": ready.targets }));
        let targets = ready.targets.iter();
        targets.for_each(|target| progress.event(&format!("preflight: {target}")));

        let controls = Controls::new(&experiment, journal.clone(), progress.clone());
        let stagehand = Stagehand {
            injections: Arc::new(Injections::new(
                Context::new(self.options.home.clone()),
                folder.id(),
                system.map_or("", |system| &system.status.name),
                journal.clone(),
                progress.clone(),
            )),
            asker,
            journal: journal.clone(),
            toolkit: toolkit.clone(),
            controls: Arc::new(controls),
            progress,
            dry: experiment.dry,
            abort: abort.clone(),
            in_background: false,
        };
        let (controls, caller) = (&stagehand.controls, stagehand.caller());
        let around = controls.of(Level::Experiment);
        let begun = async {
            controls.configure(caller).await;
            let document = &experiment.source;
            controls
                .before(Level::Experiment, &around, document, caller)
                .await;
        };
        if abort.or(begun).await.is_some() && abort.reason().is_none() {
            self.perform(&experiment, &stagehand, ready, folder).await;
        }
        self.grounds.unproven.extend(dry::reasons(&experiment));
        self.grounds.aborted = abort.reason();
        let (status, deviated) = self.grounds.toolkit_status();
        let ended = async {
            let (document, state) = (&experiment.source, toolkit.value(status, deviated));
            controls
                .after(Level::Experiment, &around, document, &state, caller)
                .await;
            controls.clean_up(caller).await;
        };
        // Also after an early end, but not if it was asked for twice.
        abort.second().or(ended).await;
        self.record.timeline.extend(controls.warnings());
        stagehand.asker.python.shut_down().await;
    }

    /// The plan with what has to be found out before the run; nothing if that is in vain, which is then
    /// among the grounds.
    async fn found_out(
        &mut self,
        asker: Asker,
        journal: &Arc<Journal>,
    ) -> Option<(Experiment, Asker)> {
        let planned = self.options.experiment.clone();
        let (found, mut experiment) = if planned.waits() {
            let finding = sources::find(&planned, &asker);
            let (found, warnings) = self.options.abort.or(finding).await?;
            let is_all_found = warnings.is_empty();
            self.warn(journal, warnings);
            match planned.with(&found) {
                // What the command line said goes before the document.
                Ok(mut experiment) => {
                    experiment.system = planned.system;
                    experiment.endpoints = planned.endpoints;
                    experiment.strategy = planned.strategy;
                    experiment.frequency = planned.frequency;
                    experiment.rollback_strategy = planned.rollback_strategy;
                    experiment.dry = planned.dry;
                    (found, experiment)
                }
                Err(problems) => {
                    let rendered = problems.render(&self.options.source, false);
                    self.options.progress.event(&rendered);
                    // A value that is not to be had is the surroundings' fault.
                    self.record.usage = is_all_found;
                    let errors = problems.iter().map(|problem| problem.message.clone());
                    errors.for_each(|message| self.error(message));
                    return None;
                }
            }
        } else {
            (Found::default(), planned)
        };
        self.warn(journal, sources::exposed(&experiment, &self.redaction));
        addresses::in_experiment(&mut experiment, &asker.site);
        let asker = asker.knowing(&experiment, &found);
        Some((experiment, asker))
    }

    fn warn(&mut self, journal: &Journal, warnings: Vec<String>) {
        for warning in warnings {
            journal.write("warning", json!({ "reason": warning }));
            self.options.progress.event(&format!("warning: {warning}"));
            self.at(journal.now_us(), format!("warning: {warning}"));
        }
    }

    /// Steady state to judgement.
    async fn perform(
        &mut self,
        experiment: &Experiment,
        stagehand: &Stagehand,
        ready: Ready,
        folder: &RunFolder,
    ) {
        let Stagehand {
            asker,
            journal,
            progress,
            abort,
            ..
        } = stagehand;
        let Ready {
            driver, readers, ..
        } = ready;
        let sampler = Sampler::start(&readers, &asker.exchange, journal.t0());
        let load = driver.as_ref().map(|driver| driver.start(journal.t0()));
        if let (Some(workload), Some(_)) = (&experiment.workload, &load) {
            self.at(
                journal.now_us(),
                format!("load begins: {} at {}/s", workload.name, workload.rate),
            );
            journal.write("load-begun", json!({ "rate_per_s": workload.rate }));
        }
        let live = load
            .as_ref()
            .map(|load| tell_live(load, &sampler, &readers, progress, journal));
        let watch = safeguards::watch(&experiment.safeguards, stagehand);

        let strategy = experiment.strategy;
        if strategy.before() {
            progress.event("steady state: is the hypothesis true before anything is broken?");
        }
        let steady = abort
            .or(steady::reach(
                experiment,
                stagehand,
                load.as_ref(),
                &readers,
                &sampler,
            ))
            .await;
        let mut sampling = None;
        match steady {
            None => {}
            Some(Err((outcomes, reason))) => {
                self.record.probes.extend(outcomes);
                journal.write("not-steady", json!({ "reason": reason }));
                self.grounds.unproven.push(format!(
                    "the system was not in its steady state, so nothing was broken: {reason}"
                ));
            }
            Some(Ok(outcomes)) => {
                if !outcomes.is_empty() {
                    self.at(journal.now_us(), "steady state: the hypothesis holds");
                    journal.write("steady", json!(null));
                }
                self.record.probes.extend(outcomes);
                let continuous = Continuous::start(experiment, stagehand);
                let method = &experiment.method;
                let not_done = stagehand.carry_out_part(method, Part::Method).await;
                self.grounds.unproven.extend(not_done);
                sampling = Some(continuous);
            }
        }
        self.heal(&stagehand.injections).await;
        let broken: Vec<_> = self
            .record
            .faults
            .iter()
            .filter_map(|fault| Some(fault.confirmed_us?..fault.released_us?))
            .collect();
        let during = sampling.map(|sampling: Continuous| sampling.finish(&broken));
        let during = during.unwrap_or_default();
        if load.is_some() && !self.record.faults.is_empty() {
            abort.or(tokio::time::sleep(AFTERMATH)).await;
        }
        drop(watch);
        let proven = self.grounds.unproven.is_empty();
        let goes_on = || proven && abort.reason().is_none();
        // What is asked of the system is asked before the rollbacks change it.
        let before_rollbacks = if goes_on() && strategy.after() {
            let asking = steady::ask_system(experiment, stagehand, When::After);
            abort.or(asking).await.unwrap_or_default()
        } else {
            Vec::new()
        };
        let seen = during.iter().chain(&before_rollbacks);
        self.roll_back(experiment, stagehand, is_deviated(seen))
            .await;

        let has_load = load.is_some();
        let ledger = match load {
            None => None,
            Some(load) => {
                progress.event("account: the load stops, work in flight drains, every stage is read to its end");
                let timeout = experiment
                    .workload
                    .as_ref()
                    .map_or(Duration::ZERO, |workload| workload.timeout);
                // When nothing was broken, or the run was ended, there is nothing to wait for long.
                let drain = if goes_on() {
                    experiment.drain_timeout
                } else {
                    timeout
                };
                let accounts = account(
                    load,
                    timeout,
                    drain,
                    &readers,
                    &sampler,
                    &asker.exchange,
                    journal,
                )
                .await;
                drop(live);
                self.balance(accounts, folder)
            }
        };
        if goes_on() {
            let mut outcomes = during;
            outcomes.extend(if has_load && strategy.after() {
                // Once more, when all work has ended; what did not hold before stays so.
                let after = When::After;
                let last = steady::ask_hypothesis(experiment, stagehand, ledger.as_ref(), after);
                match abort.or(last).await {
                    Some(last) => steady::worse_of(last, before_rollbacks),
                    None => before_rollbacks,
                }
            } else {
                before_rollbacks
            });
            self.judge(experiment, outcomes, ledger.as_ref());
        } else {
            // What was seen stays in the record, although it proves nothing.
            self.record.probes.extend(during);
            self.record.probes.extend(before_rollbacks);
        }
        self.record.ledger = ledger;
        journal.write(
            "judged",
            json!({ "probes": self.record.probes, "faults": self.record.faults }),
        );
    }

    /// Carries the rollbacks out as their strategy says, also when the run was ended early; who asks for
    /// that twice ends them, too.
    async fn roll_back(
        &mut self,
        experiment: &Experiment,
        stagehand: &Stagehand,
        is_deviated: bool,
    ) {
        let is_meant = match experiment.rollback_strategy {
            RollbackStrategy::Default | RollbackStrategy::Always => true,
            RollbackStrategy::Never => false,
            RollbackStrategy::Deviated => is_deviated,
        };
        if !is_meant {
            if !experiment.rollbacks.is_empty() {
                let what = "the rollbacks are left out, as their strategy says";
                stagehand.progress.event(what);
                stagehand
                    .journal
                    .write("rollbacks-left-out", json!({ "deviated": is_deviated }));
            }
            return;
        }
        let second = self.options.abort.second();
        let stagehand = Stagehand {
            abort: second.clone(),
            ..stagehand.clone()
        };
        let rollbacks = &experiment.rollbacks;
        let not_done = stagehand.carry_out_part(rollbacks, Part::Rollbacks).await;
        self.grounds.errors.extend(
            not_done
                .into_iter()
                .map(|reason| format!("rollback: {reason}")),
        );
        if let Some(reason) = second.reason() {
            self.options.abort.request(reason);
        }
    }

    /// Recovers every fault; the abort only makes it quicker.
    async fn heal(&mut self, injections: &Injections) {
        let abort = self.options.abort.clone();
        let hurry = injections.hurrier();
        let outcomes = {
            let healing = injections.heal(abort.reason().is_some());
            tokio::pin!(healing);
            tokio::select! {
                outcomes = &mut healing => outcomes,
                _ = abort.requested() => {
                    hurry();
                    healing.await
                }
            }
        };
        for outcome in &outcomes {
            let what = outcome
                .instance
                .as_deref()
                .unwrap_or(&outcome.target)
                .to_owned();
            if let Some(at) = outcome.applied_us {
                self.at(
                    at,
                    format!("{} of {} ({what})", outcome.fault, outcome.target),
                );
            }
            if let Some(at) = outcome.confirmed_us {
                self.at(at, format!("seen: {}", outcome.confirmed.detail()));
            }
            if let Some(at) = outcome.released_us {
                self.at(at, format!("healing begins: {what}"));
            }
            if let Some(at) = outcome.recovered_us {
                self.at(at, format!("healed: {}", outcome.recovered.detail()));
            }
            if !outcome.confirmed.is_yes() {
                let reason = format!(
                    "fault `{}` was not seen to take effect: {}",
                    outcome.name,
                    outcome.confirmed.detail()
                );
                self.grounds.unproven.push(reason);
            }
            if !outcome.recovered.is_yes() {
                let reason = format!(
                    "fault `{}` was not seen to be gone: {}; run `shaketable heal`",
                    outcome.name,
                    outcome.recovered.detail()
                );
                self.grounds.errors.push(reason);
            }
        }
        self.record.faults.extend(outcomes);
    }

    fn balance(&mut self, accounts: Accounts, folder: &RunFolder) -> Option<Ledger> {
        let Accounts {
            facts,
            report,
            stopped_us,
            drained_us,
        } = accounts;
        let written = serde_json::to_vec(&facts)
            .map_err(std::io::Error::other)
            .and_then(|bytes| std::fs::write(folder.facts(), bytes));
        if let Err(error) = written {
            self.error(format!(
                "cannot write {}: {error}",
                folder.facts().display()
            ));
        }
        let ledger = Ledger::balance(&facts);
        if let Err(imbalances) = ledger.check() {
            let all: Vec<String> = imbalances.iter().map(ToString::to_string).collect();
            self.error(format!(
                "the ledger does not balance, which is a defect of shaketable: {}",
                all.join("; ")
            ));
        }
        let fault_at = self
            .record
            .faults
            .iter()
            .filter_map(|fault| fault.applied_us)
            .min();
        let heal_at = self
            .record
            .faults
            .iter()
            .filter_map(|fault| fault.recovered_us)
            .max();
        let recovery = recovery(&facts.attempts, fault_at, heal_at, stopped_us);
        let us = |seconds: f64| (seconds * 1e6) as u64;
        if let Some(at) = recovery.first_error_at_s {
            self.at(us(at), "first request without an acknowledgement");
        }
        if let (Some(heal), Some(after)) = (heal_at, recovery.mttr_heal_s) {
            self.at(
                heal + us(after),
                "steady again: 99 % of requests acknowledged for 5 s",
            );
        }
        self.at(stopped_us, "load stops");
        match drained_us {
            Some(at) => self.at(
                at,
                format!(
                    "drained: every acknowledged {} has come to an end",
                    self.record.noun
                ),
            ),
            None => self.at(facts.deadline_us, "not drained within its time"),
        }
        self.record.drain_s = drained_us.map(|at| at.saturating_sub(stopped_us) as f64 / 1e6);
        self.record.recovery = Some(recovery);
        self.record.latency = report.latency;
        Some(ledger)
    }

    fn judge(
        &mut self,
        experiment: &Experiment,
        outcomes: Vec<ProbeOutcome>,
        ledger: Option<&Ledger>,
    ) {
        for outcome in &outcomes {
            let reason = format!("`{}`: {}", outcome.name, outcome.holds.detail());
            match outcome.holds {
                Observed::Yes(_) => {}
                Observed::No(_) => self.grounds.deviations.push(reason),
                Observed::Unknown(_) => self.grounds.unknown.push(reason),
            }
        }
        let probes = experiment.hypothesis.iter().flat_map(|h| &h.probes);
        if probes.count() == 0 {
            self.grounds
                .unknown
                .push("the experiment has no hypothesis, so there was nothing to prove".to_owned());
        } else if experiment.strategy == HypothesisStrategy::Skip {
            let reason = "the hypothesis was never asked (strategy `skip`), so nothing was claimed";
            self.grounds.unknown.push(reason.to_owned());
        } else if outcomes.is_empty() && self.record.probes.is_empty() {
            let reason = "no probe of the hypothesis was asked, so nothing was proven";
            self.grounds.unknown.push(reason.to_owned());
        }
        if let Some(repeated) = ledger
            .map(|ledger| ledger.counts().repeated)
            .filter(|count| *count > 0)
        {
            let reason =
                "acknowledgements repeat an identity, so their messages cannot be told apart";
            self.grounds.unknown.push(format!("{repeated} {reason}"));
        }
        if ledger.is_some_and(|ledger| ledger.counts().acknowledged == 0) {
            self.grounds
                .unknown
                .push("nothing was acknowledged, so nothing could be lost".to_owned());
        }
        self.record.probes.extend(outcomes);
    }
}

/// Whether a probe was seen not to hold.
fn is_deviated<'a>(mut outcomes: impl Iterator<Item = &'a ProbeOutcome>) -> bool {
    outcomes.any(|outcome| matches!(outcome.holds, Observed::No(_)))
}

/// Tells what Python code logs, from warnings on, and ends the run when it asks for that by a signal.
fn listen(mut notices: Notices, abort: Abort, progress: Arc<dyn Progress>) {
    const TOLD: [&str; 3] = ["WARNING", "ERROR", "CRITICAL"];
    tokio::spawn(async move {
        // It ends with the interpreter's last user.
        while let Some(notice) = notices.recv().await {
            match notice {
                Notice::Log(log) if TOLD.contains(&log.level.as_str()) => {
                    progress.event(&format!("python: {}: {}", log.module, log.message));
                }
                // Processes get what the document says in `env`, not what Python code has set.
                Notice::Log(_) | Notice::Environment(_) => {}
                Notice::Signal(signal) => {
                    abort.request(format!(
                        "code in Python asked for its end (signal {signal})"
                    ));
                }
            }
        }
    });
}
