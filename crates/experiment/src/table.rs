//! The tables of experiments: the single definition of what a document may contain.

mod definition;
mod load;
mod provider;
mod runtime;
mod tolerance;

use shaketable_document::{Data, Diagnostics, Entry, Field, Kind, Node, Object};

use crate::FaultDeclaration;
use crate::read::Section;
use load::{LEDGER, WORKLOAD};
use provider::{
    HTTP_PROVIDER, KAFKA_PROVIDER, LEDGER_PROVIDER, POSTGRES_PROVIDER, PROCESS_PROVIDER,
    PYTHON_PROVIDER,
};
use runtime::{CONTRIBUTIONS, CONTROL, DRY, OUTPUTS, PAUSES, REFERENCE, RETRIES, RUNTIME};

const SCALAR: Kind<'static> = Kind::AnyOf(&[Kind::Text, Kind::Integer, Kind::Number, Kind::Bool]);

/// Roles of a target that are written as a key with a name.
const NAMED_ROLES: &[(&str, Kind<'static>)] = &[
    ("leader-of", Kind::Text),
    ("broker", Kind::AnyOf(&[Kind::Integer, Kind::Text])),
    ("service", Kind::Text),
];

/// A running system that is used as it is.
pub(crate) const ENDPOINTS: Object<'static> = Object {
    name: "endpoints",
    doc: "A running system that is used as it is, instead of `system`.",
    fields: &[
        Field::optional(
            "bootstrap-servers",
            Kind::Text,
            "Kafka's bootstrap servers: host:port, several with commas.",
        ),
        Field::optional(
            "client-properties",
            Kind::Map(&SCALAR),
            "Kafka client properties, such as security.protocol.",
        ),
        Field::optional(
            "services",
            Kind::Map(&Kind::Text),
            "Where service names of the experiment lead: a host, or host:port.",
        ),
    ],
};

/// Faults under the functions that they stand for. What a fault may contain is known only when the
/// variables of its binding are filled in, where it is used.
pub(crate) const BINDINGS: Kind<'static> = Kind::Map(&Kind::Map(&Kind::Any));

/// Checks a value that is no part of a document, as if it stood under `key` in one.
pub(crate) fn check_value(key: &str, value: &Node, kind: Kind<'_>, diagnostics: &mut Diagnostics) {
    let root = Node {
        span: value.span,
        data: Data::Map(vec![Entry {
            key: key.to_owned(),
            key_span: value.span,
            value: value.clone(),
        }]),
    };
    let table = Object {
        name: key,
        doc: "",
        fields: &[Field::required(key, kind, "")],
    };
    shaketable_document::check(&root, &table, diagnostics);
}

/// The role of a target that stands for itself.
const CONTROLLER: Kind<'static> = Kind::Choice(&["controller"]);

/// The tables of a document and of its parts.
pub(crate) struct Tables<'t> {
    /// A whole experiment.
    pub(crate) experiment: Object<'t>,
    /// An activity.
    activity: Object<'t>,
    /// A probe that finds out a value of the configuration.
    pub(crate) definition: Object<'t>,
    /// A probe that judges an output.
    judge: Object<'t>,
}

impl<'t> Tables<'t> {
    /// The table of an activity that stands there.
    pub(crate) fn of(&self, section: Section) -> &Object<'t> {
        match section {
            Section::Hypothesis | Section::Method | Section::Rollbacks | Section::Safeguards => {
                &self.activity
            }
            Section::Configuration => &self.definition,
            Section::Tolerance => &self.judge,
        }
    }
}

