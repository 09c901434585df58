//! Servers that say what they are told to.

use std::sync::{Arc, Mutex};

use shaketable_providers::{HttpFailure, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, crypto};

/// Answers one connection after the other, and remembers what it was sent.
pub struct Server {
    /// Where it listens.
    pub address: String,
    received: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// A server with these answers, one a connection.
    pub async fn start(answers: Vec<Vec<u8>>) -> Self {
        let (server, listener) = Self::listen().await;
        let received = Arc::clone(&server.received);
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let request = request(&mut stream).await;
                received.lock().expect("not poisoned").push(request);
                // A client that has seen enough hangs up: its right.
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            }
        });
        server
    }

    /// A server that begins an answer and says no more.
    pub async fn silent_after(start: &'static [u8]) -> Self {
        let (server, listener) = Self::listen().await;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            request(&mut stream).await;
            stream.write_all(start).await.expect("sent");
            // Until the client hangs up.
            let _ = stream.read(&mut [0]).await;
        });
        server
    }

    async fn listen() -> (Self, TcpListener) {
        let listener = TcpListener::bind("127.83.12.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        (
            Self {
                address,
                received: Arc::default(),
            },
            listener,
        )
    }

    /// Sends it a request, `HOST` in whose URL stands for its address, as in the answer.
    pub async fn send(&self, mut request: Request) -> Result<Response, HttpFailure> {
        request.url = request.url.replace("HOST", &self.address);
        let outcome = request.send().await;
        outcome.map(|response| Response {
            url: response.url.replace(&self.address, "HOST"),
            ..response
        })
    }

    /// What it was sent, its address as `HOST`.
    pub fn received(&self) -> Vec<String> {
        let received = self.received.lock().expect("not poisoned");
        received
            .iter()
            .map(|request| request.replace(&self.address, "HOST"))
            .collect()
    }
}

/// A whole request.
async fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "))
                .unwrap_or("0");
            // The body of an answer to HEAD is announced and never sent; of a request, it is sent.
            if bytes.len() >= head.len() + 4 + length.parse::<usize>().expect("a length") {
                return text;
            }
        }
        if stream.read_buf(&mut bytes).await.expect("readable") == 0 {
            return text;
        }
    }
}

/// A server with a certificate of its own.
pub struct TlsServer {
    /// Where it listens.
    pub address: String,
    /// The authority of its certificate.
    pub authority: tempfile::NamedTempFile,
}

impl TlsServer {
    /// Gives the same answer to every connection.
    pub async fn start(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.83.12.2:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let made = rcgen::generate_simple_self_signed(vec!["127.83.12.2".to_owned()])
            .expect("a certificate");
        let authority = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(authority.path(), made.cert.pem()).expect("written");
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let settings =
            ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("versions")
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], key)
                .expect("a key that fits");
        let acceptor = TlsAcceptor::from(Arc::new(settings));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                // A client that does not trust the certificate ends the handshake.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { address, authority }
    }
}
