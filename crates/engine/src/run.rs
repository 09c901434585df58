//! One run, from a plan to its record. The steps are in the order of the life of an experiment.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use shaketable_document::Source;
use shaketable_experiment::Experiment;
use shaketable_faults::Context;
use shaketable_ledger::{Ledger, recovery};
use shaketable_testbed::testbed::UpSystem;
use shaketable_testbed::{BringUp, Home, Testbed, TestbedError};

use crate::abort::Abort;
use crate::accounting::{Accounts, account};
use crate::continuous::Continuous;
use crate::folder::RunFolder;
use crate::injections::Injections;
use crate::journal::Journal;
use crate::method::{Part, Stagehand};
use crate::preflight::{self, Ready, Refusal};
use crate::probes::Asker;
use crate::progress::{Progress, tell_live};
use crate::record::{ProbeOutcome, RunRecord, TimelineEvent, When};
use crate::run_lock::lock;
use crate::safeguards;
use crate::site::Site;
use crate::stages::Sampler;
use crate::steady;
use crate::verdict::{Grounds, Verdict};

/// How long the load goes on after the last recovery: long enough to see five steady seconds.
const AFTERMATH: Duration = Duration::from_secs(6);

/// What to run.
pub struct RunOptions {
    /// The document, for messages with line and column.
    pub source: Source,
    /// The document's file.
    pub path: PathBuf,
    /// The plan.
    pub experiment: Experiment,
    /// The system to bring up, or to use when it is up.
    pub system: Option<BringUp>,
    /// The home folder.
    pub home: Home,
    /// How the run is ended early.
    pub abort: Abort,
    /// Who is told.
    pub progress: Arc<dyn Progress>,
}

/// Runs an experiment to its verdict.
pub async fn run(options: RunOptions) -> RunRecord {
    let t0 = Instant::now();
    let mut run = Run {
        record: RunRecord {
            run: String::new(),
            folder: None,
            experiment: options.path.clone(),
            title: options.experiment.title.clone(),
            variant: options
                .system
                .as_ref()
                .and_then(|system| system.source.variant_label()),
            verdict: Verdict::Error,
            reasons: Vec::new(),
            usage: false,
            duration: Duration::ZERO,
            ready_after: None,
            probes: Vec::new(),
            faults: Vec::new(),
            timeline: Vec::new(),
            ledger: None,
            recovery: None,
            drain_s: None,
            noun: options
                .experiment
                .workload
                .as_ref()
                .map_or("message", |workload| &workload.name)
                .trim_end_matches('s')
                .to_owned(),
            latency: None,
        },
        grounds: Grounds::default(),
        options,
    };
    run.carry_on(t0).await;
    let (verdict, reasons) = run.grounds.verdict();
    run.record.verdict = verdict;
    run.record.reasons = reasons;
    run.record.duration = t0.elapsed();
    run.record.timeline.sort_by_key(|event| event.at_us);
    run.record
}

struct Run {
    options: RunOptions,
    record: RunRecord,
    grounds: Grounds,
}

impl Run {
    fn error(&mut self, reason: impl Into<String>) {
        self.grounds.errors.push(reason.into());
    }

    fn at(&mut self, at_us: u64, what: impl Into<String>) {
        self.record.timeline.push(TimelineEvent {
            at_us,
            what: what.into(),
        });
    }

    /// The folder and the journal around everything else.
    async fn carry_on(&mut self, t0: Instant) {
        let folder = match RunFolder::create(&self.options.home) {
            Ok(folder) => folder,
            Err(error) => {
                return self.error(format!(
                    "cannot make the run's folder under {}: {error}",
                    self.options.home.runs().display()
                ));
            }
        };
        self.record.run = folder.id().to_owned();
        self.record.folder = Some(folder.root().to_path_buf());
        let journal = match Journal::open(&folder.journal(), t0) {
            Ok(journal) => Arc::new(journal),
            Err(error) => {
                return self.error(format!(
                    "cannot write {}: {error}",
                    folder.journal().display()
                ));
            }
        };
        journal.write(
            "run-begun",
            json!({
                "run": folder.id(),
                "experiment": self.options.path,
                "title": self.options.experiment.title,
                "variant": self.record.variant,
                "engine": shaketable_testbed::process::ProcessIdentity::own(),
            }),
        );
        self.in_system(&journal, &folder).await;
        self.grounds.aborted = self.options.abort.reason();
        let (verdict, reasons) = self.grounds.verdict();
        journal.write(
            "run-ended",
            json!({ "verdict": verdict, "reasons": reasons }),
        );
        if let Some(failure) = journal.failure() {
            self.error(failure);
        }
    }

