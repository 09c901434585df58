//! Documents and command lines: what wrong ones are answered, that nothing is touched then, and that
//! the published schema and all experiments that come with the program are right.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::shop::{assert_well, bench, up};
use crate::support::{Bench, PASSED, USAGE};

/// What is wrong with a document, and what is said about it. The document is [`GOOD`] with one
/// text replaced.
const BAD: &[(&str, &str, &[&str])] = &[
    (
        "tags: [shop]",
        "tagz: [shop]",
        &["bad.yaml:3:1", "`tagz`", "did you mean `tags`?"],
    ),
    (
        "fault: process-kill",
        "fault: proces-kill",
        &["bad.yaml:13:", "`proces-kill`", "process-kill"],
    ),
    (
        "signal: SIGTERM",
        "signal: SIGTREM",
        &["bad.yaml:9:5", "`SIGTREM` is no signal"],
    ),
    (
        "service: web",
        "service: wbe",
        &["bad.yaml:14:", "no service `wbe`", "web"],
    ),
    (
        "target: { service: web }",
        "target: { leader-of: orders/0 }",
        &["bad.yaml:14:", "no Kafka service"],
    ),
    ("tags: [shop]", "tags: [shop", &["bad.yaml:"]),
    (
        "system: shop/compose.yaml",
        "system: shop/nowhere.yaml",
        &["nowhere.yaml"],
    ),
    (
        "restart-after: 1s",
        "restart-after: soon",
        &["bad.yaml:15:", "`restart-after`"],
    ),
];

const GOOD: &str = r#"title: The shop stands
description: Something happens to it.
tags: [shop]
system: shop/compose.yaml
steady-state-hypothesis:
  title: always true
  probes: []
method:
  - type: action
    name: kill
    provider:
      type: fault
      fault: process-kill
      target: { service: web }
      restart-after: 1s
      signal: SIGTERM
"#;

#[test]
fn a_wrong_document_is_a_usage_error_with_its_place() {
    let bench = bench();
    up(&bench);
    for (old, new, words) in BAD {
        assert!(GOOD.contains(old), "{old}");
        let file = bench.write("bad.yaml", &GOOD.replace(old, new));
        bench
            .run(&["run", file.to_str().unwrap()])
            .expect(USAGE, words);
        assert_well(&bench);
    }
}

#[test]
fn all_problems_of_all_documents_are_told_at_once() {
    let bench = bench();
    let text = GOOD
        .replace("tags:", "tagz:")
        .replace("signal: SIGTERM", "sginal: SIGTERM")
        .replace("restart-after: 1s", "restart-after: soon");
    bench.write("bad.yaml", &text);
    bench.write("broken.yaml", "title: [");
    bench.write("good.yaml", GOOD);
    let words = [
        "bad.yaml:3:1",
        "bad.yaml:15:",
        "bad.yaml:16:7",
        "did you mean `signal`?",
        "broken.yaml:1:",
        "nowhere.yaml",
    ];
    let files = ["good.yaml", "bad.yaml", "broken.yaml", "nowhere.yaml"];
    for command in ["run", "validate"] {
        let arguments: Vec<&str> = [command].into_iter().chain(files).collect();
        bench.run(&arguments).expect(USAGE, &words);
    }
    assert!(bench.runs().is_empty());

    bench
        .run(&["validate", "good.yaml"])
        .expect(PASSED, &["good.yaml: valid"]);
    let files = ["good.yaml", "bad.yaml", "nowhere.yaml"];
    let arguments = ["validate", "--format", "json"].into_iter().chain(files);
    let found = bench
        .run(&arguments.collect::<Vec<_>>())
        .expect(USAGE, &[])
        .json();
    assert_eq!(
        (&found[0]["valid"], &found[1]["valid"]),
        (&json!(true), &json!(false))
    );
    let problems = found[1]["problems"].as_array().unwrap();
    let lines: Vec<u64> = problems
        .iter()
        .map(|one| one["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [3, 15, 16]);
    let missing = &found[2]["problems"][0];
    assert!(missing["message"].to_string().contains("nowhere.yaml"));
    assert_eq!(
        (&missing["line"], &found[2]["valid"]),
        (&json!(null), &json!(false))
    );
    assert!(
        problems
            .iter()
            .all(|one| one["severity"] == "error" && one["column"].is_u64())
    );
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let bench = bench();
    bench.write("good.yaml", GOOD);
    bench.write("shop/variants/fixed.env", "");
    bench
        .run(&["run", "good.yaml", "--variant", "fixde"])
        .expect(USAGE, &["`fixde`", "fixed"]);
    bench.run(&["run"]).expect(USAGE, &["EXPERIMENT"]);
    bench
        .run(&["run", "good.yaml", "--frmat", "json"])
        .expect(USAGE, &["--format"]);
    bench.run(&["run", "--help"]).expect(PASSED, &["--variant"]);
    bench
        .run(&["--help"])
        .expect(PASSED, &["0 passed", "3 inconclusive", "5 error"]);
}

#[test]
fn the_published_schema_is_the_programs_and_all_experiments_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let bench = Bench::new();
    let schema = bench.run(&["schema"]).expect(PASSED, &[]).out;
    let published = root.join("docs/experiment.schema.json");
    let text = std::fs::read_to_string(&published).unwrap_or_default();
    assert!(
        text == schema,
        "{} is out of date: write the output of `shaketable schema` to it",
        published.display()
    );
    let mut experiments = Vec::new();
    for system in std::fs::read_dir(root.join("systems")).unwrap().flatten() {
        files_below(&system.path().join("experiments"), &mut experiments);
    }
    let is_plain = |path: &&PathBuf| {
        path.components()
            .any(|part| part.as_os_str() == "chaos-toolkit")
    };
    let plain = experiments.iter().filter(is_plain).count();
    assert!(
        plain >= 2 && experiments.len() >= plain + 2,
        "{experiments:?}"
    );
    let mut validate = bench.command(&["validate"]);
    validate
        .args(&experiments)
        .env("BOOTSTRAP_SERVERS", "kafka-1:9092")
        .env("MSK_CLUSTER_ARN", "arn:of:a:cluster");
    let outcome = bench.start_command(validate).finish().expect(PASSED, &[]);
    let valid = outcome.out.lines().filter(|line| line.ends_with(": valid"));
    assert_eq!(valid.count(), experiments.len(), "{}", outcome.out);
}

/// The files in a folder and in those below it; none when there is no such folder.
fn files_below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            files_below(&entry.path(), files);
        } else {
            files.push(entry.path());
        }
    }
}

