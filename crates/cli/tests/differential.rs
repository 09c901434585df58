//! The differential test: every case of the corpus, run by `shaketable chaos`, against what the
//! reference (Chaos Toolkit) was recorded to do with it.
//!
//! 1. Exit code, output, log messages, journal, events, reports and every other file left behind
//!    are compared field by field, after times, ids and paths are taken out on both sides alike.
//! 2. Every difference is in `corpus/differences.yaml` with its reason, or the test fails.
//! 3. Every entry of that table still occurs, or the test fails.
//! 4. The recordings are those of the cases as they are now.
//!
//! The corpus is described in `corpus/README.md`.

#[path = "differential/candidate.rs"]
mod candidate;
#[path = "differential/comparison.rs"]
mod comparison;
#[path = "differential/corpus.rs"]
mod corpus;
#[path = "differential/differences.rs"]
mod differences;
#[path = "differential/normal.rs"]
mod normal;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use candidate::Candidate;
use corpus::Case;
use differences::{Difference, Table, matches};

/// How many cases run at once.
const PARALLEL: usize = 4;
/// Runs only the cases whose `SECTION/NAME` matches this glob.
const ONLY: &str = "SHAKETABLE_DIFFERENTIAL_ONLY";

#[test]
fn the_recordings_are_those_of_the_cases() {
    let declared = corpus::declared();
    let recorded = corpus::recorded();
    let mut stale = Vec::new();
    for (name, case) in &declared {
        match recorded.iter().find(|recorded| &recorded.name == name) {
            None => stale.push(format!("{name} was never recorded")),
            Some(recorded) if &recorded.declared != case => {
                stale.push(format!("{name} has changed since it was recorded"));
            }
            Some(_) => {}
        }
    }
    for case in &recorded {
        if !declared.iter().any(|(name, _)| name == &case.name) {
            stale.push(format!("{} is recorded but no longer a case", case.name));
        }
    }
    assert!(
        stale.is_empty(),
        "record these again (see corpus/README.md):\n{}",
        stale.join("\n")
    );
}

#[test]
fn the_runner_behaves_as_the_reference_except_where_the_table_says_so() {
    let only = std::env::var(ONLY).ok();
    let cases: Vec<Case> = corpus::recorded()
        .into_iter()
        .filter(|case| only.as_deref().is_none_or(|only| matches(only, &case.name)))
        .collect();
    let candidate = Candidate::start();
    let next = AtomicUsize::new(0);
    let found: Mutex<Vec<Difference>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let ours = normal::result(&candidate.run(case), case.during);
                    let reference = normal::result(&case.result, case.during);
                    let differences = comparison::compare(case, &reference, &ours);
                    found
                        .lock()
                        .expect("no thread panics with the lock")
                        .extend(differences);
                }
            });
        }
    });
    let mut found = found.into_inner().expect("no thread panicked");
    found.sort_by(|one, other| (&one.case, &one.field).cmp(&(&other.case, &other.field)));

    let table = Table::load();
    let mut complaints: Vec<String> = found
        .iter()
        .filter(|difference| !table.explains(difference))
        .map(ToString::to_string)
        .collect();
    if only.is_none() {
        complaints.extend(table.unused(&found));
    }
    let different: std::collections::BTreeSet<&str> = found
        .iter()
        .map(|difference| difference.case.as_str())
        .collect();
    assert!(
        complaints.is_empty(),
        "{} unexplained differences or unused entries; {} of {} cases differ somewhere:\n{}",
        complaints.len(),
        different.len(),
        cases.len(),
        complaints.join("\n")
    );
}
