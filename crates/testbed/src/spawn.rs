//! Starting a child that cannot outlive this process.
//!
//! The kernel kills the child when the *thread* that started it ends (`PR_SET_PDEATHSIG`), so
//! [`command`] must be spawned from a thread that lives as long as the supervisor; the supervisor's
//! runtime sits on the main thread for that reason. The signal is set after
//! the change of user (which clears it), and a parent that has died in between is noticed.

use std::collections::BTreeMap;
use std::io::PipeWriter;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::process::ProcessIdentity;

/// The environment variable that marks every process of a supervisor, whatever becomes of its
/// parents and its process group.
pub const MARK: &str = "SHAKETABLE_SUPERVISOR";
/// How often processes that carry a mark are looked for and killed, at most.
const SWEEPS_MAX: usize = 100;
/// Time for killed processes to go before they are looked for again.
const SWEEP_INTERVAL: Duration = Duration::from_millis(20);

/// What to start.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program, as a path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// The folder it starts in.
    pub folder: PathBuf,
    /// The user it runs as, if not this one.
    pub user: Option<RunAs>,
}

/// Another user to run a server as (PostgreSQL refuses to run as root).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunAs {
    /// The user's name.
    pub name: String,
    /// The user id.
    pub uid: u32,
    /// The group id.
    pub gid: u32,
}

impl RunAs {
    /// The first of `names` that this machine has, when this process is root; `None` when it is
    /// not and everything runs as oneself.
    pub fn unprivileged(names: &[&str]) -> Result<Option<RunAs>, String> {
        if !nix::unistd::geteuid().is_root() {
            return Ok(None);
        }
        names
            .iter()
            .find_map(|name| nix::unistd::User::from_name(name).ok().flatten())
            .map(|user| {
                Some(RunAs {
                    name: user.name,
                    uid: user.uid.as_raw(),
                    gid: user.gid.as_raw(),
                })
            })
            .ok_or_else(|| {
                format!(
                    "a user other than root to run servers as: none of {} exists",
                    names.join(", ")
                )
            })
    }

    /// Whether this user can enter `folder`, by the permission bits of it and its parents.
    pub fn can_enter(&self, folder: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        folder
            .ancestors()
            .all(|part| match std::fs::metadata(part) {
                Ok(meta) if meta.uid() == self.uid => meta.mode() & 0o100 != 0,
                Ok(meta) if meta.gid() == self.gid => meta.mode() & 0o010 != 0,
                Ok(meta) => meta.mode() & 0o001 != 0,
                Err(_) => true, // not made yet: it will be ours to open
            })
    }
}

/// The command for `launch`: own process group, no inherited environment but this supervisor's
/// [`MARK`], killed with this process.
/// Standard output and standard error both go to `output`, or are discarded. The command holds that
/// end of the pipe until it is dropped.
pub fn command(launch: &Launch, output: Option<PipeWriter>) -> std::io::Result<Command> {
    let mut command = Command::new(&launch.program);
    command
        .args(&launch.arguments)
        .env_clear()
        .envs(&launch.environment)
        .env(MARK, mark_of(&ProcessIdentity::own()))
        .current_dir(&launch.folder)
        .stdin(Stdio::null())
        .process_group(0);
    match output {
        Some(pipe) => {
            command.stdout(pipe.try_clone()?).stderr(pipe);
        }
        None => {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
    }
    if let Some(user) = &launch.user {
        command.uid(user.uid).gid(user.gid);
    }
    let parent = std::process::id() as i32;
    // SAFETY: prctl and getppid are async-signal-safe and touch no memory of the parent.
    unsafe {
        command.pre_exec(move || {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
            if nix::unistd::getppid().as_raw() != parent {
                return Err(std::io::Error::other("the supervisor died"));
            }
            Ok(())
        });
    }
    Ok(command)
}

/// Kills every process that carries the mark of `supervisor`, until none is left. The supervisor
/// itself carries none.
pub fn sweep(supervisor: &ProcessIdentity) {
    let wanted = format!("{MARK}={}", mark_of(supervisor));
    for _ in 0..SWEEPS_MAX {
        let marked = marked(wanted.as_bytes());
        if marked.is_empty() {
            return;
        }
        for pid in marked {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        std::thread::sleep(SWEEP_INTERVAL);
    }
}

fn mark_of(supervisor: &ProcessIdentity) -> String {
    format!("{}.{}", supervisor.pid, supervisor.start_ticks)
}

/// Processes with this entry in the environment they were started with. One that is ending has
/// none any more, and one of another user cannot be read.
fn marked(entry: &[u8]) -> Vec<i32> {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| {
            std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
                environment.split(|byte| *byte == 0).any(|one| one == entry)
            })
        })
        .collect()
}

/// The process group of a short-lived helper: killed when this is dropped, so that a helper which
/// is given up on takes along what it started.
pub(crate) struct HelperGroup(Option<Pid>);

impl HelperGroup {
    pub(crate) fn of(child: &tokio::process::Child) -> HelperGroup {
        HelperGroup(child.id().map(|pid| Pid::from_raw(pid as i32)))
    }
}

impl Drop for HelperGroup {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

/// Finds a program as a shell would, looking first in `first` (the folder of this executable, where
/// a build leaves its services), then in `PATH`. A name with a slash is a path from the
/// working directory. The result is absolute.
pub fn find_program(name: &str, first: Option<&Path>) -> Option<PathBuf> {
    if name.contains('/') {
        let path = std::path::absolute(name).ok()?;
        return is_executable(&path).then_some(path);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    first
        .map(Path::to_path_buf)
        .into_iter()
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
