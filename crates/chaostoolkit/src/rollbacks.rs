//! The rollbacks of a run.
//!
//! 1. The strategy decides from the status and from whether the run deviated.
//! 2. A rollback that hits an unexpected exception is failed, the run aborted, and the next rollbacks
//!    are played (the reference dies there).

use std::cell::RefCell;
use std::rc::Rc;

use shaketable_dialect::{Raised, Value, text};

use crate::background::Background;
use crate::controls::{self, Level, Scope};
use crate::events::Event;
use crate::execution::fail;
use crate::halt::Halt;
use crate::journal::{Entry, Place, Runs, Section, now};
use crate::runner::Run;
use crate::signals::Lane;

impl Run {
    /// Plays the rollbacks if the strategy wants it.
    pub(crate) async fn play_rollbacks(self: &Rc<Self>, strategy: &str, lane: &Lane) {
        if !self.wants_rollbacks(strategy) {
            return;
        }
        let logger = &self.session.logger;
        self.observe(Event::RollbacksStarted).await;
        let runs = Rc::clone(&self.state.borrow().journal.rollbacks);
        match self.rollbacks_with_controls(&runs, lane).await {
            Ok(()) => {}
            Err(Halt::Interrupted(message)) => {
                self.set_status("interrupted");
                logger.critical(message);
            }
            Err(Halt::Unexpected(raised)) => {
                self.abort(&raised);
            }
            Err(Halt::Keyboard | Halt::Exit(_) | Halt::Cancelled) => {
                self.set_status("interrupted");
                logger.warning(
                    "Received an exit signal.Terminating now without running the remaining rollbacks.",
                );
            }
        }
        self.observe(Event::RollbacksCompleted).await;
    }

    fn wants_rollbacks(&self, strategy: &str) -> bool {
        let logger = &self.session.logger;
        match strategy {
            "always" => {
                logger.warning("Rollbacks were explicitly requested to be played");
                true
            }
            "never" => {
                logger.warning("Rollbacks were explicitly requested to not be played");
                false
            }
            "default" => !matches!(self.status(), Some("failed" | "interrupted")),
            "deviated" if self.state.borrow().journal.deviated => {
                logger.warning("Rollbacks will be played only because the experiment deviated");
                true
            }
            "deviated" => {
                logger.warning(
                    "Rollbacks were explicitely requested to be played only if the experiment \
                     deviated. Since this is not the case, we will not play them.",
                );
                false
            }
            _ => false,
        }
    }

    async fn rollbacks_with_controls(
        self: &Rc<Self>,
        runs: &Runs,
        lane: &Lane,
    ) -> Result<(), Halt> {
        self.session.logger.info("Let's rollback...");
        let level = Level::Rollback;
        let before = self.apply_controls(level, Scope::Before, controls::State::None, lane);
        let (done, state) = match before.await {
            Ok(()) => (
                self.all_rollbacks(runs, lane).await,
                controls::State::Runs(runs),
            ),
            Err(halt) => (Err(halt), controls::State::None),
        };
        let after = self.apply_controls(level, Scope::After, state, lane).await;
        after.and(done)
    }

    async fn all_rollbacks(self: &Rc<Self>, runs: &Runs, lane: &Lane) -> Result<(), Halt> {
        let mut background = Background::new();
        let done = self.each_rollback(runs, &mut background, lane).await;
        match done {
            Ok(()) => background.wait(lane).await,
            Err(halt) => {
                background.wind_down(&halt, lane).await;
                Err(halt)
            }
        }
    }

    async fn each_rollback(
        self: &Rc<Self>,
        runs: &Runs,
        background: &mut Background,
        lane: &Lane,
    ) -> Result<(), Halt> {
        let logger = &self.session.logger;
        let mut index = 0;
        loop {
            let place = Place::Rollback(index);
            let experiment = self.experiment();
            let Some(activity) = place.find(&experiment) else {
                break;
            };
            index += 1;
            let name = text::str(&activity.get("name").into());
            logger.info(format!("Rollback: {name}"));
            if activity.get("background").is_some_and(Value::is_truthy) {
                logger.debug("rollback activity will run in the background");
                background
                    .start(self, place, Section::Rollbacks, runs)
                    .await;
                continue;
            }
            let before = runs.borrow().len();
            let executed = self.execute(place, Section::Rollbacks, Some(runs), lane);
            match executed.await {
                Ok(_) => {}
                Err(Halt::Unexpected(raised)) => {
                    self.fail_rollback(runs, before, place, activity, &raised);
                    self.abort(&raised);
                }
                Err(halt) => return Err(halt),
            }
        }
        if index == 0 {
            logger.info("No declared rollbacks, let's move on.");
        }
        Ok(())
    }

    /// The entry of a rollback that could not be played; made now if it never started.
    fn fail_rollback(
        &self,
        runs: &Runs,
        before: usize,
        place: Place,
        activity: &Value,
        raised: &Raised,
    ) {
        if runs.borrow().len() == before {
            let id = self.chronicle.next_id();
            let now = now();
            let mut entry = Entry::new(id, place, activity, &now);
            let fields = Value::Dict(entry.fields.clone());
            self.chronicle
                .activity_started(Section::Rollbacks, id, &fields);
            entry.fields.insert("end", now);
            entry.fields.insert("duration", 0.0);
            runs.borrow_mut().push(Rc::new(RefCell::new(entry)));
        }
        let Some(entry) = runs.borrow().get(before).cloned() else {
            return;
        };
        if entry.borrow().status().is_none() {
            let line = format!("{}: {}\n", raised.kind, raised.message);
            fail(&mut entry.borrow_mut().fields, vec![line]);
            self.chronicle_end(&entry);
        }
    }

    fn abort(&self, raised: &Raised) {
        if matches!(self.status(), None | Some("completed")) {
            self.set_status("aborted");
        }
        let message = format!("A rollback ran into an unexpected error: {raised}");
        self.session.logger.critical(message);
    }
}
