//! How connections are secured, and what secrets never show: against a stand-in broker, inside of TLS or not.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::stand_in::{Call, Reply, StandIn};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{
    ApiKey, MetadataResponse, SaslAuthenticateRequest, SaslAuthenticateResponse,
    SaslHandshakeRequest, SaslHandshakeResponse,
};
use kafka_protocol::protocol::StrBytes;
use shaketable_kafka::{Cluster, Error, Properties};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A password with everything that has to be escaped somewhere.
const PASSWORD: &str = r#"s"e\c=r;e,t"#;

const SPOKEN: [(ApiKey, i16, i16); 3] = [
    (ApiKey::Metadata, 0, 12),
    (ApiKey::SaslHandshake, 0, 1),
    (ApiKey::SaslAuthenticate, 0, 2),
];

fn certificate(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/certificates")
        .join(name)
}

fn path(name: &str) -> String {
    certificate(name).to_str().expect("UTF-8").to_owned()
}

/// A broker that speaks TLS, with a certificate for `localhost` and `127.0.0.1`.
async fn tls_broker(host: &str) -> StandIn {
    let chain = CertificateDer::pem_file_iter(certificate("broker.pem"))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let key = PrivateKeyDer::from_pem_file(certificate("broker-key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    StandIn::start_at(host, Some(tls), &SPOKEN, |call| {
        call.answer(&MetadataResponse::default())
    })
    .await
}

/// A broker that lets anybody in who says the right thing, and remembers what was said.
async fn login_broker(right: &'static str) -> (StandIn, Arc<Mutex<Vec<String>>>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    let broker = StandIn::start(&SPOKEN, move |call| log_in(call, right, &heard)).await;
    (broker, said)
}

fn log_in(call: &Call, right: &str, heard: &Mutex<Vec<String>>) -> Reply {
    match call.key {
        ApiKey::SaslHandshake => {
            let request: SaslHandshakeRequest = call.request();
            let offered = StrBytes::from_static_str("PLAIN");
            let code = match request.mechanism == offered {
                true => 0,
                false => ResponseError::UnsupportedSaslMechanism.code(),
            };
            call.answer(
                &SaslHandshakeResponse::default()
                    .with_error_code(code)
                    .with_mechanisms(vec![offered]),
            )
        }
        ApiKey::SaslAuthenticate => {
            let request: SaslAuthenticateRequest = call.request();
            let said = String::from_utf8(request.auth_bytes.to_vec()).unwrap();
            let answer = SaslAuthenticateResponse::default();
            let answer = match said == right {
                true => answer,
                false => answer
                    .with_error_code(ResponseError::SaslAuthenticationFailed.code())
                    .with_error_message(Some(StrBytes::from_static_str("Invalid credentials"))),
            };
            heard.lock().unwrap().push(said);
            call.answer(&answer)
        }
        _ => call.answer(&MetadataResponse::default()),
    }
}

fn cluster(broker: &StandIn, properties: Properties) -> Cluster {
    Cluster::with_properties([broker.address], "security-test", &properties).unwrap()
}

fn plain() -> Properties {
    Properties::new()
        .set("security.protocol", "SASL_PLAINTEXT")
        .set("sasl.mechanism", "PLAIN")
}

#[tokio::test]
async fn plain_presents_user_and_password_by_either_name_of_the_properties() {
    let (broker, said) = login_broker("\0alice\0s\"e\\c=r;e,t").await;
    let own_names = plain()
        .set("sasl.username", "alice")
        .set("sasl.password", PASSWORD);
    let javas = plain().set(
        "sasl.jaas.config",
        r#"org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="s\"e\\c=r;e,t";"#,
    );
    for properties in [own_names, javas] {
        cluster(&broker, properties).metadata(None).await.unwrap();
    }
    assert_eq!(*said.lock().unwrap(), ["\0alice\0s\"e\\c=r;e,t"; 2]);
}

#[tokio::test]
async fn a_refused_login_says_so_and_shows_no_password() {
    let (broker, _) = login_broker("\0alice\0other").await;
    let properties = plain()
        .set("sasl.username", "alice")
        .set("sasl.password", PASSWORD);
    let cluster = cluster(&broker, properties.clone());
    let error = cluster.metadata(None).await.unwrap_err();
    assert!(matches!(error, Error::Authentication { .. }), "{error}");
    assert!(error.to_string().contains("Invalid credentials"), "{error}");
    for shown in [
        format!("{error} {error:?}"),
        format!("{cluster:?}"),
        format!("{properties:?}"),
    ] {
        assert!(!shown.contains("c=r;e"), "{shown}");
    }
    assert!(format!("{properties:?}").contains("alice"));
}

