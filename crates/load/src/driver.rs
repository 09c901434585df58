//! The HTTP driver: sends one checked request any number of times.
//!
//! Connections are pooled and kept alive, never retried: a request that was handed to a connection
//! is never handed to another one.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{HttpConnector, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use shaketable_ledger::Outcome;
use tokio::time::timeout_at;

use crate::identity::Identity;
use crate::outcome::Exchange;
use crate::run::RunningLoad;
use crate::workload::{HttpWorkload, RequestTemplate, WorkloadError};

/// How much of an answer's body is read, in bytes; more than an identity could need.
const RESPONSE_BODY_BYTES_MAX: usize = 1024 * 1024;

/// How long a kept connection may lie idle before it is closed.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A workload that was found valid and can be started.
pub struct HttpDriver {
    sender: Arc<Sender>,
    rate_per_s: f64,
    max_in_flight: usize,
}

impl HttpDriver {
    /// Checks the workload. Nothing is sent yet.
    ///
    /// # Errors
    /// Every problem of the workload at once.
    pub fn new(workload: HttpWorkload) -> Result<Self, Vec<WorkloadError>> {
        let (template, identity) = workload.check()?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        // A request's own deadline comes first; this one bounds the connections that are still
        // being made in the background after their request was given another one.
        connector.set_connect_timeout(Some(workload.timeout * 2));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_max_idle_per_host(workload.max_in_flight)
            .retry_canceled_requests(false)
            .build(connector);
        Ok(Self {
            sender: Arc::new(Sender {
                client,
                template,
                identity,
                timeout: workload.timeout,
            }),
            rate_per_s: workload.rate_per_s,
            max_in_flight: workload.max_in_flight,
        })
    }

    /// Starts sending at once. All times of the attempts are microseconds since `t0`.
    ///
    /// # Panics
    /// If `t0` lies ahead, and outside of a tokio runtime with time and IO.
    pub fn start(&self, t0: Instant) -> RunningLoad {
        RunningLoad::spawn(
            Arc::clone(&self.sender),
            self.rate_per_s,
            self.max_in_flight,
            t0,
        )
    }
}

/// Sends the request and tells what came of it.
pub(crate) struct Sender {
    client: Client<HttpConnector, Full<Bytes>>,
    template: RequestTemplate,
    identity: Identity,
    timeout: Duration,
}

impl Sender {
    /// One attempt, ended within the timeout from now.
    pub(crate) async fn send(&self) -> (Option<u16>, Outcome) {
        let exchange = self.exchange().await;
        (exchange.status(), exchange.outcome(&self.identity))
    }

    async fn exchange(&self) -> Exchange {
        let deadline = tokio::time::Instant::now() + self.timeout;
        let mut request = self.template.request();
        // Tells whether the request was handed to a connection. Until then nothing can have been
        // sent, and dropping the exchange makes sure that nothing will be.
        let connection = capture_connection(&mut request);
        let answer = timeout_at(deadline, self.client.request(request)).await;
        let handed_over = connection.connection_metadata().is_some();
        match (answer, handed_over) {
            (Ok(Ok(response)), _) => {
                let (head, body) = response.into_parts();
                let body = match timeout_at(deadline, read(body)).await {
                    Ok(body) => body,
                    Err(_) => Err(format!("without its whole body within {:?}", self.timeout)),
                };
                Exchange::Answered(head.status, body)
            }
            (Ok(Err(error)), true) => Exchange::Unanswered(format!("no answer: {}", cause(&error))),
            (Ok(Err(error)), false) => {
                Exchange::NotSent(format!("could not connect: {}", cause(&error)))
            }
            (Err(_), true) => Exchange::Unanswered(format!("no answer within {:?}", self.timeout)),
            (Err(_), false) => {
                Exchange::NotSent(format!("could not connect within {:?}", self.timeout))
            }
        }
    }
}

async fn read(body: Incoming) -> Result<Bytes, String> {
    match Limited::new(body, RESPONSE_BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(format!(
            "with a body of more than {RESPONSE_BODY_BYTES_MAX} bytes"
        )),
        Err(error) => Err(format!(
            "with a body that broke off: {}",
            cause(error.as_ref())
        )),
    }
}

/// The innermost cause; unlike the ones around it, it names no address or port.
fn cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
