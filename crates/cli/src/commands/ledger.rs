//! `ledger`: a run's ledger, computed again from its recorded facts.

use shaketable_engine::RunFolder;
use shaketable_ledger::{Facts, Fate, Ledger};
use shaketable_testbed::{Home, TestbedError};

use crate::arguments::{self, FateName, Format};
use crate::exit::Exit;
use crate::terminal;

/// What a message is called when only the facts are known.
const NOUN: &str = "message";

pub fn run(home: &Home, arguments: &arguments::Ledger) -> Result<Exit, TestbedError> {
    let Some(folder) = RunFolder::find(home, arguments.run.as_deref()) else {
        terminal::error(&match &arguments.run {
            Some(run) => format!("there is no run `{run}` in {}", home.runs().display()),
            None => format!(
                "there is no run with recorded facts in {}",
                home.runs().display()
            ),
        });
        return Ok(Exit::Usage);
    };
    let path = folder.facts();
    let bytes = std::fs::read(&path).map_err(|source| TestbedError::Read {
        what: "the facts",
        path: path.clone(),
        source,
    })?;
    let facts: Facts = match serde_json::from_slice(&bytes) {
        Ok(facts) => facts,
        Err(error) => {
            terminal::error(&format!("{} is damaged: {error}", path.display()));
            return Ok(Exit::Error);
        }
    };
    let ledger = Ledger::balance(&facts);
    if let Err(imbalances) = ledger.check() {
        imbalances
            .iter()
            .for_each(|imbalance| terminal::error(&imbalance.to_string()));
        return Ok(Exit::Error);
    }
    let fate = arguments.fate.map(|fate| match fate {
        FateName::Settled => Fate::Settled,
        FateName::Unwanted => Fate::Unwanted,
        FateName::Stuck => Fate::Stuck,
        FateName::Lost => Fate::Lost,
    });
    match (fate, arguments.format) {
        (Some(fate), Format::Text) => {
            let stories = ledger.seqs(fate).filter_map(|seq| ledger.story(seq, NOUN));
            let lines: String = stories.map(|story| format!("{story}\n")).collect();
            terminal::data(&lines);
        }
        (Some(fate), Format::Json) => {
            let ids: Vec<&str> = ledger.ids(fate).collect();
            terminal::data(&serde_json::to_string_pretty(&ids).unwrap_or_default());
        }
        (None, Format::Text) => terminal::data(&shaketable_report::ledger_text(&ledger, NOUN)),
        (None, Format::Json) => {
            let value = serde_json::json!({ "counts": ledger.counts(), "stages": ledger.stages(), "findings": ledger.findings() });
            terminal::data(&serde_json::to_string_pretty(&value).unwrap_or_default());
        }
    }
    Ok(Exit::Passed)
}
