//! Checking: a table, documents that follow it, and every way to leave it.

use std::time::Duration;

use shaketable_document::{
    Diagnostics, Field, Kind, Node, Object, Source, check, duration, parse, rate, schema,
};

const HTTP: Object = Object {
    name: "http provider",
    doc: "One HTTP request.",
    fields: &[
        Field {
            name: "url",
            kind: Kind::Text,
            required: true,
            doc: "Where to.",
        },
        Field {
            name: "timeout",
            kind: Kind::Duration,
            required: false,
            doc: "How long at most.",
        },
    ],
};

const PROCESS: Object = Object {
    name: "process provider",
    doc: "One process.",
    fields: &[
        Field {
            name: "path",
            kind: Kind::Text,
            required: true,
            doc: "What to run.",
        },
        Field {
            name: "arguments",
            kind: Kind::List(&Kind::AnyOf(&[Kind::Text, Kind::Integer])),
            required: false,
            doc: "With what.",
        },
    ],
};

const STEP: Object = Object {
    name: "step",
    doc: "One step.",
    fields: &[
        Field {
            name: "name",
            kind: Kind::Text,
            required: true,
            doc: "What it is called.",
        },
        Field {
            name: "mode",
            kind: Kind::Choice(&["serial", "parallel"]),
            required: false,
            doc: "How.",
        },
        Field {
            name: "provider",
            kind: Kind::Tagged {
                tag: "type",
                cases: &[
                    ("http", Kind::Object(&HTTP)),
                    ("process", Kind::Object(&PROCESS)),
                    ("python", Kind::Refused("use process")),
                ],
            },
            required: true,
            doc: "What does it.",
        },
        Field {
            name: "controls",
            kind: Kind::Refused("it comes later"),
            required: false,
            doc: "",
        },
    ],
};

const PLAN: Object = Object {
    name: "plan",
    doc: "A plan.",
    fields: &[
        Field {
            name: "title",
            kind: Kind::Text,
            required: true,
            doc: "What it is about.",
        },
        Field {
            name: "rate",
            kind: Kind::Rate,
            required: false,
            doc: "How often.",
        },
        Field {
            name: "share",
            kind: Kind::Number,
            required: false,
            doc: "How much.",
        },
        Field {
            name: "labels",
            kind: Kind::Map(&Kind::Text),
            required: false,
            doc: "Free.",
        },
        Field {
            name: "target",
            kind: Kind::OneKeyOf(&[("service", Kind::Text), ("leader-of", Kind::Text)]),
            required: false,
            doc: "Whom.",
        },
        Field {
            name: "loud",
            kind: Kind::Bool,
            required: false,
            doc: "Whether.",
        },
        Field {
            name: "extra",
            kind: Kind::Any,
            required: false,
            doc: "Anything.",
        },
        Field {
            name: "steps",
            kind: Kind::List(&Kind::Object(&STEP)),
            required: true,
            doc: "In order.",
        },
    ],
};

const GOOD: &str = "\
title: a plan
rate: 50/s
share: 0.5
labels: {team: red}
target: {leader-of: orders/0}
loud: true
extra: [1, null]
x-note: anything
steps:
  - name: ask
    mode: serial
    provider:
      type: http
      url: http://localhost/
      timeout: 1m30s
  - name: run
    provider: {type: process, path: ls, arguments: [-l, 3]}
";

fn checked(text: &str) -> (Source, Diagnostics) {
    let source = Source::new("plan.yaml", text);
    let node = parse(&source).expect("yaml");
    let mut problems = Diagnostics::new();
    check(&node, &PLAN, &mut problems);
    (source, problems)
}

fn lines(text: &str) -> Vec<(usize, String, Option<String>)> {
    let (source, problems) = checked(text);
    problems
        .iter()
        .map(|one| {
            let (line, _) = source.line_column(one.span.expect("a place"));
            (line, one.message.clone(), one.help.clone())
        })
        .collect()
}

#[test]
fn a_good_document_is_clean() {
    assert_eq!(lines(GOOD), []);
}

