//! Prometheus on the instance's own address.
//!
//! Honours the image's conventions: the command is flags of `prometheus`, the configuration is what
//! is mounted at `/etc/prometheus/prometheus.yml` (or at the `--config.file`), data is in
//! `/prometheus`. It runs with a copy of the configuration in which service names are addresses
//! ([`config`]).

mod config;

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::path::Path;

use nix::sys::signal::Signal;

use self::config::Rewriting;
use super::data::DataFolder;
use super::process::with_base;
use super::{Prepared, Probe, Site, arguments_of, write_private};
use crate::spawn::Launch;
use crate::system::Instance;

/// Where the image looks for its configuration.
const CONFIG: &str = "/etc/prometheus/prometheus.yml";
/// Where the image keeps its data.
const DATA: &str = "/prometheus";
/// Prometheus's port when nothing names another.
const DEFAULT_PORT: u16 = 9090;
/// As the image's own: it watches itself.
const OWN_CONFIG: &str = "{global: {scrape_interval: 15s}, scrape_configs: [{job_name: prometheus, static_configs: [{targets: ['localhost:9090']}]}]}";

pub(super) fn prepare(instance: &Instance, site: &Site<'_>) -> Result<Prepared, String> {
    let of_service = |reason: String| format!("service `{}`: {reason}", instance.service);
    let flags = Flags::read(arguments_of(&instance.command, "prometheus"));
    let data = DataFolder::of(instance, site, &[flags.data.unwrap_or(DATA)], "prometheus")?;
    let port = match flags
        .listen
        .map(|listen| listen.rsplit_once(':').unwrap_or(("", listen)))
    {
        None => DEFAULT_PORT,
        Some((_, port)) => port
            .parse()
            .map_err(|_| of_service(format!("--web.listen-address: `{port}` is no port")))?,
    };
    let address = SocketAddrV4::new(instance.address, port);

    let written = flags.config.unwrap_or(CONFIG);
    let local = site.mounts.replace_in(written);
    let mounted = local != written;
    let text = if mounted || flags.config.is_some() {
        std::fs::read_to_string(&local).map_err(|error| {
            of_service(format!(
                "cannot read its configuration {written}, here {local}: {error}; mount it into the service with `volumes`"
            ))
        })?
    } else {
        OWN_CONFIG.to_owned()
    };
    let rewriting = Rewriting {
        system: site.system,
        own: address,
        mounts: &site.mounts,
        folder: Path::new(&local).parent().unwrap_or(Path::new("/")),
    };
    let rewritten = rewriting
        .text(&text)
        .map_err(|reason| of_service(format!("{local}: {reason}")))?;
    let config = site.folder.join("prometheus.yml");
    write_private(&config, &rewritten)?;

    let mut arguments = vec![
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", data.path.display()),
        format!("--web.listen-address={address}"),
    ];
    arguments.extend(flags.others.iter().map(|word| site.mounts.replace_in(word)));
    let prefix = flags.value_of_other("--web.route-prefix").unwrap_or("");
    Ok(Prepared {
        launch: Launch {
            program: site.machine.prometheus.clone()?,
            arguments,
            environment: with_base(&BTreeMap::new()),
            folder: site.folder.clone(),
            user: None,
        },
        listens: vec![address],
        probe: if flags.value_of_other("--web.config.file").is_some() {
            // It may ask for TLS or a password.
            Probe::Port { address }
        } else {
            Probe::Http {
                address,
                path: format!("/{}/-/ready", prefix.trim_matches('/')).replace("//", "/"),
            }
        },
        client_port: None,
        down_signal: if data.kept {
            Signal::SIGTERM
        } else {
            Signal::SIGKILL
        },
        data_elsewhere: None,
    })
}

/// The words of its command: those that are the testbed's to decide, and the others.
#[derive(Default)]
struct Flags<'a> {
    config: Option<&'a str>,
    data: Option<&'a str>,
    listen: Option<&'a str>,
    others: Vec<&'a str>,
}

impl<'a> Flags<'a> {
    fn read(words: &'a [String]) -> Flags<'a> {
        let mut flags = Flags::default();
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (word, None),
            };
            let place = match name {
                "--config.file" => &mut flags.config,
                "--storage.tsdb.path" => &mut flags.data,
                "--web.listen-address" => &mut flags.listen,
                _ => {
                    flags.others.push(word);
                    continue;
                }
            };
            *place = value.or_else(|| words.next());
        }
        flags
    }

    fn value_of_other(&self, name: &str) -> Option<&'a str> {
        self.others.iter().enumerate().find_map(|(index, word)| {
            let after = word.strip_prefix(name)?;
            match after.strip_prefix('=') {
                Some(value) => Some(value),
                None if after.is_empty() => self.others.get(index + 1).copied(),
                None => None,
            }
        })
    }
}