/// An experiment with this provider of its only activity, a rollback.
fn calling(provider: &str) -> String {
    format!(
        "title: t\ndescription: d\nmethod: []\nrollbacks:\n  - type: action\n    name: a\n    provider: {provider}\n"
    )
}

#[test]
fn types_of_arguments_are_told_before_a_run() {
    let bench = Bench::new();
    let module = "type: python, module: chaoskafka.actions";
    let produce = |arguments: &str| {
        calling(&format!(
            "{{{module}, func: produce_messages, arguments: {{topic: t, {arguments}}}}}"
        ))
    };
    // Without `bootstrap_servers`: it is the cluster of whatever system it is run on.
    bench.write("good.yaml", &produce("messages: [x], partition: '1'"));
    bench.run(&["validate", "good.yaml"]).expect(PASSED, &[]);
    bench.write("bad.yaml", &produce("messages: x, partition: one"));
    bench.run(&["validate", "bad.yaml"]).expect(
        USAGE,
        &[
            "bad.yaml:7:",
            "`produce_messages`: `messages` must be a list, not text",
            "`partition` must be a whole number",
        ],
    );
    let reboot = "{type: python, module: chaosaws.msk.actions, func: reboot_msk_broker, arguments: {broker_ids: [1]}}";
    let document = calling(reboot).replace("method: []\nrollbacks", "method");
    bench.write("bad.yaml", &document);
    bench.run(&["validate", "bad.yaml"]).expect(
        USAGE,
        &["`reboot_msk_broker` lacks the argument `cluster_arn`"],
    );
}

#[test]
fn the_demo_tells_everything_that_is_wrong_before_its_first_run() {
    let bench = Bench::new();
    let demo = |more: &[&str]| {
        let arguments = ["demo", "--systems", ".", "--flaws", "--only", "broker-kill"];
        bench.run(&[&arguments, more].concat())
    };
    demo(&["--only", "nope", "--only", "neither"]).expect(
        USAGE,
        &["no such experiment: nope, neither; there are corrupt-message"],
    );
    let good = GOOD.replace("shop/compose.yaml", "../compose.yaml");
    bench.write("orders/experiments/broker-kill.yaml", &good);
    bench.write("orders/experiments/time-zone.yaml", "title: [");
    demo(&["--only", "time-zone", "--only", "state-race"])
        .expect(USAGE, &["time-zone.yaml:1:", "state-race.yaml"]);
    assert!(bench.runs().is_empty());
}

#[test]
fn given_values_count_for_explain_and_validate_as_for_run() {
    let bench = Bench::new();
    let document = json!({
        "title": "Asks", "description": "One address.",
        "configuration": { "port": { "type": "env", "key": "SHAKETABLE_TEST_NOT_SET" } },
        "steady-state-hypothesis": { "title": "It answers", "probes": [{
            "type": "probe", "name": "it answers", "tolerance": 200,
            "provider": { "type": "http", "url": "http://127.0.0.1:${port}/" },
        }] },
        "method": [],
    });
    bench.write("asks.json", &document.to_string());
    for command in ["explain", "validate"] {
        bench
            .run(&[command, "asks.json"])
            .expect(USAGE, &["`SHAKETABLE_TEST_NOT_SET` is not set"]);
        bench
            .run(&[command, "asks.json", "--var", "gate=1"])
            .expect(USAGE, &["`configuration` has no `gate`"]);
    }
    bench
        .run(&["validate", "asks.json", "--var", "port=8080"])
        .expect(PASSED, &["asks.json: valid"]);
    bench.write("given.env", "SHAKETABLE_TEST_NOT_SET=8080\n");
    for given in [["--var", "port=8080"], ["--var-file", "given.env"]] {
        let arguments = ["explain", "asks.json"].into_iter().chain(given);
        bench
            .run(&arguments.collect::<Vec<_>>())
            .expect(PASSED, &["GET http://127.0.0.1:8080/"]);
    }
    assert!(bench.runs().is_empty());
}
