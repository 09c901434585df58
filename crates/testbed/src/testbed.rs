//! The front door: bring a system up, find the ones that are up.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use shaketable_document::{Diagnostics, Source};

use crate::compose::{self, Compose};
use crate::control::{EXIT_TIMEOUT, InstanceState, SystemClient, SystemPhase, SystemStatus};
use crate::drivers::Machine;
use crate::env_file;
use crate::error::TestbedError;
use crate::home::{Home, SystemFolder};

/// The longest wait for a system to become ready; three brokers on two cores need 10–25 s.
pub const READY_TIMEOUT: Duration = Duration::from_secs(120);
/// How often the supervisor is asked while a system starts.
const POLL_INTERVAL: Duration = Duration::from_millis(150);

/// A Compose file and what its variables are taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemSource {
    /// The Compose file, absolute.
    pub compose: PathBuf,
    /// The env file, absolute.
    pub env_file: Option<PathBuf>,
    /// The variant's name, when the env file was chosen by one.
    pub variant: Option<String>,
}

/// A Compose file that was read without an error.
#[derive(Clone, Debug)]
pub struct ReadSystem {
    /// The file.
    pub compose: Compose,
    /// Warnings, rendered; empty when there are none.
    pub warnings: String,
}

impl SystemSource {
    /// The Compose file at `path` (a folder means the `compose.yaml` in it) with a variant: the env
    /// file `variants/NAME.env` beside it.
    pub fn new(path: &Path, variant: Option<&str>) -> Result<SystemSource, TestbedError> {
        let path = if path.is_dir() {
            path.join("compose.yaml")
        } else {
            path.to_path_buf()
        };
        let compose = std::fs::canonicalize(&path).map_err(|source| TestbedError::Read {
            what: "the Compose file",
            path: path.clone(),
            source,
        })?;
        let env_file = match variant {
            None => None,
            Some(variant) => {
                let folder = compose.parent().unwrap_or(Path::new("/")).join("variants");
                let file = folder.join(format!("{variant}.env"));
                if variant.contains('/') || !file.is_file() {
                    return Err(TestbedError::UnknownVariant {
                        system: folder_name(&compose),
                        variant: variant.to_owned(),
                        available: variants(&folder),
                        folder,
                    });
                }
                Some(file)
            }
        };
        Ok(SystemSource {
            compose,
            env_file,
            variant: variant.map(str::to_owned),
        })
    }

    /// The variant's name, or the env file's when it was given as a file.
    pub fn variant_label(&self) -> Option<String> {
        self.variant.clone().or_else(|| {
            Some(
                self.env_file
                    .as_ref()?
                    .file_stem()?
                    .to_string_lossy()
                    .into_owned(),
            )
        })
    }

    /// Reads, interpolates and checks the Compose file. The process's environment goes before the
    /// env file, as with Compose.
    pub fn read(&self) -> Result<ReadSystem, TestbedError> {
        let mut values = match &self.env_file {
            None => BTreeMap::new(),
            Some(file) => {
                let text = read_file("the env file", file)?;
                env_file::parse(&text).map_err(|problems| TestbedError::Document {
                    rendered: problems
                        .iter()
                        .map(|(line, problem)| {
                            format!("error: {}:{line}: {problem}", file.display())
                        })
                        .collect::<Vec<_>>()
                        .join("\n"),
                })?
            }
        };
        values.extend(std::env::vars());
        let text = read_file("the Compose file", &self.compose)?;
        let source = Source::new(self.compose.display().to_string(), text);
        let render = |diagnostics: &Diagnostics| diagnostics.render(&source, false);
        match compose::parse(&source, &folder_name(&self.compose), &values) {
            Ok((compose, warnings)) => Ok(ReadSystem {
                compose,
                warnings: if warnings.is_empty() {
                    String::new()
                } else {
                    render(&warnings)
                },
            }),
            Err(diagnostics) => Err(TestbedError::Document {
                rendered: render(&diagnostics),
            }),
        }
    }
}

fn read_file(what: &'static str, path: &Path) -> Result<String, TestbedError> {
    std::fs::read_to_string(path).map_err(|source| TestbedError::Read {
        what,
        path: path.to_path_buf(),
        source,
    })
}

fn folder_name(compose: &Path) -> String {
    compose.parent().and_then(Path::file_name).map_or_else(
        || "system".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

fn variants(folder: &Path) -> String {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.path())
                .collect::<Vec<_>>()
        })
        .unwrap_or_default()
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "env"))
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

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
        while owner.child.try_wait().ok().flatten().is_none() {
            if Instant::now() > deadline {
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
            names if names.is_empty() => "none is up".to_owned(),
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
                name: argument.unwrap_or("(any)").to_owned(),
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
        let running = client.status().await.ok();
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
