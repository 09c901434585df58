//! The tables of values that stand in no document: of the environment, of files, of Vault.

use shaketable_document::{Field, Kind, Object};

const ENVIRONMENT: Object<'static> = Object {
    name: "environment value",
    doc: "A value from an environment variable.",
    fields: &[
        Field::required("key", Kind::Text, "The environment variable."),
        Field::optional(
            "default",
            Kind::Any,
            "The value if the variable is not set.",
        ),
        Field::optional(
            "env_var_type",
            Kind::Choice(&["str", "int", "float", "bytes", "bool", "json"]),
            "What the text is converted to; str by default.",
        ),
    ],
};

const FILE: Object<'static> = Object {
    name: "file value",
    doc: "The content of a file.",
    fields: &[
        Field::required("path", Kind::Text, "The file, relative to this one."),
        Field::optional(
            "jsonpath",
            Kind::Text,
            "Where the value is, if the file is a JSON document: a JSONPath.",
        ),
    ],
};

const VAULT: Object<'static> = Object {
    name: "vault value",
    doc: "A secret of Vault's key-value store.",
    fields: &[
        Field::required("path", Kind::Text, "Its path below the mount point."),
        Field::optional(
            "key",
            Kind::Text,
            "The key whose value it is; all of them by default.",
        ),
    ],
};

/// Where values come from that do not need an activity.
pub(super) const STORED: &[(&str, Kind<'static>)] = &[
    ("env", Kind::Object(&ENVIRONMENT)),
    ("file", Kind::Object(&FILE)),
    ("vault", Kind::Object(&VAULT)),
];
