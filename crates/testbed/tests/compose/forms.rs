//! Good files: every key in its forms, and the systems of this repository.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use shaketable_document::{Severity, Source};
use shaketable_testbed::SystemSource;
use shaketable_testbed::compose::{
    self, Condition, Context, Dependency, DriverKind, Mount, MountSource, RestartPolicy, Service,
};
use shaketable_testbed::interpolation::Variables;

use crate::{read, read_with};

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
        required: true,
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
        ("always", RestartPolicy::Always),
        ("unless-stopped", RestartPolicy::Always),
        ("on-failure", RestartPolicy::OnFailure(None)),
        ("on-failure:0", RestartPolicy::OnFailure(None)),
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
        ("test: [CMD, probe], disable: \"${NONE:-true}\"", None),
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
    // Nought is the default too, as in Docker.
    for written in [
        "",
        ", interval: 0s, timeout: 0s, retries: 0, start_interval: 0s",
    ] {
        let defaults = service(&format!("command: x\nhealthcheck: {{ test: p{written} }}"))
            .healthcheck
            .unwrap();
        assert_eq!(
            (defaults.interval, defaults.timeout, defaults.retries),
            (Duration::from_secs(30), Duration::from_secs(30), 3)
        );
        assert_eq!(defaults.start_interval, Duration::from_secs(5));
    }
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
        service("command: x\nports: [{ target: 80, published: 8080, host_ip: 127.0.0.1 }, \"90-92:7000-7002\"]\nexpose: [80, \"7000\"]").ports,
        [80, 7000, 7001, 7002]
    );
}

