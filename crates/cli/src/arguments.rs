//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use shaketable_experiment::{Dry, HypothesisStrategy, RollbackStrategy};

use crate::exit::EXIT_CODES;

/// Proves that event-driven systems survive failure: puts a system under load, breaks it on
/// purpose, accounts for every message, heals everything it broke, and gives a verdict.
#[derive(Debug, Parser)]
#[command(name = "shaketable", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run experiments; the exit code is the worst verdict
    Run(Run),
    /// Run the three experiments that tell the product's story, and compare with what is expected
    Demo(Demo),
    /// Check experiments without running them
    Validate(Validate),
    /// Say what experiments would touch, and how that is undone, without touching it
    Explain(Explain),
    /// Ask a few questions and write an experiment
    Init(Init),
    /// Print the JSON Schema of experiments, for editors
    Schema,
    /// Bring a system up as local processes and wait until it is ready
    Up(Up),
    /// Take systems down
    Down(Down),
    /// Show the systems that are up
    Status(Status),
    /// Print what services wrote
    Logs(Logs),
    /// End services gracefully and start them again
    Restart(Restart),
    /// End services gracefully and keep them down
    Stop(Stop),
    /// Start services that were stopped or have ended
    Start(Start),
    /// Send a signal to services; what ends is started again as its restart policy says
    Kill(Kill),
    /// Print the environment a service's process gets, or run a command with it
    Env(Env),
    /// Print what a system's services get: addresses, environment, replaced names
    Config(Config),
    /// Undo every fault that is recorded as being in place
    Heal,
    /// Say what this machine lacks, and the command that mends it
    Doctor(Doctor),
    /// The Chaos Toolkit's own command line: `shaketable chaos --help`
    #[command(disable_help_flag = true)]
    Chaos(Chaos),
    /// Put an HTTP service under open-loop load
    Load(Load),
    /// Print a run's journal in the Chaos Toolkit's shape, also of a run that was killed
    Journal(Journal),
    /// Recompute a run's ledger from its recorded facts, and list orders by fate
    Ledger(Ledger),
    /// Supervise one system (started by `up` and `run`)
    #[command(hide = true)]
    Supervise(Supervise),
}

/// How data is printed on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct Run {
    /// Experiment documents (YAML or JSON), or folders of them
    #[arg(required = true, value_name = "EXPERIMENT")]
    pub experiments: Vec<PathBuf>,
    /// Only experiments with this tag, or another one that is given
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// Run nothing more after an experiment that did not pass
    #[arg(long)]
    pub fail_fast: bool,
    #[command(flatten)]
    pub system: RunSystem,
    /// Run them against the running system whose endpoints this file names, whatever they name
    #[arg(long, value_name = "FILE", conflicts_with = "RunSystem")]
    pub endpoints: Option<PathBuf>,
    /// Which faults stand for which functions of Chaos Toolkit extensions, beside what they say
    #[arg(long, value_name = "FILE")]
    pub bindings: Option<PathBuf>,
    #[command(flatten)]
    pub values: GivenValues,
    /// Leave out what changes or asks the system: probes, actions, activities (both), or only the
    /// pauses (pause)
    #[arg(long, value_name = "WHAT")]
    pub dry: Option<Dry>,
    /// When rollbacks are carried out: default, always, never or deviated
    #[arg(long, value_name = "STRATEGY")]
    pub rollback_strategy: Option<RollbackStrategy>,
    /// When the hypothesis is asked: default, before-method-only, after-method-only,
    /// during-method-only, continuously or skip
    #[arg(long, value_name = "STRATEGY")]
    pub hypothesis_strategy: Option<HypothesisStrategy>,
    /// Seconds from one question to the next while the method is carried out
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub hypothesis_frequency: Option<Duration>,
    /// How the result is printed on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
    /// Write the results as JUnit XML to this file as well
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write the results as Markdown to this file as well
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}

/// Values that go before what experiments say.
#[derive(Debug, Default, Args)]
pub struct GivenValues {
    /// A value of the configuration; TYPE is str, int, float, bytes, bool or json
    #[arg(long = "var", value_name = "NAME[:TYPE]=VALUE")]
    pub variables: Vec<String>,
    /// A file of values: JSON or YAML with `configuration` and `secrets`, or lines NAME=VALUE that go
    /// before the environment
    #[arg(long = "var-file", value_name = "FILE")]
    pub variable_files: Vec<PathBuf>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "a number of seconds is wanted".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("a number above 0 is wanted".to_owned()),
    }
}

/// On which system experiments are run, and in which form.
#[derive(Debug, Default, Args)]
pub struct RunSystem {
    /// Run them on the system of this Compose file, whatever they name
    #[arg(long = "system", value_name = "COMPOSE_FILE")]
    pub compose: Option<PathBuf>,
    /// A further Compose file, merged into the system's
    #[arg(short, long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Enable a profile of the system
    #[arg(long = "profile", value_name = "NAME")]
    pub profiles: Vec<String>,
    /// The system's variant: the env file variants/NAME.env beside its Compose file
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// Run the system under this name, beside others
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// The folder that holds the reference systems
    #[arg(long, value_name = "FOLDER", default_value = "systems")]
    pub systems: PathBuf,
    /// Instead: plant every flaw of the order system alone, and find it; then pass without it
    #[arg(long)]
    pub flaws: bool,
    /// With --flaws: only these experiments
    #[arg(long, value_name = "EXPERIMENT", requires = "flaws")]
    pub only: Vec<String>,
    /// How often everything is run
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
}

