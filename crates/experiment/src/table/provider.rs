//! The tables of providers: what carries an activity out.

use shaketable_document::{Field, Kind, Object};

use super::{NOT_YET, SCALAR};
use crate::Measure;

const METHODS: Kind<'static> =
    Kind::Choice(&["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]);

const URL: Field<'static> = Field::required("url", Kind::Text, "The address.");
const METHOD: Field<'static> =
    Field::optional("method", METHODS, "The HTTP method; GET by default.");
const HEADERS: Field<'static> =
    Field::optional("headers", Kind::Map(&SCALAR), "Additional headers.");
const JSON: Field<'static> = Field::optional("json", Kind::Any, "The body, sent as JSON.");

pub(super) const HTTP_REQUEST: Object<'static> = Object {
    name: "HTTP request",
    doc: "The request that is sent.",
    fields: &[URL, METHOD, HEADERS, JSON],
};

pub(super) const HTTP_PROVIDER: Object<'static> = Object {
    name: "http provider",
    doc: "One HTTP request; its output is a map with status, headers and body.",
    fields: &[
        URL,
        METHOD,
        HEADERS,
        JSON,
        Field::optional(
            "timeout",
            Kind::Duration,
            "How long it may take; 5s by default.",
        ),
        Field::refused("arguments", "write a query into `url`, a body under `json`"),
        Field::refused("verify_tls", NOT_YET),
        Field::refused("max_retries", NOT_YET),
        Field::refused("expected_status", "give the activity a `tolerance`"),
        Field::refused("secrets", NOT_YET),
    ],
};

pub(super) const PROCESS_PROVIDER: Object<'static> = Object {
    name: "process provider",
    doc: "One process, without a shell; its output is a map with status, stdout and stderr.",
    fields: &[
        Field::required("path", Kind::Text, "The program."),
        Field::optional(
            "arguments",
            Kind::List(&SCALAR),
            "Its arguments, one per item.",
        ),
        Field::optional(
            "timeout",
            Kind::Duration,
            "How long it may run; 30s by default.",
        ),
        Field::refused("secrets", NOT_YET),
    ],
};

pub(super) const LEDGER_PROVIDER: Object<'static> = Object {
    name: "ledger provider",
    doc: "A number of the ledger.",
    fields: &[Field::required(
        "measure",
        Kind::Choice(&Measure::NAMES),
        "Which number.",
    )],
};

/// A function of a Chaos Toolkit extension, which is carried out natively.
pub(super) const PYTHON_PROVIDER: Object<'static> = Object {
    name: "python provider",
    doc: "A function of a Chaos Toolkit extension, carried out natively or bound to a fault.",
    fields: &[
        Field::required("module", Kind::Text, "The extension's module."),
        Field::required("func", Kind::Text, "The function."),
        ARGUMENTS,
        Field::refused("secrets", NOT_YET),
    ],
};

/// A call of Kafka's control plane.
pub(super) const KAFKA_PROVIDER: Object<'static> = Object {
    name: "kafka provider",
    doc: "A call of Kafka's control plane, on the system's cluster unless `bootstrap_servers` is given.",
    fields: &[
        Field::required("func", Kind::Text, "What is called."),
        ARGUMENTS,
    ],
};

/// A question to PostgreSQL.
pub(super) const POSTGRES_PROVIDER: Object<'static> = Object {
    name: "postgres provider",
    doc: "A query; its output is the value of its only column and row, or else the list of its rows.",
    fields: &[
        Field::required("url", Kind::Text, "The database, as a connection URL."),
        Field::required("query", Kind::Text, "The query."),
        Field::optional(
            "timeout",
            Kind::Duration,
            "How long it may take; 5s by default.",
        ),
    ],
};

const ARGUMENTS: Field<'static> = Field::optional(
    "arguments",
    Kind::Map(&Kind::Any),
    "The function's arguments, by name.",
);

/// A control around an activity.
pub(super) const CONTROL: Object<'static> = Object {
    name: "control",
    doc: "A control of a Chaos Toolkit extension, called around the activity.",
    fields: &[
        Field::required("name", Kind::Text, "What it is called."),
        Field::required(
            "provider",
            Kind::Tagged {
                tag: "type",
                cases: &[("python", Kind::Object(&CONTROL_PROVIDER))],
            },
            "What carries it out.",
        ),
        Field::optional(
            "scope",
            Kind::Choice(&["before", "after"]),
            "When it is called; both by default.",
        ),
        Field::optional(
            "automatic",
            Kind::Bool,
            "Whether lower levels inherit it; means nothing for an activity's own.",
        ),
        Field::refused("ref", "write the control out here"),
    ],
};

const CONTROL_PROVIDER: Object<'static> = Object {
    name: "control provider",
    doc: "A control of a Chaos Toolkit extension, carried out natively.",
    fields: &[
        Field::required("module", Kind::Text, "The control's module."),
        Field::refused("arguments", NOT_YET),
        Field::refused("secrets", NOT_YET),
    ],
};
