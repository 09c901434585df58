//! The method and the rollbacks: activities in their order, with their pauses and controls.

use std::sync::Arc;

use serde_json::json;
use shaketable_experiment::{Activity, ActivityKind, Provider};

use crate::abort::Abort;
use crate::calls;
use crate::injections::Injections;
use crate::journal::Journal;
use crate::probes::{Asker, brief};
use crate::progress::Progress;

/// What carries out activities, and who is told.
pub struct Stagehand<'a> {
    /// Who asks.
    pub asker: &'a Asker,
    /// The faults of the run.
    pub injections: &'a mut Injections,
    /// The journal.
    pub journal: &'a Arc<Journal>,
    /// Who is told.
    pub progress: &'a Arc<dyn Progress>,
}

/// Which part of an experiment is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What is done.
    Method,
    /// What is done at the end in any case. What would undo an activity that never began is left
    /// out.
    Rollbacks,
}

impl Stagehand<'_> {
    /// Carries out activities until all are done or the run is to end. As with the Chaos Toolkit,
    /// one that fails does not stop the next; but what an action was to do and did not is returned,
    /// in words, for the verdict.
    pub async fn carry_out(
        &mut self,
        activities: &[Activity],
        part: Part,
        abort: &Abort,
    ) -> Vec<String> {
        let mut not_done = Vec::new();
        for activity in activities {
            if part == Part::Rollbacks
                && let Some(control) = self.never_begun(activity)
            {
                let what = json!({ "name": activity.name, "never_begun": control });
                self.journal.write("activity-left-out", what);
                self.progress.event(&format!(
                    "{}: left out, since what it would undo never began",
                    activity.name
                ));
                continue;
            }
            let done = abort.or(async {
                tokio::time::sleep(activity.pauses_before).await;
                let failure = self.one(activity).await;
                tokio::time::sleep(activity.pauses_after).await;
                failure
            });
            match done.await {
                None => {
                    self.journal
                        .write("activity-cut-short", json!({ "name": activity.name }));
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

    /// The control that an activity's arguments wait for, if its own activity never began.
    fn never_begun(&self, activity: &Activity) -> Option<String> {
        let Provider::Function(call) = &activity.provider else {
            return None;
        };
        let control = call.waits_for(&self.asker.exchange.values())?;
        (!self.asker.exchange.has_begun(&control)).then_some(control)
    }

    /// Carries one out; the value says why it could not be. A fault has its own record.
    async fn one(&mut self, activity: &Activity) -> Option<String> {
        self.journal
            .write("activity-begun", json!({ "name": activity.name }));
        for module in &activity.controls {
            if let Some(control) = shaketable_extensions::control(module) {
                self.asker.exchange.begin(module, control.sets);
            }
        }
        let mut failure = None;
        let mut given = None;
        let detail = match &activity.provider {
            Provider::Fault(call) => {
                json!({ "confirmed": self.injections.inject(&activity.name, call).await })
            }
            Provider::Bound { function, calls } => {
                let mut confirmed = Vec::new();
                for call in calls {
                    self.progress.event(&format!(
                        "binding: `{function}` is {} of {} on this system",
                        call.fault, call.target
                    ));
                    confirmed.push(self.injections.inject(&activity.name, call).await);
                }
                json!({ "bound": function, "faults": calls.len(), "confirmed": confirmed })
            }
            provider => match self.asker.ask(provider, None).await {
                Ok(output) => {
                    if let Provider::Function(call) = provider
                        && calls::writes_to_site(call, &self.asker.site)
                    {
                        self.asker.exchange.note_written(&output);
                    }
                    self.progress
                        .event(&format!("{}: {}", activity.name, brief(&output)));
                    given = Some(output.clone());
                    json!({ "output": output })
                }
                Err(reason) => {
                    self.progress
                        .event(&format!("activity `{}` failed: {reason}", activity.name));
                    failure = Some(reason.clone());
                    json!({ "failed": reason })
                }
            },
        };
        self.journal.write(
            "activity-ended",
            json!({ "name": activity.name, "result": detail }),
        );
        for module in &activity.controls {
            if let Err(reason) = self.control(module, given.as_ref()) {
                self.progress
                    .event(&format!("control `{module}` failed: {reason}"));
                failure.get_or_insert(format!("its control {module}: {reason}"));
            }
        }
        failure
    }

    /// Calls a control after its activity and keeps the values it sets.
    fn control(&self, module: &str, output: Option<&serde_json::Value>) -> Result<(), String> {
        let control = shaketable_extensions::control(module)
            .ok_or_else(|| "there is no such native control".to_owned())?;
        let values = control
            .after_activity(output)
            .map_err(|failure| failure.to_string())?;
        self.journal
            .write("control", json!({ "module": module, "sets": values }));
        self.asker.exchange.set(values);
        Ok(())
    }
}
