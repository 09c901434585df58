//! Reading Compose files: what every form means, and that everything wrong is said at once, with
//! its line.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use shaketable_document::{Diagnostics, Severity, Source};
use shaketable_testbed::SystemSource;
use shaketable_testbed::compose::{
    Compose, Condition, Dependency, DriverKind, RestartPolicy, Service, parse,
};

fn read(text: &str) -> Result<(Compose, Diagnostics), Vec<(usize, String)>> {
    let values = BTreeMap::from([("SET".to_owned(), "value".to_owned())]);
    let source = Source::new("compose.yaml", text);
    parse(&source, "Folder", &values).map_err(|diagnostics| lines(&diagnostics, &source))
}

/// Line and message of every error.
fn lines(diagnostics: &Diagnostics, source: &Source) -> Vec<(usize, String)> {
    diagnostics
        .iter()
        .filter(|one| one.severity == Severity::Error)
        .map(|one| {
            let line = one.span.map_or(0, |span| source.line_column(span).0);
            (line, one.message.clone())
        })
        .collect()
}

/// The only service of a file without a complaint.
fn service(keys: &str) -> Service {
    let indented: String = keys.lines().map(|line| format!("    {line}\n")).collect();
    let text = format!("services:\n  a:\n{indented}");
    let (compose, diagnostics) = read(&text).unwrap_or_else(|errors| panic!("{text}\n{errors:?}"));
    assert!(diagnostics.is_empty(), "{text}");
    assert_eq!(compose.services.len(), 1);
    compose.services.into_iter().next().unwrap()
}

#[test]
fn a_good_file_is_read_with_its_defaults() {
    let (compose, warnings) = read(
        r#"
name: shop
services:
  log:
    image: apache/kafka:4.2.0
  store:
    image: docker.io/library/postgres
    restart: always
  web:
    image: shop/web
    entrypoint: [web]
    command: --verbose --title "two words"
    environment: { STORE: "store:5432", FLAG: true, SIZE: 3, EMPTY: }
    depends_on:
      log: { condition: service_healthy }
      store: { condition: service_started }
    deploy: { replicas: 2 }
    ports: ["8000:80", "127.0.0.1:8001:81/tcp", 82]
    expose: ["83"]
    stop_grace_period: 1m30s
"#,
    )
    .unwrap();
    assert!(warnings.is_empty());
    assert_eq!(compose.name, "shop");
    let [log, store, web] = compose.services.as_slice() else {
        panic!("three services, not {}", compose.services.len());
    };
    assert_eq!(
        (log.driver, log.restart),
        (DriverKind::Kafka, RestartPolicy::No)
    );
    assert_eq!(
        (store.driver, store.restart),
        (DriverKind::Postgres, RestartPolicy::Always)
    );
    assert_eq!(store.stop_grace_period, Duration::from_secs(10));
    assert_eq!(web.driver, DriverKind::Process);
    assert_eq!(web.command, ["web", "--verbose", "--title", "two words"]);
    let environment: Vec<(&str, &str)> = web
        .environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    // A name without a value is passed through, and is not set here.
    assert_eq!(
        environment,
        [("FLAG", "true"), ("SIZE", "3"), ("STORE", "store:5432")]
    );
    let dependency = |service: &str, condition| Dependency {
        service: service.to_owned(),
        condition,
    };
    assert_eq!(
        web.depends_on,
        [
            dependency("log", Condition::Healthy),
            dependency("store", Condition::Started)
        ]
    );
    assert_eq!(web.replicas, 2);
    assert_eq!(web.ports, [80, 81, 82, 83]);
    assert_eq!(web.stop_grace_period, Duration::from_secs(90));
}

#[test]
fn a_file_without_a_name_has_its_folders() {
    let (compose, _) = read("services: { a: { command: x } }").unwrap();
    assert_eq!(compose.name, "folder");
    let (compose, _) = read("name: -_My Shop!\nservices: { a: { command: x } }").unwrap();
    assert_eq!(compose.name, "myshop");
}

