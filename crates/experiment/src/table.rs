//! The tables of experiments: the single definition of what a document may contain.

mod provider;

use shaketable_document::{Data, Diagnostics, Entry, Field, Kind, Node, Object};

use crate::FaultDeclaration;
use provider::{
    CONTROL, HTTP_PROVIDER, HTTP_REQUEST, KAFKA_PROVIDER, LEDGER_PROVIDER, POSTGRES_PROVIDER,
    PROCESS_PROVIDER, PYTHON_PROVIDER,
};

/// Why what belongs to another tool is refused.
const NOT_YET: &str = "the Chaos Toolkit knows it; remove it, or run this experiment there";

const SCALAR: Kind<'static> = Kind::AnyOf(&[Kind::Text, Kind::Integer, Kind::Number, Kind::Bool]);

const ENVIRONMENT_VALUE: Object<'static> = Object {
    name: "environment value",
    doc: "A value from an environment variable.",
    fields: &[
        Field::required("key", Kind::Text, "The environment variable."),
        Field::optional("default", SCALAR, "The value if the variable is not set."),
        Field::refused("env_var_type", NOT_YET),
    ],
};

const CONFIGURATION_VALUE: Kind<'static> = Kind::AnyOf(&[
    Kind::Text,
    Kind::Integer,
    Kind::Number,
    Kind::Bool,
    Kind::List(&Kind::Any),
    Kind::Tagged {
        tag: "type",
        cases: &[
            ("env", Kind::Object(&ENVIRONMENT_VALUE)),
            ("probe", Kind::Refused(NOT_YET)),
        ],
    },
]);

const WORKLOAD: Object<'static> = Object {
    name: "workload",
    doc: "A load: requests at a rate that does not depend on the answers.",
    fields: &[
        Field::required(
            "http",
            Kind::Object(&HTTP_REQUEST),
            "The request that is sent.",
        ),
        Field::required("rate", Kind::Rate, "How many requests begin per second."),
        Field::required(
            "identity",
            Kind::Text,
            "Where the acknowledged identity is in the response: a JSONPath such as $.id.",
        ),
        Field::optional(
            "timeout",
            Kind::Duration,
            "How long one request may take; 10s by default.",
        ),
        Field::optional(
            "max-in-flight",
            Kind::Integer,
            "Most requests that are unanswered at once; 5000 by default.",
        ),
    ],
};

const KAFKA_STAGE: Object<'static> = Object {
    name: "kafka stage",
    doc: "All records of a topic.",
    fields: &[
        Field::required("topic", Kind::Text, "The topic."),
        Field::required(
            "identity",
            Kind::Text,
            "Where the identity is in a record's value: a JSONPath such as $.id.",
        ),
    ],
};

const POSTGRES_STAGE: Object<'static> = Object {
    name: "postgres stage",
    doc: "The rows of a query.",
    fields: &[
        Field::required("url", Kind::Text, "The database, as a connection URL."),
        Field::required(
            "query",
            Kind::Text,
            "The query: the first column is the identity, a second one the value.",
        ),
    ],
};

const STAGE: Object<'static> = Object {
    name: "stage",
    doc: "One place where messages are looked for: a topic or a query.",
    fields: &[
        Field::required("name", Kind::Text, "What it is called; unique."),
        Field::optional(
            "kafka",
            Kind::Object(&KAFKA_STAGE),
            "All records of a topic.",
        ),
        Field::optional(
            "postgres",
            Kind::Object(&POSTGRES_STAGE),
            "The rows of a query.",
        ),
        Field::optional(
            "role",
            Kind::Choice(&["trace", "settled", "unwanted"]),
            "What it means to be found there; trace by default.",
        ),
        Field::optional(
            "within",
            Kind::Duration,
            "How long after it was due to be sent a message may take to settle; for settled stages only.",
        ),
    ],
};

const LEDGER: Object<'static> = Object {
    name: "ledger",
    doc: "How every message is accounted for.",
    fields: &[
        Field::required(
            "acknowledged",
            Kind::Text,
            "The workload whose acknowledgements are accounted for.",
        ),
        Field::required(
            "stages",
            Kind::List(&Kind::Object(&STAGE)),
            "Where messages are looked for; at least one stage is settled.",
        ),
    ],
};

const RANGE: Object<'static> = Object {
    name: "range tolerance",
    doc: "A number in an inclusive range.",
    fields: &[
        Field::required(
            "range",
            Kind::List(&Kind::Number),
            "Lowest and highest number.",
        ),
        Field::refused("target", NOT_YET),
    ],
};

