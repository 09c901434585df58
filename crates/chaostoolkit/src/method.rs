//! The method of a run.

use std::rc::Rc;

use crate::background::Background;
use crate::controls::{self, Level, Scope};
use crate::events::Event;
use crate::halt::Halt;
use crate::journal::{Place, Runs, Section};
use crate::runner::Run;
use crate::signals::Lane;
use shaketable_dialect::Value;

impl Run {
    /// Plays the method; false when an unexpected exception ended it, and so aborted the run.
    ///
    /// # Errors
    /// What interrupts the run.
    pub(crate) async fn play_method(self: &Rc<Self>, lane: &Lane) -> Result<bool, Halt> {
        let logger = &self.session.logger;
        logger.info("Playing your experiment's method now...");
        self.observe(Event::MethodStarted).await;
        let runs = Rc::clone(&self.state.borrow().journal.run);
        match self.activities_with_controls(&runs, lane).await {
            Ok(()) => {
                self.observe(Event::MethodCompleted).await;
                Ok(true)
            }
            Err(halt @ Halt::Interrupted(_)) => {
                self.observe(Event::MethodCompleted).await;
                Err(halt)
            }
            Err(Halt::Unexpected(raised)) => {
                self.set_status("aborted");
                self.observe(Event::MethodCompleted).await;
                logger.critical(format!(
                    "Experiment ran into an un expected fatal error, aborting now.\nTraceback (most recent call last):\n{raised}"
                ));
                Ok(false)
            }
            Err(halt) => Err(halt),
        }
    }

    async fn activities_with_controls(
        self: &Rc<Self>,
        runs: &Runs,
        lane: &Lane,
    ) -> Result<(), Halt> {
        let level = Level::Method;
        let before = self.apply_controls(level, Scope::Before, controls::State::None, lane);
        let (done, state) = match before.await {
            Ok(()) => (
                self.all_activities(runs, lane).await,
                controls::State::Runs(runs),
            ),
            Err(halt) => (Err(halt), controls::State::None),
        };
        let after = self.apply_controls(level, Scope::After, state, lane).await;
        after.and(done)
    }

    async fn all_activities(self: &Rc<Self>, runs: &Runs, lane: &Lane) -> Result<(), Halt> {
        let mut background = Background::new();
        let done = self.each_activity(runs, &mut background, lane).await;
        match &done {
            Ok(()) | Err(Halt::Unexpected(_)) => background.wait(lane).await?,
            Err(halt) => background.wind_down(halt, lane).await,
        }
        done
    }

    async fn each_activity(
        self: &Rc<Self>,
        runs: &Runs,
        background: &mut Background,
        lane: &Lane,
    ) -> Result<(), Halt> {
        let mut index = 0;
        loop {
            let place = Place::Method(index);
            let experiment = self.experiment();
            let Some(activity) = place.find(&experiment) else {
                break;
            };
            index += 1;
            if activity.get("background").is_some_and(Value::is_truthy) {
                let logger = &self.session.logger;
                logger.debug("activity will run in the background");
                background.start(self, place, Section::Method, runs).await;
            } else {
                self.execute(place, Section::Method, Some(runs), lane)
                    .await?;
            }
            if matches!(self.status(), Some("aborted" | "failed" | "interrupted")) {
                return Ok(());
            }
        }
        if index == 0 {
            let logger = &self.session.logger;
            logger.info("No declared activities, let's move on.");
        }
        Ok(())
    }
}
