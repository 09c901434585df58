//! `up`, `down`, `config`: systems as a whole.

use std::collections::BTreeMap;
use std::time::Duration;

use shaketable_testbed::system::{System, without_secrets};
use shaketable_testbed::testbed::{Patience, READY_TIMEOUT};
use shaketable_testbed::{
    BringUp, Home, SystemPhase, SystemSource, SystemStatus, Testbed, TestbedError,
};
use tokio::signal::unix::{SignalKind, signal};

use super::status::{megabytes, table, variant};
use crate::arguments::{Config, Down, SystemFiles, Up};
use crate::exit::Exit;
use crate::terminal;

pub use super::status::progress;

impl SystemFiles {
    /// The system that is meant.
    fn source(&self) -> Result<SystemSource, TestbedError> {
        let mut files = self.compose.iter().chain(&self.file);
        let first = files
            .next()
            .ok_or_else(|| TestbedError::Conflict("no Compose file was named".to_owned()))?;
        let mut source = SystemSource::new(first, self.variant.as_deref())?
            .with_overrides(files)?
            .with_profiles(self.profile.iter().cloned())
            .with_scale(self.scale.iter().cloned());
        if let Some(file) = &self.env_file {
            let file = std::fs::canonicalize(file).map_err(|source| TestbedError::Read {
                what: "the env file",
                path: file.clone(),
                source,
            })?;
            source.env_file = Some(file);
        }
        Ok(source)
    }
}

pub async fn up(testbed: &Testbed, arguments: Up) -> Result<Exit, TestbedError> {
    let bring_up = BringUp {
        source: arguments.files.source()?,
        name: arguments.name,
        owned: false,
    };
    let patience = match arguments.wait_timeout {
        _ if arguments.no_wait => Patience::UntilSupervised,
        Some(seconds) => Patience::UntilReady(Duration::from_secs(seconds)),
        None => Patience::UntilReady(READY_TIMEOUT),
    };
    let show = |status: &SystemStatus| terminal::status(&progress(status));
    let up = match testbed
        .up_unless(bring_up, patience, show, interrupted())
        .await
    {
        Err(error @ TestbedError::Interrupted { .. }) => {
            terminal::error(&error.to_string());
            return Ok(Exit::Aborted);
        }
        up => up?,
    };
    terminal::clear_status();
    if !up.warnings.is_empty() {
        terminal::note(&up.warnings);
    }
    let status = up.client.status().await?;
    let how = match status.phase {
        _ if up.was_up => "was up already",
        SystemPhase::Starting => "is starting; `shaketable status` tells how far it is",
        _ => "is ready",
    };
    let resident = status.instances.iter().map(|one| one.resident_bytes).sum();
    terminal::note(&format!(
        "system `{}`{} {how} after {:.1} s, {} resident",
        status.name,
        variant(&status),
        up.took.as_secs_f64(),
        megabytes(resident)
    ));
    terminal::data(&table(&status));
    Ok(Exit::Passed)
}

/// Resolves at the first Ctrl-C or SIGTERM.
async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    terminal::note("interrupted; taking down what has started");
}

pub async fn down(testbed: &Testbed, arguments: Down) -> Result<Exit, TestbedError> {
    let mut names: Vec<String> = Vec::new();
    if arguments.all {
        names.extend(
            testbed
                .running()
                .await
                .into_iter()
                .map(|status| status.name),
        );
    } else {
        match testbed.find(arguments.system.as_deref()).await {
            Ok((_, status)) => names.push(status.name),
            Err(error) => {
                // Volumes outlive their system.
                let asked = arguments.system.filter(|_| arguments.volumes);
                let name = asked.and_then(|asked| with_volumes(testbed.home(), &asked));
                remove_volumes(testbed, &name.ok_or(error)?)?;
                return Ok(Exit::Passed);
            }
        }
    }
    for name in &names {
        let client = testbed.client(name);
        client.down().await?;
        terminal::note(&format!(
            "system `{name}` is down; its logs stay in {}",
            client.folder().logs().display()
        ));
    }
    if names.is_empty() {
        terminal::note("no system is up");
    }
    if arguments.volumes {
        if arguments.all {
            names = testbed.home().system_names();
        }
        for name in &names {
            remove_volumes(testbed, name)?;
        }
    }
    Ok(Exit::Passed)
}

/// The system of that name, or of that Compose file, if it has volumes.
fn with_volumes(home: &Home, asked: &str) -> Option<String> {
    let by_file = || {
        let read = SystemSource::new(asked.as_ref(), None).ok()?.read().ok()?;
        Some(read.compose.name)
    };
    [Some(asked.to_owned()), by_file()]
        .into_iter()
        .flatten()
        .find(|name| !name.contains('/') && home.volumes(name).is_dir())
}

fn remove_volumes(testbed: &Testbed, name: &str) -> Result<(), TestbedError> {
    let removed = testbed.remove_volumes(name)?;
    if !removed.is_empty() {
        terminal::note(&format!(
            "volumes of `{name}` are removed: {}",
            removed.join(", ")
        ));
    }
    Ok(())
}

pub fn config(arguments: Config) -> Result<Exit, TestbedError> {
    let read = arguments.files.source()?.read()?;
    if !read.warnings.is_empty() {
        terminal::note(&read.warnings);
    }
    // The real /24 is claimed at the start; these addresses only show what is replaced.
    let system = System::resolve(&read.compose, &read.compose.name, &home()?, |n| {
        Ok(std::net::Ipv4Addr::new(
            127,
            0,
            0,
            (usize::from(shaketable_testbed::address::FIRST_HOST) + n).min(254) as u8,
        ))
    })
    .map_err(|reason| TestbedError::NotReady {
        system: read.compose.name.clone(),
        reason,
    })?;
    let instances: Vec<serde_json::Value> = system
        .instances
        .iter()
        .map(|instance| {
            let environment: BTreeMap<&String, String> = instance
                .environment
                .iter()
                .map(|(name, value)| (name, shown(name, value)))
                .collect();
            serde_json::json!({
                "name": instance.name,
                "driver": instance.driver,
                "command": instance.command.iter().map(|word| without_secrets(word)).collect::<Vec<_>>(),
                "environment": environment,
                "replaced": instance.substitutions,
            })
        })
        .collect();
    terminal::data(&serde_json::to_string_pretty(&instances).unwrap_or_default());
    Ok(Exit::Passed)
}

/// A variable's value, unless its name says that it is secret.
fn shown(name: &str, value: &str) -> String {
    let secret = ["PASSWORD", "SECRET", "TOKEN", "KEY", "CREDENTIAL"];
    if secret.iter().any(|word| name.contains(word)) && name != "KEYED" {
        return "***".to_owned();
    }
    without_secrets(value)
}

/// The home folder, or an error that says which one cannot be used.
pub fn home() -> Result<Home, TestbedError> {
    Home::from_environment().map_err(|source| TestbedError::Io {
        what: "find the home folder".to_owned(),
        source,
    })
}
