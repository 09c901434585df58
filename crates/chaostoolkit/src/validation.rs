//! Is an experiment valid? The reference's checks, in its order; the first error ends it.
//!
//! Promises:
//! 1. The first error is the one the reference would have told, with its text.
//! 2. Configuration and secrets are resolved on the way, without any overriding variables, Python modules are
//!    imported, and secrets are fetched from Vault, as the reference does.
//!
//! Tolerances are checked by the dialect, Python functions and control modules by the Python host.

use shaketable_dialect::{Dict, Key, Value, text, tolerance};
use shaketable_providers::process::which;
use shaketable_python::{CallId, ControlCall, ControlFunction, Documents, FunctionCheck, Thread};

use crate::access::{contains, get, get_truthy, item, iterate, iterate_key, mapping};
use crate::configuration::load_configuration;
use crate::problem::Problem;
use crate::secrets::load_secrets;
use crate::session::Session;

const DICT_ARGUMENTS: &str = "Process arguments should now be a list to keep the ordering of the \
     arguments. Dictionary arguments are deprecated for process activities.";
const VAULT_WITHOUT_PATH: &str = "Vault secrets must now specify the `path` property. The `key` \
     property is now a key of a Vault secret rather than the actual path. For instance: \
     {'my-key': {'type': 'vault', 'key': 'foo'}} now becomes: \
     {'my-key': {'type': 'vault', 'path': 'foo'}}";

/// Checks an experiment.
///
/// # Errors
/// The first thing that is wrong with it: [`Problem::Chaos`] with the reference's message, or
/// [`Problem::Crash`] where the reference stumbles over a value of a wrong type.
pub async fn ensure_experiment_is_valid(
    session: &Session,
    experiment: &Value,
) -> Result<(), Problem> {
    let logger = &session.logger;
    let activities = if experiment.is_truthy() {
        logger.debug("Building activity cache...");
        let activities = activities_by_name(experiment)?;
        logger.debug(format!("Cached {} activities", activities.len()));
        activities
    } else {
        Dict::new()
    };
    let checked = check_experiment(session, experiment, &activities).await;
    logger.debug("Clearing activities cache");
    checked
}

/// The activities that a `ref` may name: of the method, then of the hypothesis; the last of a name wins.
///
/// # Errors
/// A crash when a list of activities is none.
pub fn activities_by_name(experiment: &Value) -> Result<Dict, Problem> {
    let mut activities = Dict::new();
    let method = get(experiment, "method")?;
    let hypothesis = get(experiment, "steady-state-hypothesis")?;
    let probes = hypothesis.map_or(Ok(None), |hypothesis| get(hypothesis, "probes"))?;
    if let Some(method) = method.filter(|method| method.as_list().is_none()) {
        return Err(Problem::crash("TypeError", cannot_start_sum(method)));
    }
    for part in [method, probes].into_iter().flatten() {
        let Some(part) = part.as_list() else {
            return Err(Problem::crash(
                "TypeError",
                format!(
                    "can only concatenate list (not \"{}\") to list",
                    part.type_name()
                ),
            ));
        };
        for activity in part {
            if let Some(name) = get_truthy(activity, "name")? {
                activities.insert(Key::try_from(name.clone())?, activity.clone());
            }
        }
    }
    Ok(activities)
}

/// What Python says of `value + []`.
fn cannot_start_sum(value: &Value) -> String {
    let kind = value.type_name();
    match value {
        Value::Str(_) => "can only concatenate str (not \"list\") to str".to_string(),
        Value::Bytes(_) => "can't concat list to bytes".to_string(),
        _ => format!("unsupported operand type(s) for +: '{kind}' and 'list'"),
    }
}

/// The activity that a `ref` names, if the experiment has one.
pub(crate) fn referenced<'a>(activities: &'a Dict, reference: &Value) -> Option<&'a Value> {
    let key = Key::try_from(reference.clone()).ok()?;
    activities.0.get(&key)
}

