//! A stand-in for a Kafka broker: speaks frames and headers like one, and answers what the test says.
//!
//! It knows nothing of Kafka beyond that; whatever depends on real behaviour is tested against real Kafka.

use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse, ResponseHeader};
use kafka_protocol::protocol::{Encodable, Request, decode_request_header_from_buffer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What the stand-in does with a request.
pub enum Reply {
    /// Sends this body.
    Answer(Bytes),
    /// Closes the connection.
    HangUp,
}

/// A request as it arrived.
pub struct Call {
    /// Which call.
    pub key: ApiKey,
    /// In which version.
    pub version: i16,
    body: Bytes,
}

impl Call {
    /// The decoded request.
    pub fn request<R: Request>(&self) -> R {
        R::decode(&mut self.body.clone(), self.version).expect("a request of that kind")
    }

    /// An answer in the version of the call.
    pub fn answer(&self, response: &impl Encodable) -> Reply {
        let mut body = BytesMut::new();
        response
            .encode(&mut body, self.version)
            .expect("encodable in this version");
        Reply::Answer(body.freeze())
    }
}

/// A stand-in that listens.
pub struct StandIn {
    /// Its address.
    pub address: std::net::SocketAddr,
    calls: Arc<Mutex<Vec<(ApiKey, i16)>>>,
}

impl StandIn {
    /// Listens; says that it speaks `versions` of each call, and has `answer` answer them.
    pub async fn start(
        versions: &[(ApiKey, i16, i16)],
        answer: impl Fn(&Call) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start_at("127.0.0.1", None, versions, answer).await
    }

    /// The same on another address, or inside of TLS.
    pub async fn start_at(
        host: &str,
        tls: Option<TlsAcceptor>,
        versions: &[(ApiKey, i16, i16)],
        answer: impl Fn(&Call) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((host, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let calls = Arc::new(Mutex::new(Vec::new()));
        let spoken = |(key, min, max): &(ApiKey, i16, i16)| {
            ApiVersion::default()
                .with_api_key(*key as i16)
                .with_min_version(*min)
                .with_max_version(*max)
        };
        let spoken =
            ApiVersionsResponse::default().with_api_keys(versions.iter().map(spoken).collect());
        let answer = Arc::new(answer);
        let seen = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, spoken, answer) =
                    (Arc::clone(&seen), spoken.clone(), Arc::clone(&answer));
                let tls = tls.clone();
                tokio::spawn(async move {
                    let reply = |call: &Call| {
                        if call.key == ApiKey::ApiVersions {
                            return call.answer(&spoken);
                        }
                        seen.lock()
                            .expect("no panic")
                            .push((call.key, call.version));
                        answer(call)
                    };
                    // The connection ends when the client closes it, which is no failure.
                    let _ = match tls {
                        None => serve(stream, reply).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, reply).await,
                            Err(error) => Err(error),
                        },
                    };
                });
            }
        });
        Self { address, calls }
    }

    /// The calls received so far, but for `ApiVersions`, with their versions.
    pub fn calls(&self) -> Vec<(ApiKey, i16)> {
        self.calls.lock().expect("no panic").clone()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: impl Fn(&Call) -> Reply,
) -> std::io::Result<()> {
    loop {
        let mut frame = vec![0; stream.read_i32().await? as usize];
        stream.read_exact(&mut frame).await?;
        let mut body = Bytes::from(frame);
        let header = decode_request_header_from_buffer(&mut body).expect("a request header");
        let key = ApiKey::try_from(header.request_api_key).expect("a known call");
        let version = header.request_api_version;
        let Reply::Answer(answer) = answer(&Call { key, version, body }) else {
            return Ok(());
        };
        let mut reply = BytesMut::new();
        ResponseHeader::default()
            .with_correlation_id(header.correlation_id)
            .encode(&mut reply, key.response_header_version(version))
            .expect("a response header");
        reply.extend_from_slice(&answer);
        stream.write_i32(reply.len() as i32).await?;
        stream.write_all(&reply).await?;
        stream.flush().await?;
    }
}
