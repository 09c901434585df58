//! Controls: what is called before and after the experiment, the hypothesis, the method, the rollbacks
//! and every activity.
//!
//! 1. Around a part come the experiment's own controls first, as far as they are automatic, then the
//!    part's own; each once, also if it is named twice.
//! 2. A native control acts after its activity only; what it fails with is the activity's failure.
//! 3. A control in Python that fails is told as a warning and in the journal; the run goes on. One that
//!    interrupts the execution ends the run, for the reason it gives.
//! 4. What it changes in the configuration counts for later activities, what it changes in the secrets
//!    too. Other changes are not taken over, and that is told.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use shaketable_dialect::{Key, Value as PythonValue};
use shaketable_experiment::{Activity, Control, Experiment, Values};
use shaketable_python::{
    Argument, CallId, Class, ControlCall, ControlFunction, ControlOutcome, DocumentName, Documents,
    Raised, Thread,
};

use crate::abort::Abort;
use crate::journal::Journal;
use crate::probes::Asker;
use crate::progress::Progress;
use crate::record::TimelineEvent;

/// The longest that one function of a control may take.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// What a control is called around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The whole experiment.
    Experiment,
    /// The hypothesis.
    Hypothesis,
    /// The method.
    Method,
    /// The rollbacks.
    Rollback,
    /// One activity.
    Activity,
}

impl Level {
    fn function(self, moment: &str) -> String {
        let level = match self {
            Level::Experiment => "experiment",
            Level::Hypothesis => "hypothesis",
            Level::Method => "method",
            Level::Rollback => "rollback",
            Level::Activity => "activity",
        };
        format!("{moment}_{level}_control")
    }
}

/// The controls of a run.
pub struct Controls {
    experiment: Vec<Control>,
    hypothesis: Vec<Control>,
    /// Controls in Python of all levels, each once.
    all: Vec<Control>,
    /// Those whose module cannot be imported.
    missing: Mutex<BTreeSet<String>>,
    document: PythonValue,
    journal: Arc<Journal>,
    progress: Arc<dyn Progress>,
    warnings: Mutex<Vec<TimelineEvent>>,
}

/// Who is called, and for whom.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// Who knows the values and the Python of the run.
    pub asker: &'a Asker,
    /// Whether it goes on beside other activities.
    pub in_background: bool,
    /// How the run is ended early.
    pub abort: &'a Abort,
}

impl Controls {
    /// The controls of an experiment.
    pub fn new(
        experiment: &Experiment,
        journal: Arc<Journal>,
        progress: Arc<dyn Progress>,
    ) -> Controls {
        let hypothesis = experiment.hypothesis.iter();
        let hypothesis: Vec<Control> = hypothesis.flat_map(|h| h.controls.clone()).collect();
        let mut all: Vec<Control> = Vec::new();
        let of_activities = experiment.activities().flat_map(|a| &a.controls);
        let named = experiment.controls.iter().chain(&hypothesis);
        for control in named.chain(of_activities) {
            if !control.native && !all.iter().any(|known| same(known, control)) {
                all.push(control.clone());
            }
        }
        Controls {
            experiment: experiment.controls.clone(),
            hypothesis,
            all,
            missing: Mutex::default(),
            document: PythonValue::from(experiment.source.clone()),
            journal,
            progress,
            warnings: Mutex::default(),
        }
    }

