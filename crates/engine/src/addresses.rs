//! Service names in a plan become the addresses the testbed gave them, as in a container network.

use shaketable_experiment::{Activity, Experiment, Provider, StageSource};
use shaketable_testbed::system::Hosts;

/// Replaces service names in every address of the plan.
pub(crate) fn resolve(experiment: &mut Experiment, hosts: &Hosts) {
    let replace = |text: &mut String| *text = hosts.replace_in("", text, None);
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
            Provider::Fault(_) | Provider::Ledger { .. } => {}
        }
    }
}
