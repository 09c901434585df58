//! The front door: bring a system up, find the ones that are up.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::compose;
use crate::control::{
    DOWN_TIMEOUT, EXIT_TIMEOUT, InstanceState, SystemClient, SystemPhase, SystemStatus,
};
use crate::drivers::Machine;
use crate::error::TestbedError;
use crate::home::{Home, SystemFolder};
pub use crate::source::{ReadSystem, SystemSource};

/// The longest wait for a system to become ready; three brokers on two cores need 10–25 s.
pub const READY_TIMEOUT: Duration = Duration::from_secs(120);
/// How often the supervisor is asked while a system starts.
const POLL_INTERVAL: Duration = Duration::from_millis(150);

/// How to bring a system up.
#[derive(Clone, Debug)]
pub struct BringUp {
    /// What to run.
    pub source: SystemSource,
    /// Under which name, when not the Compose file's.
    pub name: Option<String>,
    /// Whether it goes down with the calling process.
    pub owned: bool,
}

/// A system that is up.
#[derive(Debug)]
pub struct UpSystem {
    /// How to talk to its supervisor.
    pub client: SystemClient,
    /// How it was when it was ready.
    pub status: SystemStatus,
    /// Whether it was up already.
    pub was_up: bool,
    /// Time from the call until it was ready.
    pub took: Duration,
    /// Warnings about the Compose file, rendered.
    pub warnings: String,
    owner: Option<Owner>,
}

/// The supervisor of an owned system; while this lives, its standard input stays open.
#[derive(Debug)]
struct Owner {
    child: Child,
}

impl UpSystem {
    /// Whether this process brought the system up and takes it down again.
    pub fn is_owned(&self) -> bool {
        self.owner.is_some()
    }

    /// Takes an owned system down and waits for the supervisor to end; leaves any other as it is.
    pub async fn release(mut self) -> Result<(), TestbedError> {
        let Some(mut owner) = self.owner.take() else {
            return Ok(());
        };
        let result = self.client.down().await;
        drop(owner.child.stdin.take());
        let deadline = Instant::now() + EXIT_TIMEOUT;
        let mut killed = false;
        while let Ok(None) = owner.child.try_wait() {
            if Instant::now() > deadline + EXIT_TIMEOUT {
                break;
            }
            if Instant::now() > deadline && !std::mem::replace(&mut killed, true) {
                let _ = owner.child.kill();
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        result
    }
}

/// The testbed of one home folder.
#[derive(Clone, Debug)]
pub struct Testbed {
    home: Home,
}

impl Testbed {
    /// The testbed of `home`.
    pub fn new(home: Home) -> Testbed {
        Testbed { home }
    }

    /// The home folder.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Every system whose supervisor answers.
    pub async fn running(&self) -> Vec<SystemStatus> {
        let mut running = Vec::new();
        for name in self.home.system_names() {
            if let Ok(status) = self.client(&name).status().await {
                running.push(status);
            }
        }
        running
    }

    /// A client for the system of that name, up or not.
    pub fn client(&self, name: &str) -> SystemClient {
        SystemClient::new(name, self.home.system(name))
    }

    /// The system that is meant by `argument`: a name, a Compose file, or, when there is none, the
    /// only one that is up.
    pub async fn find(
        &self,
        argument: Option<&str>,
    ) -> Result<(SystemClient, SystemStatus), TestbedError> {
        let running = self.running().await;
        let known = match running
            .iter()
            .map(|status| status.name.as_str())
            .collect::<Vec<_>>()
        {
            names if names.is_empty() => "no system is up".to_owned(),
            names => format!("up: {}", names.join(", ")),
        };
        let matches = |status: &&SystemStatus| match argument {
            None => true,
            Some(argument) => {
                status.name == argument
                    || std::fs::canonicalize(argument).is_ok_and(|path| {
                        path == status.compose || Some(path.as_path()) == status.compose.parent()
                    })
            }
        };
        let found: Vec<&SystemStatus> = running.iter().filter(matches).collect();
        match found.as_slice() {
            [status] => Ok((self.client(&status.name), (*status).clone())),
            [] => Err(TestbedError::NotUp {
                name: argument.map(str::to_owned),
                known,
            }),
            _ => Err(TestbedError::Conflict(format!(
                "several systems are meant ({known}); name one"
            ))),
        }
    }

    /// Brings a system up and waits until it is ready. A system that is up already, from the same
    /// file and variant, is left as it is. `progress` is called with every new status.
    pub async fn up(
        &self,
        bring_up: BringUp,
        mut progress: impl FnMut(&SystemStatus),
    ) -> Result<UpSystem, TestbedError> {
        let started = Instant::now();
        let read = bring_up.source.read()?;
        let name = bring_up
            .name
            .as_deref()
            .map_or(read.compose.name.clone(), compose::system_name);
        let client = self.client(&name);
        let running = self.settled(&client).await;
        let (owner, was_up) = match running {
            Some(status) => {
                check_same(&status, &bring_up.source)?;
                (None, true)
            }
            None => {
                let lacks = Machine::survey().lacks(&read.compose);
                if !lacks.is_empty() {
                    return Err(TestbedError::Machine(lacks));
                }
                (Some(self.start_supervisor(&bring_up, &name)?), false)
            }
        };
        let mut up = Waiting {
            client: &client,
            owner,
        };
        let status = match up.until_ready(&mut progress).await {
            Ok(status) => status,
            Err(error) => {
                if up.owner.is_some() {
                    let _ = client.down().await;
                }
                return Err(error);
            }
        };
        let owner = up.owner.take().filter(|_| bring_up.owned);
        Ok(UpSystem {
            client: client.clone(),
            status,
            was_up,
            took: started.elapsed(),
            warnings: read.warnings,
            owner,
        })
    }

    /// The system's status, after waiting for one that is on its way down: its run is gone, and it
    /// is not what anybody asks for.
    async fn settled(&self, client: &SystemClient) -> Option<SystemStatus> {
        let deadline = Instant::now() + DOWN_TIMEOUT;
        loop {
            let status = client.status().await.ok()?;
            if status.phase != SystemPhase::Stopping {
                return Some(status);
            }
            while status.supervisor.is_alive() && Instant::now() < deadline {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            if Instant::now() >= deadline {
                return Some(status);
            }
        }
    }

    fn start_supervisor(&self, bring_up: &BringUp, name: &str) -> Result<Owner, TestbedError> {
        let folder: SystemFolder = self.home.system(name);
        let logs = folder.root().join("logs");
        std::fs::create_dir_all(&logs)
            .map_err(TestbedError::io(format!("make {}", logs.display())))?;
        let log_path = folder.supervisor_log();
        let log = std::fs::File::create(&log_path)
            .map_err(TestbedError::io(format!("write {}", log_path.display())))?;
        let program =
            std::env::current_exe().map_err(TestbedError::io("find the shaketable program"))?;
        let mut command = Command::new(program);
        command
            .arg("supervise")
            .arg("--home")
            .arg(self.home.root())
            .arg("--name")
            .arg(name)
            .arg("--compose")
            .arg(&bring_up.source.compose);
        if let Some(file) = &bring_up.source.env_file {
            command.arg("--env-file").arg(file);
        }
        if let Some(variant) = &bring_up.source.variant {
            command.arg("--variant").arg(variant);
        }
        if bring_up.owned {
            command.arg("--owned").stdin(Stdio::piped());
        } else {
            command.stdin(Stdio::null());
        }
        command.stdout(Stdio::null()).stderr(log);
        // SAFETY: setsid is async-signal-safe; a session of its own keeps a terminal's Ctrl-C and
        // hang-up away from the system.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()
                    .map(|_| ())
                    .map_err(std::io::Error::from)
            });
        }
        let child = command
            .spawn()
            .map_err(TestbedError::io("start the supervisor"))?;
        Ok(Owner { child })
    }
}

