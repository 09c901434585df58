//! A Kafka cluster, known by its bootstrap servers: who is asked, how often, and for how long.
//!
//! Every call opens a connection of its own, so that no call sees a broker that was there a minute ago. Reads go to
//! the bootstrap servers in turn until one answers; a change is sent to one only. The calls themselves are in the
//! module of their noun: `metadata`, `quorum`, `topic`, `group`, `offsets`.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::{Request, VersionRange};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::connection::{Connection, Failure, call_name};
use crate::error::{Error, Result};
use crate::metadata::Broker;

/// The bound of a whole call that only reads, all attempts included.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// The bound of a whole call that changes something; the controller may take its time.
pub const CHANGE_TIMEOUT: Duration = Duration::from_secs(15);

/// The bound of resolving and connecting to one address.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The bound of one attempt at one address, after which the next bootstrap server is tried: a paused broker accepts
/// connections and never answers.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// The pause before a call is repeated whose broker had just lost its role.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// A Kafka cluster, known by its bootstrap servers. Cheap to make and to clone: it holds no connection.
#[derive(Debug, Clone)]
pub struct Cluster {
    bootstrap: Vec<String>,
    client_id: String,
}

impl Cluster {
    /// A cluster that is found through any of `bootstrap` (`host:port` each); connects only when called.
    /// `client_id` is what brokers and their logs call us.
    pub fn new<A: ToString>(bootstrap: impl IntoIterator<Item = A>, client_id: &str) -> Self {
        Self {
            bootstrap: bootstrap
                .into_iter()
                .map(|address| address.to_string())
                .collect(),
            client_id: client_id.to_owned(),
        }
    }

    /// The bootstrap servers as librdkafka and the truth reader want them: `host:port,host:port`.
    pub fn bootstrap(&self) -> String {
        self.bootstrap.join(",")
    }

    /// Asks any broker something that changes nothing.
    pub(crate) async fn read<R: Request>(
        &self,
        request: &R,
        versions: VersionRange,
        deadline: Instant,
    ) -> Result<R::Response> {
        let mut attempts = Attempts::of::<R>();
        for address in &self.bootstrap {
            if attempts.exhausted(deadline) {
                break;
            }
            match self.attempt(address, request, versions, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(Trouble::Protocol(reason)) => return Err(protocol::<R>(address, reason)),
                Err(trouble) => attempts.failed(address, trouble),
            }
        }
        Err(attempts.into_error(CALL_TIMEOUT))
    }

    /// Asks the one broker that has the role, something that changes nothing.
    pub(crate) async fn read_from<R: Request>(
        &self,
        broker: &Broker,
        role: &str,
        request: &R,
        versions: VersionRange,
        deadline: Instant,
    ) -> Result<R::Response> {
        let address = broker.address();
        let answer = self.attempt(&address, request, versions, deadline).await;
        answer.map_err(|trouble| match trouble {
            Trouble::Protocol(reason) => protocol::<R>(&address, reason),
            Trouble::Network(reason) | Trouble::Late(reason) => Error::NodeUnreachable {
                role: role.to_owned(),
                node: broker.node_id,
                address,
                reason,
            },
        })
    }

    /// Asks any broker to change something; it is forwarded to the active controller. Sent once: another
    /// bootstrap server is tried only as long as no connection could be established.
    pub(crate) async fn change<R: Request>(
        &self,
        request: &R,
        versions: VersionRange,
        deadline: Instant,
    ) -> Result<R::Response> {
        let mut attempts = Attempts::of::<R>();
        for address in &self.bootstrap {
            if attempts.exhausted(deadline) {
                break;
            }
            let limit = deadline.min(Instant::now() + ATTEMPT_TIMEOUT);
            let mut connection = match within(limit, self.connect(address)).await {
                Ok(connection) => connection,
                Err(Trouble::Protocol(reason)) => return Err(protocol::<R>(address, reason)),
                Err(trouble) => {
                    attempts.failed(address, trouble);
                    continue;
                }
            };
            let answer = within(deadline, connection.send(request, versions)).await;
            return answer.map_err(|trouble| match trouble {
                Trouble::Protocol(reason) => protocol::<R>(address, reason),
                Trouble::Network(reason) | Trouble::Late(reason) => Error::OutcomeUnknown {
                    call: call_name::<R>(),
                    address: address.clone(),
                    reason,
                },
            });
        }
        Err(attempts.into_error(CHANGE_TIMEOUT))
    }

