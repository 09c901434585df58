//! `runtime.python`: the Python environment that an experiment asks for.
//!
//! The reference runs itself again within `uv run`; here only the Python host is started through it, with
//! the same environment.

use std::ffi::OsString;

use shaketable_dialect::Value;
use shaketable_providers::process::which;

use crate::environment::Environment;
use crate::problem::Problem;
use crate::version::CLI_VERSION;

/// Packages and interpreter for the activities of an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonRuntime {
    /// Requirements, as `uv run --with` takes them.
    pub dependencies: Vec<String>,
    /// Nothing of the surrounding environment is visible. Always so with a version.
    pub isolated: bool,
    /// The Python version, as `uv run --python` takes it.
    pub version: Option<String>,
}

/// What an experiment asks for; nothing when it asks for neither packages nor a version.
///
/// # Errors
/// `PythonRuntimeError` with the reference's message for a value of a wrong type.
pub fn of_experiment(experiment: &Value) -> Result<Option<PythonRuntime>, Problem> {
    let Some(python) = experiment
        .get("runtime")
        .and_then(|runtime| runtime.get("python"))
        .filter(|python| python.as_dict().is_some())
    else {
        return Ok(None);
    };
    let mut dependencies = Vec::new();
    match python.get("dependencies") {
        None | Some(Value::None) => {}
        Some(Value::List(items)) => {
            for item in items {
                match item.as_str().map(str::trim) {
                    Some(name) if !name.is_empty() => dependencies.push(name.to_string()),
                    _ => return Err(error("dependencies must contain package names")),
                }
            }
        }
        Some(_) => return Err(error("dependencies must be a list")),
    }
    let isolated = match python.get("isolated") {
        None => false,
        Some(Value::Bool(isolated)) => *isolated,
        Some(_) => return Err(error("isolated must be a boolean")),
    };
    let version = match python.get("version") {
        None | Some(Value::None) => None,
        Some(version) => match version.as_str().map(str::trim) {
            Some(version) if !version.is_empty() => Some(version.to_string()),
            _ => return Err(error("version must be a Python version")),
        },
    };
    if dependencies.is_empty() && version.is_none() {
        return Ok(None);
    }
    Ok(Some(PythonRuntime {
        dependencies,
        isolated: isolated || version.is_some(),
        version,
    }))
}

impl PythonRuntime {
    /// The command that starts the interpreter in this environment.
    ///
    /// # Errors
    /// `PythonRuntimeError` when there is no `uv`, or no Python whose environment is to be used.
    pub fn interpreter(&self, environment: &Environment) -> Result<Vec<OsString>, Problem> {
        let uv = which("uv")
            .ok_or_else(|| Problem::chaos("PythonRuntimeError", "uv was not found on PATH"))?;
        let mut command: Vec<OsString> = vec![uv.into(), "run".into(), "--no-project".into()];
        if self.isolated {
            command.push("--isolated".into());
        }
        let python = self.version.clone().map(OsString::from);
        if let Some(python) = python.or_else(|| current_interpreter(environment)) {
            command.extend(["--python".into(), python]);
        }
        if self.isolated {
            command.extend([
                "--with".into(),
                format!("chaostoolkit=={CLI_VERSION}").into(),
            ]);
        }
        for dependency in &self.dependencies {
            command.extend(["--with".into(), dependency.into()]);
        }
        command.extend(["--".into(), "python".into()]);
        Ok(command)
    }
}

/// The interpreter that would be used without a runtime.
pub(crate) fn current_interpreter(environment: &Environment) -> Option<OsString> {
    if let Some(python) = environment.get("PYTHON").filter(|path| !path.is_empty()) {
        return Some(python.into());
    }
    if let Some(folder) = environment
        .get("VIRTUAL_ENV")
        .filter(|path| !path.is_empty())
    {
        return Some(format!("{folder}/bin/python").into());
    }
    which("python3").or_else(|| which("python")).map(Into::into)
}

fn error(what: &str) -> Problem {
    Problem::chaos("PythonRuntimeError", format!("runtime.python.{what}"))
}
