//! Parsing: values, places, merge keys, and what is refused.

use proptest::prelude::*;
use shaketable_document::{Data, Diagnostics, Node, Source, parse};

fn parsed(text: &str) -> Node {
    parse(&Source::new("t.yaml", text)).unwrap_or_else(|problems| panic!("{text:?}: {problems}"))
}

fn refused(text: &str) -> Vec<(usize, usize, String)> {
    let source = Source::new("t.yaml", text);
    let problems: Diagnostics = parse(&source).expect_err(text);
    problems
        .iter()
        .map(|problem| {
            let (line, column) = source.line_column(problem.span.expect("a place"));
            (line, column, problem.message.clone())
        })
        .collect()
}

#[test]
fn scalars_follow_the_core_schema() {
    let cases = [
        ("~", Data::Null),
        ("null", Data::Null),
        ("''", Data::Text(String::new())),
        ("true", Data::Bool(true)),
        ("False", Data::Bool(false)),
        ("yes", Data::Text("yes".into())),
        ("12", Data::Int(12)),
        ("-12", Data::Int(-12)),
        ("+3", Data::Int(3)),
        ("0777", Data::Int(777)),
        ("0o17", Data::Int(15)),
        ("0xfF", Data::Int(255)),
        ("1.5", Data::Float(1.5)),
        ("1e3", Data::Float(1000.0)),
        (".5", Data::Float(0.5)),
        ("-.inf", Data::Float(f64::NEG_INFINITY)),
        ("inf", Data::Text("inf".into())),
        ("nan", Data::Text("nan".into())),
        (".", Data::Text(".".into())),
        ("1:30", Data::Text("1:30".into())),
        ("2020-01-01", Data::Text("2020-01-01".into())),
        ("'12'", Data::Text("12".into())),
        ("!!str 12", Data::Text("12".into())),
        ("50/s", Data::Text("50/s".into())),
    ];
    for (text, expected) in cases {
        let node = parsed(&format!("k: {text}"));
        let found = &node.get("k").expect("the key").data;
        assert_eq!(*found, expected, "{text}");
    }
}

#[test]
fn values_and_keys_know_their_places() {
    let text = "title: été\nlist:\n  - one\n  - {two: 2}\nempty:\nlast: 'x'\n";
    let source = Source::new("t.yaml", text);
    let root = parse(&source).expect("a document");
    let at = |node: &Node| &text[node.span.start..node.span.end];
    let get = |key: &str| root.get(key).expect("the key");
    assert_eq!(at(get("title")), "été");
    assert_eq!(at(get("list")), "- one\n  - {two: 2}");
    assert_eq!(at(&get("list").items()[1]), "{two: 2}");
    assert_eq!(at(get("last")), "'x'");
    assert_eq!(source.line_column(get("empty").span), (5, 1));
    let entry = root.get("list").expect("a list").items()[1]
        .entry("two")
        .expect("an entry");
    assert_eq!(source.line_column(entry.key_span), (4, 6));
}

#[test]
fn a_byte_order_mark_and_carriage_returns_do_not_shift_places() {
    let text = "\u{feff}a: 1\r\nb: x\r\n";
    let source = Source::new("t.yaml", text);
    let root = parse(&source).expect("a document");
    let b = root.get("b").expect("b");
    assert_eq!(&text[b.span.start..b.span.end], "x");
    assert_eq!(source.line_column(b.span), (2, 4));
}

#[test]
fn merge_keys_give_way_to_explicit_keys() {
    let root = parsed(
        "base: &base {a: 1, b: 2}\nother: &other {b: 3, c: 4}\nboth:\n  <<: [*base, *other]\n  a: 9\none: {<<: *base}\n",
    );
    assert_eq!(
        root.get("both").expect("both").to_json(),
        serde_json::json!({"a": 9, "b": 2, "c": 4})
    );
    assert_eq!(
        root.get("one").expect("one").to_json(),
        serde_json::json!({"a": 1, "b": 2})
    );
}

#[test]
fn json_of_other_writers_is_read() {
    let text = "{\n\t\"accent\":\"\\u00e9\",\n\t\"slash\": \"a\\/b\",\"<<\": [1,2]\n}";
    assert_eq!(
        parsed(text).to_json(),
        serde_json::json!({"accent": "é", "slash": "a/b", "<<": [1, 2]})
    );
}

