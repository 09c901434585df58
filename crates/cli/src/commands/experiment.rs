//! `run`, `validate`, `schema`: experiments.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use shaketable_document::{Diagnostics, Source};
use shaketable_engine::{Abort, Live, Progress, RunFolder, RunOptions, RunRecord, Verdict};
use shaketable_experiment::{
    Activity, ActivityKind, Bindings, Catalogue, Experiment, FunctionDeclaration, Provider,
};
use shaketable_extensions::Kind;
use shaketable_faults::Parameters;
use shaketable_testbed::{BringUp, Home, SystemSource, TestbedError};

use crate::arguments::{Format, Run, RunSystem, Validate};
use crate::exit::Exit;
use crate::terminal;

/// The argument that the engine gives a function when the experiment does not: the cluster that the
/// run is about.
const BOOTSTRAP_SERVERS: &str = "bootstrap_servers";

/// A document that was read without an error.
#[derive(Clone)]
pub struct Document {
    source: Source,
    path: PathBuf,
    experiment: Experiment,
}

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
    for path in &arguments.experiments {
        match read(path, &catalogue) {
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
    if wrong {
        return Ok(Exit::Usage);
    }
    let abort = abort_on_signals();
    let mut worst = Exit::Passed;
    let single = documents.len() == 1;
    for document in documents {
        let record = one(home, document, &arguments.system, &abort).await?;
        match arguments.format {
            Format::Text => terminal::data(&shaketable_report::text(&record)),
            Format::Json if single => {
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
        if abort.reason().is_some() {
            break;
        }
    }
    Ok(worst)
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

/// Reads a file that goes with experiments; the error is rendered for a person.
fn side_file<T>(
    path: &Path,
    read: impl FnOnce(&Source) -> Result<T, Diagnostics>,
) -> Result<T, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let source = Source::new(path.display().to_string(), text);
    read(&source).map_err(|problems| problems.render(&source, false))
}

/// Reads and checks a document; the error is rendered for a person.
pub fn read(path: &Path, catalogue: &Catalogue) -> Result<Document, String> {
    let (source, parsed) = parse(path, catalogue)?;
    let (experiment, warnings) = parsed.map_err(|problems| problems.render(&source, false))?;
    if !warnings.is_empty() {
        terminal::note(&warnings.render(&source, false));
    }
    Ok(Document {
        source,
        path: path.to_path_buf(),
        experiment,
    })
}

type Parsed = Result<(Experiment, Diagnostics), Diagnostics>;

fn parse(path: &Path, catalogue: &Catalogue) -> Result<(Source, Parsed), String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the experiment {}: {error}", path.display()))?;
    let source = Source::new(path.display().to_string(), text);
    let parsed = shaketable_experiment::parse(&source, catalogue, &|name| std::env::var(name).ok());
    let checked = parsed.and_then(|(experiment, warnings)| {
        let mut problems = check_faults(&experiment);
        problems.append(check_calls(&experiment));
        problems.sort();
        if problems.has_errors() {
            Err(problems)
        } else {
            Ok((experiment, warnings))
        }
    });
    Ok((source, checked))
}

/// What only the faults themselves know about their parameters.
fn check_faults(experiment: &Experiment) -> Diagnostics {
    let mut problems = Diagnostics::new();
    for activity in &experiment.method {
        let calls = match &activity.provider {
            Provider::Fault(call) => std::slice::from_ref(call),
            Provider::Bound { calls, .. } => calls,
            _ => continue,
        };
        for call in calls {
            if let Some(fault) = shaketable_faults::find(&call.fault)
                && let Err(problem) = fault.check(&Parameters::of(&call.parameters))
            {
                problems.error(
                    activity.at,
                    match &call.bound_in {
                        Some(file) => format!("{file}: {problem}"),
                        None => problem,
                    },
                );
            }
        }
    }
    problems
}

/// What only the functions themselves know about their arguments.
fn check_calls(experiment: &Experiment) -> Diagnostics {
    let mut problems = Diagnostics::new();
    for activity in activities(experiment) {
        let Provider::Function(call) = &activity.provider else {
            continue;
        };
        let Some(function) = shaketable_extensions::find(&call.module, &call.function) else {
            continue;
        };
        let mut arguments = call.arguments.clone();
        if function
            .arguments
            .iter()
            .any(|argument| argument.name == BOOTSTRAP_SERVERS)
        {
            arguments.entry(BOOTSTRAP_SERVERS).or_insert("".into());
        }
        for problem in function.check(&arguments) {
            problems.error(call.at, format!("`{}`: {problem}", function.name));
        }
    }
    problems
}

/// All activities of an experiment.
fn activities(experiment: &Experiment) -> impl Iterator<Item = &Activity> {
    let probes = experiment
        .hypothesis
        .iter()
        .flat_map(|hypothesis| &hypothesis.probes);
    let guards = experiment.safeguards.iter().map(|guard| &guard.activity);
    probes
        .chain(&experiment.method)
        .chain(&experiment.rollbacks)
        .chain(guards)
}

/// What experiments may name, with the bindings of a file; `None` when there is something wrong with
/// that, which has been told.
fn catalogue_with(bindings: Option<&Path>) -> Option<Catalogue> {
    let mut catalogue = catalogue();
    if let Some(path) = bindings {
        match side_file(path, |source| Bindings::parse(source, &catalogue.functions)) {
            Ok(read) => catalogue.bindings = read.before(catalogue.bindings),
            Err(message) => {
                terminal::error(&message);
                return None;
            }
        }
    }
    Some(catalogue)
}

/// What experiments may name: faults, functions and controls, and the bindings that are there
/// without anybody saying so.
pub fn catalogue() -> Catalogue {
    Catalogue {
        faults: shaketable_faults::declarations(),
        functions: shaketable_extensions::functions()
            .iter()
            .filter_map(declaration)
            .collect(),
        controls: shaketable_extensions::controls()
            .iter()
            .map(|control| (control.module, control.sets))
            .collect(),
        bindings: Bindings::built_in(),
    }
}

/// What an experiment may say about a function; nothing if it is no activity's.
fn declaration(function: &shaketable_extensions::Function) -> Option<FunctionDeclaration> {
    let arguments = function.arguments.iter();
    Some(FunctionDeclaration {
        module: function.module,
        name: function.name,
        kind: match function.kind {
            Kind::Probe => ActivityKind::Probe,
            Kind::Action => ActivityKind::Action,
            Kind::Control => return None,
        },
        native: function.is_native(),
        arguments: arguments
            .map(|argument| {
                let required = argument.required && argument.name != BOOTSTRAP_SERVERS;
                (argument.name, required)
            })
            .collect(),
    })
}

pub fn validate(arguments: &Validate) -> Result<Exit, TestbedError> {
    let mut exit = Exit::Passed;
    let mut found = Vec::new();
    let Some(catalogue) = catalogue_with(arguments.bindings.as_deref()) else {
        return Ok(Exit::Usage);
    };
    for path in &arguments.experiments {
        match parse(path, &catalogue) {
            Err(message) => {
                terminal::error(&message);
                exit = Exit::Usage;
            }
            Ok((source, parsed)) => {
                let (problems, valid) = match parsed {
                    Ok((_, warnings)) => (warnings, true),
                    Err(problems) => (problems, false),
                };
                match arguments.format {
                    Format::Json => found.push(serde_json::json!({
                        "experiment": path,
                        "valid": valid,
                        "problems": problems.to_json(&source),
                    })),
                    Format::Text => {
                        if !problems.is_empty() {
                            terminal::note(&problems.render(&source, false));
                        }
                        if valid {
                            terminal::data(&format!("{}: valid", path.display()));
                        }
                    }
                }
                if !valid {
                    exit = Exit::Usage;
                }
            }
        }
    }
    if arguments.format == Format::Json {
        terminal::data(&serde_json::to_string_pretty(&found).unwrap_or_default());
    }
    Ok(exit)
}

pub fn schema() -> Exit {
    let schema = shaketable_experiment::schema(&shaketable_faults::declarations());
    terminal::data(&serde_json::to_string_pretty(&schema).unwrap_or_default());
    Exit::Passed
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

/// The first SIGINT, SIGTERM or SIGHUP ends the run in good order, the second one at once.
pub fn abort_on_signals() -> Abort {
    use tokio::signal::unix::{SignalKind, signal};
    let abort = Abort::default();
    let asked = abort.clone();
    tokio::spawn(async move {
        let streams = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
            signal(SignalKind::hangup()),
        );
        let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = streams else {
            terminal::error(
                "cannot listen for signals; Ctrl-C ends the run without healing, the next command heals",
            );
            return;
        };
        for n in 0.. {
            let name = tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
                _ = hangup.recv() => "SIGHUP",
            };
            if n == 0 {
                asked.request(format!("it was interrupted by {name}"));
                terminal::note(&format!(
                    "{name}: healing, accounting, reporting; once more to leave at once"
                ));
            } else {
                terminal::note(
                    "leaving at once; the next shaketable command heals what is still in place",
                );
                escape();
            }
        }
    });
    abort
}

/// Ends the program now. A system of its own goes down with it; faults elsewhere stay recorded.
#[allow(clippy::exit)] // the second signal is a demand, and this is the one place that answers it
fn escape() -> ! {
    std::process::exit(Exit::Aborted as i32)
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
