//! What `up` says when the machine or the Compose file is not as it should be: taken ports, missing
//! programs, files that cannot be used.

use std::net::TcpListener;

use crate::ERROR;
use crate::support::{Bench, PASSED, USAGE};

#[test]
fn a_port_that_is_taken_names_who_has_it() {
    let bench = Bench::new();
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    bench.write(
        "shop/compose.yaml",
        &format!("services:\n    web: {{ command: [sleep, '1000'], ports: ['{port}'] }}\n"),
    );
    bench.run(&["up", "shop"]).expect(
        ERROR,
        &[
            "`web`",
            &format!("port {port} "),
            &format!("process {}", std::process::id()),
        ],
    );
    bench.run(&["status"]).expect(PASSED, &["no system is up"]);
}

#[test]
fn every_missing_program_is_named() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        "services:\n    a: { command: [no-such-program] }\n    b: { command: [neither-this] }\n    c: { command: [sleep, '1'] }\n",
    );
    bench.run(&["up", "shop"]).expect(
        ERROR,
        &[
            "`no-such-program` of service `a`",
            "`neither-this` of service `b`",
        ],
    );
    bench.write(
        "ill/compose.yaml",
        "services:\n    a: { command: [sleep, '1000'], healthcheck: { test: [CMD, no-such-probe] } }\n",
    );
    bench
        .run(&["up", "ill"])
        .expect(ERROR, &["`no-such-probe`", "`a`"]);
}

#[test]
fn what_kafka_needs_is_named_all_at_once() {
    let bench = Bench::new();
    bench.write(
        "log/compose.yaml",
        "services:\n    kafka: { image: 'apache/kafka:4.2.0', environment: { KAFKA_NODE_ID: '1' } }\n",
    );
    let empty = bench.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let mut command = bench.command(&["up", "log"]);
    command
        .env_remove("JAVA_HOME")
        .env_remove("KAFKA_HOME")
        .env("SHAKETABLE_CACHE", &empty)
        .env("PATH", &empty);
    bench.start_command(command).finish().expect(
        ERROR,
        &[
            "Java 17",
            "Apache Kafka's jars",
            empty.to_str().unwrap(),
            "make setup",
        ],
    );
}

#[test]
fn a_file_that_cannot_be_used_is_a_usage_error_with_its_place() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        "services:\n    web: { command: [sleep\n",
    );
    bench
        .run(&["up", "shop"])
        .expect(USAGE, &["compose.yaml:2:28"]);
    bench.write(
        "shop/compose.yaml",
        "services:\n    web:\n      command: x\n      privileged: true\n      restart: never\n",
    );
    bench.run(&["up", "shop"]).expect(
        USAGE,
        &[
            "compose.yaml:4:7",
            "`privileged`",
            "compose.yaml:5:16",
            "`never`",
        ],
    );
    bench
        .run(&["up", "nowhere.yaml"])
        .expect(USAGE, &["nowhere.yaml"]);
    bench.run(&["up"]).expect(USAGE, &["COMPOSE_FILE"]);
}