#[tokio::test]
async fn a_mechanism_the_broker_does_not_offer_is_named_with_those_it_does() {
    let (broker, said) = login_broker("").await;
    let properties = Properties::new()
        .set("security.protocol", "SASL_PLAINTEXT")
        .set("sasl.mechanisms", "SCRAM-SHA-512")
        .set("sasl.username", "alice")
        .set("sasl.password", PASSWORD);
    let error = cluster(&broker, properties)
        .metadata(None)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("with SCRAM-SHA-512 failed")
            && error.to_string().contains("the broker offers PLAIN"),
        "{error}"
    );
    assert!(said.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_certificate_is_verified_with_its_host() {
    let broker = tls_broker("127.0.0.1").await;
    let ssl = Properties::new().set("security.protocol", "ssl");
    let trusting = ssl.clone().set("ssl.ca.location", &path("authority.pem"));
    cluster(&broker, trusting.clone())
        .metadata(None)
        .await
        .unwrap();

    let elsewhere = tls_broker("127.0.0.2").await;
    let error = cluster(&elsewhere, trusting.clone()).metadata(None).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error}");
    for no in ["", "none"] {
        let careless = trusting
            .clone()
            .set("ssl.endpoint.identification.algorithm", no);
        cluster(&elsewhere, careless).metadata(None).await.unwrap();
    }

    let strange = ssl.set("ssl.ca.location", &path("client.pem"));
    let error = cluster(&broker, strange).metadata(None).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error}");
}

#[tokio::test]
async fn a_broker_without_tls_is_not_taken_for_one_with_it_nor_the_other_way_round() {
    let encrypted = tls_broker("127.0.0.1").await;
    let error = cluster(&encrypted, Properties::new());
    let error = error.metadata(None).await.unwrap_err();
    assert!(error.to_string().contains("security.protocol"), "{error}");

    let (plain, _) = login_broker("").await;
    let properties = Properties::new()
        .set("security.protocol", "SSL")
        .set("ssl.ca.location", &path("authority.pem"));
    assert!(cluster(&plain, properties).metadata(None).await.is_err());
}

#[test]
fn unusable_properties_are_named_without_their_values() {
    let ssl = || Properties::new().set("security.protocol", "SSL");
    let cases = [
        (
            Properties::new().set("security.protocol", "TLS"),
            "security.protocol is TLS; PLAINTEXT, SSL,",
        ),
        (
            Properties::new().set("security.protocol", "SASL_PLAINTEXT"),
            "sasl.username is missing",
        ),
        (
            plain().set("sasl.username", "alice"),
            "sasl.password is missing",
        ),
        (
            plain()
                .set("sasl.mechanism", "GSSAPI")
                .set("sasl.username", "alice")
                .set("sasl.password", PASSWORD),
            "sasl.mechanism is GSSAPI; PLAIN,",
        ),
        (
            ssl().set("ssl.ca.location", "/nowhere/ca.pem"),
            "ssl.ca.location names /nowhere/ca.pem, which cannot be read",
        ),
        (
            ssl().set("ssl.ca.location", &path("README.md")),
            "contains no certificate",
        ),
        (
            ssl()
                .set("ssl.ca.location", &path("authority.pem"))
                .set("ssl.certificate.location", &path("client.pem")),
            "ssl.key.location is missing",
        ),
        (
            ssl().set("ssl.truststore.password", PASSWORD),
            "ssl.truststore.password is not supported; supported are security.protocol,",
        ),
        (
            ssl()
                .set("ssl.ca.location", &path("authority.pem"))
                .set("ssl.endpoint.identification.algorithm", "maybe"),
            "is neither https nor none",
        ),
    ];
    for (properties, complaint) in cases {
        let error = Cluster::with_properties(["127.0.0.1:1"], "security-test", &properties);
        let error = error.expect_err(complaint).to_string();
        assert!(error.contains(complaint), "{error}");
        assert!(!error.contains("c=r;e"), "{error}");
    }
}
