//! An entry: one acknowledged attempt, joined with everything the stages showed of it.
//!
//! An entry refers to sightings by their index in the facts; it copies none of them.

use crate::fate::Roles;
use crate::{Facts, Fate, StageReading, StageRole};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub seq: u64,
    pub intended_us: u64,
    pub identity: String,
    pub fate: Fate,
    pub late: bool,
    /// Per stage, in the order of the facts: the indices of this identity's sightings.
    pub sightings: Vec<Vec<usize>>,
}

impl Entry {
    pub fn new(
        seq: u64,
        intended_us: u64,
        identity: &str,
        sightings: Vec<Vec<usize>>,
        facts: &Facts,
    ) -> Entry {
        let mut entry = Entry {
            seq,
            intended_us,
            identity: identity.to_owned(),
            fate: Fate::Lost,
            late: false,
            sightings,
        };
        entry.fate = Fate::of(entry.roles(facts));
        entry.late = entry.fate == Fate::Settled
            && (0..facts.stages.len()).any(|stage| entry.late_in(stage, facts) == Some(true));
        entry
    }

    /// The roles of the stages that showed it.
    pub fn roles(&self, facts: &Facts) -> Roles {
        facts
            .stages
            .iter()
            .zip(&self.sightings)
            .filter(|(_, seen)| !seen.is_empty())
            .map(|(stage, _)| stage.spec.role)
            .collect()
    }

    /// When the stage first showed it, in µs, at the latest.
    pub fn first_seen_us(&self, stage: usize, facts: &Facts) -> Option<u64> {
        let sightings = &facts.stages[stage].sightings;
        self.sightings[stage]
            .iter()
            .map(|&index| sightings[index].at_us.unwrap_or(facts.deadline_us))
            .min()
    }

    /// Whether it settled in this stage after the stage's limit; `None` if the stage did not
    /// show it or sets no limit.
    pub fn late_in(&self, stage: usize, facts: &Facts) -> Option<bool> {
        let within = limit_us(&facts.stages[stage])?;
        let first = self.first_seen_us(stage, facts)?;
        Some(first.saturating_sub(self.intended_us) > within)
    }

    /// Whether it is certainly late, and whether it could be, if the incomplete stages
    /// (whose roles are `open`) may have shown more.
    pub fn late_bounds(&self, open: Roles, facts: &Facts) -> (bool, bool) {
        let seen = self.roles(facts);
        let (mut certain, mut possible) = (false, false);
        for (index, stage) in facts.stages.iter().enumerate() {
            if limit_us(stage).is_none() {
                continue;
            }
            let is_open = stage.incomplete.is_some();
            match self.late_in(index, facts) {
                // An earlier sighting may have been missed.
                Some(true) => {
                    certain |= !is_open;
                    possible = true;
                }
                Some(false) => {}
                None => possible |= is_open,
            }
        }
        let surely_settled = seen.settled && !seen.unwanted && !open.unwanted;
        (
            certain && surely_settled,
            possible && Fate::possible(seen, open, Fate::Settled),
        )
    }
}

/// The limit by which attempts are judged late in this stage.
pub(crate) fn limit_us(stage: &StageReading) -> Option<u64> {
    match stage.spec.role {
        StageRole::Settled => stage.spec.within_us,
        StageRole::Trace | StageRole::Unwanted => None,
    }
}
