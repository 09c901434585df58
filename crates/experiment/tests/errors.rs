//! Every way a document can be wrong.

mod common;

use common::{GOOD, read};
use proptest::prelude::*;
use shaketable_document::{Severity, Source};

/// Line, message and help of every problem.
fn problems(text: &str) -> Vec<(usize, String, String)> {
    let source = Source::new("e.yaml", text);
    let diagnostics = match read(text) {
        Ok((_, warnings)) => warnings,
        Err(errors) => errors,
    };
    diagnostics
        .iter()
        .map(|one| {
            let (line, _) = source.line_column(one.span.expect("a place"));
            let help = one.help.clone().unwrap_or_default();
            (line, one.message.clone(), help)
        })
        .collect()
}

/// The good document with the lines that contain `old` replaced.
fn with(old: &str, new: &str) -> String {
    assert!(GOOD.contains(old), "{old}");
    GOOD.replacen(old, new, 1)
}

#[test]
fn every_wrong_place_is_one_error_with_its_line() {
    // The text that is replaced, by what, and the line, message and help that follow.
    let cases: &[(&str, &str, usize, &str, &str)] = &[
        (
            "title: Losing a broker loses no order in ${place}",
            "title: ''",
            1,
            "`title` is empty",
            "",
        ),
        (
            "in ${place}",
            "in ${plaec}",
            1,
            "unknown variable `${plaec}`",
            "did you mean `${place}`?",
        ),
        (
            "in ${place}",
            "in ${nowhere_at_all}",
            1,
            "unknown variable `${nowhere_at_all}`",
            "give `nowhere_at_all` a value under `configuration`",
        ),
        (
            "in ${place}",
            "in ${place",
            1,
            "`${` without a `}`",
            "write `$${` for the characters themselves",
        ),
        (
            "tags: [kafka]",
            "tagz: [kafka]",
            4,
            "unknown key `tagz` in the experiment",
            "did you mean `tags`?",
        ),
        (
            "tags: [kafka]",
            "controls: [{provider: {type: python, module: m}}]",
            4,
            "the control lacks the key `name`",
            "`name`: What it is called.",
        ),
        (
            "tags: [kafka]",
            "secrets: {token: abc}",
            4,
            "`token` is a secret without a group",
            "secrets stand in groups: write `group: {token: …}`",
        ),
        (
            "key: ORDER_API}",
            "key: OTHER}",
            9,
            "the environment variable `OTHER` is not set",
            "set it, or give a `default`",
        ),
        (
            "  answer: 200",
            "  answer: [200]",
            17,
            "`x-answer` has to be text or a whole number or a number or true or false, found a list",
            "",
        ),
        (
            "{type: env, key: ORDER_API}",
            "{type: probe, name: x}",
            9,
            "the configuration probe lacks the key `provider`",
            "`provider`: What carries it out.",
        ),
        (
            "      method: POST",
            "      method: GET",
            18,
            "a GET request has no body",
            "set `method`, for example to POST, or remove `json`",
        ),
        (
            "      method: POST",
            "      method: post",
            15,
            "`method` cannot be `post`",
            "one of: GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS",
        ),
        (
            "    rate: 50/s",
            "    rate: 50/y",
            19,
            "`rate` has to be a rate such as 50/s or 3000/m, greater than zero, found `50/y`",
            "",
        ),
        (
            "    identity: $.id",
            "    identity: id",
            20,
            "`id` is not a JSONPath",
            "a JSONPath begins with `$`, for example $.id",
        ),
        (
            "    identity: $.id",
            "    identity: $.id\n    max-in-flight: 0",
            21,
            "`max-in-flight` has to be at least 1, found `0`",
            "",
        ),
        (
            "    identity: $.id",
            "    identity: $.id\n    timeout: 0s",
            21,
            "`timeout` has to be longer than zero",
            "",
        ),
        (
            "    identity: $.id",
            "    identity: $.id\n  more: {http: {url: u}, rate: 1, identity: $}",
            21,
            "a second workload `more`: one is supported by this version",
            "keep one of them",
        ),
        (
            "acknowledged: trainers",
            "acknowledged: trainer",
            22,
            "there is no workload `trainer`",
            "workloads are: trainers",
        ),
        (
            "- {name: logged, kafka: {topic: poke-orders, identity: $.id}}",
            "- {name: logged}",
            24,
            "the stage needs one of the keys: kafka, postgres",
            "",
        ),
        (
            "{name: logged, kafka: {topic: poke-orders, identity: $.id}}",
            "{name: logged, kafka: {topic: t, identity: $.id}, postgres: {url: u, query: q}}",
            24,
            "the stage has `kafka` already: only one of them may be given",
            "",
        ),
        (
            "name: reversed",
            "name: logged",
            29,
            "a second stage is called `logged`",
            "",
        ),
        (
            "role: settled\n      within: 30s",
            "role: trace",
            23,
            "no stage has `role: settled`",
            "say which stage is the promised end of a message, or nothing is ever settled",
        ),
        (
            "role: unwanted",
            "role: unwated",
            29,
            "`role` cannot be `unwated`",
            "did you mean `unwanted`?",
        ),
        (
            "name: none lost, tolerance: 0",
            "name: none lost",
            33,
            "a probe of the hypothesis needs a `tolerance`",
            "say what its output has to be, for example `tolerance: 200`",
        ),
        (
            "{type: probe, name: none lost",
            "{type: action, name: none lost",
            33,
            "the hypothesis only asks: it has probes, not actions",
            "move the action to `method`",
        ),
        (
            "measure: lost",
            "measure: losst",
            33,
            "`measure` cannot be `losst`",
            "did you mean `lost`?",
        ),
        (
            "tolerance: ${answer}",
            "tolerance: ${anwser}",
            36,
            "unknown variable `${anwser}`",
            "did you mean `${answer}`?",
        ),
        (
            "tolerance: ${answer}",
            "tolerance: {type: regex, patern: x}",
            36,
            "unknown key `patern` in the regex tolerance",
            "did you mean `pattern`?",
        ),
        (
            "tolerance: ${answer}",
            "tolerance: {type: samples, tolerance: 200, at-least: 120%, of: 20}",
            36,
            "`at-least` has to be a share",
            "write it as 90%, or as a number from 0 to 1",
        ),
        (
            "tolerance: ${answer}",
            "tolerance: {type: samples, tolerance: 200, at-least: 90%, of: 0}",
            36,
            "`of` has to be from 1 to 100000, found `0`",
            "",
        ),
        (
            "tolerance: ${answer}",
            "tolerance: {type: rate, tolerance: {type: range, range: [5, 1]}}",
            36,
            "nothing is in this range: the first number is the larger one",
            "write the lowest and the highest number: [low, high]",
        ),
        (
            "tolerance: ${answer}",
            "tolerance: 200\n      until: {tolerance: 200, timeout: 5s}",
            37,
            "`until` is for probes of the method and the rollbacks",
            "write `within` beside the tolerance to give the hypothesis time",
        ),
        (
            "tolerance: ${answer}",
            "tolerance: 200\n      outputs: {a: $.b}",
            37,
            "only activities of the method and the rollbacks have `outputs`",
            "what is asked again and again has no one output",
        ),
        (
            "range: [200, 299]",
            "range: [200]",
            55,
            "a range has two numbers, found 1",
            "write the lowest and the highest number: [low, high]",
        ),
        (
            "timeout: 2}",
            "timeout: \"${place}\"}",
            37,
            "`timeout` has to be a duration such as 30s or 1m30s, or a number of seconds, found `here`",
            "",
        ),
        (
            "timeout: 2}",
            "timout: 2}",
            37,
            "unknown key `timout` in the http provider",
            "did you mean `timeout`?",
        ),
        (
            "timeout: 2}",
            "timeout: [1, 2, 3]}",
            37,
            "a list of timeouts has two of them, found 3",
            "write how long connecting and how long the answer may take: [connect, read]",
        ),
        (
            "timeout: 2}",
            "expected_status: [200, 20]}",
            37,
            "a status is a number from 100 to 599",
            "",
        ),
        (
            "timeout: 2}",
            "secrets: [nobody]}",
            37,
            "there is no group of secrets `nobody`",
            "declare `nobody` under `secrets`",
        ),
        (
            "  - type: action\n",
            "  - ref: kill the ledaer\n  - type: action\n",
            39,
            "there is no activity called `kill the ledaer`",
            "did you mean `kill the leader`?",
        ),
        (
            "  - type: action\n",
            "  - {ref: kill the leader, pauses: {after: 1}}\n  - type: action\n",
            39,
            "a reference has no `pauses`: the activity has it",
            "write it there, or write the activity out here",
        ),
        (
            "  - type: action\n",
            "  - type: probe\n",
            43,
            "a fault is an action, not a probe",
            "write `type: action` in the activity",
        ),
        (
            "    pauses: {before: 5, after: 1m}",
            "    background: true",
            41,
            "a fault has no `background`: it is over at its own time",
            "remove the key; say with the fault's parameters when it ends",
        ),
        (
            "{before: 5, after: 1m}",
            "{before: soon}",
            41,
            "`before` has to be a duration such as 30s or 1m30s, or a number of seconds, found `soon`",
            "",
        ),
        (
            "fault: process-kill\n",
            "fault: proces-kill\n",
            44,
            "`fault` cannot be `proces-kill`",
            "did you mean `process-kill`?",
        ),
        (
            "leader-of: poke-orders/0",
            "leader-of: poke-orders",
            45,
            "`poke-orders` is not a partition",
            "write the topic and the partition's number, for example orders/0",
        ),
        (
            "leader-of: poke-orders/0",
            "leaderof: poke-orders/0",
            45,
            "unknown key `leaderof` in the target",
            "did you mean `leader-of`?",
        ),
        (
            "      restart-after: 30s",
            "      restart-afer: 30s",
            46,
            "unknown key `restart-afer` in the process-kill",
            "did you mean `restart-after`?",
        ),
        (
            "      restart-after: 30s",
            "      restart-after: later",
            46,
            "`restart-after` has to be a duration such as 30s or 1m30s, or a number of seconds, found `later`",
            "",
        ),
        (
            "fault: process-kill, target: controller",
            "fault: process-pause, duration: 3s, target: controller",
            49,
            "`target` has to be a map with one of the keys service, found `controller`",
            "",
        ),
        (
            "fault: process-kill, target: controller",
            "fault: process-pause, target: {service: api}",
            49,
            "the process-pause lacks the key `duration`",
            "`duration`: How long.",
        ),
        (
            "provider: {type: process, path: echo, arguments: [done, 3, \"${place}\"]}",
            "provider: {type: fault, fault: process-kill, target: controller}",
            51,
            "faults are injected in `method` only",
            "rollbacks need none: every fault is undone by itself",
        ),
        (
            "provider: {type: process, path: echo, arguments: [done, 3, \"${place}\"]}",
            "provider: {type: python, module: m, func: f, secrets: [s]}",
            51,
            "there is no group of secrets `s`",
            "declare `s` under `secrets`",
        ),
        (
            "provider: {type: process, path: echo, arguments: [done, 3, \"${place}\"]}",
            "outputs: {1a: $.b}, provider: {type: process, path: ls}",
            51,
            "`1a` is no name of a variable",
            "a name has letters, digits and `_`, and does not begin with a digit",
        ),
        (
            "provider: {type: process, path: echo, arguments: [done, 3, \"${place}\"]}",
            "background: true, outputs: {a: $.b}, provider: {type: process, path: ls}",
            51,
            "an activity in the background has no `outputs`: nobody knows when they are there",
            "remove `background`, or `outputs`",
        ),
        (
            "provider: {type: process, path: echo, arguments: [done, 3, \"${place}\"]}",
            "within: 5s, provider: {type: process, path: ls}",
            51,
            "`within` is for probes of the hypothesis",
            "write `until: {tolerance: …, timeout: …}` to wait in the method",
        ),
        (
            "provider: {type: process, path: echo, arguments: [done, 3, \"${place}\"]}",
            "retries: {attempts: 0}, provider: {type: process, path: ls}",
            51,
            "`attempts` has to be from 1 to 10000, found `0`",
            "",
        ),
        (
            "    every: 1s",
            "    every: 0",
            54,
            "`every` has to be longer than zero",
            "",
        ),
        (
            "    every: 1s\n",
            "",
            53,
            "the safeguard lacks the key `every`",
            "`every`: From one question to the next.",
        ),
    ];
    for (old, new, line, message, help) in cases {
        let expected = (*line, (*message).to_owned(), (*help).to_owned());
        let text = with(old, new);
        assert_eq!(problems(&text), [expected], "{new}");
        assert!(read(&text).is_err(), "{new}");
    }
}

