//! Apache Kafka in KRaft mode, one JVM per node.
//!
//! Configuration follows the `apache/kafka` image: `KAFKA_SOME_NAME` becomes `some.name`, a double
//! underscore a single one, a triple one a dash; `CLUSTER_ID` names the cluster. A listener without
//! a host (`CLIENT://:9092`) listens on the instance's own address.
//!
//! The data folder is formatted once. What the format tool writes besides the node's identity is
//! the same for every node and cluster of one Kafka version (`bootstrap.checkpoint`: the initial
//! feature levels), so it is made once, by the tool itself, and kept in the cache.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::process::with_base;
use super::{Machine, Prepared, Probe, native_check, run_to_end};
use crate::home::Home;
use crate::spawn::Launch;
use crate::system::{Instance, System};

/// The format tool has been seen at 1–3 s.
const FORMAT_TIMEOUT: Duration = Duration::from_secs(60);
/// How the broker logs; to standard output, which the supervisor keeps.
const LOG4J: &str = include_str!("../../../../kafka/log4j2.yaml");
/// For a cluster on a small machine: one collector thread, fast start.
const JVM_FLAGS: &[&str] = &[
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-Djava.awt.headless=true",
];
/// The image's variables that are not broker properties.
const NOT_PROPERTIES: &[&str] = &[
    "KAFKA_HEAP_OPTS",
    "KAFKA_OPTS",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_HOME",
    "KAFKA_VERSION",
    "KAFKA_LOG4J_OPTS",
];

pub(super) async fn prepare(
    instance: &Instance,
    system: &System,
    home: &Home,
    data: &Path,
    machine: &Machine,
) -> Result<Prepared, String> {
    let node_id = instance.node_id().ok_or_else(|| {
        format!(
            "service `{}` has no KAFKA_NODE_ID that is a number",
            instance.service
        )
    })?;
    let java = Java::new(machine, home, instance)?;
    let logs = data.join("logs");
    let properties = properties(instance, &logs);
    let listeners = listeners(&properties)?;
    let client = client_address(&properties).ok_or_else(|| {
        format!(
            "service `{}` has no KAFKA_ADVERTISED_LISTENERS of the form NAME://host:port",
            instance.service
        )
    })?;
    let file = data.join("server.properties");
    let text: String = properties
        .iter()
        .map(|(key, value)| format!("{key}={value}\n"))
        .collect();
    write(&file, &text)?;
    write(&data.join("log4j2.yaml"), LOG4J)?;
    if !logs.join("meta.properties").exists() {
        let cluster_id = instance
            .environment
            .get("CLUSTER_ID")
            .cloned()
            .unwrap_or_else(|| cluster_id_of(&system.name));
        let checkpoint = bootstrap_checkpoint(&java, home, &file, data, &cluster_id).await?;
        std::fs::create_dir_all(&logs)
            .map_err(|error| format!("cannot make {}: {error}", logs.display()))?;
        std::fs::copy(&checkpoint, logs.join("bootstrap.checkpoint"))
            .map_err(|error| format!("cannot copy {}: {error}", checkpoint.display()))?;
        let directory_id = directory_id(&cluster_id, node_id);
        write(
            &logs.join("meta.properties"),
            &format!(
                "version=1\ncluster.id={cluster_id}\nnode.id={node_id}\ndirectory.id={directory_id}\n"
            ),
        )?;
    }
    let mut launch = java.launch("kafka.Kafka", &[file.to_string_lossy().into_owned()], data);
    launch.arguments.insert(
        0,
        format!(
            "-Dlog4j2.configurationFile={}",
            data.join("log4j2.yaml").display()
        ),
    );
    Ok(Prepared {
        launch,
        listens: listeners,
        probe: Probe::KafkaBroker {
            address: client,
            node_id,
            check: native_check(),
        },
        data_elsewhere: None,
    })
}

/// The broker's properties, as the image would write them.
fn properties(instance: &Instance, logs: &Path) -> BTreeMap<String, String> {
    let mut properties: BTreeMap<String, String> = instance
        .environment
        .iter()
        .filter(|(name, _)| !NOT_PROPERTIES.contains(&name.as_str()))
        .filter_map(|(name, value)| {
            Some((property_name(name.strip_prefix("KAFKA_")?), value.clone()))
        })
        .collect();
    if let Some(listeners) = properties.get_mut("listeners") {
        *listeners = listeners
            .replace("://:", &format!("://{}:", instance.address))
            .replace("://0.0.0.0:", &format!("://{}:", instance.address));
    }
    properties.insert("log.dirs".to_owned(), logs.to_string_lossy().into_owned());
    properties
}

fn property_name(variable: &str) -> String {
    variable
        .to_lowercase()
        .replace("___", "-")
        .replace("__", "\u{0}")
        .replace('_', ".")
        .replace('\u{0}', "_")
}

fn listeners(properties: &BTreeMap<String, String>) -> Result<Vec<SocketAddrV4>, String> {
    let text = properties
        .get("listeners")
        .ok_or("a Kafka service needs KAFKA_LISTENERS")?;
    text.split(',')
        .map(|listener| {
            listener
                .split_once("://")
                .and_then(|(_, address)| address.trim().parse().ok())
                .ok_or_else(|| {
                    format!("KAFKA_LISTENERS: `{listener}` is not of the form NAME://host:port")
                })
        })
        .collect()
}