#[derive(Debug, Args)]
pub struct Validate {
    /// Experiment documents (YAML or JSON)
    #[arg(required = true, value_name = "EXPERIMENT")]
    pub experiments: Vec<PathBuf>,
    /// Which faults stand for which functions of Chaos Toolkit extensions, beside what they say
    #[arg(long, value_name = "FILE")]
    pub bindings: Option<PathBuf>,
    #[command(flatten)]
    pub values: GivenValues,
    /// How the problems are printed on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct Explain {
    /// Experiment documents (YAML or JSON), or folders of them
    #[arg(required = true, value_name = "EXPERIMENT")]
    pub experiments: Vec<PathBuf>,
    /// The system's Compose file, whatever they name
    #[arg(long = "system", value_name = "COMPOSE_FILE")]
    pub compose: Option<PathBuf>,
    /// The system's variant: the env file variants/NAME.env beside its Compose file
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// Which faults stand for which functions of Chaos Toolkit extensions, beside what they say
    #[arg(long, value_name = "FILE")]
    pub bindings: Option<PathBuf>,
    #[command(flatten)]
    pub values: GivenValues,
}

/// Only for the list of commands: `chaos` is recognised before anything else is.
#[derive(Debug, Args)]
pub struct Chaos {
    /// What the Chaos Toolkit takes
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<std::ffi::OsString>,
}

#[derive(Debug, Args)]
pub struct Journal {
    /// The run: its id or its folder; the latest one when left out
    pub run: Option<String>,
    /// Print the events as they are on disk, one JSON object a line
    #[arg(long)]
    pub events: bool,
}

#[derive(Debug, Args)]
pub struct Init {
    /// The document that is written
    #[arg(value_name = "EXPERIMENT", default_value = "experiment.yaml")]
    pub experiment: PathBuf,
    /// Replace a file that is there already
    #[arg(long)]
    pub force: bool,
}

/// Which system: its files, and what of them is wanted.
#[derive(Debug, Args)]
pub struct SystemFiles {
    /// The Compose file, or the folder it is in
    #[arg(value_name = "COMPOSE_FILE", required_unless_present = "file")]
    pub compose: Option<PathBuf>,
    /// A Compose file; the second and further ones are merged into the first
    #[arg(short, long, value_name = "FILE")]
    pub file: Vec<PathBuf>,
    /// Enable a profile: services that belong to one are left out otherwise
    #[arg(long, value_name = "NAME")]
    pub profile: Vec<String>,
    /// The system's variant: the env file variants/NAME.env beside its Compose file
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// An env file whose values fill the Compose file's variables
    #[arg(long, value_name = "FILE", conflicts_with = "variant")]
    pub env_file: Option<PathBuf>,
    /// Run so many replicas of a service
    #[arg(long, value_name = "SERVICE=N", value_parser = parse_scale)]
    pub scale: Vec<(String, usize)>,
}

#[derive(Debug, Args)]
pub struct Up {
    #[command(flatten)]
    pub files: SystemFiles,
    /// Run it under this name, beside others
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Wait until every service is ready; so it is anyway
    #[arg(long, conflicts_with = "no_wait")]
    pub wait: bool,
    /// The longest wait until it is ready
    #[arg(long, value_name = "SECONDS", conflicts_with = "no_wait", value_parser = clap::value_parser!(u64).range(1..))]
    pub wait_timeout: Option<u64>,
    /// Return as soon as the system is starting
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Debug, Args)]
pub struct Down {
    /// The system: its name or its Compose file; the only one that is up when left out
    pub system: Option<String>,
    /// All systems of this home folder
    #[arg(long, conflicts_with = "system")]
    pub all: bool,
    /// Remove the system's named volumes as well
    #[arg(short, long)]
    pub volumes: bool,
}

#[derive(Debug, Args)]
pub struct Status {
    /// The system: its name or its Compose file; all when left out
    pub system: Option<String>,
    /// How the status is printed on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct Logs {
    /// Services, or replicas of them; `supervisor` for the supervisor's own; all services when left out
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// The system: its name or its Compose file; the only one there is when left out
    #[arg(long)]
    pub system: Option<String>,
    /// Go on printing what is written, until the system goes down
    #[arg(short, long)]
    pub follow: bool,
    /// Only lines since then: a time such as 2026-11-21T16:03:07Z, or so long ago, such as 5m
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    pub since: Option<jiff::Timestamp>,
    /// Only the last lines of each service
    #[arg(short = 'n', long, value_name = "N")]
    pub tail: Option<usize>,
    /// Print the time of each line
    #[arg(short, long)]
    pub timestamps: bool,
}

