//! JSON paths against the recorded answers of `jsonpath2`, and whatever else may come.

mod anything;
mod matrix;

use matrix::{Matrix, list, text};
use proptest::prelude::*;
use shaketable_dialect::jsonpath::{MAX_DEPTH, Path};
use shaketable_dialect::{Value, json};

#[test]
fn every_recorded_path_finds_what_the_reference_finds() {
    let matrix = Matrix::read(include_str!("recorded/jsonpath.ndjson"));
    let mut wrong = Vec::new();
    for row in &matrix.rows {
        let source = text(&row[0]);
        let path = match (Path::parse(source), row[1].as_str()) {
            (Ok(path), None) => path,
            (Err(raised), Some(expected)) if expected[1..].ends_with(&raised.kind) => continue,
            // An unknown function raises a class of its own, which is a ValueError.
            (Err(raised), Some("!CallableSubscriptNotFoundError"))
                if raised.kind == "ValueError" =>
            {
                continue;
            }
            (parsed, expected) => {
                wrong.push(format!("{source:?}: {parsed:?}, recorded {expected:?}"));
                continue;
            }
        };
        for (document, expected) in matrix.values.iter().zip(list(&row[1])) {
            let found = match path.find(document) {
                Ok(found) => Value::List(found.into_iter().map(|f| f.into_owned()).collect()),
                Err(raised) => Value::Str(format!("!{}", raised.kind)),
            };
            if json::dump(&found, None) != json::dump(expected, None) {
                wrong.push(format!(
                    "{source} in {document:?}: {found:?}, recorded {expected:?}"
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn paths_and_values_that_nest_too_deep_raise() {
    let nested = format!("$[?({}@{})]", "(".repeat(5000), ")".repeat(5000));
    let long = format!("${}", ".a".repeat(5000));
    for path in [&nested, &long] {
        assert_eq!(Path::parse(path).unwrap_err().kind, "RecursionError");
    }
    let mut deep = Value::None;
    for _ in 0..3 * MAX_DEPTH {
        deep = Value::List(vec![deep]);
    }
    let path = Path::parse("$..a").expect("a valid path");
    assert_eq!(path.find(&deep).unwrap_err().kind, "RecursionError");
}

#[test]
fn a_search_without_end_raises() {
    let wide = Value::List(vec![Value::List(vec![Value::None; 200]); 200]);
    let path = Path::parse("$[?(@[*][*] = 1)][?($..* = $[*][0] or $[*][*] = 1)]..*..*..*");
    assert!(path.is_ok());
    let product = Path::parse("$[?(@..*.charAt($[*][*], $[*][*]))]").expect("a valid path");
    assert_eq!(product.find(&wide).unwrap_err().kind, "MemoryError");
}

proptest! {
    #[test]
    fn no_text_panics(
        path in "\\$([.\\[\\]?(@)*:, \"=<>a01-]|length|keys|entries|values|charAt|substring|\\.\\.|and|or|not){0,24}|.{0,16}",
        document in anything::value(),
    ) {
        if let Ok(path) = Path::parse(&path) {
            let _ = path.find(&document);
        }
    }
}
