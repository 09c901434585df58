//! A run from its first event to its last: the hypothesis, the method, the rollbacks, the controls
//! around them, and the status that comes of it.
//!
//! 1. The order of everything, the status and the log lines are the reference's.
//! 2. Where the reference would die without a journal, the run is `aborted` and goes on to the
//!    rollbacks its strategy wants.
//! 3. Nothing that was started outlives the run: work beside the straight line is waited for, or ended
//!    when a halt ended the run.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use shaketable_dialect::{Dict, Value, template, text};
use shaketable_python::{Argument, DocumentName, Documents};

use crate::controls::{self, Level, Scope};
use crate::events::{Event, EventFile};
use crate::halt::{EXIT_WITHOUT_ROLLBACKS, Halt};
use crate::hypothesis::Continuous;
use crate::journal::{Chronicle, Journal, Place, Section, now};
use crate::session::Session;
use crate::signals::Lane;
use crate::strategies::{Dry, Hypothesis, Schedule};
use crate::version::LIB_VERSION;

/// What a run is given.
pub struct Plan {
    /// The experiment, its `dry` set.
    pub experiment: Value,
    /// The configuration, resolved.
    pub configuration: Dict,
    /// The secrets, resolved.
    pub secrets: Dict,
    /// The settings.
    pub settings: Value,
    /// Was there a settings file with anything in it? Controls see no settings otherwise.
    pub settings_loaded: bool,
    /// The controls of the settings and of control files.
    pub global_controls: Vec<Value>,
    /// When the hypothesis is evaluated.
    pub strategy: Hypothesis,
    /// How often it is beside the method.
    pub schedule: Schedule,
    /// When rollbacks are played.
    pub rollbacks: String,
    /// What is left out.
    pub dry: Option<Dry>,
}

/// A run: what its parts share.
pub struct Run {
    pub(crate) session: Rc<Session>,
    pub(crate) settings: Value,
    pub(crate) loaded_settings: Value,
    pub(crate) schedule: Schedule,
    pub(crate) dry: Option<Dry>,
    pub(crate) chronicle: Chronicle,
    pub(crate) state: RefCell<State>,
    strategy: Hypothesis,
    rollbacks: String,
    events: RefCell<Option<EventFile>>,
    handlers: tokio::sync::Mutex<()>,
}

pub(crate) struct State {
    pub(crate) experiment: Rc<Value>,
    pub(crate) configuration: Rc<Value>,
    pub(crate) secrets: Rc<Value>,
    pub(crate) journal: Journal,
    pub(crate) control_functions: HashMap<String, Vec<String>>,
    pub(crate) named: HashMap<String, Place>,
    pub(crate) unserialisable: Option<String>,
    global_controls: Vec<Value>,
}

/// The shared documents as they are at one moment.
pub(crate) struct Held {
    pub(crate) experiment: Rc<Value>,
    pub(crate) configuration: Rc<Value>,
    pub(crate) secrets: Rc<Value>,
    pub(crate) global_controls: Value,
}

/// What a run leaves.
#[derive(Debug)]
pub struct Played {
    /// The journal, secrets and all.
    pub journal: Value,
    /// Why the reference could not write it, when that is so.
    pub unserialisable: Option<String>,
}

impl Run {
    /// Plays the plan and gives the journal.
    pub async fn play(
        session: Rc<Session>,
        plan: Plan,
        chronicle: Chronicle,
        events: Option<EventFile>,
    ) -> Played {
        let mut experiment = plan.experiment;
        let title = experiment.get("title").cloned().unwrap_or_default();
        let substituted = template::substitute(&title, &plan.configuration, &plan.secrets);
        let title = substituted.unwrap_or(title);
        if let Some(experiment) = experiment.as_dict_mut() {
            experiment.insert("title", title.clone());
        }
        session
            .logger
            .info(format!("Running experiment: {}", text::str(&title)));
        let run = Rc::new(Run {
            session,
            loaded_settings: Value::from(plan.settings_loaded.then(|| plan.settings.clone())),
            settings: plan.settings,
            schedule: plan.schedule,
            dry: plan.dry,
            strategy: plan.strategy,
            rollbacks: plan.rollbacks,
            chronicle,
            events: RefCell::new(events),
            handlers: tokio::sync::Mutex::new(()),
            state: RefCell::new(State {
                journal: Journal::new(&experiment, LIB_VERSION, &now()),
                named: places(&experiment),
                experiment: Rc::new(experiment),
                configuration: Rc::new(Value::Dict(plan.configuration)),
                secrets: Rc::new(Value::Dict(plan.secrets)),
                global_controls: plan.global_controls,
                control_functions: HashMap::new(),
                unserialisable: None,
            }),
        });
        run.from_start_to_end().await;
        let journal = run.journal_value();
        run.chronicle.run_ended(&journal);
        let unserialisable = run.state.borrow().unserialisable.clone();
        Played {
            journal,
            unserialisable,
        }
    }

