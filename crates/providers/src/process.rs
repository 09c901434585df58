//! Programs: started without a shell, in a process group of their own, awaited to the end.
//!
//! 1. The child leads a process group of its own. When the time is over, or the future is
//!    dropped, the whole group gets SIGKILL, and the child is reaped.
//! 2. As long as the child is not reaped its number cannot be reused: the group is only ever
//!    signalled before that, so no stranger is hit.
//! 3. Both streams are read to their end, which is when the last process holding them has closed
//!    them: a grandchild that keeps them open is waited for, as long as the time allows.
//! 4. A process that has ended in time leaves alone what it put in the background with its
//!    streams closed: starting a daemon is a legitimate activity.
//!
//! When this program itself is killed with SIGKILL, running children survive it, unless
//! [`Process::ends_with_us`]: the kernel's parent-death signal can only be set between fork and exec,
//! which rules out `posix_spawn` and takes longer.
//!
//! A child in a group of its own that reads from the terminal is stopped by the kernel; callers
//! that run attended choose [`Stdin::Null`].

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{AccessFlags, Pid};
use shaketable_dialect::Raised;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// Bytes read of a stream at once: what a pipe holds.
const READ_BYTES: usize = 64 * 1024;
/// How often a killed child is looked for before tokio is left to reap it.
const REAP_ATTEMPTS: u32 = 100;
/// Time between two such looks.
const REAP_PAUSE: Duration = Duration::from_millis(1);
/// Where programs are looked for when there is no `PATH` (Python's `os.defpath`).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A program to run, once.
#[derive(Debug, Clone)]
pub struct Process {
    /// Absolute path of the program.
    pub program: PathBuf,
    /// The arguments after the program's own name.
    pub arguments: Vec<OsString>,
    /// Longest time from start to end; `None` waits for ever.
    pub timeout: Option<Duration>,
    /// The whole environment of the program; `None` inherits this process's.
    pub environment: Option<BTreeMap<OsString, OsString>>,
    /// Most bytes kept of each stream; what comes after is read, counted and dropped.
    pub keep: usize,
    /// Where the program reads from.
    pub stdin: Stdin,
    /// The folder it runs in; `None`: where this process does.
    pub directory: Option<PathBuf>,
    /// Whether the child is killed when this process ends, however that ends.
    pub ends_with_us: bool,
}

/// Where a program reads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stdin {
    /// From where this process does.
    #[default]
    Inherit,
    /// From nowhere: it finds the end at once.
    Null,
}

/// What a program that ended left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessOutput {
    /// Exit code, or -N when signal N ended it.
    pub status: i32,
    /// What it wrote to its standard output.
    pub stdout: Stream,
    /// What it wrote to its standard error.
    pub stderr: Stream,
}

