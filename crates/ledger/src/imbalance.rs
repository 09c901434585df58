//! An imbalance: an equation of the ledger that does not hold. It is the checker that is wrong
//! then, not the system under test, and no verdict may be built on it.
//!
//! The audit counts everything again from the facts by set algebra: sorted sets of identities per role
//! and per stage. It uses nothing that [`Ledger::balance`] derived.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Attempt, Counts, Fate, Ledger, Outcome, Sighting, StageReading, StageRole};

/// An equation that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imbalance {
    /// The equation, in the ledger's words.
    pub equation: String,
    /// The value of its left side.
    pub left: u64,
    /// The value of its right side.
    pub right: u64,
}

impl fmt::Display for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the ledger does not balance: {}, but {} ≠ {}; the accounting is at fault, not the system: \
             keep the facts and report this as a bug",
            self.equation, self.left, self.right
        )
    }
}

impl std::error::Error for Imbalance {}

/// The equations that were found wrong so far.
#[derive(Default)]
struct Audit {
    wrong: Vec<Imbalance>,
}

impl Audit {
    fn equal(&mut self, equation: impl Into<String>, left: u64, right: u64) {
        if left != right {
            self.wrong.push(Imbalance {
                equation: equation.into(),
                left,
                right,
            });
        }
    }
}

impl Ledger {
    /// Checks every equation, and every integer against the facts.
    ///
    /// # Errors
    /// All equations that do not hold. Then the run has no verdict: an unbalanced ledger is an
    /// error of the checker (or of whoever wrote the facts), never a pass.
    pub fn check(&self) -> Result<(), Vec<Imbalance>> {
        let mut audit = Audit::default();
        self.check_attempts(&mut audit);
        check_equations(&self.counts, &mut audit);
        let again = Recount::new(&self.facts.attempts, &self.facts.stages);
        self.check_fates(&again, &mut audit);
        self.check_identities(&again, &mut audit);
        self.check_stages(&again, &mut audit);
        self.check_partitions(&again, &mut audit);
        if audit.wrong.is_empty() {
            Ok(())
        } else {
            Err(audit.wrong)
        }
    }

    fn check_attempts(&self, audit: &mut Audit) {
        let attempts = &self.facts.attempts;
        let seqs: BTreeSet<u64> = attempts.iter().map(|attempt| attempt.seq).collect();
        let next = seqs.last().map_or(0, |last| last.saturating_add(1));
        audit.equal(
            "attempts = distinct sequence numbers",
            attempts.len() as u64,
            seqs.len() as u64,
        );
        audit.equal(
            "distinct sequence numbers = highest sequence number + 1",
            seqs.len() as u64,
            next,
        );

        let outcome =
            |wanted: fn(&Outcome) -> bool| count(attempts, |attempt| wanted(&attempt.outcome));
        let counts = &self.counts;
        for (name, counted, recounted) in [
            ("attempted", counts.attempted, attempts.len() as u64),
            (
                "acknowledged",
                counts.acknowledged,
                outcome(|o| matches!(o, Outcome::Acknowledged { .. })),
            ),
            (
                "failed",
                counts.failed,
                outcome(|o| matches!(o, Outcome::Failed { .. })),
            ),
            (
                "indeterminate",
                counts.indeterminate,
                outcome(|o| matches!(o, Outcome::Indeterminate { .. })),
            ),
        ] {
            audit.equal(format!("{name} = {name} in the facts"), counted, recounted);
        }
    }

