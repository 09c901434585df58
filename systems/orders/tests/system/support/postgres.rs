//! A real PostgreSQL of its own, in a temporary folder, gone when dropped.

use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::unistd::{Uid, User};
use orders::store::{CONNECTIONS_API, Store};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;

/// A running server with a database `postgres`, in which anybody is its user `postgres`.
pub struct Postgres {
    server: Child,
    port: u16,
    _folder: TempDir,
}

/// Where it listens; the port is free.
pub const HOST: &str = "127.77.0.1";

/// Whom the server runs as when the tests run as root, which it refuses.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

impl Postgres {
    pub fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new()
            .prefix("orders-postgres-")
            .tempdir()
            .unwrap();
        let user = Uid::effective().is_root().then(|| {
            let found = UNPRIVILEGED
                .iter()
                .find_map(|name| User::from_name(name).ok()?);
            found.expect("a user that is not root")
        });
        if let Some(user) = &user {
            chown(
                folder.path(),
                Some(user.uid.as_raw()),
                Some(user.gid.as_raw()),
            )
            .unwrap();
        }
        let command = |program: &str| {
            let mut command = Command::new(programs.join(program));
            command
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            if let Some(user) = &user {
                command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
            }
            command
        };
        let made = command("initdb")
            .args(["--pgdata", "data", "--encoding", "UTF8", "--locale", "C"])
            .args(["--username", "postgres", "--auth", "trust", "--no-sync"])
            .status()
            .unwrap();
        assert!(made.success(), "initdb: {made}");
        let port = TcpListener::bind((HOST, 0))
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let server = command("postgres")
            .args(["-D", "data", "-p", &port.to_string(), "-h", HOST])
            .args(["-c", "unix_socket_directories=", "-c", "fsync=off"])
            .spawn()
            .unwrap();
        Self {
            server,
            port,
            _folder: folder,
        }
    }

    pub fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host(HOST)
            .port(self.port)
            .username("postgres")
            .database("postgres")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// A store with its tables.
    pub async fn store(&self) -> Store {
        let store = Store::new(self.options(), CONNECTIONS_API);
        store.migrate().await.unwrap();
        store
    }

    /// Connections beside those of a store.
    pub fn pool(&self) -> PgPool {
        PgPool::connect_lazy_with(self.options())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its children notice that it is gone and end.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The folder of the server's programs, the newest version's.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut found: Vec<PathBuf> = versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|folder| folder.join("initdb").exists())
        .collect();
    found.sort();
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    found
        .pop()
        .or_else(|| {
            std::env::split_paths(&on_path).find(|folder| Path::new(folder).join("initdb").exists())
        })
        .expect("PostgreSQL's initdb; run `make setup`")
}
