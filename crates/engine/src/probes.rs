//! The asker: what a run knows when it asks, and the providers that it asks: an HTTP request, a process,
//! a function, a query, a number of the ledger.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use shaketable_dialect::redaction::Redaction;
use shaketable_dialect::{Dict, Value as PythonValue};
use shaketable_experiment::{
    Activity, Experiment, Found, HttpBody, HttpCall, Measure, ProcessArguments, ProcessCall,
    Provider, Values,
};
use shaketable_ledger::{Ledger, Measured};
use shaketable_providers::process::{Process, Stdin};
use shaketable_providers::{
    Body, HttpFailure, ProcessFailure, Query, Request, Stream, decode, expand_user, which,
};
use shaketable_python::{Documents, Thread};
use shaketable_testbed::system::without_secrets;

use crate::carrying::Failure;
use crate::exchange::Exchange;
use crate::python::Python;
use crate::site::Site;
use crate::{addresses, calls, database};

/// The most that is kept of a response or of a process's output, in bytes.
const OUTPUT_BYTES_MAX: usize = 1 << 20;
/// The most characters of an output in a few words.
const BRIEF_CHARS_MAX: usize = 200;
/// Who we say we are, unless the document says.
const USER_AGENT: &str = concat!("shaketable/", env!("CARGO_PKG_VERSION"));
/// What carries out a process whose arguments are text.
const SHELL: &str = "/bin/sh";

/// The output of an activity, or why there is none.
pub type Output = Result<Value, String>;

/// Who asks: it knows where the run takes place and what activities have left for each other.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Where the run takes place.
    pub site: Arc<Site>,
    /// What activities have left for each other.
    pub exchange: Exchange,
    /// The Python of the run.
    pub python: Python,
    /// The secrets of the run.
    pub redaction: Redaction,
    /// The experiment's folder.
    folder: Arc<Path>,
    /// The configuration of the experiment, without what activities have set.
    configuration: Arc<Values>,
    /// Which thread functions in Python run on.
    thread: Thread,
}

impl Asker {
    /// An asker that knows no values yet. `folder` is the experiment's.
    pub fn new(site: Site, folder: &Path, python: Python, redaction: Redaction) -> Asker {
        Asker {
            site: Arc::new(site),
            exchange: Exchange::default(),
            python,
            redaction,
            folder: folder.into(),
            configuration: Arc::default(),
            thread: Thread::Foreground,
        }
    }

    /// The same asker, which knows the configuration of the experiment and the secrets found for it.
    pub fn knowing(&self, experiment: &Experiment, found: &Found) -> Asker {
        let groups = found.secrets.iter();
        let groups = groups.map(|(group, secrets)| (group.as_str(), dict(secrets)));
        self.exchange
            .set_secrets(PythonValue::Dict(groups.collect()));
        Asker {
            configuration: Arc::new(experiment.configuration.clone()),
            ..self.clone()
        }
    }

    /// The same asker for what goes on beside the activities in their order: samples, safeguards,
    /// activities in the background. Its functions in Python do not wait for those of others.
    pub fn in_background(&self) -> Asker {
        Asker {
            thread: Thread::Background,
            ..self.clone()
        }
    }

    /// The experiment's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The configuration as it is now, with what activities and controls have set: what functions and
    /// controls in Python get.
    pub fn configuration(&self) -> PythonValue {
        let mut values = Values::clone(&self.configuration);
        values.extend(self.exchange.values());
        dict(&values)
    }

