//! A host whose modules are the files of a temporary folder.

use shaketable_dialect::Value;
use shaketable_python::{
    CallId, Documents, FunctionCall, Host, HostOptions, Notices, Output, PythonError, Thread,
};

pub struct Modules {
    pub host: Host,
    pub notices: Notices,
    _folder: tempfile::TempDir,
}

impl Modules {
    pub fn new(files: &[(&str, &str)]) -> Modules {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).expect("a module");
        }
        let (host, notices) = Host::new(HostOptions {
            environment: vec![
                ("PYTHONPATH".into(), folder.path().into()),
                ("PYTHONDONTWRITEBYTECODE".into(), "1".into()),
            ],
            ..HostOptions::default()
        });
        Modules {
            host,
            notices,
            _folder: folder,
        }
    }
}

pub fn call<'a>(module: &'a str, func: &'a str, arguments: &'a Value) -> FunctionCall<'a> {
    FunctionCall {
        id: CallId::new(),
        activity_name: "an activity",
        module,
        func,
        arguments,
        secret_groups: None,
        documents: Documents::default(),
        timeout: None,
        thread: Thread::Foreground,
    }
}

/// Calls a function without arguments.
pub async fn run(host: &Host, module: &str, func: &str) -> Result<Output, PythonError> {
    host.call(&call(module, func, &Value::None)).await
}
