//! `up`, `down`, `status`, `logs`, `config`: the testbed.

use std::collections::BTreeMap;
use std::io::Read;

use shaketable_testbed::control::InstanceState;
use shaketable_testbed::system::{System, without_secrets};
use shaketable_testbed::{
    BringUp, Home, InstanceStatus, SystemPhase, SystemSource, SystemStatus, Testbed, TestbedError,
};

use crate::arguments::{Config, Down, Format, Logs, Status, Up};
use crate::exit::Exit;
use crate::terminal;

pub async fn up(testbed: &Testbed, arguments: Up) -> Result<Exit, TestbedError> {
    let source = SystemSource::new(&arguments.compose, arguments.variant.as_deref())?;
    let bring_up = BringUp {
        source,
        name: arguments.name,
        owned: false,
    };
    let up = testbed
        .up(bring_up, |status| terminal::status(&progress(status)))
        .await?;
    terminal::clear_status();
    if !up.warnings.is_empty() {
        terminal::note(&up.warnings);
    }
    let status = up.client.status().await?;
    let how = if up.was_up {
        "was up already"
    } else {
        "is ready"
    };
    terminal::note(&format!(
        "system `{}`{} {how} after {:.1} s, {} resident",
        status.name,
        variant(&status),
        up.took.as_secs_f64(),
        megabytes(
            status
                .instances
                .iter()
                .map(|instance| instance.resident_bytes)
                .sum()
        )
    ));
    terminal::data(&table(&status));
    Ok(Exit::Passed)
}

pub async fn down(testbed: &Testbed, arguments: Down) -> Result<Exit, TestbedError> {
    let clients = if arguments.all {
        testbed
            .running()
            .await
            .iter()
            .map(|status| testbed.client(&status.name))
            .collect()
    } else {
        vec![testbed.find(arguments.system.as_deref()).await?.0]
    };
    for client in &clients {
        client.down().await?;
        terminal::note(&format!(
            "system `{}` is down; its logs stay in {}",
            client.name(),
            client.folder().root().join("logs").display()
        ));
    }
    if clients.is_empty() {
        terminal::note("no system is up");
    }
    Ok(Exit::Passed)
}

pub async fn status(testbed: &Testbed, arguments: Status) -> Result<Exit, TestbedError> {
    let found = match arguments.system.as_deref() {
        Some(name) => vec![testbed.find(Some(name)).await?.1],
        None => testbed.running().await,
    };
    match arguments.format {
        Format::Json => terminal::data(&serde_json::to_string_pretty(&found).unwrap_or_default()),
        Format::Text if found.is_empty() => terminal::note("no system is up"),
        Format::Text => {
            for status in &found {
                let phase = match &status.phase {
                    SystemPhase::Starting => "starting".to_owned(),
                    SystemPhase::Ready => "ready".to_owned(),
                    SystemPhase::Failed { reason } => format!("failed: {reason}"),
                    SystemPhase::Stopping => "stopping".to_owned(),
                };
                let owned = if status.owned {
                    ", goes down with its run"
                } else {
                    ""
                };
                terminal::data(&format!(
                    "system `{}`{}: {phase}{owned} ({})",
                    status.name,
                    variant(status),
                    status.compose.display()
                ));
                terminal::data(&table(status));
            }
        }
    }
    Ok(Exit::Passed)
}