    /// The experiment proper, between bringing its system up and taking it down.
    async fn in_system(&mut self, journal: &Arc<Journal>, folder: &RunFolder) {
        let Ok(system) = self.bring_up(journal).await else {
            return;
        };
        let lock = system
            .as_ref()
            .map(|system| lock(&self.options.home, &system.status.name));
        match &lock {
            Some(Err((reason, usage))) => {
                self.record.usage = *usage;
                self.error(reason.clone());
            }
            _ => self.experiment(system.as_ref(), journal, folder).await,
        }
        if let Some(system) = system {
            if system.is_owned() {
                self.options
                    .progress
                    .event(&format!("taking `{}` down", system.status.name));
            }
            if let Err(error) = system.release().await {
                self.error(format!("the system could not be taken down: {error}"));
            }
        }
    }

    async fn bring_up(&mut self, journal: &Arc<Journal>) -> Result<Option<UpSystem>, ()> {
        let Some(bring_up) = self.options.system.clone() else {
            return Ok(None);
        };
        let testbed = Testbed::new(self.options.home.clone());
        let progress = self.options.progress.clone();
        let up = testbed.up(bring_up, |status| {
            let ready = status
                .instances
                .iter()
                .filter(|i| i.healthy == Some(true))
                .count();
            journal.write(
                "system-starting",
                json!({ "healthy": ready, "of": status.instances.len() }),
            );
        });
        match self.options.abort.or(up).await {
            None => Err(()), // dropping the future ends the supervisor it started
            Some(Ok(system)) => {
                let how = if system.was_up {
                    "was up".to_owned()
                } else {
                    format!("ready after {:.1} s", system.took.as_secs_f64())
                };
                progress.event(&format!("system `{}`: {how}", system.status.name));
                self.record.variant = system.status.variant.clone();
                self.record.ready_after = (!system.was_up).then_some(system.took);
                journal.write(
                    "system-ready",
                    json!({ "name": system.status.name, "took_s": system.took.as_secs_f64() }),
                );
                Ok(Some(system))
            }
            Some(Err(error)) => {
                self.record.usage =
                    error.is_usage() && !matches!(error, TestbedError::NotUp { .. });
                self.error(error.to_string());
                Err(())
            }
        }
    }

