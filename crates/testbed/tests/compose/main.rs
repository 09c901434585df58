//! Compose files: what is read from good ones and several of them, that every mistake of bad ones is
//! said at once, with its place, and that Compose's own schema agrees.

mod forms;
mod merge;
mod mistakes;
mod schema;
mod servers;

use std::collections::BTreeMap;
use std::path::Path;

use shaketable_document::{Severity, Source};
use shaketable_testbed::compose::{self, Compose, Context, Findings};
use shaketable_testbed::interpolation::Variables;

fn read(text: &str) -> Result<(Compose, Findings), Vec<(usize, String)>> {
    read_with(text, &[])
}

fn read_with(text: &str, profiles: &[&str]) -> Result<(Compose, Findings), Vec<(usize, String)>> {
    let values = BTreeMap::from([("SET".to_owned(), "value".to_owned())]);
    let variables = Variables::new(values);
    let profiles: Vec<String> = profiles.iter().map(|name| (*name).to_owned()).collect();
    let context = Context {
        folder: Path::new("/nowhere/Folder"),
        variables: &variables,
        profiles: &profiles,
    };
    compose::read(vec![Source::new("compose.yaml", text)], &context).map_err(|found| lines(&found))
}

/// Line and message of every error.
fn lines(findings: &Findings) -> Vec<(usize, String)> {
    findings
        .iter()
        .filter(|one| one.severity == Severity::Error)
        .map(|one| {
            let line = one.place.map_or(0, |(_, line, _)| line);
            (line, one.message.to_owned())
        })
        .collect()
}
