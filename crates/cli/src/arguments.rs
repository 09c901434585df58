//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    /// Print the JSON Schema of experiments, for editors
    Schema,
    /// Bring a system up as local processes and wait until it is ready
    Up(Up),
    /// Take systems down
    Down(Down),
    /// Show the systems that are up
    Status(Status),
    /// Print what a service wrote
    Logs(Logs),
    /// Print what a system's services get: addresses, environment, replaced names
    Config(Config),
    /// Undo every fault that is recorded as being in place
    Heal,
    /// Put an HTTP service under open-loop load
    Load(Load),
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
    /// Experiment documents (YAML or JSON)
    #[arg(required = true, value_name = "EXPERIMENT")]
    pub experiments: Vec<PathBuf>,
    /// The system's variant: the env file variants/NAME.env beside its Compose file
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// Run the system under this name, beside others
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// How the result is printed on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// The folder that holds the reference systems
    #[arg(long, value_name = "FOLDER", default_value = "systems")]
    pub systems: PathBuf,
}

#[derive(Debug, Args)]
pub struct Validate {
    /// Experiment documents (YAML or JSON)
    #[arg(required = true, value_name = "EXPERIMENT")]
    pub experiments: Vec<PathBuf>,
    /// How the problems are printed on standard output
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct Up {
    /// The Compose file, or the folder it is in
    #[arg(value_name = "COMPOSE_FILE")]
    pub compose: PathBuf,
    /// The system's variant: the env file variants/NAME.env beside its Compose file
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// Run it under this name, beside others
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct Down {
    /// The system: its name or its Compose file; the only one that is up when left out
    pub system: Option<String>,
    /// All systems of this home folder
    #[arg(long, conflicts_with = "system")]
    pub all: bool,
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
    /// The service, or one replica of it; `supervisor` for the supervisor's own
    pub service: String,
    /// The system: its name or its Compose file; the only one there is when left out
    #[arg(long)]
    pub system: Option<String>,
}

#[derive(Debug, Args)]
pub struct Config {
    /// The Compose file, or the folder it is in
    #[arg(value_name = "COMPOSE_FILE")]
    pub compose: PathBuf,
    /// The system's variant
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
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
