//! `run`: experiments, one after the other, and what came of them.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;

use shaketable_engine::{Abort, Live, Progress, RunFolder, RunOptions, RunRecord, Verdict};
use shaketable_experiment::Experiment;
use shaketable_testbed::{BringUp, Home, SystemSource, TestbedError};

use super::experiment::{Document, catalogue_with, read_with, side_file};
use super::signals::abort_on_signals;
use super::suite;
use crate::arguments::{Format, Run, RunSystem};
use crate::exit::Exit;
use crate::terminal;

/// Runs every experiment, one after the other; the exit is that of the worst verdict.
pub async fn run(home: &Home, arguments: Run) -> Result<Exit, TestbedError> {
    let mut documents = Vec::new();
    let mut wrong = false;
    let mut endpoints = None;
    if let Some(path) = &arguments.endpoints {
        match side_file(path, shaketable_experiment::endpoints) {
            Ok(read) => endpoints = Some(read),
            Err(message) => {
                wrong = true;
                terminal::error(&message);
            }
        }
    }
    let Some(catalogue) = catalogue_with(arguments.bindings.as_deref()) else {
        return Ok(Exit::Usage);
    };
    let overrides = match arguments.values.overrides() {
        Ok(overrides) => overrides,
        Err(message) => {
            terminal::error(&message);
            return Ok(Exit::Usage);
        }
    };
    let paths = match suite::gather(&arguments.experiments) {
        Ok(paths) => paths,
        Err(message) => {
            terminal::error(&message);
            return Ok(Exit::Usage);
        }
    };
    for path in &paths {
        match read_with(path, &catalogue, &overrides) {
            Ok(document) if !suite::is_meant(&document.experiment, &arguments.tags) => {}
            Ok(document)
                if document.experiment.system.is_none() && arguments.system.says_nothing() =>
            {
                wrong = true;
                terminal::error(&format!(
                    "{} names no system, so `--variant`, `--name`, `--file` and `--profile` say nothing; give one with `--system`",
                    path.display()
                ));
            }
            Ok(mut document) => {
                arguments.put_before(&mut document.experiment);
                if arguments.system.compose.is_some() {
                    document.experiment.endpoints = None;
                }
                if let Some(endpoints) = &endpoints {
                    document.experiment.system = None;
                    document.experiment.endpoints = Some(endpoints.clone());
                }
                documents.push(document);
            }
            Err(message) => {
                wrong = true;
                terminal::error(&message);
            }
        }
    }
    if documents.is_empty() && !wrong {
        wrong = true;
        terminal::error(&format!(
            "none of {} experiments has the tag {}",
            paths.len(),
            arguments.tags.join(" or ")
        ));
    }
    if wrong {
        return Ok(Exit::Usage);
    }
    // Found out before anything is broken, not after it.
    for path in [&arguments.junit, &arguments.markdown]
        .into_iter()
        .flatten()
    {
        let opened = OpenOptions::new().create(true).append(true).open(path);
        if let Err(error) = opened {
            terminal::error(&format!("cannot write {}: {error}", path.display()));
            return Ok(Exit::Usage);
        }
    }
    all(home, documents, &arguments).await
}

/// Runs documents that are in order, and reports.
async fn all(home: &Home, documents: Vec<Document>, arguments: &Run) -> Result<Exit, TestbedError> {
    let abort = abort_on_signals();
    let mut worst = Exit::Passed;
    let count = documents.len();
    let mut records = Vec::with_capacity(count);
    for document in documents {
        let record = one(home, document, &arguments.system, &abort).await?;
        match arguments.format {
            Format::Text => terminal::data(&shaketable_report::text(&record)),
            Format::Json if count == 1 => {
                terminal::data(
                    &serde_json::to_string_pretty(&shaketable_report::json(&record))
                        .unwrap_or_default(),
                );
            }
            // One object a line, so that a program can follow.
            Format::Json => terminal::data(&shaketable_report::json(&record).to_string()),
        }
        let exit = exit_of(&record);
        if severity(exit) > severity(worst) {
            worst = exit;
        }
        records.push(record);
        if abort.reason().is_some() || (arguments.fail_fast && exit != Exit::Passed) {
            break;
        }
    }
    if count > 1 && arguments.format == Format::Text {
        terminal::data(&suite::summary(&records, count - records.len()));
    }
    for (path, text) in [
        (&arguments.junit, shaketable_report::junit(&records)),
        (&arguments.markdown, shaketable_report::markdown(&records)),
    ] {
        let Some(path) = path else { continue };
        std::fs::write(path, text).map_err(|source| TestbedError::Io {
            what: format!("write {}", path.display()),
            source,
        })?;
    }
    Ok(worst)
}