    /// What has been warned of.
    pub fn warnings(&self) -> Vec<TimelineEvent> {
        let warnings = self.warnings.lock();
        warnings.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Imports every module and calls its `configure_control`.
    pub async fn configure(&self, caller: Caller<'_>) {
        for control in &self.all {
            let imported = match caller.asker.python.host() {
                Err(reason) => Err(reason),
                Ok(host) => {
                    let importing = host.import_control(&control.module);
                    match tokio::time::timeout(CONTROL_TIMEOUT, importing).await {
                        Ok(Ok(Some(_))) => Ok(()),
                        Ok(Ok(None)) => Err("Python finds no such module".to_owned()),
                        Ok(Err(error)) => Err(error.to_string()),
                        Err(_) => Err("importing it does not end".to_owned()),
                    }
                }
            };
            match imported {
                Ok(()) => self.call(control, ControlFunction::Configure, caller).await,
                Err(reason) => {
                    let module = &control.module;
                    self.warn(
                        control,
                        &format!(
                            "its module {module} cannot be used, so it is never called: {reason}"
                        ),
                    );
                    let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
                    missing.insert(control.module.clone());
                }
            }
        }
    }

    /// Calls every `cleanup_control`.
    pub async fn clean_up(&self, caller: Caller<'_>) {
        for control in &self.all {
            self.call(control, ControlFunction::Cleanup, caller).await;
        }
    }

    /// The controls around a part; around an activity use [`Controls::of_activity`].
    pub fn of(&self, level: Level) -> Vec<&Control> {
        match level {
            Level::Experiment => once(self.experiment.iter()),
            Level::Hypothesis => once(self.inherited().chain(&self.hypothesis)),
            Level::Method | Level::Rollback | Level::Activity => once(self.inherited()),
        }
    }

    /// The controls around an activity.
    pub fn of_activity<'a>(&'a self, activity: &'a Activity) -> Vec<&'a Control> {
        once(self.inherited().chain(&activity.controls))
    }

    fn inherited(&self) -> impl Iterator<Item = &Control> {
        self.experiment.iter().filter(|control| control.automatic)
    }

    /// Calls these controls before something: what, as the document has it.
    pub async fn before(
        &self,
        level: Level,
        controls: &[&Control],
        context: &Value,
        caller: Caller<'_>,
    ) {
        let python = controls.iter().filter(|control| !control.native);
        for control in python.filter(|control| control.scope.before()) {
            self.apply(
                control,
                &level.function("before"),
                (level, context, None),
                caller,
            )
            .await;
        }
    }

    /// Calls these controls after something, with what came of it.
    pub async fn after(
        &self,
        level: Level,
        controls: &[&Control],
        context: &Value,
        state: &Value,
        caller: Caller<'_>,
    ) {
        let python = controls.iter().filter(|control| !control.native);
        for control in python.filter(|control| control.scope.after()) {
            self.apply(
                control,
                &level.function("after"),
                (level, context, Some(state)),
                caller,
            )
            .await;
        }
    }

    /// Calls native controls after their activity and keeps the values they set.
    ///
    /// # Errors
    /// The first failure, in words.
    pub fn after_native(
        &self,
        controls: &[&Control],
        output: Option<&Value>,
        asker: &Asker,
    ) -> Result<(), String> {
        let mut failure = Ok(());
        for control in controls.iter().filter(|control| control.native) {
            let module = &control.module;
            let called = shaketable_extensions::control(module)
                .ok_or_else(|| "there is no such native control".to_owned())
                .and_then(|control| {
                    let values = control.after_activity(output);
                    values.map_err(|failure| failure.to_string())
                });
            match called {
                Ok(values) => {
                    let detail = json!({ "module": module, "sets": values });
                    self.journal.write("control", detail);
                    asker.exchange.set(values);
                }
                Err(reason) => {
                    self.progress
                        .event(&format!("control `{module}` failed: {reason}"));
                    failure = failure.and(Err(format!("its control {module}: {reason}")));
                }
            }
        }
        failure
    }

    async fn apply(
        &self,
        control: &Control,
        name: &str,
        (level, context, state): (Level, &Value, Option<&Value>),
        caller: Caller<'_>,
    ) {
        let context = PythonValue::from(context.clone());
        let state = state.map(|state| PythonValue::from(state.clone()));
        let function = ControlFunction::Apply {
            name,
            context: match level {
                Level::Experiment => Argument::Document(DocumentName::Experiment),
                _ => Argument::Value(&context),
            },
            state: state.as_ref().map(Argument::Value),
        };
        self.call(control, function, caller).await;
    }

    fn is_missing(&self, module: &str) -> bool {
        let missing = self.missing.lock();
        let missing = missing.unwrap_or_else(PoisonError::into_inner);
        missing.contains(module)
    }

    /// Calls one function of a control, as far as it has it.
    async fn call(&self, control: &Control, function: ControlFunction<'_>, caller: Caller<'_>) {
        if self.is_missing(&control.module) {
            return;
        }
        let asker = caller.asker;
        let (configuration, secrets) = (asker.configuration(), asker.exchange.secrets());
        let arguments = PythonValue::from(Value::Object(control.arguments.clone()));
        let call = ControlCall {
            id: CallId::new(),
            module: &control.module,
            function,
            arguments: &arguments,
            documents: Documents {
                experiment: Some(&self.document),
                configuration: Some(&configuration),
                secrets: Some(&secrets),
                ..Documents::default()
            },
            thread: if caller.in_background {
                Thread::Background
            } else {
                Thread::Foreground
            },
        };
        let host = match asker.python.host() {
            Ok(host) => host,
            Err(reason) => return self.warn(control, &reason),
        };
        match tokio::time::timeout(CONTROL_TIMEOUT, host.control(&call)).await {
            Err(_) => self.warn(
                control,
                &format!("it took more than {} s", CONTROL_TIMEOUT.as_secs()),
            ),
            Ok(Err(error)) => self.warn(control, &error.to_string()),
            Ok(Ok(outcome)) => self.take_over(control, outcome, &configuration, caller),
        }
    }

    fn take_over(
        &self,
        control: &Control,
        outcome: ControlOutcome,
        before: &PythonValue,
        caller: Caller<'_>,
    ) {
        let exchange = &caller.asker.exchange;
        if let Some(changed) = &outcome.configuration {
            exchange.set(differences(before, changed));
        }
        if let Some(secrets) = outcome.secrets {
            caller.asker.redaction.add(&secrets);
            exchange.set_secrets(secrets);
        }
        let others = [
            ("the experiment", outcome.experiment.is_some()),
            ("the settings", outcome.settings.is_some()),
            ("the journal", outcome.journal.is_some()),
            ("its activity or part", outcome.context.is_some()),
            ("what came of it", outcome.state.is_some()),
        ];
        for (what, _) in others.iter().filter(|(_, changed)| *changed) {
            self.warn(
                control,
                &format!("it changed {what}, which is not taken over"),
            );
        }
        if let Some(raised) = outcome.raised {
            match interruption(&raised) {
                Some(reason) => {
                    let reason = format!("control `{}` interrupted it: {reason}", control.name);
                    caller.abort.request(caller.asker.redaction.text(&reason));
                }
                None => self.warn(control, &raised.only),
            }
        }
    }

    /// Tells what went wrong with a control.
    fn warn(&self, control: &Control, reason: &str) {
        let name = &control.name;
        let what = format!("warning: control `{name}`: {reason}");
        self.progress.event(&what);
        let at_us = self.journal.now_us();
        let detail = json!({ "name": name, "module": control.module, "reason": reason });
        self.journal.write("control-warning", detail);
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.push(TimelineEvent { at_us, what });
    }
}

/// Why the run is to be interrupted, if that is what an exception says.
fn interruption(raised: &Raised) -> Option<String> {
    match raised.class {
        Class::InterruptExecution => Some(raised.message.clone()),
        Class::ExperimentExited | Class::SystemExit { .. } | Class::KeyboardInterrupt => {
            Some(raised.only.clone())
        }
        _ => None,
    }
}

/// The values that are new or others.
fn differences(before: &PythonValue, changed: &PythonValue) -> Values {
    let changed = changed.as_dict().into_iter().flat_map(|dict| dict.iter());
    changed
        .filter_map(|(key, value)| {
            let key = Key::as_str(key)?;
            let is_new = before.get(key) != Some(value);
            is_new.then(|| (key.to_owned(), value.to_json()))
        })
        .collect()
}

fn same(one: &Control, other: &Control) -> bool {
    one.name == other.name && one.module == other.module && one.arguments == other.arguments
}

/// Each control once, in order.
fn once<'a>(controls: impl Iterator<Item = &'a Control>) -> Vec<&'a Control> {
    let mut all: Vec<&Control> = Vec::new();
    for control in controls {
        if !all.iter().any(|known| same(known, control)) {
            all.push(control);
        }
    }
    all
}
