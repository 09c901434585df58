//! The Python of a run: the interpreter that the experiment asks for, and calls of functions in it.
//!
//! An interpreter starts with the first call. Without one, it is these calls that fail.

use std::ffi::OsString;
use std::path::Path;

use serde_json::Value;
use shaketable_dialect::Value as PythonValue;
use shaketable_experiment::{PythonCall, PythonRuntime};
use shaketable_providers::{expand_user, which};
use shaketable_python::{
    CallId, Class, Documents, FunctionCall, Host, HostOptions, Notices, PythonError, Thread,
};

use crate::carrying::Failure;

/// Where Python looks for modules first.
const MODULE_PATH: &str = "PYTHONPATH";

/// The Python of a run. Clones share its interpreter, which ends with the last one.
#[derive(Clone)]
pub struct Python {
    host: Result<Host, String>,
}

impl Default for Python {
    fn default() -> Python {
        Python {
            host: Ok(Host::new(HostOptions::default()).0),
        }
    }
}

impl std::fmt::Debug for Python {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Python")
    }
}

impl Python {
    /// The Python that an experiment asks for, and where its notices arrive. Modules are also looked
    /// for in `folder`, which is the experiment's.
    pub fn new(runtime: &PythonRuntime, folder: &Path) -> (Python, Option<Notices>) {
        let interpreter = match command(runtime) {
            Ok(interpreter) => interpreter,
            Err(reason) => return (Python { host: Err(reason) }, None),
        };
        let (host, notices) = Host::new(HostOptions {
            interpreter,
            environment: vec![(MODULE_PATH.into(), module_path(folder))],
            stdout_to_stderr: true,
            ..HostOptions::default()
        });
        (Python { host: Ok(host) }, Some(notices))
    }

    /// The host, for controls and for interrupting.
    ///
    /// # Errors
    /// There can be none; in words.
    pub fn host(&self) -> Result<&Host, String> {
        self.host.as_ref().map_err(Clone::clone)
    }

    /// Lets the interpreter exit, if it runs; bounded.
    pub async fn shut_down(&self) {
        if let Ok(host) = &self.host {
            host.shutdown().await;
        }
    }

    pub(crate) async fn call(
        &self,
        activity: &str,
        call: &PythonCall,
        documents: Documents<'_>,
        thread: Thread,
    ) -> Result<Value, Failure> {
        let host = self.host()?;
        let groups = (!call.secrets.is_empty()).then_some(call.secrets.as_slice());
        let arguments = PythonValue::from(Value::Object(call.arguments.clone()));
        let called = FunctionCall {
            id: CallId::new(),
            activity_name: activity,
            module: &call.module,
            func: &call.function,
            arguments: &arguments,
            secret_groups: groups,
            documents,
            timeout: Some(call.timeout),
            thread,
        };
        match host.call(&called).await {
            Ok(output) => Ok(output.value.to_json()),
            Err(error) => Err(failure(&call.module, &call.function, error)),
        }
    }
}

/// What an exception means to the activity that it ends.
fn failure(module: &str, function: &str, error: PythonError) -> Failure {
    let mut failure = Failure::from(format!("{module}.{function}: {error}"));
    if let PythonError::Raised(raised) = error {
        failure.exception = raised.activity_failed_lines();
        failure.interrupts = match raised.class {
            Class::InterruptExecution => Some(raised.message),
            Class::ExperimentExited | Class::SystemExit { .. } | Class::KeyboardInterrupt => {
                Some(raised.only)
            }
            _ => None,
        };
    }
    failure
}

/// The command that starts the interpreter, if the experiment says.
fn command(runtime: &PythonRuntime) -> Result<Option<Vec<OsString>>, String> {
    let named = runtime.interpreter.as_deref();
    if runtime.dependencies.is_empty() && runtime.version.is_none() {
        return Ok(named.map(|path| vec![expand_user(path).into()]));
    }
    let uv = which("uv").ok_or(
        "`runtime.python` asks for packages or a version, which uv provides, and uv is not on the \
         PATH: install it, or name an `interpreter` that has them",
    )?;
    let mut command: Vec<OsString> = vec![uv.into(), "run".into(), "--no-project".into()];
    if runtime.isolated {
        command.push("--isolated".into());
    }
    let version = runtime.version.as_ref().map(OsString::from);
    let named = named.map(|path| expand_user(path).into_os_string());
    if let Some(python) = version.or(named).or_else(of_environment) {
        command.extend(["--python".into(), python]);
    }
    for requirement in &runtime.dependencies {
        command.extend(["--with".into(), requirement.into()]);
    }
    command.extend(["--".into(), "python".into()]);
    Ok(Some(command))
}

/// The interpreter that the environment names.
fn of_environment() -> Option<OsString> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    set("PYTHON").or_else(|| {
        let folder = set("VIRTUAL_ENV")?;
        Some(Path::new(&folder).join("bin/python").into())
    })
}

/// The folders where modules are looked for: those of the environment, then `folder`.
fn module_path(folder: &Path) -> OsString {
    let given = std::env::var_os(MODULE_PATH).unwrap_or_default();
    let given = std::env::split_paths(&given).filter(|path| !path.as_os_str().is_empty());
    // The folder of a file that is named without one is empty, and Python passes over empty entries.
    let folder = Path::new(".").join(folder);
    let folder = folder.canonicalize().unwrap_or(folder);
    let folders: Vec<_> = given.chain([folder.clone()]).collect();
    std::env::join_paths(folders).unwrap_or_else(|_| folder.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_that_is_named_is_taken_as_it_is() {
        let runtime = PythonRuntime {
            interpreter: Some("/opt/python".to_owned()),
            ..PythonRuntime::default()
        };
        assert_eq!(command(&runtime), Ok(Some(vec!["/opt/python".into()])));
        assert_eq!(command(&PythonRuntime::default()), Ok(None));
    }

    #[test]
    fn packages_and_versions_come_from_uv() {
        let runtime = PythonRuntime {
            dependencies: vec!["httpx>=0.27".to_owned()],
            isolated: true,
            version: Some("3.12".to_owned()),
            ..PythonRuntime::default()
        };
        match command(&runtime) {
            Ok(command) => {
                let command = command.unwrap();
                let words: Vec<_> = command[1..].iter().map(|word| word.to_str()).collect();
                let expected =
                    "run --no-project --isolated --python 3.12 --with httpx>=0.27 -- python";
                assert_eq!(words, expected.split(' ').map(Some).collect::<Vec<_>>());
            }
            Err(reason) => assert!(reason.contains("uv is not on the PATH"), "{reason}"),
        }
    }
}
