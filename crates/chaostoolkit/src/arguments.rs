//! The command line of `chaos`: its commands and options, and what was asked for.

use std::path::PathBuf;

use shaketable_dialect::Dict;

use crate::command_line::{Command, Ending, Found, parse, usage_error};
use crate::command_table::CHAOS;
use crate::logger::Level;
use crate::settings;
use crate::variables::convert_vars;

/// Options before the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Global {
    /// Debug records on the console.
    pub verbose: bool,
    /// Where to go first.
    pub change_dir: Option<String>,
    /// The log file, if there is to be one, and its level.
    pub log_file: Option<(PathBuf, Level)>,
    /// JSON records on the console.
    pub log_json: bool,
    /// The settings file.
    pub settings: PathBuf,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// `run`.
    Run(Box<RunArguments>),
    /// `validate`.
    Validate(ValidateArguments),
    /// `discover`.
    Discover(DiscoverArguments),
    /// `init`.
    Init(InitArguments),
    /// `info`.
    Info(String),
    /// `settings`.
    Settings(SettingsTask),
    /// `skills`.
    Skills(SkillsTask),
}

/// `run` and its options.
#[derive(Debug, Clone, PartialEq)]
pub struct RunArguments {
    /// Where the journal goes.
    pub journal_path: String,
    /// What is not carried out: `probes`, `actions`, `activities` or `pause`.
    pub dry: Option<String>,
    /// Whether the experiment is run unchecked.
    pub no_validation: bool,
    /// Whether a bad certificate of the experiment's server is accepted.
    pub no_verify_tls: bool,
    /// When rollbacks are played.
    pub rollback_strategy: Option<String>,
    /// Configuration by name.
    pub var: Dict,
    /// Files of configuration and secrets.
    pub var_file: Vec<String>,
    /// Files of global controls.
    pub control_file: Vec<String>,
    /// When the hypothesis is checked.
    pub hypothesis_strategy: Option<String>,
    /// Seconds between two checks during the method.
    pub hypothesis_frequency: f64,
    /// Whether the first deviation during the method ends it.
    pub fail_fast: bool,
    /// What standard output is for.
    pub output: Output,
    /// Where events are streamed to.
    pub events_file: Option<String>,
    /// The experiment: a path or URL.
    pub source: String,
}

/// `validate` and its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidateArguments {
    /// Whether a bad certificate of the experiment's server is accepted.
    pub no_verify_tls: bool,
    /// What standard output is for.
    pub output: Output,
    /// The experiment: a path or URL.
    pub source: String,
}

/// What standard output is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Whatever activities print.
    Text,
    /// One JSON report.
    Agent,
}

/// `discover` and its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoverArguments {
    /// Whether the system is left out.
    pub no_system_info: bool,
    /// Whether the package is known to be installed.
    pub no_install: bool,
    /// Where the outcome goes.
    pub discovery_path: String,
    /// The package, by its name in the package index.
    pub package: String,
}

/// `init` and its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitArguments {
    /// What `discover` wrote.
    pub discovery_path: String,
    /// Where the experiment goes.
    pub experiment_path: String,
}

/// `settings` and what is to be done with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingsTask {
    /// `show`, in a format.
    Show(String),
    /// `get` an entry, in a format.
    Get {
        /// `string`, `json` or `yaml`.
        format: String,
        /// The dotted key.
        key: String,
    },
    /// `set` an entry.
    Set {
        /// The dotted key.
        key: String,
        /// JSON.
        value: String,
    },
    /// `remove` an entry.
    Remove(String),
}

/// `skills` and what is to be done with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkillsTask {
    /// `list`.
    List,
    /// `show` one.
    Show(String),
    /// `install` them.
    Install,
}

