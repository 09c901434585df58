//! YAML 1.1 against PyYAML's recorded results, and against hostile documents.

use proptest::prelude::*;
use shaketable_dialect::{Value, json, text, yaml};

mod case;
use case::{Case, report};

/// Texts where we knowingly differ; the head of the module `yaml` lists them.
const DIFFERENT: &[&str] = &[
    "[-]",
    "[?a]",
    "a: 'x'#y\n",
    "[::a]",
    "[:a]",
    "[|a]",
    "[>a]",
    "[http://x.y/z?a=b]",
    ":",
    "...\n",
    "a: &a [*a]\n",
    "a: &x 1\nb: &x 2\nc: *x\n",
    "\ta: 1\n",
    "a: 1\t# c\n",
    "a: \u{85}b\n",
];

#[test]
fn agrees_with_the_recorded_results() {
    let mut differences = Vec::new();
    for case in Case::all(include_str!("recorded/yaml.ndjson")) {
        let source = case.text("text");
        // Of an exception only the kind is compared: the texts of YAML errors are our own.
        let theirs = case.outcome().map_err(|_| case.text("raises").to_string());
        let ours = yaml::load(source)
            .map(|value| text::repr(&value))
            .map_err(|raised| {
                if yaml::is_yaml_error(&raised) {
                    "YAMLError".to_string()
                } else {
                    raised.kind
                }
            });
        if (ours == theirs) == DIFFERENT.contains(&source) {
            differences.push(format!("{source:?}: {ours:?}, recorded {theirs:?}"));
        }
    }
    report(&differences);
}

/// Nine levels of aliases, nine times each: 387 million values.
#[test]
fn a_document_whose_aliases_multiply_is_refused() {
    let mut document = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_string();
    for level in 1..9 {
        let alias = vec![format!("*a{}", level - 1); 9].join(", ");
        document += &format!("a{level}: &a{level} [{alias}]\n");
    }
    let raised = yaml::load(&document).expect_err("too many values");
    assert!(
        raised.message.contains("more than 1000000 values"),
        "{raised}"
    );
}

/// Merged mappings that are empty add nothing to the result, but cost time.
#[test]
fn merges_that_multiply_are_refused() {
    let mut document = "a0: &a0 {}\n".to_string();
    for level in 1..30 {
        let alias = vec![format!("*a{}", level - 1); 9].join(", ");
        document += &format!("a{level}: &a{level} {{<<: [{alias}]}}\n");
    }
    let raised = yaml::load(&document).expect_err("too many merges");
    assert_eq!(raised.kind, "ConstructorError");
}

#[test]
fn deep_nesting_is_refused_in_every_shape() {
    let block: String = (0..1000).map(|n| " ".repeat(n) + "a:\n").collect();
    let mut chain = "- &a0 [x]\n".to_string();
    for level in 1..5000 {
        chain += &format!("- &a{level} [*a{}]\n", level - 1);
    }
    for document in [
        "[".repeat(100_000),
        "- ".repeat(5000),
        "{a: ".repeat(1000),
        block,
        chain,
    ] {
        yaml::load(&document).expect_err("nested too deep");
    }
}

#[test]
fn every_position_of_an_error_is_told() {
    let raised = yaml::load("a: 1\nb: 'x\n").expect_err("an open quote");
    assert_eq!(raised.kind, "ScannerError");
    assert!(raised.message.contains("line 2"), "{raised}");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(document in "\\PC*") {
        let _ = yaml::load(&document);
    }

    #[test]
    fn no_soup_of_indicators_makes_it_panic(
        document in "([-?:,\\[\\]{}#&*!|>'\"%@`~<=. \n\t]|a|0|1|yes|\\$|<<: |--- |&a |\\*a |!!set |!!binary |: |- |\n  ){0,40}",
    ) {
        let _ = yaml::load(&document);
    }

    #[test]
    fn numbers_and_times_never_panic(scalar in "(!!int |!!float |!!timestamp |! )?[0-9_.:+eExob TZ-]{0,30}") {
        let _ = yaml::load(&scalar);
    }

    /// What JSON writes on one line is YAML that means the same, where no number needs an exponent.
    #[test]
    fn quoted_text_comes_back(words in prop::collection::vec("[ -~é日]{0,12}", 0..6)) {
        let value = Value::List(words.into_iter().map(Value::from).collect());
        let written = json::dump_ascii(&value).unwrap();
        prop_assert_eq!(yaml::load(&written), Ok(value));
    }
}