impl Run {
    /// What the command line says goes before what the experiment says.
    fn put_before(&self, experiment: &mut Experiment) {
        experiment.dry = self.dry.or(experiment.dry);
        if let Some(strategy) = self.rollback_strategy {
            experiment.rollback_strategy = strategy;
        }
        if let Some(strategy) = self.hypothesis_strategy {
            experiment.strategy = strategy;
        }
        if let Some(frequency) = self.hypothesis_frequency {
            experiment.frequency = frequency;
        }
    }
}

impl RunSystem {
    /// Whether it describes a system without naming one.
    fn says_nothing(&self) -> bool {
        let describes = self.variant.is_some()
            || self.name.is_some()
            || !self.files.is_empty()
            || !self.profiles.is_empty();
        self.compose.is_none() && describes
    }
}

/// Runs one experiment and writes its result and report to its folder.
pub async fn one(
    home: &Home,
    document: Document,
    system: &RunSystem,
    abort: &Abort,
) -> Result<RunRecord, TestbedError> {
    let named = document.experiment.system.as_ref().map(|system| {
        let folder = document.path.parent().unwrap_or(Path::new("."));
        folder.join(&system.path)
    });
    let system = match system.compose.clone().or(named) {
        None => None,
        Some(compose) => Some(BringUp {
            source: SystemSource::new(&compose, system.variant.as_deref())?
                .with_overrides(&system.files)?
                .with_profiles(system.profiles.iter().cloned()),
            name: system.name.clone(),
            owned: true,
        }),
    };
    terminal::note(&format!(
        "── {} ({})",
        document.experiment.title,
        document.path.display()
    ));
    let record = shaketable_engine::run(RunOptions {
        source: document.source,
        path: document.path,
        experiment: document.experiment,
        system,
        home: home.clone(),
        abort: abort.clone(),
        progress: Arc::new(Terminal),
    })
    .await;
    terminal::clear_status();
    if let Some(folder) = record
        .folder
        .as_ref()
        .and_then(|folder| RunFolder::find(home, Some(&folder.to_string_lossy())))
    {
        let result =
            serde_json::to_string_pretty(&shaketable_report::json(&record)).unwrap_or_default();
        for (path, text) in [
            (folder.result(), result),
            (folder.report(), shaketable_report::text(&record)),
        ] {
            std::fs::write(&path, text).map_err(|source| TestbedError::Io {
                what: format!("write {}", path.display()),
                source,
            })?;
        }
    }
    Ok(record)
}

/// The exit code of a run.
pub fn exit_of(record: &RunRecord) -> Exit {
    match record.verdict {
        Verdict::Passed => Exit::Passed,
        Verdict::Deviated => Exit::Deviated,
        Verdict::Inconclusive => Exit::Inconclusive,
        Verdict::Aborted => Exit::Aborted,
        Verdict::Error if record.usage => Exit::Usage,
        Verdict::Error => Exit::Error,
    }
}

/// The order in which several exits give way to each other; the worst is last.
fn severity(exit: Exit) -> u8 {
    match exit {
        Exit::Passed => 0,
        Exit::Inconclusive => 1,
        Exit::Deviated => 2,
        Exit::Aborted => 3,
        Exit::Usage => 4,
        Exit::Error => 5,
    }
}

/// Tells a run's progress on standard error.
struct Terminal;

impl Progress for Terminal {
    fn event(&self, text: &str) {
        terminal::note(&format!("   {text}"));
    }

    fn live(&self, live: Live) {
        terminal::status(&format!(
            "   {:5.1} s  sent {}  acknowledged {}  failed {}  unanswered {}  in flight {}  settled {}  unwanted {}",
            live.at_s,
            live.attempted,
            live.acknowledged,
            live.failed,
            live.indeterminate,
            live.in_flight,
            live.settled,
            live.unwanted
        ));
    }
}