/// What was read of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stream {
    /// The first bytes, at most as many as were to be kept.
    pub bytes: Vec<u8>,
    /// How many bytes came after them.
    pub dropped: u64,
}

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub enum ProcessFailure {
    /// The program could not be started: not there, not executable, not a program.
    #[error("cannot start {}: {source}; check its path and permissions", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The program was running longer than it may; its group has been killed.
    #[error("{} was still running after {after:?} and was killed", program.display())]
    TimedOut {
        /// The program.
        program: PathBuf,
        /// The time it had.
        after: Duration,
    },
    /// A stream of the running program could not be read, or its end not awaited.
    #[error("lost sight of {}: {source}", program.display())]
    Lost {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ProcessFailure {
    /// The exception Python's `subprocess.run` raises for this.
    pub fn raised(&self) -> Raised {
        match self {
            Self::Start { program, source } => raised_by_exec(program, source),
            Self::TimedOut { program, after } => Raised::new(
                "TimeoutExpired",
                format!(
                    "Command '{}' timed out after {} seconds",
                    program.display(),
                    shaketable_dialect::text::float(after.as_secs_f64())
                ),
            ),
            Self::Lost { source, .. } => Raised::new("OSError", source.to_string()),
        }
    }
}

/// The exception of a program that could not be started.
fn raised_by_exec(program: &Path, source: &io::Error) -> Raised {
    let Some(number) = source.raw_os_error() else {
        return Raised::new("OSError", source.to_string());
    };
    let kind = match source.kind() {
        io::ErrorKind::NotFound => "FileNotFoundError",
        io::ErrorKind::PermissionDenied => "PermissionError",
        io::ErrorKind::NotADirectory => "NotADirectoryError",
        _ => "OSError",
    };
    let path = shaketable_dialect::text::repr(&program.to_string_lossy().as_ref().into());
    Raised::new(
        kind,
        format!(
            "[Errno {number}] {}: {path}",
            Errno::from_raw(number).desc()
        ),
    )
}

impl Process {
    /// A program with these arguments, no timeout, the inherited environment and stdin, and
    /// everything it writes kept.
    pub fn new(
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            timeout: None,
            environment: None,
            keep: usize::MAX,
            stdin: Stdin::Inherit,
            directory: None,
            ends_with_us: false,
        }
    }

    /// Runs the program to its end.
    ///
    /// Dropping the future kills the whole process group at once and reaps the child.
    ///
    /// # Errors
    /// The program cannot be started, or takes longer than its timeout.
    pub async fn run(&self) -> Result<ProcessOutput, ProcessFailure> {
        let mut group = Group::start(self).map_err(|source| ProcessFailure::Start {
            program: self.program.clone(),
            source,
        })?;
        let lost = |source| ProcessFailure::Lost {
            program: self.program.clone(),
            source,
        };
        match self.timeout {
            None => group.output(self.keep).await.map_err(lost),
            Some(after) => match tokio::time::timeout(after, group.output(self.keep)).await {
                Ok(output) => output.map_err(lost),
                Err(_) => Err(ProcessFailure::TimedOut {
                    program: self.program.clone(),
                    after,
                }),
            },
        }
    }
}

/// Has the kernel kill the child when the thread that starts it ends.
fn end_with_us(command: &mut Command) {
    // SAFETY: prctl is async-signal-safe. The threads of a runtime live as long as the program.
    unsafe {
        command.pre_exec(|| {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
            Ok(())
        });
    }
}

/// A running child, leader of its group. Dropped before it was reaped, the group is killed.
struct Group {
    /// The child; gone once it was reaped or is being reaped.
    child: Option<Child>,
}

impl Group {
    /// Starts the program.
    fn start(process: &Process) -> io::Result<Self> {
        let mut command = Command::new(&process.program);
        command
            .args(&process.arguments)
            .stdin(match process.stdin {
                Stdin::Inherit => Stdio::inherit(),
                Stdin::Null => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(environment) = &process.environment {
            command.env_clear().envs(environment);
        }
        if let Some(directory) = &process.directory {
            command.current_dir(directory);
        }
        if process.ends_with_us {
            end_with_us(&mut command);
        }
        Ok(Self {
            child: Some(command.spawn()?),
        })
    }

    /// Reads both streams to their end, then waits for the child.
    async fn output(&mut self, keep: usize) -> io::Result<ProcessOutput> {
        let child = self.child.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let (stdout, stderr) = tokio::try_join!(
            Stream::read(child.stdout.take(), keep),
            Stream::read(child.stderr.take(), keep)
        )?;
        let status = child.wait().await?;
        self.child = None;
        let status = status
            .code()
            .or_else(|| status.signal().map(|signal| -signal))
            .unwrap_or(-1);
        Ok(ProcessOutput {
            status,
            stdout,
            stderr,
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) else {
            return;
        };
        // Fails only when nobody is left in the group, which is what is wanted.
        let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        let _ = child.start_kill();
        // A killed child is a zombie within moments; if it is not, tokio reaps it later.
        for _ in 0..REAP_ATTEMPTS {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(REAP_PAUSE);
        }
    }
}

impl Stream {
    /// Reads `source` to its end, keeping the first `keep` bytes.
    async fn read(source: Option<impl AsyncRead + Unpin>, keep: usize) -> io::Result<Self> {
        let mut stream = Self::default();
        let Some(mut source) = source else {
            return Ok(stream);
        };
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = source.read(&mut buffer).await?;
            if read == 0 {
                return Ok(stream);
            }
            let kept = read.min(keep - stream.bytes.len());
            stream.bytes.extend_from_slice(&buffer[..kept]);
            stream.dropped += (read - kept) as u64;
        }
    }
}

/// The path of the program `name`, as Python's `shutil.which` finds it: a name with a `/` is
/// checked as it is, any other is looked for in the folders of `PATH`, in order.
pub fn which(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return is_executable(Path::new(name)).then(|| name.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    if path.is_empty() || name.is_empty() {
        return None;
    }
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|candidate| is_executable(candidate))
}

/// Whether this process may execute the file.
fn is_executable(path: &Path) -> bool {
    !path.is_dir() && nix::unistd::access(path, AccessFlags::F_OK | AccessFlags::X_OK).is_ok()
}

/// `path` with a leading `~` or `~user` replaced by that home, as Python's `os.path.expanduser`;
/// unchanged when there is no such user.
pub fn expand_user(path: &str) -> PathBuf {
    let Some(rest) = path.strip_prefix('~') else {
        return path.into();
    };
    let (user, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let home = if user.is_empty() {
        std::env::var_os("HOME").map(PathBuf::from).or_else(|| {
            nix::unistd::User::from_uid(nix::unistd::getuid())
                .ok()
                .flatten()
                .map(|user| user.dir)
        })
    } else {
        nix::unistd::User::from_name(user)
            .ok()
            .flatten()
            .map(|user| user.dir)
    };
    let Some(home) = home else { return path.into() };
    let mut expanded = home.into_os_string().into_string().unwrap_or_default();
    expanded.truncate(expanded.trim_end_matches('/').len());
    expanded.push_str(tail);
    if expanded.is_empty() {
        "/".into()
    } else {
        expanded.into()
    }
}
