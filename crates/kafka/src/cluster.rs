//! A Kafka cluster, known by its bootstrap servers: who is asked, how often, and for how long.
//!
//! Every call opens a connection of its own, so that no call sees a broker that was there a minute ago. Reads go to
//! the bootstrap servers in turn until one answers; a change is sent to one only. The calls themselves are in the
//! module of their noun: `metadata`, `topic`, `group` and so on.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::{Request, VersionRange};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::connection::{Connection, Failure, call_name};
use crate::error::{Error, Result};
use crate::metadata::Broker;
use crate::properties::Properties;
use crate::security::Security;

/// The bound of a whole call that only reads, all attempts included.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// The bound of a whole call that changes something; the controller may take its time.
pub const CHANGE_TIMEOUT: Duration = Duration::from_secs(15);

/// The bound of resolving and connecting to one address.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The bound of one attempt at one address, after which the next bootstrap server is tried: a paused broker accepts
/// connections and never answers.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// The pause between two looks at something that is waited for.
pub(crate) const POLL_PAUSE: Duration = Duration::from_millis(200);

/// The pause before a call is repeated whose broker had just lost its role.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// A Kafka cluster, known by its bootstrap servers. Cheap to make and to clone: it holds no connection.
#[derive(Debug, Clone)]
pub struct Cluster {
    bootstrap: Vec<String>,
    client_id: String,
    properties: Properties,
    security: Arc<Security>,
}

impl Cluster {
    /// A cluster without TLS and SASL that is found through any of `bootstrap` (`host:port` each); connects only when
    /// called. `client_id` is what brokers and their logs call us.
    pub fn new<A: ToString>(bootstrap: impl IntoIterator<Item = A>, client_id: &str) -> Self {
        let bootstrap = bootstrap.into_iter().map(|address| address.to_string());
        Self {
            bootstrap: bootstrap.collect(),
            client_id: client_id.to_owned(),
            properties: Properties::new(),
            security: Arc::new(Security::default()),
        }
    }

    /// Like [`Cluster::new`], with client properties: how connections are secured, and what else librdkafka is told.
    ///
    /// # Errors
    /// [`Error::Property`] when one is missing, not supported, or names a file that is no use.
    pub fn with_properties<A: ToString>(
        bootstrap: impl IntoIterator<Item = A>,
        client_id: &str,
        properties: &Properties,
    ) -> Result<Self> {
        Ok(Self {
            security: Arc::new(Security::of(properties)?),
            properties: properties.clone(),
            ..Self::new(bootstrap, client_id)
        })
    }

    /// The bootstrap servers as librdkafka and the truth reader want them: `host:port,host:port`.
    pub fn bootstrap(&self) -> String {
        self.bootstrap.join(",")
    }

