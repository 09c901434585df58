//! The workload: what is sent, how often, and how the answer names what was acknowledged.
//!
//! It is plain data as a document gives it. [`HttpWorkload::check`] turns it into a request that can
//! be sent any number of times, or reports every problem at once; the driver keeps the request.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};

use crate::identity::Identity;
use crate::schedule::RATE_MAX_PER_S;

/// The longest timeout of one exchange.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(3600);

/// One kind of HTTP request, sent at a constant rate.
///
/// `Debug` leaves out the values of the headers and the body: they may hold secrets.
#[derive(Clone)]
pub struct HttpWorkload {
    /// The HTTP method, such as `POST`.
    pub method: String,
    /// The absolute `http://` URL.
    pub url: String,
    /// Request headers by name.
    pub headers: BTreeMap<String, String>,
    /// The body; sent as `application/json` unless `headers` name another content type.
    pub json: Option<serde_json::Value>,
    /// Arrivals per second.
    pub rate_per_s: f64,
    /// The bound of one exchange: connecting, sending, and reading the whole answer.
    pub timeout: Duration,
    /// The JSONPath (RFC 9535) of the acknowledged identity in a 2xx answer's body.
    pub identity: String,
    /// How many requests may be open at once; beyond it an attempt fails without being sent.
    pub max_in_flight: usize,
}

impl fmt::Debug for HttpWorkload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpWorkload")
            .field("method", &self.method)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("rate_per_s", &self.rate_per_s)
            .field("timeout", &self.timeout)
            .field("identity", &self.identity)
            .field("max_in_flight", &self.max_in_flight)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a workload. It is always the workload's author who can mend it.
///
/// No message repeats a header's value or the user part of a URL: they may hold secrets.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WorkloadError {
    /// The method is not an HTTP method, or one that no workload can use.
    #[error("`{0}` is not a method a workload can send; use GET, POST, PUT, PATCH or DELETE")]
    Method(String),
    /// The URL cannot be parsed.
    #[error("the url cannot be parsed ({0}); write it as http://host:port/path")]
    Url(String),
    /// The URL names no scheme and host.
    #[error("the url is not absolute; write it as http://host:port/path")]
    UrlNotAbsolute,
    /// The URL's scheme is not `http`.
    #[error("the url's scheme `{0}` is not supported; load is sent over plain http only")]
    Scheme(String),
    /// The URL carries a user name or password, which would not be sent.
    #[error("the url carries a user name; send credentials in an `authorization` header instead")]
    Credentials,
    /// A header's name or value is not valid in HTTP.
    #[error("header `{name}` has an invalid {part}; only visible ASCII can be sent")]
    Header {
        /// The header's name as given.
        name: String,
        /// `name` or `value`.
        part: &'static str,
    },
    /// The identity is no JSONPath.
    #[error("identity `{path}` is not a JSONPath ({problem}); write it like `$.id`")]
    Identity {
        /// The path as given.
        path: String,
        /// What the parser said.
        problem: String,
    },
    /// The rate is not a positive number, or too large.
    #[error(
        "a rate of {0} per second cannot be kept; use more than 0 and at most {RATE_MAX_PER_S}"
    )]
    Rate(f64),
    /// The timeout is zero, or too long.
    #[error("a timeout of {0:?} is out of range; use more than 0 s and at most {TIMEOUT_MAX:?}")]
    Timeout(Duration),
    /// No request may be in flight.
    #[error("max_in_flight is 0, so that no request could ever be sent; use at least 1")]
    MaxInFlight,
}

impl WorkloadError {
    /// The name of the [`HttpWorkload`] field at fault.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Method(_) => "method",
            Self::Url(_) | Self::UrlNotAbsolute | Self::Scheme(_) | Self::Credentials => "url",
            Self::Header { .. } => "headers",
            Self::Identity { .. } => "identity",
            Self::Rate(_) => "rate_per_s",
            Self::Timeout(_) => "timeout",
            Self::MaxInFlight => "max_in_flight",
        }
    }
}

/// The checked parts of a workload, ready to be sent any number of times.
pub(crate) struct RequestTemplate {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl RequestTemplate {
    pub(crate) fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

impl HttpWorkload {
    /// Checks everything; reports every problem, in the order of the fields.
    pub(crate) fn check(&self) -> Result<(RequestTemplate, Identity), Vec<WorkloadError>> {
        let mut problems = Vec::new();
        let method = self.checked_method().map_err(|e| problems.push(e));
        let uri = self.checked_uri().map_err(|e| problems.push(e));
        let headers = self.checked_headers(&mut problems);
        if !(self.rate_per_s > 0.0 && self.rate_per_s <= RATE_MAX_PER_S) {
            problems.push(WorkloadError::Rate(self.rate_per_s));
        }
        if self.timeout.is_zero() || self.timeout > TIMEOUT_MAX {
            problems.push(WorkloadError::Timeout(self.timeout));
        }
        let identity = Identity::parse(&self.identity).map_err(|e| problems.push(e));
        if self.max_in_flight == 0 {
            problems.push(WorkloadError::MaxInFlight);
        }
        match (method, uri, identity) {
            (Ok(method), Ok(uri), Ok(identity)) if problems.is_empty() => {
                let body = self.json.as_ref().map(|json| Bytes::from(json.to_string()));
                let body = body.unwrap_or_default();
                let template = RequestTemplate {
                    method,
                    uri,
                    headers,
                    body,
                };
                Ok((template, identity))
            }
            _ => Err(problems),
        }
    }

    fn checked_method(&self) -> Result<Method, WorkloadError> {
        match Method::from_bytes(self.method.as_bytes()) {
            Ok(Method::CONNECT) | Err(_) => Err(WorkloadError::Method(self.method.clone())),
            Ok(method) => Ok(method),
        }
    }

    fn checked_uri(&self) -> Result<Uri, WorkloadError> {
        let uri: Uri = self
            .url
            .parse()
            .map_err(|e: hyper::http::uri::InvalidUri| WorkloadError::Url(e.to_string()))?;
        match (uri.scheme_str(), uri.authority()) {
            (Some("http"), Some(authority)) if authority.as_str().contains('@') => {
                Err(WorkloadError::Credentials)
            }
            (Some("http"), Some(authority)) if !authority.host().is_empty() => Ok(uri),
            (Some(scheme), _) if scheme != "http" => Err(WorkloadError::Scheme(scheme.to_owned())),
            _ => Err(WorkloadError::UrlNotAbsolute),
        }
    }

    fn checked_headers(&self, problems: &mut Vec<WorkloadError>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let invalid = |part| WorkloadError::Header {
                name: name.clone(),
                part,
            };
            match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                (Ok(name), Ok(value)) => drop(headers.insert(name, value)),
                (Err(_), _) => problems.push(invalid("name")),
                (_, Err(_)) => problems.push(invalid("value")),
            }
        }
        if self.json.is_some() {
            let json = HeaderValue::from_static("application/json");
            headers.entry(CONTENT_TYPE).or_insert(json);
        }
        headers
    }
}
