//! The stagehand: carries one activity out, with its controls and pauses, and says what came of it.
//!
//! Every activity of a run goes through here, but for safeguards and the samples of the hypothesis, which
//! have neither controls nor pauses. What a dry run leaves out is in the journal, and was not done.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shaketable_experiment::{Activity, ActivityKind, Dry, Provider};
use shaketable_faults::Observed;
use shaketable_ledger::Ledger;

use crate::abort::Abort;
use crate::calls;
use crate::carrying::Carried;
use crate::controls::{Caller, Controls, Level};
use crate::injections::Injections;
use crate::journal::Journal;
use crate::probes::Asker;
use crate::progress::Progress;
use crate::toolkit_journal::{Ending, Section, ToolkitJournal};

/// What carries out activities, and who is told.
#[derive(Clone)]
pub struct Stagehand {
    /// Who asks.
    pub asker: Asker,
    /// The faults of the run.
    pub injections: Arc<Injections>,
    /// The journal.
    pub journal: Arc<Journal>,
    /// What of it is the Chaos Toolkit's.
    pub toolkit: ToolkitJournal,
    /// The controls of the run.
    pub controls: Arc<Controls>,
    /// Who is told.
    pub progress: Arc<dyn Progress>,
    /// What is not really done.
    pub dry: Option<Dry>,
    /// How activities are ended early; also code of theirs may ask for that.
    pub abort: Abort,
    /// Whether it works beside others.
    pub in_background: bool,
}

/// What came of an activity.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Its output; none if it failed.
    pub output: Option<Value>,
    /// Whether its tolerance holds, if that was asked.
    pub holds: Option<Observed>,
    /// Why it could not be carried out. A fault has its own record.
    pub failure: Option<String>,
    /// Whether it was left out of a dry run.
    pub is_left_out: bool,
    exception: Vec<String>,
    detail: Value,
}

impl Stagehand {
    /// The same for what goes on beside the activities in their order.
    pub fn in_background(&self) -> Stagehand {
        Stagehand {
            asker: self.asker.in_background(),
            in_background: true,
            ..self.clone()
        }
    }

    /// What of an activity is not really done.
    pub fn dry(&self, activity: &Activity) -> Option<Dry> {
        activity.dry.or(self.dry)
    }

    /// Whether an activity is left out.
    pub fn leaves_out(&self, activity: &Activity) -> bool {
        let dry = self.dry(activity);
        dry.is_some_and(|dry| dry.leaves_out(activity.kind))
    }