    /// An activity as it is to be carried out now: with the values that have been set by now, and with
    /// the addresses of the site.
    ///
    /// # Errors
    /// In words: a value is missing, or does not fit.
    pub fn prepare<'a>(&self, activity: &'a Activity) -> Result<Cow<'a, Activity>, String> {
        if activity.late.is_empty() {
            return Ok(Cow::Borrowed(activity));
        }
        let mut filled_in = activity.filled_in(&self.exchange.values())?;
        addresses::in_activity(&mut filled_in, &self.site);
        Ok(Cow::Owned(filled_in))
    }

    pub(crate) async fn ask_provider(
        &self,
        activity: &Activity,
        ledger: Option<&Ledger>,
    ) -> Result<Value, Failure> {
        Ok(match &activity.provider {
            Provider::Http(call) => self.http(call).await?,
            Provider::Process(call) => self.process(call).await?,
            Provider::Python(call) => {
                let (configuration, secrets) = (self.configuration(), self.exchange.secrets());
                let documents = Documents {
                    configuration: Some(&configuration),
                    secrets: Some(&secrets),
                    ..Documents::default()
                };
                let called = self
                    .python
                    .call(&activity.name, call, documents, self.thread);
                called.await?
            }
            Provider::Ledger { measure } => measure_of(*measure, ledger)?,
            Provider::Function(call) => calls::call(call, &self.site).await?,
            Provider::Postgres {
                url,
                query,
                timeout,
            } => database::query(url, query, *timeout).await?,
            Provider::Fault(_) | Provider::Bound { .. } => {
                return Err(Failure::from("a fault is not a probe".to_owned()));
            }
        })
    }

    async fn http(&self, call: &HttpCall) -> Output {
        let HttpCall { method, url, .. } = call;
        let mut request = Request::new(method, url);
        let headers = call.headers.iter();
        request.headers = headers
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if request
            .headers
            .iter()
            .all(|(name, _)| !name.eq_ignore_ascii_case("user-agent"))
        {
            let agent = ("User-Agent".to_owned(), USER_AGENT.to_owned());
            request.headers.push(agent);
        }
        if !call.query.is_empty() {
            request.query = Query::Pairs(call.query.clone());
        }
        request.body = match &call.body {
            HttpBody::None => Body::None,
            HttpBody::Json(value) => Body::Json(PythonValue::from(value.clone())),
            HttpBody::Form(pairs) => Body::Form(pairs.clone()),
            HttpBody::Text(text) => Body::Text(text.clone()),
        };
        request.connect_timeout = call.connect_timeout;
        request.verify_tls = call.verify_tls;
        request.ca_file = call.ca_file.as_ref().map(|file| self.folder.join(file));
        request.max_retries = call.max_retries;
        // Names of a local system lead to addresses of this machine.
        request.use_proxies = self.site.status().is_none();
        request.keep = OUTPUT_BYTES_MAX;
        let answer = tokio::time::timeout(call.timeout, request.send());
        let failed = |what: String| format!("{method} {}: {what}", without_secrets(url));
        let seconds =
            |time: std::time::Duration| format!("no answer within {} s", time.as_secs_f64());
        let response = match answer.await {
            Ok(Ok(response)) => response,
            Ok(Err(HttpFailure::Connect {
                refused: Some(cause),
                ..
            })) => return Err(failed(format!("cannot connect: {cause}"))),
            Ok(Err(HttpFailure::Connect { detail, .. })) => {
                return Err(failed(format!("the connection broke: {detail}")));
            }
            Ok(Err(HttpFailure::TimedOut { after, .. })) => return Err(failed(seconds(after))),
            Ok(Err(HttpFailure::Raised(raised))) => {
                return Err(failed(without_secrets(&raised.message)));
            }
            Err(_) => return Err(failed(seconds(call.timeout))),
        };
        let status = response.status;
        if !call.expected_status.is_empty() && !call.expected_status.contains(&status) {
            let expected: Vec<String> = call.expected_status.iter().map(u16::to_string).collect();
            let expected = expected.join(" or ");
            return Err(failed(format!("status {status}, expected is {expected}")));
        }
        let body: Value =
            serde_json::from_slice(&response.body).unwrap_or_else(|_| match response.text() {
                decode::Decoded::Text(text) => text.into(),
                decode::Decoded::Undecided => response.text_utf8().into(),
            });
        let headers: serde_json::Map<String, Value> = response
            .headers
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        let mut output = json!({ "status": status, "headers": headers, "body": body });
        note_dropped(&mut output, "body", response.dropped);
        Ok(output)
    }

    async fn process(&self, call: &ProcessCall) -> Output {
        let path = &call.path;
        let program = which(&expand_user(path).to_string_lossy())
            .and_then(|program| std::path::absolute(program).ok())
            .ok_or_else(|| {
                format!("cannot start {path}: there is no such program, or it may not be executed")
            })?;
        let (program, arguments) = match &call.arguments {
            ProcessArguments::List(list) => (program, list.clone()),
            ProcessArguments::Shell(text) => {
                let command = format!("{} {text}", program.display());
                (SHELL.into(), vec!["-c".to_owned(), command])
            }
        };
        let mut process = Process::new(program, arguments);
        process.timeout = Some(call.timeout);
        process.stdin = Stdin::Null;
        process.keep = OUTPUT_BYTES_MAX;
        process.ends_with_us = true;
        process.directory = call
            .directory
            .as_ref()
            .map(|folder| self.folder.join(folder));
        if !call.environment.is_empty() {
            let added = call.environment.iter();
            let added = added.map(|(name, value)| (name.into(), value.into()));
            process.environment = Some(std::env::vars_os().chain(added).collect());
        }
        let output = process.run().await.map_err(|failure| match failure {
            ProcessFailure::Start { source, .. } => format!("cannot start {path}: {source}"),
            ProcessFailure::TimedOut { after, .. } => {
                format!("{path} took more than {} s", after.as_secs_f64())
            }
            ProcessFailure::Lost { source, .. } => format!("{path}: {source}"),
        })?;
        let text = |stream: &Stream| String::from_utf8_lossy(&stream.bytes).into_owned();
        let mut value = json!({
            "status": output.status,
            "stdout": text(&output.stdout),
            "stderr": text(&output.stderr),
        });
        note_dropped(&mut value, "stdout", output.stdout.dropped);
        note_dropped(&mut value, "stderr", output.stderr.dropped);
        Ok(value)
    }
}

/// Says how much of an output is missing, where something is.
fn note_dropped(output: &mut Value, of: &str, bytes: u64) {
    if bytes > 0 {
        output[format!("{of}_dropped_bytes")] = bytes.into();
    }
}

fn measure_of(measure: Measure, ledger: Option<&Ledger>) -> Output {
    match ledger
        .ok_or("there is no ledger to ask at this point")?
        .measure(measure)
    {
        Measured::Known(count) => Ok(count.into()),
        Measured::Unknown(reason) => Err(reason),
    }
}

/// Values as Python has them.
fn dict(values: &Values) -> PythonValue {
    let values = values.iter();
    let values = values.map(|(name, value)| (name.as_str(), PythonValue::from(value.clone())));
    PythonValue::Dict(values.collect::<Dict>())
}

/// An output in a few words.
pub(crate) fn brief(value: &Value) -> String {
    match value.get("status") {
        Some(status) => format!("status {status}"),
        None => value.to_string().chars().take(BRIEF_CHARS_MAX).collect(),
    }
}
