//! Activities in the background: each in a task of its own while the next ones are carried out.
//!
//! All are waited for at the end of their part; each ends by its own timeouts. When the run is to end
//! they are cancelled, and have ended when [`Background::finish`] returns.

use shaketable_experiment::Activity;
use tokio::task::JoinHandle;

use crate::stagehand::{Done, Stagehand};
use crate::toolkit_journal::Section;

/// Those that have begun. Dropping it cancels them.
#[derive(Default)]
pub struct Background {
    tasks: Vec<(Activity, JoinHandle<Done>)>,
}

impl Background {
    /// Begins an activity.
    pub fn begin(&mut self, stagehand: &Stagehand, activity: &Activity, section: Section) {
        let (stagehand, activity) = (stagehand.in_background(), activity.clone());
        let task = tokio::spawn({
            let activity = activity.clone();
            async move { stagehand.one(&activity, section, None).await }
        });
        self.tasks.push((activity, task));
    }

    /// Waits for all; what they were to do and did not, in words.
    pub async fn finish(mut self, stagehand: &Stagehand) -> Vec<String> {
        let mut not_done = Vec::new();
        for (activity, task) in &mut self.tasks {
            match stagehand.abort.or(&mut *task).await {
                Some(Ok(done)) => not_done.extend(done.shortfall(activity)),
                Some(Err(error)) => not_done.push(format!(
                    "`{}` could not be carried out: {error}",
                    activity.name
                )),
                None => {
                    task.abort();
                    // It ends at its next wait; it has no others that are not bounded.
                    let _ = task.await;
                }
            }
        }
        not_done
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.tasks.iter().for_each(|(_, task)| task.abort());
    }
}
