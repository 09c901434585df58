//! chaoskafka: probes, actions and the control of the Kafka extension.
//!
//! Everything goes through the Kafka control plane, which bounds every call. What the functions have in common is here:
//! the arguments that several take, and the cluster that they are about.

pub(crate) mod actions;
pub(crate) mod controls;
pub(crate) mod probes;

use serde_json::Value;
use shaketable_kafka::{Cluster, Properties};

use crate::arguments::{Argument, ArgumentKind, Arguments};
use crate::failure::Failure;

pub(crate) const BOOTSTRAP_SERVERS: Argument = Argument::required(
    "bootstrap_servers",
    ArgumentKind::Text,
    "addresses of brokers, `host:port,host:port`",
);

const TOPIC: Argument = Argument::required("topic", ArgumentKind::Text, "the topic");

const GROUP_ID: Argument = Argument::required("group_id", ArgumentKind::Text, "the consumer group");

pub(crate) const CLIENT_PROPERTIES: Argument = Argument::optional(
    "client_properties",
    ArgumentKind::Map,
    "null",
    "properties of a Kafka client, such as `security.protocol`, for clusters that demand TLS or a login; not in the \
     extension",
);

/// What brokers and their logs call us, unless an argument says otherwise.
const CLIENT_ID: &str = "chaostoolkit";

/// The cluster that a call is about.
pub(crate) fn cluster(arguments: &Arguments, client_id: &str) -> Result<Cluster, Failure> {
    let mut properties = Vec::new();
    for (key, value) in arguments.map("client_properties").into_iter().flatten() {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            // The value may be a secret, so it is not shown.
            _ => {
                let problem = format!(
                    "`client_properties` has no plain value for `{key}`; give a text, a number, or true or false"
                );
                return Err(Failure::experiment(&arguments.function, problem));
            }
        };
        properties.push((key.clone(), value));
    }
    let bootstrap = arguments.text("bootstrap_servers").split(',');
    let bootstrap = bootstrap
        .map(str::trim)
        .filter(|address| !address.is_empty());
    Cluster::with_properties(bootstrap, client_id, &Properties::from_iter(properties))
        .map_err(|error| Failure::kafka(&arguments.function, &error))
}

/// A partition's id.
pub(crate) fn partition_id(arguments: &Arguments, value: i64) -> Result<i32, Failure> {
    i32::try_from(value)
        .ok()
        .filter(|partition| *partition >= 0)
        .ok_or_else(|| {
            let problem = format!(
                "`partition` is {value}, which is no partition's id; they are counted from 0"
            );
            Failure::experiment(&arguments.function, problem)
        })
}
