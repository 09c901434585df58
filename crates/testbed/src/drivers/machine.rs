//! What this machine has: Java, Kafka's jars, the programs of other servers, a user to run them as.

use std::path::{Path, PathBuf};

use crate::compose::{Compose, DriverKind, Service};
use crate::spawn::{RunAs, find_program};

/// The version of Kafka that `make setup` puts into the cache.
pub const KAFKA_VERSION: &str = "4.2.0";
/// The oldest Java that Kafka's brokers run on.
pub const JAVA_MAJOR_MIN: u32 = 17;

/// The programs of this machine that drivers need; each is found or says why not.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The `java` program.
    pub java: Result<PathBuf, String>,
    /// The Kafkas there are; there is at least one. The first is the one to take when a service does
    /// not say which, or says one that is not there.
    pub kafka: Result<Vec<KafkaJars>, String>,
    /// The folder of `postgres`, `initdb` and `pg_isready`.
    pub postgres: Result<PathBuf, String>,
    /// The `redis-server` program.
    pub redis: Result<PathBuf, String>,
    /// The `prometheus` program.
    pub prometheus: Result<PathBuf, String>,
    /// Whom to run servers as that refuse root; `None` when this process is not root.
    pub unprivileged: Result<Option<RunAs>, String>,
    /// The folder of this executable: services of the reference systems are built beside it.
    pub own_folder: Option<PathBuf>,
}

/// The jars of one version of Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaJars {
    /// The version, such as `4.2.0`.
    pub version: String,
    /// The folder that holds `libs`.
    pub folder: PathBuf,
    /// The jars, sorted (a class archive needs the same order every time).
    pub jars: Vec<PathBuf>,
}

impl KafkaJars {
    /// The jars in `libs` of `folder`; `None` when no broker is among them.
    fn of(folder: &Path) -> Option<KafkaJars> {
        let entries = std::fs::read_dir(folder.join("libs")).ok()?;
        let mut jars: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        jars.retain(|path| path.extension().is_some_and(|extension| extension == "jar"));
        jars.sort();
        // `kafka_2.13-4.2.0.jar`, and not `kafka_2.13-4.2.0-javadoc.jar`.
        let version = jars.iter().find_map(|jar| {
            let name = jar.file_stem()?.to_str()?.strip_prefix("kafka_2.")?;
            let (_, version) = name.split_once('-')?;
            let is_version = |c: char| c.is_ascii_digit() || c == '.';
            version.chars().all(is_version).then(|| version.to_owned())
        })?;
        Some(KafkaJars {
            version,
            folder: folder.to_path_buf(),
            jars,
        })
    }

    /// Whether there is a jar whose name begins so.
    pub fn has_jar(&self, prefix: &str) -> bool {
        let names = self.jars.iter().filter_map(|jar| jar.file_name()?.to_str());
        names.into_iter().any(|name| name.starts_with(prefix))
    }

    /// Where the class archive of this Kafka for the given `java` program is, if there is one;
    /// `None` when that Java does not tell its version.
    pub fn class_archive(&self, java: &Path) -> Option<PathBuf> {
        let java = std::fs::canonicalize(java).ok()?;
        let release = java.parent()?.parent()?.join("release");
        let text = std::fs::read_to_string(release).ok()?;
        let version = text
            .lines()
            .find_map(|line| line.strip_prefix("JAVA_RUNTIME_VERSION="))?
            .trim_matches('"');
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || ".+-".contains(c) {
                c
            } else {
                '_'
            }
        };
        let name: String = version.chars().map(plain).collect();
        Some(self.folder.join(format!("java-{name}.jsa")))
    }
}