    async fn from_start_to_end(self: &Rc<Self>) {
        let started = Instant::now();
        let logger = self.session.logger.clone();
        let lane = Lane::Main(self.session.signals.clone());
        self.begin().await;

        let mut continuous = None;
        let begun = self.begin_experiment(&lane).await;
        let halt = match begun {
            Ok(()) => self.judge_and_act(&lane, &mut continuous).await.err(),
            Err(halt) => Some(halt),
        };
        if let Some(halt) = &halt {
            self.tell_halt(halt).await;
        }
        let ended = match continuous {
            Some(continuous) => continuous.end(&lane, halt.is_some()).await.err(),
            None => None,
        };
        if let Some(halt) = &ended {
            self.tell_halt(halt).await;
        }
        let forbidden = Halt::Exit(EXIT_WITHOUT_ROLLBACKS);
        if ![&halt, &ended].contains(&&Some(forbidden)) {
            self.play_rollbacks(&self.rollbacks, &lane).await;
        }

        let (status, deviated) = {
            let mut state = self.state.borrow_mut();
            let journal = &mut state.journal;
            journal.ended = Some((now(), started.elapsed().as_secs_f64()));
            let status = *journal.status.get_or_insert("completed");
            (status, journal.deviated)
        };
        let told = if deviated { "deviated" } else { status };
        logger.info(format!("Experiment ended with status: {told}"));
        if deviated {
            logger.info("The steady-state has deviated, a weakness may have been discovered");
        }
        let after = self.apply_controls(
            Level::Experiment,
            Scope::After,
            controls::State::Journal,
            &lane,
        );
        if after.await.is_err() {
            logger.debug("Failed to close controls");
        }
        self.clean_up_controls().await;
        self.record_interruption();
        let journal = self.journal_value();
        self.observe(Event::RunFinished { journal: &journal }).await;
    }

    async fn begin(&self) {
        let logger = &self.session.logger;
        let title = Value::from(self.experiment().get("title"));
        self.chronicle.run_started({
            let state = self.state.borrow();
            let mut head = Dict::new();
            for key in [
                "chaoslib-version",
                "platform",
                "node",
                "experiment",
                "start",
            ] {
                head.insert(key, state.journal.head(key));
            }
            head
        });
        self.session.signals.start_recording();
        self.observe(Event::RunStarted { title }).await;
        if let Some(dry) = self.dry {
            logger.warning(format!("Running experiment with dry {}", dry.name()));
        }
        self.initialise_controls().await;
        self.observe(Event::Running).await;
        logger.info(format!("Steady-state strategy: {}", self.strategy.name()));
        logger.info(format!("Rollbacks strategy: {}", self.rollbacks));
        if self.strategy == Hypothesis::Skip {
            logger.info("Skipping Steady-State Hypothesis as requested");
        } else if !self.has_hypothesis() {
            logger.info("No steady state hypothesis defined. That's ok, just exploring.");
        }
    }

    async fn begin_experiment(&self, lane: &Lane) -> Result<(), Halt> {
        let state = controls::State::None;
        self.apply_controls(Level::Experiment, Scope::Before, state, lane)
            .await
    }

    /// The hypothesis before, the method with the hypothesis beside it, the hypothesis after.
    async fn judge_and_act(
        self: &Rc<Self>,
        lane: &Lane,
        continuous: &mut Option<Continuous>,
    ) -> Result<(), Halt> {
        let judged = self.strategy != Hypothesis::Skip && self.has_hypothesis();
        if judged && self.strategy.before() && !self.gate(lane).await? {
            return Ok(());
        }
        if judged && self.strategy.during() {
            *continuous = Some(Continuous::start(self).await);
        }
        let completed = self.play_method(lane).await?;
        if let Some(continuous) = continuous {
            continuous.stop();
        }
        let stopped = matches!(self.status(), Some("interrupted" | "aborted"));
        if completed && !stopped && judged && self.strategy.after() {
            self.look_for_deviation(lane).await?;
        }
        Ok(())
    }