/// Services of a system that is up.
#[derive(Debug, Args)]
pub struct Services {
    /// Services, or replicas of them
    #[arg(required = true, value_name = "SERVICE")]
    pub services: Vec<String>,
    /// The system: its name or its Compose file; the only one that is up when left out
    #[arg(long)]
    pub system: Option<String>,
}

#[derive(Debug, Args)]
pub struct Restart {
    #[command(flatten)]
    pub services: Services,
}

#[derive(Debug, Args)]
pub struct Stop {
    #[command(flatten)]
    pub services: Services,
}

#[derive(Debug, Args)]
pub struct Start {
    #[command(flatten)]
    pub services: Services,
}

#[derive(Debug, Args)]
pub struct Kill {
    #[command(flatten)]
    pub services: Services,
    /// The signal: its name, with or without SIG, or its number
    #[arg(short, long, default_value = "SIGKILL", value_parser = parse_signal)]
    pub signal: nix::sys::signal::Signal,
    /// Send it to the descendants of each process, too
    #[arg(long)]
    pub tree: bool,
}

#[derive(Debug, Args)]
pub struct Env {
    /// The service, or one replica of it
    pub service: String,
    /// The system: its name or its Compose file; the only one that is up when left out
    #[arg(long)]
    pub system: Option<String>,
    /// A command to run with that environment, after `--`
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Config {
    #[command(flatten)]
    pub files: SystemFiles,
}

#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 everything that is needed is there · 1 something is missing")]
pub struct Doctor {
    /// How the findings are printed on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct Load {
    /// Where requests go
    #[arg(long)]
    pub url: String,
    /// The HTTP method
    #[arg(long, default_value = "POST")]
    pub method: String,
    /// The JSON body
    #[arg(long, value_parser = parse_json)]
    pub json: Option<serde_json::Value>,
    /// Arrivals, such as 50/s
    #[arg(long, default_value = "50/s", value_parser = parse_rate)]
    pub rate: f64,
    /// For how long
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub duration: Duration,
    /// After this time an answer no longer counts
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// JSONPath of the identity in the answer
    #[arg(long, default_value = "$.id")]
    pub identity: String,
    /// How the result is printed on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct Ledger {
    /// The run: its id, its folder, or nothing for the latest
    pub run: Option<String>,
    /// List the orders of this fate
    #[arg(long, value_enum)]
    pub fate: Option<FateName>,
    /// How the ledger is printed on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// The fates of acknowledged messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FateName {
    Settled,
    Unwanted,
    Stuck,
    Lost,
}

#[derive(Debug, Args)]
pub struct Supervise {
    #[arg(long)]
    pub home: PathBuf,
    #[arg(long)]
    pub name: String,
    #[arg(long)]
    pub compose: PathBuf,
    #[arg(long = "override")]
    pub overrides: Vec<PathBuf>,
    #[arg(long)]
    pub profile: Vec<String>,
    #[arg(long, value_parser = parse_scale)]
    pub scale: Vec<(String, usize)>,
    #[arg(long)]
    pub env_file: Option<PathBuf>,
    #[arg(long)]
    pub variant: Option<String>,
    #[arg(long)]
    pub owned: bool,
}

fn scalar(text: &str) -> shaketable_document::Node {
    shaketable_document::Node {
        span: shaketable_document::Span {
            start: 0,
            end: text.len(),
        },
        data: shaketable_document::Data::Text(text.to_owned()),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    shaketable_document::rate(&scalar(text))
        .ok_or_else(|| "a rate is such as 50/s or 3000/m".to_owned())
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    shaketable_document::duration(&scalar(text))
        .ok_or_else(|| "a duration is such as 30s, 1m30s or 250ms".to_owned())
}

fn parse_json(text: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn parse_scale(text: &str) -> Result<(String, usize), String> {
    text.split_once('=')
        .and_then(|(service, replicas)| Some((service.to_owned(), replicas.parse().ok()?)))
        .filter(|(service, _)| !service.is_empty())
        .ok_or_else(|| "a number of replicas is such as web=3".to_owned())
}

fn parse_since(text: &str) -> Result<jiff::Timestamp, String> {
    text.parse().or_else(|_| {
        let ago = parse_duration(text).map_err(|_| {
            "a time is such as 2026-11-21T16:03:07Z, or 5m for five minutes ago".to_owned()
        })?;
        jiff::Timestamp::now()
            .checked_sub(ago)
            .map_err(|error| error.to_string())
    })
}

fn parse_signal(text: &str) -> Result<nix::sys::signal::Signal, String> {
    use nix::sys::signal::Signal;
    let upper = text.to_uppercase();
    let named = upper
        .parse()
        .or_else(|_| format!("SIG{upper}").parse::<Signal>());
    let numbered = || Signal::try_from(text.parse::<i32>().ok()?).ok();
    named
        .ok()
        .or_else(numbered)
        .ok_or_else(|| "a signal is such as SIGTERM, HUP or 9".to_owned())
}