    fn check_fates(&self, again: &Recount, audit: &mut Audit) {
        let counts = &self.counts;
        for (fate, counted) in [
            (Fate::Settled, counts.settled),
            (Fate::Unwanted, counts.unwanted),
            (Fate::Stuck, counts.stuck),
            (Fate::Lost, counts.lost),
        ] {
            let recounted: Vec<u64> = again
                .acknowledged
                .iter()
                .filter(|(_, id)| again.fate(id) == fate)
                .map(|(attempt, _)| attempt.seq)
                .collect();
            audit.equal(
                format!("{fate} = {fate} in the facts"),
                counted,
                recounted.len() as u64,
            );
            let same = count(self.seqs(fate).zip(&recounted), |(a, b)| a == *b);
            audit.equal(
                format!("attempts listed as {fate} = attempts that are {fate} in the facts"),
                same,
                recounted.len().max(self.seqs(fate).count()) as u64,
            );
        }
        let conflicting = count(&again.acknowledged, |(_, id)| {
            again.settled.contains(id) && again.unwanted.contains(id)
        });
        audit.equal(
            "conflicting = seen in settled and unwanted stages",
            counts.conflicting,
            conflicting,
        );
        let late = again.late(&self.facts.stages, self.facts.deadline_us);
        audit.equal("late = late in the facts", counts.late, late);
    }

    fn check_identities(&self, again: &Recount, audit: &mut Audit) {
        let counts = &self.counts;
        let seen = again.seen();
        let strangers: BTreeSet<&str> = seen
            .difference(&again.claimed)
            .copied()
            .filter(|id| !again.known_before.contains(id))
            .collect();
        let listed: BTreeSet<&str> = self.unclaimed().collect();
        let distinct = strangers.len() as u64;
        audit.equal(
            "unclaimed = seen − claimed − baseline",
            counts.unclaimed,
            distinct,
        );
        audit.equal(
            "unclaimed identities listed = unclaimed identities in the facts",
            listed.intersection(&strangers).count() as u64,
            listed.union(&strangers).count() as u64,
        );
        audit.equal(
            "repeated = acknowledged − claimed identities",
            counts.repeated,
            (again.acknowledged.len() - again.claimed.len()) as u64,
        );
        let twice: BTreeSet<&str> = self
            .facts
            .stages
            .iter()
            .filter(|stage| stage.spec.role == StageRole::Settled)
            .flat_map(|stage| repeats(&sorted(stage)))
            .collect();
        audit.equal(
            "duplicated = identities seen twice in a settled stage",
            counts.duplicated,
            twice.len() as u64,
        );
    }

    fn check_partitions(&self, again: &Recount, audit: &mut Audit) {
        let scattered: BTreeSet<&str> = self
            .facts
            .stages
            .iter()
            .flat_map(|stage| {
                let places: BTreeSet<(&str, i32)> = stage
                    .sightings
                    .iter()
                    .filter(|sighting| !stage.baseline.contains(&sighting.identity))
                    .filter_map(|sighting| Some((sighting.identity.as_str(), sighting.partition?)))
                    .collect();
                let identities: Vec<&str> = places.iter().map(|(identity, _)| *identity).collect();
                repeats(&identities)
            })
            .collect();
        audit.equal(
            "scattered = acknowledged in several partitions of a topic",
            self.counts.scattered,
            count(&again.acknowledged, |(_, id)| scattered.contains(id)),
        );
    }

    fn check_stages(&self, again: &Recount, audit: &mut Audit) {
        audit.equal(
            "stages counted = stages in the facts",
            self.stages.len() as u64,
            self.facts.stages.len() as u64,
        );
        for (counted, stage) in self.stages.iter().zip(&self.facts.stages) {
            let name = &stage.spec.name;
            let seen = sorted(stage);
            let ids: BTreeSet<&str> = seen.iter().copied().collect();
            let twice: BTreeSet<&str> = repeats(&seen).into_iter().collect();
            let missing = count(&again.acknowledged, |(_, id)| !ids.contains(id));
            let duplicated = count(&again.acknowledged, |(_, id)| twice.contains(id));
            let claimed = ids.intersection(&again.claimed).count() as u64;
            audit.equal(
                format!("acknowledged = once + duplicated + missing in {name}"),
                self.counts.acknowledged,
                counted.once + counted.duplicated + counted.missing,
            );
            audit.equal(
                format!("ids = claimed + unclaimed in {name}"),
                counted.ids,
                claimed + counted.unclaimed,
            );
            for (what, left, right) in [
                ("records", counted.records, seen.len() as u64),
                ("ids", counted.ids, ids.len() as u64),
                ("duplicated", counted.duplicated, duplicated),
                ("missing", counted.missing, missing),
            ] {
                audit.equal(
                    format!("{what} = {what} in the facts of {name}"),
                    left,
                    right,
                );
            }
        }
    }
}