    /// For controls.
    pub fn caller(&self) -> Caller<'_> {
        Caller {
            asker: &self.asker,
            in_background: self.in_background,
            abort: &self.abort,
        }
    }

    /// Carries one out; in a hypothesis it is judged. `ledger` is what a ledger probe is answered from.
    pub async fn one(
        &self,
        activity: &Activity,
        section: Section,
        ledger: Option<&Ledger>,
    ) -> Done {
        let pause = async |pause: Duration| {
            if !pause.is_zero() && self.dry(activity) != Some(Dry::Pause) {
                tokio::time::sleep(pause).await;
            }
        };
        let controls = self.controls.of_activity(activity);
        let context = &activity.source;
        self.controls
            .before(Level::Activity, &controls, context, self.caller())
            .await;
        pause(activity.pauses_before).await;
        for control in &activity.controls {
            if let Some(known) = shaketable_extensions::control(&control.module) {
                self.asker.exchange.begin(&control.module, known.sets);
            }
        }
        let begun = self.toolkit.activity_started(section, activity);
        let mut done = if self.leaves_out(activity) {
            self.progress
                .event(&format!("{}: left out, this is a dry run", activity.name));
            Done {
                is_left_out: true,
                detail: json!({ "dry": true }),
                ..Done::default()
            }
        } else {
            self.carry_out(activity, section, ledger).await
        };
        let entry = begun.end(Ending {
            status: match done.failure {
                None => "succeeded",
                Some(_) => "failed",
            },
            output: done.output.clone().unwrap_or_default(),
            exception: std::mem::take(&mut done.exception),
            tolerance_met: done.holds.as_ref().map(Observed::is_yes),
            detail: done.detail.take(),
        });
        if !done.is_left_out
            && let Err(reason) =
                self.controls
                    .after_native(&controls, done.output.as_ref(), &self.asker)
        {
            done.failure.get_or_insert(reason);
        }
        self.controls
            .after(Level::Activity, &controls, context, &entry, self.caller())
            .await;
        pause(activity.pauses_after).await;
        done
    }

    async fn carry_out(
        &self,
        activity: &Activity,
        section: Section,
        ledger: Option<&Ledger>,
    ) -> Done {
        let prepared = match self.asker.prepare(activity) {
            Ok(prepared) => prepared,
            Err(reason) => {
                let in_hypothesis = section != Section::Method && section != Section::Rollbacks;
                let holds = in_hypothesis.then(|| Observed::Unknown(reason.clone()));
                return self.asked(activity, Carried::not_begun(reason), holds);
            }
        };
        match &prepared.provider {
            Provider::Fault(call) => {
                let confirmed = self.injections.inject(&activity.name, call).await;
                Done {
                    output: Some(json!({ "fault": call.fault, "confirmed": confirmed })),
                    detail: json!({ "confirmed": confirmed }),
                    ..Done::default()
                }
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
                let detail =
                    json!({ "bound": function, "faults": calls.len(), "confirmed": confirmed });
                Done {
                    output: Some(detail.clone()),
                    detail,
                    ..Done::default()
                }
            }
            _ if matches!(section, Section::Method | Section::Rollbacks)
                && prepared.until.is_none() =>
            {
                let carried = self.asker.carry_out(&prepared, ledger).await;
                if let (Provider::Function(call), Ok(output)) =
                    (&prepared.provider, &carried.output)
                    && calls::writes_to_site(call, &self.asker.site)
                {
                    self.asker.exchange.note_written(output);
                }
                self.asked(activity, carried, None)
            }
            _ => {
                let judged = self.asker.judge(&prepared, ledger, true).await;
                self.asked(activity, judged.carried, Some(judged.holds))
            }
        }
    }

    fn asked(&self, activity: &Activity, carried: Carried, holds: Option<Observed>) -> Done {
        let name = &activity.name;
        if let Some(reason) = &carried.interrupts {
            let reason = format!("activity `{name}` interrupted it: {reason}");
            self.abort.request(self.asker.redaction.text(&reason));
        }
        let mut done = Done::default();
        match carried.output {
            Ok(output) => {
                if holds.is_none() {
                    self.progress
                        .event(&format!("{name}: {}", self.asker.brief(&output)));
                }
                done.detail = json!({ "output": output });
                done.output = Some(output);
            }
            Err(reason) => {
                self.progress
                    .event(&format!("activity `{name}` failed: {reason}"));
                done.detail = json!({ "failed": reason });
                done.exception = carried.exception;
                if done.exception.is_empty() {
                    done.exception.push(format!("{reason}\n"));
                }
                done.failure = Some(reason);
            }
        }
        if carried.attempts > 1
            && let Some(detail) = done.detail.as_object_mut()
        {
            detail.insert("attempts".to_owned(), carried.attempts.into());
        }
        done.holds = holds;
        done
    }
}

impl Done {
    /// What an activity of the method or of the rollbacks was to do and did not, in words. A probe that
    /// fails there without being waited for says nothing, as with the Chaos Toolkit; that one was left
    /// out of a dry run is said once, for the run.
    pub fn shortfall(&self, activity: &Activity) -> Option<String> {
        if self.is_left_out {
            return None;
        }
        let kind = match activity.kind {
            ActivityKind::Probe => "probe",
            ActivityKind::Action => "action",
        };
        let could_not = |reason: &str| {
            let name = &activity.name;
            format!("{kind} `{name}` could not be carried out: {reason}")
        };
        match (&self.holds, &self.failure) {
            (Some(holds), _) if !holds.is_yes() => Some(could_not(holds.detail())),
            (_, Some(reason)) if activity.kind == ActivityKind::Action => Some(could_not(reason)),
            _ => None,
        }
    }
}
