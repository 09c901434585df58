//! The tables of tolerances.

use shaketable_document::{Field, Kind, Object};

const TARGET: Field<'static> = Field::optional(
    "target",
    Kind::Text,
    "The key of the output that is meant; the output itself by default.",
);

const RANGE: Object<'static> = Object {
    name: "range tolerance",
    doc: "A number in an inclusive range.",
    fields: &[
        Field::required(
            "range",
            Kind::List(&Kind::Number),
            "Lowest and highest number.",
        ),
        TARGET,
    ],
};

const REGEX: Object<'static> = Object {
    name: "regex tolerance",
    doc: "Text in which a pattern is found.",
    fields: &[
        Field::required("pattern", Kind::Text, "The pattern, as Python has them."),
        TARGET,
    ],
};

const JSONPATH: Object<'static> = Object {
    name: "jsonpath tolerance",
    doc: "Something that is found at a path.",
    fields: &[
        Field::required(
            "path",
            Kind::Text,
            "The path, as Python's jsonpath2 has them.",
        ),
        TARGET,
        Field::optional(
            "count",
            Kind::Integer,
            "How many matches; at least one by default.",
        ),
        Field::optional("expect", Kind::Any, "What the matches have to be."),
    ],
};

/// What one output has to be.
const CONDITION: Kind<'static> = Kind::AnyOf(&[
    Kind::Bool,
    Kind::Integer,
    Kind::Number,
    Kind::Text,
    Kind::List(&Kind::Any),
    Kind::Tagged {
        tag: "type",
        cases: &[
            ("range", Kind::Object(&RANGE)),
            ("regex", Kind::Object(&REGEX)),
            ("jsonpath", Kind::Object(&JSONPATH)),
        ],
    },
]);

const SAMPLES: Object<'static> = Object {
    name: "samples tolerance",
    doc: "Most of several outputs.",
    fields: &[
        Field::required("tolerance", CONDITION, "What an output has to be."),
        Field::required(
            "at-least",
            Kind::AnyOf(&[Kind::Number, Kind::Text]),
            "The share of the outputs that have to be: 90%, or a number from 0 to 1.",
        ),
        Field::required("of", Kind::Integer, "How often it is asked."),
        Field::optional(
            "every",
            Kind::Duration,
            "From one question to the next; 500ms by default.",
        ),
    ],
};

const RATE: Object<'static> = Object {
    name: "rate tolerance",
    doc: "What a number changes by per second.",
    fields: &[
        Field::required(
            "tolerance",
            CONDITION,
            "What the change per second has to be.",
        ),
        Field::optional(
            "over",
            Kind::Duration,
            "From the first question to the second; 1s by default.",
        ),
        TARGET,
    ],
};

/// Every form of a tolerance; `judge` is a probe that judges.
pub(super) fn cases<'t>(judge: Kind<'t>) -> [(&'static str, Kind<'t>); 6] {
    [
        ("range", Kind::Object(&RANGE)),
        ("regex", Kind::Object(&REGEX)),
        ("jsonpath", Kind::Object(&JSONPATH)),
        ("samples", Kind::Object(&SAMPLES)),
        ("rate", Kind::Object(&RATE)),
        ("probe", judge),
    ]
}

/// Every form of a tolerance.
pub(super) fn kinds<'t>(cases: &'t [(&'t str, Kind<'t>)]) -> [Kind<'t>; 6] {
    [
        Kind::Bool,
        Kind::Integer,
        Kind::Number,
        Kind::Text,
        Kind::List(&Kind::Any),
        Kind::Tagged { tag: "type", cases },
    ]
}
