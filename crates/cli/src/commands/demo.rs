//! `demo`: runs whose verdicts are known. Three tell the story: the published system pays for a reboot
//! of a broker with orders, the published cure for its crash, and the full cure for neither. With `--flaws` every flaw of the order
//! system is planted into the fixed system alone, and has to be found by its own experiment, for the
//! right reason, while the fixed system passes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use shaketable_engine::{RunRecord, Verdict};

use shaketable_report::{Compared, deviates};
use shaketable_testbed::{Home, TestbedError};

use super::experiment::{Document, catalogue, read};
use super::run::one;
use super::signals::abort_on_signals;
use crate::arguments::{Demo, RunSystem};
use crate::exit::Exit;
use crate::terminal;

/// A run whose verdict is known from many.
#[derive(Clone, Copy)]
struct Chapter {
    experiment: &'static str,
    variant: &'static str,
    expected: Verdict,
    /// The probe that has to be seen not to hold.
    finding: Option<&'static str>,
}

const STORY: [Chapter; 3] = [
    deviates_by("broker-reboot", "flawed", REVERSED),
    deviates_by("broker-kill", "fixed-topics", REVERSED),
    passes("broker-kill"),
];

const REVERSED: &str = "no order is reversed";

/// Each flaw alone, and the probe that tells it.
const FLAWS: [Chapter; 9] = [
    deviates_by(
        "corrupt-message",
        "only-poison",
        "the consumer group is less than 15 records behind on partition 1",
    ),
    deviates_by(
        "broker-reboot",
        "only-replication",
        "no partition of poke-orders is offline",
    ),
    deviates_by("broker-kill", "only-dual-write", REVERSED),
    deviates_by(
        "event-loop",
        "only-event-loop",
        "every request is answered within 5 s",
    ),
    deviates_by(
        "state-race",
        "only-state-race",
        "no order has come to two ends",
    ),
    deviates_by("deleted-orders", "only-missing-order", REVERSED),
    deviates_by("time-zone", "only-local-clock", REVERSED),
    deviates_by(
        "no-reversal",
        "only-no-reversal",
        "no order is settled late",
    ),
    deviates_by(
        "unkeyed-redelivery",
        "only-unkeyed",
        "the messages of an order are in one partition",
    ),
];

const fn deviates_by(
    experiment: &'static str,
    variant: &'static str,
    finding: &'static str,
) -> Chapter {
    Chapter {
        experiment,
        variant,
        expected: Verdict::Deviated,
        finding: Some(finding),
    }
}

const fn passes(experiment: &'static str) -> Chapter {
    Chapter {
        experiment,
        variant: "fixed",
        expected: Verdict::Passed,
        finding: None,
    }
}

impl Chapter {
    /// Whether the run came out as it should, for the reason it should.
    fn agrees(&self, record: &RunRecord) -> bool {
        record.verdict == self.expected && self.finding.is_none_or(|probe| deviates(record, probe))
    }
}

/// The chapters' documents by their names; `None` when something is wrong with one, which has been
/// told.
fn documents(systems: &Path, chapters: &[Chapter]) -> Option<BTreeMap<&'static str, Document>> {
    let catalogue = catalogue();
    let names: BTreeSet<&str> = chapters.iter().map(|chapter| chapter.experiment).collect();
    let count = names.len();
    let mut documents = BTreeMap::new();
    for name in names {
        let path = systems.join(format!("orders/experiments/{name}.yaml"));
        match read(&path, &catalogue) {
            Ok(document) => {
                documents.insert(name, document);
            }
            Err(message) => terminal::error(&message),
        }
    }
    (documents.len() == count).then_some(documents)
}

pub async fn run(home: &Home, arguments: Demo) -> Result<Exit, TestbedError> {
    let begun = Instant::now();
    let unknown: Vec<&str> = arguments
        .only
        .iter()
        .map(String::as_str)
        .filter(|name| FLAWS.iter().all(|flaw| flaw.experiment != *name))
        .collect();
    if !unknown.is_empty() {
        let names: Vec<_> = FLAWS.iter().map(|flaw| flaw.experiment).collect();
        terminal::error(&format!(
            "no such experiment: {}; there are {}",
            unknown.join(", "),
            names.join(", ")
        ));
        return Ok(Exit::Usage);
    }
    let chapters: Vec<Chapter> = if arguments.flaws {
        let both = FLAWS
            .iter()
            .flat_map(|flaw| [*flaw, passes(flaw.experiment)]);
        both.filter(|chapter| {
            let only = &arguments.only;
            only.is_empty() || only.iter().any(|name| name == chapter.experiment)
        })
        .collect()
    } else {
        STORY.to_vec()
    };
    let Some(documents) = documents(&arguments.systems, &chapters) else {
        return Ok(Exit::Usage);
    };
    let abort = abort_on_signals();
    let mut runs: Vec<(RunRecord, Chapter)> = Vec::new();
    'rounds: for _ in 0..arguments.rounds {
        for chapter in &chapters {
            let document = documents[chapter.experiment].clone();
            let system = RunSystem {
                variant: Some(chapter.variant.to_owned()),
                name: Some("demo".to_owned()),
                ..RunSystem::default()
            };
            let record = one(home, document, &system, &abort).await?;
            terminal::data(&shaketable_report::text(&record));
            runs.push((record, *chapter));
            if abort.reason().is_some() {
                break 'rounds;
            }
        }
    }
    let rows: Vec<_> = runs
        .iter()
        .map(|(record, chapter)| Compared {
            record,
            expected: Some(chapter.expected),
            finding: chapter.finding,
        })
        .collect();
    terminal::data(&shaketable_report::comparison(&rows));
    terminal::note(&format!("demo: {:.0} s", begun.elapsed().as_secs_f64()));
    if abort.reason().is_some() {
        return Ok(Exit::Aborted);
    }
    let surprises = runs
        .iter()
        .filter(|(record, chapter)| !chapter.agrees(record))
        .count();
    if surprises > 0 {
        terminal::error(&format!(
            "{surprises} of {} runs did not come out as expected, or not for the expected reason",
            runs.len()
        ));
        let errors = runs
            .iter()
            .any(|(record, _)| record.verdict == Verdict::Error);
        return Ok(if errors { Exit::Error } else { Exit::Deviated });
    }
    Ok(Exit::Passed)
}