async fn check_experiment(
    session: &Session,
    experiment: &Value,
    activities: &Dict,
) -> Result<(), Problem> {
    let logger = &session.logger;
    logger.info("Validating the experiment's syntax");
    if !experiment.is_truthy() {
        return Err(invalid_experiment(
            "an empty experiment is not an experiment",
        ));
    }
    if get_truthy(experiment, "title")?.is_none() {
        return Err(invalid_experiment("experiment requires a title"));
    }
    if get_truthy(experiment, "description")?.is_none() {
        return Err(invalid_experiment("experiment requires a description"));
    }
    if let Some(tags) = get_truthy(experiment, "tags")? {
        for tag in iterate(tags)? {
            if tag.as_str().is_none_or(str::is_empty) {
                return Err(invalid_experiment(
                    "experiment tags must be a non-empty string",
                ));
            }
        }
    }
    check_extensions(experiment)?;

    let none = Value::Dict(Dict::new());
    let configuration = load_configuration(
        get(experiment, "configuration")?.unwrap_or(&none),
        &Dict::new(),
        &session.environment,
        logger,
    )?;
    load_secrets(
        get(experiment, "secrets")?.unwrap_or(&none),
        &configuration,
        &Dict::new(),
        &session.environment,
        &session.redaction,
        logger,
    )
    .await?;

    check_hypothesis(session, experiment).await?;
    let method = match get(experiment, "method")? {
        None | Some(Value::None) => {
            return Err(invalid_experiment(
                "an experiment requires a method, which can be empty for only checking steady \
                 state hypothesis ",
            ));
        }
        Some(method) => iterate(method)?,
    };
    for activity in method {
        check_activity(session, &activity).await?;
        if let Some(reference) = get_truthy(&activity, "ref")?
            && referenced(activities, reference).is_none()
        {
            let name = text::str(reference);
            logger.debug(format!("cache miss for '{name}'"));
            return Err(invalid_activity(format!(
                "referenced activity '{name}' could not be found in the experiment"
            )));
        }
    }
    for activity in iterate_key(experiment, "rollbacks")? {
        check_activity(session, &activity).await?;
    }
    warn_about_deprecated_features(session, experiment)?;
    check_controls(session, experiment).await?;
    logger.info("Experiment looks valid");
    Ok(())
}

fn check_extensions(experiment: &Value) -> Result<(), Problem> {
    let Some(extensions) = get_truthy(experiment, "extensions")? else {
        return Ok(());
    };
    for extension in iterate(extensions)? {
        let blank = match get_truthy(&extension, "name")? {
            None => true,
            Some(Value::Str(name)) => name.trim().is_empty(),
            Some(other) => {
                let kind = other.type_name();
                let message = format!("'{kind}' object has no attribute 'strip'");
                return Err(Problem::crash("AttributeError", message));
            }
        };
        if blank {
            return Err(invalid_experiment(
                "All extensions require a non-empty name",
            ));
        }
    }
    Ok(())
}

async fn check_hypothesis(session: &Session, experiment: &Value) -> Result<(), Problem> {
    let hypothesis = match get(experiment, "steady-state-hypothesis")? {
        None | Some(Value::None) => return Ok(()),
        Some(hypothesis) => hypothesis,
    };
    if get_truthy(hypothesis, "title")?.is_none() {
        return Err(invalid_experiment("hypothesis requires a title"));
    }
    let Some(probes) = get_truthy(hypothesis, "probes")? else {
        return Ok(());
    };
    for probe in iterate(probes)? {
        check_activity(session, &probe).await?;
        if !contains(&probe, "tolerance")? {
            return Err(invalid_activity(
                "hypothesis probe must have a tolerance entry",
            ));
        }
        let tolerance = item(&probe, "tolerance")?;
        tolerance::check(tolerance)?;
        if tolerance.get("type").and_then(Value::as_str) == Some("probe") {
            check_activity(session, tolerance).await?;
        }
    }
    Ok(())
}

