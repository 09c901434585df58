//! Connections: TCP, through a proxy where there is one, TLS where it is spoken.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use shaketable_dialect::{Raised, text};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{self, CryptoProvider};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::url::Url;

/// Most bytes of a proxy's answer to CONNECT.
const PROXY_ANSWER_BYTES: usize = 64 * 1024;

/// What bytes go over.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// What a connection has to respect.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// Longest time for it to come about.
    pub timeout: Option<Duration>,
    /// Whether the server's certificate must be good.
    pub verify: bool,
    /// Authorities to trust instead of the system's.
    pub authorities: Option<PathBuf>,
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum Unconnected {
    /// For a reason worth another try; the exception as `urllib3` shows it.
    Refused(String),
    /// The TLS handshake took too long.
    Silent(Duration),
    /// For a reason that is the caller's.
    Raised(Raised),
}

/// A connection to the server of `url`, or to its proxy.
pub(crate) async fn connect(
    url: &Url,
    proxy: Option<&Url>,
    terms: &Terms,
) -> Result<Box<dyn Wire>, Unconnected> {
    let tls = if url.is_tls() {
        Some(tls_settings(terms).map_err(Unconnected::Raised)?)
    } else {
        None
    };
    let tcp = connect_tcp(proxy.unwrap_or(url), url.is_tls(), terms.timeout)
        .await
        .map_err(|cause| match proxy {
            Some(_) => {
                Unconnected::Refused(format!("ProxyError('Unable to connect to proxy', {cause})"))
            }
            None => Unconnected::Refused(cause),
        })?;
    let Some(settings) = tls else {
        return Ok(Box::new(tcp));
    };
    let secured = async {
        let mut tcp = tcp;
        if let Some(proxy) = proxy {
            tunnel(&mut tcp, url, proxy).await.map_err(|cause| {
                Unconnected::Refused(format!("ProxyError('Unable to connect to proxy', {cause})"))
            })?;
        }
        let name = ServerName::try_from(url.bare_host().to_owned()).map_err(|_| {
            Unconnected::Raised(Raised::new("InvalidURL", "URL has an invalid label."))
        })?;
        let stream = TlsConnector::from(settings)
            .connect(name, tcp)
            .await
            .map_err(|error| {
                Unconnected::Refused(format!("SSLError({})", quoted(&error.to_string())))
            })?;
        Ok(Box::new(stream) as Box<dyn Wire>)
    };
    match terms.timeout {
        None => secured.await,
        Some(after) => tokio::time::timeout(after, secured)
            .await
            .unwrap_or(Err(Unconnected::Silent(after))),
    }
}

/// A TCP connection to the first address of the URL's host that takes one; each has the whole time.
async fn connect_tcp(url: &Url, tls: bool, timeout: Option<Duration>) -> Result<TcpStream, String> {
    let (host, port) = (url.bare_host(), url.port_or_default());
    let class = if tls {
        "HTTPSConnection"
    } else {
        "HTTPConnection"
    };
    let this = format!("{class}(host={}, port={port})", quoted(host));
    let addresses = tokio::net::lookup_host((host, port)).await.map_err(|_| {
        let shown = quoted(host);
        let message =
            format!("{this}: Failed to resolve {shown} ([Errno -2] Name or service not known)");
        format!("NameResolutionError({})", quoted(&message))
    })?;
    let mut last = format!(
        "NewConnectionError({})",
        quoted(&format!("{this}: getaddrinfo returns an empty list"))
    );
    for address in addresses {
        let attempt = TcpStream::connect(address);
        let outcome = match timeout {
            None => attempt.await,
            Some(after) => match tokio::time::timeout(after, attempt).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    let seconds = text::float(after.as_secs_f64());
                    let message =
                        format!("Connection to {host} timed out. (connect timeout={seconds})");
                    last = format!(
                        "ConnectTimeoutError({})",
                        quoted(&format!("{this}: {message}"))
                    );
                    continue;
                }
            },
        };
        match outcome {
            Ok(stream) => {
                // Without it a small body would wait for the acknowledgement of the head.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => {
                let message = format!(
                    "{this}: Failed to establish a new connection: {}",
                    shown(&error)
                );
                last = format!("NewConnectionError({})", quoted(&message));
            }
        }
    }
    Err(last)
}

/// Asks a proxy for a tunnel to the server of `url`.
async fn tunnel(tcp: &mut TcpStream, url: &Url, proxy: &Url) -> Result<(), String> {
    let failed = |error: io::Error| format!("OSError({})", quoted(&error.to_string()));
    let target = format!("{}:{}", url.host, url.port_or_default());
    let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(authorization) = authorization(proxy) {
        head.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
    }
    head.push_str("\r\n");
    tcp.write_all(head.as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::new();
    // One byte at a time: what follows the head already belongs to the tunnel.
    while !answer.ends_with(b"\r\n\r\n") && answer.len() < PROXY_ANSWER_BYTES {
        answer.push(tcp.read_u8().await.map_err(failed)?);
    }
    let first = String::from_utf8_lossy(
        answer
            .split(|byte| *byte == b'\r')
            .next()
            .unwrap_or_default(),
    )
    .into_owned();
    let status = first.split_once(' ').map_or("", |(_, status)| status);
    if status.starts_with('2') {
        Ok(())
    } else {
        Err(format!(
            "OSError({})",
            quoted(&format!("Tunnel connection failed: {status}"))
        ))
    }
}

/// The `Basic` authorisation of the login in a URL.
pub(crate) fn authorization(url: &Url) -> Option<String> {
    let (user, password) = url.credentials()?;
    let plain: Vec<u8> = format!("{user}:{password}")
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
        .collect();
    Some(format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(plain)
    ))
}

/// The TLS settings the terms ask for.
fn tls_settings(terms: &Terms) -> Result<Arc<ClientConfig>, Raised> {
    let provider = Arc::new(crypto::ring::default_provider());
    let tls_failure =
        |error: tokio_rustls::rustls::Error| Raised::new("SSLError", error.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(tls_failure)?;
    let settings = if terms.verify {
        builder
            .with_root_certificates(authorities(terms.authorities.as_deref())?)
            .with_no_client_auth()
    } else {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth()
    };
    Ok(Arc::new(settings))
}

/// The authorities to trust: of `file`, of `REQUESTS_CA_BUNDLE` or `CURL_CA_BUNDLE`, or the system's
/// (which `SSL_CERT_FILE` and `SSL_CERT_DIR` may replace).
fn authorities(file: Option<&Path>) -> Result<RootCertStore, Raised> {
    let of_environment = || {
        ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]
            .iter()
            .find_map(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
            .map(PathBuf::from)
    };
    let mut store = RootCertStore::empty();
    let Some(file) = file.map(Path::to_path_buf).or_else(of_environment) else {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(store);
    };
    let unusable = |_| {
        let message = format!(
            "Could not find a suitable TLS CA certificate bundle, invalid path: {}",
            file.display()
        );
        Raised::new("OSError", message)
    };
    for certificate in CertificateDer::pem_file_iter(&file).map_err(unusable)? {
        store.add_parsable_certificates([certificate.map_err(unusable)?]);
    }
    Ok(store)
}

/// Takes every certificate: the caller asked for it.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, tokio_rustls::rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        crypto::verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        crypto::verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// An error of the system as Python shows it.
fn shown(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!(
            "[Errno {number}] {}",
            nix::errno::Errno::from_raw(number).desc()
        ),
        None => error.to_string(),
    }
}

/// Text as Python quotes it.
pub(crate) fn quoted(text: &str) -> String {
    text::repr(&text.into())
}
