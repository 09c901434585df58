//! Experiments: a document in the Chaos Toolkit's format, with our additional keys, as a typed plan.
//!
//! What this crate promises:
//! 1. [`parse`] reports every error of a document at once, each at its place; a key is carried out
//!    or refused, never silently ignored (but for `version` and keys that begin with `x-`).
//! 2. An [`Experiment`] is complete: variables are substituted, defaults are filled in, units are
//!    converted, names are resolved. Nothing downstream sees the document.
//! 3. [`schema`] is generated from the tables that [`parse`] checks against.
//!
//! It does no IO and reads no clock: text, the catalogue of faults and the environment are passed
//! in. Whether targets exist and services answer is for the engine's preflight, where plans go next.

mod plan;
mod read;
mod substitution;
mod table;
mod tolerance;

use shaketable_document::{Diagnostics, Field, Source};

pub use plan::{
    Activity, ActivityKind, Experiment, FaultCall, HttpRequest, Hypothesis, LedgerPlan, Provider,
    Safeguard, Stage, StageSource, SystemRef, Target, Value, Workload,
};
pub use plan::{
    DRAIN_TIMEOUT_DEFAULT, HTTP_TIMEOUT_DEFAULT, MAX_IN_FLIGHT_DEFAULT, PROCESS_TIMEOUT_DEFAULT,
    STEADY_TIMEOUT_DEFAULT, WARM_UP_DEFAULT, WORKLOAD_TIMEOUT_DEFAULT,
};
pub use shaketable_ledger::{Measure, StageRole};
pub use tolerance::Tolerance;

/// What an experiment may say about one fault; the catalogue itself lives with the faults.
#[derive(Debug, Clone, Copy)]
pub struct FaultDeclaration {
    /// The fault's name, as written under `fault:`.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// Its parameters, written beside `fault:` and `target:`; of scalar kinds only.
    pub parameters: &'static [Field<'static>],
    /// The roles a target may have: `leader-of`, `controller`, `service`.
    pub targets: &'static [&'static str],
}

/// Reads an experiment. `environment` gives the values of `{type: env}` configuration.
///
/// The diagnostics beside the plan are warnings.
///
/// # Errors
/// All errors and warnings of the document, in its order.
pub fn parse(
    source: &Source,
    faults: &[FaultDeclaration],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<(Experiment, Diagnostics), Diagnostics> {
    let mut root = shaketable_document::parse(source)?;
    let mut diagnostics = Diagnostics::new();
    let configuration = substitution::resolve(&root, environment, &mut diagnostics);
    substitution::substitute(&mut root, &configuration, &mut diagnostics);
    let unresolved: Vec<_> = diagnostics.iter().map(|problem| problem.span).collect();

    let mut checked = Diagnostics::new();
    table::with_root(faults, |table| {
        shaketable_document::check(&root, table, &mut checked);
    });
    let mut reader = read::Reader::new(faults, &mut checked);
    let experiment = reader.experiment(&root, &configuration);

    // A text whose variable is unknown has been reported; what it would have been is not known.
    for problem in checked.iter() {
        if !unresolved.contains(&problem.span) {
            diagnostics.push(problem.clone());
        }
    }
    diagnostics.sort();
    match experiment {
        Some(experiment) if !diagnostics.has_errors() => Ok((experiment, diagnostics)),
        _ => Err(diagnostics),
    }
}

/// The JSON Schema of experiments, for editors, with the faults of the catalogue.
pub fn schema(faults: &[FaultDeclaration]) -> serde_json::Value {
    table::with_root(faults, |table| {
        shaketable_document::schema(
            table,
            "Shaketable experiment",
            Some(substitution::VARIABLE_PATTERN),
        )
    })
}