#[test]
fn depends_on_may_be_a_list() {
    let (compose, _) =
        read("services: { a: { command: x }, b: { command: y, depends_on: [a] } }").unwrap();
    let expected = Dependency {
        service: "a".to_owned(),
        condition: Condition::Started,
        required: true,
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
fn the_driver_is_inferred_from_the_image() {
    for (image, driver) in [
        ("apache/kafka:4.2.0", DriverKind::Kafka),
        ("docker.io/library/postgres:16", DriverKind::Postgres),
        ("redis:7-alpine", DriverKind::Redis),
        ("prom/prometheus", DriverKind::Prometheus),
    ] {
        assert_eq!(service(&format!("image: {image}")).driver, driver);
    }
    let redis = service("image: redis\nentrypoint: [redis-server]\ncommand: --appendonly yes");
    assert_eq!(redis.command, ["redis-server", "--appendonly", "yes"]);
    let other = service("x-shaketable: { driver: kafka }\nimage: bitnami/kafka");
    assert_eq!(other.driver, DriverKind::Kafka);
}

#[test]
fn stop_signals_have_names_and_numbers() {
    for (written, number) in [("SIGINT", 2), ("int", 2), ("\"9\"", 9), ("SIGUSR1", 10)] {
        let found = service(&format!("command: x\nstop_signal: {written}")).stop_signal;
        assert_eq!(found, number, "{written}");
    }
    assert_eq!(service("command: x").stop_signal, 15);
    assert_eq!(service("image: postgres").stop_signal, 2);
    let (chosen, _) = read("services: { a: { image: postgres, stop_signal: TERM } }").unwrap();
    assert_eq!(chosen.services[0].stop_signal, 15);
}

#[test]
fn replicas_and_restarts_may_stand_in_deploy() {
    let written = "command: x\nscale: 2\ndeploy: { replicas: 2, restart_policy: { condition: on-failure, max_attempts: 3 } }";
    let found = service(written);
    assert_eq!(found.replicas, 2);
    assert_eq!(found.restart, RestartPolicy::OnFailure(Some(3)));
    // `deploy` goes before `restart`, wherever it stands.
    for both in [
        "command: x\nrestart: always\ndeploy: { restart_policy: { condition: none } }",
        "command: x\ndeploy: { restart_policy: { condition: none } }\nrestart: always",
    ] {
        assert_eq!(service(both).restart, RestartPolicy::No);
    }
    let unbounded =
        "command: x\ndeploy: { restart_policy: { condition: on-failure, max_attempts: 0 } }";
    assert_eq!(service(unbounded).restart, RestartPolicy::OnFailure(None));
}

#[test]
fn mounts_are_named_bound_or_anonymous() {
    let text = r#"
volumes: { data: , more: { driver: local } }
services:
  a:
    command: x
    volumes:
      - data:/data
      - /tmp:/etc/app/:ro
      - /scratch
      - { type: volume, source: more, target: /more, read_only: true, volume: { nocopy: true } }
      - { type: bind, source: /tmp, target: /data }
"#;
    let (compose, _) = read(text).unwrap();
    let mount = |name, target: &str, read_only| Mount {
        name,
        target: target.to_owned(),
        read_only,
    };
    let tmp = || MountSource::Bind(std::fs::canonicalize("/tmp").unwrap());
    assert_eq!(
        compose.services[0].volumes,
        [
            // The later mount at the same place wins.
            mount(tmp(), "/data", false),
            mount(tmp(), "/etc/app", true),
            mount(MountSource::Anonymous, "/scratch", false),
            mount(MountSource::Named("more".to_owned()), "/more", true),
        ]
    );
}

#[test]
fn aliases_of_networks_are_names_of_the_service() {
    let (compose, _) = read(
        "networks: { n: }\nservices: { a: { command: x, networks: { n: { aliases: [db] }, m: } } }",
    )
    .unwrap();
    assert_eq!(compose.services[0].aliases, ["db"]);
    let named = service("command: x\ncontainer_name: shop-web");
    assert_eq!(named.aliases, ["shop-web"]);
}

#[test]
fn relative_programs_are_looked_for_from_the_folder_of_the_file() {
    let found = service("command: [./server.sh, ./data]\nhealthcheck: { test: [CMD, bin/probe] }");
    assert_eq!(found.command, ["/nowhere/Folder/server.sh", "./data"]);
    assert_eq!(
        found.healthcheck.unwrap().test,
        ["/nowhere/Folder/bin/probe"]
    );
    assert_eq!(service("command: /bin/true").command, ["/bin/true"]);
    assert_eq!(service("command: server").command, ["server"]);
}

const PROFILES: &str = "
services:
  a: { command: x, depends_on: { extra: { condition: service_started, required: false } } }
  extra: { command: x, profiles: [debug, more] }
  foreign: { image: grafana/grafana, user: root, profiles: [docker] }
";

#[test]
fn services_are_there_when_one_of_their_profiles_is_enabled() {
    let names = |profiles: &[&str]| {
        let (compose, findings) = read_with(PROFILES, profiles).unwrap();
        let names: Vec<String> = compose.services.iter().map(|s| s.name.clone()).collect();
        (names, compose.services[0].depends_on.len(), findings)
    };
    let (found, dependencies, findings) = names(&[]);
    assert_eq!((found, dependencies), (vec!["a".to_owned()], 0));
    assert!(findings.is_empty(), "{}", findings.render());
    let (found, dependencies, _) = names(&["more"]);
    assert_eq!(found, ["a", "extra"]);
    assert_eq!(dependencies, 1);
    let (_, _, findings) = names(&["mroe"]);
    assert!(
        findings
            .render()
            .contains("no service has the profile `mroe`")
    );
    let errors = read_with(PROFILES, &["*"]).unwrap_err();
    assert_eq!(errors.len(), 2, "{errors:?}");
}

#[test]
fn profiles_are_enabled_by_a_variable_too() {
    let values = BTreeMap::from([("COMPOSE_PROFILES".to_owned(), "other, debug".to_owned())]);
    let variables = Variables::new(values);
    let context = Context {
        folder: Path::new("/nowhere"),
        variables: &variables,
        profiles: &[],
    };
    let source = Source::new("compose.yaml", PROFILES);
    let (compose, _) = compose::read(vec![source], &context).unwrap();
    assert_eq!(compose.services.len(), 2);
}

#[test]
fn keys_without_a_meaning_are_named_once_with_all_their_places() {
    let text = "version: '3'\nnetworks: { n: }\nservices:\n  a: { command: x, platform: c, networks: [n] }\n  b: { command: x, platform: d, tty: true, x-other: 1 }\n";
    let (_, warnings) = read(text).unwrap();
    let named: Vec<&str> = warnings
        .iter()
        .map(|one| one.message.split('`').nth(1).unwrap())
        .collect();
    assert_eq!(named, ["version", "networks", "platform", "tty"]);
    assert!(warnings.iter().all(|one| one.severity == Severity::Warning));
    let help: Vec<Option<&str>> = warnings.iter().map(|one| one.help).collect();
    let also = |line| {
        Some(if line == 4 {
            "also at compose.yaml:4"
        } else {
            "also at compose.yaml:5"
        })
    };
    assert_eq!(help, [None, also(4), also(5), None]);
}

#[test]
fn variables_that_are_not_set_are_named_once() {
    let (_, warnings) = read(
        "services:\n  a: { command: \"$NONE ${OTHER:-x}\" }\n  b: { command: \"y ${NONE}\" }\n",
    )
    .unwrap();
    let found: Vec<_> = warnings.iter().map(|one| (one.message, one.help)).collect();
    assert_eq!(
        found,
        [(
            "the variable `NONE` is not set; nothing is put in its place",
            Some("also at compose.yaml:3")
        )]
    );
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
