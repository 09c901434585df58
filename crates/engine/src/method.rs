//! The method and the rollbacks: activities in their order, with their pauses.

use std::sync::Arc;

use serde_json::json;
use shaketable_experiment::{Activity, ActivityKind, Provider};

use crate::abort::Abort;
use crate::injections::Injections;
use crate::journal::Journal;
use crate::probes::ask;
use crate::progress::Progress;

/// Carries out activities until all are done or the run is to end. As with the Chaos Toolkit, one
/// that fails does not stop the next; but what an action was to do and did not is returned, in
/// words, for the verdict.
pub async fn carry_out(
    activities: &[Activity],
    injections: &mut Injections,
    abort: &Abort,
    journal: &Arc<Journal>,
    progress: &Arc<dyn Progress>,
) -> Vec<String> {
    let mut not_done = Vec::new();
    for activity in activities {
        let done = abort.or(async {
            tokio::time::sleep(activity.pauses_before).await;
            let failure = one(activity, injections, journal, progress).await;
            tokio::time::sleep(activity.pauses_after).await;
            failure
        });
        match done.await {
            None => {
                journal.write("activity-cut-short", json!({ "name": activity.name }));
                return not_done;
            }
            Some(Some(reason)) if activity.kind == ActivityKind::Action => {
                not_done.push(format!(
                    "action `{}` could not be carried out: {reason}",
                    activity.name
                ));
            }
            Some(_) => {}
        }
    }
    not_done
}

/// Carries one out; the value says why it could not be. A fault has its own record.
async fn one(
    activity: &Activity,
    injections: &mut Injections,
    journal: &Arc<Journal>,
    progress: &Arc<dyn Progress>,
) -> Option<String> {
    journal.write("activity-begun", json!({ "name": activity.name }));
    let mut failure = None;
    let detail = match &activity.provider {
        Provider::Fault(call) => {
            json!({ "confirmed": injections.inject(&activity.name, call).await })
        }
        provider => match ask(provider, None).await {
            Ok(output) => json!({ "output": output }),
            Err(reason) => {
                progress.event(&format!("activity `{}` failed: {reason}", activity.name));
                failure = Some(reason.clone());
                json!({ "failed": reason })
            }
        },
    };
    journal.write(
        "activity-ended",
        json!({ "name": activity.name, "result": detail }),
    );
    failure
}
