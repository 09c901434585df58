//! How a broker logs: one stream on its standard output with time, level and logger on every line;
//! the testbed keeps it per process.
//!
//! What tells the story of a failure is at INFO: start and stop, signals, elections, controller
//! decisions, in-sync replicas, rebalances. All else (configuration dumps, one line per segment or
//! helper thread) is heard from WARN on. The image's KAFKA_LOG4J_ROOT_LOGLEVEL and
//! KAFKA_LOG4J_LOGGERS change that; KAFKA_LOG4J_OPTS replaces it.

use std::collections::BTreeMap;

use super::java::Java;
use crate::drivers::{Site, write_private};
use crate::system::Instance;

/// The level of what has none of its own.
const ROOT_LEVEL: &str = "WARN";
/// Loggers and their levels.
const LOGGERS: &[(&str, &str)] = &[
    // Kafka's version.
    ("org.apache.kafka.common.utils.AppInfoParser", "INFO"),
    // Who ended it: SIGTERM, …
    ("org.apache.kafka.common.utils.LoggingSignalHandler", "INFO"),
    // The broker's life, its fetchers, its line to the controller.
    ("kafka.server", "INFO"),
    ("kafka.server.NodeToControllerRequestThread", "WARN"),
    // In-sync replicas shrink and expand.
    ("kafka.cluster.Partition", "INFO"),
    // Which replica leads or follows, since which epoch.
    ("state.change.logger", "INFO"),
    // Registrations, fencing, leader elections.
    ("org.apache.kafka.controller", "INFO"),
    // The controllers' own elections.
    ("org.apache.kafka.raft", "INFO"),
    (
        "org.apache.kafka.raft.TimingWheelExpirationService$ExpiredOperationReaper",
        "WARN",
    ),
    (
        "org.apache.kafka.raft.KafkaNetworkChannel$SendThread",
        "WARN",
    ),
    // Rebalances.
    (
        "org.apache.kafka.coordinator.group.GroupMetadataManager",
        "INFO",
    ),
    ("kafka.coordinator.transaction", "INFO"),
    // What is recovered after a crash.
    ("kafka.log.LogManager", "INFO"),
];
/// The levels of log4j.
const LEVELS: &[&str] = &[
    "ALL", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "OFF",
];

/// The options of the JVM that make the node of `instance` log.
pub(super) fn options(
    instance: &Instance,
    java: &Java,
    site: &Site<'_>,
) -> Result<Vec<String>, String> {
    let setting = |name: &str| {
        let value = instance.environment.get(name).map(|text| text.trim());
        value.filter(|text| !text.is_empty())
    };
    if let Some(options) = setting("KAFKA_LOG4J_OPTS") {
        let words = options.split_whitespace();
        return Ok(words.map(|word| site.mounts.replace_in(word)).collect());
    }
    let root = setting("KAFKA_LOG4J_ROOT_LOGLEVEL").unwrap_or(ROOT_LEVEL);
    let root = level(root).map_err(|reason| format!("KAFKA_LOG4J_ROOT_LOGLEVEL: {reason}"))?;
    let mut loggers: BTreeMap<&str, String> = LOGGERS
        .iter()
        .map(|(name, level)| (*name, (*level).to_owned()))
        .collect();
    for entry in setting("KAFKA_LOG4J_LOGGERS")
        .into_iter()
        .flat_map(|text| text.split(','))
    {
        let (name, written) = entry.split_once('=').ok_or_else(|| {
            format!("KAFKA_LOG4J_LOGGERS: `{entry}` is not of the form LOGGER=LEVEL")
        })?;
        let level = level(written).map_err(|reason| format!("KAFKA_LOG4J_LOGGERS: {reason}"))?;
        loggers.insert(name.trim(), level);
    }
    let (name, option, text) = if java.has_log4j_1() {
        (
            "log4j.properties",
            "-Dlog4j.configuration=file:",
            log4j_1(&root, &loggers),
        )
    } else {
        (
            "log4j2.properties",
            "-Dlog4j2.configurationFile=",
            log4j_2(&root, &loggers),
        )
    };
    let file = site.folder.join(name);
    write_private(&file, &text)?;
    Ok(vec![format!("{option}{}", file.display())])
}

fn level(text: &str) -> Result<String, String> {
    let level = text.trim().to_uppercase();
    if LEVELS.contains(&level.as_str()) {
        Ok(level)
    } else {
        Err(format!(
            "`{}` is no level; there are {}",
            text.trim(),
            LEVELS.join(", ")
        ))
    }
}

/// Kafka 4.
fn log4j_2(root: &str, loggers: &BTreeMap<&str, String>) -> String {
    // Its own shutdown hook is off: a broker still logs while the JVM's shutdown hooks run.
    let mut text = format!(
        "status=warn\n\
         shutdownHook=disable\n\
         appender.stdout.type=Console\n\
         appender.stdout.name=stdout\n\
         appender.stdout.layout.type=PatternLayout\n\
         appender.stdout.layout.pattern=%d{{ISO8601}} %-5p [%c{{1.}}] %m%n\n\
         rootLogger.level={root}\n\
         rootLogger.appenderRef.stdout.ref=stdout\n"
    );
    for (number, (name, level)) in loggers.iter().enumerate() {
        text += &format!("logger.{number}.name={name}\nlogger.{number}.level={level}\n");
    }
    text
}

/// Kafka 3.9.
fn log4j_1(root: &str, loggers: &BTreeMap<&str, String>) -> String {
    let mut text = format!(
        "log4j.rootLogger={root}, stdout\n\
         log4j.appender.stdout=org.apache.log4j.ConsoleAppender\n\
         log4j.appender.stdout.layout=org.apache.log4j.PatternLayout\n\
         log4j.appender.stdout.layout.ConversionPattern=%d{{ISO8601}} %-5p [%c] %m%n\n"
    );
    for (name, level) in loggers {
        text += &format!("log4j.logger.{name}={level}\n");
    }
    text
}
