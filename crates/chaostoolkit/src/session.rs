//! What one invocation of the command owns; in the reference these are Python's globals.
//!
//! The Python host is made here and started by its first call. Its log records go to the logger, the signals
//! that Python code sends to itself go to [`Session::signals`].

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use shaketable_dialect::Value;
use shaketable_python::{Host, HostOptions, LogRecord, Notice, Notices};
use tokio::task::JoinHandle;

use crate::access::mapping;
use crate::console::Console;
use crate::environment::Environment;
use crate::journal::RunLog;
use crate::logger::{Level, Logger, Record};
use crate::problem::Problem;
use crate::python_runtime::PythonRuntime;
use crate::redaction::Redaction;
use crate::settings;
use crate::signals::Inbox;

/// How long the last records of a Python host that has ended may take to arrive.
const LAST_RECORDS: Duration = Duration::from_millis(500);

/// One invocation of the command.
pub struct Session {
    /// The command's streams.
    pub console: Console,
    /// The command's log.
    pub logger: Logger,
    /// Secrets that must not be written.
    pub redaction: Redaction,
    /// Environment variables, with what `.env` files added.
    pub environment: Environment,
    /// Where the settings are.
    pub settings_path: PathBuf,
    /// Python, for extensions, controls and plugins.
    pub host: Host,
    /// Where the run's events are kept while it goes on, if anywhere.
    pub run_log: Option<Box<dyn RunLog>>,
    /// Standard output is for one JSON report: what Python code prints goes to standard error.
    pub agent: bool,
    /// Signals, those that Python code sent to its own process among them.
    pub signals: Inbox,
    options: Options,
    forwarder: JoinHandle<()>,
}

/// What the Python host is started with.
#[derive(Default, Clone)]
struct Options {
    interpreter: Option<Vec<OsString>>,
    settings: Option<Value>,
}

impl Session {
    /// A session with nothing loaded yet. Needs a tokio runtime around it.
    pub fn new(console: Console, logger: Logger, redaction: Redaction, settings: PathBuf) -> Self {
        let (host, notices) = Host::new(HostOptions::default());
        let signals = Inbox::default();
        let environment = Environment::default();
        let forwarder = forward(
            notices,
            logger.clone(),
            signals.clone(),
            environment.clone(),
        );
        Session {
            console,
            logger,
            redaction,
            environment,
            settings_path: settings,
            host,
            run_log: None,
            agent: false,
            signals,
            options: Options::default(),
            forwarder,
        }
    }

    /// Loads the settings, which Python code gets to see too; `None` when there are none.
    pub fn load_settings(&mut self) -> Result<Value, Problem> {
        let settings = settings::load_settings(&self.settings_path, &self.logger)?;
        // The first thing that any command looks for in them is an entry by its name.
        if settings.is_truthy() {
            mapping(&settings, "get")?;
        }
        self.options.settings = Some(settings.clone());
        self.renew_host();
        Ok(settings)
    }

    /// Python runs in the environment that the experiment asks for from now on.
    pub fn use_runtime(&mut self, runtime: &PythonRuntime) -> Result<(), Problem> {
        self.options.interpreter = Some(runtime.interpreter(&self.environment)?);
        self.logger
            .info("Preparing experiment dependencies with uv");
        if runtime.isolated {
            self.logger.info("Running in an isolated environment");
        }
        self.renew_host();
        Ok(())
    }

    /// Python gets the environment variables that were set meanwhile, and whether standard output is for
    /// the report. A host that is already running stays as it is: modules it has loaded may hold state.
    pub fn refresh_host(&mut self) {
        if !self.host.is_running() {
            self.renew_host();
        }
    }

    /// Tells an exception that nobody caught, as the last lines of a traceback; gives the exit code.
    pub fn crash(&self, problem: &Problem) -> i32 {
        let text = format!(
            "Traceback (most recent call last):\n{}\n",
            problem.last_line()
        );
        self.console.err(&self.redaction.text(&text));
        1
    }

    /// Ends Python and waits, for a bounded time, for its last log records.
    pub async fn close(self) {
        if self.host.is_running() {
            self.host.shutdown().await;
            drop(self.host);
            let _ = tokio::time::timeout(LAST_RECORDS, self.forwarder).await;
        }
    }

    fn renew_host(&mut self) {
        let (host, notices) = Host::new(HostOptions {
            interpreter: self.options.interpreter.clone(),
            settings: self.options.settings.clone(),
            stdout_to_stderr: self.agent,
            environment: self
                .environment
                .changes()
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        });
        self.host = host;
        self.forwarder = forward(
            notices,
            self.logger.clone(),
            self.signals.clone(),
            self.environment.clone(),
        );
    }
}

fn forward(
    mut notices: Notices,
    logger: Logger,
    signals: Inbox,
    environment: Environment,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(notice) = notices.recv().await {
            match notice {
                Notice::Log(record) => logger.record(record_of(record)),
                Notice::Signal(number) => signals.push_from_python(number),
                Notice::Environment(changed) => {
                    for (name, value) in changed {
                        match value {
                            Some(value) => environment.set(name, value),
                            None => environment.remove(name),
                        }
                    }
                }
            }
        }
    })
}

fn record_of(record: LogRecord) -> Record {
    Record {
        level: Level::of_name(&record.level.to_lowercase()).unwrap_or(Level::Debug),
        module: record.module,
        line: record.line,
        message: record.message,
        exception: None,
    }
}