#[test]
fn every_restart_policy_is_known() {
    for (written, policy) in [
        ("no", RestartPolicy::No),
        ("\"no\"", RestartPolicy::No),
        ("false", RestartPolicy::No),
        ("always", RestartPolicy::Always),
        ("unless-stopped", RestartPolicy::Always),
        ("on-failure", RestartPolicy::OnFailure(None)),
        ("on-failure:3", RestartPolicy::OnFailure(Some(3))),
    ] {
        let found = service(&format!("command: x\nrestart: {written}")).restart;
        assert_eq!(found, policy, "{written}");
    }
}

#[test]
fn every_form_of_a_health_check_is_known() {
    let shell = |line: &str| Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), line.to_owned()]);
    for (written, test) in [
        (
            "test: [CMD, probe, --fast]",
            Some(vec!["probe".to_owned(), "--fast".to_owned()]),
        ),
        (
            "test: [CMD-SHELL, \"probe || exit 1\"]",
            shell("probe || exit 1"),
        ),
        ("test: probe $$HOME", shell("probe $HOME")),
        ("test: [NONE]", None),
        ("disable: true", None),
        ("test: [CMD, probe], disable: true", None),
    ] {
        let found = service(&format!("command: x\nhealthcheck: {{ {written} }}")).healthcheck;
        assert_eq!(found.map(|check| check.test), test, "{written}");
    }
    let check = service(
        "command: x\nhealthcheck: { test: p, interval: 1s, timeout: 2s, retries: 4, start_period: 5m, start_interval: 600ms }",
    )
    .healthcheck
    .unwrap();
    assert_eq!(
        (check.interval, check.timeout, check.retries),
        (Duration::from_secs(1), Duration::from_secs(2), 4)
    );
    assert_eq!(
        (check.start_period, check.start_interval),
        (Duration::from_secs(300), Duration::from_millis(600))
    );
    let defaults = service("command: x\nhealthcheck: { test: p }")
        .healthcheck
        .unwrap();
    assert_eq!(
        (defaults.interval, defaults.retries),
        (Duration::from_secs(30), 3)
    );
}

#[test]
fn environment_may_be_a_list_and_passes_names_through() {
    let environment = service("command: x\nenvironment: [A=1, B=x=y, C=, SET, UNSET]").environment;
    let found: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        found,
        [("A", "1"), ("B", "x=y"), ("C", ""), ("SET", "value")]
    );
}

#[test]
fn ports_may_be_written_in_the_long_form() {
    assert_eq!(
        service("command: x\nports: [{ target: 80, published: 8080 }]").ports,
        [80]
    );
}

#[test]
fn depends_on_may_be_a_list() {
    let (compose, _) =
        read("services: { a: { command: x }, b: { command: y, depends_on: [a] } }").unwrap();
    let expected = Dependency {
        service: "a".to_owned(),
        condition: Condition::Started,
    };
    assert_eq!(compose.services[1].depends_on, [expected]);
}

#[test]
fn merges_and_variables_are_resolved() {
    let (compose, _) = read(
        r#"
x-base: &base
  image: "shop/${NONE:-web}"
  environment: &environment { A: "1", B: "${SET}" }
services:
  a:
    <<: *base
    command: [run, "${SET:+more}"]
    environment:
      <<: *environment
      B: own
"#,
    )
    .unwrap();
    let a = &compose.services[0];
    assert_eq!(a.command, ["run", "more"]);
    assert_eq!(a.environment["A"], "1");
    assert_eq!(a.environment["B"], "own");
}

#[test]
fn our_own_key_chooses_the_driver() {
    let postgres = service("image: shop/database\nx-shaketable: { driver: postgres }");
    assert_eq!(postgres.driver, DriverKind::Postgres);
    let process = service("x-shaketable: { driver: process }\nimage: postgres:16\ncommand: fake");
    assert_eq!(process.driver, DriverKind::Process);
}

