//! Patterns against the recorded answers of Python's `re`.

mod matrix;

use matrix::{Matrix, list, text};
use proptest::prelude::*;
use shaketable_dialect::pattern::{MAX_NESTING, Pattern};

#[test]
fn every_recorded_pattern_matches_what_python_matches() {
    let matrix = Matrix::read(include_str!("recorded/pattern.ndjson"));
    let mut wrong = Vec::new();
    for row in &matrix.rows {
        let source = text(&row[0]);
        let recorded = match row[1].as_str() {
            Some(found) => found.to_owned(),
            None => format!("{}: {}", text(&list(&row[1])[0]), text(&list(&row[1])[1])),
        };
        let ours = match Pattern::new(source) {
            Ok(pattern) => matrix
                .values
                .iter()
                .map(|each| match pattern.search(text(each)) {
                    Ok(found) => char::from(b'0' + u8::from(found)),
                    Err(_) => '!',
                })
                .collect(),
            Err(raised) => raised.to_string(),
        };
        if ours != recorded {
            wrong.push(format!("{source:?}: {ours}, recorded {recorded}"));
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
fn bytes_are_searched_by_bytes() {
    let pattern = Pattern::of_bytes(b"\\w\xe9").expect("a valid pattern");
    assert_eq!(pattern.search_bytes(b"a\xe9"), Ok(true));
    assert_eq!(pattern.search_bytes(b"\xe9\xe9"), Ok(false));
}

#[test]
fn backtracking_and_nesting_are_bounded() {
    let pattern = Pattern::new("^(a|a)*\\1$").expect("a valid pattern");
    let text = format!("{}b", "a".repeat(64));
    assert_eq!(pattern.search(&text).unwrap_err().kind, "RuntimeError");
    let nested = format!(
        "{}{}",
        "(".repeat(9 * MAX_NESTING),
        ")".repeat(9 * MAX_NESTING)
    );
    assert_eq!(Pattern::new(&nested).unwrap_err().kind, "RecursionError");
}

proptest! {
    #[test]
    fn no_text_panics(
        pattern in "([a-c1^$.*+?{},\\[\\]()|\\\\ -]|\\(\\?|\\?P<|\\(\\?<=|\\(\\?i|\\\\[bBdwsAZxuU0-9]){0,16}|.{0,12}",
        text in "[a-c1\n é]{0,12}",
    ) {
        if let Ok(pattern) = Pattern::new(&pattern) {
            let _ = pattern.search(&text);
        }
    }

    #[test]
    fn escaped_text_finds_itself(text in any::<String>(), around in "[a-c]{0,3}") {
        let mut pattern = String::new();
        for character in text.chars() {
            if !character.is_alphanumeric() {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        let pattern = Pattern::new(&pattern).expect("a valid pattern");
        let whole = format!("{around}{text}{around}");
        prop_assert_eq!(pattern.search(&whole), Ok(true));
    }
}