    async fn attempt<R: Request>(
        &self,
        address: &str,
        request: &R,
        versions: VersionRange,
        deadline: Instant,
    ) -> std::result::Result<R::Response, Trouble> {
        let limit = deadline.min(Instant::now() + ATTEMPT_TIMEOUT);
        within(limit, async {
            self.connect(address).await?.send(request, versions).await
        })
        .await
    }

    async fn connect(&self, address: &str) -> std::result::Result<Connection, Failure> {
        let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
            .await
            .map_err(|_| {
                let reason = format!("not connected within {CONNECT_TIMEOUT:?}");
                Failure::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, reason))
            })??;
        Connection::open(stream, &self.client_id).await
    }
}

/// Repeats a call that only reads, within [`CALL_TIMEOUT`] as long as its error is transient; roles are looked up anew
/// each time.
pub(crate) async fn settled<T, F>(call: impl Fn(Instant) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    repeated(CALL_TIMEOUT, Error::is_transient, call).await
}

/// Repeats a change within [`CHANGE_TIMEOUT`] as long as it is certain that it was not carried out, because the
/// controller had just moved.
pub(crate) async fn decided<T, F>(call: impl Fn(Instant) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let moved = |error: &Error| {
        let not_controller = ResponseError::NotController.code();
        matches!(error, Error::Api { code, .. } if *code == not_controller)
    };
    repeated(CHANGE_TIMEOUT, moved, call).await
}

async fn repeated<T, F>(
    limit: Duration,
    again: impl Fn(&Error) -> bool,
    call: impl Fn(Instant) -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let deadline = Instant::now() + limit;
    loop {
        let result = call(deadline).await;
        let again = matches!(&result, Err(error) if again(error));
        if !again || Instant::now() + RETRY_PAUSE >= deadline {
            return result;
        }
        sleep(RETRY_PAUSE).await;
    }
}

/// Why one attempt at one address failed.
enum Trouble {
    Network(String),
    Late(String),
    Protocol(String),
}

async fn within<T>(
    limit: Instant,
    exchange: impl Future<Output = std::result::Result<T, Failure>>,
) -> std::result::Result<T, Trouble> {
    let started = Instant::now();
    match timeout_at(limit, exchange).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Failure::Io(error))) => Err(Trouble::Network(error.to_string())),
        Ok(Err(Failure::Protocol(reason))) => Err(Trouble::Protocol(reason)),
        Err(_) => Err(Trouble::Late(format!(
            "no answer within {:.1} s",
            limit.saturating_duration_since(started).as_secs_f64()
        ))),
    }
}

fn protocol<R: Request>(address: &str, reason: String) -> Error {
    Error::Protocol {
        call: call_name::<R>(),
        address: address.to_owned(),
        reason,
    }
}

/// What happened at the addresses tried so far.
struct Attempts {
    call: String,
    addresses: Vec<String>,
    reasons: Vec<String>,
    late: bool,
}

impl Attempts {
    fn of<R: Request>() -> Self {
        Self {
            call: call_name::<R>(),
            addresses: Vec::new(),
            reasons: Vec::new(),
            late: false,
        }
    }

    fn exhausted(&mut self, deadline: Instant) -> bool {
        let exhausted = Instant::now() >= deadline;
        self.late |= exhausted;
        exhausted
    }

    fn failed(&mut self, address: &str, trouble: Trouble) {
        let (Trouble::Network(reason) | Trouble::Late(reason) | Trouble::Protocol(reason)) =
            &trouble;
        self.reasons.push(format!("{address}: {reason}"));
        self.addresses.push(address.to_owned());
        self.late |= matches!(trouble, Trouble::Late(_));
    }

    fn into_error(self, limit: Duration) -> Error {
        if self.late {
            return Error::Timeout {
                call: self.call,
                limit,
                reason: self.reasons.join("; "),
            };
        }
        let reason = match self.reasons.as_slice() {
            [] => "no bootstrap server was given".to_owned(),
            reasons => reasons.join("; "),
        };
        Error::Unreachable {
            addresses: self.addresses,
            reason,
        }
    }
}
