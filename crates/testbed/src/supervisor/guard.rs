//! The guard: a second process that ends what a killed supervisor could not.
//!
//! The kernel kills a supervisor's own children with it, but not *their* children (a shell's
//! programs, for instance). The guard holds the reading end of a pipe whose writing end only the
//! supervisor has: when that end closes, for whatever reason, it kills every process that carries
//! the supervisor's mark ([`crate::spawn::sweep`]) and ends.

use std::io::{PipeWriter, Read};

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, setsid};

use crate::process::ProcessIdentity;
use crate::spawn::sweep;

/// The guard of this supervisor.
pub(super) struct Guard {
    pid: Pid,
    life: PipeWriter,
}

impl Guard {
    /// Posts the guard. This process must have one thread only, since it is forked.
    pub(super) fn post() -> std::io::Result<Guard> {
        if std::fs::read_dir("/proc/self/task")?.count() != 1 {
            return Err(std::io::Error::other(
                "the supervising process has more than one thread",
            ));
        }
        let (mut silence, life) = std::io::pipe()?;
        let supervisor = ProcessIdentity::own();
        // SAFETY: there is no other thread that could hold a lock at this moment.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Guard { pid: child, life }),
            ForkResult::Child => {
                drop(life);
                let _ = nix::sys::prctl::set_name(c"shake-guard");
                // Out of reach of a signal to the supervisor's group.
                let _ = setsid();
                let _ = silence.read(&mut [0]);
                sweep(&supervisor);
                // SAFETY: ends the process at once; nothing here needs to be dropped.
                unsafe { nix::libc::_exit(0) }
            }
        }
    }

    /// Has the guard do its work now and waits until it has ended.
    pub(super) fn dismiss(self) {
        drop(self.life);
        let _ = waitpid(self.pid, None);
    }
}
