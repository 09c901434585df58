//! The ledger: the facts, every acknowledged attempt's entry, and the integers.
//!
//! What the integers mean and which equations they keep is written in the crate's description.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::entry::Entry;
use crate::fate::Roles;
use crate::{Attempt, Facts, Fate, Outcome, Sighting, StageReading, StageRole};

/// The balanced account of one run. It is not kept on disk: the facts are, and give it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// With the attempts sorted by their sequence number.
    pub(crate) facts: Facts,
    pub(crate) counts: Counts,
    pub(crate) stages: Vec<StageCount>,
    /// One per acknowledged attempt, sorted by sequence number.
    pub(crate) entries: Vec<Entry>,
    /// Identities that no attempt claims and that are in no baseline, sorted.
    pub(crate) unclaimed: Vec<String>,
}

/// The integers of a ledger. They count what was seen; ask [`Ledger::measure`] before concluding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Attempts of the load: `acknowledged + failed + indeterminate`.
    pub attempted: u64,
    /// Attempts the system said yes to: `settled + unwanted + stuck + lost`.
    pub acknowledged: u64,
    /// Attempts that certainly had no effect.
    pub failed: u64,
    /// Attempts that may have had an effect: `resolved_plus + resolved_minus`.
    pub indeterminate: u64,
    /// Acknowledged attempts that arrived.
    pub settled: u64,
    /// Acknowledged attempts that ended in an unwanted stage.
    pub unwanted: u64,
    /// Acknowledged attempts that were on their way when the drain ended.
    pub stuck: u64,
    /// Acknowledged attempts that no stage showed.
    pub lost: u64,
    /// Settled attempts that took longer than the stage allows.
    pub late: u64,
    /// Identities that a settled stage showed twice or more.
    pub duplicated: u64,
    /// Unwanted attempts that a settled stage showed as well.
    pub conflicting: u64,
    /// Acknowledgements beyond the first for the same identity.
    pub repeated: u64,
    /// Identities that nobody claims: `resolved_plus + phantom`.
    pub unclaimed: u64,
    /// Unclaimed identities that indeterminate attempts can account for.
    pub resolved_plus: u64,
    /// Indeterminate attempts for which no unclaimed identity is left.
    pub resolved_minus: u64,
    /// Unclaimed identities that no attempt can account for.
    pub phantom: u64,
    /// Acknowledged attempts whose records a topic showed in more than one partition.
    #[serde(default)]
    pub scattered: u64,
}

/// The integers of one stage, without what was in its baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageCount {
    /// The stage's name.
    pub name: String,
    /// What being seen here means.
    pub role: StageRole,
    /// Sightings.
    pub records: u64,
    /// Distinct identities among the sightings.
    pub ids: u64,
    /// Acknowledged attempts seen once.
    pub once: u64,
    /// Acknowledged attempts seen twice or more.
    pub duplicated: u64,
    /// Acknowledged attempts not seen.
    pub missing: u64,
    /// Distinct identities among the sightings that no acknowledged attempt claims; those that
    /// the baseline of another stage explains are among them.
    pub unclaimed: u64,
    /// Why the reading may have missed something; `None` if it is complete.
    pub incomplete: Option<String>,
}

impl Ledger {
    /// Decides the fate of every acknowledged attempt.
    ///
    /// Facts that contradict themselves (a sequence number twice, or a gap) are balanced as they
    /// are; [`Ledger::check`] reports them.
    pub fn balance(facts: &Facts) -> Ledger {
        let mut facts = facts.clone();
        facts.attempts.sort_by_key(|attempt| attempt.seq);
        let indices: Vec<_> = facts.stages.iter().map(index).collect();

        let entries: Vec<Entry> = facts
            .attempts
            .iter()
            .filter_map(|attempt| Some((attempt, attempt.outcome.identity()?)))
            .map(|(attempt, identity)| {
                let sightings = indices
                    .iter()
                    .map(|index| index.get(identity).cloned().unwrap_or_default())
                    .collect();
                Entry::new(
                    attempt.seq,
                    attempt.intended_us,
                    identity,
                    sightings,
                    &facts,
                )
            })
            .collect();

        let claimed: HashSet<&str> = entries.iter().map(|e| e.identity.as_str()).collect();
        let known_before: HashSet<&str> = facts
            .stages
            .iter()
            .flat_map(|stage| stage.baseline.iter().map(String::as_str))
            .collect();
        let unclaimed: BTreeSet<&str> = indices
            .iter()
            .flat_map(|index| index.keys().copied())
            .filter(|id| !claimed.contains(id) && !known_before.contains(id))
            .collect();
        let duplicated: HashSet<&str> = facts
            .stages
            .iter()
            .zip(&indices)
            .filter(|(stage, _)| stage.spec.role == StageRole::Settled)
            .flat_map(|(_, index)| index.iter())
            .filter(|(_, seen)| seen.len() > 1)
            .map(|(id, _)| *id)
            .collect();

        let stages = facts
            .stages
            .iter()
            .zip(&indices)
            .enumerate()
            .map(|(position, (stage, index))| {
                let seen = |wanted: fn(usize) -> bool| {
                    tally(&entries, |e| wanted(e.sightings[position].len()))
                };
                StageCount {
                    name: stage.spec.name.clone(),
                    role: stage.spec.role,
                    records: index.values().map(|seen| seen.len() as u64).sum(),
                    ids: index.len() as u64,
                    once: seen(|times| times == 1),
                    duplicated: seen(|times| times > 1),
                    missing: seen(|times| times == 0),
                    unclaimed: tally(index.keys(), |id| !claimed.contains(*id)),
                    incomplete: stage.incomplete.clone(),
                }
            })
            .collect();

        let fate = |fate: Fate| tally(&entries, |e| e.fate == fate);
        let outcome = |wanted: fn(&Outcome) -> bool| tally(&facts.attempts, |a| wanted(&a.outcome));
        let indeterminate = outcome(|o| matches!(o, Outcome::Indeterminate { .. }));
        let strangers = unclaimed.len() as u64;
        let counts = Counts {
            attempted: facts.attempts.len() as u64,
            acknowledged: entries.len() as u64,
            failed: outcome(|o| matches!(o, Outcome::Failed { .. })),
            indeterminate,
            settled: fate(Fate::Settled),
            unwanted: fate(Fate::Unwanted),
            stuck: fate(Fate::Stuck),
            lost: fate(Fate::Lost),
            late: tally(&entries, |e| e.late),
            duplicated: duplicated.len() as u64,
            conflicting: tally(&entries, |e| is_conflicting(e, &facts)),
            repeated: (entries.len() - claimed.len()) as u64,
            unclaimed: strangers,
            resolved_plus: strangers.min(indeterminate),
            resolved_minus: indeterminate.saturating_sub(strangers),
            phantom: strangers.saturating_sub(indeterminate),
            scattered: tally(&entries, |e| is_scattered(e, &facts)),
        };

        let unclaimed = unclaimed.into_iter().map(str::to_owned).collect();
        Ledger {
            facts,
            counts,
            stages,
            entries,
            unclaimed,
        }
    }

