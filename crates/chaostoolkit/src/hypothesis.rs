//! The steady-state hypothesis: evaluated once, or again and again beside the method.
//!
//! 1. Probes run in order; the first that fails or is not within its tolerance decides, later ones are
//!    not run.
//! 2. A value that a tolerance cannot be compared with is not within it, and the run is aborted (before
//!    and after the method the reference dies there).
//! 3. The evaluation beside the method ends when the method does, after the iteration at hand; when a
//!    halt ended the run it is given [`ITERATION_GRACE`] for that.

use std::rc::Rc;
use std::time::Duration;

use shaketable_dialect::{Dict, Value, template, text, tolerance};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::activity::{Failure, Providers};
use crate::controls::{self, Level, Scope};
use crate::events::Event;
use crate::halt::Halt;
use crate::journal::{HypothesisState, Place, Section};
use crate::runner::Run;
use crate::signals::Lane;
use crate::strategies::Dry;

/// How long the iteration at hand may take after a halt has ended the run.
pub const ITERATION_GRACE: Duration = Duration::from_secs(1);
/// The longest time between two iterations, where more is asked for: ten years.
const LONGEST_INTERVAL: f64 = 3.2e8;

impl Run {
    /// Evaluates the hypothesis before or after the method; tells whether it is met.
    ///
    /// # Errors
    /// What halts the run. What was found until then is in the journal if the run is aborted.
    pub(crate) async fn evaluate_phase(&self, section: Section, lane: &Lane) -> Result<bool, Halt> {
        let phase = section.name();
        self.observe(Event::HypothesisStarted {
            phase,
            frequency: None,
        })
        .await;
        let mut found = HypothesisState::default();
        let evaluated = self.evaluate(section, &mut found, lane).await;
        if !matches!(evaluated, Ok(()) | Err(Halt::Unexpected(_))) {
            return evaluated.map(|()| false);
        }
        let state = found.value(&self.experiment());
        {
            let journal = &mut self.state.borrow_mut().journal;
            match section {
                Section::Before => journal.before = Some(found),
                _ => journal.after = Some(found),
            }
        }
        self.observe(Event::HypothesisCompleted {
            phase,
            iteration: None,
            state: &state,
        })
        .await;
        evaluated?;
        let met = state.get("steady_state_met").is_some_and(Value::is_truthy);
        if !met {
            let probes = state.get("probes").and_then(Value::as_list);
            let failed = probes.unwrap_or_default().iter().any(|probe| {
                let status = probe.get("status").and_then(Value::as_str);
                status != Some("succeeded")
            });
            self.set_status(if failed { "failed" } else { "completed" });
            self.session.logger.critical(format!(
                "Steady state probe '{}' is not in the given tolerance so failing this experiment",
                last_probe(&state)
            ));
        }
        Ok(met)
    }

    async fn evaluate(
        &self,
        section: Section,
        found: &mut HypothesisState,
        lane: &Lane,
    ) -> Result<(), Halt> {
        let experiment = self.experiment();
        let title = experiment
            .get("steady-state-hypothesis")
            .and_then(|hypothesis| hypothesis.get("title"));
        self.session.logger.info(format!(
            "Steady state hypothesis: {}",
            text::str(&title.into())
        ));
        self.chronicle.hypothesis_started(section);
        let level = Level::Hypothesis;
        let before = self.apply_controls(level, Scope::Before, controls::State::None, lane);
        let begun = before.await;
        let done = match &begun {
            Ok(()) => self.try_probes(section, found, lane).await,
            Err(halt) => Err(halt.clone()),
        };
        let state = match begun {
            Ok(()) => controls::State::Hypothesis(found),
            Err(_) => controls::State::None,
        };
        let after = self.apply_controls(level, Scope::After, state, lane).await;
        let decided = match &done {
            Ok(()) => after.is_ok(),
            // Beside the method the reference forgets an iteration that hit an unexpected exception.
            Err(halt) => matches!(halt, Halt::Unexpected(_)) && section.iteration().is_none(),
        };
        if decided {
            self.chronicle.hypothesis_ended(section, found.met);
        }
        after.and(done)
    }

