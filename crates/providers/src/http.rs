//! HTTP/1.1 requests with the semantics of Python's `requests`.
//!
//! 1. What is sent is what `requests` sends, to the byte: default headers, their order and case,
//!    quoting, forms, JSON, what changes on a redirect, cookies between redirects.
//! 2. Failures are told apart as `requests` does: see [`HttpFailure`].
//! 3. Silence is bounded by the caller's timeouts. A server that sends a byte now and then may go
//!    on for ever, as with `requests`; dropping the future ends it.
//!
//! Not done: `.netrc`, non-ASCII host names, more than one content coding at once, Brotli and
//! Zstandard (`requests` does not ask for them either), SOCKS proxies.
//!
//! `session` follows redirects, `exchange` speaks over the connection that `connection` makes.

mod charset;
mod connection;
mod cookies;
mod exchange;
mod form;
mod proxy;
mod session;
mod url;

use std::path::PathBuf;
use std::time::Duration;

use shaketable_dialect::{Raised, Value};

use crate::decode::Decoded;

/// A request, sent once, redirects followed.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method, sent in upper case.
    pub method: String,
    /// Where to: `http://` or `https://`.
    pub url: String,
    /// Headers in addition to, or in place of, the default ones.
    pub headers: Vec<(String, String)>,
    /// Default headers that are left out.
    pub without: Vec<String>,
    /// What is sent.
    pub body: Body,
    /// What is added to the URL's query.
    pub query: Query,
    /// Longest time for a connection to come about; `None` waits as long as the system does.
    pub connect_timeout: Option<Duration>,
    /// Longest silence of the server while it is waited for; `None` waits for ever.
    pub read_timeout: Option<Duration>,
    /// Whether the server's certificate must be good.
    pub verify_tls: bool,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// How many more times a connection that does not come about is tried.
    pub max_retries: u32,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
    /// Whether it goes over the proxy that the environment names.
    pub use_proxies: bool,
    /// Most bytes kept of the (decompressed) body; what comes after is counted and dropped.
    pub keep: usize,
}

/// What a request sends.
#[derive(Debug, Clone, Default)]
pub enum Body {
    /// Nothing.
    #[default]
    None,
    /// A value as JSON (`requests`' `json=`).
    Json(Value),
    /// Pairs as a form (`data=` with a mapping).
    Form(Vec<(String, String)>),
    /// Text as it is, without a content type of its own (`data=` with a string).
    Text(String),
}

/// What is added to a URL's query (`requests`' `params=`).
#[derive(Debug, Clone, Default)]
pub enum Query {
    /// Nothing.
    #[default]
    None,
    /// Pairs, encoded as a form.
    Pairs(Vec<(String, String)>),
    /// Text, as it is.
    Text(String),
}

/// What a server answered, after all redirects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers in order, names as the server wrote them, repeated ones joined with `", "`.
    pub headers: Vec<(String, String)>,
    /// The body, decompressed, at most as much of it as was to be kept.
    pub body: Vec<u8>,
    /// How many bytes came after that.
    pub dropped: u64,
    /// Where the answer came from, which a redirect may have changed.
    pub url: String,
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpFailure {
    /// No connection, or it broke before the answer was complete (`requests`' `ConnectionError`).
    #[error("failed to connect to {url}: {detail}")]
    Connect {
        /// The URL as it was given.
        url: String,
        /// What happened, as `requests` says it: with the path and the query.
        detail: String,
        /// Why no connection came about, without what was asked for; `None` if it broke.
        refused: Option<String>,
    },
    /// The server was silent for longer than it may be (`requests`' `Timeout`).
    #[error("{url} did not answer within {after:?}")]
    TimedOut {
        /// The URL as it was given.
        url: String,
        /// The time it had.
        after: Duration,
    },
    /// Every other exception of `requests`: a bad URL or header, too many redirects, a body that
    /// is not what its headers say.
    #[error("{}: {}", .0.kind, .0.message)]
    Raised(Raised),
}

impl Request {
    /// A request without body: no timeouts, certificates verified, redirects followed, no
    /// retries, the whole body kept.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            without: Vec::new(),
            body: Body::None,
            query: Query::None,
            connect_timeout: None,
            read_timeout: None,
            verify_tls: true,
            ca_file: None,
            max_retries: 0,
            follow_redirects: true,
            use_proxies: true,
            keep: usize::MAX,
        }
    }

    /// Sets the headers `requests` makes of a mapping given as `headers=`: a `None` value takes a
    /// default header away.
    ///
    /// # Errors
    /// `InvalidHeader` when a value is no text, the exception of Python when a name is none.
    pub fn set_headers(&mut self, mapping: &Value) -> Result<(), Raised> {
        (self.headers, self.without) = form::headers_of(mapping)?;
        Ok(())
    }

    /// Sends the request and reads the whole answer.
    ///
    /// # Errors
    /// See [`HttpFailure`]. A status of 400 and more is no failure.
    pub async fn send(&self) -> Result<Response, HttpFailure> {
        session::run(self).await
    }
}

impl Response {
    /// The value of a header, its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as `requests`' `r.text`: by the charset of the content type, ISO-8859-1 for other
    /// `text/*`, UTF-8 for JSON; else undecided, for the detector to say (without one:
    /// [`Response::text_utf8`]).
    pub fn text(&self) -> Decoded {
        charset::text(&self.body, self.header("content-type"))
    }

    /// The body as UTF-8, what is not replaced by U+FFFD.
    pub fn text_utf8(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
