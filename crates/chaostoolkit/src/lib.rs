//! The Chaos Toolkit's command line, strictly: same documents, same journal, same exit codes.
//!
//! What is promised:
//!
//! 1. For a command line, a document and a world, exit code, journal, events and report are those of
//!    `chaostoolkit` 1.21.4 with `chaostoolkit-lib` 1.45.1; where that would be unsafe (it dies without a
//!    journal, hangs, writes secrets) this is safe instead.
//! 2. Nothing here prints or exits: a command writes to the [`Console`] it is given, and [`main`] gives its
//!    exit code. There is no global state: a [`session::Session`] owns what Python keeps in globals.
//! 3. Python is started by the first activity, control or plugin that needs it, and not before.
//!
//! From the command line (`arguments`) to a command (`commands`); from a document (`loader`, `validation`,
//! `configuration`, `secrets`, `variables`) to a run (`runner`), whose parts each have a module, to a journal
//! (`journal`), events and a report (`agent`).

mod access;
pub mod activity;
pub mod agent;
pub mod arguments;
mod background;
mod command_line;
mod command_table;
pub mod commands;
pub mod configuration;
pub mod console;
pub mod controls;
pub mod environment;
pub mod events;
mod execution;
mod halt;
mod help;
mod hypothesis;
pub mod journal;
mod json_text;
pub mod loader;
pub mod logger;
mod method;
pub mod notification;
pub mod problem;
pub mod python_runtime;
pub use shaketable_dialect::redaction;
mod rollbacks;
pub mod runner;
pub mod secrets;
pub mod session;
pub mod settings;
pub mod signals;
mod strategies;
mod suggestion;
pub mod validation;
pub mod variables;
mod vault;
pub mod version;
mod yaml_text;

use std::ffi::OsString;

pub use console::Console;
pub use journal::RunLog;
pub use problem::Problem;

use arguments::Global;
use command_line::Ending;
use logger::{LogOptions, Logger};
use redaction::Redaction;
use session::Session;

/// Carries out a command line, without the program's name, and gives its exit code. `run_log` keeps the
/// events of a run while it goes on.
pub fn main(arguments: Vec<OsString>, console: Console, run_log: Option<Box<dyn RunLog>>) -> i32 {
    let words: Vec<String> = arguments
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let (global, words) = match arguments::global(&words) {
        Ok(found) => found,
        Err(ending) => return end(&console, &ending),
    };
    let redaction = Redaction::default();
    let logger = match logger(&console, &redaction, &global) {
        Ok(logger) => logger,
        Err(problem) => return died(&console, &problem),
    };
    logger.debug("#".repeat(79));
    let command = words.first().map_or("", String::as_str);
    logger.debug(format!("Running command '{command}'"));
    let settings_path = global.settings.clone();
    logger.debug(format!("Using settings file '{}'", settings_path.display()));
    if let Some(folder) = &global.change_dir {
        logger.warning(format!("Moving to {folder}"));
        if let Err(error) = std::env::set_current_dir(folder) {
            return died(&console, &settings::open_error(folder.as_ref(), &error));
        }
    }
    let task = match arguments::task(&words) {
        Ok(task) => task,
        Err(ending) => return end(&console, &ending),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            console.err(&format!("cannot start: {error}\n"));
            return 1;
        }
    };
    let code = runtime.block_on(async {
        let mut session = Session::new(console, logger, redaction, settings_path);
        session.run_log = run_log;
        commands::carry_out(session, task).await
    });
    // Reads of blocking files may still be under way; they must not hold up the exit.
    runtime.shutdown_background();
    code
}

fn end(console: &Console, ending: &Ending) -> i32 {
    match ending {
        Ending::Asked(text) => {
            console.out(text);
            0
        }
        Ending::Usage(text) => {
            console.err(text);
            2
        }
    }
}

fn logger(console: &Console, redaction: &Redaction, global: &Global) -> Result<Logger, Problem> {
    let options = LogOptions {
        verbose: global.verbose,
        json: global.log_json,
        file: global.log_file.clone(),
    };
    Logger::new(console.clone(), redaction.clone(), &options).map_err(|error| {
        let file = global.log_file.as_ref().map(|(path, _)| path.clone());
        settings::open_error(&file.unwrap_or_default(), &error)
    })
}

/// Tells an exception that ended the command before there was a session.
fn died(console: &Console, problem: &Problem) -> i32 {
    console.err(&format!(
        "Traceback (most recent call last):\n{}\n",
        problem.last_line()
    ));
    1
}
