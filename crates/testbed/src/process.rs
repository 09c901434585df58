//! The identity of a process: a pid alone is reused, a pid with its start time and boot id is not.

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// Clock ticks in a second, as Linux tells them to programs on every machine it runs on today.
pub const TICKS_PER_SECOND: f64 = 100.0;
/// How often a tree of processes is gone through for those that were made meanwhile, at most.
const TREE_PASSES_MAX: usize = 10;

/// Who a process is, beyond its pid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// The process id.
    pub pid: i32,
    /// Start time in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub start_ticks: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
}

impl ProcessIdentity {
    /// The identity of a process that runs now; `None` when there is no such process.
    pub fn of(pid: i32) -> Option<ProcessIdentity> {
        let stat = Stat::read(pid)?;
        Some(ProcessIdentity {
            pid,
            start_ticks: stat.start_ticks,
            boot_id: boot_id(),
        })
    }

    /// The identity of this process.
    pub fn own() -> ProcessIdentity {
        let pid = std::process::id() as i32;
        ProcessIdentity::of(pid).unwrap_or(ProcessIdentity {
            pid,
            start_ticks: 0,
            boot_id: boot_id(),
        })
    }

    /// Whether this very process still runs. A zombie does not run.
    pub fn is_alive(&self) -> bool {
        self.boot_id == boot_id()
            && Stat::read(self.pid)
                .is_some_and(|stat| stat.start_ticks == self.start_ticks && !stat.is_dead())
    }

    /// Whether this very process is stopped by a signal (SIGSTOP).
    pub fn is_stopped(&self) -> bool {
        self.boot_id == boot_id()
            && Stat::read(self.pid)
                .is_some_and(|stat| stat.start_ticks == self.start_ticks && stat.state == 'T')
    }

    /// Sends SIGKILL to the process and its process group, if it is still this very process.
    /// Returns whether a signal was sent.
    pub fn kill_group(&self) -> bool {
        if !self.is_alive() {
            return false;
        }
        let pid = Pid::from_raw(self.pid);
        killpg(pid, Signal::SIGKILL).is_ok() || kill(pid, Signal::SIGKILL).is_ok()
    }
}

/// The id of this boot of the machine.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// The process ids of all descendants of a process that run now.
pub fn descendants(pid: i32) -> Vec<i32> {
    let mut found = Vec::new();
    let mut todo = vec![pid];
    while let Some(pid) = todo.pop() {
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
            continue;
        };
        for task in tasks.flatten() {
            let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            let children = text
                .split_whitespace()
                .filter_map(|n| n.parse::<i32>().ok());
            let known = found.len();
            found.extend(children);
            todo.extend(&found[known..]);
        }
    }
    found
}

/// Sends a signal to a process and all its descendants, and returns those it was sent to. One that
/// has left its parent (a daemon) is no descendant. `pid` must be a child of this process that it
/// has not waited for, so that the number cannot be somebody else's.
///
/// SIGSTOP reaches parents before their children and is repeated until there is nobody new, so that
/// a process that is just being made does not get away.
pub fn signal_tree(pid: i32, signal: Signal) -> Vec<ProcessIdentity> {
    let mut reached: Vec<ProcessIdentity> = Vec::new();
    for _ in 0..TREE_PASSES_MAX {
        let tree = std::iter::once(pid).chain(descendants(pid));
        let new: Vec<ProcessIdentity> = tree
            .filter_map(ProcessIdentity::of)
            .filter(|process| !reached.contains(process))
            .collect();
        for process in &new {
            let _ = kill(Pid::from_raw(process.pid), signal);
        }
        let was_last = new.is_empty() || signal != Signal::SIGSTOP;
        reached.extend(new);
        if was_last {
            break;
        }
    }
    reached
}

/// Processor time in clock ticks ([`TICKS_PER_SECOND`]) that a process, its descendants and those
/// of them that have ended have used so far.
pub fn cpu_ticks(pid: i32) -> u64 {
    std::iter::once(pid)
        .chain(descendants(pid))
        .filter_map(|pid| Some(Stat::read(pid)?.cpu_ticks))
        .sum()
}

/// Resident memory in bytes of a process and all its descendants. Shared pages are counted once
/// per process (so PostgreSQL's backends look a little larger than they are).
pub fn resident_bytes(pid: i32) -> u64 {
    const PAGE_BYTES: u64 = 4096;
    let resident_pages = |pid: &i32| -> Option<u64> {
        let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        statm.split_whitespace().nth(1)?.parse().ok()
    };
    std::iter::once(pid)
        .chain(descendants(pid))
        .filter_map(|pid| resident_pages(&pid))
        .sum::<u64>()
        * PAGE_BYTES
}

/// The fields of `/proc/PID/stat` that matter here.
struct Stat {
    state: char,
    /// Its own time and that of the children it has waited for, in user and kernel mode.
    cpu_ticks: u64,
    start_ticks: u64,
}

impl Stat {
    fn read(pid: i32) -> Option<Stat> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command name is in parentheses and may hold anything, parentheses included.
        let after_name = &text[text.rfind(')')? + 1..];
        // The first of these is the third of the manual page.
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let number = |n: usize| fields.get(n - 3)?.parse::<u64>().ok();
        Some(Stat {
            state: fields.first()?.chars().next()?,
            cpu_ticks: number(14)? + number(15)? + number(16)? + number(17)?,
            start_ticks: number(22)?,
        })
    }

    fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_not_stopped() {
        let own = ProcessIdentity::own();
        assert!(own.is_alive());
        assert!(!own.is_stopped());
    }

    #[test]
    fn another_start_time_or_boot_is_another_process() {
        let own = ProcessIdentity::own();
        let earlier = ProcessIdentity {
            start_ticks: own.start_ticks + 1,
            ..own.clone()
        };
        let other_boot = ProcessIdentity {
            boot_id: "another".into(),
            ..own
        };
        assert!(!earlier.is_alive());
        assert!(!other_boot.is_alive());
    }

    #[test]
    fn a_process_that_was_waited_for_is_gone() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let identity = ProcessIdentity::of(child.id() as i32);
        child.wait().unwrap();
        assert!(identity.is_none_or(|identity| !identity.is_alive()));
    }

    /// Whether it holds within ten seconds.
    fn soon(holds: impl Fn() -> bool) -> bool {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !holds() && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        holds()
    }

    #[test]
    fn a_signal_reaches_children_and_grandchildren() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "setsid sh -c 'sleep 1000 & wait' & wait"])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let pid = child.id() as i32;
        let complete = soon(|| descendants(pid).len() == 2);
        let stopped = signal_tree(pid, Signal::SIGSTOP);
        let all_stopped = soon(|| stopped.iter().all(ProcessIdentity::is_stopped));
        let killed = signal_tree(pid, Signal::SIGKILL);
        child.wait().unwrap();
        assert_eq!(
            (complete, stopped.len(), all_stopped),
            (true, 3, true),
            "{stopped:?}"
        );
        assert_eq!(killed, stopped);
        assert!(soon(|| !killed.iter().any(ProcessIdentity::is_alive)));
    }

    #[test]
    fn processor_time_counts_children_that_have_ended() {
        let before = cpu_ticks(std::process::id() as i32);
        let count = "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done";
        let mut child = std::process::Command::new("sh")
            .args(["-c", count])
            .spawn()
            .unwrap();
        child.wait().unwrap();
        assert!(cpu_ticks(std::process::id() as i32) > before);
    }
}