fn check_equations(counts: &Counts, audit: &mut Audit) {
    audit.equal(
        "attempted = acknowledged + failed + indeterminate",
        counts.attempted,
        counts.acknowledged + counts.failed + counts.indeterminate,
    );
    audit.equal(
        "acknowledged = settled + unwanted + stuck + lost",
        counts.acknowledged,
        counts.settled + counts.unwanted + counts.stuck + counts.lost,
    );
    audit.equal(
        "indeterminate = resolved_plus + resolved_minus",
        counts.indeterminate,
        counts.resolved_plus + counts.resolved_minus,
    );
    audit.equal(
        "unclaimed = resolved_plus + phantom",
        counts.unclaimed,
        counts.resolved_plus + counts.phantom,
    );
    audit.equal(
        "resolved_plus = the lesser of unclaimed and indeterminate",
        counts.resolved_plus,
        counts.unclaimed.min(counts.indeterminate),
    );
}

/// The facts as sets of identities.
struct Recount<'a> {
    acknowledged: Vec<(&'a Attempt, &'a str)>,
    claimed: BTreeSet<&'a str>,
    traced: BTreeSet<&'a str>,
    settled: BTreeSet<&'a str>,
    unwanted: BTreeSet<&'a str>,
    known_before: BTreeSet<&'a str>,
}

impl<'a> Recount<'a> {
    fn new(attempts: &'a [Attempt], stages: &'a [StageReading]) -> Recount<'a> {
        let acknowledged: Vec<_> = attempts
            .iter()
            .filter_map(|attempt| Some((attempt, attempt.outcome.identity()?)))
            .collect();
        let seen = |role| {
            stages
                .iter()
                .filter(move |stage| stage.spec.role == role)
                .flat_map(sorted)
                .collect()
        };
        Recount {
            claimed: acknowledged.iter().map(|(_, id)| *id).collect(),
            acknowledged,
            traced: seen(StageRole::Trace),
            settled: seen(StageRole::Settled),
            unwanted: seen(StageRole::Unwanted),
            known_before: stages
                .iter()
                .flat_map(|stage| &stage.baseline)
                .map(String::as_str)
                .collect(),
        }
    }

    fn seen(&self) -> BTreeSet<&'a str> {
        let roles = [&self.traced, &self.settled, &self.unwanted];
        roles.into_iter().flatten().copied().collect()
    }

    fn fate(&self, id: &str) -> Fate {
        match (
            self.unwanted.contains(id),
            self.settled.contains(id),
            self.traced.contains(id),
        ) {
            (true, _, _) => Fate::Unwanted,
            (false, true, _) => Fate::Settled,
            (false, false, true) => Fate::Stuck,
            (false, false, false) => Fate::Lost,
        }
    }

    /// Settled attempts whose first sighting in some settled stage missed the stage's limit.
    fn late(&self, stages: &[StageReading], deadline_us: u64) -> u64 {
        let mut late = BTreeSet::new();
        for stage in stages {
            let (StageRole::Settled, Some(within)) = (stage.spec.role, stage.spec.within_us) else {
                continue;
            };
            let mut first: BTreeMap<&str, u64> = BTreeMap::new();
            for sighting in unknown_before(stage) {
                let at = sighting.at_us.unwrap_or(deadline_us);
                let earliest = first.entry(&sighting.identity).or_insert(at);
                *earliest = at.min(*earliest);
            }
            for (position, (attempt, id)) in self.acknowledged.iter().enumerate() {
                let due = attempt.intended_us.saturating_add(within);
                let is_late = first.get(id).is_some_and(|first| *first > due);
                if is_late && !self.unwanted.contains(id) {
                    late.insert(position);
                }
            }
        }
        late.len() as u64
    }
}

/// The sightings of a stage that are not of identities in its baseline.
fn unknown_before(stage: &StageReading) -> impl Iterator<Item = &Sighting> {
    let baseline: BTreeSet<&str> = stage.baseline.iter().map(String::as_str).collect();
    stage
        .sightings
        .iter()
        .filter(move |sighting| !baseline.contains(sighting.identity.as_str()))
}

