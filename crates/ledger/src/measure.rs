//! A measure: one integer of the ledger that an experiment can set a tolerance for, and the
//! decision whether it is known.
//!
//! An incomplete reading may have missed sightings, and what it showed is still true. So for
//! every measure the least and the greatest value are taken that any further sightings in the incomplete
//! stages could lead to; the measure is known if the two are the same. A message that was seen to
//! settle is not lost, however incomplete the other stages are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::entry::{Entry, limit_us};
use crate::{Fate, Ledger, StageReading, StageRole};

/// What can be asked of a ledger. The names are those of [`Counts`](crate::Counts).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Attempts of the load.
    Attempted,
    /// Attempts the system said yes to.
    Acknowledged,
    /// Attempts that certainly had no effect.
    Failed,
    /// Attempts that may have had an effect.
    Indeterminate,
    /// Acknowledged attempts that arrived.
    Settled,
    /// Acknowledged attempts that ended in an unwanted stage.
    Unwanted,
    /// Acknowledged attempts that no stage showed.
    Lost,
    /// Identities that a settled stage showed twice or more.
    Duplicated,
    /// Acknowledged attempts that were on their way when the drain ended.
    Stuck,
    /// Settled attempts that took longer than the stage allows.
    Late,
    /// Unclaimed identities that no attempt can account for.
    Phantom,
    /// Acknowledged attempts whose records a topic showed in more than one partition.
    Scattered,
}

impl Measure {
    /// Every measure, in the order of the ledger.
    pub const ALL: [Measure; 12] = [
        Measure::Attempted,
        Measure::Acknowledged,
        Measure::Failed,
        Measure::Indeterminate,
        Measure::Settled,
        Measure::Unwanted,
        Measure::Lost,
        Measure::Duplicated,
        Measure::Stuck,
        Measure::Late,
        Measure::Phantom,
        Measure::Scattered,
    ];

    /// The names of [`Measure::ALL`], in the same order.
    pub const NAMES: [&'static str; 12] = {
        let mut names = [""; 12];
        let mut index = 0;
        while index < names.len() {
            names[index] = Measure::ALL[index].name();
            index += 1;
        }
        names
    };

    /// The measure's name, as experiments spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Measure::Attempted => "attempted",
            Measure::Acknowledged => "acknowledged",
            Measure::Failed => "failed",
            Measure::Indeterminate => "indeterminate",
            Measure::Settled => "settled",
            Measure::Unwanted => "unwanted",
            Measure::Lost => "lost",
            Measure::Duplicated => "duplicated",
            Measure::Stuck => "stuck",
            Measure::Late => "late",
            Measure::Phantom => "phantom",
            Measure::Scattered => "scattered",
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Measure {
    type Err = UnknownMeasure;

    fn from_str(name: &str) -> Result<Measure, UnknownMeasure> {
        Measure::ALL
            .into_iter()
            .find(|measure| measure.name() == name)
            .ok_or_else(|| UnknownMeasure(name.to_owned()))
    }
}

/// A name that is no measure's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownMeasure(String);

impl fmt::Display for UnknownMeasure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Measure::NAMES.join(", ");
        write!(f, "the ledger has no measure `{}`; it has {names}", self.0)
    }
}

impl std::error::Error for UnknownMeasure {}

/// The value of a measure, or why nobody can know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// The value; nothing that was not read could change it.
    Known(u64),
    /// Why there is no value. Unknown is never a pass.
    Unknown(String),
}

/// The values that a measure can have, given what may have been missed.
struct Bounds {
    least: u64,
    /// `None`: there is no bound.
    most: Option<u64>,
}

impl Ledger {
    /// The value of a measure, if it is known.
    pub fn measure(&self, measure: Measure) -> Measured {
        if let Some(reason) = self.never_read(measure) {
            return Measured::Unknown(reason);
        }
        let bounds = self.bounds(measure);
        if bounds.most == Some(bounds.least) {
            return Measured::Known(bounds.least);
        }
        let range = match bounds.most {
            Some(most) => format!("between {} and {most}", bounds.least),
            None => format!("at least {}", bounds.least),
        };
        Measured::Unknown(format!("{measure} is {range}: {}", self.not_read()))
    }

