//! Substitution against the recorded results of the reference, and against a second reading of its grammar.

use proptest::prelude::*;
use shaketable_dialect::{Dict, Value, template, text, yaml};

mod case;
use case::{Case, report};

#[test]
fn agrees_with_the_recorded_results() {
    let mut differences = Vec::new();
    for case in Case::all(include_str!("recorded/template.ndjson")) {
        let load = |name: &str| yaml::load(case.text(name)).expect("a recorded value");
        let dict = |name: &str| load(name).as_dict().cloned().expect("a mapping");
        let data = load("data");
        let ours = template::substitute(&data, &dict("configuration"), &dict("secrets"));
        let ours = ours
            .map(|value| text::repr(&value))
            .map_err(|raised| raised.to_string());
        if ours != case.outcome() {
            let theirs = case.outcome();
            differences.push(format!(
                "{}: {ours:?}, recorded {theirs:?}",
                case.text("data")
            ));
        }
    }
    report(&differences);
}

/// The grammar once more, as a machine over single characters.
fn model(template: &str, known: &str) -> String {
    let characters: Vec<char> = template.chars().collect();
    let starts = |c: Option<&char>| c.is_some_and(|c| c.is_ascii_alphabetic() || *c == '_');
    let goes_on = |c: Option<&char>| starts(c) || c.is_some_and(char::is_ascii_digit);
    let (mut out, mut at) = (String::new(), 0);
    while at < characters.len() {
        let braces = usize::from(characters.get(at + 1) == Some(&'{'));
        let begin = at + 1 + braces;
        let mut end = begin;
        if characters[at] == '$' && starts(characters.get(begin)) {
            while goes_on(characters.get(end)) {
                end += 1;
            }
        }
        let closed = braces == 0 || characters.get(end) == Some(&'}');
        if end > begin && closed {
            let name: String = characters[begin..end].iter().collect();
            end += braces;
            if name == known {
                out.push_str("<value>");
            } else {
                out.extend(&characters[at..end]);
            }
            at = end;
        } else {
            out.push(characters[at]);
            let doubled = characters[at] == '$' && characters.get(at + 1) == Some(&'$');
            at += if doubled { 2 } else { 1 };
        }
    }
    out
}

proptest! {
    #[test]
    fn agrees_with_the_model(source in "([${}ax_1 é\n]|\\$\\{ax\\}|\\$ax|\\$\\{){0,12}") {
        let configuration: Dict = [("ax", "<value>")].into_iter().collect();
        let filled = template::substitute(&source.as_str().into(), &configuration, &Dict::new());
        prop_assert_eq!(filled, Ok(Value::Str(model(&source, "ax"))));
    }

    #[test]
    fn text_without_a_dollar_stays(source in "[^$]*") {
        let configuration: Dict = [("x", 1)].into_iter().collect();
        let data = Value::from(source);
        prop_assert_eq!(template::substitute(&data, &configuration, &Dict::new()), Ok(data));
    }
}
