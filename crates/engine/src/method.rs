//! The method and the rollbacks: activities in their order, around them their controls.

use serde_json::{Value, json};
use shaketable_experiment::{Activity, Setter};

use crate::background::Background;
use crate::controls::Level;
use crate::stagehand::Stagehand;
use crate::toolkit_journal::Section;

/// Which part of an experiment is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What is done.
    Method,
    /// What is done at the end. What would undo an activity that never began is left out.
    Rollbacks,
}

impl Part {
    fn section(self) -> Section {
        match self {
            Part::Method => Section::Method,
            Part::Rollbacks => Section::Rollbacks,
        }
    }

    fn level(self) -> Level {
        match self {
            Part::Method => Level::Method,
            Part::Rollbacks => Level::Rollback,
        }
    }
}

impl Stagehand {
    /// Carries out activities until all are done or the run is to end. As with the Chaos Toolkit,
    /// one that fails does not stop the next; but what was to be done and was not is returned, in
    /// words, for the verdict.
    pub async fn carry_out_part(&self, activities: &[Activity], part: Part) -> Vec<String> {
        let (level, section) = (part.level(), part.section());
        let controls = self.controls.of(level);
        let context: Value = activities.iter().map(|a| a.source.clone()).collect();
        let before = self
            .controls
            .before(level, &controls, &context, self.caller());
        self.abort.or(before).await;
        let mut not_done = Vec::new();
        let mut background = Background::default();
        for activity in activities {
            if self.abort.reason().is_some() {
                break;
            }
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
            if activity.background {
                background.begin(self, activity, section);
                continue;
            }
            match self.abort.or(self.one(activity, section, None)).await {
                None => break,
                Some(done) => not_done.extend(done.shortfall(activity)),
            }
        }
        not_done.extend(background.finish(self).await);
        let state = self.toolkit.ended(section);
        let after = self
            .controls
            .after(level, &controls, &context, &state, self.caller());
        // Also after an early end, but not if it was asked for twice.
        self.abort.second().or(after).await;
        not_done
    }

    /// What sets a value that an activity waits for, if that never began.
    fn never_begun(&self, activity: &Activity) -> Option<String> {
        let values = self.asker.exchange.values();
        match activity.waits_for(&values)? {
            Setter::Control(control) => {
                (!self.asker.exchange.has_begun(control)).then(|| control.clone())
            }
            Setter::Output(name) => (!self.toolkit.has_begun(name)).then(|| name.clone()),
            Setter::Python | Setter::Source => None,
        }
    }
}
