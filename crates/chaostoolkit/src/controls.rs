//! Controls: Python code around every level of a run.
//!
//! 1. Which controls apply where, how often and in which order is the reference's rule, with its quirks
//!    (a top-level control comes once per local control; global ones have no say in method and rollback
//!    when the experiment has controls of its own).
//! 2. An exception in a control is told in the debug log only, except those that end the run.
//! 3. What a control changes in the experiment, the configuration, the secrets or the state is changed
//!    for everybody, also when the control then failed.

mod loading;

use std::rc::Rc;

use shaketable_dialect::{Dict, Value, template, text};
use shaketable_python::{
    Argument, CallId, ControlCall, ControlFunction, ControlOutcome, DocumentName, Documents,
    PythonError, Step, Target,
};

use crate::halt::Halt;
use crate::journal::{self, HypothesisState, Place, Runs, SharedEntry, runs_value};
use crate::runner::Run;
use crate::signals::Lane;

pub use loading::{around_loading, load_global};

/// Where a control is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Around the whole run.
    Experiment,
    /// Around an evaluation of the hypothesis.
    Hypothesis,
    /// Around the method.
    Method,
    /// Around the rollbacks.
    Rollback,
    /// Around one activity.
    Activity(Place),
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Experiment => "experiment",
            Level::Hypothesis => "hypothesis",
            Level::Method => "method",
            Level::Rollback => "rollback",
            Level::Activity(_) => "activity",
        }
    }

    fn steps(self) -> Vec<Step> {
        match self {
            Level::Hypothesis => vec![Step::Key("steady-state-hypothesis".to_owned())],
            Level::Activity(place) => place.steps(),
            _ => Vec::new(),
        }
    }

    fn context(self, experiment: &Value) -> Option<&Value> {
        match self {
            Level::Hypothesis => experiment.get("steady-state-hypothesis"),
            Level::Activity(place) => place.find(experiment),
            _ => Some(experiment),
        }
    }
}

/// Before or after what the level is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Before it.
    Before,
    /// After it.
    After,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Scope::Before => "before",
            Scope::After => "after",
        }
    }
}

