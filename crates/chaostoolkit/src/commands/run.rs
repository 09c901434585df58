//! `chaos run`: from a source to a journal and an exit code.
//!
//! 1. The exit code is 1 when the run could not start, when its status is not `completed` or when it
//!    deviated, and 0 otherwise.
//! 2. The journal is written once the run is over, whatever the run met, with the secrets hidden.

use std::fs;
use std::path::Path;
use std::rc::Rc;

use shaketable_dialect::{Dict, Value, json};
use tokio::task::LocalSet;

use crate::activity::Providers;
use crate::agent::{self, RunContext};
use crate::arguments::{Output, RunArguments};
use crate::configuration::{expose_secrets, load_configuration, load_dynamic_configuration};
use crate::controls;
use crate::events::{EventFile, writable};
use crate::journal::Chronicle;
use crate::loader::load_experiment;
use crate::notification::{Event, notify};
use crate::problem::Problem;
use crate::python_runtime;
use crate::runner::{Plan, Played, Run};
use crate::secrets::load_secrets;
use crate::session::Session;
use crate::signals::Signal;
use crate::strategies::{Dry, Hypothesis, Schedule};
use crate::validation::ensure_experiment_is_valid;
use crate::variables::{Variables, merge_vars};

const DEFAULT: &str = "default";

/// Runs the experiment; gives the exit code.
pub async fn run(session: Session, arguments: RunArguments) -> i32 {
    LocalSet::new()
        .run_until(carry_out(session, arguments))
        .await
}

/// Why there is no run.
enum Refused {
    /// Told already; with this exit code.
    Told(i32),
    /// The reference dies with a traceback.
    Crash(Problem),
    /// The reference, which has no handlers yet, dies of the signal.
    Killed(Signal),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Refused {
        Refused::Crash(problem)
    }
}

async fn carry_out(mut session: Session, arguments: RunArguments) -> i32 {
    session.agent = arguments.output == Output::Agent;
    let code = match prepared(&mut session, &arguments).await {
        Err(Refused::Killed(signal)) => {
            session.close().await;
            return signal.end_process();
        }
        Err(refused) => refusal(&session, refused),
        Ok((plan, events)) => {
            let log = session.run_log.take();
            let session = Rc::new(session);
            let chronicle = Chronicle::new(log, session.redaction.clone(), session.logger.clone());
            let settings = plan.settings.clone();
            let played = Run::play(Rc::clone(&session), plan, chronicle, events).await;
            let code = concluded(&session, &settings, &arguments, played).await;
            if let Ok(session) = Rc::try_unwrap(session) {
                session.close().await;
            }
            return code;
        }
    };
    session.close().await;
    code
}

fn refusal(session: &Session, refused: Refused) -> i32 {
    match refused {
        Refused::Told(code) => code,
        Refused::Crash(problem) => session.crash(&problem),
        Refused::Killed(signal) => signal.exit_code(),
    }
}

/// Everything that comes before the run itself.
async fn prepared(
    session: &mut Session,
    arguments: &RunArguments,
) -> Result<(Plan, Option<EventFile>), Refused> {
    let settings = match session.load_settings()? {
        settings @ Value::Dict(_) => settings,
        _ => Value::Dict(Dict::new()),
    };
    let source = arguments.source.as_str();
    let global = controls::load_global(session, &settings, &arguments.control_file).await?;
    controls::around_loading(session, &global, &settings, source, None).await?;
    let verify_tls = !arguments.no_verify_tls;
    let mut experiment = match load_experiment(session, source, &settings, verify_tls).await {
        Ok(experiment) => experiment,
        Err(problem) => {
            let mut none = Value::None;
            let after = Some(&mut none);
            controls::around_loading(session, &global, &settings, source, after).await?;
            if !problem.is("InvalidSource") {
                return Err(problem.into());
            }
            return Err(told(session, source, "load", &problem));
        }
    };
    let after = Some(&mut experiment);
    controls::around_loading(session, &global, &settings, source, after).await?;
    let runtime = python_runtime::of_experiment(&experiment)
        .and_then(|runtime| runtime.map_or(Ok(()), |runtime| session.use_runtime(&runtime)));
    if let Err(problem) = runtime {
        return Err(told(session, source, "runtime", &problem));
    }
    let variables = merge_vars(
        &arguments.var,
        &arguments.var_file,
        &session.environment,
        &session.logger,
    )?;
    session.refresh_host();
    notify(session, &settings, Event::RunStarted, &experiment, None).await;
    if !arguments.no_validation
        && let Err(problem) = ensure_experiment_is_valid(session, &experiment).await
    {
        if problem.is_chaos() {
            return Err(told(session, source, "validation", &problem));
        }
        return Err(problem.into());
    }
    planned(session, arguments, settings, experiment, &variables, global).await
}

