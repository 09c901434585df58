//! Leftovers: faults whose engine died before it could undo them.

use crate::fault::{Context, FaultError, Observed};
use crate::injection::Injection;
use crate::undo::{UndoJournal, UndoRecord};

/// What became of one leftover.
#[derive(Debug)]
pub struct Healed {
    /// Its record, when it could be read.
    pub record: Option<UndoRecord>,
    /// What was seen after undoing it, or why it could not be undone.
    pub outcome: Result<Observed, FaultError>,
}

impl Healed {
    /// Whether nothing of it is left.
    pub fn is_healed(&self) -> bool {
        matches!(&self.outcome, Ok(observed) if observed.is_yes())
    }
}

/// Undoes every fault whose engine no longer lives. Faults of living engines are left to them.
pub async fn heal_leftovers(context: &Context) -> Vec<Healed> {
    heal(context, |record| !record.engine.is_alive()).await
}

/// Undoes every recorded fault, also of engines that live.
pub async fn heal_all(context: &Context) -> Vec<Healed> {
    heal(context, |_| true).await
}

async fn heal(context: &Context, wanted: impl Fn(&UndoRecord) -> bool) -> Vec<Healed> {
    let mut healed = Vec::new();
    for record in UndoJournal::new(context.home().faults()).all() {
        match record {
            Err(error) => healed.push(Healed {
                record: None,
                outcome: Err(error),
            }),
            Ok(record) if wanted(&record) => {
                let outcome = match Injection::resume(context, record.clone()) {
                    Ok(mut injection) => Ok(injection.recover().await),
                    Err(error) => Err(error),
                };
                healed.push(Healed {
                    record: Some(record),
                    outcome,
                });
            }
            Ok(_) => {}
        }
    }
    healed
}
