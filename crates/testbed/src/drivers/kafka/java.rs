//! A JVM with Kafka on its class path.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::drivers::process::with_base;
use crate::drivers::{KafkaJars, Site};
use crate::spawn::Launch;
use crate::system::Instance;

/// As the image: the largest heap, unless KAFKA_HEAP_OPTS says otherwise. It begins small.
const HEAP: &str = "-Xms128m -Xmx1G";
/// For a cluster on a small machine, one collector thread and a fast start, unless
/// KAFKA_JVM_PERFORMANCE_OPTS says otherwise.
const PERFORMANCE: &str = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.awt.headless=true";

/// A JVM with Kafka on its class path, and the options of one node.
pub(super) struct Java {
    program: PathBuf,
    class_path: String,
    options: Vec<String>,
    log4j_1: bool,
}

impl Java {
    pub(super) fn new(instance: &Instance, site: &Site<'_>) -> Result<Java, String> {
        let program = site.machine.java.clone()?;
        let (kafka, _) = site.machine.kafka_for(instance.image.as_deref())?;
        let mut options = Vec::new();
        for (name, default) in [
            ("KAFKA_HEAP_OPTS", HEAP),
            ("KAFKA_JVM_PERFORMANCE_OPTS", PERFORMANCE),
            ("KAFKA_OPTS", ""),
        ] {
            let words = instance
                .environment
                .get(name)
                .map_or(default, String::as_str);
            options.extend(
                words
                    .split_whitespace()
                    .map(|word| site.mounts.replace_in(word)),
            );
        }
        options.push("-Xshare:auto".to_owned());
        if let Some(archive) = class_archive(kafka, &program) {
            options.push(format!("-XX:SharedArchiveFile={}", archive.display()));
        }
        Ok(Java {
            class_path: kafka
                .jars
                .iter()
                .map(|jar| jar.to_string_lossy())
                .collect::<Vec<_>>()
                .join(":"),
            log4j_1: kafka.has_jar("reload4j-") || kafka.has_jar("log4j-1."),
            program,
            options,
        })
    }

    /// Whether this Kafka logs with log4j 1, as 3.9 does.
    pub(super) fn has_log4j_1(&self) -> bool {
        self.log4j_1
    }

    /// What tells this Java and this Kafka from others, as part of a file's name.
    pub(super) fn fingerprint(&self) -> String {
        let mut hasher = DefaultHasher::new();
        std::fs::canonicalize(&self.program)
            .unwrap_or_else(|_| self.program.clone())
            .hash(&mut hasher);
        self.class_path.hash(&mut hasher);
        format!("kafka-{:016x}", hasher.finish())
    }

    /// Starts `main` with `arguments` in `folder`; `more` are further options of the JVM.
    pub(super) fn launch(
        &self,
        more: Vec<String>,
        main: &str,
        arguments: &[String],
        folder: &Path,
    ) -> Launch {
        let mut all = self.options.clone();
        all.extend(more);
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

/// Kafka's classes, ready for use, as `make setup` has kept them: half the time of a start. The JVM
/// itself ignores one that is not of this very Java and these very jars.
fn class_archive(kafka: &KafkaJars, java: &Path) -> Option<PathBuf> {
    Some(kafka.class_archive(java)?).filter(|path| path.exists())
}
