//! `restart`, `stop`, `start`, `kill`, `env`: single services of a system that is up.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::{Duration, Instant};

use shaketable_testbed::control::{InstanceState, STOP_MARGIN};
use shaketable_testbed::spawn::find_program;
use shaketable_testbed::{InstanceStatus, SystemClient, SystemStatus, Testbed, TestbedError};

use crate::arguments::{Env, Kill, Restart, Services, Start, Stop};
use crate::exit::Exit;
use crate::terminal;

/// How often a service is looked at that is to start or to end.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Instances of a system that is up.
struct Chosen {
    client: SystemClient,
    status: SystemStatus,
    instances: Vec<InstanceStatus>,
}

impl Chosen {
    async fn of(testbed: &Testbed, services: &Services) -> Result<Chosen, TestbedError> {
        let (client, status) = testbed.find(services.system.as_deref()).await?;
        let mut instances: Vec<InstanceStatus> = Vec::new();
        for service in &services.services {
            let found: Vec<&InstanceStatus> = status.instances_of(service).collect();
            if found.is_empty() {
                return Err(TestbedError::UnknownService {
                    system: status.name.clone(),
                    service: service.clone(),
                    available: status.services().join(", "),
                });
            }
            for instance in found {
                if !instances.iter().any(|known| known.name == instance.name) {
                    instances.push(instance.clone());
                }
            }
        }
        Ok(Chosen {
            client,
            status,
            instances,
        })
    }

    /// Waits until it holds for an instance; the bound is that for taking everything down.
    async fn until(
        &self,
        instance: &str,
        what: &str,
        holds: impl Fn(&InstanceStatus) -> bool,
    ) -> Result<(), TestbedError> {
        let limit = self.status.stop_bound() + STOP_MARGIN;
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if self
                .client
                .status()
                .await?
                .instance(instance)
                .is_some_and(&holds)
            {
                return Ok(());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Err(TestbedError::Supervisor {
            system: self.status.name.clone(),
            reason: format!("`{instance}` has not {what} within {} s", limit.as_secs()),
        })
    }
}

pub async fn restart(testbed: &Testbed, arguments: Restart) -> Result<Exit, TestbedError> {
    let chosen = Chosen::of(testbed, &arguments.services).await?;
    for instance in &chosen.instances {
        chosen.client.restart(&instance.name).await?;
        terminal::note(&format!("`{}` was restarted", instance.name));
    }
    Ok(Exit::Passed)
}

pub async fn stop(testbed: &Testbed, arguments: Stop) -> Result<Exit, TestbedError> {
    let chosen = Chosen::of(testbed, &arguments.services).await?;
    for instance in &chosen.instances {
        chosen.client.hold(&instance.name).await?;
        chosen.client.terminate(&instance.name).await?;
    }
    for instance in &chosen.instances {
        let has_ended = |now: &InstanceStatus| now.process.is_none();
        chosen.until(&instance.name, "ended", has_ended).await?;
        terminal::note(&format!(
            "`{}` is stopped; `shaketable start` starts it again",
            instance.name
        ));
    }
    Ok(Exit::Passed)
}

pub async fn start(testbed: &Testbed, arguments: Start) -> Result<Exit, TestbedError> {
    let chosen = Chosen::of(testbed, &arguments.services).await?;
    for instance in &chosen.instances {
        chosen.client.release(&instance.name).await?;
        let has_started = |now: &InstanceStatus| match now.state {
            InstanceState::Running | InstanceState::Completed => true,
            InstanceState::Waiting | InstanceState::Restarting | InstanceState::Exited => false,
        };
        chosen.until(&instance.name, "started", has_started).await?;
        terminal::note(&format!("`{}` is started", instance.name));
    }
    Ok(Exit::Passed)
}

pub async fn kill(testbed: &Testbed, arguments: Kill) -> Result<Exit, TestbedError> {
    let chosen = Chosen::of(testbed, &arguments.services).await?;
    let signal = arguments.signal;
    for instance in &chosen.instances {
        let Some(process) = &instance.process else {
            return Err(TestbedError::Conflict(format!(
                "`{}` does not run; `shaketable status` tells why",
                instance.name
            )));
        };
        if arguments.tree {
            chosen
                .client
                .signal_tree(&instance.name, process, signal)
                .await?;
        } else {
            chosen
                .client
                .signal(&instance.name, process, signal)
                .await?;
        }
        terminal::note(&format!(
            "{signal} was sent to `{}` (pid {})",
            instance.name, process.pid
        ));
    }
    Ok(Exit::Passed)
}

pub async fn env(testbed: &Testbed, arguments: Env) -> Result<Exit, TestbedError> {
    let services = Services {
        services: vec![arguments.service],
        system: arguments.system,
    };
    let chosen = Chosen::of(testbed, &services).await?;
    let environment = chosen
        .client
        .launch(&chosen.instances[0].name)
        .await?
        .environment;
    let [program, words @ ..] = arguments.command.as_slice() else {
        let lines: String = environment
            .iter()
            .map(|(name, value)| format!("{name}={}\n", quoted(value)))
            .collect();
        terminal::stream(&lines);
        return Ok(Exit::Passed);
    };
    let own = std::env::current_exe().ok();
    let Some(path) = find_program(program, own.as_deref().and_then(Path::parent)) else {
        terminal::error(&format!(
            "program `{program}` is neither beside this executable nor on PATH"
        ));
        return Ok(Exit::Usage);
    };
    // Returns only when it could not be started.
    let error = std::process::Command::new(&path)
        .args(words)
        .env_clear()
        .envs(environment)
        .exec();
    Err(TestbedError::Io {
        what: format!("run {}", path.display()),
        source: error,
    })
}

/// A value as a shell takes it for one word.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-+=./:,@%".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}
