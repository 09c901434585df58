//! Service names in a plan become the addresses they lead to at the site, wherever an address can stand.

use serde_json::Value;
use shaketable_experiment::{
    Activity, Experiment, FaultCall, Provider, StageSource, Tolerance, Value as PlanValue,
};

use crate::site::Site;

/// Replaces service names in the whole plan.
pub(crate) fn in_experiment(experiment: &mut Experiment, site: &Site) {
    if let Some(workload) = &mut experiment.workload {
        replace(&mut workload.http.url, site);
    }
    let ledger = experiment.ledger.iter_mut();
    for stage in ledger.flat_map(|ledger| &mut ledger.stages) {
        if let StageSource::Postgres { url, .. } = &mut stage.source {
            replace(url, site);
        }
    }
    let hypothesis = experiment.hypothesis.iter_mut();
    let safeguards = experiment.safeguards.iter_mut();
    hypothesis
        .flat_map(|hypothesis| &mut hypothesis.probes)
        .chain(&mut experiment.method)
        .chain(&mut experiment.rollbacks)
        .chain(safeguards.map(|safeguard| &mut safeguard.activity))
        .for_each(|activity| in_activity(activity, site));
}

/// Replaces service names in one activity.
pub(crate) fn in_activity(activity: &mut Activity, site: &Site) {
    match &mut activity.provider {
        Provider::Http(call) => replace(&mut call.url, site),
        Provider::Process(call) => {
            let arguments = call.arguments.texts_mut().iter_mut();
            arguments
                .chain(call.environment.values_mut())
                .for_each(|text| replace(text, site));
        }
        Provider::Postgres { url, .. } => replace(url, site),
        Provider::Function(call) => {
            if let Some(servers) = call.arguments.get_mut("bootstrap_servers") {
                in_value(servers, site);
            }
        }
        Provider::Python(call) => call
            .arguments
            .values_mut()
            .for_each(|value| in_value(value, site)),
        Provider::Fault(call) => in_parameters(call, site),
        Provider::Bound { calls, .. } => {
            calls.iter_mut().for_each(|call| in_parameters(call, site))
        }
        Provider::Ledger { .. } => {}
    }
    if let Some(Tolerance::Probe(judge)) = &mut activity.tolerance {
        in_activity(judge, site);
    }
}

fn replace(text: &mut String, site: &Site) {
    *text = site.resolved(text);
}

fn in_value(value: &mut Value, site: &Site) {
    match value {
        Value::String(text) => replace(text, site),
        Value::Array(items) => items.iter_mut().for_each(|item| in_value(item, site)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|member| in_value(member, site)),
        _ => {}
    }
}

fn in_parameters(call: &mut FaultCall, site: &Site) {
    // The supervisor replaces names in variables of a process by itself.
    if let Some(PlanValue::Text(url)) = call.parameters.get_mut("url") {
        replace(url, site);
    }
}
