//! The table of the differences that are meant: `corpus/differences.yaml`.

use serde_json::Value;

use crate::corpus::{folder, parse, text};

/// One field in which we are not as the reference.
pub struct Difference {
    /// `SECTION/NAME` of the case.
    pub case: String,
    /// The path of the field.
    pub field: String,
    /// What the reference has there, as text.
    pub reference: String,
    /// What we have there, as text.
    pub ours: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Difference {
            case,
            field,
            reference,
            ours,
        } = self;
        write!(
            out,
            "{case}: {field}\n    reference: {reference}\n    ours:      {ours}"
        )
    }
}

/// The table.
pub struct Table(Vec<Entry>);

/// One row: four globs and the reason.
struct Entry {
    case: String,
    field: String,
    reference: String,
    ours: String,
}

impl Table {
    /// Reads the table; each row needs a case, a field and a reason.
    pub fn load() -> Table {
        let document = parse(&folder().join("differences.yaml"));
        let rows = document["differences"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        Table(rows.iter().map(Entry::read).collect())
    }

    /// Whether a row says that this difference is meant.
    pub fn explains(&self, difference: &Difference) -> bool {
        self.0.iter().any(|entry| entry.covers(difference))
    }

    /// A complaint about each row that no difference needs.
    pub fn unused(&self, found: &[Difference]) -> Vec<String> {
        let unused = self
            .0
            .iter()
            .filter(|entry| !found.iter().any(|one| entry.covers(one)));
        unused
            .map(|entry| {
                format!(
                    "no longer occurs, take it out of the table: {} {}",
                    entry.case, entry.field
                )
            })
            .collect()
    }
}

impl Entry {
    fn read(row: &Value) -> Entry {
        assert!(
            ["case", "field", "reason"]
                .iter()
                .all(|key| row[key].is_string()),
            "a row of the table needs a case, a field and a reason: {row}"
        );
        let glob = |key: &str| row.get(key).map_or_else(|| "*".to_string(), text);
        Entry {
            case: glob("case"),
            field: glob("field"),
            reference: glob("reference"),
            ours: glob("ours"),
        }
    }

    fn covers(&self, difference: &Difference) -> bool {
        matches(&self.case, &difference.case)
            && matches(&self.field, &difference.field)
            && matches(&self.reference, &difference.reference)
            && matches(&self.ours, &difference.ours)
    }
}

/// Whether `text` matches `glob`, in which `*` stands for any text.
pub fn matches(glob: &str, text: &str) -> bool {
    let Some((head, tail)) = glob.split_once('*') else {
        return glob == text;
    };
    let Some(rest) = text.strip_prefix(head) else {
        return false;
    };
    let ends = rest
        .char_indices()
        .map(|(index, _)| index)
        .chain([rest.len()]);
    ends.into_iter().any(|index| matches(tail, &rest[index..]))
}
