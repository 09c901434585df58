//! What an activity does: the call of its provider.
//!
//! 1. An activity that fails as the reference's `ActivityFailed` is [`Failure::Failed`]: the run goes
//!    on. Whatever else the reference would raise is a [`Failure::Halted`], with the same class.
//! 2. Work that is ended leaves nothing behind: processes go with their whole group.
//! 3. At most [`KEPT_OUTPUT`] bytes of an output are kept; the rest is counted and said.
//!
//! Pauses, controls and the journal are [`crate::runner`]'s.

mod arguments;

use std::cell::RefCell;
use std::path::PathBuf;

use shaketable_dialect::{Dict, Raised, Value, json, template, text};
use shaketable_providers::decode::{self, Decoded};
use shaketable_providers::http::{Body, HttpFailure, Query, Request, Response};
use shaketable_providers::process::{self, Process, ProcessFailure, Stream};
use shaketable_python::{CallId, Detection, Documents, FunctionCall, Origin, PythonError, Target};

use crate::configuration::ActivityRunner;
use crate::halt::Halt;
use crate::logger::Level;
use crate::session::Session;
use crate::signals::Lane;
use arguments::{command, seconds, timeouts};

/// Most bytes kept of each output of an activity.
pub const KEPT_OUTPUT: usize = 10 * 1024 * 1024;
/// Most bytes of an output whose encoding is guessed.
const LARGEST_GUESS: usize = 1024 * 1024;
/// The confidence from which the reference trusts a guess.
const CONFIDENT: f64 = 0.5;
const FAILED: &str = "chaoslib.exceptions.ActivityFailed";
const CHAINED: &str = "\nDuring handling of the above exception, another exception occurred:\n\n";

/// Why an activity has no result.
#[derive(Debug)]
pub enum Failure {
    /// The activity failed, which is a result too.
    Failed {
        /// What was wrong.
        message: String,
        /// The journal's `exception`: lines of a traceback, each with its newline.
        exception: Vec<String>,
    },
    /// The run does not go on as it was.
    Halted(Halt),
}

impl Failure {
    fn failed(message: impl Into<String>) -> Failure {
        let message = message.into();
        let exception = vec![format!("{FAILED}: {message}\n")];
        Failure::Failed { message, exception }
    }

    fn after(cause: &str, message: impl Into<String>) -> Failure {
        let message = message.into();
        let exception = vec![
            "Traceback (most recent call last):\n".to_owned(),
            format!("{cause}\n"),
            CHAINED.to_owned(),
            format!("{FAILED}: {message}\n"),
        ];
        Failure::Failed { message, exception }
    }
}

impl From<Halt> for Failure {
    fn from(halt: Halt) -> Failure {
        Failure::Halted(halt)
    }
}

impl From<Raised> for Failure {
    fn from(raised: Raised) -> Failure {
        if raised.kind == "ActivityFailed" {
            Failure::failed(raised.message)
        } else {
            Failure::Halted(Halt::Unexpected(raised))
        }
    }
}

/// The providers: runs one activity with a configuration and secrets.
pub struct Providers<'a> {
    session: &'a Session,
    lane: Lane,
    unserialisable: RefCell<Option<String>>,
}