    /// The hypothesis before the method; tells whether the method may start.
    async fn gate(&self, lane: &Lane) -> Result<bool, Halt> {
        self.session
            .logger
            .debug("Running steady-state hypothesis before the method");
        self.evaluate_phase(Section::Before, lane).await
    }

    async fn look_for_deviation(&self, lane: &Lane) -> Result<(), Halt> {
        self.session
            .logger
            .debug("Running steady-state hypothesis after the method");
        if !self.evaluate_phase(Section::After, lane).await? {
            self.state.borrow_mut().journal.deviated = true;
        }
        Ok(())
    }

    async fn tell_halt(&self, halt: &Halt) {
        let logger = &self.session.logger;
        match halt {
            Halt::Unexpected(_) => {
                self.set_status("aborted");
                logger.critical(halt.to_string());
            }
            Halt::Interrupted(message) => {
                self.set_status("interrupted");
                logger.critical(message);
                self.observe(Event::RunInterrupted).await;
            }
            Halt::Keyboard => {
                self.set_status("interrupted");
                logger.warning("Received a termination signal (Ctrl-C)...");
                self.observe(Event::RunSignalExit).await;
            }
            Halt::Exit(code) => {
                self.set_status("interrupted");
                logger.warning(format!("Received the exit signal: {code}"));
                if *code == EXIT_WITHOUT_ROLLBACKS {
                    logger.warning("Ignoring rollbacks as per signal");
                }
                self.observe(Event::RunSignalExit).await;
            }
            Halt::Cancelled => self.set_status("interrupted"),
        }
    }

    fn record_interruption(&self) {
        let mut state = self.state.borrow_mut();
        let journal = &mut state.journal;
        if let Some(signal) = self.session.signals.recorded()
            && journal.status == Some("interrupted")
            && journal.interruption.is_none()
        {
            let mut interruption = Dict::new();
            interruption.insert("kind", "signal");
            interruption.insert("name", signal.name());
            interruption.insert("reason", format!("received {}", signal.name()));
            journal.interruption = Some(interruption.into());
        }
    }

    /// Tells an event to everybody who watches.
    pub(crate) async fn observe(&self, event: Event<'_>) {
        let mut file = self.events.borrow_mut().take();
        if let Some(open) = &mut file
            && let Err(error) = open.write(&event)
        {
            let message = format!("the events file cannot be written any more: {error}");
            self.session.logger.warning(message);
            file = None;
        }
        *self.events.borrow_mut() = file;
        if self.session.host.has_event_handlers() {
            self.tell_handlers(&event).await;
        }
    }

