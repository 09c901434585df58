//! `up`, `down`, `config`: systems as a whole.

mod secrets;

use std::collections::BTreeMap;
use std::time::Duration;

use shaketable_testbed::compose::system_name;
use shaketable_testbed::system::{Substitution, System};
use shaketable_testbed::testbed::{Patience, Presence, READY_TIMEOUT};
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
        SystemPhase::Ready => "is ready",
        _ => "is starting; `shaketable status` tells how far it is",
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
    if arguments.all {
        return down_all(testbed, arguments.volumes).await;
    }
    let name = match testbed.find(arguments.system.as_deref()).await {
        Ok((_, status)) => {
            down_one(testbed, &status.name).await?;
            status.name
        }
        Err(error @ TestbedError::NotUp { .. }) => {
            // Volumes outlive their system.
            let asked = arguments.system.filter(|_| arguments.volumes);
            let name = asked.and_then(|asked| with_volumes(testbed.home(), &asked));
            name.ok_or(error)?
        }
        Err(error) => return Err(error),
    };
    if arguments.volumes {
        remove_volumes(testbed, &name)?;
    }
    Ok(Exit::Passed)
}

/// Takes every system down; one that does not go down keeps none of the others up.
async fn down_all(testbed: &Testbed, volumes: bool) -> Result<Exit, TestbedError> {
    let Presence { answering, silent } = testbed.presence().await;
    if answering.is_empty() && silent.is_empty() {
        terminal::note("no system is up");
    }
    let (mut up, mut errors): (Vec<String>, Vec<TestbedError>) =
        silent.into_iter().map(|one| (one.name, one.error)).unzip();
    for status in answering {
        if let Err(error) = down_one(testbed, &status.name).await {
            errors.push(error);
            up.push(status.name);
        }
    }
    if volumes {
        let names = testbed.home().system_names().into_iter();
        for name in names.filter(|name| !up.contains(name)) {
            errors.extend(remove_volumes(testbed, &name).err());
        }
    }
    for error in &errors {
        terminal::error(&error.to_string());
    }
    Ok(errors.first().map_or(Exit::Passed, Exit::from))
}

async fn down_one(testbed: &Testbed, name: &str) -> Result<(), TestbedError> {
    let client = testbed.client(name);
    client.down().await?;
    terminal::note(&format!(
        "system `{name}` is down; its logs stay in {}",
        client.folder().logs().display()
    ));
    Ok(())
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
        .find(|name| system_name(name) == *name && home.volumes(name).is_dir())
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
                .map(|(name, value)| (name, secrets::variable(name, value)))
                .collect();
            let replaced: Vec<Substitution> = instance
                .substitutions
                .iter()
                .map(|one| Substitution {
                    place: one.place.clone(),
                    written: secrets::variable(&one.place, &one.written),
                    effective: secrets::variable(&one.place, &one.effective),
                })
                .collect();
            serde_json::json!({
                "name": instance.name,
                "driver": instance.driver,
                "command": secrets::command(&instance.command),
                "environment": environment,
                "replaced": replaced,
            })
        })
        .collect();
    terminal::data(&serde_json::to_string_pretty(&instances).unwrap_or_default());
    Ok(Exit::Passed)
}

/// The home folder, or an error that says which one cannot be used.
pub fn home() -> Result<Home, TestbedError> {
    Home::from_environment().map_err(|source| TestbedError::Io {
        what: "find the home folder".to_owned(),
        source,
    })
}
