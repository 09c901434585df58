//! Configuration, variables, and what is hidden of secrets.

use shaketable_chaostoolkit::configuration::{convert_to_type, load_configuration};
use shaketable_chaostoolkit::environment::Environment;
use shaketable_chaostoolkit::logger::Logger;
use shaketable_chaostoolkit::redaction::Redaction;
use shaketable_chaostoolkit::secrets::load_secrets;
use shaketable_chaostoolkit::variables::{convert_vars, merge_vars};
use shaketable_dialect::{Dict, Value, json};

use crate::invocation::Place;

fn value(text: &str) -> Value {
    json::parse(text).expect("JSON of the test")
}

fn dict(text: &str) -> Dict {
    value(text).as_dict().cloned().expect("a mapping")
}

#[test]
fn entries_are_literal_or_from_the_environment() {
    let environment = Environment::default();
    environment.set("SET_BY_TEST", "41");
    let info = value(
        r#"{"a": {"b": 1}, "n": {"type": "env", "key": "SET_BY_TEST", "env_var_type": "int"},
            "d": {"type": "env", "key": "NOT_SET_BY_TEST", "default": [1]},
            "p": {"type": "probe", "name": "kept"}, "v": 1}"#,
    );
    let overrides = dict(r#"{"v": {"type": "env", "key": "SET_BY_TEST"}, "undeclared": 1}"#);
    let loaded = load_configuration(&info, &overrides, &environment, &Logger::silent());
    let expected = dict(
        r#"{"a": {"b": 1}, "n": 41, "d": [1], "p": {"type": "probe", "name": "kept"}, "v": "41"}"#,
    );
    assert_eq!(loaded, Ok(expected));

    let info = value(r#"{"x": {"type": "env", "key": "NOT_SET_BY_TEST"}}"#);
    let problem = load_configuration(&info, &Dict::new(), &environment, &Logger::silent())
        .expect_err("there is no such variable");
    assert!(problem.is_chaos() && problem.is("InvalidExperiment"));
    assert_eq!(
        problem.to_string(),
        "Configuration makes reference to an environment key that does not exist: NOT_SET_BY_TEST"
    );
}

#[test]
fn types_are_converted_as_python_does() {
    let convert = |kind: &str, text: &str| convert_to_type(&kind.into(), text.into());
    assert_eq!(convert("int", " 1_000 "), Ok(Value::Int(1000)));
    assert_eq!(convert("integer", "-7"), Ok(Value::Int(-7)));
    assert!(convert("int", "1__0").is_err() && convert("int", "1.0").is_err());
    assert_eq!(convert("float", "1e3"), Ok(Value::Float(1000.0)));
    assert_eq!(
        convert("number", "-inf"),
        Ok(Value::Float(f64::NEG_INFINITY))
    );
    assert!(convert("float", "").is_err());
    for (text, flag) in [("No", false), ("0", false), ("", true), ("off", true)] {
        assert_eq!(convert("bool", text), Ok(Value::Bool(flag)), "{text}");
    }
    assert_eq!(convert("json", ""), Ok("".into()));
    assert_eq!(convert("json", "{\"a\": 1}"), Ok(value("{\"a\": 1}")));
    assert_eq!(
        convert("bytes", "é"),
        Ok(Value::Bytes("é".as_bytes().to_vec()))
    );
    let none = convert_to_type(&"int".into(), Value::None).expect_err("None is no number");
    assert_eq!(none.kind, "TypeError");
}

#[test]
fn variables_of_the_command_line_beat_files_and_later_files_earlier_ones() {
    let place = Place::new();
    let first = place.file(
        "a.yaml",
        "configuration: {x: 1, y: 1, z: 1}\nsecrets: {g: {k: v}}\n",
    );
    let second = place.file("b.json", r#"{"configuration": {"y": 2, "z": 2}}"#);
    let exported = place.file("c.env", "# comment\n\nONLY_IN_TEST=a=b\n");
    let broken = place.file("d.json", "{");
    let environment = Environment::default();
    let var = convert_vars(&["z:int=3".to_string()]).expect("a variable");
    let files = [first, second, exported, broken];
    let merged = merge_vars(&var, &files, &environment, &Logger::silent()).expect("variables");
    assert_eq!(merged.configuration, dict(r#"{"x": 1, "y": 2, "z": 3}"#));
    assert_eq!(merged.secrets, dict(r#"{"g": {"k": "v"}}"#));
    assert_eq!(environment.get("ONLY_IN_TEST").as_deref(), Some("a=b"));
    let complete = environment.complete().expect("something was exported");
    assert!(complete.contains_key(std::ffi::OsStr::new("PATH")));
}

#[tokio::test]
async fn secrets_of_the_environment_are_hidden_wherever_they_appear() {
    let environment = Environment::default();
    environment.set("TEST_TOKEN", "it's \"s3cret\"\n");
    let redaction = Redaction::default();
    let info =
        value(r#"{"g": {"t": {"type": "env", "key": "TEST_TOKEN"}, "l": "literal"}, "flat": "x"}"#);
    let secrets = load_secrets(
        &info,
        &Dict::new(),
        &Dict::new(),
        &environment,
        &redaction,
        &Logger::silent(),
    )
    .await
    .expect("secrets");
    let group = secrets.get("g").expect("the group");
    assert_eq!(group.get("t"), Some(&"it's \"s3cret\"\n".into()));
    assert_eq!(secrets.get("flat"), Some(&"x".into()));

    assert_eq!(redaction.text("say it's \"s3cret\"!"), "say ********!");
    assert_eq!(
        redaction.text(r#"{"a": "it's \"s3cret\""}"#),
        r#"{"a": "********"}"#
    );
    assert_eq!(redaction.text(r#"['it\'s "s3cret"']"#), "['********']");
    let hidden = redaction.value(&value(r#"{"k": ["it's \"s3cret\"", "literal"]}"#));
    assert_eq!(hidden, value(r#"{"k": ["********", "literal"]}"#));
}
