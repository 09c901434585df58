//! The front door: bring a system up, find the ones that are up.

mod arrival;
mod presence;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::compose;
use crate::control::{EXIT_TIMEOUT, STOP_MARGIN, SystemClient, SystemPhase, SystemStatus};
use crate::error::TestbedError;
use crate::home::{Home, SystemFolder};
use crate::supervisor::Claim;
use arrival::Arrival;

pub use crate::source::{ReadSystem, SystemSource};
pub use presence::{Presence, SilentSystem};

/// The longest wait for a system to become ready; three brokers on two cores need 10–25 s.
pub const READY_TIMEOUT: Duration = Duration::from_secs(120);
/// How often the supervisor is asked while a system starts.
const POLL_INTERVAL: Duration = Duration::from_millis(150);

/// What must fit on the disk before a supervisor is started: its state and its first words.
const SPACE_BYTES: usize = 64 << 10;

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

/// How long [`Testbed::up_unless`] waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Until the system is ready, at most so long.
    UntilReady(Duration),
    /// Until its supervisor is at work.
    UntilSupervised,
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

/// A supervisor that this process has started. That of an owned system lives as long as its standard
/// input is open.
#[derive(Debug)]
struct Owner {
    child: Child,
}

impl Owner {
    /// Takes the system down and waits for the supervisor to end: it is asked, and killed when it
    /// does not listen. Whatever way it ends, its processes end with it.
    async fn end(mut self, client: &SystemClient) -> Result<(), TestbedError> {
        let result = client.down().await;
        drop(self.child.stdin.take());
        if result.is_err() {
            let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        }
        let deadline = Instant::now() + EXIT_TIMEOUT;
        let mut killed = false;
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > deadline + EXIT_TIMEOUT {
                break;
            }
            if Instant::now() > deadline && !std::mem::replace(&mut killed, true) {
                let _ = self.child.kill();
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        result
    }
}

impl UpSystem {
    /// Whether this process brought the system up and takes it down again.
    pub fn is_owned(&self) -> bool {
        self.owner.is_some()
    }

    /// Takes an owned system down and waits for the supervisor to end; leaves any other as it is.
    pub async fn release(mut self) -> Result<(), TestbedError> {
        match self.owner.take() {
            Some(owner) => owner.end(&self.client).await,
            None => Ok(()),
        }
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
        self.presence().await.answering
    }

    /// Every system that is up, also those whose supervisor does not answer.
    pub async fn presence(&self) -> Presence {
        Presence::of(self).await
    }

    /// A client for the system of that name, up or not.
    pub fn client(&self, name: &str) -> SystemClient {
        SystemClient::new(name, self.home.system(name))
    }

    /// The system that is meant by `argument`: a name, a Compose file, or, when there is none, the
    /// only one that is up.
    ///
    /// # Errors
    /// None is up that is meant, or several are; or it is up and its supervisor does not answer.
    pub async fn find(
        &self,
        argument: Option<&str>,
    ) -> Result<(SystemClient, SystemStatus), TestbedError> {
        let Presence { answering, silent } = self.presence().await;
        let names = answering.iter().map(|status| status.name.as_str());
        let names: Vec<&str> = names
            .chain(silent.iter().map(|one| one.name.as_str()))
            .collect();
        let known = match names.is_empty() {
            true => "no system is up".to_owned(),
            false => format!("up: {}", names.join(", ")),
        };
        let is_meant = |name: &str, compose: Option<&Path>| match argument {
            None => true,
            Some(argument) => {
                name == argument
                    // A file that is gone since can still be named.
                    || std::fs::canonicalize(argument)
                        .or_else(|_| std::path::absolute(argument))
                        .is_ok_and(|path| {
                            let parent = compose.and_then(Path::parent);
                            [compose, parent].contains(&Some(path.as_path()))
                        })
            }
        };
        let mut found = answering;
        found.retain(|status| is_meant(&status.name, Some(&status.compose)));
        let mut mute = silent;
        mute.retain(|one| is_meant(&one.name, one.compose.as_deref()));
        match (found.as_slice(), mute.as_slice()) {
            ([status], []) => Ok((self.client(&status.name), status.clone())),
            ([], [_]) => Err(mute.remove(0).error),
            ([], []) => Err(TestbedError::NotUp {
                name: argument.map(str::to_owned),
                known,
            }),
            _ => Err(TestbedError::Conflict(format!(
                "several systems are meant ({known}); name one"
            ))),
        }
    }