#[test]
fn keys_without_a_meaning_are_named_once() {
    let text = "version: '3'\nnetworks: { n: }\nservices:\n  a: { command: x, container_name: c, networks: [n] }\n  b: { command: x, container_name: d, tty: true, x-other: 1 }\n";
    let (_, warnings) = read(text).unwrap();
    let named: Vec<&str> = warnings
        .iter()
        .map(|one| one.message.split('`').nth(1).unwrap())
        .collect();
    assert_eq!(named, ["version", "networks", "container_name", "tty"]);
    assert!(warnings.iter().all(|one| one.severity == Severity::Warning));
}

/// One mistake each: the file, the line, and words of the message.
const MISTAKES: &[(&str, usize, &str)] = &[
    ("- a\n", 1, "a Compose file is a map"),
    ("name: x\n", 1, "no `services`"),
    ("services: {}\n", 1, "nothing to run"),
    ("services: [a]\n", 1, "a map of services"),
    (
        "volumes: { v: }\nservices: { a: { command: x } }\n",
        1,
        "`volumes` is not supported",
    ),
    ("services:\n  a: run\n", 2, "service `a` is a map"),
    (
        "services:\n  a: { image: shop/web }\n",
        2,
        "has no `command`",
    ),
    (
        "services:\n  a: { image: \"redis:7\" }\n",
        2,
        "`redis:7` has no driver",
    ),
    (
        "services:\n  a:\n    command: x\n    volumes: [v]\n",
        4,
        "`volumes` is not supported",
    ),
    (
        "services:\n  a:\n    command: x\n    x-shaketable: { driver: redis }\n",
        4,
        "driver `redis` is unknown",
    ),
    (
        "services:\n  a:\n    command: x\n    x-shaketable: { drive: kafka }\n",
        4,
        "no key `drive`",
    ),
    (
        "services:\n  a: { command: { x: y } }\n",
        2,
        "a list of words or one text",
    ),
    (
        "services:\n  a: { command: \"say 'it\" }\n",
        2,
        "not closed",
    ),
    (
        "services:\n  a: { command: x, environment: text }\n",
        2,
        "a map or a list",
    ),
    (
        "services:\n  a: { command: x, environment: { A: [1] } }\n",
        2,
        "a text is wanted",
    ),
    (
        "services:\n  a: { command: x, restart: sometimes }\n",
        2,
        "`sometimes` is no restart policy",
    ),
    (
        "services:\n  a: { command: x, restart: \"on-failure:x\" }\n",
        2,
        "no restart policy",
    ),
    (
        "services:\n  a: { command: x, stop_grace_period: soon }\n",
        2,
        "`soon` is no duration",
    ),
    (
        "services:\n  a: { command: x, ports: [\"80:http\"] }\n",
        2,
        "is no port",
    ),
    (
        "services:\n  a: { command: x, ports: [\"53:53/udp\"] }\n",
        2,
        "is no port",
    ),
    (
        "services:\n  a: { command: x, scale: many }\n",
        2,
        "`scale` is a number",
    ),
    (
        "services:\n  a: { command: x, deploy: { replicas: -1 } }\n",
        2,
        "`replicas` is a number",
    ),
    (
        "services:\n  a: { command: x, deploy: { mode: global } }\n",
        2,
        "`mode` of `deploy`",
    ),
    (
        "services:\n  a: { command: x, healthcheck: { interval: 1s } }\n",
        2,
        "has no `test`",
    ),
    (
        "services:\n  a: { command: x, healthcheck: { test: [probe] } }\n",
        2,
        "begins with CMD",
    ),
    (
        "services:\n  a: { command: x, healthcheck: { test: p, interval: 1x } }\n",
        2,
        "`1x` is no duration",
    ),
    (
        "services:\n  a: { command: x, healthcheck: { test: p, disable: maybe } }\n",
        2,
        "true or false",
    ),
    (
        "services:\n  a: { command: x, healthcheck: { tests: p, test: p } }\n",
        2,
        "`tests` of `healthcheck`",
    ),
    (
        "services:\n  a: { command: x, depends_on: [b] }\n",
        2,
        "depends on `b`, which is no service",
    ),
    (
        "services:\n  a: { command: x, depends_on: { b: } }\n  b: { command: x }\n",
        2,
        "a map with `condition`",
    ),
    (
        "services:\n  a: { command: x, depends_on: { b: { condition: ready } } }\n  b: { command: x }\n",
        2,
        "`ready` is no condition",
    ),
    (
        "services:\n  b: { command: x }\n  a:\n    command: x\n    depends_on: { b: { condition: service_healthy } }\n",
        5,
        "`a` waits for `b` to be healthy, but that has no health check",
    ),
    (
        "services:\n  z: { command: x, depends_on: [a] }\n  a: { command: x, depends_on: [b] }\n  b: { command: x, depends_on: [a] }\n",
        3,
        "a -> b -> a",
    ),
    (
        "services:\n  a: { command: x, depends_on: [a] }\n",
        2,
        "a -> a",
    ),
    (
        "services:\n  a: { command: \"${NAME:?give a name}\" }\n",
        2,
        "give a name",
    ),
    (
        "services:\n  a: { command: \"${NAME\" }\n",
        2,
        "no closing brace",
    ),
    (
        "services:\n  a: { command: x }\n  a: { command: y }\n",
        3,
        "a",
    ),
    (
        "services:\n  ..: { command: x }\n",
        2,
        "is not a service name",
    ),
    (
        "services:\n  supervisor: { command: x }\n",
        2,
        "the testbed's own log",
    ),
    (
        "services:\n  a: { command: x, scale: 2 }\n  a-2: { command: x }\n",
        3,
        "also the name of a replica of `a`",
    ),
    ("services:\n  a: { command: x\n", 3, ""),
];