impl<'a> Providers<'a> {
    /// Providers for what runs before the run itself, such as dynamic configuration.
    pub fn new(session: &'a Session) -> Providers<'a> {
        Providers::on(session, Lane::Early(session.signals.clone()))
    }

    /// Providers for a lane of the run.
    pub fn on(session: &'a Session, lane: Lane) -> Providers<'a> {
        Providers {
            session,
            lane,
            unserialisable: RefCell::new(None),
        }
    }

    /// The error with which the reference fails to write its journal, when a Python result cannot be
    /// written in JSON.
    pub fn unserialisable(&self) -> Option<String> {
        self.unserialisable.borrow().clone()
    }

    /// Runs the activity's provider.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(
        &self,
        activity: &Value,
        configuration: &Value,
        secrets: &Value,
    ) -> Result<Value, Failure> {
        let scope = Scope::new(configuration, secrets);
        let provider = scope.entry(activity, "provider")?;
        match scope.entry(provider, "type")?.as_str() {
            Some("process") => self.process(activity, provider, &scope).await,
            Some("http") => self.http(activity, provider, &scope).await,
            Some("python") => self.python(activity, provider, &scope).await,
            _ => Ok(Value::None),
        }
    }

    async fn process(
        &self,
        activity: &Value,
        provider: &Value,
        scope: &Scope<'_>,
    ) -> Result<Value, Failure> {
        let timeout = match provider.get("timeout") {
            None | Some(Value::None) => None,
            Some(timeout) => Some(seconds(timeout).ok_or_else(|| {
                let kind = timeout.type_name();
                let message = format!("unsupported operand type(s) for +: 'float' and '{kind}'");
                Raised::new("TypeError", message)
            })?),
        };
        let arguments = scope.arguments(provider, Value::List(Vec::new()))?;
        let path = scope.entry(provider, "path")?;
        let path = path.as_str().ok_or_else(|| {
            let kind = path.type_name();
            let message = format!("expected str, bytes or os.PathLike object, not {kind}");
            Raised::new("TypeError", message)
        })?;
        let found = process::which(&process::expand_user(path).to_string_lossy());
        let (program, arguments, shown) = command(found, &arguments)?;
        self.session.logger.debug(format!("Running: {shown}"));
        let mut process = Process::new(program, arguments);
        process.timeout = timeout;
        process.environment = self.session.environment.complete();
        process.keep = KEPT_OUTPUT;
        let output = match self.lane.guard(process.run()).await? {
            Ok(output) => output,
            Err(ProcessFailure::TimedOut { .. }) => {
                let after = text::str(&provider.get("timeout").into());
                let cause = format!(
                    "subprocess.TimeoutExpired: Command '{shown}' timed out after {after} seconds"
                );
                let message = "process activity took too long to complete";
                return Err(Failure::after(&cause, message));
            }
            Err(failure) => return Err(Halt::Unexpected(failure.raised()).into()),
        };
        if activity.get("tolerance").is_none() && output.status > 0 {
            self.session.logger.warning(
                "This process returned a non-zero exit code. This may indicate some error and not \
                 what you expected. Please have a look at the logs.",
            );
        }
        let stdout = self.decoded(&output.stdout).await?;
        let stderr = self.decoded(&output.stderr).await?;
        let mut result = Dict::new();
        result.insert("status", output.status);
        result.insert("stdout", stdout);
        result.insert("stderr", stderr);
        Ok(result.into())
    }

    async fn http(
        &self,
        activity: &Value,
        provider: &Value,
        scope: &Scope<'_>,
    ) -> Result<Value, Failure> {
        let url = scope.substitute(scope.entry(provider, "url")?)?;
        let method = match provider.get("method") {
            None => "GET".to_owned(),
            Some(Value::Str(method)) => method.to_uppercase(),
            Some(other) => return Err(no_attribute(other, "upper").into()),
        };
        let headers = scope.substitute(&provider.get("headers").into())?;
        let timeout = scope.substitute(&provider.get("timeout").into())?;
        let arguments = scope.arguments(provider, Value::None)?;
        let mut request = Request::new(&method, text::str(&url));
        request.set_headers(&headers)?;
        request.keep = KEPT_OUTPUT;
        request.follow_redirects = true;
        (request.connect_timeout, request.read_timeout) = timeouts(&timeout)?;
        match provider.get("verify_tls") {
            Some(Value::Str(file)) => request.ca_file = Some(PathBuf::from(file)),
            Some(verify) => request.verify_tls = verify.is_truthy(),
            None => request.verify_tls = true,
        }
        let retries = provider.get("max_retries").and_then(Value::as_int);
        request.max_retries = retries.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        let json_body = headers
            .get("Content-Type")
            .is_some_and(|kind| kind.as_str() == Some("application/json"));
        if method == "GET" {
            request.query = Query::of(&arguments)?;
        } else if json_body {
            request.body = match arguments {
                Value::None => Body::None,
                document => Body::Json(document),
            };
        } else {
            request.body = Body::data(&arguments)?;
        }
        let response = match self.lane.guard(request.send()).await? {
            Ok(response) => response,
            Err(HttpFailure::Connect { detail, .. }) => {
                let cause = format!("requests.exceptions.ConnectionError: {detail}");
                let message = format!("failed to connect to {}: {detail}", text::str(&url));
                return Err(Failure::after(&cause, message));
            }
            Err(HttpFailure::TimedOut { .. }) => {
                let cause = "requests.exceptions.Timeout";
                return Err(Failure::after(cause, "activity took too long to complete"));
            }
            Err(HttpFailure::Raised(raised)) => return Err(raised.into()),
        };
        let body_text = self.text_of(&response).await?;
        let body = if response.header("Content-Type") == Some("application/json") {
            json::parse(&body_text)?
        } else {
            Value::Str(body_text)
        };
        if activity.get("tolerance").is_none() && response.status > 399 {
            self.session.logger.warning(
                "This HTTP call returned a response with a HTTP status code above 400. This may \
                 indicate some error and not what you expected. Please have a look at the logs.",
            );
        }
        let headers: Dict = response.headers.into_iter().collect();
        let mut result = Dict::new();
        result.insert("status", i64::from(response.status));
        result.insert("headers", headers);
        result.insert("body", body);
        Ok(result.into())
    }

    async fn python(
        &self,
        activity: &Value,
        provider: &Value,
        scope: &Scope<'_>,
    ) -> Result<Value, Failure> {
        let module = text::str(scope.entry(provider, "module")?);
        let func = text::str(scope.entry(provider, "func")?);
        let arguments = scope.arguments(provider, Value::Dict(Dict::new()))?;
        if arguments.is_none() {
            return Err(no_attribute(&arguments, "copy").into());
        }
        let groups: Option<Vec<String>> = provider.get("secrets").map(|groups| match groups {
            Value::Dict(groups) => groups.keys().map(ToString::to_string).collect(),
            Value::List(groups) => groups.iter().map(text::str).collect(),
            _ => Vec::new(),
        });
        let id = CallId::new();
        let name = text::str(&activity.get("name").into());
        let call = FunctionCall {
            id,
            activity_name: &name,
            module: &module,
            func: &func,
            arguments: &arguments,
            secret_groups: groups.as_deref(),
            documents: Documents {
                configuration: Some(scope.configuration_value),
                secrets: Some(scope.secrets_value),
                ..Documents::default()
            },
            timeout: None,
            thread: self.lane.thread(),
        };
        let host = &self.session.host;
        let called = self
            .lane
            .python(host, Target::Call(id), host.call(&call))
            .await?;
        match called {
            Ok(output) => {
                if let Some(reason) = output.unserialisable {
                    self.unserialisable.borrow_mut().get_or_insert(reason);
                }
                Ok(output.value)
            }
            Err(error) => Err(python_failure(error)),
        }
    }

    /// What a process wrote, as text.
    async fn decoded(&self, stream: &Stream) -> Result<String, Failure> {
        let mut text = match decode::as_reference(&stream.bytes) {
            Decoded::Text(text) => text,
            Decoded::Undecided => match self.detected(&stream.bytes, stream.dropped > 0).await? {
                Some(Detection::Detected {
                    encoding: Some(encoding),
                    confidence,
                    text,
                }) if confidence >= CONFIDENT => text.ok_or_else(|| not_in(&encoding))?,
                Some(Detection::Detected { .. }) => {
                    String::from_utf8(stream.bytes.clone()).map_err(|_| not_in("utf-8"))?
                }
                Some(Detection::Unavailable) => decode::utf8_or_latin1(&stream.bytes),
                None => String::from_utf8_lossy(&stream.bytes).into_owned(),
            },
        };
        self.say_dropped(stream.dropped, &mut text);
        Ok(text)
    }

    /// The text of an answer, as `requests` makes it.
    async fn text_of(&self, response: &Response) -> Result<String, Failure> {
        let mut text = match response.text() {
            Decoded::Text(text) => text,
            Decoded::Undecided => {
                match self.detected(&response.body, response.dropped > 0).await? {
                    Some(Detection::Detected {
                        text: Some(text), ..
                    }) => text,
                    Some(Detection::Unavailable) => decode::utf8_or_latin1(&response.body),
                    _ => response.text_utf8(),
                }
            }
        };
        self.say_dropped(response.dropped, &mut text);
        Ok(text)
    }

    /// What the reference's detector makes of bytes; nothing for many bytes or when some are missing.
    async fn detected(&self, bytes: &[u8], cut: bool) -> Result<Option<Detection>, Halt> {
        if cut || bytes.len() > LARGEST_GUESS {
            return Ok(None);
        }
        let detection = self.lane.guard(self.session.host.detect_encoding(bytes));
        match detection.await? {
            Ok(detection) => Ok(Some(detection)),
            Err(error) => {
                self.session.logger.debug(error.to_string());
                Ok(Some(Detection::Unavailable))
            }
        }
    }

    fn say_dropped(&self, bytes: u64, text: &mut String) {
        if bytes > 0 {
            self.session.logger.warning(dropped(bytes));
            text.push_str(&note(bytes));
        }
    }
}

fn not_in(encoding: &str) -> Failure {
    Failure::failed(format!(
        "Failed to decode bytes using encoding '{encoding}'"
    ))
}

impl ActivityRunner for Providers<'_> {
    async fn run_activity(
        &self,
        activity: &Value,
        configuration: &Dict,
        secrets: &Dict,
    ) -> Result<Value, Raised> {
        let configuration = Value::Dict(configuration.clone());
        let secrets = Value::Dict(secrets.clone());
        let ran = self.run(activity, &configuration, &secrets).await;
        ran.map_err(|failure| match failure {
            Failure::Failed { message, .. } => Raised::new("ActivityFailed", message),
            Failure::Halted(Halt::Unexpected(raised)) => raised,
            Failure::Halted(halt) => Raised::new("InterruptExecution", halt.to_string()),
        })
    }
}