#[test]
fn every_required_key_is_missed() {
    let text = "x-nothing: true\n";
    let found: Vec<String> = problems(text).into_iter().map(|one| one.1).collect();
    assert_eq!(
        found,
        [
            "the experiment lacks the key `title`",
            "the experiment lacks the key `description`",
            "the experiment lacks the key `method`",
        ]
    );
}

#[test]
fn all_errors_are_reported_at_once_in_the_order_of_the_document() {
    let text = "\
titel: x
description: ${who}
ledger: {acknowledged: orders, stages: []}
method:
  - {type: probe, name: a, provider: {type: htp, url: u}}
  - {type: action, name: b, provider: {type: fault, fault: process-kill, target: {leader-of: x}}}
  - 5
";
    let lines: Vec<usize> = problems(text).iter().map(|one| one.0).collect();
    assert_eq!(lines, [1, 2, 3, 3, 5, 6, 7], "{:?}", problems(text));
}

#[test]
fn what_would_mean_nothing_is_refused() {
    let asked_in_the_method = with(
        "method:\n",
        "method:\n  - {type: probe, name: asks, provider: {type: ledger, measure: lost}}\n",
    );
    let limit_on_the_way = with("{name: logged, kafka:", "{name: logged, within: 5s, kafka:");
    for (text, line, message) in [
        (
            asked_in_the_method,
            39,
            "the ledger is asked in the hypothesis only",
        ),
        (
            limit_on_the_way,
            24,
            "`within` is for stages with `role: settled` only",
        ),
    ] {
        let problems = problems(&text);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!((problems[0].0, problems[0].1.as_str()), (line, message));
    }
}