fn check_same(status: &SystemStatus, source: &SystemSource) -> Result<(), TestbedError> {
    let other = |what: String| {
        Err(TestbedError::Conflict(format!(
            "system `{0}` is already up {what}; `shaketable down {0}` first, or give this one another name with --name",
            status.name
        )))
    };
    if status.owned {
        return other("and belongs to a run".to_owned());
    }
    if status.compose != source.compose {
        return other(format!("from {}", status.compose.display()));
    }
    if source.variant_label().is_some() && status.variant != source.variant_label() {
        let variant = status.variant.as_deref().unwrap_or("(none)");
        return other(format!("as variant {variant}"));
    }
    Ok(())
}

/// A system on its way to being ready.
struct Waiting<'a> {
    client: &'a SystemClient,
    owner: Option<Owner>,
}

impl Waiting<'_> {
    async fn until_ready(
        &mut self,
        progress: &mut impl FnMut(&SystemStatus),
    ) -> Result<SystemStatus, TestbedError> {
        let system = self.client.name().to_owned();
        let not_ready = |reason: String| TestbedError::NotReady {
            system: system.clone(),
            reason,
        };
        let deadline = Instant::now() + READY_TIMEOUT;
        let mut last: Option<SystemStatus> = None;
        loop {
            match self.client.status().await {
                Ok(status) => {
                    if self
                        .owner
                        .as_ref()
                        .is_some_and(|owner| owner.child.id() as i32 != status.supervisor.pid)
                    {
                        self.owner = None;
                        return Err(TestbedError::Conflict(format!(
                            "system `{system}` is being brought up by another command at this moment; wait for it, or give this one another name with --name"
                        )));
                    }
                    if last.as_ref().map(without_memory) != Some(without_memory(&status)) {
                        progress(&status);
                    }
                    match &status.phase {
                        SystemPhase::Ready => return Ok(status),
                        SystemPhase::Failed { reason } => return Err(not_ready(reason.clone())),
                        SystemPhase::Stopping => {
                            return Err(not_ready("it is being taken down".to_owned()));
                        }
                        SystemPhase::Starting => {}
                    }
                    last = Some(status);
                }
                Err(error) => {
                    if let Some(owner) = &mut self.owner
                        && let Ok(Some(exit)) = owner.child.try_wait()
                    {
                        return Err(not_ready(format!(
                            "its supervisor ended ({exit}): {}",
                            self.supervisor_log()
                        )));
                    }
                    if last.is_some() {
                        return Err(error);
                    }
                }
            }
            if Instant::now() > deadline {
                let who: Vec<String> = last
                    .iter()
                    .flat_map(|status| &status.instances)
                    .filter(|instance| {
                        instance.healthy != Some(true) && instance.state != InstanceState::Completed
                    })
                    .map(|instance| {
                        format!(
                            "{} ({:?}, {})",
                            instance.name,
                            instance.state,
                            instance.last_exit.as_deref().unwrap_or("not healthy yet")
                        )
                    })
                    .collect();
                return Err(not_ready(format!(
                    "not within {} s; still missing: {}",
                    READY_TIMEOUT.as_secs(),
                    who.join(", ")
                )));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn supervisor_log(&self) -> String {
        let mut text = String::new();
        let _ = std::fs::File::open(self.client.folder().supervisor_log())
            .and_then(|mut file| file.read_to_string(&mut text));
        text.trim().to_owned()
    }
}

fn without_memory(status: &SystemStatus) -> SystemStatus {
    let mut status = status.clone();
    status
        .instances
        .iter_mut()
        .for_each(|instance| instance.resident_bytes = 0);
    status
}
