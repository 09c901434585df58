//! Safeguards: probes that are asked all the time; a breach ends the run.
//!
//! A probe that gives no answer is a breach: a safeguard that cannot be observed guards nothing.

use std::sync::Arc;

use serde_json::json;
use shaketable_experiment::Safeguard;

use crate::abort::Abort;
use crate::journal::Journal;
use crate::probes::{Asker, judge};

/// The tasks that watch; they end when this is dropped.
pub struct Watch {
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// Begins to watch.
pub fn watch(
    safeguards: &[Safeguard],
    asker: &Asker,
    abort: &Abort,
    journal: &Arc<Journal>,
) -> Watch {
    let tasks = safeguards
        .iter()
        .map(|safeguard| {
            let (safeguard, asker) = (safeguard.clone(), asker.clone());
            let (abort, journal) = (abort.clone(), journal.clone());
            tokio::spawn(async move {
                let mut clock = tokio::time::interval(safeguard.every);
                clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                loop {
                    clock.tick().await;
                    let output = asker.ask(&safeguard.activity.provider, None).await;
                    let holds = judge(&output, safeguard.activity.tolerance.as_ref());
                    if !holds.is_yes() {
                        let name = &safeguard.activity.name;
                        abort.request(format!(
                            "safeguard `{name}` was breached: {}",
                            holds.detail()
                        ));
                        journal.write(
                            "safeguard-breached",
                            json!({ "name": name, "holds": holds }),
                        );
                        return;
                    }
                }
            })
        })
        .collect();
    Watch { tasks }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
