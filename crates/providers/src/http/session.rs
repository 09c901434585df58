//! One call: the request, its redirects, their cookies.

use shaketable_dialect::{Raised, json};

use super::connection::{Terms, Unconnected, authorization, connect, quoted};
use super::cookies::Cookies;
use super::exchange::{Answer, Broken, exchange};
use super::url::Url;
use super::{Body, HttpFailure, Request, Response, form, proxy};

/// Redirects followed before giving up.
const MOST_REDIRECTS: usize = 30;
/// What every request of `requests` says, unless told otherwise.
const DEFAULT_HEADERS: [(&str, &str); 4] = [
    ("User-Agent", "python-requests/2.34.2"),
    ("Accept-Encoding", "gzip, deflate"),
    ("Accept", "*/*"),
    ("Connection", "keep-alive"),
];
/// Methods that are sent without body and without saying so.
const BODILESS_METHODS: [&str; 6] = ["GET", "HEAD", "DELETE", "TRACE", "OPTIONS", "CONNECT"];

/// Sends `request`, follows its redirects.
pub(crate) async fn run(request: &Request) -> Result<Response, HttpFailure> {
    let mut hop = Hop::first(request).map_err(HttpFailure::Raised)?;
    let mut cookies = Cookies::default();
    for followed in 0.. {
        let answer = hop.send(request).await?;
        let location = answer.location().filter(|_| request.follow_redirects);
        let Some(location) = location else {
            return Ok(Response {
                status: answer.status,
                headers: joined(answer.lines),
                body: answer.body,
                dropped: answer.dropped,
                url: hop.url.to_string(),
            });
        };
        if followed == MOST_REDIRECTS {
            let message = format!("Exceeded {MOST_REDIRECTS} redirects.");
            return Err(HttpFailure::Raised(Raised::new(
                "TooManyRedirects",
                message,
            )));
        }
        cookies.take(&hop.url, answer.headers("set-cookie"));
        hop = hop
            .next(&location, answer.status, &cookies)
            .map_err(HttpFailure::Raised)?;
    }
    unreachable!("the loop above has no end but its returns")
}

/// One request of a call.
struct Hop {
    method: String,
    url: Url,
    headers: Headers,
    body: Option<Vec<u8>>,
}

/// Headers in order, each name once, in any case.
struct Headers(Vec<(String, String)>);

impl Hop {
    /// The request as the caller gave it.
    fn first(request: &Request) -> Result<Self, Raised> {
        let method = request.method.to_uppercase();
        let url = Url::parse(&request.url, &request.query.encoded())?;
        let mut headers = Headers(
            DEFAULT_HEADERS
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        );
        for name in &request.without {
            headers.remove(name);
        }
        for (name, value) in &request.headers {
            check_header(name, value)?;
            headers.set(name, value);
        }
        let (body, kind) = match &request.body {
            Body::None => (None, None),
            Body::Json(value) => (
                Some(json_text(value)?.into_bytes()),
                Some("application/json"),
            ),
            Body::Form(pairs) => (
                Some(form::encode(pairs).into_bytes()),
                Some("application/x-www-form-urlencoded"),
            ),
            Body::Text(text) if text.is_empty() => (None, None),
            Body::Text(text) => (Some(text.clone().into_bytes()), None),
        };
        match &body {
            Some(body) if !body.is_empty() => {
                headers.set("Content-Length", &body.len().to_string())
            }
            Some(_) => {}
            None if method != "GET"
                && method != "HEAD"
                && headers.get("content-length").is_none() =>
            {
                headers.set("Content-Length", "0");
            }
            None => {}
        }
        if let Some(kind) = kind
            && headers.get("content-type").is_none()
        {
            headers.set("Content-Type", kind);
        }
        if let Some(authorization) = authorization(&url) {
            headers.set("Authorization", &authorization);
        }
        if let Some(odd) = method
            .chars()
            .find(|c| !c.is_ascii_alphanumeric() && !"!#$%&'*+-.^_`|~".contains(*c))
        {
            let (method, odd) = (quoted(&method), quoted(&odd.to_string()));
            let message = format!(
                "Method cannot contain non-token characters {method} (found at least {odd})"
            );
            return Err(Raised::new("ValueError", message));
        }
        Ok(Self {
            method,
            url,
            headers,
            body,
        })
    }

