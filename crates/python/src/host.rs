//! The host as its users see it: what can be asked of it.

use std::ffi::OsString;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value as Json;
use shaketable_dialect::Value;
use tokio::sync::mpsc;

use crate::control::{ControlCall, ControlModule, ControlOutcome};
use crate::documents::{Argument, Documents, Held};
use crate::error::PythonError;
use crate::function::{CallId, FunctionCall, FunctionCheck, Output, Thread};
use crate::interpreter;
use crate::notice::{Notice, Notices};
use crate::process::{Answer, Interruption, Process, Target, Waited, locked};
use crate::wire;

/// How to start Python, and what the code finds there.
#[derive(Debug, Clone, Default)]
pub struct HostOptions {
    /// The command that starts an interpreter, such as `["/usr/bin/python3"]`; it is given `-c` and a
    /// program. `None`: `$PYTHON`, the interpreter of `$VIRTUAL_ENV`, `python3` or `python` on the `PATH`.
    pub interpreter: Option<Vec<OsString>>,
    /// The settings, until a call's documents bring others.
    pub settings: Option<Value>,
    /// What the code prints to its standard output goes to standard error.
    pub stdout_to_stderr: bool,
    /// Environment variables set in addition to the inherited ones.
    pub environment: Vec<(OsString, OsString)>,
}

/// A Python interpreter that runs functions. Clones share it; it is killed when the last one is dropped.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    options: HostOptions,
    held: Arc<Mutex<Held>>,
    process: Mutex<Option<Arc<Process>>>,
    starting: tokio::sync::Mutex<()>,
    notices: mpsc::UnboundedSender<Notice>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(process) = locked(&self.process).take() {
            process.kill();
        }
    }
}

/// A request in the making: the text of one JSON object.
struct Request {
    text: String,
    id: CallId,
    thread: Thread,
    timeout: Option<Duration>,
}

impl Request {
    fn new(operation: &str, id: CallId, thread: Thread) -> Request {
        let background = thread == Thread::Background;
        let text = format!(
            "{{\"op\":\"{operation}\",\"id\":{},\"background\":{background}",
            id.0
        );
        Request {
            text,
            id,
            thread,
            timeout: None,
        }
    }

    fn raw(mut self, name: &str, json: &str) -> Request {
        self.text.push_str(&format!(",\"{name}\":{json}"));
        self
    }

    fn string(self, name: &str, content: &str) -> Request {
        let json = Json::from(content).to_string();
        self.raw(name, &json)
    }

    fn value(self, name: &str, value: &Value) -> Request {
        let mut json = String::new();
        wire::encode(value, &mut json);
        self.raw(name, &json)
    }
}

/// What `charset_normalizer` makes of bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum Detection {
    /// It is not installed for the host's interpreter.
    Unavailable,
    /// It has looked.
    Detected {
        /// Python's name of the encoding; `None`: it finds none.
        encoding: Option<String>,
        /// How sure it is, 0 to 1.
        confidence: f64,
        /// The bytes in that encoding; `None`: they are not in it after all, or there is none.
        text: Option<String>,
    },
}

impl Host {
    /// A host that starts with its first call, and where its notices arrive.
    pub fn new(options: HostOptions) -> (Host, Notices) {
        let (notices, receiver) = mpsc::unbounded_channel();
        let inner = Inner {
            options,
            held: Arc::default(),
            process: Mutex::default(),
            starting: tokio::sync::Mutex::new(()),
            notices,
        };
        let host = Host {
            inner: Arc::new(inner),
        };
        (host, receiver)
    }

    /// Whether an interpreter is running.
    pub fn is_running(&self) -> bool {
        self.running().is_some()
    }

    /// Checks that a function exists and takes the arguments, as Chaos Toolkit validates an activity.
    ///
    /// # Errors
    /// [`PythonError::Raised`] with class `InvalidActivity`, or what importing the module raised, or a
    /// failure of the host.
    pub async fn validate_function(&self, check: &FunctionCheck<'_>) -> Result<(), PythonError> {
        let request = Request::new("validate", CallId::new(), Thread::Foreground)
            .string("type", check.activity_type)
            .string("name", check.activity_name)
            .string("module", check.module)
            .string("func", check.func)
            .value("arguments", check.arguments);
        self.ask(request, &Documents::default()).await.map(drop)
    }

