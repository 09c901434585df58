//! What is printed and written, against what Python prints and writes.

use shaketable_dialect::{json, text, yaml};

mod case;
use case::{Case, report};

#[test]
fn agrees_with_the_recorded_results() {
    let mut differences = Vec::new();
    for case in Case::all(include_str!("recorded/text.ndjson")) {
        let source = case.text("yaml");
        let value = yaml::load(source).unwrap_or_else(|raised| panic!("{source:?}: {raised}"));
        let written = |outcome: Result<String, shaketable_dialect::Raised>| {
            outcome.unwrap_or_else(|raised| raised.to_string())
        };
        let repr = Ok(text::repr(&value));
        if repr != case.outcome() {
            differences.push(format!(
                "{source:?}: {repr:?}, recorded {:?}",
                case.outcome()
            ));
        }
        for (name, ours) in [
            ("str", text::str(&value)),
            ("json", written(json::dump(&value, None))),
            ("indented", written(json::dump(&value, Some(2)))),
            ("ascii", written(json::dump_ascii(&value))),
        ] {
            if ours != case.text(name) {
                let theirs = case.text(name);
                differences.push(format!("{source:?} {name}: {ours:?}, recorded {theirs:?}"));
            }
        }
    }
    report(&differences);
}