    async fn try_probes(
        &self,
        section: Section,
        found: &mut HypothesisState,
        lane: &Lane,
    ) -> Result<(), Halt> {
        let mut index = 0;
        loop {
            let place = Place::Probe(index);
            let Some(probe) = place.find(&self.experiment()).cloned() else {
                break;
            };
            index += 1;
            let entry = match self.execute(place, section, None, lane).await {
                Ok(entry) => entry,
                Err(halt) => {
                    found.met = Some(false).filter(|_| matches!(halt, Halt::Unexpected(_)));
                    return Err(halt);
                }
            };
            found.probes.push(Rc::clone(&entry));
            if entry.borrow().status() == Some("failed") {
                entry.borrow_mut().fields.insert("tolerance_met", false);
                self.chronicle_end(&entry);
                found.met = Some(false);
                self.session.logger.warning(
                    "Probe terminated unexpectedly, so its tolerance could not be validated",
                );
                return Ok(());
            }
            entry.borrow_mut().fields.insert("tolerance_met", true);
            if matches!(self.dry, Some(Dry::Probes | Dry::Activities)) {
                self.chronicle_end(&entry);
                continue;
            }
            let output = Value::from(entry.borrow().fields.get("output"));
            let within = self.within(place, &probe, &output, lane).await;
            let met = matches!(within, Ok(true));
            entry.borrow_mut().fields.insert("tolerance_met", met);
            self.chronicle_end(&entry);
            if !met {
                found.met = Some(false);
                return within.map(drop);
            }
        }
        found.met = Some(true);
        self.session.logger.info("Steady state hypothesis is met!");
        Ok(())
    }

    /// Is the output within the probe's tolerance?
    async fn within(
        &self,
        place: Place,
        probe: &Value,
        output: &Value,
        lane: &Lane,
    ) -> Result<bool, Halt> {
        let held = self.documents();
        let empty = Dict::new();
        let configuration = held.configuration.as_dict().unwrap_or(&empty);
        let secrets = held.secrets.as_dict().unwrap_or(&empty);
        let mut allowed = probe.get("tolerance").cloned().unwrap_or_default();
        if allowed.as_str().is_some() {
            allowed = template::substitute(&allowed, configuration, secrets)?;
        }
        let debug = format!("allowed tolerance is {}", text::str(&allowed));
        self.session.logger.debug(debug);
        let by_probe = allowed.get("type").and_then(Value::as_str) == Some("probe");
        if !by_probe {
            return Ok(tolerance::holds(&allowed, output, configuration, secrets)?);
        }
        if !give_value(&mut allowed, output) {
            return Err(Halt::unexpected("KeyError", "'arguments'"));
        }
        // The reference writes the value into the experiment itself, where the journal shows it.
        {
            let mut state = self.state.borrow_mut();
            let experiment = Rc::make_mut(&mut state.experiment);
            let probe = place.find_mut(experiment).and_then(Value::as_dict_mut);
            if let Some(declared) = probe.and_then(|probe| probe.get_mut("tolerance")) {
                give_value(declared, output);
            }
        }
        let providers = Providers::on(&self.session, lane.clone());
        let ran = providers
            .run(&allowed, &held.configuration, &held.secrets)
            .await;
        match ran {
            Ok(verdict) => Ok(verdict.is_truthy()),
            Err(Failure::Failed { .. }) => Ok(false),
            Err(Failure::Halted(halt)) => Err(halt),
        }
    }