#[test]
fn every_wrong_line_is_one_error_at_that_line() {
    let cases: &[(usize, &str, &str, Option<&str>)] = &[
        (
            1,
            "title: [x]",
            "`title` has to be text, found a list",
            None,
        ),
        (1, "title: 5", "`title` has to be text, found `5`", None),
        (
            2,
            "rate: fast",
            "`rate` has to be a rate such as 50/s or 3000/m, greater than zero, found `fast`",
            None,
        ),
        (
            2,
            "rate: 0",
            "`rate` has to be a rate such as 50/s or 3000/m, greater than zero, found `0`",
            None,
        ),
        (
            2,
            "raet: 5/s",
            "unknown key `raet` in the plan",
            Some("did you mean `rate`?"),
        ),
        (
            2,
            "qqq: 5/s",
            "unknown key `qqq` in the plan",
            Some("known keys: title, rate, share, labels, target, loud, extra, steps"),
        ),
        (
            3,
            "share: half",
            "`share` has to be a number, found `half`",
            None,
        ),
        (
            4,
            "labels: {team: 5}",
            "`team` has to be text, found `5`",
            None,
        ),
        (
            5,
            "target: {}",
            "`target` needs one of the keys: service, leader-of",
            None,
        ),
        (
            5,
            "target: {leader-of: a/0, service: b}",
            "`target` has `leader-of` already: only one of them may be given",
            None,
        ),
        (
            5,
            "target: {servce: b}",
            "unknown key `servce` in the target",
            Some("did you mean `service`?"),
        ),
        (
            5,
            "target: all",
            "`target` has to be a map with one of the keys service, leader-of, found `all`",
            None,
        ),
        (
            6,
            "loud: yes",
            "`loud` has to be true or false, found `yes`",
            None,
        ),
        (
            11,
            "    mode: seral",
            "`mode` cannot be `seral`",
            Some("did you mean `serial`?"),
        ),
        (
            11,
            "    controls: []",
            "`controls` is not supported by this version",
            Some("it comes later"),
        ),
        (
            13,
            "      type: htttp",
            "`type` cannot be `htttp`",
            Some("did you mean `http`?"),
        ),
        (
            13,
            "      type: ssh",
            "`type` cannot be `ssh`",
            Some("one of: http, process"),
        ),
        (
            13,
            "      type: python",
            "`type: python` is not supported by this version",
            Some("use process"),
        ),
        (
            14,
            "      urll: http://localhost/",
            "unknown key `urll` in the http provider",
            Some("did you mean `url`?"),
        ),
        (
            15,
            "      timeout: -1",
            "`timeout` has to be a duration such as 30s or 1m30s, or a number of seconds, found `-1`",
            None,
        ),
        (
            17,
            "    provider: {type: process, path: ls, arguments: [{}]}",
            "an item of `arguments` has to be text or a whole number, found a map",
            None,
        ),
    ];
    for (line, replacement, message, help) in cases {
        let mut changed: Vec<&str> = GOOD.lines().collect();
        changed[line - 1] = replacement;
        let expected = (*line, (*message).to_owned(), help.map(str::to_owned));
        assert_eq!(lines(&changed.join("\n")), [expected], "{replacement}");
    }
}

#[test]
fn every_missing_required_key_is_one_error_at_its_owner() {
    let cases = [
        (1, 2, "the plan lacks the key `title`"),
        (14, 13, "the http provider lacks the key `url`"),
        (13, 14, "`provider` lacks the key `type`"),
    ];
    for (removed, line, message) in cases {
        let kept: Vec<&str> = GOOD
            .lines()
            .enumerate()
            .filter(|(index, _)| index + 1 != removed)
            .map(|(_, text)| text)
            .collect();
        let found = lines(&kept.join("\n"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].1, message);
        // The owner's first line is the removed one or stands before it.
        assert_eq!(
            found[0].0,
            if removed < line { removed } else { line },
            "{message}"
        );
    }
}

#[test]
fn an_extra_key_anywhere_is_one_error_at_its_line() {
    for (line, text) in GOOD.lines().enumerate() {
        let indent = text.len() - text.trim_start_matches([' ', '-']).len();
        let mut changed: Vec<String> = GOOD.lines().map(str::to_owned).collect();
        if text.trim_end().ends_with(':') {
            continue;
        }
        changed.insert(line + 1, format!("{}zzz: 1", " ".repeat(indent)));
        let found = lines(&changed.join("\n"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, line + 2);
        assert!(
            found[0].1.starts_with("unknown key `zzz` in the "),
            "{found:?}"
        );
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let found =
        lines("titel: x\nrate: [1]\nsteps:\n  - name: a\n    provider: {type: http}\n  - 5\n");
    let places: Vec<usize> = found.iter().map(|one| one.0).collect();
    assert_eq!(places, [1, 2, 5, 6], "{found:?}");
}

#[test]
fn quantities_are_read() {
    let value = |text: &str| -> Node { parse(&Source::new("q", text)).expect("yaml") };
    let durations = [
        ("30", Some(30_000)),
        ("0.25", Some(250)),
        ("30s", Some(30_000)),
        ("1m30s", Some(90_000)),
        ("250ms", Some(250)),
        ("1.5h", Some(5_400_000)),
        ("'7'", Some(7_000)),
        ("0", Some(0)),
        ("-1", None),
        ("-1s", None),
        ("''", None),
        ("s", None),
        ("5 s", None),
        ("5y", None),
        ("1..5s", None),
        (".inf", None),
        ("101d", None),
        ("[]", None),
    ];
    for (text, expected) in durations {
        let expected = expected.map(Duration::from_millis);
        assert_eq!(duration(&value(text)), expected, "{text}");
    }
    let rates = [
        ("50/s", Some(50.0)),
        ("3000/m", Some(50.0)),
        ("3600/h", Some(1.0)),
        ("0.5", Some(0.5)),
        ("0/s", None),
        ("5/x", None),
        ("/s", None),
        ("-5", None),
        (".inf", None),
    ];
    for (text, expected) in rates {
        assert_eq!(rate(&value(text)), expected, "{text}");
    }
}

#[test]
fn the_schema_says_what_the_table_says() {
    let schema = schema(&PLAN, "Plan", Some("^\\$"));
    assert_eq!(schema["title"], "Plan");
    assert_eq!(schema["required"], serde_json::json!(["title", "steps"]));
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["title"]["type"], "string");
    assert_eq!(
        schema["properties"]["steps"]["items"]["$ref"],
        "#/$defs/step"
    );
    let step = &schema["$defs"]["step"];
    assert!(step["properties"].get("controls").is_none());
    let cases = step["properties"]["provider"]["oneOf"]
        .as_array()
        .expect("cases");
    assert_eq!(cases.len(), 2);
    assert_eq!(cases[0]["properties"]["type"]["const"], "http");
    assert_eq!(cases[0]["required"], serde_json::json!(["type", "url"]));
}
