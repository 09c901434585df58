//! One connection to one broker: the login, frames, correlation, and the version of each call both sides speak.
//!
//! A connection serves one caller, one request at a time. It sets no bounds on time: whoever opens it does.

use std::collections::BTreeMap;
use std::io;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, RequestHeader, ResponseHeader, SaslAuthenticateRequest,
    SaslHandshakeRequest,
};
use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, Request, StrBytes, VersionRange,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::error::code_name;
use crate::scram::{self, Scram};
use crate::security::{Credentials, Duplex, Mechanism};

/// The largest answer accepted, in bytes; a greater length means that the peer is no Kafka broker.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// The version of `ApiVersions` we ask with; every broker understands it.
const API_VERSIONS_VERSION: i16 = 0;

/// From version 1 on, what follows the handshake is in frames of its own call.
const HANDSHAKE_VERSIONS: VersionRange = VersionRange { min: 1, max: 1 };
const AUTHENTICATE_VERSIONS: VersionRange = VersionRange { min: 0, max: 2 };

/// A connection that has learned which versions the broker speaks.
pub(crate) struct Connection {
    stream: Box<dyn Duplex>,
    client_id: String,
    correlation_id: i32,
    versions: BTreeMap<i16, VersionRange>,
}

/// Why an exchange over a connection failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The network, or the broker's end of it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bytes, or the versions.
    #[error("{0}")]
    Protocol(String),
    /// The encryption, or the certificates.
    #[error("{0}")]
    Tls(String),
    /// The login.
    #[error("{mechanism}: {reason}")]
    Authentication {
        mechanism: &'static str,
        reason: String,
    },
}

impl Connection {
    /// Takes over a connected stream, asks the broker for its versions, and logs in if there are credentials.
    pub(crate) async fn open(
        stream: Box<dyn Duplex>,
        client_id: &str,
        credentials: Option<&Credentials>,
    ) -> Result<Self, Failure> {
        let mut connection = Self {
            stream,
            client_id: client_id.to_owned(),
            correlation_id: 0,
            versions: BTreeMap::new(),
        };
        let answer = connection
            .exchange(&ApiVersionsRequest::default(), API_VERSIONS_VERSION)
            .await?;
        if let Some(name) = code_name(answer.error_code) {
            return Err(Failure::Protocol(format!("the broker answered {name}")));
        }
        connection.versions = answer
            .api_keys
            .iter()
            .map(|api| {
                let (min, max) = (api.min_version, api.max_version);
                (api.api_key, VersionRange { min, max })
            })
            .collect();
        if let Some(credentials) = credentials {
            connection.log_in(credentials).await?;
        }
        Ok(connection)
    }

    async fn log_in(&mut self, credentials: &Credentials) -> Result<(), Failure> {
        let mechanism = credentials.mechanism.name();
        let refused = |reason| Failure::Authentication { mechanism, reason };
        let handshake =
            SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
        let answer = self.send(&handshake, HANDSHAKE_VERSIONS).await?;
        if let Some(name) = code_name(answer.error_code) {
            let offered: Vec<_> = answer.mechanisms.iter().map(|one| one.as_str()).collect();
            return Err(refused(format!(
                "{name}: the broker offers {}",
                offered.join(", ")
            )));
        }
        let (username, password) = (&credentials.username, &credentials.password);
        match credentials.mechanism {
            Mechanism::Plain => {
                let message = format!("\0{username}\0{password}");
                self.authenticate(mechanism, message).await?;
            }
            Mechanism::Scram(hash) => {
                let scram = Scram::new(hash, username, password);
                let server_first = self.authenticate(mechanism, scram.first()).await?;
                let (last, expected) = scram.last(&server_first).map_err(refused)?;
                let server_last = self.authenticate(mechanism, last).await?;
                scram::check(&server_last, &expected).map_err(refused)?;
            }
        }
        Ok(())
    }

    async fn authenticate(
        &mut self,
        mechanism: &'static str,
        message: String,
    ) -> Result<Bytes, Failure> {
        let request = SaslAuthenticateRequest::default().with_auth_bytes(message.into());
        let answer = self.send(&request, AUTHENTICATE_VERSIONS).await?;
        match code_name(answer.error_code) {
            None => Ok(answer.auth_bytes),
            Some(name) => {
                let said = answer.error_message.map(|text| text.to_string());
                let reason = said.filter(|said| !said.is_empty()).unwrap_or(name);
                Err(Failure::Authentication { mechanism, reason })
            }
        }
    }

    /// Sends a request in the newest version that the broker and `ours` have in common, and awaits its answer.
    pub(crate) async fn send<R: Request>(
        &mut self,
        request: &R,
        ours: VersionRange,
    ) -> Result<R::Response, Failure> {
        let theirs = self.versions.get(&R::KEY).copied();
        let common = theirs.map(|theirs| ours.intersect(&theirs));
        match common {
            Some(common) if !common.is_empty() => self.exchange(request, common.max).await,
            _ => Err(Failure::Protocol(match theirs {
                Some(theirs) => {
                    format!("the broker speaks versions {theirs}, we speak {ours}")
                }
                None => "the broker does not know this call".to_owned(),
            })),
        }
    }

    async fn exchange<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<R::Response, Failure> {
        self.correlation_id += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(StrBytes::from_string(self.client_id.clone())));
        let mut body = BytesMut::new();
        header
            .encode(&mut body, R::header_version(version))
            .and_then(|()| request.encode(&mut body, version))
            .map_err(|error| {
                Failure::Protocol(format!("cannot encode version {version}: {error}"))
            })?;
        let length = i32::try_from(body.len())
            .map_err(|_| Failure::Protocol(format!("the request has {} bytes", body.len())))?;
        self.stream.write_all(&length.to_be_bytes()).await?;
        self.stream.write_all(&body).await?;
        self.stream.flush().await?;

        let mut frame = self.frame().await?;
        let undecodable =
            |error| Failure::Protocol(format!("cannot decode version {version}: {error}"));
        let header = ResponseHeader::decode(&mut frame, R::Response::header_version(version))
            .map_err(undecodable)?;
        if header.correlation_id != self.correlation_id {
            return Err(Failure::Protocol(format!(
                "the answer belongs to request {}, not {}",
                header.correlation_id, self.correlation_id
            )));
        }
        R::Response::decode(&mut frame, version).map_err(undecodable)
    }

    async fn frame(&mut self) -> Result<Bytes, Failure> {
        let length = self.stream.read_i32().await?;
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= FRAME_BYTES_MAX)
            .ok_or_else(|| {
                Failure::Protocol(format!("an answer of {length} bytes is announced"))
            })?;
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame).await?;
        Ok(frame.into())
    }
}

/// The protocol's name of a call, such as `Metadata`.
pub(crate) fn call_name<R: Request>() -> String {
    match ApiKey::try_from(R::KEY) {
        Ok(key) => format!("{key:?}"),
        Err(()) => format!("api key {}", R::KEY),
    }
}