    async fn evaluate_continuously(
        self: Rc<Self>,
        lane: Lane,
        mut stopped: watch::Receiver<bool>,
    ) -> Result<(), Halt> {
        let frequency = self.schedule.frequency;
        let logger = self.session.logger.clone();
        let started = Event::HypothesisStarted {
            phase: "during",
            frequency: Some(frequency),
        };
        self.observe(started).await;
        logger.info(format!(
            "Executing the steady-state hypothesis continuously every {} seconds",
            text::float(frequency)
        ));
        let mut unmet: u64 = 0;
        let mut iteration: u64 = 1;
        while !*stopped.borrow() {
            if matches!(self.status(), Some("failed" | "interrupted" | "aborted")) {
                break;
            }
            let mut found = HypothesisState::default();
            let section = Section::During(iteration);
            self.evaluate(section, &mut found, &lane).await?;
            let state = found.value(&self.experiment());
            self.state.borrow_mut().journal.during.push(found);
            self.observe(Event::HypothesisCompleted {
                phase: "during",
                iteration: Some(iteration),
                state: &state,
            })
            .await;
            if !state.get("steady_state_met").is_some_and(Value::is_truthy) {
                unmet += 1;
                logger.warning(format!(
                    "Continuous steady state probe '{}' is not in the given tolerance",
                    last_probe(&state)
                ));
                if self.schedule.fail_fast {
                    #[expect(clippy::cast_precision_loss, reason = "counts of iterations")]
                    let ratio = (unmet * 100) as f64 / iteration as f64;
                    logger.info(format!(
                        "Terminating immediately the experiment after {ratio:.1}% hypothesis deviated"
                    ));
                    self.set_status("failed");
                    break;
                }
            }
            iteration += 1;
            let interval = Duration::from_secs_f64(frequency.clamp(0.0, LONGEST_INTERVAL));
            let pause = tokio::time::timeout(interval, stopped.wait_for(|stopped| *stopped));
            // The end of the interval and the end of the method are both reasons to look again.
            let _ = lane.guard(pause).await?;
        }
        Ok(())
    }
}

/// The evaluation of the hypothesis beside the method.
pub(crate) struct Continuous {
    stop: watch::Sender<bool>,
    cancel: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Continuous {
    /// Starts it.
    pub(crate) async fn start(run: &Rc<Run>) -> Continuous {
        let (stop, stopped) = watch::channel(false);
        let (cancel, cancelled) = watch::channel(false);
        let run = Rc::clone(run);
        let task = tokio::task::spawn_local(async move {
            let lane = Lane::Background(cancelled);
            let ended = Rc::clone(&run).evaluate_continuously(lane, stopped).await;
            run.observe(Event::ContinuousCompleted).await;
            match ended.err() {
                Some(halt @ Halt::Interrupted(_)) => {
                    run.set_status("interrupted");
                    run.session.logger.critical(halt.to_string());
                }
                Some(halt @ Halt::Unexpected(_)) => {
                    run.set_status("aborted");
                    run.session.logger.critical(halt.to_string());
                }
                _ => {}
            }
            let logger = &run.session.logger;
            logger.info("Continuous steady state hypothesis terminated");
        });
        // Its first iteration starts before the method does.
        tokio::task::yield_now().await;
        Continuous { stop, cancel, task }
    }

    /// No iteration starts from now on.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for its end, for a bounded time when the run was halted.
    ///
    /// # Errors
    /// A halt that came while waiting; it is ended then.
    pub(crate) async fn end(self, lane: &Lane, halted: bool) -> Result<(), Halt> {
        self.stop();
        let mut task = self.task;
        let waited = if halted {
            let _ = tokio::time::timeout(ITERATION_GRACE, &mut task).await;
            Ok(())
        } else {
            lane.guard(&mut task).await.map(drop)
        };
        if !task.is_finished() {
            self.cancel.send_replace(true);
            // Everything in it ends on that switch; a panic there has nothing to add.
            let _ = task.await;
        }
        waited
    }
}

fn give_value(tolerance: &mut Value, output: &Value) -> bool {
    let provider = tolerance
        .as_dict_mut()
        .and_then(|tolerance| tolerance.get_mut("provider"));
    let arguments = provider
        .and_then(Value::as_dict_mut)
        .and_then(|provider| provider.get_mut("arguments"))
        .and_then(Value::as_dict_mut);
    arguments.is_some_and(|arguments| {
        arguments.insert("value", output);
        true
    })
}

fn last_probe(state: &Value) -> String {
    let probes = state.get("probes").and_then(Value::as_list);
    let activity = probes.and_then(|probes| probes.last()?.get("activity"));
    text::str(&activity.and_then(|activity| activity.get("name")).into())
}
