//! One interpreter with a host in it: starting it, asking it, interrupting it, ending it.
//!
//! The host's standard input is one end of a socket, on which it gets its own source and then the requests;
//! standard output and standard error are left to the code it runs.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Socket;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value as Json;
use shaketable_dialect::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};

use crate::documents::{DocumentName, Held};
use crate::error::{PythonError, Raised};
use crate::function::{CallId, Thread};
use crate::notice::{LogRecord, Notice};

/// How long interrupted code may take to end before its process group is killed.
pub const INTERRUPT_GRACE: Duration = Duration::from_secs(2);
/// How long the host may take to exit when it is asked to.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);
/// How long an interpreter may take to start; a command that installs packages first needs its time.
pub const START_LIMIT: Duration = Duration::from_secs(600);
/// How long the last answers of a host that has ended may take to arrive.
const LAST_ANSWERS: Duration = Duration::from_millis(200);
/// How much of an answer that makes no sense is shown, in characters.
const SHOWN: usize = 80;

const SOURCE: &str = include_str!("host.py");
const BOOTSTRAP: &str = "import os,sys,types
d=os.dup(0);n=os.open(os.devnull,os.O_RDONLY);os.dup2(n,0);os.close(n)
c=os.fdopen(d,'rb');s,g=map(int,c.readline().split())
m=sys.modules['shaketable_host']=types.ModuleType('shaketable_host')
exec(compile(c.read(s),'<shaketable host>','exec'),m.__dict__);m.start(c,g)";

/// Which calls to interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// All of them.
    All,
    /// Those of the main thread.
    Foreground,
    /// Those with a thread of their own.
    Background,
    /// One call.
    Call(CallId),
}

/// What an interruption raises in the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interruption {
    /// `chaoslib.exceptions.InterruptExecution`, with a message.
    InterruptExecution(String),
    /// `chaoslib.exceptions.ExperimentExitedException`.
    ExperimentExited,
    /// `SystemExit`, with an exit code.
    SystemExit(i32),
    /// `KeyboardInterrupt`.
    KeyboardInterrupt,
    /// An exception of our own that `except Exception` does not catch.
    Cancelled,
}

/// An answer, and the documents the request has changed.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) json: Json,
    pub(crate) changes: Vec<(DocumentName, Value)>,
}

/// Where an answer arrives.
pub(crate) type Waited = oneshot::Receiver<Result<Answer, PythonError>>;

type Waiting = HashMap<u64, (Thread, oneshot::Sender<Result<Answer, PythonError>>)>;

