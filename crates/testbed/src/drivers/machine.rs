//! What this machine has: Java, Kafka's jars, PostgreSQL's programs, a user to run them as.

use std::path::{Path, PathBuf};

use crate::compose::{Compose, DriverKind};
use crate::spawn::{RunAs, find_program};

/// The version of Kafka that `make setup` puts into the cache.
const KAFKA_VERSION: &str = "4.2.0";

/// The programs of this machine that drivers need; each is found or says why not.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The `java` program.
    pub java: Result<PathBuf, String>,
    /// Kafka's jars, sorted (a shared class archive needs the same order every time).
    pub kafka_jars: Result<Vec<PathBuf>, String>,
    /// The folder of `postgres`, `initdb` and `pg_isready`.
    pub postgres: Result<PathBuf, String>,
    /// Whom to run servers as that refuse root; `None` when this process is not root.
    pub unprivileged: Result<Option<RunAs>, String>,
    /// The folder of this executable: services of the reference systems are built beside it.
    pub own_folder: Option<PathBuf>,
}

impl Machine {
    /// Looks around. Reads the environment: `JAVA_HOME`, `KAFKA_HOME`, `SHAKETABLE_CACHE`, `PATH`.
    pub fn survey() -> Machine {
        Machine {
            java: java(),
            kafka_jars: kafka_jars(),
            postgres: postgres(),
            unprivileged: RunAs::unprivileged(&["postgres", "nobody"]),
            own_folder: std::env::current_exe()
                .ok()
                .and_then(|path| path.parent().map(Path::to_path_buf)),
        }
    }

    /// What the services of `compose` need and this machine lacks, a line each.
    pub fn lacks(&self, compose: &Compose) -> Vec<String> {
        let mut lacks = Vec::new();
        let mut add = |problem: Option<&String>| {
            if let Some(problem) = problem
                && !lacks.contains(problem)
            {
                lacks.push(problem.clone());
            }
        };
        for service in compose
            .services
            .iter()
            .filter(|service| service.replicas > 0)
        {
            match service.driver {
                DriverKind::Kafka => {
                    add(self.java.as_ref().err());
                    add(self.kafka_jars.as_ref().err());
                }
                DriverKind::Postgres => {
                    add(self.postgres.as_ref().err());
                    add(self.unprivileged.as_ref().err());
                }
                DriverKind::Process => {
                    let program = &service.command[0];
                    if find_program(program, self.own_folder.as_deref()).is_none() {
                        add(Some(&format!(
                            "program `{program}` of service `{}`: neither beside this executable ({}) nor on PATH; build it with `make build`",
                            service.name,
                            self.own_folder
                                .as_deref()
                                .unwrap_or(Path::new("?"))
                                .display()
                        )));
                    }
                }
            }
        }
        lacks
    }
}

fn java() -> Result<PathBuf, String> {
    if let Some(home) = std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty()) {
        let java = PathBuf::from(home).join("bin/java");
        if let Some(found) = find_program(&java.to_string_lossy(), None) {
            return Ok(found);
        }
    }
    find_program("java", None)
        .ok_or_else(|| "Java 17 or later (`java`): neither in JAVA_HOME nor on PATH; Debian package default-jre-headless".to_owned())
}

fn kafka_jars() -> Result<Vec<PathBuf>, String> {
    let folder = match std::env::var_os("KAFKA_HOME").filter(|home| !home.is_empty()) {
        Some(home) => PathBuf::from(home).join("libs"),
        None => cache_folder().join(format!("kafka-{KAFKA_VERSION}/libs")),
    };
    let mut jars: Vec<PathBuf> = std::fs::read_dir(&folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    jars.retain(|path| path.extension().is_some_and(|extension| extension == "jar"));
    jars.sort();
    let has_broker = jars.iter().any(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("kafka_2."))
    });
    if has_broker {
        Ok(jars)
    } else {
        Err(format!(
            "Apache Kafka's jars: none in {}; `make setup` fetches them, or set KAFKA_HOME to a Kafka you have",
            folder.display()
        ))
    }
}

/// `SHAKETABLE_CACHE`, else `shaketable` in the user's cache folder; shared between checkouts.
fn cache_folder() -> PathBuf {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("SHAKETABLE_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("shaketable")))
        .or_else(|| set("HOME").map(|folder| folder.join(".cache/shaketable")))
        .unwrap_or_else(|| PathBuf::from("/var/cache/shaketable"))
}

fn postgres() -> Result<PathBuf, String> {
    let complete = |folder: &Path| {
        ["postgres", "initdb", "pg_isready"]
            .iter()
            .all(|name| folder.join(name).is_file())
    };
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.path().join("bin"))
                .collect()
        })
        .unwrap_or_default();
    // The newest first: `/usr/lib/postgresql/16/bin` before `/usr/lib/postgresql/9.6/bin`.
    folders.sort_by_key(|folder| {
        let version = folder
            .parent()
            .and_then(|v| v.file_name()?.to_str()?.parse::<f64>().ok());
        std::cmp::Reverse(version.map_or(0, |version| (version * 10.0) as u64))
    });
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders
        .into_iter()
        .chain(std::env::split_paths(&path))
        .find(|folder| complete(folder))
        .ok_or_else(|| "PostgreSQL's server programs (postgres, initdb, pg_isready): neither in /usr/lib/postgresql/*/bin nor on PATH; Debian package postgresql".to_owned())
}