#[test]
fn every_mistake_is_named_with_its_line_and_nothing_else_is() {
    for (text, line, words) in MISTAKES {
        let errors = read(text).map(|_| ()).expect_err(text);
        let [(found, message)] = errors.as_slice() else {
            panic!("one error, not {errors:#?} in\n{text}");
        };
        assert!(
            message.contains(words),
            "{message}\ninstead of {words} in\n{text}"
        );
        assert_eq!(found, line, "{message} in\n{text}");
    }
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_file() {
    let text = r#"
services:
  a:
    command: x
    restart: sometimes
    depends_on: [nobody]
    privileged: true
  b:
    command: "${MISSING:?no name}"
    stop_grace_period: soon
volumes: {}
"#;
    let errors = read(text).unwrap_err();
    let lines: Vec<usize> = errors.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [5, 6, 7, 9, 10, 11], "{errors:#?}");
}

#[test]
fn the_order_system_is_read_in_each_of_its_variants() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systems/orders");
    let mut variants: Vec<Option<String>> = std::fs::read_dir(folder.join("variants"))
        .unwrap()
        .map(|entry| Some(entry.unwrap().path().file_stem()?.to_str()?.to_owned()))
        .collect();
    assert!(variants.len() >= 3, "{variants:?}");
    variants.push(None);
    for variant in variants {
        let read = SystemSource::new(&folder, variant.as_deref())
            .and_then(|source| source.read())
            .unwrap_or_else(|error| panic!("{variant:?}: {error}"));
        assert_eq!(read.warnings, "", "{variant:?}");
        assert_eq!(read.compose.name, "orders");
        let of = |driver| {
            read.compose
                .services
                .iter()
                .filter(|service| service.driver == driver)
                .count()
        };
        assert_eq!((of(DriverKind::Kafka), of(DriverKind::Postgres)), (3, 1));
    }
}