    /// The integers.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The integers of every stage, in the order of the facts.
    pub fn stages(&self) -> &[StageCount] {
        &self.stages
    }

    /// The facts it was made from, the attempts sorted by sequence number.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The fate of an attempt; `None` if it was not acknowledged or never made.
    pub fn fate_of(&self, seq: u64) -> Option<Fate> {
        self.entry(seq).map(|entry| entry.fate)
    }

    /// The identities of the acknowledged attempts with this fate, in the order of the attempts.
    pub fn ids(&self, fate: Fate) -> impl Iterator<Item = &str> {
        self.with_fate(fate).map(|entry| entry.identity.as_str())
    }

    /// The sequence numbers of the acknowledged attempts with this fate, ascending.
    pub fn seqs(&self, fate: Fate) -> impl Iterator<Item = u64> {
        self.with_fate(fate).map(|entry| entry.seq)
    }

    /// The identities that no attempt claims and that were not there before the load, sorted.
    pub fn unclaimed(&self) -> impl Iterator<Item = &str> {
        self.unclaimed.iter().map(String::as_str)
    }

    fn with_fate(&self, fate: Fate) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.fate == fate)
    }

    pub(crate) fn entry(&self, seq: u64) -> Option<&Entry> {
        let found = self.entries.binary_search_by_key(&seq, |e| e.seq).ok()?;
        self.entries.get(found)
    }

    pub(crate) fn attempt(&self, seq: u64) -> Option<&Attempt> {
        let attempts = &self.facts.attempts;
        let found = attempts.binary_search_by_key(&seq, |a| a.seq).ok()?;
        attempts.get(found)
    }

    /// The sightings that a stage showed of an entry.
    pub(crate) fn sightings<'a>(&'a self, entry: &'a Entry, stage: usize) -> Vec<&'a Sighting> {
        let all = &self.facts.stages[stage].sightings;
        entry.sightings[stage].iter().map(|&i| &all[i]).collect()
    }

    pub(crate) fn is_conflicting(&self, entry: &Entry) -> bool {
        is_conflicting(entry, &self.facts)
    }

    /// The roles of the stages that may have shown more than was read.
    pub(crate) fn open_roles(&self) -> Roles {
        self.facts
            .stages
            .iter()
            .filter(|stage| stage.incomplete.is_some())
            .map(|stage| stage.spec.role)
            .collect()
    }
}

/// Where each identity is found in a reading; what is in the baseline is left out.
pub(crate) fn index(reading: &StageReading) -> HashMap<&str, Vec<usize>> {
    let baseline: HashSet<&str> = reading.baseline.iter().map(String::as_str).collect();
    let mut index: HashMap<&str, Vec<usize>> = HashMap::new();
    for (position, sighting) in reading.sightings.iter().enumerate() {
        if !baseline.contains(sighting.identity.as_str()) {
            index.entry(&sighting.identity).or_default().push(position);
        }
    }
    index
}

fn is_conflicting(entry: &Entry, facts: &Facts) -> bool {
    let roles = entry.roles(facts);
    roles.settled && roles.unwanted
}

/// Whether a topic showed records of the message in more than one partition.
pub(crate) fn is_scattered(entry: &Entry, facts: &Facts) -> bool {
    (0..facts.stages.len()).any(|stage| partitions(entry, stage, facts) > 1)
}

/// How many partitions a stage showed the message in; 0 if it is no topic.
pub(crate) fn partitions(entry: &Entry, stage: usize, facts: &Facts) -> usize {
    let sightings = &facts.stages[stage].sightings;
    let partitions: BTreeSet<i32> = entry.sightings[stage]
        .iter()
        .filter_map(|index| sightings[*index].partition)
        .collect();
    partitions.len()
}

fn tally<T>(items: impl IntoIterator<Item = T>, wanted: impl Fn(&T) -> bool) -> u64 {
    items.into_iter().filter(wanted).count() as u64
}
