//! `journal`: a run's journal in the Chaos Toolkit's shape, made of the events on disk; also of a run
//! that is going on, or that was killed.

use shaketable_engine::RunFolder;
use shaketable_testbed::{Home, TestbedError};

use crate::arguments;
use crate::exit::Exit;
use crate::terminal;

pub fn run(home: &Home, arguments: &arguments::Journal) -> Result<Exit, TestbedError> {
    let found = match &arguments.run {
        Some(run) => RunFolder::find(home, Some(run)),
        None => RunFolder::latest(home),
    };
    let Some(folder) = found.filter(|folder| folder.journal().exists()) else {
        terminal::error(&match &arguments.run {
            Some(run) => format!("there is no run `{run}` in {}", home.runs().display()),
            None => format!("there is no run in {}", home.runs().display()),
        });
        return Ok(Exit::Usage);
    };
    let path = folder.journal();
    let bytes = std::fs::read(&path).map_err(|source| TestbedError::Read {
        what: "the journal",
        path: path.clone(),
        source,
    })?;
    // What a crash cut off in the middle is no event.
    let text = String::from_utf8_lossy(&bytes);
    if arguments.events {
        terminal::data(&text);
        return Ok(Exit::Passed);
    }
    let journal = shaketable_chaostoolkit::journal::from_events(text.lines());
    match shaketable_dialect::json::dump(&journal, Some(2)) {
        Ok(text) => {
            terminal::data(&text);
            Ok(Exit::Passed)
        }
        Err(error) => {
            terminal::error(&format!("{}: {error}", path.display()));
            Ok(Exit::Error)
        }
    }
}