/// The identities a stage showed, as often as it showed them, sorted.
fn sorted(stage: &StageReading) -> Vec<&str> {
    let mut ids: Vec<&str> = unknown_before(stage).map(|s| s.identity.as_str()).collect();
    ids.sort_unstable();
    ids
}

/// The identities that occur more than once in a sorted list; thrice is listed twice.
fn repeats<'a>(sorted: &[&'a str]) -> Vec<&'a str> {
    sorted
        .windows(2)
        .filter(|pair| pair[0] == pair[1])
        .map(|pair| pair[0])
        .collect()
}

fn count<T>(items: impl IntoIterator<Item = T>, wanted: impl Fn(&T) -> bool) -> u64 {
    items.into_iter().filter(wanted).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Facts, StageSpec};

    /// Two orders: one settled, one lost.
    fn ledger() -> Ledger {
        let attempt = |seq: u64| Attempt {
            seq,
            intended_us: seq,
            started_us: seq,
            ended_us: Some(seq),
            outcome: Outcome::Acknowledged {
                identity: seq.to_string(),
            },
            status: None,
        };
        let sighting = Sighting {
            identity: "0".to_owned(),
            at_us: Some(1),
            place: String::new(),
            partition: None,
        };
        Ledger::balance(&Facts {
            attempts: vec![attempt(0), attempt(1)],
            stages: vec![StageReading {
                spec: StageSpec {
                    name: "settled".to_owned(),
                    role: StageRole::Settled,
                    within_us: Some(5),
                },
                sightings: vec![sighting],
                incomplete: None,
                baseline: Vec::new(),
            }],
            deadline_us: 10,
        })
    }

    /// Every integer, and every list, one at a time. Tampering needs the private fields.
    #[test]
    fn tampering_is_found() {
        assert_eq!(ledger().check(), Ok(()));
        let counts: [fn(&mut Counts) -> &mut u64; 17] = [
            |c| &mut c.attempted,
            |c| &mut c.acknowledged,
            |c| &mut c.failed,
            |c| &mut c.indeterminate,
            |c| &mut c.settled,
            |c| &mut c.unwanted,
            |c| &mut c.stuck,
            |c| &mut c.lost,
            |c| &mut c.late,
            |c| &mut c.duplicated,
            |c| &mut c.conflicting,
            |c| &mut c.repeated,
            |c| &mut c.unclaimed,
            |c| &mut c.resolved_plus,
            |c| &mut c.resolved_minus,
            |c| &mut c.phantom,
            |c| &mut c.scattered,
        ];
        for (position, count) in counts.into_iter().enumerate() {
            let mut tampered = ledger();
            *count(&mut tampered.counts) += 1;
            assert!(tampered.check().is_err(), "count {position}");
        }
        let others: [fn(&mut Ledger); 9] = [
            |l| l.stages[0].records += 1,
            |l| l.stages[0].ids += 1,
            |l| l.stages[0].once += 1,
            |l| l.stages[0].duplicated += 1,
            |l| l.stages[0].missing += 1,
            |l| l.stages[0].unclaimed += 1,
            |l| l.stages.clear(),
            |l| l.unclaimed.push("9".to_owned()),
            // Who is settled and who is lost: the integers are the same.
            |l| {
                l.entries[0].fate = Fate::Lost;
                l.entries[1].fate = Fate::Settled;
            },
        ];
        for (position, tamper) in others.into_iter().enumerate() {
            let mut tampered = ledger();
            tamper(&mut tampered);
            assert!(tampered.check().is_err(), "tampering {position}");
        }
    }

    #[test]
    fn an_imbalance_says_whose_fault_it_is() {
        let mut tampered = ledger();
        tampered.counts.lost = 0;
        let wrong = tampered.check().unwrap_err();
        let message = wrong[0].to_string();
        assert!(
            message.contains("acknowledged = settled + unwanted + stuck + lost, but 2 ≠ 1"),
            "{message}"
        );
        assert!(message.contains("not the system"), "{message}");
    }
}
