//! Where values come from that are found out before the run: secrets and dynamic configuration.

use std::collections::BTreeMap;

use serde_json::Value;
use shaketable_document::Span;

use super::Activity;

/// A value of the configuration that is found out before the run.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigurationSource {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub source: ValueSource,
    /// Where the document says so.
    pub at: Span,
}

/// A group of secrets: what functions get as their `secrets`, and variables of their names.
#[derive(Debug, Clone, PartialEq)]
pub struct SecretGroup {
    /// The group's name.
    pub name: String,
    /// Its secrets: name and source, in the document's order.
    pub secrets: Vec<(String, ValueSource)>,
    /// A source that gives the whole group as a map, beside those.
    pub whole: Option<ValueSource>,
    /// Where the document says so.
    pub at: Span,
}

/// Where a value comes from.
#[derive(Clone, PartialEq)]
pub enum ValueSource {
    /// It is known: written in the document, or taken from the environment.
    Known(Value),
    /// The content of a file, as text, without line ends at its end.
    File {
        /// The file, relative to the experiment's folder.
        path: String,
        /// Where the value is, if the file is a JSON document and only a part is meant: a JSONPath.
        json_path: Option<String>,
    },
    /// A secret of Vault's key-value store.
    Vault {
        /// Its path below the mount point.
        path: String,
        /// The key whose value it is; the whole map if none is given.
        key: Option<String>,
    },
    /// The answer of a probe: of a process its output without line ends around it, of an HTTP
    /// request the body, otherwise what it gives.
    Probe(Box<Activity>),
}

impl std::fmt::Debug for ValueSource {
    /// Without known values: they may be secrets.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ValueSource::Known(_) => formatter.write_str("Known(…)"),
            ValueSource::File { path, .. } => write!(formatter, "File({path:?})"),
            ValueSource::Vault { path, key } => write!(formatter, "Vault({path:?}, {key:?})"),
            ValueSource::Probe(probe) => write!(formatter, "Probe({:?})", probe.name),
        }
    }
}

/// Values by name.
pub type Values = BTreeMap<String, Value>;

/// What was found out before the run.
#[derive(Clone, Default, PartialEq)]
pub struct Found {
    /// Values of the configuration's sources. One that could not be found out is not there.
    pub configuration: Values,
    /// Secrets: group, name, value.
    pub secrets: Vec<(String, Values)>,
}

impl std::fmt::Debug for Found {
    /// Names only.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let secrets = self.secrets.iter().map(|(group, _)| group);
        formatter
            .debug_struct("Found")
            .field("configuration", &self.configuration.keys())
            .field("secrets", &secrets.collect::<Vec<_>>())
            .finish()
    }
}