    /// What a client of librdkafka has to be told to find this cluster; it prints nothing.
    pub(crate) fn client_config(&self) -> Result<ClientConfig> {
        let mut config = ClientConfig::new();
        config.extend(self.properties.for_librdkafka()?);
        config
            .set("bootstrap.servers", self.bootstrap())
            .set("client.id", &self.client_id)
            // What librdkafka logs comes back as errors too.
            .set_log_level(RDKafkaLogLevel::Emerg);
        Ok(config)
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
                Err(Trouble::Final(failure)) => return Err(refused::<R>(address, failure)),
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
            Trouble::Final(failure) => refused::<R>(&address, failure),
            Trouble::Network(reason) | Trouble::Late(reason) => unreachable(broker, role, reason),
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
            let mut connection = match self.reach(address, deadline).await {
                Ok(connection) => connection,
                Err(Trouble::Final(failure)) => return Err(refused::<R>(address, failure)),
                Err(trouble) => {
                    attempts.failed(address, trouble);
                    continue;
                }
            };
            return order(&mut connection, address, request, versions, deadline).await;
        }
        Err(attempts.into_error(CHANGE_TIMEOUT))
    }

    /// Asks the one broker that has the role to change something. Sent once; [`Error::NodeUnreachable`] says that it
    /// was not sent.
    pub(crate) async fn change_at<R: Request>(
        &self,
        broker: &Broker,
        role: &str,
        request: &R,
        versions: VersionRange,
        deadline: Instant,
    ) -> Result<R::Response> {
        let address = broker.address();
        let mut connection = match self.reach(&address, deadline).await {
            Ok(connection) => connection,
            Err(Trouble::Final(failure)) => return Err(refused::<R>(&address, failure)),
            Err(Trouble::Network(reason) | Trouble::Late(reason)) => {
                return Err(unreachable(broker, role, reason));
            }
        };
        order(&mut connection, &address, request, versions, deadline).await
    }

    async fn reach(
        &self,
        address: &str,
        deadline: Instant,
    ) -> std::result::Result<Connection, Trouble> {
        let limit = deadline.min(Instant::now() + ATTEMPT_TIMEOUT);
        within(limit, self.connect(address)).await
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
        stream.set_nodelay(true)?;
        let stream = self.security.wrap(stream, address).await?;
        let credentials = self.security.credentials.as_ref();
        Connection::open(stream, &self.client_id, credentials).await
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

/// Sends a change over an open connection, once.
async fn order<R: Request>(
    connection: &mut Connection,
    address: &str,
    request: &R,
    versions: VersionRange,
    deadline: Instant,
) -> Result<R::Response> {
    let answer = within(deadline, connection.send(request, versions)).await;
    answer.map_err(|trouble| match trouble {
        Trouble::Final(failure) => refused::<R>(address, failure),
        Trouble::Network(reason) | Trouble::Late(reason) => Error::OutcomeUnknown {
            call: call_name::<R>(),
            address: address.to_owned(),
            reason,
        },
    })
}

/// Repeats a change within [`CHANGE_TIMEOUT`] as long as it is certain that it was not carried out: the controller or
/// the coordinator had just moved, or could not be reached at all.
pub(crate) async fn decided<T, F>(call: impl Fn(Instant) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let not_done = |error: &Error| match error {
        Error::NodeUnreachable { .. } => true,
        Error::Api { call, code, .. } => match ResponseError::try_from_code(*code) {
            Some(
                ResponseError::NotController
                | ResponseError::NotCoordinator
                | ResponseError::CoordinatorLoadInProgress,
            ) => true,
            Some(error) => call == "FindCoordinator" && error.is_retriable(),
            None => false,
        },
        _ => false,
    };
    repeated(CHANGE_TIMEOUT, not_done, call).await
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
    let mut before = None;
    loop {
        let error = match call(deadline).await {
            Ok(result) => return Ok(result),
            Err(error) => error,
        };
        if !again(&error) {
            // The last attempt was cut short by the deadline: what was found before says more.
            let cut_short = matches!(error, Error::Timeout { .. });
            return Err(before.filter(|_| cut_short).unwrap_or(error));
        }
        if Instant::now() + RETRY_PAUSE >= deadline {
            return Err(error);
        }
        before = Some(error);
        sleep(RETRY_PAUSE).await;
    }
}

/// Why one attempt at one address failed.
enum Trouble {
    Network(String),
    Late(String),
    /// Another address would not help.
    Final(Failure),
}

async fn within<T>(
    limit: Instant,
    exchange: impl Future<Output = std::result::Result<T, Failure>>,
) -> std::result::Result<T, Trouble> {
    let started = Instant::now();
    match timeout_at(limit, exchange).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Failure::Io(error))) => Err(Trouble::Network(error.to_string())),
        Ok(Err(failure)) => Err(Trouble::Final(failure)),
        Err(_) => Err(Trouble::Late(format!(
            "no answer within {:.1} s",
            limit.saturating_duration_since(started).as_secs_f64()
        ))),
    }
}

fn refused<R: Request>(address: &str, failure: Failure) -> Error {
    let address = address.to_owned();
    match failure {
        Failure::Tls(reason) => Error::Tls { address, reason },
        Failure::Authentication { mechanism, reason } => Error::Authentication {
            address,
            mechanism: mechanism.to_owned(),
            reason,
        },
        other => Error::Protocol {
            call: call_name::<R>(),
            address,
            reason: other.to_string(),
        },
    }
}

fn unreachable(broker: &Broker, role: &str, reason: String) -> Error {
    Error::NodeUnreachable {
        role: role.to_owned(),
        node: broker.node_id,
        address: broker.address(),
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
        self.late |= matches!(trouble, Trouble::Late(_));
        let reason = match trouble {
            Trouble::Network(reason) | Trouble::Late(reason) => reason,
            Trouble::Final(failure) => failure.to_string(),
        };
        self.reasons.push(format!("{address}: {reason}"));
        self.addresses.push(address.to_owned());
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