pub async fn logs(testbed: &Testbed, arguments: Logs) -> Result<Exit, TestbedError> {
    // Logs outlive the system: they are found by folder, not by asking a supervisor.
    let home = testbed.home();
    let names = match &arguments.system {
        Some(name) => match testbed.find(Some(name)).await {
            Ok((_, status)) => vec![status.name],
            Err(_) => vec![name.clone()],
        },
        None => home.system_names(),
    };
    let mut known = Vec::new();
    let mut printed = false;
    for name in &names {
        let folder = home.system(name).root().join("logs");
        let mut files: Vec<String> = std::fs::read_dir(&folder)
            .map(|entries| {
                entries
                    .flatten()
                    .filter_map(|entry| entry.file_name().into_string().ok())
                    .collect()
            })
            .unwrap_or_default();
        files.sort();
        let instances: Vec<&str> = files
            .iter()
            .filter_map(|file| file.strip_suffix(".log"))
            .collect();
        let wanted = |instance: &&&str| {
            **instance == arguments.service
                || instance
                    .strip_prefix(&format!("{}-", arguments.service))
                    .is_some_and(|ordinal| ordinal.parse::<usize>().is_ok())
        };
        for instance in instances.iter().filter(wanted) {
            let path = home.system(name).log(instance);
            let mut text = String::new();
            let mut bytes = Vec::new();
            std::fs::File::open(&path)
                .and_then(|mut file| file.read_to_end(&mut bytes))
                .map_err(|source| TestbedError::Read {
                    what: "the log",
                    path,
                    source,
                })?;
            for line in String::from_utf8_lossy(&bytes).lines() {
                if names.len() > 1 || **instance != arguments.service {
                    text.push_str(&format!("{instance} | "));
                }
                text.push_str(line);
                text.push('\n');
            }
            if !text.is_empty() {
                terminal::data(&text);
            }
            printed = true;
        }
        known.extend(instances.iter().map(|instance| (*instance).to_owned()));
    }
    if printed {
        return Ok(Exit::Passed);
    }
    if names.is_empty() {
        return Err(TestbedError::NotUp {
            name: None,
            known: "no system was ever up here".to_owned(),
        });
    }
    Err(TestbedError::UnknownService {
        system: arguments.system.unwrap_or_else(|| names.join(", ")),
        service: arguments.service,
        available: if known.is_empty() {
            "no logs at all".to_owned()
        } else {
            known.join(", ")
        },
    })
}

pub fn config(arguments: Config) -> Result<Exit, TestbedError> {
    let source = SystemSource::new(&arguments.compose, arguments.variant.as_deref())?;
    let read = source.read()?;
    if !read.warnings.is_empty() {
        terminal::note(&read.warnings);
    }
    // The real /24 is claimed at the start; these addresses only show what is replaced.
    let system = System::resolve(&read.compose, &read.compose.name, |n| {
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

/// One line about a system that is starting.
pub fn progress(status: &SystemStatus) -> String {
    let well = |instance: &&InstanceStatus| {
        instance.state == InstanceState::Completed || instance.healthy == Some(true)
    };
    let done = status.instances.iter().filter(well).count();
    let missing: Vec<&str> = status
        .instances
        .iter()
        .filter(|i| !well(i))
        .map(|i| i.name.as_str())
        .collect();
    format!(
        "starting `{}`: {done}/{} ready, waiting for {}",
        status.name,
        status.instances.len(),
        missing.join(", ")
    )
}

fn variant(status: &SystemStatus) -> String {
    status
        .variant
        .as_ref()
        .map_or_else(String::new, |variant| format!(" (variant {variant})"))
}

fn table(status: &SystemStatus) -> String {
    let mut rows = vec![
        [
            "service", "state", "health", "restarts", "address", "pid", "memory",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    rows.extend(status.instances.iter().map(|instance| {
        let state = match instance.state {
            InstanceState::Waiting => "waiting",
            InstanceState::Running => "running",
            InstanceState::Restarting => "restarting",
            InstanceState::Completed => "completed",
            InstanceState::Exited => "exited",
        };
        let held = if instance.held {
            " (held down by a fault)"
        } else {
            ""
        };
        [
            instance.name.clone(),
            format!("{state}{held}"),
            match instance.healthy {
                Some(true) => "healthy",
                Some(false) => "unhealthy",
                None => "-",
            }
            .to_owned(),
            instance.restarts.to_string(),
            instance.address.to_string(),
            instance
                .process
                .as_ref()
                .map_or_else(|| "-".to_owned(), |process| process.pid.to_string()),
            if instance.resident_bytes == 0 {
                "-".to_owned()
            } else {
                megabytes(instance.resident_bytes)
            },
        ]
        .to_vec()
    }));
    let mut text = shaketable_report::table(&rows, usize::MAX);
    for instance in &status.instances {
        if let Some(path) = &instance.data_elsewhere {
            text.push_str(&format!(
                "{} keeps its data in {}: its user cannot enter the home folder\n",
                instance.name,
                path.display()
            ));
        }
    }
    text
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / (1 << 20))
}
