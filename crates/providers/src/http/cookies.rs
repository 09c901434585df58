//! The cookies of one call: set by one redirect, sent to the next.

use super::url::Url;

/// Cookies, in the order they were set.
#[derive(Debug, Default)]
pub(crate) struct Cookies(Vec<Cookie>);

/// One cookie.
#[derive(Debug)]
struct Cookie {
    name: String,
    value: String,
    /// The host it belongs to; with a leading dot also those below it.
    domain: String,
    path: String,
    secure: bool,
}

impl Cookies {
    /// Takes the cookies an answer of `url` sets.
    pub fn take<'a>(&mut self, url: &Url, set: impl Iterator<Item = &'a str>) {
        for header in set {
            self.set(url, header);
        }
    }

    /// Takes one `Set-Cookie` header.
    fn set(&mut self, url: &Url, header: &str) {
        let mut parts = header.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let folder = url
            .path
            .rfind('/')
            .filter(|end| *end > 0)
            .map_or("/", |end| &url.path[..end]);
        let mut cookie = Cookie {
            name: name.trim().to_owned(),
            value: value.trim().to_owned(),
            domain: url.bare_host().to_owned(),
            path: folder.to_owned(),
            secure: false,
        };
        let mut expired = false;
        for attribute in parts {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            match (key.trim().to_ascii_lowercase().as_str(), value.trim()) {
                ("path", path) if path.starts_with('/') => cookie.path = path.to_owned(),
                ("secure", _) => cookie.secure = true,
                ("max-age", seconds) => {
                    expired = seconds.parse::<i64>().is_ok_and(|seconds| seconds <= 0)
                }
                ("domain", domain) if !domain.is_empty() => {
                    cookie.domain = format!(".{}", domain.trim_start_matches('.').to_lowercase());
                    if !covers(&cookie.domain, url.bare_host()) {
                        return;
                    }
                }
                _ => {}
            }
        }
        self.0.retain(|known| {
            (&known.name, &known.domain, &known.path)
                != (&cookie.name, &cookie.domain, &cookie.path)
        });
        if !expired {
            self.0.push(cookie);
        }
    }

    /// The `Cookie` header for `url`.
    pub fn header(&self, url: &Url) -> Option<String> {
        let mut sent: Vec<&Cookie> = self
            .0
            .iter()
            .filter(|cookie| covers(&cookie.domain, url.bare_host()))
            .filter(|cookie| is_below(&cookie.path, &url.path))
            .filter(|cookie| !cookie.secure || url.is_tls())
            .collect();
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> = sent
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

/// Whether a cookie of `domain` is for `host`.
fn covers(domain: &str, host: &str) -> bool {
    host == domain
        || domain
            .strip_prefix('.')
            .is_some_and(|bare| host == bare || host.ends_with(domain))
}

/// Whether `path` is `folder` or in it.
fn is_below(folder: &str, path: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || folder.ends_with('/') || rest.starts_with('/'))
}
