//! `explain`: what an experiment would do, to whom, and how that is undone, without touching anything.
//!
//! The blast radius is counted from the Compose file: of how many processes of a service, or of how
//! many nodes of a Kafka cluster, one is hit. Which one it is, roles such as a leader decide only at
//! the moment of injection.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use shaketable_experiment::{
    Activity, Experiment, FaultCall, HypothesisStrategy, Provider, RollbackStrategy, Target,
    Tolerance,
};
use shaketable_faults::Parameters;
use shaketable_testbed::compose::{Compose, DriverKind};
use shaketable_testbed::system::without_secrets;
use shaketable_testbed::{SystemSource, TestbedError};

use super::experiment::{Document, catalogue_with, read_with};
use super::suite;
use crate::arguments::Explain;
use crate::exit::Exit;
use crate::terminal;

/// Explains every experiment; the first one that is wrong decides the exit.
pub fn run(arguments: &Explain) -> Result<Exit, TestbedError> {
    let Some(catalogue) = catalogue_with(arguments.bindings.as_deref()) else {
        return Ok(Exit::Usage);
    };
    let overrides = match arguments.values.overrides() {
        Ok(overrides) => overrides,
        Err(message) => {
            terminal::error(&message);
            return Ok(Exit::Usage);
        }
    };
    let paths = match suite::gather(&arguments.experiments) {
        Ok(paths) => paths,
        Err(message) => {
            terminal::error(&message);
            return Ok(Exit::Usage);
        }
    };
    let mut exit = Exit::Passed;
    for path in &paths {
        match read_with(path, &catalogue, &overrides) {
            Ok(document) => terminal::data(&explanation(&document, arguments)?),
            Err(message) => {
                terminal::error(&message);
                exit = Exit::Usage;
            }
        }
    }
    Ok(exit)
}

fn explanation(document: &Document, arguments: &Explain) -> Result<String, TestbedError> {
    let experiment = &document.experiment;
    let mut out = format!("── {} ({})\n", experiment.title, document.path.display());
    let compose = compose_of(document, arguments)?;
    match (&compose, &experiment.endpoints) {
        (Some(compose), _) => out.push_str(&system(compose)),
        (None, Some(endpoints)) => {
            let _ = writeln!(
                out,
                "system: as it runs, at {}; nothing of it is started or stopped",
                endpoints.bootstrap_servers
            );
        }
        (None, None) => out.push_str("system: none; nothing is brought up\n"),
    }
    if let Some(workload) = &experiment.workload {
        let _ = writeln!(
            out,
            "load: {} {} at {}/s, from before the first question until after the last recovery",
            workload.http.method,
            without_secrets(&workload.http.url),
            workload.rate
        );
    }
    out.push_str(&hypothesis(experiment));
    let mut hit = BTreeSet::new();
    part(
        &mut out,
        "method",
        &experiment.method,
        compose.as_ref(),
        &mut hit,
    );
    let rollbacks = match experiment.rollback_strategy {
        RollbackStrategy::Default | RollbackStrategy::Always => "rollbacks, however the run ends",
        RollbackStrategy::Deviated => "rollbacks, if the hypothesis does not hold",
        RollbackStrategy::Never => "rollbacks, never carried out",
    };
    part(
        &mut out,
        rollbacks,
        &experiment.rollbacks,
        compose.as_ref(),
        &mut hit,
    );
    for guard in &experiment.safeguards {
        let _ = writeln!(
            out,
            "safeguard, every {:.1} s, ends the run when it does not hold: {}",
            guard.every.as_secs_f64(),
            asked(&guard.activity)
        );
    }
    if let Some(compose) = &compose {
        let all: usize = compose
            .services
            .iter()
            .map(|service| service.replicas)
            .sum();
        let _ = writeln!(
            out,
            "blast radius: at most {} of {all} processes{}",
            hit.len(),
            if hit.is_empty() {
                ""
            } else {
                ", one at a time"
            },
        );
    }
    Ok(out)
}

fn compose_of(document: &Document, arguments: &Explain) -> Result<Option<Compose>, TestbedError> {
    let folder = document.path.parent().unwrap_or(Path::new("."));
    let named = document.experiment.system.as_ref();
    let named = named.map(|system| folder.join(&system.path));
    let Some(path) = arguments.compose.clone().or(named) else {
        return Ok(None);
    };
    let source = SystemSource::new(&path, arguments.variant.as_deref())?;
    Ok(Some(source.read()?.compose))
}

fn system(compose: &Compose) -> String {
    let services = compose
        .services
        .iter()
        .map(|service| match service.replicas {
            1 => service.name.clone(),
            n => format!("{} ×{n}", service.name),
        });
    format!(
        "system: `{}`, brought up for the run and taken down after it, unless it is up: {}\n",
        compose.name,
        services.collect::<Vec<_>>().join(", ")
    )
}

fn hypothesis(experiment: &Experiment) -> String {
    let Some(hypothesis) = &experiment.hypothesis else {
        return "hypothesis: none\n".to_owned();
    };
    let when = match experiment.strategy {
        HypothesisStrategy::Default => "before and after".to_owned(),
        HypothesisStrategy::BeforeMethodOnly => "before the method only".to_owned(),
        HypothesisStrategy::AfterMethodOnly => "after the method only".to_owned(),
        HypothesisStrategy::DuringMethodOnly => {
            format!("every {} during the method", seconds(experiment.frequency))
        }
        HypothesisStrategy::Continuously => {
            format!(
                "before, after, and every {} in between",
                seconds(experiment.frequency)
            )
        }
        HypothesisStrategy::Skip => "never asked".to_owned(),
    };
    let mut out = format!("hypothesis, {when}: {}\n", hypothesis.title);
    for probe in &hypothesis.probes {
        let _ = writeln!(out, "  {}", asked(probe));
    }
    out
}

