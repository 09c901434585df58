//! Two results in normal form, compared field by field.

use serde_json::Value;

use crate::corpus::{Case, text};
use crate::differences::{Difference, matches};

/// Stands for a field that is not there.
const ABSENT: &str = "(absent)";

/// Every field in which the two differ, but for those the case does not compare. A field is named by
/// its path, `files/journal.json/run/0/status`; the order of keys is a field `…/(order)` of its own.
pub fn compare(case: &Case, reference: &Value, ours: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk(
        "",
        Some(reference),
        Some(ours),
        &mut |field, reference, ours| {
            if !case.ignored.iter().any(|ignored| matches(ignored, &field)) {
                found.push(Difference {
                    case: case.name.clone(),
                    field,
                    reference,
                    ours,
                });
            }
        },
    );
    found
}

fn walk(
    field: &str,
    reference: Option<&Value>,
    ours: Option<&Value>,
    tell: &mut impl FnMut(String, String, String),
) {
    let below = |name: &str| {
        if field.is_empty() {
            name.to_string()
        } else {
            format!("{field}/{name}")
        }
    };
    match (reference, ours) {
        (Some(Value::Object(reference)), Some(Value::Object(ours))) => {
            for (name, value) in reference {
                walk(&below(name), Some(value), ours.get(name), tell);
            }
            for (name, value) in ours
                .iter()
                .filter(|(name, _)| !reference.contains_key(*name))
            {
                walk(&below(name), None, Some(value), tell);
            }
            // Which files there are has no order; the keys of a document do.
            let same_keys = reference.len() == ours.len()
                && reference.keys().all(|name| ours.contains_key(name));
            if same_keys && field != "files" && !reference.keys().eq(ours.keys()) {
                let order =
                    |keys: serde_json::map::Keys<'_>| keys.cloned().collect::<Vec<_>>().join(", ");
                tell(
                    below("(order)"),
                    order(reference.keys()),
                    order(ours.keys()),
                );
            }
        }
        (Some(Value::Array(reference)), Some(Value::Array(ours)))
            if reference.iter().chain(ours).all(Value::is_string) =>
        {
            lines(field, reference, ours, tell);
        }
        (Some(Value::Array(reference)), Some(Value::Array(ours))) => {
            for index in 0..reference.len().max(ours.len()) {
                walk(
                    &below(&index.to_string()),
                    reference.get(index),
                    ours.get(index),
                    tell,
                );
            }
        }
        (reference, ours) if reference == ours => {}
        (reference, ours) => {
            let shown = |value: Option<&Value>| value.map_or_else(|| ABSENT.to_string(), text);
            tell(field.to_string(), shown(reference), shown(ours));
        }
    }
}

/// Lists of lines: what only one side has, or else another order.
fn lines(
    field: &str,
    reference: &[Value],
    ours: &[Value],
    tell: &mut impl FnMut(String, String, String),
) {
    let mut surplus: Vec<&Value> = ours.iter().collect();
    let mut missing = Vec::new();
    for line in reference {
        match surplus.iter().position(|other| *other == line) {
            Some(place) => drop(surplus.remove(place)),
            None => missing.push(line),
        }
    }
    let mut pairs = missing.iter();
    let mut others = surplus.iter();
    loop {
        match (pairs.next(), others.next()) {
            (None, None) => break,
            (reference, ours) => {
                let shown = |line: Option<&&Value>| {
                    line.map_or_else(|| ABSENT.to_string(), |line| text(line))
                };
                tell(field.to_string(), shown(reference), shown(ours));
            }
        }
    }
    if missing.is_empty() && surplus.is_empty() && reference != ours {
        let all = |lines: &[Value]| lines.iter().map(text).collect::<Vec<_>>().join(" | ");
        tell(format!("{field}/(order)"), all(reference), all(ours));
    }
}
