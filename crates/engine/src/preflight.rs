//! Preflight: everything that can be known to be impossible is said before anything is broken.
//!
//! Targets are resolved once (and again at the moment of injection), stages are opened, which takes
//! their baseline, the workload's address is connected to. A refusal costs nothing.

use std::sync::Arc;
use std::time::Duration;

use shaketable_document::{Diagnostics, Source};
use shaketable_experiment::{Activity, Experiment, Provider, Target};
use shaketable_faults::FaultError;
use shaketable_load::{HttpDriver, HttpWorkload};
use shaketable_testbed::SystemStatus;
use shaketable_testbed::system::without_secrets;

use crate::calls;
use crate::site::Site;
use crate::stages::{StageError, StageReader};

/// The longest wait for the workload's address to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// What preflight made ready.
pub struct Ready {
    /// The load, if there is any.
    pub driver: Option<HttpDriver>,
    /// The stages, each with its baseline.
    pub readers: Arc<Vec<StageReader>>,
    /// What each fault would hit now, in words.
    pub targets: Vec<String>,
}

/// Why the run cannot begin.
#[derive(Debug)]
pub enum Refusal {
    /// The document is wrong.
    Document {
        /// For the terminal, with the source lines, which may hold secrets.
        rendered: String,
        /// For the journal: the messages alone.
        messages: Vec<String>,
    },
    /// The system or the machine does not do its part.
    System(Vec<String>),
}

/// Checks a plan whose addresses are resolved against the running system.
pub async fn check(
    experiment: &Experiment,
    source: &Source,
    site: &Site,
) -> Result<Ready, Refusal> {
    let mut document = Diagnostics::new();
    let mut system = Vec::new();

    let driver = match &experiment.workload {
        None => None,
        Some(workload) => {
            let http = HttpWorkload {
                method: workload.http.method.clone(),
                url: workload.http.url.clone(),
                headers: workload.http.headers.clone(),
                json: workload.http.json.clone(),
                rate_per_s: workload.rate,
                timeout: workload.timeout,
                identity: workload.identity.clone(),
                max_in_flight: workload.max_in_flight,
            };
            if let Err(reason) = connect(&workload.http.url).await {
                system.push(format!("workload `{}`: {reason}", workload.name));
            }
            match HttpDriver::new(http) {
                Ok(driver) => Some(driver),
                Err(problems) => {
                    for problem in problems {
                        document.error(
                            workload.at,
                            format!("workload `{}`: {problem}", workload.name),
                        );
                    }
                    None
                }
            }
        }
    };

    let mut readers = Vec::new();
    for stage in experiment.ledger.iter().flat_map(|ledger| &ledger.stages) {
        match StageReader::open(stage, site).await {
            Ok(reader) => readers.push(reader),
            Err(StageError::Document(reason)) => {
                document.error(stage.at, format!("stage `{}`: {reason}", stage.name));
            }
            Err(StageError::System(reason)) => {
                system.push(format!("stage `{}` cannot be read: {reason}", stage.name))
            }
        }
    }

    let mut targets = Vec::new();
    for activity in &experiment.method {
        let (calls, function) = match &activity.provider {
            Provider::Fault(call) => (std::slice::from_ref(call), None),
            Provider::Bound { function, calls } => (calls.as_slice(), Some(function)),
            _ => continue,
        };
        for call in calls {
            match target(
                activity,
                &call.target,
                site.status(),
                experiment.endpoints.is_some(),
            )
            .await
            {
                Ok(hit) => targets.push(format!(
                    "{}{} would hit {hit}, {} now",
                    function.map_or(String::new(), |function| format!("`{function}` is bound: ")),
                    call.fault,
                    call.target
                )),
                Err(Refused::Document(reason)) => {
                    let file = call.bound_in.as_ref();
                    let file = file.map_or(String::new(), |file| format!("{file}: "));
                    document.error(call.target_at, format!("{file}{reason}"));
                }
                Err(Refused::System(reason)) => system.push(reason),
            }
        }
    }
    let probes = experiment.hypothesis.iter().flat_map(|h| &h.probes);
    let guards = experiment.safeguards.iter().map(|guard| &guard.activity);
    for activity in probes
        .chain(&experiment.method)
        .chain(&experiment.rollbacks)
        .chain(guards)
    {
        // What is set during the run cannot be checked before it.
        if let Provider::Function(call) = &activity.provider
            && activity.late.is_empty()
        {
            for problem in calls::check(call, site) {
                document.error(call.at, format!("`{}`: {problem}", activity.name));
            }
        }
    }

    if document.has_errors() {
        document.sort();
        return Err(Refusal::Document {
            rendered: document.render(source, false),
            messages: document
                .iter()
                .map(|problem| problem.message.clone())
                .collect(),
        });
    }
    if !system.is_empty() {
        return Err(Refusal::System(system));
    }
    Ok(Ready {
        driver,
        readers: Arc::new(readers),
        targets,
    })
}

