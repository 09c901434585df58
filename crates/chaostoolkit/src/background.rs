//! Activities that run beside the straight line: all of them are waited for, or ended.
//!
//! After a halt they get [`HALTED_GRACE`] to end by themselves, as they would in the reference, which
//! waits for ever; the next signal ends them at once.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::halt::{EXIT_WITHOUT_ROLLBACKS, Halt};
use crate::journal::{Place, Runs, Section};
use crate::runner::Run;
use crate::signals::Lane;

/// How long background activities may go on after a halt.
pub(crate) const HALTED_GRACE: Duration = Duration::from_secs(10);

/// The background activities of the method or of the rollbacks.
pub(crate) struct Background {
    tasks: JoinSet<()>,
    cancel: watch::Sender<bool>,
}

impl Background {
    pub(crate) fn new() -> Background {
        Background {
            tasks: JoinSet::new(),
            cancel: watch::Sender::new(false),
        }
    }

    /// Starts an activity. What halts it is lost, as it is in the reference: its entry has no status.
    pub(crate) async fn start(
        &mut self,
        run: &Rc<Run>,
        place: Place,
        section: Section,
        runs: &Runs,
    ) {
        let lane = Lane::Background(self.cancel.subscribe());
        let (run, runs) = (Rc::clone(run), Rc::clone(runs));
        self.tasks.spawn_local(async move {
            let logger = run.session.logger.clone();
            if let Err(halt) = run.execute(place, section, Some(&runs), &lane).await {
                logger.debug(format!("background activity ended: {halt}"));
            }
        });
        // It has its entry before the next activity has.
        tokio::task::yield_now().await;
    }

    /// Waits until all have ended.
    ///
    /// # Errors
    /// A halt that came while waiting; all are ended then.
    pub(crate) async fn wait(mut self, lane: &Lane) -> Result<(), Halt> {
        let waited = lane
            .guard(async { while self.tasks.join_next().await.is_some() {} })
            .await;
        if waited.is_err() {
            self.end().await;
        }
        waited
    }

    /// Waits for a bounded time after a halt, then ends those that still run.
    pub(crate) async fn wind_down(mut self, halt: &Halt, lane: &Lane) {
        if *halt != Halt::Exit(EXIT_WITHOUT_ROLLBACKS) {
            let all = async { while self.tasks.join_next().await.is_some() {} };
            // Out of time or halted again: both end what is left.
            let _ = tokio::time::timeout(HALTED_GRACE, lane.guard(all)).await;
        }
        self.end().await;
    }

    /// Ends all that still run and waits for them to have written their entries.
    async fn end(mut self) {
        self.cancel.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}
