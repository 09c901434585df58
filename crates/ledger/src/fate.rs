//! The fate of an acknowledged message: exactly one of four, decided by the roles of the stages
//! that showed it. Also which fates remain possible when not every stage was read to its end.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::StageRole;

/// How an acknowledged message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It arrived, and nowhere it should not.
    Settled,
    /// It ended in an unwanted stage.
    Unwanted,
    /// It was on its way when the drain ended.
    Stuck,
    /// No stage ever showed it.
    Lost,
}

impl Fate {
    /// All fates, in the order of the ledger's equation.
    pub const ALL: [Fate; 4] = [Fate::Settled, Fate::Unwanted, Fate::Stuck, Fate::Lost];

    /// The fate of a message that stages of exactly these roles showed.
    pub(crate) fn of(seen: Roles) -> Fate {
        if seen.unwanted {
            Fate::Unwanted
        } else if seen.settled {
            Fate::Settled
        } else if seen.trace {
            Fate::Stuck
        } else {
            Fate::Lost
        }
    }

    /// Whether a message with this fate could turn out to have `other` instead, if stages
    /// of the roles `open` may have shown more than `seen`.
    pub(crate) fn possible(seen: Roles, open: Roles, other: Fate) -> bool {
        let choices = |seen: bool, open: bool| [seen, seen || open];
        choices(seen.trace, open.trace).into_iter().any(|trace| {
            choices(seen.settled, open.settled)
                .into_iter()
                .any(|settled| {
                    choices(seen.unwanted, open.unwanted)
                        .into_iter()
                        .any(|unwanted| {
                            let roles = Roles {
                                trace,
                                settled,
                                unwanted,
                            };
                            Fate::of(roles) == other
                        })
                })
        })
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fate::Settled => "settled",
            Fate::Unwanted => "unwanted",
            Fate::Stuck => "stuck",
            Fate::Lost => "lost",
        })
    }
}

/// A set of stage roles.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Roles {
    pub trace: bool,
    pub settled: bool,
    pub unwanted: bool,
}

impl Roles {
    pub fn insert(&mut self, role: StageRole) {
        match role {
            StageRole::Trace => self.trace = true,
            StageRole::Settled => self.settled = true,
            StageRole::Unwanted => self.unwanted = true,
        }
    }

    pub fn any(self) -> bool {
        self.trace || self.settled || self.unwanted
    }
}

impl FromIterator<StageRole> for Roles {
    fn from_iter<I: IntoIterator<Item = StageRole>>(roles: I) -> Self {
        let mut set = Roles::default();
        for role in roles {
            set.insert(role);
        }
        set
    }
}
