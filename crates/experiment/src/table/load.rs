//! The tables of the load and of how its messages are accounted for.

use shaketable_document::{Field, Kind, Object};

use super::provider::HTTP_REQUEST;

pub(super) const WORKLOAD: Object<'static> = Object {
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

pub(super) const LEDGER: Object<'static> = Object {
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