async fn check_activity(session: &Session, activity: &Value) -> Result<(), Problem> {
    if !activity.is_truthy() {
        return Err(invalid_activity("empty activity is no activity"));
    }
    match get(activity, "ref")? {
        None | Some(Value::None) => {}
        Some(Value::Str(name)) if !name.is_empty() => return Ok(()),
        Some(_) => {
            return Err(invalid_activity(
                "reference to activity must be non-empty strings",
            ));
        }
    }
    let Some(kind) = get_truthy(activity, "type")? else {
        return Err(invalid_activity("an activity must have a type"));
    };
    if !matches!(kind.as_str(), Some("probe" | "action")) {
        let kind = text::str(kind);
        return Err(invalid_activity(format!(
            "'{kind}' is not a supported activity type"
        )));
    }
    let Some(name) = get_truthy(activity, "name")? else {
        return Err(invalid_activity("an activity must have a name"));
    };
    let Some(provider) = get_truthy(activity, "provider")? else {
        return Err(invalid_activity("an activity requires a provider"));
    };
    let Some(provider_type) = get_truthy(provider, "type")? else {
        return Err(invalid_activity("a provider must have a type"));
    };
    let provider_type = text::str(provider_type);
    if !matches!(provider_type.as_str(), "python" | "process" | "http") {
        return Err(invalid_activity(format!(
            "unknown provider type '{provider_type}'"
        )));
    }
    match get(activity, "timeout")? {
        None | Some(Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_)) => {}
        Some(_) => return Err(invalid_activity("activity timeout must be a number")),
    }
    if let Some(pauses) = get(activity, "pauses")?.filter(|pauses| !pauses.is_none()) {
        check_pause(pauses, "before")?;
        check_pause(pauses, "after")?;
    }
    if !matches!(get(activity, "background")?, None | Some(Value::Bool(_))) {
        return Err(invalid_activity("activity background must be a boolean"));
    }
    let name = text::str(name);
    match provider_type.as_str() {
        "python" => check_python(session, &text::str(kind), &name, provider).await,
        "process" => check_process(&name, provider),
        _ => check_http(provider),
    }
}

fn check_pause(pauses: &Value, when: &str) -> Result<(), Problem> {
    match get(pauses, when)? {
        Some(Value::Str(pause)) if !(pause.starts_with("${") && pause.ends_with('}')) => {
            Err(invalid_activity(format!(
                "activity {when} pause must be a number or a pattern to a variable from the \
                 configuration or secrets"
            )))
        }
        _ => Ok(()),
    }
}

async fn check_python(
    session: &Session,
    kind: &str,
    name: &str,
    provider: &Value,
) -> Result<(), Problem> {
    let Some(module) = get_truthy(provider, "module")? else {
        return Err(invalid_activity(
            "a Python activity must have a module path",
        ));
    };
    let Some(func) = get_truthy(provider, "func")? else {
        return Err(invalid_activity(
            "a Python activity must have a function name",
        ));
    };
    let none = Value::Dict(Dict::new());
    let check = FunctionCheck {
        activity_type: kind,
        activity_name: name,
        module: &text::str(module),
        func: &text::str(func),
        arguments: get(provider, "arguments")?.unwrap_or(&none),
    };
    Ok(session.host.validate_function(&check).await?)
}

fn check_process(name: &str, provider: &Value) -> Result<(), Problem> {
    let Some(path) = get_truthy(provider, "path")? else {
        return Err(invalid_activity("a process activity must have a path"));
    };
    let Some(path) = path.as_str() else {
        return Err(Problem::crash(
            "TypeError",
            format!(
                "expected str, bytes or os.PathLike object, not {}",
                path.type_name()
            ),
        ));
    };
    match which(path) {
        Some(_) => Ok(()),
        None => Err(invalid_activity(format!(
            "path '{path}' cannot be found, in activity '{name}'"
        ))),
    }
}

fn check_http(provider: &Value) -> Result<(), Problem> {
    if get_truthy(provider, "url")?.is_none() {
        return Err(invalid_activity("a HTTP activity must have a URL"));
    }
    if let Some(headers) = get_truthy(provider, "headers")?
        && headers.as_dict().is_none()
    {
        return Err(invalid_activity(
            "a HTTP activities expect headers as a mapping",
        ));
    }
    Ok(())
}

fn warn_about_deprecated_features(session: &Session, experiment: &Value) -> Result<(), Problem> {
    let mut warned = false;
    for activity in all_activities(experiment)? {
        let Some(provider) = get_truthy(activity, "provider")? else {
            continue;
        };
        if get(provider, "type")?.and_then(Value::as_str) == Some("process")
            && get(provider, "arguments")?.is_some_and(|arguments| arguments.as_dict().is_some())
            && !warned
        {
            warned = true;
            session.logger.warning(DICT_ARGUMENTS);
        }
    }
    if let Some(secrets) = get(experiment, "secrets")? {
        for group in mapping(secrets, "values")?.values() {
            for secret in mapping(group, "values")?.values() {
                if let Some(secret) = secret.as_dict()
                    && secret.get("type").and_then(Value::as_str) == Some("vault")
                    && secret.contains("key")
                    && !secret.contains("path")
                {
                    session.logger.warning(VAULT_WITHOUT_PATH);
                }
            }
        }
    }
    Ok(())
}