/// The activity `text` is worth telling in the debug log, shortened.
pub fn shown_result(session: &Session, result: &Value) -> Option<String> {
    const SHOWN: usize = 4096;
    if !session.logger.enabled(Level::Debug) {
        return None;
    }
    let mut shown = text::str(&beginning(result, SHOWN));
    if shown.len() > SHOWN {
        let end = (0..=SHOWN).rev().find(|end| shown.is_char_boundary(*end));
        shown.truncate(end.unwrap_or(0));
        shown.push_str("...");
    }
    Some(shown)
}

/// The value with no more of its texts and lists than `most` characters or items each.
fn beginning(value: &Value, most: usize) -> Value {
    match value {
        Value::Str(text) if text.len() > most => Value::Str(text.chars().take(most).collect()),
        Value::List(items) => {
            let items = items.iter().take(most);
            Value::List(items.map(|item| beginning(item, most)).collect())
        }
        Value::Dict(dict) => {
            let pairs = dict.iter().take(most);
            Value::Dict(
                pairs
                    .map(|(key, value)| (key.clone(), beginning(value, most)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

fn python_failure(error: PythonError) -> Failure {
    if let Some(halt) = Halt::of_python(&error) {
        return Failure::Halted(halt);
    }
    match error {
        PythonError::Raised(raised) if raised.origin == Origin::Loading => {
            Failure::Halted(Halt::unexpected(&raised.kind, &raised.message))
        }
        PythonError::Raised(raised) => Failure::Failed {
            exception: raised.activity_failed_lines(),
            message: raised.only,
        },
        other => Failure::failed(other.to_string()),
    }
}

/// Configuration and secrets, and what is looked up with them.
struct Scope<'a> {
    configuration_value: &'a Value,
    secrets_value: &'a Value,
    configuration: Dict,
    secrets: Dict,
}

impl<'a> Scope<'a> {
    fn new(configuration: &'a Value, secrets: &'a Value) -> Scope<'a> {
        Scope {
            configuration_value: configuration,
            secrets_value: secrets,
            configuration: configuration.as_dict().cloned().unwrap_or_default(),
            secrets: secrets.as_dict().cloned().unwrap_or_default(),
        }
    }

    fn entry<'v>(&self, mapping: &'v Value, key: &str) -> Result<&'v Value, Raised> {
        mapping
            .get(key)
            .ok_or_else(|| Raised::new("KeyError", format!("'{key}'")))
    }

    fn substitute(&self, value: &Value) -> Result<Value, Raised> {
        template::substitute(value, &self.configuration, &self.secrets)
    }

    /// The provider's arguments: substituted only when there is something to substitute with.
    fn arguments(&self, provider: &Value, default: Value) -> Result<Value, Raised> {
        let arguments = provider.get("arguments").cloned().unwrap_or(default);
        let scope = !(self.configuration.is_empty() && self.secrets.is_empty());
        if scope && arguments.is_truthy() {
            self.substitute(&arguments)
        } else {
            Ok(arguments)
        }
    }
}

fn no_attribute(value: &Value, attribute: &str) -> Raised {
    let kind = value.type_name();
    let message = format!("'{kind}' object has no attribute '{attribute}'");
    Raised::new("AttributeError", message)
}

fn note(dropped: u64) -> String {
    format!("\n[{dropped} more bytes were not kept]")
}

fn dropped(bytes: u64) -> String {
    format!("The output of this activity is too large: {bytes} bytes of it were not kept.")
}
