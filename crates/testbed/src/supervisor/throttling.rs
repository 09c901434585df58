//! Throttling: a process and its descendants are stopped and continued in turn.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::task::JoinHandle;

use crate::control::Throttle;
use crate::process::{ProcessIdentity, signal_tree};

/// A process that is being throttled. When this is dropped, it and its descendants run again.
pub(super) struct Throttling {
    /// Absent once the process was waited for: the number may be somebody else's by then.
    pid: Option<i32>,
    cycle: JoinHandle<()>,
}

impl Throttling {
    /// Throttles a child of this process that it has not waited for.
    pub(super) fn begin(pid: i32, throttle: Throttle) -> Result<Throttling, String> {
        throttle.check()?;
        let run = Duration::from_millis(throttle.run_ms);
        let stop = Duration::from_millis(throttle.stop_ms);
        let cycle = tokio::task::spawn_local(async move {
            loop {
                let stopped = Stopped(signal_tree(pid, Signal::SIGSTOP));
                tokio::time::sleep(stop).await;
                drop(stopped);
                tokio::time::sleep(run).await;
            }
        });
        Ok(Throttling {
            pid: Some(pid),
            cycle,
        })
    }

    /// The process has ended and was waited for.
    pub(super) fn ended(mut self) {
        self.pid = None;
    }
}

impl Drop for Throttling {
    fn drop(&mut self) {
        self.cycle.abort();
        // The task lets go of those it has stopped, but later than now.
        if let Some(pid) = self.pid {
            signal_tree(pid, Signal::SIGCONT);
        }
    }
}

/// Processes that stand still until this is dropped, also those whose parent has ended meanwhile.
struct Stopped(Vec<ProcessIdentity>);

impl Drop for Stopped {
    fn drop(&mut self) {
        for process in self.0.iter().filter(|process| process.is_alive()) {
            let _ = kill(Pid::from_raw(process.pid), Signal::SIGCONT);
        }
    }
}
