//! The tables of providers: what carries an activity out.

use shaketable_document::{Field, Kind, Object};

use super::SCALAR;
use super::runtime::ENVIRONMENT;
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
            "arguments",
            Kind::AnyOf(&[Kind::Map(&Kind::Any), Kind::Text]),
            "GET, HEAD: added to the query. Others: the body, a form unless Content-Type is application/json.",
        ),
        Field::optional(
            "timeout",
            Kind::AnyOf(&[Kind::Duration, Kind::List(&Kind::Duration)]),
            "How long it may take, 5s by default; or [connect, read].",
        ),
        Field::optional(
            "verify_tls",
            Kind::Bool,
            "Whether the server's certificate is verified; true by default.",
        ),
        Field::optional(
            "ca_file",
            Kind::Text,
            "A file with authorities that are trusted, too (PEM), relative to this one.",
        ),
        Field::optional(
            "max_retries",
            Kind::Integer,
            "How often a connection that failed is tried again; 0 by default.",
        ),
        Field::optional(
            "expected_status",
            Kind::AnyOf(&[Kind::Integer, Kind::List(&Kind::Integer)]),
            "The statuses that are a success; any by default.",
        ),
        SECRETS,
    ],
};

pub(super) const PROCESS_PROVIDER: Object<'static> = Object {
    name: "process provider",
    doc: "One process; its output is a map with status, stdout and stderr.",
    fields: &[
        Field::required("path", Kind::Text, "The program."),
        Field::optional(
            "arguments",
            Kind::AnyOf(&[Kind::List(&Kind::Any), Kind::Map(&Kind::Any), SCALAR]),
            "A list: its arguments. A text: for the shell. A map: keys and values in turn.",
        ),
        Field::optional(
            "env",
            ENVIRONMENT,
            "Variables that are added to its environment.",
        ),
        Field::optional(
            "cwd",
            Kind::Text,
            "The folder it runs in, relative to this file's; ours by default.",
        ),
        Field::optional(
            "timeout",
            Kind::Duration,
            "How long it may run; 30s by default.",
        ),
        SECRETS,
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

/// A function of a Python module.
pub(super) const PYTHON_PROVIDER: Object<'static> = Object {
    name: "python provider",
    doc: "A function of a module: carried out natively, bound to a fault, or by Python.",
    fields: &[
        Field::required("module", Kind::Text, "The extension's module."),
        Field::required("func", Kind::Text, "The function."),
        ARGUMENTS,
        SECRETS,
        Field::optional(
            "timeout",
            Kind::Duration,
            "How long it may take in Python; 10m by default.",
        ),
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

const SECRETS: Field<'static> = Field::optional(
    "secrets",
    Kind::List(&Kind::Text),
    "Groups of secrets that it gets.",
);