/// A running interpreter.
pub(crate) struct Process {
    /// Tells processes apart, for the documents each one holds.
    pub(crate) generation: u64,
    outgoing: mpsc::UnboundedSender<String>,
    waiting: Mutex<Waiting>,
    group: Pid,
    ended: watch::Sender<Option<String>>,
    held: Arc<Mutex<Held>>,
    handlers: AtomicBool,
    notices: mpsc::UnboundedSender<Notice>,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Process {
    /// Starts a command as a host and waits until it is ready.
    pub(crate) async fn start(
        command: &[OsString],
        environment: &[(OsString, OsString)],
        stdout_to_stderr: bool,
        held: Arc<Mutex<Held>>,
        notices: mpsc::UnboundedSender<Notice>,
    ) -> Result<Arc<Process>, PythonError> {
        static GENERATIONS: AtomicU64 = AtomicU64::new(1);
        let shown = command
            .first()
            .map(|program| program.to_string_lossy().into_owned())
            .unwrap_or_default();
        let not_started = |reason: String| PythonError::NotStarted {
            interpreter: shown.clone(),
            reason,
        };
        let failed = |error: std::io::Error| not_started(error.to_string());
        let (ours, theirs) = Socket::pair().map_err(failed)?;
        ours.set_nonblocking(true).map_err(failed)?;
        let (reading, writing) = UnixStream::from_std(ours).map_err(failed)?.into_split();
        let mut builder = Command::new(command.first().cloned().unwrap_or_default());
        builder
            .args(command.iter().skip(1))
            .args(["-c", BOOTSTRAP])
            .envs(environment.iter().cloned())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .process_group(0);
        if stdout_to_stderr {
            builder.stdout(Stdio::from(std::io::stderr()));
        }
        let child = builder.spawn().map_err(failed)?;
        // The command keeps its copy of the host's end open; the host's end must close with the host.
        drop(builder);
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .map(Pid::from_raw)
            .ok_or_else(|| not_started("it ended at once".into()))?;
        let (outgoing, lines) = mpsc::unbounded_channel();
        let process = Arc::new(Process {
            generation: GENERATIONS.fetch_add(1, Ordering::Relaxed),
            outgoing,
            waiting: Mutex::default(),
            group,
            ended: watch::Sender::new(None),
            held,
            handlers: AtomicBool::new(false),
            notices,
        });
        process.say(format!("{} {group}\n{SOURCE}", SOURCE.len()));
        let (ready, is_ready) = oneshot::channel();
        tokio::spawn(write(lines, writing));
        let reader = tokio::spawn(process.clone().read(reading, ready));
        tokio::spawn(process.clone().supervise(child, reader));
        match tokio::time::timeout(START_LIMIT, is_ready).await {
            Ok(Ok(())) => Ok(process),
            Ok(Err(_)) => Err(not_started(format!(
                "it ended before it was ready ({}); Python 3.8 or later is needed",
                process.status().await
            ))),
            Err(_) => {
                process.kill();
                Err(not_started(format!(
                    "it was not ready within {START_LIMIT:?}"
                )))
            }
        }
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&self) -> bool {
        self.ended.borrow().is_none()
    }

    /// Whether a control has registered handlers of run events.
    pub(crate) fn has_handlers(&self) -> bool {
        self.handlers.load(Ordering::Relaxed)
    }

    /// Sends a request; gives where its answer arrives.
    pub(crate) fn ask(
        &self,
        id: CallId,
        thread: Thread,
        line: String,
    ) -> Result<Waited, PythonError> {
        let (sender, answer) = oneshot::channel();
        locked(&self.waiting).insert(id.0, (thread, sender));
        if !self.is_running() {
            locked(&self.waiting).remove(&id.0);
            return Err(self.died());
        }
        self.say(line);
        Ok(answer)
    }

    /// Waits for the answer to a request; when that takes longer than `timeout`, or when the future is
    /// dropped, the request is interrupted.
    pub(crate) async fn wait(
        self: &Arc<Process>,
        id: CallId,
        mut answer: Waited,
        timeout: Option<Duration>,
    ) -> Result<Answer, PythonError> {
        let guard = Abandoned { process: self, id };
        let Some(limit) = timeout else {
            let result = (&mut answer).await;
            std::mem::forget(guard);
            return result.unwrap_or_else(|_| Err(self.died()));
        };
        if let Ok(result) = tokio::time::timeout(limit, &mut answer).await {
            std::mem::forget(guard);
            return result.unwrap_or_else(|_| Err(self.died()));
        }
        self.interrupt(Target::Call(id), &Interruption::Cancelled);
        // Ends in any case: the interruption kills the group when the code does not react.
        let _ = answer.await;
        std::mem::forget(guard);
        Err(PythonError::TimedOut { after: limit })
    }

    /// Raises an exception in calls; kills the group if one of them has not ended within
    /// [`INTERRUPT_GRACE`].
    pub(crate) fn interrupt(self: &Arc<Process>, target: Target, interruption: &Interruption) {
        let ids: Vec<u64> = locked(&self.waiting)
            .iter()
            .filter(|(id, (thread, _))| match target {
                Target::All => true,
                Target::Foreground => *thread == Thread::Foreground,
                Target::Background => *thread == Thread::Background,
                Target::Call(call) => **id == call.0,
            })
            .map(|(id, _)| *id)
            .collect();
        if ids.is_empty() {
            return;
        }
        let (kind, message) = match interruption {
            Interruption::InterruptExecution(message) => {
                ("InterruptExecution", Json::from(message.as_str()))
            }
            Interruption::ExperimentExited => ("ExperimentExitedException", Json::Null),
            Interruption::SystemExit(code) => ("SystemExit", Json::from(*code)),
            Interruption::KeyboardInterrupt => ("KeyboardInterrupt", Json::Null),
            Interruption::Cancelled => ("Cancelled", Json::Null),
        };
        let request = serde_json::json!(
            {"op": "interrupt", "ids": ids, "kind": kind, "message": message}
        );
        self.say(format!("{request}\n"));
        let process = self.clone();
        let enforce = async move {
            let mut ended = process.ended.subscribe();
            let _ = tokio::time::timeout(INTERRUPT_GRACE, ended.wait_for(Option::is_some)).await;
            let stuck = {
                let waiting = locked(&process.waiting);
                ids.iter().any(|id| waiting.contains_key(id))
            };
            if stuck {
                process.kill();
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(enforce)),
            Err(_) => self.kill(),
        }
    }

    /// Asks the host to exit; kills its group if it does not.
    pub(crate) async fn shut_down(&self) {
        self.say("{\"op\":\"exit\"}\n".to_string());
        if tokio::time::timeout(SHUTDOWN_GRACE, self.status())
            .await
            .is_err()
        {
            self.kill();
            let _ = tokio::time::timeout(SHUTDOWN_GRACE, self.status()).await;
        }
    }

    /// Kills the whole process group.
    pub(crate) fn kill(&self) {
        if self.is_running() {
            // It fails when the group is gone already.
            let _ = killpg(self.group, Signal::SIGKILL);
        }
    }

    fn say(&self, line: String) {
        // Fails when the host has ended, which the supervisor tells everybody who waits.
        let _ = self.outgoing.send(line);
    }

    async fn status(&self) -> String {
        let mut ended = self.ended.subscribe();
        match ended.wait_for(Option::is_some).await {
            Ok(status) => status.clone().unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    fn died(&self) -> PythonError {
        PythonError::HostDied {
            status: self.ended.borrow().clone().unwrap_or_default(),
        }
    }

    async fn supervise(self: Arc<Process>, mut child: Child, reader: tokio::task::JoinHandle<()>) {
        let status = match child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        // A child of the host may still hold the socket open.
        let abort = reader.abort_handle();
        if tokio::time::timeout(LAST_ANSWERS, reader).await.is_err() {
            abort.abort();
        }
        self.ended.send_replace(Some(status));
        let waiting = std::mem::take(&mut *locked(&self.waiting));
        for (_, (_, sender)) in waiting {
            let _ = sender.send(Err(self.died()));
        }
    }

    async fn read(self: Arc<Process>, reading: OwnedReadHalf, ready: oneshot::Sender<()>) {
        let mut lines = BufReader::new(reading).lines();
        let mut ready = Some(ready);
        while let Ok(Some(line)) = lines.next_line().await {
            match serde_json::from_str::<Json>(&line) {
                Ok(json) if json.get("ready").is_some() => {
                    if let Some(ready) = ready.take() {
                        let _ = ready.send(());
                    }
                }
                Ok(json) => self.hear(json),
                Err(_) => {
                    self.confused(&line);
                    break;
                }
            }
        }
        // Without its socket a host is of no use; usually it has ended already.
        self.kill();
    }

    fn hear(&self, mut json: Json) {
        if let Some(record) = json.get("log") {
            let _ = self.notices.send(Notice::Log(LogRecord::from_json(record)));
        } else if let Some(signal) = json["signal"].as_i64() {
            let _ = self.notices.send(Notice::Signal(signal as i32));
        } else if let Some(changed) = json["environment"].as_object() {
            let changed = changed.iter();
            let changed =
                changed.map(|(name, value)| (name.clone(), value.as_str().map(str::to_owned)));
            let _ = self.notices.send(Notice::Environment(changed.collect()));
        } else if let Some(id) = json["id"].as_u64() {
            if json["handlers"] == true {
                self.handlers.store(true, Ordering::Relaxed);
            }
            let changes = match json.get("changes") {
                Some(changes) => locked(&self.held).receive(changes),
                None => Vec::new(),
            };
            let result = match json.get("raised") {
                Some(raised) => Err(PythonError::Raised(Box::new(Raised::from_json(raised)))),
                None => Ok(Answer {
                    json: json.take(),
                    changes,
                }),
            };
            let waiting = locked(&self.waiting).remove(&id);
            if let Some((_, sender)) = waiting {
                // Nobody waits any more for a call that was given up.
                let _ = sender.send(result);
            }
        }
    }

    fn confused(&self, line: &str) {
        let answer: String = line.chars().take(SHOWN).collect();
        let waiting = std::mem::take(&mut *locked(&self.waiting));
        for (_, (_, sender)) in waiting {
            let _ = sender.send(Err(PythonError::Protocol {
                answer: answer.clone(),
            }));
        }
    }
}

async fn write(mut lines: mpsc::UnboundedReceiver<String>, mut writing: OwnedWriteHalf) {
    while let Some(line) = lines.recv().await {
        if writing.write_all(line.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Interrupts a call nobody waits for any more.
struct Abandoned<'a> {
    process: &'a Arc<Process>,
    id: CallId,
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        self.process
            .interrupt(Target::Call(self.id), &Interruption::Cancelled);
    }
}