    /// Calls a function of a module.
    ///
    /// # Errors
    /// The function's exception, its timeout, or a failure of the host.
    pub async fn call(&self, call: &FunctionCall<'_>) -> Result<Output, PythonError> {
        let groups = call
            .secret_groups
            .map_or("null".to_string(), |groups| Json::from(groups).to_string());
        let mut request = Request::new("call", call.id, call.thread)
            .string("name", call.activity_name)
            .string("module", call.module)
            .string("func", call.func)
            .raw("groups", &groups)
            .value("arguments", call.arguments);
        request.timeout = call.timeout;
        let mut answer = self.ask(request, &call.documents).await?;
        Ok(Output {
            value: wire::decode(answer.json["value"].take()),
            unserialisable: answer.json["refused"].as_str().map(str::to_string),
        })
    }

    /// Imports a control module; `None` if it cannot be imported.
    ///
    /// # Errors
    /// What importing it raised, if that was no `ImportError`, or a failure of the host.
    pub async fn import_control(&self, module: &str) -> Result<Option<ControlModule>, PythonError> {
        let request = Request::new("import_control", CallId::new(), Thread::Foreground)
            .string("module", module);
        let answer = self.ask(request, &Documents::default()).await?;
        Ok(ControlModule::from_json(&answer.json["module"]))
    }

    /// Calls a function of a control module, if both exist. An exception of it is part of the outcome.
    ///
    /// # Errors
    /// A failure of the host.
    pub async fn control(&self, call: &ControlCall<'_>) -> Result<ControlOutcome, PythonError> {
        let request = Request::new("control", call.id, call.thread)
            .string("module", call.module)
            .string("function", call.function.name())
            .raw("positional", &call.function.positional())
            .value("arguments", call.arguments);
        let answer = self.ask(request, &call.documents).await?;
        Ok(ControlOutcome::new(answer.json, answer.changes))
    }

    /// Whether a control has registered handlers of run events while it was configured.
    pub fn has_event_handlers(&self) -> bool {
        self.running().is_some_and(|process| process.has_handlers())
    }

