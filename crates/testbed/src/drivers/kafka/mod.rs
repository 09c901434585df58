//! Apache Kafka in KRaft mode, one JVM per node: broker, controller, or both.
//!
//! Configuration follows the `apache/kafka` image ([`properties`]); how a broker logs is in
//! [`logging`], what runs it in [`java`], and its data folder in [`format`].

mod format;
mod java;
mod logging;
mod properties;

use nix::sys::signal::Signal;

use self::java::Java;
use self::properties::Properties;
use super::data::DataFolder;
use super::{Prepared, Probe, Site, write_private};
use crate::system::Instance;

/// Where the image keeps a node's data when KAFKA_LOG_DIRS does not say.
const DATA: &[&str] = &[
    "/var/lib/kafka/data",
    "/tmp/kraft-combined-logs",
    "/tmp/kafka-logs",
];

pub(super) async fn prepare(instance: &Instance, site: &Site<'_>) -> Result<Prepared, String> {
    let of_service = |reason: String| format!("service `{}`: {reason}", instance.service);
    let written = instance
        .environment
        .get("KAFKA_LOG_DIRS")
        .map(String::as_str);
    if written.is_some_and(|folders| folders.contains(',')) {
        return Err(of_service(
            "KAFKA_LOG_DIRS names several folders; a node of the testbed has one".to_owned(),
        ));
    }
    let targets: Vec<&str> = written.map_or(DATA.to_vec(), |folder| vec![folder]);
    let data = DataFolder::of(instance, site, &targets, "logs")?;
    let properties = Properties::of(instance, site, &data.path).map_err(of_service)?;
    let java = Java::new(instance, site).map_err(of_service)?;

    let file = site.folder.join("server.properties");
    write_private(&file, &properties.text())?;
    let node = format::Node {
        id: properties.node_id,
        cluster_id: instance.environment.get("CLUSTER_ID").map(String::as_str),
        properties: &properties,
    };
    format::once(&node, &data, &java, site)
        .await
        .map_err(of_service)?;

    let logging = logging::options(instance, &java, site).map_err(of_service)?;
    let arguments = [file.to_string_lossy().into_owned()];
    Ok(Prepared {
        launch: java.launch(logging, "kafka.Kafka", &arguments, &site.folder),
        probe: match (properties.open_listener(), properties.is_broker()) {
            (Some(address), true) => Probe::KafkaBroker {
                address,
                node_id: properties.node_id,
            },
            _ => Probe::Port {
                address: properties.listeners[0].address,
            },
        },
        listens: properties.listeners.iter().map(|one| one.address).collect(),
        client_port: properties.client_port(),
        // A broker that was killed is not let in again before its session has timed out, so one
        // that is to come back says good-bye.
        down_signal: if data.kept {
            Signal::SIGTERM
        } else {
            Signal::SIGKILL
        },
        data_elsewhere: None,
    })
}
