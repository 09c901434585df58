//! Global controls: of the settings and of control files, and their calls around the loading of an
//! experiment, when there is no run yet.

use std::fs;
use std::path::Path;

use shaketable_dialect::{Value, json, yaml};
use shaketable_python::{Argument, CallId, ControlCall, ControlFunction, Documents, PythonError};

use super::{Scope, arguments, failed, in_scope, python_module};
use crate::halt::Halt;
use crate::problem::Problem;
use crate::session::Session;

/// The controls that apply to every experiment, from the settings and from control files.
///
/// # Errors
/// When a control file cannot be read or is no mapping of controls.
pub async fn load_global(
    session: &Session,
    settings: &Value,
    files: &[String],
) -> Result<Vec<Value>, Problem> {
    let mut controls = Vec::new();
    if let Some(declared) = settings.get("controls").filter(|c| c.is_truthy()) {
        add_all(session, declared, "", &mut controls).await?;
    }
    for file in files {
        let content = fs::read_to_string(file).map_err(|error| {
            Problem::crash(
                "OSError",
                format!("cannot read the control file '{file}': {error}"),
            )
        })?;
        if content.is_empty() {
            continue;
        }
        let extension = Path::new(file).extension().and_then(|e| e.to_str());
        let parsed = match extension {
            Some("yaml" | "yml") => yaml::load(&content),
            Some("json") => json::parse(&content),
            _ => continue,
        };
        match parsed {
            Ok(declared) => {
                add_all(session, &declared, &format!(" from {file}"), &mut controls).await?;
            }
            Err(raised) => session.logger.error(format!(
                "Failed to parse control file '{file}': {}",
                raised.message
            )),
        }
    }
    Ok(controls)
}

async fn add_all(
    session: &Session,
    declared: &Value,
    origin: &str,
    controls: &mut Vec<Value>,
) -> Result<(), Problem> {
    let Some(declared) = declared.as_dict() else {
        let kind = declared.type_name();
        let message = format!("'{kind}' object has no attribute 'items'");
        return Err(Problem::crash("AttributeError", message));
    };
    for (name, control) in declared.iter() {
        session
            .logger
            .debug(format!("Loading global control '{name}'{origin}"));
        let Value::Dict(mut control) = control.clone() else {
            let message = "'str' object does not support item assignment";
            return Err(Problem::crash("TypeError", message));
        };
        control.insert("name", name.to_value());
        let control = Value::Dict(control);
        if let Some(module) = python_module(&control)
            && !matches!(session.host.import_control(module).await, Ok(Some(_)))
        {
            continue;
        }
        controls.push(control);
    }
    Ok(())
}

/// Calls the global controls around the loading of an experiment from `source`; `loaded` is the
/// experiment, after it.
///
/// # Errors
/// The message of an interruption that a control asked for.
pub async fn around_loading(
    session: &Session,
    controls: &[Value],
    settings: &Value,
    source: &str,
    loaded: Option<&mut Value>,
) -> Result<(), Problem> {
    let (scope, name) = match loaded {
        None => (Scope::Before, "before_loading_experiment_control"),
        Some(_) => (Scope::After, "after_loading_experiment_control"),
    };
    let source = Value::from(source);
    let all = Value::from(controls.to_vec());
    let mut state = loaded;
    for control in in_scope(controls, scope) {
        let Some(module) = python_module(control) else {
            continue;
        };
        let arguments = arguments(control);
        let held = state.as_deref().cloned().unwrap_or_default();
        let call = ControlCall {
            id: CallId::new(),
            module,
            function: ControlFunction::Apply {
                name,
                context: Argument::Value(&source),
                state: Some(Argument::Value(&held)),
            },
            arguments: &arguments,
            documents: Documents {
                experiment: Some(&Value::None),
                configuration: Some(&Value::None),
                secrets: Some(&Value::None),
                settings: Some(settings),
                journal: Some(&Value::None),
                global_controls: Some(&all),
            },
            thread: shaketable_python::Thread::Foreground,
        };
        let outcome = match session.host.control(&call).await {
            Ok(outcome) => outcome,
            Err(error) => {
                session.logger.debug(error.to_string());
                continue;
            }
        };
        if let (Some(changed), Some(state)) = (outcome.state, state.as_deref_mut()) {
            *state = changed;
        }
        if let Some(raised) = outcome.raised {
            match Halt::of_python(&PythonError::Raised(raised)) {
                Some(halt) => {
                    return Err(Problem::crash("InterruptExecution", halt.to_string()));
                }
                None => session.logger.debug(failed(scope, control)),
            }
        }
    }
    Ok(())
}
