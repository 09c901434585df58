//! Telling others what a command is doing: the `notifications` of the settings.
//!
//! Promise: a notification never fails or holds up a command for longer than its bounds; what goes wrong is
//! in the debug log.

use std::time::Duration;

use shaketable_dialect::{Dict, Value, text};
use shaketable_providers::http::{Body, Request};

use crate::access::{contains, get, get_truthy, iterate};
use crate::problem::Problem;
use crate::session::Session;

/// How long a connection to a channel may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a channel may be silent.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Most bytes read of what a channel answers: nothing of it is used.
const ANSWER_KEPT: usize = 64 * 1024;

/// Something that channels are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Event {
    DiscoveryStarted,
    DiscoveryFailed,
    DiscoveryCompleted,
    InitStarted,
    InitFailed,
    InitCompleted,
    RunStarted,
    RunFailed,
    RunCompleted,
    RunDeviated,
    ValidateStarted,
    ValidateFailed,
    ValidateCompleted,
}

impl Event {
    /// The name that channels know it by, such as `run-started`; before the dash is the phase.
    pub fn name(self) -> &'static str {
        match self {
            Event::DiscoveryStarted => "discovery-started",
            Event::DiscoveryFailed => "discovery-failed",
            Event::DiscoveryCompleted => "discovery-completed",
            Event::InitStarted => "init-started",
            Event::InitFailed => "init-failed",
            Event::InitCompleted => "init-completed",
            Event::RunStarted => "run-started",
            Event::RunFailed => "run-failed",
            Event::RunCompleted => "run-completed",
            Event::RunDeviated => "run-deviated",
            Event::ValidateStarted => "validate-started",
            Event::ValidateFailed => "validate-failed",
            Event::ValidateCompleted => "validate-completed",
        }
    }

    fn phase(self) -> &'static str {
        self.name().split('-').next().unwrap_or_default()
    }
}

/// Tells every channel that wants to know. `payload` is what the event is about.
pub async fn notify(
    session: &Session,
    settings: &Value,
    event: Event,
    payload: &Value,
    error: Option<&Problem>,
) {
    // Settings of a wrong shape would end the command in the reference, possibly after the run.
    if let Err(problem) = notify_channels(session, settings, event, payload, error).await {
        let told = format!("the settings' notifications cannot be used: {problem}");
        session.logger.debug(told);
    }
}

async fn notify_channels(
    session: &Session,
    settings: &Value,
    event: Event,
    payload: &Value,
    error: Option<&Problem>,
) -> Result<(), Problem> {
    if !settings.is_truthy() {
        return Ok(());
    }
    let Some(channels) = get_truthy(settings, "notifications")? else {
        return Ok(());
    };
    let mut message = Dict::new();
    message.insert("name", event.name());
    message.insert("payload", session.redaction.value(payload));
    message.insert("phase", event.phase());
    let now = jiff::Timestamp::now();
    message.insert("ts", now.as_microsecond() as f64 / 1e6);
    if let Some(problem) = error {
        let raised = problem.raised();
        let told = format!(
            "An exception was raised: {}('{}')",
            raised.kind, raised.message
        );
        message.insert("error", session.redaction.text(&told).into_owned());
    }
    let message = Value::Dict(message);
    for channel in iterate(channels)? {
        if let Some(events) = get_truthy(&channel, "events")?
            && !contains(events, event.name())?
        {
            continue;
        }
        match get(&channel, "type")?.and_then(Value::as_str) {
            Some("http") => over_http(session, &channel, &message).await,
            Some("plugin") => by_plugin(session, &channel, &message, error).await,
            _ => {}
        }
    }
    Ok(())
}

async fn over_http(session: &Session, channel: &Value, message: &Value) {
    let flag = |key: &str| channel.get(key).is_none_or(Value::is_truthy);
    let Some(url) = channel.get("url").filter(|url| url.is_truthy()) else {
        session.logger.debug("missing url in notification channel");
        return;
    };
    let url = text::str(url);
    let mut request = Request::new("GET", &url);
    if flag("forward_event_payload") {
        request.method = "POST".to_string();
        request.body = Body::Json(message.clone());
    }
    request.verify_tls = flag("verify_tls");
    request.connect_timeout = Some(CONNECT_TIMEOUT);
    request.read_timeout = Some(READ_TIMEOUT);
    request.keep = ANSWER_KEPT;
    if let Some(headers) = channel.get("headers").filter(|headers| headers.is_truthy())
        && let Err(raised) = request.set_headers(headers)
    {
        let told = format!("failed calling notification endpoint\n{raised}");
        session.logger.debug(told);
        return;
    }
    match request.send().await {
        Ok(response) if response.status >= 400 => session.logger.debug(format!(
            "notification sent to {url} failed with: {}",
            response.status
        )),
        Ok(_) => {}
        Err(failure) => session
            .logger
            .debug(format!("failed calling notification endpoint\n{failure}")),
    }
}

async fn by_plugin(session: &Session, channel: &Value, message: &Value, error: Option<&Problem>) {
    // A plugin gets the exception itself.
    let told = error.map(|problem| {
        let raised = problem.raised();
        (
            raised.kind.as_str(),
            session.redaction.text(&raised.message),
        )
    });
    let error = told
        .as_ref()
        .map(|(kind, message)| (*kind, message.as_ref()));
    let module = text::str(channel.get("module").unwrap_or(&Value::None));
    let func = channel.get("func").map_or("notify".to_string(), text::str);
    let host = &session.host;
    if let Err(error) = host.notify(&module, &func, channel, message, error).await {
        session
            .logger
            .debug(format!("failed calling notification plugin\n{error}"));
    }
}
