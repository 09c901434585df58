//! How a connection is secured: TLS around the stream, and the credentials that SASL presents inside of it.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
};

use crate::connection::Failure;
use crate::error::{Error, Result};
use crate::properties::{
    Properties, SASL_MECHANISM, SECURITY_PROTOCOL, SSL_CA_LOCATION, SSL_CERTIFICATE_LOCATION,
    SSL_KEY_LOCATION,
};
use crate::scram::Hash;

/// A stream of bytes both ways, plain or inside of TLS.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// How connections to a cluster are secured.
#[derive(Default)]
pub(crate) struct Security {
    tls: Option<TlsConnector>,
    /// What is presented when the connection is open, if anything.
    pub(crate) credentials: Option<Credentials>,
}

/// A user name and password, and how they are proved.
pub(crate) struct Credentials {
    pub(crate) mechanism: Mechanism,
    pub(crate) username: String,
    pub(crate) password: String,
}

/// A SASL mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// The password itself.
    Plain,
    /// A proof of knowing it.
    Scram(Hash),
}

impl Mechanism {
    /// Its registered name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram(Hash::Sha256) => "SCRAM-SHA-256",
            Self::Scram(Hash::Sha512) => "SCRAM-SHA-512",
        }
    }

    fn named(name: Option<&str>) -> Result<Self> {
        let known = [
            Self::Plain,
            Self::Scram(Hash::Sha256),
            Self::Scram(Hash::Sha512),
        ];
        let found = known
            .into_iter()
            .find(|mechanism| Some(mechanism.name()) == name);
        found.ok_or_else(|| Error::Property {
            key: SASL_MECHANISM.to_owned(),
            reason: format!(
                "is {}; PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 are spoken",
                name.unwrap_or("missing")
            ),
        })
    }
}

impl Security {
    /// What the properties ask for; reads the certificates they name.
    pub(crate) fn of(properties: &Properties) -> Result<Self> {
        properties.check()?;
        let protocol = properties.protocol();
        let (encrypted, authenticated) = match protocol.as_str() {
            "PLAINTEXT" => (false, false),
            "SSL" => (true, false),
            "SASL_PLAINTEXT" => (false, true),
            "SASL_SSL" => (true, true),
            _ => {
                return Err(Error::Property {
                    key: SECURITY_PROTOCOL.to_owned(),
                    reason: format!(
                        "is {protocol}; PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL are spoken"
                    ),
                });
            }
        };
        let credentials = match authenticated {
            false => None,
            true => {
                let (username, password) = properties.login()?;
                Some(Credentials {
                    mechanism: Mechanism::named(properties.mechanism().as_deref())?,
                    username,
                    password,
                })
            }
        };
        let tls = match encrypted {
            false => None,
            true => Some(TlsConnector::from(Arc::new(tls(properties)?))),
        };
        Ok(Self { tls, credentials })
    }

    /// Wraps a connected stream in TLS, if that is asked for.
    pub(crate) async fn wrap(
        &self,
        stream: TcpStream,
        address: &str,
    ) -> std::result::Result<Box<dyn Duplex>, Failure> {
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from(host(address).to_owned())
            .map_err(|error| Failure::Tls(format!("{} is no host: {error}", host(address))))?;
        match tls.connect(name, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            // What TLS itself refuses has this kind; everything else is the network's.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(Failure::Tls(error.to_string()))
            }
            Err(error) => Err(Failure::Io(error)),
        }
    }
}

impl fmt::Debug for Security {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mechanism = self.credentials.as_ref().map(|one| one.mechanism.name());
        formatter
            .debug_struct("Security")
            .field("tls", &self.tls.is_some())
            .field("sasl", &mechanism)
            .finish()
    }
}

/// The host of `host:port`, without the brackets of an IPv6 address.
fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

fn tls(properties: &Properties) -> Result<ClientConfig> {
    let unusable = |key: &str, reason: String| Error::Property {
        key: key.to_owned(),
        reason,
    };
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    match properties.get(SSL_CA_LOCATION) {
        Some(path) => {
            for certificate in certificates(SSL_CA_LOCATION, path)? {
                roots.add(certificate).map_err(|error| {
                    unusable(
                        SSL_CA_LOCATION,
                        format!("names {path}, which has an unusable certificate: {error}"),
                    )
                })?;
            }
        }
        None => {
            let (usable, _) =
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if usable == 0 {
                let reason = "is missing, and this machine has no certificate authorities of its own; name a PEM file";
                return Err(unusable(SSL_CA_LOCATION, reason.to_owned()));
            }
        }
    }
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| unusable(SSL_CA_LOCATION, format!("is unusable: {error}")))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(SECURITY_PROTOCOL, format!("is unusable: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier {
            inner: verifier,
            checks_host: properties.checks_host()?,
        }));
    let location = |key| properties.get(key);
    match (
        location(SSL_CERTIFICATE_LOCATION),
        location(SSL_KEY_LOCATION),
    ) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(certificate), Some(key)) => {
            let chain = certificates(SSL_CERTIFICATE_LOCATION, certificate)?;
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| {
                let reason =
                    format!("names {key}, which is no unencrypted private key in PEM: {error}");
                unusable(SSL_KEY_LOCATION, reason)
            })?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| {
                    let reason = format!("does not go with the certificate: {error}");
                    unusable(SSL_KEY_LOCATION, reason)
                })
        }
        (None, Some(_)) => {
            let reason = format!("is missing, though {SSL_KEY_LOCATION} is given");
            Err(unusable(SSL_CERTIFICATE_LOCATION, reason))
        }
        (Some(_), None) => {
            let reason = format!("is missing, though {SSL_CERTIFICATE_LOCATION} is given");
            Err(unusable(SSL_KEY_LOCATION, reason))
        }
    }
}

fn certificates(key: &str, path: &str) -> Result<Vec<CertificateDer<'static>>> {
    let unusable = |reason: String| Error::Property {
        key: key.to_owned(),
        reason: format!("names {path}, which {reason}"),
    };
    let certificates: std::result::Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|error| unusable(format!("cannot be read: {error}")))?
        .collect();
    let certificates =
        certificates.map_err(|error| unusable(format!("is no certificate in PEM: {error}")))?;
    match certificates.is_empty() {
        true => Err(unusable("contains no certificate in PEM".to_owned())),
        false => Ok(certificates),
    }
}

/// Verifies a broker's certificate: always who signed it and when it is valid, and which host it names if asked to.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    checks_host: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, TlsError> {
        let verified = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // The name is checked last: everything else was found to be right.
            Err(TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_host => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
