//! Experiments: a document in the Chaos Toolkit's format, with our additional keys, as a typed plan.
//!
//! What this crate promises:
//! 1. [`parse`] reports every error of a document at once, each at its place; a key is carried out
//!    or refused, never silently ignored (but for `version` and keys that begin with `x-`).
//! 2. An [`Experiment`] is complete: variables are substituted, defaults are filled in, units are
//!    converted, names are resolved. Values that nobody knows yet are the one exception; a plan says
//!    which these are, and is made again with them. Nothing downstream reads the document.
//! 3. [`schema`] is generated from the tables that [`parse`] checks against.
//!
//! It does no IO and reads no clock: text, the catalogue of faults and the environment are passed
//! in. Whether targets exist and services answer is for the engine's preflight, where plans go next.

mod binding;
mod condition;
mod configuration;
mod draft;
mod late;
mod overrides;
mod plan;
mod read;
mod reference;
mod substitution;
mod table;
mod vault;

use std::sync::Arc;

use shaketable_document::{Diagnostics, Field, Node, Source};

use draft::{Draft, Shared};

pub use binding::Bindings;
pub use condition::Condition;
pub use overrides::{OverrideError, Overrides};
pub use plan::{
    ASK_INTERVAL_DEFAULT, DRAIN_TIMEOUT_DEFAULT, FREQUENCY_DEFAULT, HTTP_TIMEOUT_DEFAULT,
    MAX_IN_FLIGHT_DEFAULT, POSTGRES_TIMEOUT_DEFAULT, PROCESS_TIMEOUT_DEFAULT,
    PYTHON_TIMEOUT_DEFAULT, RETRY_INTERVAL_DEFAULT, STEADY_TIMEOUT_DEFAULT, WARM_UP_DEFAULT,
    WORKLOAD_TIMEOUT_DEFAULT,
};
pub use plan::{
    Activity, ActivityKind, ConfigurationSource, Contribution, Control, ControlScope, Dry,
    Endpoints, Experiment, FaultCall, Found, FunctionCall, HttpBody, HttpCall, HttpRequest,
    Hypothesis, HypothesisStrategy, LateValue, LedgerPlan, ProcessArguments, ProcessCall, Provider,
    PythonCall, PythonRuntime, Retries, RollbackStrategy, Safeguard, SecretGroup, Setter, Stage,
    StageSource, SystemRef, Target, Tolerance, UnknownName, Until, Value, ValueSource, Values,
    Workload,
};
pub use shaketable_ledger::{Measure, StageRole};
pub use vault::{Vault, VaultAuthentication};

/// What experiments may name; it lives elsewhere and is passed in.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// The faults.
    pub faults: Vec<FaultDeclaration>,
    /// The functions that are known, native or not.
    pub functions: Vec<FunctionDeclaration>,
    /// The native controls: module, and the configuration values it sets.
    pub controls: Vec<(&'static str, &'static [&'static str])>,
    /// Bindings that hold for documents without such of their own.
    pub bindings: Bindings,
}

/// What an experiment may say about one fault; the catalogue itself lives with the faults.
#[derive(Debug, Clone, Copy)]
pub struct FaultDeclaration {
    /// The fault's name, as written under `fault:`.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// Its parameters, written beside `fault:` and `target:`: scalars, or a map of texts.
    pub parameters: &'static [Field<'static>],
    /// The roles a target may have: `leader-of`, `broker`, `controller`, `service`.
    pub targets: &'static [&'static str],
}

impl Catalogue {
    pub(crate) fn function(&self, module: &str, name: &str) -> Option<&FunctionDeclaration> {
        let mut functions = self.functions.iter();
        functions.find(|function| function.module == module && function.name == name)
    }

    /// Whether a control is native.
    pub(crate) fn has_control(&self, module: &str) -> bool {
        self.controls.iter().any(|(known, _)| *known == module)
    }
}

/// What an experiment may say about one function of an extension.
#[derive(Debug, Clone)]
pub struct FunctionDeclaration {
    /// Its module.
    pub module: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Whether it asks or acts.
    pub kind: ActivityKind,
    /// Whether it is carried out natively; if not, a binding says which fault stands for it.
    pub native: bool,
    /// Its arguments, and whether each has to be given.
    pub arguments: Vec<(&'static str, bool)>,
}

impl FunctionDeclaration {
    /// Module and name: `chaoskafka.probes.all_replicas_in_sync`.
    pub(crate) fn path(&self) -> String {
        format!("{}.{}", self.module, self.name)
    }
}

/// Reads an experiment. `environment` gives the values of variables of type env, `overrides` go
/// before what the document says.
///
/// The diagnostics beside the plan are warnings.
///
/// # Errors
/// All errors and warnings of the document, in its order.
pub fn parse(
    source: &Source,
    catalogue: &Catalogue,
    environment: &dyn Fn(&str) -> Option<String>,
    overrides: &Overrides,
) -> Result<(Experiment, Diagnostics), Diagnostics> {
    let environment = |name: &str| overrides.environment(name).or_else(|| environment(name));
    let mut root = shaketable_document::parse(source)?;
    let mut diagnostics = Diagnostics::new();
    overrides.apply(&mut root, &mut diagnostics);
    reference::expand(&mut root, &mut diagnostics);
    let draft = Draft(Arc::new(Shared {
        values: configuration::values(&root, &environment, &mut diagnostics),
        order: Arc::new(late::order(&root, catalogue)),
        secrets: read::secrets(&root, &environment, &mut diagnostics),
        catalogue: Arc::new(catalogue.clone()),
        root,
    }));
    let experiment = draft.plan(&mut diagnostics);
    diagnostics.sort();
    match experiment {
        Some(experiment) if !diagnostics.has_errors() => Ok((experiment, diagnostics)),
        _ => Err(diagnostics),
    }
}

/// Reads a file of endpoints: what stands under `endpoints` of an experiment.
///
/// # Errors
/// All errors of the file.
pub fn endpoints(source: &Source) -> Result<Endpoints, Diagnostics> {
    let root = shaketable_document::parse(source)?;
    let mut diagnostics = Diagnostics::new();
    shaketable_document::check(&root, &table::ENDPOINTS, &mut diagnostics);
    refuse_variables(&root, &mut diagnostics);
    if diagnostics.has_errors() {
        diagnostics.sort();
        return Err(diagnostics);
    }
    Ok(read::endpoints(&root, root.span))
}

/// Nothing fills in variables in a file of endpoints.
fn refuse_variables(node: &Node, diagnostics: &mut Diagnostics) {
    if node.as_text().is_some_and(|text| text.contains("${")) {
        diagnostics
            .error(node.span, "a file of endpoints takes no variables")
            .help("write the value, or put `endpoints` into the experiment");
    }
    let items = node.items().iter();
    let values = node.entries().iter().map(|entry| &entry.value);
    for node in items.chain(values) {
        refuse_variables(node, diagnostics);
    }
}

/// The JSON Schema of experiments, for editors, with the faults of the catalogue.
pub fn schema(faults: &[FaultDeclaration]) -> serde_json::Value {
    table::with_schema(faults, |table| {
        shaketable_document::schema(
            table,
            "Shaketable experiment",
            Some(substitution::VARIABLE_PATTERN),
        )
    })
}
