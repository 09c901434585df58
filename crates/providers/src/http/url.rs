//! URLs, taken apart and put together as `requests` does it.

use shaketable_dialect::{Raised, text};

/// Characters that stay as they are in a URL, besides letters, digits and `_.-~`.
const LEFT_ALONE: &[u8] = b"!#$%&'()*+,/:;=?@[]~";

/// An `http` or `https` URL, ready to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// `http` or `https`.
    pub scheme: String,
    /// `user:password`, as written.
    pub login: Option<String>,
    /// Host name or address in lower case; IPv6 in brackets.
    pub host: String,
    /// The port, when one is written.
    pub port: Option<u16>,
    /// Path, at least `/`, quoted.
    pub path: String,
    /// Query, quoted.
    pub query: Option<String>,
    /// Fragment, quoted.
    pub fragment: Option<String>,
}

/// The parts of any URL reference, unchecked.
struct Parts<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

impl Url {
    /// Reads a URL, adding `more` to its query.
    ///
    /// # Errors
    /// The exception of `requests`: `MissingSchema`, `InvalidSchema`, `InvalidURL`.
    pub fn parse(given: &str, more: &str) -> Result<Self, Raised> {
        let url = given.trim_start();
        let no_adapter = |url: &str| {
            let message = format!(
                "No connection adapters were found for {}",
                text::repr(&url.into())
            );
            Raised::new("InvalidSchema", message)
        };
        let quoted = || text::repr(&url.into());
        if url.contains(':') && !url.to_lowercase().starts_with("http") {
            return Err(no_adapter(url));
        }
        let parts = Parts::of(url);
        let Some(scheme) = parts.scheme.map(str::to_lowercase) else {
            let message = format!(
                "Invalid URL {}: No scheme supplied. Perhaps you meant https://{url}?",
                quoted()
            );
            return Err(Raised::new("MissingSchema", message));
        };
        let (login, host_and_port) = match parts.authority.unwrap_or_default().rsplit_once('@') {
            Some((login, rest)) => (Some(login), rest),
            None => (None, parts.authority.unwrap_or_default()),
        };
        let (host, port) = split_port(host_and_port, url)?;
        if host.is_empty() {
            return Err(Raised::new(
                "InvalidURL",
                format!("Invalid URL {}: No host supplied", quoted()),
            ));
        }
        if !host.is_ascii() || host.starts_with(['*', '.']) {
            return Err(Raised::new("InvalidURL", "URL has an invalid label."));
        }
        let mut query = parts.query.map(str::to_owned);
        if !more.is_empty() {
            query = Some(match query.filter(|query| !query.is_empty()) {
                Some(query) => format!("{query}&{more}"),
                None => more.to_owned(),
            });
        }
        let parsed = Self {
            login: login.filter(|login| !login.is_empty()).map(str::to_owned),
            host: host.to_lowercase(),
            port,
            path: match parts.path {
                "" => "/".to_owned(),
                path => requote(&without_dots(path)),
            },
            query: query
                .as_deref()
                .map(requote)
                .filter(|query| !query.is_empty()),
            fragment: parts
                .fragment
                .map(requote)
                .filter(|fragment| !fragment.is_empty()),
            scheme,
        };
        if parsed.scheme != "http" && parsed.scheme != "https" {
            return Err(no_adapter(&parsed.to_string()));
        }
        Ok(parsed)
    }

    /// Where a `Location` header of the answer to this URL leads; this URL's fragment stays when
    /// it has none.
    ///
    /// # Errors
    /// As for [`Url::parse`].
    pub fn join(&self, location: &str) -> Result<Self, Raised> {
        let parts = Parts::of(location);
        let absolute = if parts.authority.is_some() && parts.scheme.is_some() {
            location.to_owned()
        } else if parts.authority.is_some() {
            format!("{}:{location}", self.scheme)
        } else if parts.scheme.is_some_and(|scheme| scheme != self.scheme) {
            location.to_owned()
        } else {
            let base = self.origin();
            let query = parts
                .query
                .map(|query| format!("?{query}"))
                .unwrap_or_default();
            let fragment = parts
                .fragment
                .map(|fragment| format!("#{fragment}"))
                .unwrap_or_default();
            let path = if parts.path.starts_with('/') {
                parts.path.to_owned()
            } else if parts.path.is_empty() {
                self.path.clone()
            } else {
                let folder = self.path.rfind('/').map_or("/", |end| &self.path[..=end]);
                format!("{folder}{}", parts.path)
            };
            let query = match &self.query {
                Some(own) if parts.path.is_empty() && query.is_empty() => format!("?{own}"),
                _ => query,
            };
            format!("{base}{path}{query}{fragment}")
        };
        let mut joined = Self::parse(&absolute, "").map_err(|raised| match &self.fragment {
            Some(own) if raised.kind == "InvalidSchema" && parts.fragment.is_none() => {
                let shown = text::repr(&format!("{absolute}#{own}").into());
                Raised::new(
                    raised.kind,
                    format!("No connection adapters were found for {shown}"),
                )
            }
            _ => raised,
        })?;
        joined.fragment = joined.fragment.or_else(|| self.fragment.clone());
        Ok(joined)
    }

    /// Scheme, login, host and port, as written.
    fn origin(&self) -> String {
        let login = self
            .login
            .as_ref()
            .map(|login| format!("{login}@"))
            .unwrap_or_default();
        format!("{}://{login}{}", self.scheme, self.host_header())
    }