    /// Preflight to verdict.
    async fn experiment(
        &mut self,
        system: Option<&UpSystem>,
        journal: &Arc<Journal>,
        folder: &RunFolder,
    ) {
        let mut experiment = self.options.experiment.clone();
        let site = match (system, &experiment.endpoints) {
            (Some(system), _) => {
                crate::addresses::in_system(&mut experiment, &system.status.hosts);
                Site::of_system(system.status.clone())
            }
            (None, Some(endpoints)) => {
                let endpoints = endpoints.clone();
                crate::addresses::at_endpoints(&mut experiment, &endpoints);
                Site::of_endpoints(&endpoints)
            }
            (None, None) => Site::default(),
        };
        let asker = Asker {
            site: Arc::new(site),
            ..Asker::default()
        };
        let (abort, progress) = (self.options.abort.clone(), self.options.progress.clone());

        progress.event("preflight");
        let status = system.map(|system| &system.status);
        let checked = abort
            .or(preflight::check(
                &experiment,
                &self.options.source,
                &asker.site,
            ))
            .await;
        let Ready {
            driver,
            readers,
            targets,
        } = match checked {
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
        journal.write("preflight-passed", json!({ "targets": targets }));
        targets
            .iter()
            .for_each(|target| progress.event(&format!("preflight: {target}")));

        let sampler = Sampler::start(&readers, &asker.exchange, journal.t0());
        let load = driver.as_ref().map(|driver| driver.start(journal.t0()));
        if let Some(workload) = experiment.workload.as_ref() {
            self.at(
                journal.now_us(),
                format!("load begins: {} at {}/s", workload.name, workload.rate),
            );
            journal.write("load-begun", json!({ "rate_per_s": workload.rate }));
        }
        let live = load
            .as_ref()
            .map(|load| tell_live(load, &sampler, &readers, &progress, journal));
        let watch = safeguards::watch(&experiment.safeguards, &asker, &abort, journal);

        progress.event("steady state: is the hypothesis true before anything is broken?");
        let steady = abort
            .or(steady::reach(
                &experiment,
                &asker,
                load.as_ref(),
                &readers,
                &sampler,
                journal,
            ))
            .await;
        let context = Context::new(self.options.home.clone());
        let name = status.map_or("", |status| &status.name);
        let mut injections = Injections::new(
            context,
            folder.id(),
            name,
            journal.clone(),
            progress.clone(),
        );
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
                self.record.probes.extend(outcomes);
                self.at(journal.now_us(), "steady state: the hypothesis holds");
                journal.write("steady", json!(null));
                let continuous = Continuous::start(&experiment, &asker, journal);
                let mut stagehand = Stagehand {
                    asker: &asker,
                    injections: &mut injections,
                    journal,
                    progress: &progress,
                };
                let not_done = stagehand
                    .carry_out(&experiment.method, Part::Method, &abort)
                    .await;
                self.grounds.unproven.extend(not_done);
                sampling = Some(continuous);
            }
        }
        self.heal(&mut injections).await;
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
        // What is asked of the system is asked before the rollbacks change it.
        let before_rollbacks = if proven && abort.reason().is_none() {
            steady::ask_system(&experiment, &asker, When::After).await
        } else {
            Vec::new()
        };
        // Rollbacks are carried out also when the run was ended early.
        let mut stagehand = Stagehand {
            asker: &asker,
            injections: &mut injections,
            journal,
            progress: &progress,
        };
        let not_done = stagehand
            .carry_out(&experiment.rollbacks, Part::Rollbacks, &Abort::default())
            .await;
        self.grounds.errors.extend(
            not_done
                .into_iter()
                .map(|reason| format!("rollback: {reason}")),
        );

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
                let drain = if proven && abort.reason().is_none() {
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
        if proven && abort.reason().is_none() {
            let mut outcomes = during;
            outcomes.extend(if has_load {
                // Once more, when all work has ended; what did not hold before stays so.
                let after = When::After;
                let last = steady::ask_hypothesis(&experiment, &asker, ledger.as_ref(), after);
                steady::worse_of(last.await, before_rollbacks)
            } else {
                before_rollbacks
            });
            self.judge(outcomes, ledger.as_ref());
        }
        self.record.ledger = ledger;
        journal.write(
            "judged",
            json!({ "probes": self.record.probes, "faults": self.record.faults }),
        );
    }

    /// Recovers every fault; the abort only makes it quicker.
    async fn heal(&mut self, injections: &mut Injections) {
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

    fn judge(&mut self, outcomes: Vec<ProbeOutcome>, ledger: Option<&Ledger>) {
        use shaketable_faults::Observed;
        for outcome in &outcomes {
            let reason = format!("`{}`: {}", outcome.name, outcome.holds.detail());
            match outcome.holds {
                Observed::Yes(_) => {}
                Observed::No(_) => self.grounds.deviations.push(reason),
                Observed::Unknown(_) => self.grounds.unknown.push(reason),
            }
        }
        if outcomes.is_empty() {
            self.grounds
                .unknown
                .push("the experiment has no hypothesis, so there was nothing to prove".to_owned());
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
