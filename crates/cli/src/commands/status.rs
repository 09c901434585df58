//! `status`, and the table of a system's instances.

use std::time::Duration;

use shaketable_testbed::control::InstanceState;
use shaketable_testbed::testbed::Presence;
use shaketable_testbed::{InstanceStatus, SystemPhase, SystemStatus, Testbed, TestbedError};

use crate::arguments::{Format, Status};
use crate::exit::Exit;
use crate::terminal;

pub async fn run(testbed: &Testbed, arguments: Status) -> Result<Exit, TestbedError> {
    let Presence {
        answering: found,
        silent,
    } = match arguments.system.as_deref() {
        Some(name) => Presence {
            answering: vec![testbed.find(Some(name)).await?.1],
            silent: Vec::new(),
        },
        None => testbed.presence().await,
    };
    match arguments.format {
        Format::Json => terminal::data(&serde_json::to_string_pretty(&found).unwrap_or_default()),
        Format::Text if found.is_empty() && silent.is_empty() => {
            terminal::note("no system is up");
        }
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
    for one in &silent {
        terminal::error(&one.error.to_string());
    }
    Ok(if silent.is_empty() {
        Exit::Passed
    } else {
        Exit::Error
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

/// The variant in parentheses, if there is one.
pub fn variant(status: &SystemStatus) -> String {
    status
        .variant
        .as_ref()
        .map_or_else(String::new, |variant| format!(" (variant {variant})"))
}

const COLUMNS: [&str; 9] = [
    "service", "state", "health", "restarts", "address", "uptime", "pid", "cpu", "memory",
];

/// The instances of a system, a row each.
pub fn table(status: &SystemStatus) -> String {
    let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
    rows.extend(status.instances.iter().map(row));
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

fn row(instance: &InstanceStatus) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let health = match instance.healthy {
        Some(true) => "healthy",
        Some(false) => "unhealthy",
        None => "-",
    };
    let address = match instance.ports.first() {
        Some(port) => format!("{}:{port}", instance.address),
        None => instance.address.to_string(),
    };
    let process = instance.process.as_ref();
    vec![
        instance.name.clone(),
        state(instance),
        health.to_owned(),
        instance.restarts.to_string(),
        address,
        or_dash(instance.uptime_ms.map(uptime)),
        or_dash(process.map(|process| process.pid.to_string())),
        or_dash(instance.cpu_percent.map(|percent| format!("{percent:.0}%"))),
        or_dash(process.map(|_| megabytes(instance.resident_bytes))),
    ]
}

fn state(instance: &InstanceStatus) -> String {
    let mut state = match instance.state {
        InstanceState::Waiting => "waiting",
        InstanceState::Running => "running",
        InstanceState::Restarting => "restarting",
        InstanceState::Completed => "completed",
        InstanceState::Exited => "exited",
    }
    .to_owned();
    if instance.held {
        state.push_str(" (held down)");
    }
    if let Some(throttle) = instance.throttled {
        state.push_str(&format!(
            " (throttled: {} ms of {})",
            throttle.run_ms,
            throttle.run_ms + throttle.stop_ms
        ));
    }
    state
}

/// The two largest units of a time.
fn uptime(ms: u64) -> String {
    let seconds = Duration::from_millis(ms).as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{}s", seconds % 60),
        (0, _, _) => format!("{hours}h{}m", minutes % 60),
        _ => format!("{days}d{}h", hours % 24),
    }
}

/// A size in MB.
pub fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / (1 << 20))
}
