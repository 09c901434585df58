//! One module per group of commands.

pub mod supervise;
pub mod system;

use crate::arguments::Command;
use crate::exit::Exit;
use crate::terminal;
use shaketable_testbed::{Testbed, TestbedError};

pub async fn run(command: Command) -> Exit {
    let result = dispatch(command).await;
    match result {
        Ok(exit) => exit,
        Err(error) => {
            terminal::error(&error.to_string());
            Exit::from(&error)
        }
    }
}

async fn dispatch(command: Command) -> Result<Exit, TestbedError> {
    let testbed = Testbed::new(system::home()?);
    match command {
        Command::Up(arguments) => system::up(&testbed, arguments).await,
        Command::Down(arguments) => system::down(&testbed, arguments).await,
        Command::Status(arguments) => system::status(&testbed, arguments).await,
        Command::Logs(arguments) => system::logs(&testbed, arguments).await,
        Command::Config(arguments) => system::config(arguments),
        _ => Ok(Exit::Usage),
    }
}