    /// Why the measure means nothing with the stages there are.
    fn never_read(&self, measure: Measure) -> Option<String> {
        let has = |wanted: fn(&StageReading) -> bool| self.facts.stages.iter().any(wanted);
        let settled = || has(|stage| stage.spec.role == StageRole::Settled);
        let lacking = match measure {
            Measure::Lost | Measure::Phantom | Measure::Scattered if !has(|_| true) => "stage",
            Measure::Settled | Measure::Duplicated | Measure::Stuck if !settled() => {
                "stage where messages settle"
            }
            Measure::Stuck if !has(|stage| stage.spec.role == StageRole::Trace) => {
                "stage that traces messages on their way"
            }
            Measure::Unwanted if !has(|stage| stage.spec.role == StageRole::Unwanted) => {
                "stage for unwanted ends"
            }
            Measure::Late if !has(|stage| limit_us(stage).is_some()) => {
                "settled stage with a time limit"
            }
            _ => return None,
        };
        Some(format!(
            "{measure} cannot be told: the ledger has no {lacking}"
        ))
    }

    fn bounds(&self, measure: Measure) -> Bounds {
        let counts = &self.counts;
        let exactly = |value| Bounds {
            least: value,
            most: Some(value),
        };
        let open = self.open_roles();
        match measure {
            Measure::Attempted => exactly(counts.attempted),
            Measure::Acknowledged => exactly(counts.acknowledged),
            Measure::Failed => exactly(counts.failed),
            Measure::Indeterminate => exactly(counts.indeterminate),
            Measure::Settled => self.fate_bounds(Fate::Settled),
            Measure::Unwanted => self.fate_bounds(Fate::Unwanted),
            Measure::Lost => self.fate_bounds(Fate::Lost),
            Measure::Stuck => self.fate_bounds(Fate::Stuck),
            Measure::Late => self.sum(|entry| entry.late_bounds(open, &self.facts)),
            // Anything may be there once more, also what nobody sent.
            Measure::Duplicated => Bounds {
                least: counts.duplicated,
                most: (!open.settled).then_some(counts.duplicated),
            },
            // There may be a further record of any message, in any partition.
            Measure::Scattered => Bounds {
                least: counts.scattered,
                most: (!open.any()).then_some(counts.scattered),
            },
            Measure::Phantom => Bounds {
                least: counts.phantom,
                most: (!open.any()).then_some(counts.phantom),
            },
        }
    }

    fn fate_bounds(&self, fate: Fate) -> Bounds {
        let open = self.open_roles();
        self.sum(|entry| {
            let seen = entry.roles(&self.facts);
            let possible = |fate| Fate::possible(seen, open, fate);
            let certain = Fate::ALL
                .into_iter()
                .all(|other| possible(other) == (other == fate));
            (certain, possible(fate))
        })
    }

    /// Sums over the entries: `counts` says whether one certainly counts, and whether it could.
    fn sum(&self, counts: impl Fn(&Entry) -> (bool, bool)) -> Bounds {
        let (mut least, mut most) = (0, 0);
        for entry in &self.entries {
            let (certain, possible) = counts(entry);
            least += u64::from(certain);
            most += u64::from(possible);
        }
        Bounds {
            least,
            most: Some(most),
        }
    }

    /// Which stages were not read completely, and why.
    fn not_read(&self) -> String {
        let reasons: Vec<String> = self
            .facts
            .stages
            .iter()
            .filter_map(|stage| {
                let reason = stage.incomplete.as_ref()?;
                Some(format!(
                    "stage `{}` was not read completely ({reason})",
                    stage.spec.name
                ))
            })
            .collect();
        reasons.join(", ")
    }
}
