//! Any other program: the command of the Compose file, with the environment of the Compose file.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use nix::sys::signal::Signal;

use super::{Prepared, Probe, Site};
use crate::spawn::{Launch, find_program};
use crate::system::Instance;

pub(super) fn prepare(instance: &Instance, site: &Site<'_>) -> Result<Prepared, String> {
    let launch = launch(&instance.command, instance, site)?;
    let probe = match &instance.healthcheck {
        None => Probe::None,
        Some(check) => Probe::Program {
            launch: self::launch(&check.test, instance, site)?,
            check: check.clone(),
        },
    };
    Ok(Prepared {
        launch,
        listens: instance
            .ports
            .iter()
            .map(|port| SocketAddrV4::new(instance.address, *port))
            .collect(),
        probe,
        client_port: None,
        down_signal: Signal::try_from(instance.stop_signal).unwrap_or(Signal::SIGTERM),
        data_elsewhere: None,
    })
}

fn launch(words: &[String], instance: &Instance, site: &Site<'_>) -> Result<Launch, String> {
    let [program, arguments @ ..] = words else {
        return Err("the command is empty".to_owned());
    };
    let path = find_program(program, site.machine.own_folder.as_deref()).ok_or_else(|| {
        format!("program `{program}` is neither beside this executable nor on PATH")
    })?;
    Ok(Launch {
        program: path,
        arguments: arguments.to_vec(),
        environment: with_base(&instance.environment),
        folder: site.folder.clone(),
        user: None,
    })
}

/// A container's environment is the image's few variables and those of the Compose file; here the
/// few are PATH, HOME and the ones that steer diagnostics.
pub(super) fn with_base(environment: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = ["PATH", "HOME", "LANG", "TZ", "RUST_BACKTRACE"]
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
        .collect();
    all.extend(environment.clone());
    all
}
