//! The `shaketable` binary: the only crate that prints and the only one that exits.
//!
//! Data goes to standard output, everything else to standard error. Every command first heals what
//! an earlier one, killed in the middle, may have left behind.

mod arguments;
mod commands;
mod exit;
mod terminal;

use clap::Parser;

use arguments::{Arguments, Command};
use exit::Exit;

fn main() -> std::process::ExitCode {
    if let Some(arguments) = commands::chaos::asked_for(std::env::args_os()) {
        return commands::chaos::run(arguments);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are asked for; anything else is a wrong command line.
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Passed
            };
            let _ = error.print();
            return exit.into();
        }
    };
    let command = match arguments.command {
        // The supervisor binds its children to its main thread, so it must not run on a runtime's.
        Command::Supervise(supervise) => return commands::supervise::run(supervise).into(),
        Command::Chaos(chaos) => return commands::chaos::run(chaos.arguments),
        command => command,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::error(&format!("cannot start: {error}"));
            return Exit::Error.into();
        }
    };
    let exit = runtime.block_on(commands::run(command));
    // Blocking reads of a consumer may still be under way; they must not hold up the exit.
    runtime.shutdown_background();
    exit.into()
}
