//! A finding: a kind of anomaly, with every message it happened to.
//!
//! *Safety* and *liveness* findings break a promise; *info* findings are accounted for and reported only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::entry::Entry;
use crate::ledger::{index, partitions};
use crate::{Fate, Ledger, Measure, Measured, StageReading, StageRole};

/// One kind of anomaly and its witnesses. There is no finding without a witness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What happened.
    pub kind: FindingKind,
    /// How bad that is.
    pub class: Class,
    /// How often it happened: the integer of the same name in [`Counts`](crate::Counts), where there is one.
    pub count: u64,
    /// The stage it happened in, for the kinds that belong to one.
    pub stage: Option<String>,
    /// The acknowledged attempts it happened to, ascending; empty where only identities are known.
    pub seqs: Vec<u64>,
    /// The identities it happened to, in the order of the attempts where there are any.
    pub identities: Vec<String>,
    /// Whether a complete reading would have found exactly the same witnesses.
    pub certain: bool,
}

/// What a finding says happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FindingKind {
    /// Acknowledged, and no stage showed it.
    #[serde(rename = "LOST")]
    Lost,
    /// Acknowledged, and it ended in an unwanted stage.
    #[serde(rename = "UNWANTED")]
    Unwanted,
    /// Acknowledged, and seen both in a settled and in an unwanted stage.
    #[serde(rename = "TORN")]
    Torn,
    /// Acknowledged, and absent from a trace stage.
    #[serde(rename = "NOT_LOGGED")]
    NotLogged,
    /// A settled stage showed it twice or more.
    #[serde(rename = "DUP@effect")]
    DuplicateEffect,
    /// Seen without any attempt that accounts for it. Which unclaimed identities the
    /// indeterminate attempts caused is not known, so all of them are listed.
    #[serde(rename = "PHANTOM")]
    Phantom,
    /// More than one attempt was acknowledged with the same identity.
    #[serde(rename = "REPEATED")]
    Repeated,
    /// Acknowledged with an identity that was there before the load began.
    #[serde(rename = "STALE")]
    Stale,
    /// Acknowledged, and still on its way when the drain ended.
    #[serde(rename = "STUCK")]
    Stuck,
    /// It settled later than the stage allows.
    #[serde(rename = "LATE")]
    Late,
    /// A trace stage showed it twice or more.
    #[serde(rename = "DUP@log")]
    DuplicateRecord,
    /// A topic showed it in more than one partition, so that nothing keeps its records in order.
    #[serde(rename = "SCATTERED")]
    Scattered,
    /// Indeterminate attempts that had an effect; all unclaimed identities are listed.
    #[serde(rename = "RESOLVED+")]
    Resolved,
}

impl FindingKind {
    /// How bad it is.
    pub fn class(self) -> Class {
        match self {
            FindingKind::Lost
            | FindingKind::Unwanted
            | FindingKind::Torn
            | FindingKind::NotLogged
            | FindingKind::DuplicateEffect
            | FindingKind::Phantom
            | FindingKind::Repeated
            | FindingKind::Stale => Class::Safety,
            FindingKind::Stuck | FindingKind::Late => Class::Liveness,
            FindingKind::DuplicateRecord | FindingKind::Scattered | FindingKind::Resolved => {
                Class::Info
            }
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FindingKind::Lost => "LOST",
            FindingKind::Unwanted => "UNWANTED",
            FindingKind::Torn => "TORN",
            FindingKind::NotLogged => "NOT_LOGGED",
            FindingKind::DuplicateEffect => "DUP@effect",
            FindingKind::Phantom => "PHANTOM",
            FindingKind::Repeated => "REPEATED",
            FindingKind::Stale => "STALE",
            FindingKind::Stuck => "STUCK",
            FindingKind::Late => "LATE",
            FindingKind::DuplicateRecord => "DUP@log",
            FindingKind::Scattered => "SCATTERED",
            FindingKind::Resolved => "RESOLVED+",
        })
    }
}

/// What kind of promise an anomaly breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Something happened that must never happen.
    Safety,
    /// Something did not happen in time.
    Liveness,
    /// Nothing is broken; it is good to know.
    Info,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::Safety => "safety",
            Class::Liveness => "liveness",
            Class::Info => "info",
        })
    }
}

impl fmt::Display for Finding {
    /// `NOT_LOGGED in poke-orders: 7`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if let Some(stage) = &self.stage {
            write!(f, " in {stage}")?;
        }
        write!(f, ": {}", self.count)
    }
}