/// The first advertised listener: the one clients use.
fn client_address(properties: &BTreeMap<String, String>) -> Option<SocketAddrV4> {
    let first = properties.get("advertised.listeners")?.split(',').next()?;
    first.split_once("://")?.1.trim().parse().ok()
}

/// A JVM with Kafka on its class path.
struct Java {
    program: PathBuf,
    class_path: String,
    heap: Vec<String>,
    archive: PathBuf,
    fingerprint: String,
}

impl Java {
    fn new(machine: &Machine, home: &Home, instance: &Instance) -> Result<Java, String> {
        let program = machine.java.clone()?;
        let jars = machine.kafka_jars.clone()?;
        let class_path = jars
            .iter()
            .map(|jar| jar.to_string_lossy())
            .collect::<Vec<_>>()
            .join(":");
        let mut hasher = DefaultHasher::new();
        std::fs::canonicalize(&program)
            .unwrap_or_else(|_| program.clone())
            .hash(&mut hasher);
        class_path.hash(&mut hasher);
        let fingerprint = format!("kafka-{:016x}", hasher.finish());
        let setting = |name: &str| {
            instance
                .environment
                .get(name)
                .into_iter()
                .flat_map(|text| text.split_whitespace().map(str::to_owned))
        };
        Ok(Java {
            heap: setting("KAFKA_HEAP_OPTS")
                .chain(setting("KAFKA_JVM_PERFORMANCE_OPTS"))
                .chain(setting("KAFKA_OPTS"))
                .collect(),
            archive: home.cache().join(format!("{fingerprint}.jsa")),
            program,
            class_path,
            fingerprint,
        })
    }

    fn launch(&self, main: &str, arguments: &[String], folder: &Path) -> Launch {
        let mut all = self.heap.clone();
        all.extend(JVM_FLAGS.iter().map(|flag| (*flag).to_owned()));
        if self.archive.exists() {
            all.push(format!("-XX:SharedArchiveFile={}", self.archive.display()));
        }
        all.extend(["-cp".to_owned(), self.class_path.clone(), main.to_owned()]);
        all.extend(arguments.iter().cloned());
        Launch {
            program: self.program.clone(),
            arguments: all,
            environment: with_base(&BTreeMap::new()),
            folder: folder.to_path_buf(),
            user: None,
        }
    }
}

/// The `bootstrap.checkpoint` of this Kafka version, from the cache or made by the format tool.
async fn bootstrap_checkpoint(
    java: &Java,
    home: &Home,
    properties: &Path,
    data: &Path,
    cluster_id: &str,
) -> Result<PathBuf, String> {
    let kept = home
        .cache()
        .join(format!("{}-bootstrap.checkpoint", java.fingerprint));
    if kept.exists() {
        return Ok(kept);
    }
    std::fs::create_dir_all(home.cache())
        .map_err(|error| format!("cannot make {}: {error}", home.cache().display()))?;
    let scratch = data.join("format");
    let text = std::fs::read_to_string(properties).map_err(|error| error.to_string())?;
    let text: String = text
        .lines()
        .map(|line| match line.strip_prefix("log.dirs=") {
            Some(_) => format!("log.dirs={}\n", scratch.display()),
            None => format!("{line}\n"),
        })
        .collect();
    let file = data.join("format.properties");
    write(&file, &text)?;
    let arguments = ["format", "-t", cluster_id, "-c", &file.to_string_lossy()].map(str::to_owned);
    run_to_end(
        &java.launch("kafka.tools.StorageTool", &arguments, data),
        None,
        FORMAT_TIMEOUT,
        "formatting Kafka's data folder",
    )
    .await?;
    let made = scratch.join("bootstrap.checkpoint");
    // Into place by rename: several nodes, and several systems, may do this at the same time.
    let temporary = home
        .cache()
        .join(format!("{}-{}.tmp", java.fingerprint, std::process::id()));
    std::fs::copy(&made, &temporary)
        .and_then(|_| std::fs::rename(&temporary, &kept))
        .map_err(|error| format!("cannot keep {}: {error}", made.display()))?;
    Ok(kept)
}

/// A cluster id for a Compose file that names none: 16 bytes in Kafka's base64.
fn cluster_id_of(name: &str) -> String {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    uuid_text(hasher.finish(), 0x5368_616b_6574_6162)
}

/// An id for the data folder, unlike any other node's and cluster's.
fn directory_id(cluster_id: &str, node_id: i32) -> String {
    let mut hasher = DefaultHasher::new();
    (cluster_id, node_id, std::process::id()).hash(&mut hasher);
    let first = hasher.finish();
    (first, "directory").hash(&mut hasher);
    uuid_text(first, hasher.finish())
}

/// 16 bytes in URL-safe base64 without padding, as Kafka writes its ids.
fn uuid_text(high: u64, low: u64) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // The first six bits are kept below 52 so that the id does not begin with a dash.
    let bits = ((u128::from(high) << 64) | u128::from(low)) & !(1 << 127);
    (0..22)
        .map(|n| {
            let shift = 128 - 6 * (n + 1);
            let six = if shift >= 0 {
                bits >> shift
            } else {
                bits << -shift
            };
            ALPHABET[(six & 63) as usize] as char
        })
        .collect()
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