impl Machine {
    /// Looks around. Reads the environment: `JAVA_HOME`, `KAFKA_HOME`, `SHAKETABLE_CACHE`, `PATH`.
    pub fn survey() -> Machine {
        Machine {
            java: java(),
            kafka: kafka(),
            postgres: postgres(),
            redis: server("redis-server", "Redis's server", "redis-server"),
            prometheus: server("prometheus", "Prometheus", "prometheus"),
            unprivileged: RunAs::unprivileged(&["postgres", "nobody"]),
            own_folder: std::env::current_exe()
                .ok()
                .and_then(|path| path.parent().map(Path::to_path_buf)),
        }
    }

    /// The Kafka to run for an image, such as `apache/kafka:4.1.1`: the one of its tag; another one
    /// when that is not there, and then the second value is a warning that names both.
    pub fn kafka_for(&self, image: Option<&str>) -> Result<(&KafkaJars, Option<String>), String> {
        let all = self.kafka.as_ref().map_err(String::clone)?;
        let first = all.first().ok_or("no Kafka was found")?;
        let Some(wanted) = image.and_then(tag) else {
            return Ok((first, None));
        };
        if let Some(kafka) = all.iter().find(|kafka| kafka.version == wanted) {
            return Ok((kafka, None));
        }
        let remedy = if std::env::var_os("KAFKA_HOME").is_some_and(|home| !home.is_empty()) {
            "KAFKA_HOME decides".to_owned()
        } else {
            format!("`scripts/setup.sh --kafka {wanted}` fetches it")
        };
        let warning = format!(
            "Kafka {} is run instead of {wanted}, which is not on this machine; {remedy}",
            first.version
        );
        Ok((first, Some(warning)))
    }

    /// What will be run otherwise than `compose` says, a line each.
    pub fn warnings(&self, compose: &Compose) -> Vec<String> {
        let mut warnings = Vec::new();
        for service in &compose.services {
            if service.driver == DriverKind::Kafka
                && let Ok((_, Some(warning))) = self.kafka_for(service.image.as_deref())
                && !warnings.contains(&warning)
            {
                warnings.push(warning);
            }
        }
        warnings.extend(self.differences(compose));
        warnings
    }

    /// What nearly every file has and no local process can: one line for all of it.
    fn differences(&self, compose: &Compose) -> Option<String> {
        let names = |are: &dyn Fn(&&Service) -> bool| {
            let services = compose.services.iter().filter(are);
            let names: Vec<String> = services.map(|one| format!("`{}`", one.name)).collect();
            (!names.is_empty()).then(|| names.join(", "))
        };
        let mut parts = Vec::new();
        if let Some(names) = names(&|service| service.published) {
            parts.push(format!(
                "`ports` of {names} are not published on the host (`shaketable status` has the addresses)"
            ));
        }
        if let Some(names) =
            names(&|one| one.driver != DriverKind::Process && one.healthcheck.is_some())
        {
            parts.push(format!(
                "`healthcheck` of {names} is not run, their drivers look themselves"
            ));
        }
        for service in &compose.services {
            let wanted = service.image.as_deref().and_then(version_of_tag);
            if let Some(wanted) = wanted
                && let Some(installed) = self.installed(service.driver)
                && installed != wanted
                && !installed.starts_with(&format!("{wanted}."))
            {
                parts.push(format!(
                    "`image` of `{}` is version {wanted}, the installed {installed} is run",
                    service.name
                ));
            }
        }
        (!parts.is_empty()).then(|| format!("otherwise than in containers: {}", parts.join("; ")))
    }