async fn planned(
    session: &Session,
    arguments: &RunArguments,
    mut settings: Value,
    mut experiment: Value,
    variables: &Variables,
    global_controls: Vec<Value>,
) -> Result<(Plan, Option<EventFile>), Refused> {
    if let Some(experiment) = experiment.as_dict_mut() {
        experiment.insert("dry", arguments.dry.clone());
    }
    let settings_loaded = settings.is_truthy();
    let strategies = Strategies::of(arguments, &settings, &experiment);
    strategies.write_to(&mut settings);
    session.logger.debug(format!(
        "Runtime strategies: hypothesis - {} / rollbacks - {}",
        strategies.hypothesis, strategies.rollbacks
    ));
    let mut hypothesis = strategies.hypothesis.as_str();
    if hypothesis == "continously" {
        session.logger.warning(
            "\nThe \"--hypothesis-strategy=continously\" command is depreciating and will be removed \
             in a future version\nInstead, please use \"--hypothesis-strategy=continuously\"",
        );
        hypothesis = "continuously";
    }
    let strategy = Hypothesis::of_name(hypothesis)?;
    let events = match &arguments.events_file {
        None => None,
        Some(path) => {
            let created = EventFile::create(Path::new(path), session.redaction.clone());
            Some(created.map_err(|error| {
                let message = format!("cannot write the events to '{path}': {error}");
                Problem::crash("OSError", message)
            })?)
        }
    };

    // From here on processes may run; they are to go when the command is ended.
    session
        .signals
        .listen(&session.logger)
        .map_err(|error| Problem::crash("OSError", format!("cannot listen to signals: {error}")))?;
    let empty = Value::Dict(Dict::new());
    let declared = experiment.get("configuration").unwrap_or(&empty);
    let environment = &session.environment;
    let logger = &session.logger;
    let given = &variables.configuration;
    let configuration = load_configuration(declared, given, environment, logger)?;
    let declared = experiment.get("secrets").unwrap_or(&empty);
    let secrets = load_secrets(
        declared,
        &configuration,
        &variables.secrets,
        environment,
        &session.redaction,
        logger,
    )
    .await?;
    expose_secrets(&mut experiment, &configuration, &secrets);
    let providers = Providers::new(session);
    let configuration =
        load_dynamic_configuration(&configuration, &secrets, &providers, logger).await?;
    match session.signals.take() {
        Some(Signal::Interrupt) => {
            session.console.err("\nAborted!\n");
            return Err(Refused::Told(1));
        }
        Some(signal) => return Err(Refused::Killed(signal)),
        None => {}
    }
    let plan = Plan {
        experiment,
        configuration,
        secrets,
        settings,
        settings_loaded,
        global_controls,
        strategy,
        schedule: Schedule {
            frequency: arguments.hypothesis_frequency,
            fail_fast: arguments.fail_fast,
        },
        rollbacks: strategies.rollbacks,
        dry: arguments.dry.as_deref().and_then(Dry::of_name),
    };
    Ok((plan, events))
}

