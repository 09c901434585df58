//! What `doctor` says of this machine, and of one that has nothing.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Bench, Outcome};

/// Something that is needed is missing.
const LACKING: i32 = 1;

fn by_name(outcome: &Outcome) -> BTreeMap<String, Value> {
    let report = outcome.json();
    let checks = report["checks"].as_array().unwrap().iter();
    checks
        .map(|check| (check["name"].as_str().unwrap().to_owned(), check.clone()))
        .collect()
}

#[test]
fn every_finding_says_who_needs_it_and_how_to_mend_it() {
    let bench = Bench::new();
    let outcome = bench.run(&["doctor", "--format", "json"]);
    let checks = by_name(&outcome);
    for name in [
        "java",
        "kafka",
        "class archive",
        "postgresql",
        "redis",
        "prometheus",
        "python",
        "browser",
        "loopback addresses",
        "open files",
        "memory",
        "disk",
        "stale systems",
    ] {
        let check = &checks[name];
        assert!(!check["needed_for"].as_str().unwrap().is_empty(), "{check}");
        let is_ok = check["state"] == "ok";
        assert_eq!(check["remedy"].is_null(), is_ok, "{check}");
    }
    let lacks = checks.values().any(|check| check["state"] == "missing");
    assert_eq!(outcome.code, Some(if lacks { LACKING } else { 0 }));
    assert_eq!(outcome.json()["ready"], !lacks);
}

#[test]
fn a_machine_without_programs_is_told_what_to_install() {
    let bench = Bench::new();
    let empty = bench.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let doctor = |arguments: &[&str]| {
        let mut command = bench.command(arguments);
        command
            .env_remove("JAVA_HOME")
            .env_remove("KAFKA_HOME")
            .env("SHAKETABLE_CACHE", &empty)
            .env("PATH", &empty);
        bench.start_command(command).finish()
    };
    let checks = by_name(&doctor(&["doctor", "--format", "json"]));
    for (name, package) in [
        ("java", "default-jre-headless"),
        ("redis", "redis-server"),
        ("prometheus", "prometheus"),
    ] {
        assert_eq!(checks[name]["state"], "missing");
        assert!(checks[name]["remedy"].as_str().unwrap().contains(package));
    }
    assert_eq!(checks["kafka"]["state"], "missing");
    assert!(
        checks["kafka"]["remedy"]
            .as_str()
            .unwrap()
            .contains("scripts/setup.sh")
    );
    for name in ["python", "browser", "class archive"] {
        assert_eq!(checks[name]["state"], "optional", "{name}");
    }
    doctor(&["doctor"]).expect(LACKING, &["missing", "mend it: ", "needed for Kafka"]);
}

#[test]
fn a_java_that_is_too_old_is_not_enough() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let java = bench.write(
        "jdk/bin/java",
        "#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n",
    );
    std::fs::set_permissions(&java, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = bench.command(&["doctor", "--format", "json"]);
    command.env("JAVA_HOME", bench.path("jdk"));
    let outcome = bench.start_command(command).finish();
    let java = &by_name(&outcome)["java"];
    assert_eq!(java["state"], "missing");
    assert!(
        java["found"].as_str().unwrap().contains("Java 11.0.2"),
        "{java}"
    );
    assert_eq!(outcome.code, Some(LACKING));
}

#[test]
fn a_system_that_was_not_taken_down_is_mended_as_it_was_brought_up() {
    let bench = Bench::new();
    bench.write(
        "base.yaml",
        "name: shop\nservices: { web: { command: [sleep, \"${FOR:-1000}\"] } }\n",
    );
    bench.write("more.yaml", "services: { web: { restart: always } }\n");
    bench.write("variants/long.env", "FOR=2000\n");
    let up = ["up", "-f", "base.yaml", "-f", "more.yaml"];
    let more = ["--variant", "long", "--scale", "web=2", "--name", "den"];
    bench.run(&[&up[..], &more].concat()).expect(0, &[]);
    let state = bench.home().join("systems/den/system.json");
    let left = std::fs::read(&state).unwrap();
    bench.run(&["down"]).expect(0, &[]);
    std::fs::write(&state, left).unwrap();
    bench.write("home/systems/den/data/web-1/page", "");
    let checks = by_name(&bench.run(&["doctor", "--format", "json"]));
    let remedy = checks["stale system"]["remedy"].as_str().unwrap();
    let (up, down) = remedy.split_once(" && ").unwrap();
    for words in [
        "base.yaml -f ",
        "more.yaml ",
        "--variant long",
        "--scale web=2",
        "--name den",
    ] {
        assert!(up.contains(words), "{words}: {remedy}");
    }
    assert!(down.starts_with("shaketable down den"), "{remedy}");
    // The command does what it promises.
    let words: Vec<&str> = up.split(' ').skip(1).collect();
    bench.run(&words).expect(0, &["`den`", "variant long"]);
    assert!(!bench.home().join("systems/den/data/web-1/page").exists());
}
