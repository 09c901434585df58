//! `demo`: three runs that tell the story. The published cure survives a reboot of a broker and not
//! its crash; the full cure survives both.

use std::time::Instant;

use shaketable_engine::{RunRecord, Verdict};
use shaketable_experiment::Bindings;
use shaketable_testbed::{Home, TestbedError};

use super::experiment::{abort_on_signals, catalogue, one, read};
use crate::arguments::Demo;
use crate::exit::Exit;
use crate::terminal;

/// Experiment, variant, and the verdict that is known from many runs.
const STORY: [(&str, &str, Verdict); 3] = [
    ("broker-reboot", "flawed", Verdict::Deviated),
    ("broker-kill", "fixed-topics", Verdict::Deviated),
    ("broker-kill", "fixed", Verdict::Passed),
];

pub async fn run(home: &Home, arguments: Demo) -> Result<Exit, TestbedError> {
    let begun = Instant::now();
    let abort = abort_on_signals();
    let mut runs: Vec<(RunRecord, Verdict)> = Vec::new();
    let catalogue = catalogue(Bindings::default());
    for (experiment, variant, expected) in STORY {
        let path = arguments
            .systems
            .join(format!("orders/experiments/{experiment}.yaml"));
        let document = match read(&path, &catalogue) {
            Ok(document) => document,
            Err(message) => {
                terminal::error(&message);
                return Ok(Exit::Usage);
            }
        };
        let record = one(
            home,
            document,
            None,
            Some(variant),
            Some("demo".to_owned()),
            &abort,
        )
        .await?;
        terminal::data(&shaketable_report::text(&record));
        runs.push((record, expected));
        if abort.reason().is_some() {
            break;
        }
    }
    let rows: Vec<_> = runs
        .iter()
        .map(|(record, expected)| (record, Some(*expected)))
        .collect();
    terminal::data(&shaketable_report::comparison(&rows));
    terminal::note(&format!("demo: {:.0} s", begun.elapsed().as_secs_f64()));
    if abort.reason().is_some() {
        return Ok(Exit::Aborted);
    }
    let surprises = runs
        .iter()
        .filter(|(record, expected)| record.verdict != *expected)
        .count();
    if surprises > 0 {
        terminal::error(&format!(
            "{surprises} of {} verdicts are not the expected ones",
            runs.len()
        ));
        let errors = runs
            .iter()
            .any(|(record, _)| record.verdict == Verdict::Error);
        return Ok(if errors { Exit::Error } else { Exit::Deviated });
    }
    Ok(Exit::Passed)
}
