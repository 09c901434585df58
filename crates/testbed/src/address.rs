//! Loopback addresses: one /24 of 127.16.0.0 – 127.31.255.0 per running system.
//!
//! A /24 belongs to the supervisor that listens on [`CLAIM_PORT`] of its `.1` address. The kernel
//! gives that listener to one process only and takes it back when the process dies, so a claim is
//! exact and never stale, also between users and home folders that know nothing of each other.
//! Linux lets any process bind any address of 127.0.0.0/8; macOS knows only 127.0.0.1.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

/// The port on which a /24 is claimed; below those the kernel gives out by itself, since a listener
/// on all addresses would be in the way of every claim.
pub const CLAIM_PORT: u16 = 27_999;
/// How many /24 there are to choose from.
pub const SUBNET_COUNT: u64 = 16 * 256;
/// The last byte of the first instance's address; the ones below are for the supervisor and, later,
/// for proxies.
pub const FIRST_HOST: u8 = 10;

/// A claimed /24. The claim lasts as long as this value.
#[derive(Debug)]
pub struct Subnet {
    base: [u8; 3],
    _claim: TcpListener,
}

impl Subnet {
    /// Claims a free /24. `preference` (home folder and system name) decides where the search
    /// begins, so that a system usually gets the same addresses again.
    pub fn claim(preference: &str) -> Result<Subnet, String> {
        let mut hasher = DefaultHasher::new();
        preference.hash(&mut hasher);
        let first = hasher.finish() % SUBNET_COUNT;
        let mut last_error = None;
        for step in 0..SUBNET_COUNT {
            let index = (first + step) % SUBNET_COUNT;
            let base = [127, 16 + (index / 256) as u8, (index % 256) as u8];
            let address =
                SocketAddrV4::new(Ipv4Addr::new(base[0], base[1], base[2], 1), CLAIM_PORT);
            match TcpListener::bind(address) {
                Ok(claim) => {
                    return Ok(Subnet {
                        base,
                        _claim: claim,
                    });
                }
                Err(error) => last_error = Some(format!("{address}: {error}")),
            }
        }
        Err(format!(
            "no free 127.x.y.0/24 for the system; the last try was {}",
            last_error.unwrap_or_default()
        ))
    }

    /// The address of the n-th instance (from 0).
    pub fn host(&self, n: usize) -> Result<Ipv4Addr, String> {
        let last = u8::try_from(n + usize::from(FIRST_HOST))
            .ok()
            .filter(|last| *last < 255)
            .ok_or_else(|| {
                format!(
                    "a system may have {} processes at most",
                    255 - usize::from(FIRST_HOST)
                )
            })?;
        Ok(Ipv4Addr::new(
            self.base[0],
            self.base[1],
            self.base[2],
            last,
        ))
    }
}

/// Checks that `address` can be listened on; the error names who holds it, where that can be seen.
pub fn check_free(address: SocketAddrV4) -> Result<(), String> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(match holder(address) {
            Some((local, Some((pid, command)))) => format!(
                "port {} of {} is taken: process {pid} ({command}) listens on {local}; stop it, or let it listen on one address only",
                address.port(),
                address.ip()
            ),
            Some((local, None)) => format!(
                "port {} of {} is taken: another user's process listens on {local}",
                address.port(),
                address.ip()
            ),
            None => format!("port {} of {} is taken", address.port(), address.ip()),
        }),
        Err(error) => Err(format!("cannot listen on {address}: {error}")),
    }
}

/// The listener that is in the way of `address`, and the process that owns it.
fn holder(address: SocketAddrV4) -> Option<(String, Option<(i32, String)>)> {
    for (table, is_v6) in [("/proc/net/tcp", false), ("/proc/net/tcp6", true)] {
        let Ok(text) = std::fs::read_to_string(table) else {
            continue;
        };
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, state, ..] = fields.as_slice() else {
                continue;
            };
            let Some((ip, port)) = local.split_once(':') else {
                continue;
            };
            let listening = *state == "0A" && u16::from_str_radix(port, 16) == Ok(address.port());
            if !listening {
                continue;
            }
            let ip = if is_v6 {
                if ip.chars().any(|c| c != '0') {
                    continue;
                }
                "[::]".to_owned()
            } else {
                let Ok(raw) = u32::from_str_radix(ip, 16) else {
                    continue;
                };
                let ip = Ipv4Addr::from(raw.to_le_bytes());
                if ip != Ipv4Addr::UNSPECIFIED && ip != *address.ip() {
                    continue;
                }
                ip.to_string()
            };
            let inode = fields.get(9).copied().unwrap_or_default();
            return Some((format!("{ip}:{}", address.port()), owner_of(inode)));
        }
    }
    None
}

fn owner_of(inode: &str) -> Option<(i32, String)> {
    let wanted = format!("socket:[{inode}]");
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        let Ok(descriptors) = std::fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        for descriptor in descriptors.flatten() {
            if std::fs::read_link(descriptor.path())
                .is_ok_and(|link| link.to_string_lossy() == wanted)
            {
                let command =
                    std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                return Some((pid, command.trim().to_owned()));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_claims_of_one_preference_differ_and_a_dropped_one_is_free_again() {
        let first = Subnet::claim("home/orders").unwrap();
        let second = Subnet::claim("home/orders").unwrap();
        assert_ne!(first.host(0).unwrap(), second.host(0).unwrap());
        let address = first.host(0).unwrap();
        drop(first);
        let third = Subnet::claim("home/orders").unwrap();
        assert_eq!(third.host(0).unwrap(), address);
    }

    #[test]
    fn hosts_run_out_with_a_message() {
        let subnet = Subnet::claim("home/many").unwrap();
        assert!(subnet.host(244).is_ok());
        assert!(subnet.host(245).unwrap_err().contains("245 processes"));
    }

    #[test]
    fn a_taken_port_names_who_holds_it() {
        let holder = TcpListener::bind("127.15.0.9:0").unwrap();
        let port = holder.local_addr().unwrap().port();
        let message =
            check_free(SocketAddrV4::new(Ipv4Addr::new(127, 15, 0, 9), port)).unwrap_err();
        assert!(
            message.contains(&format!("process {}", std::process::id())),
            "{message}"
        );
        assert!(
            message.contains(&format!("listens on 127.15.0.9:{port}")),
            "{message}"
        );
    }
}
