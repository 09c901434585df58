//! `heal`, and the healing that goes before every other command.

use shaketable_faults::{Context, Healed, heal_all, heal_leftovers};
use shaketable_testbed::{Home, TestbedError};

use crate::exit::Exit;
use crate::terminal;

/// Heals what dead runs left behind, and says so. Returns whether anything could not be healed.
pub async fn leftovers(home: &Home) -> bool {
    let healed = heal_leftovers(&Context::new(home.clone())).await;
    tell(&healed)
}

/// `heal`: also the faults of runs that still live.
pub async fn all(home: &Home) -> Result<Exit, TestbedError> {
    let healed = heal_all(&Context::new(home.clone())).await;
    if healed.is_empty() {
        terminal::note("no fault is recorded: nothing to heal");
    }
    Ok(if tell(&healed) {
        Exit::Error
    } else {
        Exit::Passed
    })
}

fn tell(healed: &[Healed]) -> bool {
    let mut failed = false;
    for one in healed {
        let what = match &one.record {
            Some(record) => format!(
                "{} of {} ({}), applied by run {} at {}",
                record.fault, record.target, record.hit.instance, record.run, record.applied_at
            ),
            None => "a fault whose record cannot be read".to_owned(),
        };
        if one.is_healed() {
            let seen = one
                .outcome
                .as_ref()
                .map_or("", |observed| observed.detail());
            terminal::note(&format!("healed: {what}; {seen}"));
        } else {
            failed = true;
            let why = match &one.outcome {
                Ok(observed) => observed.detail().to_owned(),
                Err(error) => error.to_string(),
            };
            terminal::error(&format!("not healed: {what}: {why}"));
        }
    }
    failed
}