/// What an after-control is given as `state`.
#[derive(Debug)]
pub enum State<'a> {
    /// Nothing: what was to be done was not reached.
    None,
    /// The run's journal.
    Journal,
    /// The hypothesis.
    Hypothesis(&'a mut HypothesisState),
    /// The entries of the method or the rollbacks.
    Runs(&'a Runs),
    /// The entry of an activity.
    Entry(&'a SharedEntry),
}

impl Run {
    /// Initialises the global controls and the experiment's. A global control that fails to is dropped.
    pub(crate) async fn initialise_controls(&self) {
        let settings = self.settings.clone();
        for control in self.global_controls() {
            let name = text::str(&control.get("name").into());
            let debug = format!("Initializing global control '{name}'");
            self.session.logger.debug(debug);
            let configured = self
                .call_plain(&control, ControlFunction::Configure, Some(&settings))
                .await;
            if !configured {
                self.tell_unregistered(&name);
                self.forget_global_control(&control);
            }
        }
        self.session.logger.debug("Initializing controls");
        for control in self.distinct_controls() {
            let name = text::str(&control.get("name").into());
            self.session
                .logger
                .debug(format!("Initializing control '{name}'"));
            let none = Value::None;
            let configured = self
                .call_plain(&control, ControlFunction::Configure, Some(&none))
                .await;
            if !configured {
                self.tell_unregistered(&name);
            }
        }
    }

    /// Lets the controls clean up.
    pub(crate) async fn clean_up_controls(&self) {
        self.session.logger.debug("Cleaning up controls");
        let global = self.take_global_controls();
        for control in self.distinct_controls().into_iter().chain(global) {
            let name = text::str(&control.get("name").into());
            self.session
                .logger
                .debug(format!("Cleaning up control '{name}'"));
            if !self
                .call_plain(&control, ControlFunction::Cleanup, None)
                .await
            {
                self.session
                    .logger
                    .debug(format!("Control cleanup '{name}' failed"));
            }
        }
    }

    /// Calls the controls of a level.
    ///
    /// # Errors
    /// The halt that a control, or a signal while it ran, asks for; later controls are not called.
    pub(crate) async fn apply_controls(
        &self,
        level: Level,
        scope: Scope,
        mut state: State<'_>,
        lane: &Lane,
    ) -> Result<(), Halt> {
        let experiment = self.experiment();
        let global = self.global_controls();
        let Some(context) = level.context(&experiment) else {
            return Ok(());
        };
        let controls = at_level(level, &global, &experiment, context);
        for control in in_scope(&controls, scope) {
            if let Some(module) = python_module(control) {
                self.apply(control, module, level, scope, &mut state, lane)
                    .await?;
            }
        }
        Ok(())
    }

    async fn apply(
        &self,
        control: &Value,
        module: &str,
        level: Level,
        scope: Scope,
        state: &mut State<'_>,
        lane: &Lane,
    ) -> Result<(), Halt> {
        let function = format!("{}_{}_control", scope.name(), level.name());
        let logger = &self.session.logger;
        logger.debug(format!(
            "Applying {}-control '{}' on '{}'",
            scope.name(),
            text::str(&control.get("name").into()),
            level.name()
        ));
        if !self.control_has(module, &function).await {
            return Ok(());
        }
        let documents = self.documents();
        let arguments = arguments(control);
        let configuration = documents.configuration.as_dict().cloned();
        let secrets = documents.secrets.as_dict().cloned();
        let (configuration, secrets) = (
            configuration.unwrap_or_default(),
            secrets.unwrap_or_default(),
        );
        let scoped = !(configuration.is_empty() && secrets.is_empty());
        let arguments = match template::substitute(&arguments, &configuration, &secrets) {
            Ok(substituted) if scoped => substituted,
            Ok(_) => arguments,
            Err(_) => {
                logger.debug(failed(scope, control));
                return Ok(());
            }
        };
        let steps = level.steps();
        let held = match &*state {
            State::None | State::Journal => Value::None,
            State::Hypothesis(state) => state.value(&documents.experiment),
            State::Runs(runs) => runs_value(runs, &documents.experiment),
            State::Entry(entry) => entry.borrow().value(&documents.experiment),
        };
        let journal = match state {
            State::Journal => Some(self.journal_value()),
            _ => None,
        };
        let id = CallId::new();
        let call = ControlCall {
            id,
            module,
            function: ControlFunction::Apply {
                name: &function,
                context: if steps.is_empty() {
                    Argument::Document(DocumentName::Experiment)
                } else {
                    Argument::Within(DocumentName::Experiment, &steps)
                },
                state: match (scope, &journal) {
                    (Scope::Before, _) => None,
                    (Scope::After, Some(_)) => Some(Argument::Document(DocumentName::Journal)),
                    (Scope::After, None) => Some(Argument::Value(&held)),
                },
            },
            arguments: &arguments,
            documents: Documents {
                experiment: Some(&documents.experiment),
                configuration: Some(&documents.configuration),
                secrets: Some(&documents.secrets),
                settings: Some(&self.loaded_settings),
                journal: journal.as_ref(),
                global_controls: Some(&documents.global_controls),
            },
            thread: lane.thread(),
        };
        let host = &self.session.host;
        let called = lane.python(host, Target::Call(id), host.control(&call));
        let mut outcome = match called.await? {
            Ok(outcome) => outcome,
            Err(error) => {
                logger.debug(format!("{}: {error}", failed(scope, control)));
                return Ok(());
            }
        };
        if let Some(changed) = outcome.state.take() {
            match state {
                State::Hypothesis(state) => {
                    state.met = changed.get("steady_state_met").and_then(Value::as_bool);
                    state.replaced = Some(changed);
                }
                State::Runs(runs) => journal::replace_runs(runs, changed),
                State::Entry(entry) => entry.borrow_mut().replace(changed),
                State::None | State::Journal => {}
            }
        }
        let raised = outcome.raised.take();
        self.take_changes(outcome);
        match raised {
            None => Ok(()),
            Some(raised) => match Halt::of_python(&PythonError::Raised(raised)) {
                Some(halt) => Err(halt),
                None => {
                    logger.debug(failed(scope, control));
                    Ok(())
                }
            },
        }
    }

    /// Calls `configure_control` or `cleanup_control`; tells whether it went well.
    async fn call_plain(
        &self,
        control: &Value,
        function: ControlFunction<'_>,
        settings: Option<&Value>,
    ) -> bool {
        let Some(module) = python_module(control) else {
            return true;
        };
        let documents = self.documents();
        let arguments = arguments(control);
        let call = ControlCall {
            id: CallId::new(),
            module,
            function,
            arguments: &arguments,
            documents: Documents {
                experiment: Some(&documents.experiment),
                configuration: Some(&documents.configuration),
                secrets: Some(&documents.secrets),
                settings: Some(settings.unwrap_or(&Value::None)),
                journal: None,
                global_controls: Some(&documents.global_controls),
            },
            thread: shaketable_python::Thread::Foreground,
        };
        match self.session.host.control(&call).await {
            Ok(mut outcome) => {
                let failed = outcome.raised.take();
                self.take_changes(outcome);
                if let Some(raised) = &failed {
                    self.session.logger.debug(raised.traceback.concat());
                }
                failed.is_none()
            }
            Err(error) => {
                self.session.logger.debug(error.to_string());
                false
            }
        }
    }

    /// Takes over what Python code changed in the documents.
    pub(crate) fn take_changes(&self, outcome: ControlOutcome) {
        let mut state = self.state.borrow_mut();
        if let Some(experiment) = outcome.experiment {
            state.experiment = Rc::new(experiment);
        }
        if let Some(configuration) = outcome.configuration {
            state.configuration = Rc::new(configuration);
        }
        if let Some(secrets) = outcome.secrets {
            state.secrets = Rc::new(secrets);
        }
        if let Some(journal) = outcome.journal {
            state.journal.replace(journal);
        }
    }

    async fn control_has(&self, module: &str, function: &str) -> bool {
        if let Some(functions) = self.state.borrow().control_functions.get(module) {
            return functions.iter().any(|name| name == function);
        }
        let imported = self.session.host.import_control(module).await;
        let functions: Vec<String> = match imported {
            Ok(Some(found)) => found.functions.into_keys().collect(),
            Ok(None) => Vec::new(),
            Err(error) => {
                self.session.logger.debug(error.to_string());
                Vec::new()
            }
        };
        let has = functions.iter().any(|name| name == function);
        let mut state = self.state.borrow_mut();
        state.control_functions.insert(module.to_owned(), functions);
        has
    }

    /// The experiment's controls of every level, each name once.
    fn distinct_controls(&self) -> Vec<Value> {
        let experiment = self.experiment();
        let mut controls: Vec<Value> = Vec::new();
        let hypothesis = experiment.get("steady-state-hypothesis");
        let probes = hypothesis.and_then(|hypothesis| hypothesis.get("probes"));
        let lists = [
            probes,
            experiment.get("method"),
            experiment.get("rollbacks"),
        ];
        let activities = lists.into_iter().flatten().filter_map(Value::as_list);
        let holders = std::iter::once(&*experiment)
            .chain(hypothesis)
            .chain(activities.flatten());
        let declared = holders.filter_map(|holder| holder.get("controls")?.as_list());
        for control in declared.flatten() {
            let named = control.get("name").filter(|name| name.is_truthy());
            if named.is_some() && !controls.iter().any(|seen| seen.get("name") == named) {
                controls.push(control.clone());
            }
        }
        controls
    }

    fn tell_unregistered(&self, name: &str) {
        self.session.logger.debug(format!(
            "Control initialization '{name}' failed. It will not be registered."
        ));
    }
}

/// The controls that a level has: the reference's merging of global, local and top-level ones.
fn at_level(level: Level, global: &[Value], experiment: &Value, context: &Value) -> Vec<Value> {
    let list = |holder: &Value| -> Vec<Value> {
        let list = holder.get("controls").and_then(Value::as_list);
        list.unwrap_or_default().to_vec()
    };
    let automatic = |control: &Value| {
        let automatic = control.get("automatic");
        automatic.is_none_or(Value::is_truthy)
    };
    let top = list(experiment);
    let mut controls = global.to_vec();
    controls.extend(list(context));
    if top.is_empty() {
        return controls;
    }
    if controls.is_empty() || matches!(level, Level::Method | Level::Rollback) {
        return top.into_iter().filter(automatic).collect();
    }
    for control in controls.clone() {
        if let Some(reference) = control.get("ref") {
            let found = top.iter().find(|top| top.get("name") == Some(reference));
            controls.extend(found.cloned());
            continue;
        }
        for other in top.iter().rev() {
            let same = control.get("name") == other.get("name");
            if !same && level != Level::Experiment && automatic(other) {
                controls.insert(0, other.clone());
            }
        }
    }
    controls
}

fn in_scope(controls: &[Value], scope: Scope) -> impl Iterator<Item = &Value> {
    controls.iter().filter(move |control| {
        let wanted = control.get("scope").filter(|wanted| wanted.is_truthy());
        wanted.is_none_or(|wanted| wanted.as_str() == Some(scope.name()))
    })
}

fn python_module(control: &Value) -> Option<&str> {
    let provider = control.get("provider")?;
    if provider.get("type")?.as_str() != Some("python") {
        return None;
    }
    provider.get("module")?.as_str()
}

fn arguments(control: &Value) -> Value {
    let arguments = control.get("provider").and_then(|p| p.get("arguments"));
    arguments.cloned().unwrap_or_else(|| Dict::new().into())
}

fn failed(scope: Scope, control: &Value) -> String {
    let mut scope_name = scope.name().to_owned();
    scope_name[..1].make_ascii_uppercase();
    let name = text::str(&control.get("name").into());
    format!("{scope_name}-control '{name}' failed")
}