/// A probe in a line: its name, what is asked, and what is tolerated.
fn asked(probe: &Activity) -> String {
    let tolerated = match &probe.tolerance {
        None => String::new(),
        Some(Tolerance::Output(condition)) => format!(", tolerated is {condition}"),
        Some(Tolerance::Samples {
            condition,
            at_least,
            of,
            ..
        }) => format!(
            ", tolerated is {condition} in {:.0} % of {of} samples",
            at_least * 100.0
        ),
        Some(Tolerance::Rate {
            condition, over, ..
        }) => {
            format!(
                ", tolerated is a change per second of {condition} over {}",
                seconds(*over)
            )
        }
        Some(Tolerance::Probe(judge)) => format!(", judged by `{}`", judge.name),
    };
    format!("`{}`: {}{tolerated}", probe.name, what(&probe.provider))
}

/// What a provider does, in a few words.
fn what(provider: &Provider) -> String {
    match provider {
        Provider::Http(call) => format!("{} {}", call.method, without_secrets(&call.url)),
        Provider::Process(call) => format!("runs {} on this machine", call.path),
        Provider::Python(call) => format!("calls {}.{} in Python", call.module, call.function),
        Provider::Function(call) => format!("calls {}.{}", call.module, call.function),
        Provider::Fault(call) => format!("fault {} on {}", call.fault, call.target),
        Provider::Bound { function, .. } => format!("{function}, for which faults stand"),
        Provider::Postgres { url, .. } => format!("asks {}", without_secrets(url)),
        Provider::Ledger { .. } => "asks the ledger".to_owned(),
    }
}

fn part(
    out: &mut String,
    title: &str,
    activities: &[Activity],
    compose: Option<&Compose>,
    hit: &mut BTreeSet<String>,
) {
    if activities.is_empty() {
        return;
    }
    let _ = writeln!(out, "{title}");
    for (n, activity) in activities.iter().enumerate() {
        let mut more = Vec::new();
        for (when, pause) in [
            ("before", activity.pauses_before),
            ("after", activity.pauses_after),
        ] {
            if !pause.is_zero() {
                more.push(format!("{} {when} it", seconds(pause)));
            }
        }
        if activity.background {
            more.push("in the background".to_owned());
        }
        let more = match more.is_empty() {
            true => String::new(),
            false => format!(" ({})", more.join(", ")),
        };
        let _ = writeln!(
            out,
            "  {}. `{}`: {}{more}",
            n + 1,
            activity.name,
            what(&activity.provider)
        );
        let calls = match &activity.provider {
            Provider::Fault(call) => std::slice::from_ref(call),
            Provider::Bound { calls, .. } => calls,
            other => {
                let _ = writeln!(out, "       {}", consequences(other));
                continue;
            }
        };
        for call in calls {
            out.push_str(&fault(call, compose, hit));
        }
    }
}

fn fault(call: &FaultCall, compose: Option<&Compose>, hit: &mut BTreeSet<String>) -> String {
    let Some(fault) = shaketable_faults::find(&call.fault) else {
        return String::new();
    };
    let mut out = format!(
        "       does    {}: {}\n",
        call.fault,
        fault.declaration().doc
    );
    if let Some(compose) = compose {
        let (whom, of) = radius(&call.target, compose);
        hit.insert(whom.clone());
        let _ = writeln!(out, "       touches {} ({whom}), 1 of {of}", call.target);
    }
    let ends = match fault.lasts(&Parameters::of(&call.parameters)) {
        Some(time) => format!("after {}, or when the run ends", seconds(time)),
        None => "at the end of the method".to_owned(),
    };
    let _ = writeln!(out, "       undone  {ends}: {}", fault.undoing());
    out
}

/// Who is hit, in words that are the same for the same process as far as can be known, and out of
/// how many processes it is one.
fn radius(target: &Target, compose: &Compose) -> (String, usize) {
    let nodes = || {
        let kafka = compose.services.iter();
        let kafka = kafka.filter(|service| service.driver == DriverKind::Kafka);
        kafka.map(|service| service.replicas).sum()
    };
    match target {
        Target::Service(name) => {
            let mut services = compose.services.iter();
            let replicas = services
                .find(|service| service.name == *name)
                .map_or(0, |service| service.replicas);
            (format!("a process of {name}"), replicas)
        }
        Target::LeaderOf { .. } => (format!("the {target}"), nodes()),
        Target::Broker(_) => (target.to_string(), nodes()),
        Target::Controller => ("the active controller".to_owned(), nodes()),
    }
}

/// What is known of the consequences of what is no fault.
fn consequences(provider: &Provider) -> &'static str {
    match provider {
        Provider::Http(call) if ["GET", "HEAD", "OPTIONS"].contains(&call.method.as_str()) => {
            "reads only, if the service keeps to HTTP"
        }
        Provider::Postgres { .. } | Provider::Ledger { .. } => "reads only",
        Provider::Http(_) | Provider::Process(_) | Provider::Python(_) | Provider::Function(_) => {
            "what it changes is not known here, and nothing undoes it but a rollback"
        }
        Provider::Fault(_) | Provider::Bound { .. } => "",
    }
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
