//! One run, from a plan to its record: its folder, its journal and its system, around the experiment
//! proper, which is [`crate::course`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use shaketable_dialect::Value as PythonValue;
use shaketable_dialect::redaction::Redaction;
use shaketable_document::Source;
use shaketable_experiment::{Experiment, ValueSource, Vault};
use shaketable_testbed::testbed::UpSystem;
use shaketable_testbed::{BringUp, Home, Testbed, TestbedError};

use crate::abort::Abort;
use crate::dry;
use crate::folder::RunFolder;
use crate::journal::Journal;
use crate::progress::{Progress, WithoutSecrets};
use crate::record::{RunRecord, TimelineEvent};
use crate::run_lock::lock;
use crate::toolkit_journal::ToolkitJournal;
use crate::verdict::{Grounds, Verdict};

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
pub async fn run(mut options: RunOptions) -> RunRecord {
    let t0 = Instant::now();
    let redaction = Redaction::default();
    for group in &options.experiment.secrets {
        for (_, source) in &group.secrets {
            if let ValueSource::Known(secret) = source {
                redaction.add(&PythonValue::from(secret.clone()));
            }
        }
    }
    for name in Vault::SECRETS {
        if let Some(secret) = options.experiment.configuration.get(name) {
            redaction.add(&PythonValue::from(secret.clone()));
        }
    }
    options.progress = Arc::new(WithoutSecrets {
        progress: options.progress,
        redaction: redaction.clone(),
    });
    let mut run = Run {
        redaction: redaction.clone(),
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
    if !redaction.is_empty() {
        run.record.without(&redaction);
    }
    run.record
}

/// A run that goes on.
pub(crate) struct Run {
    pub(crate) options: RunOptions,
    pub(crate) record: RunRecord,
    pub(crate) grounds: Grounds,
    pub(crate) redaction: Redaction,
}

impl Run {
    pub(crate) fn error(&mut self, reason: impl Into<String>) {
        self.grounds.errors.push(reason.into());
    }

    pub(crate) fn at(&mut self, at_us: u64, what: impl Into<String>) {
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
        let journal = match Journal::open(&folder.journal(), t0, self.redaction.clone()) {
            Ok(journal) => Arc::new(journal),
            Err(error) => {
                return self.error(format!(
                    "cannot write {}: {error}",
                    folder.journal().display()
                ));
            }
        };
        let toolkit = ToolkitJournal::begin(
            journal.clone(),
            &self.options.experiment.source,
            json!({
                "run": folder.id(),
                "experiment": self.options.path,
                "title": self.options.experiment.title,
                "variant": self.record.variant,
                "engine": shaketable_testbed::process::ProcessIdentity::own(),
            }),
        );
        self.in_system(&journal, &toolkit, &folder).await;
        self.grounds.aborted = self.options.abort.reason();
        let (verdict, reasons) = self.grounds.verdict();
        let (status, deviated) = self.grounds.toolkit_status();
        let verdict = json!({ "verdict": verdict, "reasons": reasons });
        toolkit.end(status, deviated, verdict);
        if let Some(failure) = journal.failure() {
            self.error(failure);
        }
    }

    /// The experiment proper, between bringing its system up and taking it down.
    async fn in_system(
        &mut self,
        journal: &Arc<Journal>,
        toolkit: &ToolkitJournal,
        folder: &RunFolder,
    ) {
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
            _ => {
                self.experiment(system.as_ref(), journal, toolkit, folder)
                    .await;
            }
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
        if dry::leaves_out_all(&self.options.experiment) {
            let what = "nothing is really done, so the system is not brought up";
            self.options.progress.event(what);
            return Ok(None);
        }
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
}