/// The options before the command, and the command's name with everything after it.
pub(crate) fn global(words: &[String]) -> Result<(Global, Vec<String>), Ending> {
    let found = parse(CHAOS.name, &CHAOS, words)?;
    let level = found.value("--log-file-level");
    let level = level.and_then(|name| Level::of_name(&name));
    let file = found.value("--log-file").map(PathBuf::from);
    let log_file = (!found.flag("--no-log-file")).then(|| {
        let file = file.unwrap_or_else(|| PathBuf::from("chaostoolkit.log"));
        (file, level.unwrap_or(Level::Debug))
    });
    let global = Global {
        verbose: found.flag("--verbose"),
        change_dir: found
            .value("--change-dir")
            .filter(|folder| !folder.is_empty()),
        log_file,
        log_json: found.value("--log-format").as_deref() == Some("json"),
        settings: found
            .value("--settings")
            .map_or_else(settings::default_path, PathBuf::from),
    };
    Ok((global, found.rest))
}

/// The command and its own options; `words` starts with its name.
pub(crate) fn task(words: &[String]) -> Result<Task, Ending> {
    let (path, command, found) = descend(CHAOS.name.to_string(), &CHAOS, words)?;
    let output = |found: &Found| match found.value("--output").as_deref() {
        Some("agent") => Output::Agent,
        _ => Output::Text,
    };
    let text = |name: &str, default: &str| found.value(name).unwrap_or_else(|| default.to_string());
    let format = text("--format", "yaml");
    Ok(match path.trim_start_matches("chaos ") {
        "run" => {
            let var = convert_vars(&found.values("--var")).map_err(|message| {
                let message = format!("Invalid value for '--var': {message}");
                usage_error(&path, command, &message)
            })?;
            let frequency = found.value("--hypothesis-frequency");
            Task::Run(Box::new(RunArguments {
                journal_path: text("--journal-path", "./journal.json"),
                dry: found.value("--dry"),
                no_validation: found.flag("--no-validation"),
                no_verify_tls: found.flag("--no-verify-tls"),
                rollback_strategy: found.value("--rollback-strategy"),
                var,
                var_file: found.values("--var-file"),
                control_file: found.values("--control-file"),
                hypothesis_strategy: found.value("--hypothesis-strategy"),
                hypothesis_frequency: frequency
                    .and_then(|text| text.trim().replace('_', "").parse().ok())
                    .unwrap_or(1.0),
                fail_fast: found.flag("--fail-fast"),
                output: output(&found),
                events_file: found.value("--events-file"),
                source: found.argument(0),
            }))
        }
        "validate" => Task::Validate(ValidateArguments {
            no_verify_tls: found.flag("--no-verify-tls"),
            output: output(&found),
            source: found.argument(0),
        }),
        "discover" => Task::Discover(DiscoverArguments {
            no_system_info: found.flag("--no-system-info"),
            no_install: found.flag("--no-install"),
            discovery_path: text("--discovery-path", "./discovery.json"),
            package: found.argument(0),
        }),
        "init" => Task::Init(InitArguments {
            discovery_path: text("--discovery-path", "./discovery.json"),
            experiment_path: text("--experiment-path", "./experiment.json"),
        }),
        "info" => Task::Info(found.argument(0)),
        "settings show" => Task::Settings(SettingsTask::Show(format)),
        "settings get" => Task::Settings(SettingsTask::Get {
            format,
            key: found.argument(0),
        }),
        "settings set" => Task::Settings(SettingsTask::Set {
            key: found.argument(0),
            value: found.argument(1),
        }),
        "settings remove" => Task::Settings(SettingsTask::Remove(found.argument(0))),
        "skills list" => Task::Skills(SkillsTask::List),
        "skills show" => Task::Skills(SkillsTask::Show(found.argument(0))),
        _ => Task::Skills(SkillsTask::Install),
    })
}

/// Goes down from a group to the command that is meant, and reads its options.
fn descend(
    path: String,
    group: &'static Command,
    words: &[String],
) -> Result<(String, &'static Command, Found), Ending> {
    let known = words
        .split_first()
        .and_then(|(name, rest)| Some((group.commands.iter().find(|it| it.name == name)?, rest)));
    let Some((command, rest)) = known else {
        return Err(usage_error(&path, group, "Missing command."));
    };
    let path = format!("{path} {}", command.name);
    let found = parse(&path, command, rest)?;
    if command.commands.is_empty() {
        return Ok((path, command, found));
    }
    descend(path, command, &found.rest)
}