/// Puts the tables together with the catalogue's faults and hands them to `body`.
pub(crate) fn with_tables<R>(
    faults: &[FaultDeclaration],
    body: impl FnOnce(&Tables<'_>) -> R,
) -> R {
    with_provider(faults, |provider| tables(provider, false, body))
}

/// The table for the schema: references stand in it, which are carried out before the check, and
/// where values of the configuration come from, which is checked by itself.
pub(crate) fn with_schema<R>(
    faults: &[FaultDeclaration],
    body: impl FnOnce(&Object<'_>) -> R,
) -> R {
    with_provider(faults, |provider| {
        tables(provider, true, |tables| body(&tables.experiment))
    })
}

fn with_provider<R>(faults: &[FaultDeclaration], body: impl FnOnce(Kind<'_>) -> R) -> R {
    with_fault(faults, |fault| {
        body(Kind::Tagged {
            tag: "type",
            cases: &[
                ("http", Kind::Object(&HTTP_PROVIDER)),
                ("process", Kind::Object(&PROCESS_PROVIDER)),
                ("fault", fault),
                ("ledger", Kind::Object(&LEDGER_PROVIDER)),
                ("python", Kind::Object(&PYTHON_PROVIDER)),
                ("kafka", Kind::Object(&KAFKA_PROVIDER)),
                ("postgres", Kind::Object(&POSTGRES_PROVIDER)),
            ],
        })
    })
}

/// Checks where a value comes from that is stored somewhere: `kind` is its type.
pub(crate) fn check_definition(
    definition: &Node,
    kind: &str,
    name: &str,
    diagnostics: &mut Diagnostics,
) {
    let cases = definition::STORED;
    if cases.iter().any(|(case, _)| *case == kind) {
        check_value(
            name,
            definition,
            Kind::Tagged { tag: "type", cases },
            diagnostics,
        );
    }
}

/// Hands the table of one use of a fault, whatever the fault, to `body`.
pub(crate) fn with_fault<R>(faults: &[FaultDeclaration], body: impl FnOnce(Kind<'_>) -> R) -> R {
    let roles: Vec<Vec<(&str, Kind)>> = faults.iter().map(named_roles).collect();
    let targets: Vec<Vec<Kind>> = faults
        .iter()
        .zip(&roles)
        .map(|(fault, roles)| target_kinds(fault, roles))
        .collect();
    let fields: Vec<Vec<Field>> = faults
        .iter()
        .zip(&targets)
        .map(|(fault, targets)| {
            let target = Field::required("target", Kind::AnyOf(targets), "What it hits, by role.");
            [&[target], fault.parameters].concat()
        })
        .collect();
    let objects: Vec<Object> = faults
        .iter()
        .zip(&fields)
        .map(|(fault, fields)| Object {
            name: fault.name,
            doc: fault.doc,
            fields,
        })
        .collect();
    let cases: Vec<(&str, Kind)> = objects
        .iter()
        .map(|object| (object.name, Kind::Object(object)))
        .collect();
    let fault = Kind::Tagged {
        tag: "fault",
        cases: &cases,
    };
    body(fault)
}

fn tables<R>(provider: Kind<'_>, schema: bool, body: impl FnOnce(&Tables<'_>) -> R) -> R {
    let name = Field::required("name", Kind::Text, "What it is called.");
    let optional_name = Field::optional("name", Kind::Text, "What it is called.");
    let provider = Field::required("provider", provider, "What carries it out.");
    let is_probe = Field::required("type", Kind::Choice(&["probe"]), "Always a probe.");
    let timeout = Field::optional("timeout", Kind::Duration, "How long it may take in all.");
    let judge = Object {
        name: "probe tolerance",
        doc: "A probe that gets the output as its argument `value` and judges it.",
        fields: &[optional_name, provider, timeout],
    };
    let (cases, cases_and_tag);
    cases = tolerance::cases(Kind::Object(&judge));
    cases_and_tag = tolerance::kinds(&cases);
    let tolerance_kind = Kind::AnyOf(&cases_and_tag);
    let tolerance = |required| Field {
        name: "tolerance",
        kind: tolerance_kind,
        required,
        doc: "What its output has to be.",
    };
    let until = Object {
        name: "until",
        doc: "Asking again until a tolerance holds.",
        fields: &[
            tolerance(true),
            Field::required(
                "timeout",
                Kind::Duration,
                "How long it may take until it holds.",
            ),
            Field::optional(
                "every",
                Kind::Duration,
                "From one question to the next; 500ms by default.",
            ),
        ],
    };
    let with_references = [Kind::Object(&CONTROL), Kind::Object(&REFERENCE)];
    let control = if schema {
        Kind::AnyOf(&with_references)
    } else {
        Kind::Object(&CONTROL)
    };
    let controls = |doc| Field::optional("controls", Kind::List(&control), doc);
    let retries = Field::optional(
        "retries",
        Kind::Object(&RETRIES),
        "Trying again when it fails.",
    );
    let activity = Object {
        name: "activity",
        doc: "One thing that is asked or done.",
        fields: &[
            Field::required(
                "type",
                Kind::Choice(&["probe", "action"]),
                "Whether it asks or acts.",
            ),
            name,
            provider,
            tolerance(false),
            Field::optional(
                "within",
                Kind::Duration,
                "How long the tolerance may take to hold; for probes of the hypothesis.",
            ),
            Field::optional(
                "until",
                Kind::Object(&until),
                "What is waited for; for probes of the method and the rollbacks.",
            ),
            retries,
            timeout,
            Field::optional(
                "outputs",
                OUTPUTS,
                "Variables for later activities, each with the JSONPath of its value in the output.",
            ),
            Field::optional("pauses", Kind::Object(&PAUSES), "Pauses around it."),
            Field::optional(
                "background",
                Kind::Bool,
                "Whether the next one begins without waiting for its end.",
            ),
            controls("Controls around it."),
            Field::optional("dry", DRY, "What of it is not really done."),
            Field::refused("configuration", "write it at the top of the document"),
            Field::refused("secrets", "name groups of secrets in the provider"),
        ],
    };
    let reference = Object {
        name: "reference to an activity",
        doc: "An activity of the method, the hypothesis or the rollbacks, under its name.",
        fields: &[
            Field::required("ref", Kind::Text, "Its name."),
            tolerance(false),
        ],
    };
    let with_references = [Kind::Object(&activity), Kind::Object(&reference)];
    let activities = if schema {
        Kind::AnyOf(&with_references)
    } else {
        Kind::Object(&activity)
    };
    let activities = Kind::List(&activities);
    let definition = Object {
        name: "configuration probe",
        doc: "A probe whose answer is the value.",
        fields: &[is_probe, optional_name, provider, retries, timeout],
    };
    let safeguard = Object {
        name: "safeguard",
        doc: "A probe that is asked again and again; the run is aborted when its tolerance does not hold.",
        fields: &[
            name,
            Field::optional("type", Kind::Choice(&["probe"]), "Always a probe."),
            Field::required("every", Kind::Duration, "From one question to the next."),
            provider,
            tolerance(true),
            timeout,
            Field::refused("controls", "nothing would call them; remove the key"),
            Field::refused(
                "pauses",
                "nothing would wait; say with `every` how often it is asked",
            ),
        ],
    };
    let safeguard = Kind::Object(&safeguard);
    let hypothesis = Object {
        name: "steady-state-hypothesis",
        doc: "What has to hold before and after.",
        fields: &[
            Field::required("title", Kind::Text, "What is claimed, in a line."),
            Field::optional("probes", activities, "The probes, each with a tolerance."),
            controls("Controls around it."),
        ],
    };
    let probe_definition = Object {
        fields: &definition.fields[1..],
        ..definition
    };
    let mut definitions = definition::STORED.to_vec();
    definitions.push(("probe", Kind::Object(&probe_definition)));
    let definitions = Kind::Tagged {
        tag: "type",
        cases: &definitions,
    };
    let stored = Kind::Tagged {
        tag: "type",
        cases: definition::STORED,
    };
    // In the check a definition is any map: it is checked by its type, when it is read.
    let map = Kind::Map(&Kind::Any);
    let value_kinds = [
        Kind::Text,
        Kind::Integer,
        Kind::Number,
        Kind::Bool,
        Kind::List(&Kind::Any),
        if schema { definitions } else { map },
        map,
    ];
    let value = if schema {
        Kind::AnyOf(&value_kinds)
    } else {
        Kind::Any
    };
    let secret_kinds = [SCALAR, Kind::List(&Kind::Any), stored, map];
    let secret = if schema {
        Kind::AnyOf(&secret_kinds)
    } else {
        Kind::Any
    };
    let groups = if schema {
        Kind::Map(&secret)
    } else {
        Kind::Any
    };
    let experiment = Object {
        name: "experiment",
        doc: "An experiment in the Chaos Toolkit's format, with Shaketable's additional keys.",
        fields: &[
            Field::required("title", Kind::Text, "What it shows, in a line."),
            Field::required(
                "description",
                Kind::Text,
                "What is done and what is expected.",
            ),
            Field::optional(
                "version",
                Kind::Any,
                "Version of the document; means nothing.",
            ),
            Field::optional("tags", Kind::List(&Kind::Text), "Free labels."),
            Field::optional(
                "system",
                Kind::Text,
                "The Compose file of the system, relative to this file.",
            ),
            Field::optional(
                "endpoints",
                Kind::Object(&ENDPOINTS),
                "A running system that is used as it is, instead of `system`.",
            ),
            Field::optional(
                "bindings",
                BINDINGS,
                "Faults that stand for functions of Chaos Toolkit extensions, under module.function.",
            ),
            Field::optional(
                "configuration",
                Kind::Map(&value),
                "Values of ${variables}.",
            ),
            Field::optional(
                "workload",
                Kind::Map(&Kind::Object(&WORKLOAD)),
                "The load, under its name; one for now.",
            ),
            Field::optional(
                "ledger",
                Kind::Object(&LEDGER),
                "How every message is accounted for.",
            ),
            Field::optional(
                "steady-state-hypothesis",
                Kind::Object(&hypothesis),
                "What has to hold before and after.",
            ),
            Field::optional("runtime", Kind::Object(&RUNTIME), "How it is run."),
            Field::required("method", activities, "What is done, in order."),
            Field::optional(
                "rollbacks",
                activities,
                "What is done at the end in any case, in order.",
            ),
            Field::optional(
                "safeguards",
                Kind::List(&safeguard),
                "What is watched all the time; a breach aborts.",
            ),
            Field::optional(
                "warm-up",
                Kind::Duration,
                "How long the workload runs before the hypothesis is first asked; 5s by default.",
            ),
            Field::optional(
                "steady-timeout",
                Kind::Duration,
                "How long the system may take to become steady; 30s by default.",
            ),
            Field::optional(
                "drain-timeout",
                Kind::Duration,
                "How long work in flight may take after the load has stopped; 60s by default.",
            ),
            Field::optional(
                "secrets",
                Kind::Map(&groups),
                "Values of ${variables} that are shown nowhere, in groups.",
            ),
            controls("Controls around everything."),
            Field::optional(
                "extensions",
                Kind::List(&Kind::Map(&Kind::Any)),
                "Data of other tools; means nothing.",
            ),
            Field::optional(
                "contributions",
                CONTRIBUTIONS,
                "What the experiment contributes to, and how much.",
            ),
            Field::optional("dry", DRY, "What is not really done."),
        ],
    };
    body(&Tables {
        experiment,
        activity,
        definition,
        judge,
    })
}

fn named_roles(fault: &FaultDeclaration) -> Vec<(&'static str, Kind<'static>)> {
    NAMED_ROLES
        .iter()
        .filter(|(role, _)| fault.targets.contains(role))
        .copied()
        .collect()
}

fn target_kinds<'t>(fault: &FaultDeclaration, roles: &'t [(&'t str, Kind<'t>)]) -> Vec<Kind<'t>> {
    let mut kinds = Vec::new();
    if !roles.is_empty() {
        kinds.push(Kind::OneKeyOf(roles));
    }
    if fault.targets.contains(&"controller") {
        kinds.push(CONTROLLER);
    }
    kinds
}