enum Refused {
    Document(String),
    System(String),
}

async fn target(
    activity: &Activity,
    target: &Target,
    status: Option<&SystemStatus>,
    endpoints: bool,
) -> Result<String, Refused> {
    let Some(status) = status else {
        return Err(Refused::Document(format!(
            "`{}` needs a process to hit, and {}",
            activity.name,
            if endpoints {
                "processes behind `endpoints` are not ours: name a `system` to hit them"
            } else {
                "the experiment names no `system`"
            }
        )));
    };
    if let Target::Service(name) = target
        && status.instances_of(name).next().is_none()
    {
        return Err(Refused::Document(format!(
            "system `{}` has no service `{name}`; it has {}",
            status.name,
            status.services().join(", ")
        )));
    }
    if let Target::Broker(node) = target
        && status.node(*node).is_none()
    {
        let nodes: Vec<i32> = status.instances.iter().filter_map(|i| i.node_id).collect();
        return Err(Refused::Document(format!(
            "system `{}` has no Kafka broker {node}; it has {nodes:?}",
            status.name
        )));
    }
    if let Target::LeaderOf { topic, partition } = target
        && !status.bootstrap_servers().is_empty()
    {
        let metadata = shaketable_faults::target::cluster_of(status)
            .metadata(Some(&[topic]))
            .await;
        let found = metadata.as_ref().map(|metadata| {
            metadata
                .topic(topic)
                .and_then(|topic| topic.partition(*partition))
        });
        if let Ok(Err(
            error @ (shaketable_kafka::Error::UnknownTopic { .. }
            | shaketable_kafka::Error::UnknownPartition { .. }),
        )) = found
        {
            return Err(Refused::Document(error.to_string()));
        }
    }
    match shaketable_faults::target::resolve(target, status).await {
        Ok(hit) => Ok(hit.instance),
        Err(error @ FaultError::Target { .. }) if status.bootstrap_servers().is_empty() => {
            Err(Refused::Document(error.to_string()))
        }
        Err(error) => Err(Refused::System(error.to_string())),
    }
}

/// Whether something listens where the workload is to go.
async fn connect(url: &str) -> Result<(), String> {
    let Some(authority) = url
        .split_once("://")
        .and_then(|(_, rest)| rest.split(['/', '?', '#']).next())
    else {
        return Ok(()); // the driver says what is wrong with the URL
    };
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let address = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let shown = without_secrets(url);
    match tokio::time::timeout(CONNECT_TIMEOUT, tokio::net::TcpStream::connect(&address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!(
            "nothing can be reached at {address} ({error}); check the address in {shown} and that the service is up"
        )),
        Err(_) => Err(format!(
            "{address} did not accept a connection within {} s ({shown})",
            CONNECT_TIMEOUT.as_secs()
        )),
    }
}
