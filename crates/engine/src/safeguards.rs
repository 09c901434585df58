//! Safeguards: probes that are asked all the time; a breach ends the run, whatever it is doing.
//!
//! A probe that gives no answer is a breach: a safeguard that cannot be observed guards nothing. Each is
//! asked anew when its period is over, whether or not other activities go on; an answer takes as long as
//! the probe's own timeouts allow.

use serde_json::json;
use shaketable_experiment::Safeguard;
use shaketable_faults::Observed;

use crate::stagehand::Stagehand;

/// The tasks that watch; they end when this is dropped.
pub struct Watch {
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// Begins to watch, but for what a dry run leaves out.
pub fn watch(safeguards: &[Safeguard], stagehand: &Stagehand) -> Watch {
    let meant = safeguards
        .iter()
        .filter(|safeguard| !stagehand.leaves_out(&safeguard.activity));
    let tasks = meant
        .map(|safeguard| {
            let (safeguard, asker) = (safeguard.clone(), stagehand.asker.in_background());
            let (abort, journal) = (stagehand.abort.clone(), stagehand.journal.clone());
            tokio::spawn(async move {
                let mut clock = tokio::time::interval(safeguard.every);
                clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                loop {
                    clock.tick().await;
                    let holds = match asker.prepare(&safeguard.activity) {
                        Ok(activity) => asker.judge(&activity, None, true).await.holds,
                        Err(reason) => Observed::Unknown(reason),
                    };
                    if !holds.is_yes() {
                        let name = &safeguard.activity.name;
                        let reason = holds.detail();
                        let reason = format!("safeguard `{name}` was breached: {reason}");
                        abort.request(asker.redaction.text(&reason));
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