/// Writes the journal, tells who wants to be told, and decides the exit code.
async fn concluded(
    session: &Session,
    settings: &Value,
    arguments: &RunArguments,
    played: Played,
) -> i32 {
    let journal = session.redaction.value(&played.journal);
    let deviated = journal.get("deviated").is_some_and(Value::is_truthy);
    let completed = journal.get("status").and_then(Value::as_str) == Some("completed");
    let (text, unserialisable) = match json::dump(&journal, Some(2)) {
        Ok(text) => (text, played.unserialisable),
        Err(raised) => {
            let text = json::dump(&writable(&journal), Some(2));
            let text = text.unwrap_or_else(|_| journal.to_json().to_string());
            (text, Some(raised.to_string()))
        }
    };
    if let Err(error) = fs::write(&arguments.journal_path, text) {
        let path = &arguments.journal_path;
        let message = format!("cannot write the journal to '{path}': {error}");
        return session.crash(&Problem::crash("OSError", message));
    }
    if let Some(reason) = unserialisable {
        let message = format!("the journal holds text where JSON cannot hold a value: {reason}");
        return session.crash(&Problem::crash("TypeError", message));
    }
    let event = if completed {
        Event::RunCompleted
    } else {
        Event::RunFailed
    };
    notify(session, settings, event, &journal, None).await;
    if deviated {
        notify(session, settings, Event::RunDeviated, &journal, None).await;
    }
    let exit_code = i32::from(!completed || deviated);
    if session.agent {
        let context = RunContext {
            source: &arguments.source,
            journal_path: &arguments.journal_path,
            events_path: arguments.events_file.as_deref(),
            exit_code,
        };
        agent::emit(&session.console, &agent::run_report(&journal, &context));
    }
    exit_code
}

fn told(session: &Session, source: &str, stage: &str, problem: &Problem) -> Refused {
    session.logger.error(problem.to_string());
    session.logger.debug(problem.to_string());
    if session.agent {
        let report = agent::run_error_report(source, stage, problem);
        agent::emit(&session.console, &session.redaction.value(&report));
    }
    Refused::Told(1)
}

/// The strategies that hold: of the command line, else of the experiment, else of the settings.
struct Strategies {
    hypothesis: String,
    rollbacks: String,
}

impl Strategies {
    fn of(arguments: &RunArguments, settings: &Value, experiment: &Value) -> Strategies {
        let of_runtime = |runtime: Option<&Value>, kind: &str| -> String {
            let strategy = runtime.and_then(|runtime| runtime.get(kind)?.get("strategy"));
            let strategy = strategy.map(shaketable_dialect::text::str);
            strategy.unwrap_or_else(|| DEFAULT.to_owned())
        };
        // An experiment with a runtime block decides both, also the one it does not mention.
        let runtime = experiment
            .get("runtime")
            .filter(|runtime| runtime.is_truthy());
        let runtime = runtime.or_else(|| settings.get("runtime"));
        let given = |given: &Option<String>, kind: &str| {
            given.clone().unwrap_or_else(|| of_runtime(runtime, kind))
        };
        Strategies {
            hypothesis: given(&arguments.hypothesis_strategy, "hypothesis"),
            rollbacks: given(&arguments.rollback_strategy, "rollbacks"),
        }
    }

    fn write_to(&self, settings: &mut Value) {
        let Some(settings) = settings.as_dict_mut() else {
            return;
        };
        if settings
            .get("runtime")
            .is_none_or(|runtime| runtime.as_dict().is_none())
        {
            settings.insert("runtime", Dict::new());
        }
        let Some(runtime) = settings.get_mut("runtime").and_then(Value::as_dict_mut) else {
            return;
        };
        let kinds = [
            ("rollbacks", &self.rollbacks),
            ("hypothesis", &self.hypothesis),
        ];
        for (kind, strategy) in kinds {
            let mut block = runtime
                .get(kind)
                .and_then(Value::as_dict)
                .cloned()
                .unwrap_or_default();
            block.insert("strategy", strategy.as_str());
            runtime.insert(kind, block);
        }
    }
}
