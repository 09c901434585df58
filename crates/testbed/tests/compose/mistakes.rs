//! Bad files: each mistake is named at its line, and nothing else is.

use crate::read;

/// One mistake each: the file, the line, and words of the message.
const MISTAKES: &[(&str, usize, &str)] = &[
    ("- a\n", 1, "a Compose file is a map"),
    ("name: x\n", 1, "no `services`"),
    (
        "services:\n  a: { command: x, deploy: { restart_policy: { condition: any, max_attempts: 2 } } }\n",
        2,
        "`max_attempts` of `deploy.restart_policy` needs",
    ),
    (
        "services:\n  a: { command: x, container_name: 5 }\n",
        2,
        "`container_name` is a text",
    ),
    ("services: {}\n", 1, "nothing to run"),
    ("services: [a]\n", 1, "a map of services"),
    (
        "secrets: { v: { file: x } }\nservices: { a: { command: x } }\n",
        1,
        "`secrets` is not supported",
    ),
    (
        "include: [x.yaml]\nservices: { a: { command: x } }\n",
        1,
        "`include` is not supported",
    ),
    (
        "service: {}\nservices: { a: { command: x } }\n",
        1,
        "a Compose file has no key `service`",
    ),
    (
        "x-shaketable: {}\nservices: { a: { command: x } }\n",
        1,
        "no key `x-shaketable`",
    ),
    (
        "volumes: { v: { external: true } }\nservices: { a: { command: x } }\n",
        1,
        "an external volume",
    ),
    (
        "volumes: { v: { driver: nfs } }\nservices: { a: { command: x } }\n",
        1,
        "volume driver `nfs`",
    ),
    (
        "services:\n  a: { command: x, user: root }\n",
        2,
        "`user` is not supported",
    ),
    (
        "services:\n  a: { command: x, enviroment: { A: 1 } }\n",
        2,
        "service `a` has no key `enviroment`",
    ),
    (
        "services:\n  a: { command: x }\n  b: { comand: x, profiles: [p] }\n",
        3,
        "service `b` has no key `comand`",
    ),
    (
        "services:\n  a: { command: x, profiles: [p] }\n",
        2,
        "every service is left out",
    ),
    (
        "services:\n  a: { command: x, depends_on: [b] }\n  b: { command: x, profiles: [p] }\n",
        2,
        "`a` depends on `b`, of which no profile is enabled",
    ),
    (
        "services:\n  a: { command: x, stop_signal: SIGNOT }\n",
        2,
        "`SIGNOT` is no signal",
    ),
    (
        "services:\n  a: { command: x, stop_signal: \"999\" }\n",
        2,
        "`999` is no signal",
    ),
    (
        "services:\n  a: { command: x, env_file: no.env }\n",
        2,
        "cannot read the env file /nowhere/Folder/no.env",
    ),
    (
        "services:\n  a: { command: x, env_file: [{ path: no.env, required: false, format: ini }] }\n",
        2,
        "`ini` is no format",
    ),
    (
        "services:\n  a: { command: x, env_file: [{ required: false }] }\n",
        2,
        "lacks the key `path`",
    ),
    (
        "services:\n  a:\n    command: x\n    volumes: [\"v:/data:rx\"]\nvolumes: { v: }\n",
        4,
        "`rx` is no mode",
    ),
    (
        "services:\n  a:\n    command: x\n    volumes: [\"./none:/data\"]\n",
        4,
        "cannot mount /nowhere/Folder/./none",
    ),
    (
        "services:\n  a:\n    command: x\n    volumes: [data]\n",
        4,
        "absolute path",
    ),
    (
        "services:\n  a:\n    command: x\n    volumes: [{ type: tmpfs, target: /data }]\n",
        4,
        "type `tmpfs`",
    ),
    (
        "services:\n  a: { image: apache/kafka, command: kafka-topics.sh --list }\n",
        2,
        "would run `kafka-topics.sh --list`",
    ),
    (
        "services:\n  a: { command: [sleep, 5] }\n",
        2,
        "an item of `command` is a text",
    ),
    (
        "services:\n  a: { command: x, restart: false }\n",
        2,
        "`restart` is a text",
    ),
    (
        "services:\n  a: { command: x, stop_grace_period: \"5\" }\n",
        2,
        "`5` is no duration",
    ),
    (
        "services:\n  a: { command: x, scale: 3, deploy: { replicas: 2 } }\n",
        2,
        "`scale` says otherwise",
    ),
    ("services:\n  a: run\n", 2, "service `a` is a map"),
    (
        "services:\n  a: { image: shop/web }\n",
        2,
        "has no `command`",
    ),
    (
        "services:\n  a: { image: \"redis/redis-stack:7\" }\n",
        2,
        "`redis/redis-stack:7` has no driver",
    ),
    (
        "services:\n  a:\n    command: x\n    volumes: [\"v:/data\"]\n",
        4,
        "the volume `v` is not declared",
    ),
    (
        "services:\n  a:\n    command: x\n    x-shaketable: { driver: rediss }\n",
        4,
        "driver `rediss` is unknown",
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
        "`A` is a text",
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
        "is no TCP port",
    ),
    (
        "services:\n  a: { command: x, ports: [\"53:53/udp\"] }\n",
        2,
        "is no TCP port",
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
        "`global` of `deploy.mode`",
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
        "`healthcheck` has no key `tests`",
    ),
    (
        "services:\n  a: { command: x, depends_on: [b] }\n",
        2,
        "depends on `b`, which is no service",
    ),
    (
        "services:\n  a: { command: x, depends_on: { b: } }\n  b: { command: x }\n",
        2,
        "an entry of `depends_on` is a map",
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
volumes: []
"#;
    let errors = read(text).unwrap_err();
    let lines: Vec<usize> = errors.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [5, 6, 7, 9, 10, 11], "{errors:#?}");
}
