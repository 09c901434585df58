//! Targets: roles become one process at the moment of injection.
//!
//! Kafka's roles are asked of Kafka itself, anew each time; a leader of a minute ago is a guess.

use serde::{Deserialize, Serialize};
use shaketable_experiment::Target;
use shaketable_kafka::Cluster;
use shaketable_testbed::SystemStatus;
use shaketable_testbed::process::ProcessIdentity;

use crate::fault::FaultError;

/// The roles that come to a process.
pub(crate) const PROCESS_TARGETS: &[&str] = &["leader-of", "broker", "controller", "service"];

/// What a target was when it was resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// The system.
    pub system: String,
    /// Its supervisor then; another one means another life of the system.
    pub supervisor: ProcessIdentity,
    /// The instance.
    pub instance: String,
    /// Its process then.
    pub process: ProcessIdentity,
    /// Its Kafka node id.
    pub node_id: Option<i32>,
    /// The partition it led, when the target was a leader.
    pub led: Option<Led>,
}

/// A partition and the leadership that a fault is to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Led {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The leader epoch then.
    pub leader_epoch: i32,
}

/// Finds the process that plays the role now.
pub async fn resolve(target: &Target, status: &SystemStatus) -> Result<Hit, FaultError> {
    let not_found = |reason: String| FaultError::Target {
        target: target.to_string(),
        reason,
    };
    let (instance, led) = match target {
        Target::Service(name) => {
            let mut running = status
                .instances_of(name)
                .filter(|instance| instance.process.is_some());
            let instance = running.next().ok_or_else(|| {
                let known = status.services().join(", ");
                not_found(if status.instances_of(name).next().is_some() {
                    "none of its processes runs".to_owned()
                } else {
                    format!(
                        "system `{}` has no such service; it has {known}",
                        status.name
                    )
                })
            })?;
            (instance, None)
        }
        Target::Broker(node) => {
            let nodes = || status.instances.iter().filter_map(|i| i.node_id);
            let instance = status.node(*node).ok_or_else(|| {
                not_found(match nodes().count() {
                    0 => format!("system `{}` has no Kafka service", status.name),
                    _ => format!(
                        "system `{}` has no such node; it has {:?}",
                        status.name,
                        nodes().collect::<Vec<_>>()
                    ),
                })
            })?;
            (instance, None)
        }
        Target::Controller => {
            let node = cluster(status, target)?
                .controller()
                .await
                .map_err(|error| not_found(error.to_string()))?;
            (
                status
                    .node(node)
                    .ok_or_else(|| not_found(format!("node {node} is no service of the system")))?,
                None,
            )
        }
        Target::LeaderOf { topic, partition } => {
            let cluster = cluster(status, target)?;
            let metadata = cluster
                .metadata(Some(&[topic]))
                .await
                .map_err(|error| not_found(error.to_string()))?;
            let found = metadata
                .topic(topic)
                .and_then(|topic| topic.partition(*partition))
                .map_err(|error| not_found(error.to_string()))?;
            let node = cluster
                .leader_of(topic, *partition)
                .await
                .map_err(|error| not_found(error.to_string()))?;
            let led = Led {
                topic: topic.clone(),
                partition: *partition,
                leader_epoch: found.leader_epoch,
            };
            let instance = status
                .node(node)
                .ok_or_else(|| not_found(format!("node {node} is no service of the system")))?;
            (instance, Some(led))
        }
    };
    let process = instance
        .process
        .clone()
        .ok_or_else(|| not_found(format!("`{}` has no process now", instance.name)))?;
    Ok(Hit {
        system: status.name.clone(),
        supervisor: status.supervisor.clone(),
        instance: instance.name.clone(),
        process,
        node_id: instance.node_id,
        led,
    })
}

/// A client of the Kafka cluster of a system.
pub fn cluster_of(status: &SystemStatus) -> Cluster {
    Cluster::new(status.bootstrap_servers(), "shaketable-faults")
}

fn cluster(status: &SystemStatus, target: &Target) -> Result<Cluster, FaultError> {
    if status.bootstrap_servers().is_empty() {
        return Err(FaultError::Target {
            target: target.to_string(),
            reason: format!("system `{}` has no Kafka service", status.name),
        });
    }
    Ok(cluster_of(status))
}
