//! `validate`, `schema`, and the reading of experiments for every command that needs one.

use std::path::{Path, PathBuf};

use shaketable_document::{Diagnostics, Source};
use shaketable_experiment::{
    Activity, ActivityKind, Bindings, Catalogue, Experiment, FunctionDeclaration, Overrides,
    Provider,
};
use shaketable_extensions::Kind;
use shaketable_faults::Parameters;
use shaketable_testbed::TestbedError;

use crate::arguments::{Format, GivenValues, Validate};
use crate::exit::Exit;
use crate::terminal;

/// The argument that the engine gives a function when the experiment does not: the cluster that the
/// run is about.
const BOOTSTRAP_SERVERS: &str = "bootstrap_servers";

/// A document that was read without an error.
#[derive(Clone)]
pub struct Document {
    /// Its text, for messages with line and column.
    pub source: Source,
    /// Its file.
    pub path: PathBuf,
    /// What it says.
    pub experiment: Experiment,
}

/// Reads a file that goes with experiments; the error is rendered for a person.
pub fn side_file<T>(
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
    read_with(path, catalogue, &Overrides::default())
}

/// The same, with values that go before what it says.
pub fn read_with(
    path: &Path,
    catalogue: &Catalogue,
    overrides: &Overrides,
) -> Result<Document, String> {
    let (source, parsed) = parse(path, catalogue, overrides)?;
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

impl GivenValues {
    /// What goes before the experiments; the error names the file or the value it is about.
    pub fn overrides(&self) -> Result<Overrides, String> {
        let mut overrides = Overrides::default();
        for path in &self.variable_files {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            let source = Source::new(path.display().to_string(), text);
            overrides.file(&source).map_err(|error| error.to_string())?;
        }
        for variable in &self.variables {
            let added = overrides.variable(variable);
            added.map_err(|error| error.to_string())?;
        }
        Ok(overrides)
    }
}

type Parsed = Result<(Experiment, Diagnostics), Diagnostics>;

fn parse(
    path: &Path,
    catalogue: &Catalogue,
    overrides: &Overrides,
) -> Result<(Source, Parsed), String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read the experiment {}: {error}", path.display()))?;
    let source = Source::new(path.display().to_string(), text);
    let environment = |name: &str| std::env::var(name).ok();
    let parsed = shaketable_experiment::parse(&source, catalogue, &environment, overrides);
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
        // What is set during the run cannot be checked before it.
        if !activity.late.is_empty() {
            continue;
        }
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
pub fn catalogue_with(bindings: Option<&Path>) -> Option<Catalogue> {
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
    let overrides = match arguments.values.overrides() {
        Ok(overrides) => overrides,
        Err(message) => {
            terminal::error(&message);
            return Ok(Exit::Usage);
        }
    };
    for path in &arguments.experiments {
        match parse(path, &catalogue, &overrides) {
            Err(message) => {
                // A program that reads the answer misses no document in it.
                match arguments.format {
                    Format::Json => found.push(serde_json::json!({
                        "experiment": path,
                        "valid": false,
                        "problems": [{
                            "severity": "error",
                            "message": message,
                            "line": null,
                            "column": null,
                            "help": null,
                        }],
                    })),
                    Format::Text => terminal::error(&message),
                }
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
