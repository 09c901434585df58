//! `supervise`: the supervising process of one system.

use shaketable_testbed::SystemSource;
use shaketable_testbed::supervisor::{Assignment, supervise};

use crate::arguments::Supervise;
use crate::exit::Exit;
use crate::terminal;

pub fn run(arguments: Supervise) -> Exit {
    let assignment = Assignment {
        home: arguments.home,
        name: arguments.name,
        source: SystemSource {
            compose: arguments.compose,
            overrides: arguments.overrides,
            profiles: arguments.profile,
            scale: arguments.scale.into_iter().collect(),
            env_file: arguments.env_file,
            variant: arguments.variant,
        },
        owned: arguments.owned,
    };
    match supervise(assignment) {
        Ok(()) => Exit::Passed,
        Err(error) => {
            terminal::error(&error.to_string());
            Exit::from(&error)
        }
    }
}