#[test]
fn a_ledger_probe_needs_a_ledger() {
    let text = "\
title: t
description: d
steady-state-hypothesis:
  title: h
  probes:
    - {type: probe, name: a, tolerance: 0, provider: {type: ledger, measure: lost}}
method: []
";
    assert_eq!(
        problems(text),
        [(
            6,
            "the document has no `ledger` to ask".to_owned(),
            "describe under `ledger` how messages are accounted for".to_owned()
        )]
    );
}

#[test]
fn what_is_odd_but_usable_is_a_warning() {
    let text = "\
title: t
description: d
method:
  - {type: probe, name: a, tolerance: 0, provider: {type: process, path: ls}}
  - {type: probe, name: a, provider: {type: process, path: ls}}
";
    let (_, warnings) = read(text).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(warnings.iter().all(|one| one.severity == Severity::Warning));
    let messages: Vec<&str> = warnings.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "this `tolerance` decides nothing",
            "a second activity of the method is called `a`",
        ]
    );
}

#[test]
fn malformed_yaml_is_an_error_with_its_place() {
    let found = problems("title: [\nmethod: 1\n");
    assert_eq!(found.len(), 1);
    assert!(found[0].1.starts_with("malformed YAML"), "{found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mutilated_document_is_read_or_refused_at_a_place(
        removed in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        swapped in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let mut lines: Vec<&str> = GOOD.lines().collect();
        let (left, right) = (swapped.0.index(lines.len()), swapped.1.index(lines.len()));
        lines.swap(left, right);
        for index in removed {
            lines.remove(index.index(lines.len()));
        }
        if let Err(errors) = read(&lines.join("\n")) {
            prop_assert!(errors.has_errors());
            prop_assert!(errors.iter().all(|one| one.span.is_some()));
        }
    }
}