    async fn tell_handlers(&self, event: &Event<'_>) {
        let _in_order = self.handlers.lock().await;
        let held = self.documents();
        let journal = self.journal_value();
        let schedule: Dict = [(
            "continuous_hypothesis_frequency",
            Value::Float(self.schedule.frequency),
        )]
        .into_iter()
        .collect();
        let schedule = Value::Dict(schedule);
        let (frequency, iteration);
        let experiment = Argument::Document(DocumentName::Experiment);
        let the_journal = Argument::Document(DocumentName::Journal);
        let none = Value::None;
        let (method, arguments) = match event {
            Event::RunStarted { .. } => ("started", vec![experiment, the_journal]),
            Event::Running => (
                "running",
                vec![
                    experiment,
                    the_journal,
                    Argument::Document(DocumentName::Configuration),
                    Argument::Document(DocumentName::Secrets),
                    Argument::Value(&schedule),
                    Argument::Document(DocumentName::Settings),
                ],
            ),
            Event::RunFinished { .. } => ("finish", vec![the_journal]),
            Event::RunInterrupted => ("interrupted", vec![experiment, the_journal]),
            Event::RunSignalExit => ("signal_exit", vec![]),
            Event::HypothesisStarted {
                phase: "during",
                frequency: seconds,
            } => {
                frequency = Value::from(*seconds);
                (
                    "start_continuous_hypothesis",
                    vec![Argument::Value(&frequency)],
                )
            }
            Event::HypothesisStarted {
                phase: "before", ..
            } => ("start_hypothesis_before", vec![experiment]),
            Event::HypothesisStarted { .. } => ("start_hypothesis_after", vec![experiment]),
            Event::HypothesisCompleted {
                iteration: Some(number),
                state,
                ..
            } => {
                iteration = Value::from(*number);
                (
                    "continuous_hypothesis_iteration",
                    vec![Argument::Value(&iteration), Argument::Value(state)],
                )
            }
            Event::HypothesisCompleted { phase, state, .. } => (
                if *phase == "before" {
                    "hypothesis_before_completed"
                } else {
                    "hypothesis_after_completed"
                },
                vec![experiment, Argument::Value(state), the_journal],
            ),
            Event::ContinuousCompleted => (
                "continuous_hypothesis_completed",
                vec![experiment, the_journal, Argument::Value(&none)],
            ),
            Event::MethodStarted => ("start_method", vec![experiment]),
            Event::MethodCompleted => {
                ("method_completed", vec![experiment, Argument::Value(&none)])
            }
            Event::RollbacksStarted => ("start_rollbacks", vec![experiment]),
            Event::RollbacksCompleted => ("rollbacks_completed", vec![experiment, the_journal]),
            Event::ActivityStarted { activity } => {
                ("start_activity", vec![Argument::Value(activity)])
            }
            Event::ActivityCompleted { activity, entry } => (
                "activity_completed",
                vec![Argument::Value(activity), Argument::Value(entry)],
            ),
        };
        let documents = Documents {
            experiment: Some(&held.experiment),
            configuration: Some(&held.configuration),
            secrets: Some(&held.secrets),
            settings: Some(&self.settings),
            journal: Some(&journal),
            global_controls: Some(&held.global_controls),
        };
        let told = self.session.host.emit(method, documents, &arguments);
        match told.await {
            Ok(outcome) => self.take_changes(outcome),
            Err(error) => self.session.logger.debug(error.to_string()),
        }
    }

    pub(crate) fn experiment(&self) -> Rc<Value> {
        Rc::clone(&self.state.borrow().experiment)
    }

    pub(crate) fn documents(&self) -> Held {
        let state = self.state.borrow();
        Held {
            experiment: Rc::clone(&state.experiment),
            configuration: Rc::clone(&state.configuration),
            secrets: Rc::clone(&state.secrets),
            global_controls: state.global_controls.clone().into(),
        }
    }

    pub(crate) fn journal_value(&self) -> Value {
        let state = self.state.borrow();
        state.journal.value(&state.experiment)
    }

    pub(crate) fn status(&self) -> Option<&'static str> {
        self.state.borrow().journal.status
    }

    pub(crate) fn set_status(&self, status: &'static str) {
        self.state.borrow_mut().journal.status = Some(status);
    }

    pub(crate) fn global_controls(&self) -> Vec<Value> {
        self.state.borrow().global_controls.clone()
    }

    pub(crate) fn forget_global_control(&self, control: &Value) {
        let mut state = self.state.borrow_mut();
        state.global_controls.retain(|other| other != control);
    }

    pub(crate) fn take_global_controls(&self) -> Vec<Value> {
        std::mem::take(&mut self.state.borrow_mut().global_controls)
    }

    fn has_hypothesis(&self) -> bool {
        let experiment = self.experiment();
        let hypothesis = experiment.get("steady-state-hypothesis");
        let probes = hypothesis.and_then(|hypothesis| hypothesis.get("probes"));
        probes.is_some_and(Value::is_truthy)
    }
}

/// The activities that can be referred to: of one name, the last of method and hypothesis wins.
fn places(experiment: &Value) -> HashMap<String, Place> {
    let list = |holder: Option<&Value>, key: &str| -> Vec<Value> {
        let list = holder.and_then(|holder| holder.get(key)?.as_list());
        list.unwrap_or_default().to_vec()
    };
    let method = list(Some(experiment), "method");
    let probes = list(experiment.get("steady-state-hypothesis"), "probes");
    let method = method
        .iter()
        .enumerate()
        .map(|(i, a)| (a, Place::Method(i)));
    let probes = probes.iter().enumerate().map(|(i, a)| (a, Place::Probe(i)));
    method
        .chain(probes)
        .filter_map(|(activity, place)| Some((activity.get("name")?.as_str()?.to_owned(), place)))
        .collect()
}
