//! Dry runs: what of an experiment is not really done, and what that means for its verdict.
//!
//! What an activity says goes before what is said for the whole run. Nothing is proven by a dry run.

use shaketable_experiment::{Activity, Dry, Experiment};

/// Whether an activity is left out.
fn leaves_out(experiment: &Experiment, activity: &Activity) -> bool {
    let dry = activity.dry.or(experiment.dry);
    dry.is_some_and(|dry| dry.leaves_out(activity.kind))
}

/// Whether nothing is really done: then the experiment needs no system, and puts no load on one.
pub(crate) fn leaves_out_all(experiment: &Experiment) -> bool {
    let mut activities = experiment.activities();
    experiment.dry == Some(Dry::Activities) && activities.all(|a| leaves_out(experiment, a))
}

/// What of the plan is really done: what the system has to be there for. Without a load when nothing is.
pub(crate) fn what_is_done(experiment: &Experiment) -> Experiment {
    let mut done = experiment.clone();
    let is_done = |activity: &Activity| !leaves_out(experiment, activity);
    if leaves_out_all(experiment) {
        done.workload = None;
        done.ledger = None;
    }
    if let Some(hypothesis) = &mut done.hypothesis {
        hypothesis.probes.retain(is_done);
    }
    done.method.retain(is_done);
    done.rollbacks.retain(is_done);
    done.safeguards.retain(|guard| is_done(&guard.activity));
    done
}

/// Why a dry run proves nothing; none if it is none.
pub(crate) fn reasons(experiment: &Experiment) -> Vec<String> {
    let of_run = experiment.dry.map(|dry| {
        let what = match dry {
            Dry::Probes => "no probe was asked",
            Dry::Actions => "no action was carried out",
            Dry::Activities => "no activity was carried out",
            Dry::Pause => "no pause was waited for",
        };
        format!("it was a dry run: {what}")
    });
    let own = experiment.activities().filter(|a| a.dry.is_some());
    let own = own.map(|activity| format!("`{}` was carried out dry, as it says", activity.name));
    of_run.into_iter().chain(own).collect()
}
