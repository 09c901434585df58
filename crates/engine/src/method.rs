//! The method and the rollbacks: activities in their order, with their pauses.

use std::sync::Arc;

use serde_json::json;
use shaketable_experiment::{Activity, Provider};

use crate::abort::Abort;
use crate::injections::Injections;
use crate::journal::Journal;
use crate::probes::ask;
use crate::progress::Progress;

/// Carries out activities until all are done or the run is to end. As with the Chaos Toolkit, the
/// outcome of one does not stop the next; what matters is in the hypothesis and in the faults.
pub async fn carry_out(
    activities: &[Activity],
    injections: &mut Injections,
    abort: &Abort,
    journal: &Arc<Journal>,
    progress: &Arc<dyn Progress>,
) {
    for activity in activities {
        let done = abort.or(async {
            tokio::time::sleep(activity.pauses_before).await;
            one(activity, injections, journal, progress).await;
            tokio::time::sleep(activity.pauses_after).await;
        });
        if done.await.is_none() {
            journal.write("activity-cut-short", json!({ "name": activity.name }));
            return;
        }
    }
}

async fn one(activity: &Activity, injections: &mut Injections, journal: &Arc<Journal>, progress: &Arc<dyn Progress>) {
    journal.write("activity-begun", json!({ "name": activity.name }));
    let detail = match &activity.provider {
        Provider::Fault(call) => json!({ "confirmed": injections.inject(&activity.name, call).await }),
        provider => match ask(provider, None).await {
            Ok(output) => json!({ "output": output }),
            Err(reason) => {
                progress.event(&format!("activity `{}` failed: {reason}", activity.name));
                json!({ "failed": reason })
            }
        },
    };
    journal.write("activity-ended", json!({ "name": activity.name, "result": detail }));
}