    /// Tells the registered handlers of an event by calling their method of this name; gives what they changed
    /// in the documents.
    ///
    /// # Errors
    /// A failure of the host; exceptions of handlers are logged only.
    pub async fn emit(
        &self,
        method: &str,
        documents: Documents<'_>,
        arguments: &[Argument<'_>],
    ) -> Result<ControlOutcome, PythonError> {
        if !self.has_event_handlers() {
            return Ok(ControlOutcome::default());
        }
        let arguments: Vec<String> = arguments.iter().map(Argument::encode).collect();
        let request = Request::new("emit", CallId::new(), Thread::Foreground)
            .string("method", method)
            .raw("arguments", &format!("[{}]", arguments.join(",")));
        let answer = self.ask(request, &documents).await?;
        Ok(ControlOutcome::new(answer.json, answer.changes))
    }

    /// What an extension, named by its distribution, says it has, and with `system` also what it finds in the
    /// system. Nothing is installed.
    ///
    /// # Errors
    /// What the discovery raised, or a failure of the host.
    pub async fn discover(&self, package: &str, system: bool) -> Result<Value, PythonError> {
        let request = Request::new("discover", CallId::new(), Thread::Foreground)
            .string("module", package)
            .raw("system", if system { "true" } else { "false" });
        self.ask_value(request).await
    }

    /// The functions a module exports, as activities of a kind (`action` or `probe`).
    ///
    /// # Errors
    /// `DiscoveryFailed` if the module cannot be imported, or a failure of the host.
    pub async fn discover_activities(
        &self,
        module: &str,
        kind: &str,
    ) -> Result<Value, PythonError> {
        let request = Request::new("discover_activities", CallId::new(), Thread::Foreground)
            .string("module", module)
            .string("kind", kind);
        self.ask_value(request).await
    }

    /// Calls a notification plugin. `error` is class and message of the chaoslib exception that the payload's
    /// `error` becomes. The plugin's failures are logged only.
    ///
    /// # Errors
    /// What importing the module raised, if that was no `ImportError`, or a failure of the host.
    pub async fn notify(
        &self,
        module: &str,
        func: &str,
        channel: &Value,
        payload: &Value,
        error: Option<(&str, &str)>,
    ) -> Result<(), PythonError> {
        let mut request = Request::new("notify", CallId::new(), Thread::Foreground)
            .string("module", module)
            .string("func", func)
            .value("channel", channel)
            .value("payload", payload);
        if let Some((kind, message)) = error {
            request = request
                .string("error_class", kind)
                .string("error_message", message);
        }
        self.ask(request, &Documents::default()).await.map(drop)
    }

    /// What `charset_normalizer` makes of bytes. Does not wait for calls that are running.
    ///
    /// # Errors
    /// What the detection raised, or a failure of the host.
    pub async fn detect_encoding(&self, bytes: &[u8]) -> Result<Detection, PythonError> {
        let request = Request::new("detect", CallId::new(), Thread::Background)
            .value("bytes", &Value::Bytes(bytes.to_vec()));
        let mut answer = self.ask(request, &Documents::default()).await?;
        let found = &mut answer.json;
        let member = |name: &str| found[name].as_str().map(str::to_string);
        Ok(if found["missing"] == true {
            Detection::Unavailable
        } else {
            Detection::Detected {
                encoding: member("encoding"),
                confidence: found["confidence"].as_f64().unwrap_or_default(),
                text: member("text"),
            }
        })
    }

    /// Raises an exception in calls that are running or waiting for their turn. They then end with it, unless
    /// their code catches it; if one has not ended after [`crate::INTERRUPT_GRACE`], the interpreter and
    /// everything it has started is killed.
    pub fn interrupt(&self, target: Target, interruption: Interruption) {
        if let Some(process) = self.running() {
            process.interrupt(target, &interruption);
        }
    }

    /// Lets the interpreter exit, and kills it with everything it has started if it does not within
    /// [`crate::SHUTDOWN_GRACE`]. What activities have started stays when the interpreter exits by itself.
    pub async fn shutdown(&self) {
        if let Some(process) = self.running() {
            process.shut_down().await;
        }
    }

    fn running(&self) -> Option<Arc<Process>> {
        locked(&self.inner.process)
            .as_ref()
            .filter(|process| process.is_running())
            .cloned()
    }

    async fn started(&self) -> Result<Arc<Process>, PythonError> {
        if let Some(process) = self.running() {
            return Ok(process);
        }
        let _turn = self.inner.starting.lock().await;
        if let Some(process) = self.running() {
            return Ok(process);
        }
        let options = &self.inner.options;
        let command = interpreter::find(options.interpreter.as_deref())?;
        let process = Process::start(
            &command,
            &options.environment,
            options.stdout_to_stderr,
            self.inner.held.clone(),
            self.inner.notices.clone(),
        )
        .await?;
        *locked(&self.inner.process) = Some(process.clone());
        Ok(process)
    }

    async fn ask(
        &self,
        request: Request,
        documents: &Documents<'_>,
    ) -> Result<Answer, PythonError> {
        let process = self.started().await?;
        let (id, timeout) = (request.id, request.timeout);
        let answer = self.send(&process, request, *documents)?;
        process.wait(id, answer, timeout).await
    }

    /// Sends a request and what it needs of the documents. They are locked meanwhile: requests reach the host
    /// in the order of the versions in them.
    fn send<'a>(
        &'a self,
        process: &Process,
        request: Request,
        mut documents: Documents<'a>,
    ) -> Result<Waited, PythonError> {
        let mut text = request.text;
        let mut held = locked(&self.inner.held);
        if documents.settings.is_none() && !held.has_settings() {
            documents.settings = self.inner.options.settings.as_ref();
        }
        if let Some(sent) = held.send(&documents, process.generation) {
            text.push_str(&format!(",\"documents\":{sent}"));
        }
        text.push_str("}\n");
        process.ask(request.id, request.thread, text)
    }

    async fn ask_value(&self, request: Request) -> Result<Value, PythonError> {
        let mut answer = self.ask(request, &Documents::default()).await?;
        Ok(wire::decode(answer.json["value"].take()))
    }
}