    /// The port to connect to.
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(if self.is_tls() { 443 } else { 80 })
    }

    /// Whether TLS is spoken.
    pub fn is_tls(&self) -> bool {
        self.scheme == "https"
    }

    /// The host without the brackets of an IPv6 address.
    pub fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The value of the `Host` header: the port only when it is not the scheme's.
    pub fn host_header(&self) -> String {
        match self.port {
            Some(port) if port != if self.is_tls() { 443 } else { 80 } => {
                format!("{}:{port}", self.host)
            }
            _ => self.host.clone(),
        }
    }

    /// Path and query: what is asked for.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// The whole URL without login and fragment: what a proxy is asked for.
    pub fn for_proxy(&self) -> String {
        format!("{}://{}{}", self.scheme, self.host_header(), self.target())
    }

    /// User and password, unquoted.
    pub fn credentials(&self) -> Option<(String, String)> {
        let (user, password) = self.login.as_deref()?.split_once(':')?;
        Some((unquote(user), unquote(password)))
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let login = self
            .login
            .as_ref()
            .map(|login| format!("{login}@"))
            .unwrap_or_default();
        write!(formatter, "{}://{login}{}", self.scheme, self.host)?;
        if let Some(port) = self.port {
            write!(formatter, ":{port}")?;
        }
        formatter.write_str(&self.target())?;
        self.fragment
            .as_ref()
            .map_or(Ok(()), |fragment| write!(formatter, "#{fragment}"))
    }
}

impl<'a> Parts<'a> {
    /// Splits at the delimiters of RFC 3986.
    fn of(url: &'a str) -> Self {
        let (rest, fragment) = split_at_first(url, '#');
        let (rest, query) = split_at_first(rest, '?');
        let is_scheme = |scheme: &str| {
            scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        };
        let (scheme, rest) = match rest.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            _ => (None, rest),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                (Some(&rest[..end]), &rest[end..])
            }
            None => (None, rest),
        };
        Self {
            scheme,
            authority,
            path,
            query,
            fragment,
        }
    }
}

/// What is before and after the first `delimiter`.
fn split_at_first(text: &str, delimiter: char) -> (&str, Option<&str>) {
    match text.split_once(delimiter) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// Host and port of an authority.
fn split_port<'a>(authority: &'a str, url: &str) -> Result<(&'a str, Option<u16>), Raised> {
    let bad = || {
        let message = format!("Failed to parse: '{authority}' is not a valid host or port");
        Raised::new("InvalidURL", message)
    };
    let end = if authority.starts_with('[') {
        authority.find(']').ok_or_else(bad)? + 1
    } else {
        0
    };
    let (host, port) = match authority[end..].find(':') {
        Some(colon) => (&authority[..end + colon], &authority[end + colon + 1..]),
        None => (authority, ""),
    };
    if (end > 0 && host.len() != end)
        || host.contains(|c: char| c.is_whitespace() || "<>\"{}|\\^`".contains(c))
    {
        return Err(bad());
    }
    if port.is_empty() {
        return Ok((host, None));
    }
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    match port.parse() {
        Ok(port) => Ok((host, Some(port))),
        Err(_) => Err(Raised::new("InvalidURL", format!("Failed to parse: {url}"))),
    }
}

/// `path` without its `.` and `..` segments.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let last = path.rsplit('/').next().unwrap_or_default();
    for segment in path.split('/') {
        match segment {
            "." => {}
            ".." => {
                if kept.len() > 1 {
                    kept.pop();
                }
            }
            other => kept.push(other),
        }
    }
    if last == "." || last == ".." {
        kept.push("");
    }
    let joined = kept.join("/");
    if joined.starts_with('/') {
        joined
    } else {
        format!("/{joined}")
    }
}

/// `text` quoted once: needless escapes undone, missing ones made.
fn requote(text: &str) -> String {
    let mut unescaped: Vec<u8> = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut broken = false;
    while at < bytes.len() {
        if bytes[at] != b'%' {
            unescaped.push(bytes[at]);
            at += 1;
            continue;
        }
        match escaped(&bytes[at..]) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                unescaped.push(byte);
                at += 3;
            }
            Some(_) => {
                unescaped.push(b'%');
                unescaped.extend(bytes[at + 1..at + 3].to_ascii_uppercase());
                at += 3;
            }
            None => {
                broken = true;
                break;
            }
        }
    }
    if broken {
        let safe: Vec<u8> = LEFT_ALONE
            .iter()
            .copied()
            .filter(|byte| *byte != b'%')
            .collect();
        return quote(bytes, &safe);
    }
    quote(&unescaped, LEFT_ALONE)
}

/// The byte that `%XX` at the start of `bytes` stands for.
fn escaped(bytes: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(bytes.get(1..3)?).ok()?;
    u8::from_str_radix(digits, 16)
        .ok()
        .filter(|_| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// `bytes` with everything escaped that is neither unreserved nor in `safe`.
pub(crate) fn quote(bytes: &[u8], safe: &[u8]) -> String {
    let mut quoted = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"_.-~".contains(byte) || safe.contains(byte) {
            quoted.push(char::from(*byte));
        } else {
            quoted.push_str(&format!("%{byte:02X}"));
        }
    }
    quoted
}

/// `text` with its escapes undone.
fn unquote(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match escaped(&bytes[at..]).filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}