    /// The request a redirect with `status` to `location` asks for.
    fn next(mut self, location: &str, status: u16, cookies: &Cookies) -> Result<Self, Raised> {
        let url = self.url.join(location)?;
        match (status, self.method.as_str()) {
            (302 | 303, method) if method != "HEAD" => self.method = "GET".to_owned(),
            (301, "POST") => self.method = "GET".to_owned(),
            _ => {}
        }
        if status != 307 && status != 308 {
            for name in ["Content-Length", "Content-Type", "Transfer-Encoding"] {
                self.headers.remove(name);
            }
            self.body = None;
        }
        self.headers.remove("Cookie");
        if let Some(cookies) = cookies.header(&url) {
            self.headers.set("Cookie", &cookies);
        }
        if leaves_origin(&self.url, &url) {
            self.headers.remove("Authorization");
        }
        self.url = url;
        Ok(self)
    }

    /// Sends this one request, trying again when no connection comes about.
    async fn send(&self, request: &Request) -> Result<Answer, HttpFailure> {
        let terms = Terms {
            timeout: request.connect_timeout,
            verify: request.verify_tls,
            authorities: request.ca_file.clone(),
        };
        let proxy = request
            .use_proxies
            .then(|| proxy::for_url(&self.url))
            .flatten();
        let target = match &proxy {
            Some(_) if !self.url.is_tls() => self.url.for_proxy(),
            _ => self.url.target(),
        };
        let bytes = self
            .bytes(&target, proxy.as_ref())
            .map_err(HttpFailure::Raised)?;
        let asked = proxy
            .as_ref()
            .filter(|_| !self.url.is_tls())
            .unwrap_or(&self.url);
        let class = if asked.is_tls() {
            "HTTPSConnectionPool"
        } else {
            "HTTPConnectionPool"
        };
        let pool = format!(
            "{class}(host={}, port={})",
            quoted(asked.bare_host()),
            asked.port_or_default()
        );
        let failed = |detail, refused| HttpFailure::Connect {
            url: request.url.clone(),
            detail,
            refused,
        };
        let timed_out = |after| HttpFailure::TimedOut {
            url: request.url.clone(),
            after,
        };
        let mut left = request.max_retries;
        let wire = loop {
            match connect(&self.url, proxy.as_ref(), &terms).await {
                Ok(wire) => break wire,
                Err(Unconnected::Refused(_)) if left > 0 => left -= 1,
                Err(Unconnected::Refused(cause)) => {
                    let detail = format!(
                        "{pool}: Max retries exceeded with url: {target} (Caused by {cause})"
                    );
                    return Err(failed(detail, Some(cause)));
                }
                Err(Unconnected::Silent(after)) => return Err(timed_out(after)),
                Err(Unconnected::Raised(raised)) => return Err(HttpFailure::Raised(raised)),
            }
        };
        let answer = exchange(
            wire,
            &bytes,
            self.method == "HEAD",
            request.read_timeout,
            request.keep,
        )
        .await;
        answer.map_err(|broken| match broken {
            Broken::Aborted(cause) => failed(format!("('Connection aborted.', {cause})"), None),
            Broken::Silent(after) => timed_out(after),
            Broken::SilentBody => failed(format!("{pool}: Read timed out."), None),
            Broken::Raised(raised) => HttpFailure::Raised(raised),
        })
    }