/// The probes of the hypothesis, then the method, then the rollbacks.
fn all_activities(experiment: &Value) -> Result<Vec<&Value>, Problem> {
    let mut lists = Vec::new();
    if let Some(hypothesis) = get_truthy(experiment, "steady-state-hypothesis")? {
        lists.push(get(hypothesis, "probes")?);
    }
    lists.push(get(experiment, "method")?);
    lists.push(get(experiment, "rollbacks")?);
    let mut activities = Vec::new();
    for list in lists.into_iter().flatten() {
        match list {
            Value::List(items) => activities.extend(items),
            Value::None => return Err(not_iterable(list)),
            other => {
                // Anything else that can be gone through has members without `get`.
                if !iterate(other)?.is_empty() {
                    return Err(Problem::crash(
                        "AttributeError",
                        "'str' object has no attribute 'get'",
                    ));
                }
            }
        }
    }
    Ok(activities)
}

async fn check_controls(session: &Session, experiment: &Value) -> Result<(), Problem> {
    let mut controls = iterate_key(experiment, "controls")?;
    if let Some(hypothesis) = get(experiment, "steady-state-hypothesis")? {
        controls.extend(iterate_key(hypothesis, "controls")?);
    }
    for activity in all_activities(experiment)? {
        controls.extend(iterate_key(activity, "controls")?);
    }
    let mut names = Vec::new();
    for control in &controls {
        if !contains(control, "ref")? && contains(control, "name")? {
            names.push(item(control, "name")?);
        }
    }
    for control in &controls {
        if contains(control, "ref")? && !names.contains(&item(control, "ref")?) {
            return Err(invalid_control(
                "Control reference '{}' declaration cannot be found",
            ));
        }
        if !contains(control, "name")? {
            return Err(invalid_control("A control must have a `name` property"));
        }
        let name = text::str(item(control, "name")?);
        if !contains(control, "provider")? {
            return Err(invalid_control(format!(
                "Control '{name}' must have a `provider` property"
            )));
        }
        if let Some(scope) = get_truthy(control, "scope")?
            && !matches!(scope.as_str(), Some("before" | "after"))
        {
            return Err(invalid_control(format!(
                "Control '{name}' scope property must be 'before' or 'after' only"
            )));
        }
        let provider = item(control, "provider")?;
        if get(provider, "type")?.and_then(Value::as_str) == Some("python") {
            check_python_control(session, &name, control, provider).await?;
        }
    }
    Ok(())
}

async fn check_python_control(
    session: &Session,
    name: &str,
    control: &Value,
    provider: &Value,
) -> Result<(), Problem> {
    let Some(module) = get_truthy(provider, "module")? else {
        return Err(invalid_activity(format!(
            "Control '{name}' must have a module path"
        )));
    };
    let module = text::str(module);
    let Some(functions) = session.host.import_control(&module).await? else {
        session.logger.warning(format!(
            "Could not find Python module '{module}' in control '{name}'. Did you install the \
             Python module? The experiment will carry on running nonetheless."
        ));
        return Ok(());
    };
    if !functions.functions.contains_key("validate_control") {
        return Ok(());
    }
    let call = ControlCall {
        id: CallId::new(),
        module: &module,
        function: ControlFunction::Validate { control },
        arguments: &Value::None,
        documents: Documents::default(),
        thread: Thread::Foreground,
    };
    match session.host.control(&call).await?.raised {
        Some(raised) => Err(shaketable_python::PythonError::Raised(raised).into()),
        None => Ok(()),
    }
}

fn not_iterable(value: &Value) -> Problem {
    Problem::crash(
        "TypeError",
        format!("'{}' object is not iterable", value.type_name()),
    )
}

fn invalid_experiment(message: impl Into<String>) -> Problem {
    Problem::chaos("InvalidExperiment", message)
}

fn invalid_activity(message: impl Into<String>) -> Problem {
    Problem::chaos("InvalidActivity", message)
}

fn invalid_control(message: impl Into<String>) -> Problem {
    Problem::chaos("InvalidControl", message)
}