#[test]
fn what_cannot_be_meant_is_refused_at_its_place() {
    let cases = [
        (
            "a: 1\nb: 2\na: 3\n",
            3,
            1,
            "the key `a` occurs a second time",
        ),
        ("a: 1\n---\nb: 2\n", 2, 1, "a second document begins here"),
        ("", 1, 1, "the document is empty"),
        (
            "a:\n  <<: 5\n",
            2,
            7,
            "`<<` merges maps only, found a whole number",
        ),
        ("a: !secret x\n", 1, 4, "the tag `!secret` is not supported"),
        (
            "a: 99999999999999999999\n",
            1,
            4,
            "the number 99999999999999999999 is too large",
        ),
        ("? [a]\n: b\n", 1, 3, "a list or a map cannot be a key"),
        (
            "a: &x [*x]\n",
            1,
            8,
            "an alias inside of its own anchor has no end",
        ),
        ("a: b\0c", 1, 5, "the document contains a NUL character"),
    ];
    for (text, line, column, message) in cases {
        let expected = (line, column, message.to_owned());
        assert_eq!(refused(text), [expected], "{text:?}");
    }
}

#[test]
fn malformed_yaml_has_a_place() {
    for (text, line) in [
        ("a: 1\n b: 2\n", 2),
        ("a: [1, 2\nb: 3\n", 2),
        ("a: 'x\n", 1),
        ("a: *nowhere\n", 1),
    ] {
        let problems = refused(text);
        assert_eq!(problems.len(), 1, "{text:?}: {problems:?}");
        assert!(
            problems[0].2.starts_with("malformed YAML: "),
            "{problems:?}"
        );
        assert_eq!(problems[0].0, line, "{text:?}: {problems:?}");
    }
}

#[test]
fn nesting_and_alias_expansion_are_bounded() {
    let deep = format!("a: {}{}", "[".repeat(200), "]".repeat(200));
    assert!(
        refused(&deep)[0].2.contains("nested more than 64"),
        "{:?}",
        refused(&deep)
    );
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let alias = format!("*a{}", level - 1);
        bomb += &format!(
            "a{level}: &a{level} [{}]\n",
            [alias.as_str(); 10].join(", ")
        );
    }
    assert!(refused(&bomb)[0].2.contains("more than 100000 values"));
    let mut tower = "a0: &a0 [[[[[[[[[[x]]]]]]]]]]\n".to_owned();
    for level in 1..10 {
        tower += &format!("a{level}: &a{level} [[[[[[[[[[*a{}]]]]]]]]]]\n", level - 1);
    }
    assert!(refused(&tower)[0].2.contains("nests more than 64"));
}

#[test]
fn problems_are_shown_with_file_line_and_column() {
    let source = Source::new("orders.yaml", "a: 1\nb: 2\na: 3\n");
    let problems = parse(&source).expect_err("a key twice");
    let shown = problems.render(&source, false);
    assert!(shown.contains("orders.yaml:3:1"), "{shown}");
    assert!(shown.contains("a: 3"), "{shown}");
    assert!(shown.contains("help: keep one of them"), "{shown}");
    assert_eq!(
        problems.to_json(&source),
        serde_json::json!([{
            "severity": "error",
            "message": "the key `a` occurs a second time",
            "line": 3,
            "column": 1,
            "help": "keep one of them",
        }])
    );
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        "[^\u{0}]{0,12}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map("[^\u{0}]{0,8}", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_is_read_back(value in json(), pretty in any::<bool>()) {
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        let node = parse(&Source::new("t.json", &text)).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(node.to_json(), value);
    }

    #[test]
    fn arbitrary_text_is_parsed_or_refused(text in any::<String>()) {
        survives(&text)?;
    }

    #[test]
    fn text_like_yaml_is_parsed_or_refused(text in "([-:?*&!|>'\"%#{}\\[\\],~<@\n\t ab0é]|: |- |<<: |&a |\\*a ){0,40}") {
        survives(&text)?;
    }
}

fn survives(text: &str) -> Result<(), TestCaseError> {
    let source = Source::new("t.yaml", text);
    match parse(&source) {
        Ok(node) => {
            prop_assert!(node.span.end <= text.len());
            prop_assert!(text.get(node.span.start..node.span.end).is_some());
        }
        Err(problems) => {
            prop_assert!(problems.has_errors());
            prop_assert!(!problems.render(&source, false).is_empty());
        }
    }
    Ok(())
}