    /// The version of the installed server; `None` for a driver that has several, or none.
    fn installed(&self, driver: DriverKind) -> Option<String> {
        let program = match driver {
            DriverKind::Postgres => self.postgres.as_ref().ok()?.join("postgres"),
            DriverKind::Redis => self.redis.clone().ok()?,
            DriverKind::Prometheus => self.prometheus.clone().ok()?,
            DriverKind::Kafka | DriverKind::Process => return None,
        };
        let mut command = std::process::Command::new(program);
        let output = command.arg("--version").output().ok()?;
        // `Redis server v=7.0.15 sha=…`, `prometheus, version 2.42.0+ds (branch: …`
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut words = text.split_whitespace();
        words.find_map(|word| version(word.trim_start_matches("v=")).map(str::to_owned))
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
                    add(self.kafka.as_ref().err());
                }
                DriverKind::Postgres => {
                    add(self.postgres.as_ref().err());
                    add(self.unprivileged.as_ref().err());
                }
                DriverKind::Redis => add(self.redis.as_ref().err()),
                DriverKind::Prometheus => add(self.prometheus.as_ref().err()),
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

/// The version that an image's tag names: `4.1.1` of `apache/kafka:4.1.1@sha256:…`. A tag that is no
/// version (`latest`) names none.
fn tag(image: &str) -> Option<&str> {
    tag_text(image).filter(|tag| tag.starts_with(|c: char| c.is_ascii_digit()))
}

/// The same without what some images put around a version: `16` of `postgres:16-alpine`, `2.53.5` of
/// `prom/prometheus:v2.53.5`.
fn version_of_tag(image: &str) -> Option<&str> {
    let tag = tag_text(image)?;
    version(tag.strip_prefix('v').unwrap_or(tag))
}

/// The version that `text` begins with.
fn version(text: &str) -> Option<&str> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let version = text[..end].trim_end_matches('.');
    version
        .starts_with(|c: char| c.is_ascii_digit())
        .then_some(version)
}

fn tag_text(image: &str) -> Option<&str> {
    let image = image.split('@').next().unwrap_or(image);
    let (_, name) = image.rsplit_once('/').unwrap_or(("", image));
    let (_, tag) = name.split_once(':')?;
    Some(tag)
}

/// KAFKA_HOME alone when it is set, else all of the cache: the version of `make setup` first, then
/// the newest.
fn kafka() -> Result<Vec<KafkaJars>, String> {
    let home = std::env::var_os("KAFKA_HOME").filter(|home| !home.is_empty());
    let (mut found, place) = match home {
        Some(home) => {
            let home = PathBuf::from(home);
            (
                KafkaJars::of(&home).into_iter().collect(),
                home.join("libs"),
            )
        }
        None => {
            let cache = cache_folder();
            let entries = std::fs::read_dir(&cache).into_iter().flatten().flatten();
            let found: Vec<KafkaJars> = entries
                .filter(|entry| entry.file_name().to_string_lossy().starts_with("kafka-"))
                .filter_map(|entry| KafkaJars::of(&entry.path()))
                .collect();
            (found, cache.join(format!("kafka-{KAFKA_VERSION}/libs")))
        }
    };
    found.sort_by_key(|kafka: &KafkaJars| {
        let numbers: Vec<u32> = kafka.version.split('.').flat_map(str::parse).collect();
        std::cmp::Reverse((kafka.version == KAFKA_VERSION, numbers))
    });
    if found.is_empty() {
        return Err(format!(
            "Apache Kafka's jars: none in {}; `make setup` fetches them, or set KAFKA_HOME to a Kafka you have",
            place.display()
        ));
    }
    Ok(found)
}

/// A server's program, by its name, what it is, and its Debian package.
fn server(program: &str, what: &str, package: &str) -> Result<PathBuf, String> {
    find_program(program, None)
        .ok_or_else(|| format!("{what} (`{program}`): not on PATH; Debian package {package}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_that_is_a_version_is_one() {
        for (image, version) in [
            ("apache/kafka:4.1.1", Some("4.1.1")),
            ("registry:5000/apache/kafka:3.9.1@sha256:00", Some("3.9.1")),
            ("registry:5000/apache/kafka", None),
            ("apache/kafka:latest", None),
            ("apache/kafka", None),
        ] {
            assert_eq!(tag(image), version, "{image}");
        }
        for (image, version) in [
            ("postgres:16-alpine", Some("16")),
            ("prom/prometheus:v2.53.5", Some("2.53.5")),
            ("redis:latest", None),
            ("redis", None),
        ] {
            assert_eq!(version_of_tag(image), version, "{image}");
        }
    }
}
