//! The commands, one module each: from arguments to an exit code.

pub mod discover;
pub mod info;
pub mod init;
pub mod run;
pub mod settings;
pub mod skills;
pub mod validate;

use crate::arguments::Task;
use crate::session::Session;

/// Carries out a command; gives its exit code.
pub async fn carry_out(session: Session, task: Task) -> i32 {
    match task {
        Task::Run(arguments) => run::run(session, *arguments).await,
        Task::Validate(arguments) => validate::validate(session, &arguments).await,
        Task::Discover(arguments) => discover::discover(session, &arguments).await,
        Task::Init(arguments) => init::init(session, &arguments).await,
        Task::Info(target) => info::info(session, &target).await,
        Task::Settings(task) => settings::settings(&session, &task),
        Task::Skills(task) => skills::skills(&session, &task),
    }
}
