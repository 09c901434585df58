//! Service names in a plan become the addresses they lead to, as in a container network: those the
//! testbed gave them, or the endpoints'.

use serde_json::Value;
use shaketable_experiment::{
    Activity, Endpoints, Experiment, FaultCall, Provider, StageSource, Value as PlanValue,
};
use shaketable_testbed::system::{Hosts, replace_hosts};

/// Replaces service names by the testbed's addresses, in every address of the plan.
pub(crate) fn in_system(experiment: &mut Experiment, hosts: &Hosts) {
    resolve(experiment, &|text| hosts.replace_in("", text, None));
}

/// Replaces service names by the endpoints they stand for. An endpoint with a port stands for the
/// name with whatever port.
pub(crate) fn at_endpoints(experiment: &mut Experiment, endpoints: &Endpoints) {
    resolve(experiment, &|text| {
        replace_hosts("", text, &|name| endpoints.services.get(name).cloned())
    });
}

fn resolve(experiment: &mut Experiment, replaced: &dyn Fn(&str) -> String) {
    let replace = |text: &mut String| *text = replaced(text);
    if let Some(workload) = &mut experiment.workload {
        replace(&mut workload.http.url);
    }
    for stage in experiment
        .ledger
        .iter_mut()
        .flat_map(|ledger| &mut ledger.stages)
    {
        if let StageSource::Postgres { url, .. } = &mut stage.source {
            replace(url);
        }
    }
    let probes = experiment
        .hypothesis
        .iter_mut()
        .flat_map(|hypothesis| &mut hypothesis.probes);
    let safeguards = experiment
        .safeguards
        .iter_mut()
        .map(|safeguard| &mut safeguard.activity);
    let activities: Vec<&mut Activity> = probes
        .chain(&mut experiment.method)
        .chain(&mut experiment.rollbacks)
        .chain(safeguards)
        .collect();
    for activity in activities {
        match &mut activity.provider {
            Provider::Http { request, .. } => replace(&mut request.url),
            Provider::Process { arguments, .. } => arguments.iter_mut().for_each(replace),
            Provider::Postgres { url, .. } => replace(url),
            Provider::Function(call) => {
                if let Some(Value::String(servers)) = call.arguments.get_mut("bootstrap_servers") {
                    replace(servers);
                }
            }
            Provider::Fault(call) => in_parameters(call, replaced),
            Provider::Bound { calls, .. } => {
                calls
                    .iter_mut()
                    .for_each(|call| in_parameters(call, replaced));
            }
            Provider::Ledger { .. } => {}
        }
    }
}

fn in_parameters(call: &mut FaultCall, replaced: &dyn Fn(&str) -> String) {
    // The supervisor replaces names in variables of a process by itself.
    if let Some(PlanValue::Text(url)) = call.parameters.get_mut("url") {
        *url = replaced(url);
    }
}