    /// Removes the named volumes of a system that is down, and returns their names.
    ///
    /// # Errors
    /// That is no system's name, the system is up, or a volume cannot be removed.
    pub fn remove_volumes(&self, system: &str) -> Result<Vec<String>, TestbedError> {
        if compose::system_name(system) != system {
            return Err(TestbedError::Conflict(format!(
                "`{system}` is no system's name: these have lower case letters, digits, `-` and `_`"
            )));
        }
        let claim = Claim::of(&self.home.system(system), system)?;
        claim.end_leftovers();
        claim.remove_volumes(&self.home, system)
    }

    /// Brings a system up and waits until it is ready, at most [`READY_TIMEOUT`]. A system that is
    /// up already, from the same files with the same outcome, is left as it is. `progress` is called
    /// with every new status.
    pub async fn up(
        &self,
        bring_up: BringUp,
        progress: impl FnMut(&SystemStatus),
    ) -> Result<UpSystem, TestbedError> {
        self.up_unless(
            bring_up,
            Patience::UntilReady(READY_TIMEOUT),
            progress,
            std::future::pending(),
        )
        .await
    }

    /// The same, with another patience, and unless `interrupt` comes first: then what was started is
    /// taken down again, as it is when the system does not become ready.
    pub async fn up_unless(
        &self,
        bring_up: BringUp,
        patience: Patience,
        mut progress: impl FnMut(&SystemStatus),
        interrupt: impl Future<Output = ()>,
    ) -> Result<UpSystem, TestbedError> {
        let started = Instant::now();
        let read = bring_up.source.read()?;
        let name = bring_up
            .name
            .as_deref()
            .map_or(read.compose.name.clone(), compose::system_name);
        let client = self.client(&name);
        let mut arrival = Arrival {
            testbed: self,
            client: &client,
            bring_up: &bring_up,
            owner: None,
        };
        let arrived = tokio::select! {
            arrived = arrival.arrive(&read, patience, &mut progress) => arrived,
            () = interrupt => Err(TestbedError::Interrupted { system: name }),
        };
        let owner = arrival.owner.take();
        match arrived {
            Ok(status) => Ok(UpSystem {
                was_up: owner.is_none(),
                client: client.clone(),
                status,
                took: started.elapsed(),
                warnings: all_warnings(&read),
                owner: owner.filter(|_| bring_up.owned),
            }),
            Err(error) => {
                if let Some(owner) = owner {
                    // Why it did not become ready matters more than why it did not end well.
                    let _ = owner.end(&client).await;
                }
                Err(error)
            }
        }
    }

    /// The system's status, after waiting for one that is on its way down: its run is gone, and it
    /// is not what anybody asks for.
    async fn settled(&self, client: &SystemClient) -> Option<SystemStatus> {
        let first = client.status().await.ok()?;
        let deadline = Instant::now() + first.stop_bound() + STOP_MARGIN;
        let mut status = first;
        while status.phase == SystemPhase::Stopping {
            while status.supervisor.is_alive() && Instant::now() < deadline {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            if Instant::now() >= deadline {
                return Some(status);
            }
            status = client.status().await.ok()?;
        }
        Some(status)
    }

    fn start_supervisor(&self, bring_up: &BringUp, name: &str) -> Result<Owner, TestbedError> {
        let folder: SystemFolder = self.home.system(name);
        let logs = folder.logs();
        std::fs::create_dir_all(&logs)
            .map_err(TestbedError::io(format!("make {}", logs.display())))?;
        check_space(&folder)?;
        let log_path = folder.supervisor_log();
        // Appended to, since another supervisor may be at work already; whoever is first empties it.
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log_path)
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
        for file in &bring_up.source.overrides {
            command.arg("--override").arg(file);
        }
        for profile in &bring_up.source.profiles {
            command.arg("--profile").arg(profile);
        }
        for (service, replicas) in &bring_up.source.scale {
            command.arg("--scale").arg(format!("{service}={replicas}"));
        }
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

/// What the files and the machine give reason to warn about.
fn all_warnings(read: &ReadSystem) -> String {
    let machine = crate::drivers::Machine::survey().warnings(&read.compose);
    let machine = machine.iter().map(|warning| format!("warning: {warning}"));
    let files = (!read.warnings.is_empty()).then(|| read.warnings.clone());
    files
        .into_iter()
        .chain(machine)
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// A supervisor on a full disk could not even say why it ended.
fn check_space(folder: &SystemFolder) -> Result<(), TestbedError> {
    // Several commands may do this at the same time.
    let path = folder.root().join(format!("space-{}", std::process::id()));
    let written = std::fs::write(&path, vec![0; SPACE_BYTES]);
    let removed = std::fs::remove_file(&path);
    written.and(removed).map_err(TestbedError::io(format!(
        "write to {}",
        folder.root().display()
    )))
}
