//! Which proxy the environment asks for.

use std::net::Ipv4Addr;

use super::url::Url;

/// The proxy for `url` by `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` of this
/// process's environment, lower case before upper case.
pub(crate) fn for_url(url: &Url) -> Option<Url> {
    choose(url, |name| {
        [name.to_owned(), name.to_uppercase()]
            .iter()
            .filter(|name| *name != "HTTP_PROXY" || std::env::var_os("REQUEST_METHOD").is_none())
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    })
}

/// The proxy for `url`, in an environment.
fn choose(url: &Url, variable: impl Fn(&str) -> Option<String>) -> Option<Url> {
    let proxy = variable(&format!("{}_proxy", url.scheme)).or_else(|| variable("all_proxy"))?;
    if variable("no_proxy").is_some_and(|list| is_exempt(url, &list)) {
        return None;
    }
    let proxy = if proxy.contains("://") {
        proxy
    } else {
        format!("http://{proxy}")
    };
    Url::parse(&proxy, "").ok()
}

/// Whether `no_proxy` names the host.
fn is_exempt(url: &Url, list: &str) -> bool {
    let host = url.bare_host();
    let entries = list
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return entries.into_iter().any(|entry| {
            entry == "*"
                || entry == host
                || entry
                    .split_once('/')
                    .is_some_and(|(net, bits)| is_in_network(address, net, bits))
        });
    }
    let with_port = url
        .port
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    entries
        .map(|entry| entry.trim_start_matches('.'))
        .any(|entry| {
            let below = format!(".{entry}");
            entry == "*"
                || host == entry
                || with_port == entry
                || host.ends_with(&below)
                || with_port.ends_with(&below)
        })
}

/// Whether `address` is in the network `net`/`bits`.
fn is_in_network(address: Ipv4Addr, net: &str, bits: &str) -> bool {
    let (Ok(net), Ok(bits @ 1..=32)) = (net.parse::<Ipv4Addr>(), bits.parse::<u32>()) else {
        return false;
    };
    let mask = u32::MAX << (32 - bits);
    u32::from(address) & mask == u32::from(net) & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is chosen for a URL, as text.
    fn chosen(url: &str, environment: &[(&str, &str)]) -> Option<String> {
        let url = Url::parse(url, "").expect("a URL");
        let found = |name: &str| {
            environment
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        choose(&url, found).map(|proxy| proxy.to_string())
    }

    #[test]
    fn the_environment_chooses_and_exempts() {
        let proxied = [
            ("http_proxy", "proxy:3128"),
            ("no_proxy", "intern, .corp:81,10.0.0.0/8"),
        ];
        assert_eq!(
            chosen("http://example.com/", &proxied).as_deref(),
            Some("http://proxy:3128/")
        );
        assert_eq!(chosen("https://example.com/", &proxied), None);
        for exempt in [
            "http://intern/",
            "http://a.intern:8/",
            "http://x.corp:81/",
            "http://10.2.3.4/",
        ] {
            assert_eq!(chosen(exempt, &proxied), None, "{exempt}");
        }
        assert!(chosen("http://11.2.3.4/", &proxied).is_some());
        assert!(chosen("http://notintern/", &proxied).is_some());
        assert!(chosen("https://example.com/", &[("all_proxy", "http://p")]).is_some());
    }
}
