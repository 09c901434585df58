//! One module per group of commands.

pub mod chaos;
mod demo;
mod doctor;
mod experiment;
mod explain;
mod heal;
mod init;
mod journal;
mod ledger;
mod load;
mod logs;
mod run;
mod service;
mod signals;
mod status;
mod suite;
pub mod supervise;
mod system;

use shaketable_testbed::{Testbed, TestbedError};

use crate::arguments::Command;
use crate::exit::Exit;
use crate::terminal;

/// Carries a command out, after healing what an earlier one left behind.
pub async fn run(command: Command) -> Exit {
    match dispatch(command).await {
        Ok(exit) => exit,
        Err(error) => {
            terminal::error(&error.to_string());
            Exit::from(&error)
        }
    }
}

async fn dispatch(command: Command) -> Result<Exit, TestbedError> {
    let home = system::home()?;
    let testbed = Testbed::new(home.clone());
    if matches!(command, Command::Heal) {
        return heal::all(&home).await;
    }
    let left_behind = heal::leftovers(&home).await;
    if left_behind && matches!(command, Command::Run(_) | Command::Demo(_)) {
        terminal::error(
            "a fault of an earlier run is still in place; nothing more is broken before it is healed (`shaketable heal`)",
        );
        return Ok(Exit::Error);
    }
    match command {
        Command::Run(arguments) => run::run(&home, arguments).await,
        Command::Demo(arguments) => demo::run(&home, arguments).await,
        Command::Validate(arguments) => experiment::validate(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Schema => Ok(experiment::schema()),
        Command::Up(arguments) => system::up(&testbed, arguments).await,
        Command::Down(arguments) => system::down(&testbed, arguments).await,
        Command::Status(arguments) => status::run(&testbed, arguments).await,
        Command::Logs(arguments) => logs::run(&testbed, arguments).await,
        Command::Restart(arguments) => service::restart(&testbed, arguments).await,
        Command::Stop(arguments) => service::stop(&testbed, arguments).await,
        Command::Start(arguments) => service::start(&testbed, arguments).await,
        Command::Kill(arguments) => service::kill(&testbed, arguments).await,
        Command::Env(arguments) => service::env(&testbed, arguments).await,
        Command::Config(arguments) => system::config(arguments),
        Command::Doctor(arguments) => doctor::run(&home, &arguments).await,
        Command::Load(arguments) => load::run(arguments).await,
        Command::Ledger(arguments) => ledger::run(&home, &arguments),
        Command::Journal(arguments) => journal::run(&home, &arguments),
        Command::Heal => heal::all(&home).await,
        Command::Supervise(_) | Command::Chaos(_) => {
            unreachable!("these need no runtime of ours; `main` has carried them out")
        }
    }
}
