//! What the operating system grants: loopback addresses, open files, memory and disk.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use nix::sys::resource::{Resource, getrlimit};
use shaketable_testbed::Home;

use super::Check;

/// Any address of the block from which every process gets one of its own.
const LOOPBACK: Ipv4Addr = Ipv4Addr::new(127, 83, 104, 97);
/// What a Kafka broker with a few hundred partitions, its sockets and jars holds open at once.
const OPEN_FILES_MIN: u64 = 4096;
/// What the largest reference system holds, and something to spare.
const MEMORY_BYTES_MIN: u64 = 4 << 30;
/// Data, logs and records of a few runs.
const DISK_BYTES_MIN: u64 = 2 << 30;
/// For people.
const GIB: f64 = (1_u64 << 30) as f64;

/// All of them; data is put into `home`.
pub(super) fn all(home: &Home) -> Vec<Check> {
    vec![loopback(), open_files(), memory(), disk(home.root())]
}

fn loopback() -> Check {
    const FOR: &str = "every process: each has an address of its own";
    match TcpListener::bind((LOOPBACK, 0)) {
        Ok(_) => Check::ok("loopback addresses", FOR, "127.0.0.0/8 can be bound"),
        Err(error) => {
            let remedy = if cfg!(target_os = "macos") {
                format!(
                    "macOS has 127.0.0.1 alone until others are added: sudo ifconfig lo0 alias {LOOPBACK} up (and so for each address; Linux needs nothing)"
                )
            } else {
                "ip link set lo up (as root), and let no firewall hold 127.0.0.0/8 back".to_owned()
            };
            Check::missing(
                "loopback addresses",
                FOR,
                format!("{LOOPBACK} cannot be bound: {error}"),
                remedy,
            )
        }
    }
}

fn open_files() -> Check {
    const FOR: &str = "Kafka: a broker holds every log segment and connection open";
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, _)) if soft >= OPEN_FILES_MIN => Check::ok("open files", FOR, soft.to_string()),
        Ok((soft, hard)) => {
            let remedy = if hard >= OPEN_FILES_MIN {
                format!("ulimit -n {}", hard.min(65_536))
            } else {
                "raise `nofile` in /etc/security/limits.conf to 65536 (as root), and log in again"
                    .to_owned()
            };
            let wrong =
                format!("at most {soft} (hard limit {hard}), and {OPEN_FILES_MIN} are needed");
            Check::missing("open files", FOR, wrong, remedy)
        }
        Err(error) => Check::missing("open files", FOR, error.to_string(), "ulimit -n").optional(),
    }
}

fn memory() -> Check {
    const FOR: &str = "a system of three brokers, a database and their services";
    // `MemAvailable:   22911232 kB`
    let available = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("MemAvailable:"))?;
            let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
            Some(kilobytes * 1024)
        });
    enough(
        "memory",
        FOR,
        available,
        MEMORY_BYTES_MIN,
        "end what you do not need, or run a smaller system",
    )
}

fn disk(home: &Path) -> Check {
    const FOR: &str = "data, logs and records under the home folder";
    // The home folder itself may not be there yet.
    let free = home.ancestors().find_map(|folder| {
        let of = nix::sys::statvfs::statvfs(folder).ok()?;
        Some(of.blocks_available() as u64 * of.fragment_size() as u64)
    });
    enough(
        "disk",
        FOR,
        free,
        DISK_BYTES_MIN,
        "let SHAKETABLE_HOME name a folder on another disk, or remove old runs",
    )
}

/// Too little is a warning: a small system may still fit.
fn enough(
    name: &'static str,
    needed_for: &'static str,
    bytes: Option<u64>,
    min: u64,
    remedy: &str,
) -> Check {
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / GIB);
    match bytes {
        Some(bytes) if bytes >= min => Check::ok(name, needed_for, format!("{} free", gib(bytes))),
        Some(bytes) => {
            let wrong = format!("{} free, and {} are advised", gib(bytes), gib(min));
            Check::missing(name, needed_for, wrong, remedy).optional()
        }
        None => Check::missing(name, needed_for, "cannot be told", remedy).optional(),
    }
}
