//! A node's data folder, formatted once.
//!
//! What the format tool writes besides the node's identity is the same for every node and cluster
//! of one Kafka version (`bootstrap.checkpoint`: the initial feature levels), so it is made once, by
//! the tool itself, and kept in the cache. `meta.properties` is written last and at once: a folder
//! without it is not formatted, whatever else is in it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::java::Java;
use super::properties::Properties;
use crate::drivers::data::DataFolder;
use crate::drivers::{Site, make_folder, run_to_end, write_private};

/// The format tool has been seen at 1–3 s.
const FORMAT_TIMEOUT: Duration = Duration::from_secs(60);

/// Whose data it is.
pub(super) struct Node<'a> {
    /// Its id.
    pub id: i32,
    /// The cluster's id, when the Compose file names one.
    pub cluster_id: Option<&'a str>,
    /// What the format tool reads.
    pub properties: &'a Properties,
}

/// Formats the folder, unless it is that node's already.
pub(super) async fn once(
    node: &Node<'_>,
    data: &DataFolder,
    java: &Java,
    site: &Site<'_>,
) -> Result<(), String> {
    let meta = data.path.join("meta.properties");
    match std::fs::read_to_string(&meta) {
        Ok(text) => return check(&text, node, data, &site.system.name),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(format!("cannot read {}: {error}", meta.display()));
        }
        Err(_) => {}
    }
    let cluster_id = node
        .cluster_id
        .map_or_else(|| cluster_id_of(&site.system.name), str::to_owned);
    let checkpoint = bootstrap_checkpoint(node, java, site, &cluster_id).await?;
    std::fs::copy(&checkpoint, data.path.join("bootstrap.checkpoint"))
        .map_err(|error| format!("cannot copy {}: {error}", checkpoint.display()))?;
    let directory_id = directory_id(&cluster_id, node.id);
    write_private(
        &meta,
        &format!(
            "version=1\ncluster.id={cluster_id}\nnode.id={}\ndirectory.id={directory_id}\n",
            node.id
        ),
    )
}

/// Refuses data of another node or another cluster: Kafka would not start on it.
fn check(meta: &str, node: &Node<'_>, data: &DataFolder, system: &str) -> Result<(), String> {
    let value = |key: &str| {
        meta.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or_default()
            .trim()
    };
    let (id, cluster) = (value("node.id"), value("cluster.id"));
    let mut differences = Vec::new();
    if id != node.id.to_string() {
        differences.push(format!("node {id}, and KAFKA_NODE_ID is {}", node.id));
    }
    if let Some(wanted) = node.cluster_id.filter(|wanted| *wanted != cluster) {
        differences.push(format!("cluster `{cluster}`, and CLUSTER_ID is `{wanted}`"));
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} holds data of {}; name that one again, or begin anew: {}",
        data.name,
        differences.join("; of "),
        data.remedy(system)
    ))
}

/// The `bootstrap.checkpoint` of this Kafka version, from the cache or made by the format tool.
async fn bootstrap_checkpoint(
    node: &Node<'_>,
    java: &Java,
    site: &Site<'_>,
    cluster_id: &str,
) -> Result<PathBuf, String> {
    let cache = site.home.cache();
    let fingerprint = java.fingerprint();
    let kept = cache.join(format!("{fingerprint}-bootstrap.checkpoint"));
    if kept.exists() {
        return Ok(kept);
    }
    make_folder(&cache)?;
    let scratch = site.folder.join("format");
    let file = site.folder.join("format.properties");
    write_private(&file, &node.properties.text_with_data(&scratch))?;
    let arguments = ["format", "-t", cluster_id, "-c", &file.to_string_lossy()].map(str::to_owned);
    run_to_end(
        &java.launch(
            Vec::new(),
            "kafka.tools.StorageTool",
            &arguments,
            &site.folder,
        ),
        None,
        FORMAT_TIMEOUT,
        "formatting Kafka's data folder",
    )
    .await?;
    let made = scratch.join("bootstrap.checkpoint");
    // Into place by rename: several nodes, and several systems, may do this at the same time.
    let name = format!("{fingerprint}-{}-{}.tmp", node.id, std::process::id());
    let temporary = cache.join(name);
    std::fs::copy(&made, &temporary)
        .and_then(|_| std::fs::rename(&temporary, &kept))
        .map_err(|error| format!("cannot keep {}: {error}", made.display()))?;
    remove_scratch(&scratch);
    Ok(kept)
}

/// What was formatted for its checkpoint alone; it goes with the instance at the latest.
fn remove_scratch(scratch: &Path) {
    let _ = std::fs::remove_dir_all(scratch);
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