const TOLERANCE_FORMS: &str =
    "supported are true or false, a number, text, a list, and {type: range, range: [low, high]}";

const TOLERANCE: Kind<'static> = Kind::AnyOf(&[
    Kind::Bool,
    Kind::Integer,
    Kind::Number,
    Kind::Text,
    Kind::List(&SCALAR),
    Kind::Tagged {
        tag: "type",
        cases: &[
            ("range", Kind::Object(&RANGE)),
            ("regex", Kind::Refused(TOLERANCE_FORMS)),
            ("jsonpath", Kind::Refused(TOLERANCE_FORMS)),
            ("probe", Kind::Refused(TOLERANCE_FORMS)),
        ],
    },
]);

const PAUSES: Object<'static> = Object {
    name: "pauses",
    doc: "Pauses around an activity.",
    fields: &[
        Field::optional("before", Kind::Duration, "Pause before it."),
        Field::optional("after", Kind::Duration, "Pause after it."),
    ],
};

/// Roles of a target that are written as a key with a name.
const NAMED_ROLES: &[(&str, Kind<'static>)] = &[
    ("leader-of", Kind::Text),
    ("broker", Kind::AnyOf(&[Kind::Integer, Kind::Text])),
    ("service", Kind::Text),
];

/// When the hypothesis is asked.
const HYPOTHESIS_RUNTIME: Object<'static> = Object {
    name: "hypothesis runtime",
    doc: "When the hypothesis is asked.",
    fields: &[
        Field::optional(
            "strategy",
            Kind::Choice(&["default", "continuously"]),
            "`default`: before the method and after it; `continuously`: all the time in between, too.",
        ),
        Field::optional(
            "frequency",
            Kind::Duration,
            "From one question to the next, with `continuously`; 1s by default.",
        ),
    ],
};

const RUNTIME: Object<'static> = Object {
    name: "runtime",
    doc: "How the experiment is run.",
    fields: &[
        Field::optional(
            "hypothesis",
            Kind::Object(&HYPOTHESIS_RUNTIME),
            "When the hypothesis is asked.",
        ),
        Field::refused("rollbacks", NOT_YET),
        Field::refused("python", NOT_YET),
    ],
};

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

/// Puts the table together with the catalogue's faults and hands it to `body`.
pub(crate) fn with_root<R>(faults: &[FaultDeclaration], body: impl FnOnce(&Object<'_>) -> R) -> R {
    with_fault(faults, |fault| {
        let provider = Kind::Tagged {
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
        };
        root(provider, body)
    })
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

fn root<R>(provider: Kind<'_>, body: impl FnOnce(&Object<'_>) -> R) -> R {
    let name = Field::required("name", Kind::Text, "What it is called.");
    let provider = Field::required("provider", provider, "What carries it out.");
    let tolerance = |required| Field {
        name: "tolerance",
        kind: TOLERANCE,
        required,
        doc: "What its output has to be.",
    };
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
            Field::optional("pauses", Kind::Object(&PAUSES), "Pauses around it."),
            Field::optional("background", Kind::Bool, "Only false is supported."),
            Field::refused("ref", "write the activity out here"),
            Field::optional(
                "controls",
                Kind::List(&Kind::Object(&CONTROL)),
                "Controls around it.",
            ),
            Field::refused("dry", NOT_YET),
            Field::refused("timeout", "give it to the provider"),
            Field::refused("configuration", "write it at the top of the document"),
            Field::refused("secrets", NOT_YET),
        ],
    };
    let activity = Kind::Object(&activity);
    let activities = Kind::List(&activity);
    let safeguard = Object {
        name: "safeguard",
        doc: "A probe that is asked again and again; the run is aborted when its tolerance does not hold.",
        fields: &[
            name,
            Field::optional("type", Kind::Choice(&["probe"]), "Always a probe."),
            Field::required("every", Kind::Duration, "From one question to the next."),
            provider,
            tolerance(true),
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
            Field::required("probes", activities, "The probes, each with a tolerance."),
            Field::refused("controls", NOT_YET),
        ],
    };
    body(&Object {
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
                Kind::Map(&CONFIGURATION_VALUE),
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
            Field::refused("secrets", NOT_YET),
            Field::refused("controls", NOT_YET),
            Field::refused("extensions", NOT_YET),
            Field::refused("contributions", NOT_YET),
            Field::refused("dry", NOT_YET),
        ],
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