    /// The request as it goes over the wire.
    fn bytes(&self, target: &str, proxy: Option<&Url>) -> Result<Vec<u8>, Raised> {
        let mut head = format!("{} {target} HTTP/1.1\r\n", self.method);
        if self.headers.get("host").is_none() {
            head.push_str(&format!("Host: {}\r\n", self.url.host_header()));
        }
        if self.headers.get("accept-encoding").is_none() {
            head.push_str("Accept-Encoding: identity\r\n");
        }
        let sized = self.headers.get("content-length").is_some();
        if self.body.is_none() && !sized && !BODILESS_METHODS.contains(&self.method.as_str()) {
            head.push_str("Content-Length: 0\r\n");
        }
        for (name, value) in &self.headers.0 {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(authorization) = proxy.filter(|_| !self.url.is_tls()).and_then(authorization) {
            head.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
        }
        head.push_str("\r\n");
        let mut bytes = Vec::with_capacity(head.len() + self.body.as_ref().map_or(0, Vec::len));
        for character in head.chars() {
            bytes.push(u8::try_from(u32::from(character)).map_err(|_| {
                let message = format!(
                    "'latin-1' codec can't encode character '\\u{:04x}': ordinal not in range(256)",
                    u32::from(character)
                );
                Raised::new("UnicodeEncodeError", message)
            })?);
        }
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        Ok(bytes)
    }
}

impl Headers {
    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// In the place of the header of that name, or at the end.
    fn set(&mut self, name: &str, value: &str) {
        let header = (name.to_owned(), value.to_owned());
        match self
            .0
            .iter_mut()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            Some(known) => *known = header,
            None => self.0.push(header),
        }
    }

    fn remove(&mut self, name: &str) {
        self.0
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }
}

impl Answer {
    /// The values of a header, one a line.
    fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Where it redirects to.
    fn location(&self) -> Option<String> {
        if !matches!(self.status, 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        let location = self.headers("location").next()?;
        // Each character of a head is a byte; servers mean UTF-8.
        let bytes: Vec<u8> = location
            .chars()
            .filter_map(|c| u8::try_from(u32::from(c)).ok())
            .collect();
        Some(String::from_utf8_lossy(&bytes).into_owned()).filter(|location| !location.is_empty())
    }
}

/// Header lines with the repeated ones joined under their first name.
fn joined(lines: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::with_capacity(lines.len());
    for (name, value) in lines {
        match headers
            .iter_mut()
            .find(|(known, _)| known.eq_ignore_ascii_case(&name))
        {
            Some((_, known)) => {
                known.push_str(", ");
                known.push_str(&value);
            }
            None => headers.push((name, value)),
        }
    }
    headers
}

/// Whether credentials for `old` are none of the business of `new`.
fn leaves_origin(old: &Url, new: &Url) -> bool {
    let upgraded = !old.is_tls()
        && new.is_tls()
        && old.port_or_default() == 80
        && new.port_or_default() == 443;
    old.host != new.host
        || (!upgraded
            && (old.is_tls() != new.is_tls() || old.port_or_default() != new.port_or_default()))
}

/// Whether `requests` sends such a header.
fn check_header(name: &str, value: &str) -> Result<(), Raised> {
    let bad = |kind: &str, part: &str| {
        let part = quoted(part);
        let message = format!(
            "Invalid leading whitespace, reserved character(s), or return character(s) in header {kind}: {part}"
        );
        Err(Raised::new("InvalidHeader", message))
    };
    let opens_blank = |part: &str| part.starts_with(char::is_whitespace);
    if name.is_empty() || opens_blank(name) || name.contains([':', '\r', '\n']) {
        return bad("name", name);
    }
    if opens_blank(value) || value.contains(['\r', '\n']) {
        return bad("value", value);
    }
    Ok(())
}

/// JSON as `requests` sends it: no number that is none.
fn json_text(value: &shaketable_dialect::Value) -> Result<String, Raised> {
    if let Some(number) = not_finite(value) {
        let shown = shaketable_dialect::text::float(number);
        let message = format!("Out of range float values are not JSON compliant: {shown}");
        return Err(Raised::new("InvalidJSONError", message));
    }
    json::dump_ascii(value)
}

/// A float in `value` that JSON does not know.
fn not_finite(value: &shaketable_dialect::Value) -> Option<f64> {
    use shaketable_dialect::Value;
    match value {
        Value::Float(number) if !number.is_finite() => Some(*number),
        Value::List(items) => items.iter().find_map(not_finite),
        Value::Dict(mapping) => mapping.values().find_map(not_finite),
        _ => None,
    }
}