impl Ledger {
    /// Everything that is out of the ordinary, safety first. A message can have several.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (kind, fate, measure) in [
            (FindingKind::Lost, Fate::Lost, Measure::Lost),
            (FindingKind::Unwanted, Fate::Unwanted, Measure::Unwanted),
            (FindingKind::Stuck, Fate::Stuck, Measure::Stuck),
        ] {
            let certain = self.is_known(measure);
            findings.extend(self.about(kind, None, certain, |entry| entry.fate == fate));
        }
        let open = self.open_roles();
        let torn_certain = !open.settled && !open.unwanted;
        findings.extend(self.about(FindingKind::Torn, None, torn_certain, |e| {
            self.is_conflicting(e)
        }));
        let late_certain = self.is_known(Measure::Late);
        findings.extend(self.about(FindingKind::Late, None, late_certain, |e| e.late));
        self.stage_findings(&mut findings);
        self.identity_findings(&mut findings);
        findings.sort_by_key(|finding| (finding.class, finding.kind));
        findings
    }

    fn stage_findings(&self, findings: &mut Vec<Finding>) {
        for (position, stage) in self.facts.stages.iter().enumerate() {
            let certain = stage.incomplete.is_none();
            let name = Some(stage.spec.name.as_str());
            let times = |entry: &Entry| entry.sightings[position].len();
            match stage.spec.role {
                StageRole::Trace => {
                    let missing =
                        self.about(FindingKind::NotLogged, name, certain, |e| times(e) == 0);
                    let twice = self.about(FindingKind::DuplicateRecord, name, certain, |e| {
                        times(e) > 1
                    });
                    findings.extend(missing.into_iter().chain(twice));
                }
                StageRole::Settled => {
                    findings.extend(self.duplicate_effects(stage, certain));
                }
                StageRole::Unwanted => {}
            }
            findings.extend(self.about(FindingKind::Scattered, name, certain, |e| {
                partitions(e, position, &self.facts) > 1
            }));
            let baseline: BTreeSet<&str> = stage.baseline.iter().map(String::as_str).collect();
            findings.extend(self.about(FindingKind::Stale, name, true, |e| {
                baseline.contains(e.identity.as_str())
            }));
        }
    }

    /// Duplicates among all identities, claimed or not.
    fn duplicate_effects(&self, stage: &StageReading, certain: bool) -> Option<Finding> {
        let duplicated: BTreeSet<&str> = index(stage)
            .into_iter()
            .filter(|(_, seen)| seen.len() > 1)
            .map(|(id, _)| id)
            .collect();
        let concerned = self
            .entries
            .iter()
            .filter(|entry| duplicated.contains(entry.identity.as_str()));
        finding(Finding {
            kind: FindingKind::DuplicateEffect,
            class: FindingKind::DuplicateEffect.class(),
            count: duplicated.len() as u64,
            stage: Some(stage.spec.name.clone()),
            seqs: concerned.map(|entry| entry.seq).collect(),
            identities: duplicated.into_iter().map(str::to_owned).collect(),
            certain,
        })
    }

    fn identity_findings(&self, findings: &mut Vec<Finding>) {
        let mut claims: BTreeMap<&str, usize> = BTreeMap::new();
        for entry in &self.entries {
            *claims.entry(&entry.identity).or_default() += 1;
        }
        let repeated = self.about(FindingKind::Repeated, None, true, |entry| {
            claims[entry.identity.as_str()] > 1
        });
        findings.extend(repeated.map(|finding| Finding {
            count: self.counts.repeated,
            ..finding
        }));

        for (kind, count) in [
            (FindingKind::Phantom, self.counts.phantom),
            (FindingKind::Resolved, self.counts.resolved_plus),
        ] {
            findings.extend(finding(Finding {
                kind,
                class: kind.class(),
                count,
                stage: None,
                seqs: Vec::new(),
                identities: self.unclaimed.clone(),
                certain: !self.open_roles().any(),
            }));
        }
    }

    /// The finding about the entries for which `holds`.
    fn about(
        &self,
        kind: FindingKind,
        stage: Option<&str>,
        certain: bool,
        holds: impl Fn(&Entry) -> bool,
    ) -> Option<Finding> {
        let witnesses: Vec<&Entry> = self.entries.iter().filter(|entry| holds(entry)).collect();
        finding(Finding {
            kind,
            class: kind.class(),
            count: witnesses.len() as u64,
            stage: stage.map(str::to_owned),
            seqs: witnesses.iter().map(|entry| entry.seq).collect(),
            identities: witnesses
                .iter()
                .map(|entry| entry.identity.clone())
                .collect(),
            certain,
        })
    }

    fn is_known(&self, measure: Measure) -> bool {
        matches!(self.measure(measure), Measured::Known(_))
    }
}

/// A finding, unless it happened to nobody.
fn finding(finding: Finding) -> Option<Finding> {
    (finding.count > 0).then_some(finding)
}
