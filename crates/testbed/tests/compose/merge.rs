//! Several Compose files, and the env files of services: what goes before what, and that every
//! complaint names the right file.

use std::path::{Path, PathBuf};

use shaketable_testbed::compose::{MountSource, Service};
use shaketable_testbed::home::Home;
use shaketable_testbed::system::System;
use shaketable_testbed::{SystemSource, TestbedError};

/// A folder with these files; the first one is the Compose file, the other YAML files are merged
/// into it.
fn source(files: &[(&str, &str)]) -> (tempfile::TempDir, SystemSource) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let yaml: Vec<PathBuf> = files
        .iter()
        .filter(|(name, _)| name.ends_with(".yaml"))
        .map(|(name, _)| folder.path().join(name))
        .collect();
    let source = SystemSource::new(&yaml[0], None)
        .and_then(|source| source.with_overrides(&yaml[1..]))
        .unwrap();
    (folder, source)
}

fn services(files: &[(&str, &str)]) -> Vec<Service> {
    let (_folder, source) = source(files);
    let read = source.read().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(read.warnings, "");
    read.compose.services
}

fn error(files: &[(&str, &str)]) -> (String, PathBuf) {
    let (folder, source) = source(files);
    match source.read() {
        Err(error @ TestbedError::Document { .. }) => {
            let path = std::fs::canonicalize(folder.path()).unwrap();
            (error.to_string(), path)
        }
        other => panic!("not refused: {other:?}"),
    }
}

fn environment(service: &Service) -> Vec<(&str, &str)> {
    service
        .environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

#[test]
fn later_files_are_merged_by_the_kind_of_each_key() {
    let services = services(&[
        (
            "base.yaml",
            r#"
services:
  a:
    command: [run, fast]
    entrypoint: [app]
    environment: { A: "1", B: "1" }
    ports: ["80", "81"]
    depends_on: { b: { condition: service_started } }
    healthcheck: { test: [CMD, probe, slow], interval: 2s }
    volumes: ["data:/data", "logs:/logs"]
    restart: always
  b: { command: y }
volumes: { data: , logs: }
"#,
        ),
        (
            "more.yaml",
            r#"
services:
  a:
    command: [run]
    environment: [B=2, C=3]
    ports: ["82:81", 83]
    depends_on: [c]
    healthcheck: { test: [CMD, probe] }
    volumes: [{ type: volume, source: other, target: /data }]
    restart:
  c: { command: z }
volumes: { other: }
"#,
        ),
    ]);
    let names: Vec<&str> = services
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    let a = &services[0];
    assert_eq!(a.command, ["app", "run"]);
    assert_eq!(environment(a), [("A", "1"), ("B", "2"), ("C", "3")]);
    assert_eq!(a.ports, [80, 81, 83]);
    let waits: Vec<&str> = a
        .depends_on
        .iter()
        .map(|one| one.service.as_str())
        .collect();
    assert_eq!(waits, ["b", "c"]);
    let check = a.healthcheck.as_ref().unwrap();
    assert_eq!(check.test, ["probe"]);
    assert_eq!(check.interval.as_secs(), 2);
    let mounts: Vec<(&MountSource, &str)> = a
        .volumes
        .iter()
        .map(|mount| (&mount.name, mount.target.as_str()))
        .collect();
    assert_eq!(
        mounts,
        [
            (&MountSource::Named("other".to_owned()), "/data"),
            (&MountSource::Named("logs".to_owned()), "/logs")
        ]
    );
    assert_eq!(
        a.restart,
        shaketable_testbed::compose::RestartPolicy::Always
    );
}

#[test]
fn what_cannot_be_merged_is_named_in_both_files() {
    let (message, folder) = error(&[
        (
            "base.yaml",
            "services:\n  a:\n    command: x\n    ports: [\"80\"]\n",
        ),
        ("more.yaml", "services:\n  a:\n    ports: \"81\"\n"),
    ]);
    assert!(
        message.contains("`services.a.ports` cannot be merged"),
        "{message}"
    );
    assert!(
        message.contains(&format!("{}/more.yaml:3:12", folder.display())),
        "{message}"
    );
    assert!(
        message.contains(&format!("{}/base.yaml:4", folder.display())),
        "{message}"
    );
}

#[test]
fn tags_that_change_the_merge_are_refused_by_name() {
    let (message, _) = error(&[
        ("base.yaml", "services: { a: { command: x } }\n"),
        ("more.yaml", "services: { a: { ports: !reset [] } }\n"),
    ]);
    assert!(message.contains("`!reset` is not supported"), "{message}");
}

#[test]
fn every_problem_of_every_file_is_reported_at_once_at_its_place() {
    let (message, folder) = error(&[
        (
            "base.yaml",
            "services:\n  a:\n    command: \"${NO_COMMAND:?say which}\"\n    env_file: a.env\n",
        ),
        (
            "more.yaml",
            "services:\n  a:\n    stop_signal: NEVER\n    env_file: gone.env\n",
        ),
        ("a.env", "GOOD=1\nwrong line here\n"),
    ]);
    for place in [
        "base.yaml:3:14",
        "more.yaml:3:18",
        "more.yaml:4:15",
        "a.env:2:1",
    ] {
        let place = format!("{}/{place}", folder.display());
        assert!(message.contains(&place), "{place} is not in\n{message}");
    }
    assert!(
        message.contains("say which") && message.contains("gone.env"),
        "{message}"
    );
    assert_eq!(message.matches("error:").count(), 4, "{message}");
}

#[test]
fn the_environment_goes_before_env_files_and_later_ones_before_earlier() {
    let services = services(&[
        (
            "base.yaml",
            r#"
services:
  a:
    command: x
    env_file: one.env
    environment: { A: own, UNSET_ANYWHERE: }
"#,
        ),
        (
            "more.yaml",
            r#"
services:
  a:
    env_file:
      - { path: two.env, format: raw }
      - { path: gone.env, required: false }
"#,
        ),
        ("one.env", "A=one\nB=one\nC=${B}-x\nUNSET_ANYWHERE=one\n"),
        ("two.env", "B='two'\n"),
    ]);
    assert_eq!(
        environment(&services[0]),
        [("A", "own"), ("B", "'two'"), ("C", "one-x")]
    );
}

#[test]
fn paths_of_mounts_are_replaced_for_processes_and_shown() {
    let (folder, source) = source(&[(
        "compose.yaml",
        r#"
services:
  a:
    command: [run, --config=/etc/app/app.toml, /data, /database]
    environment: { STORE: "sqlite:///data/x.db", PEER: "http://a:80/data" }
    healthcheck: { test: "test -f /data/ready && probe localhost:80" }
    volumes: ["./:/etc/app:ro", "store:/data", /scratch]
  db:
    image: postgres
    environment: { PGDATA: /data/pg, POSTGRES_PASSWORD: p }
    volumes: ["store:/data"]
volumes: { store: }
"#,
    )]);
    let read = source.read().unwrap();
    let home = Home::at(folder.path().join("home")).unwrap();
    let system = System::resolve(&read.compose, "shop", &home, |n| {
        Ok(std::net::Ipv4Addr::new(127, 0, 0, 10 + n as u8))
    })
    .unwrap();
    let a = system.instance("a").unwrap();
    let bound = std::fs::canonicalize(folder.path()).unwrap();
    let store = home.volume("shop", "store");
    assert_eq!(
        a.command,
        [
            "run".to_owned(),
            format!("--config={}/app.toml", bound.display()),
            store.display().to_string(),
            "/database".to_owned()
        ]
    );
    assert_eq!(
        a.environment["STORE"],
        format!("sqlite://{}/x.db", store.display())
    );
    assert_eq!(a.environment["PEER"], "http://127.0.0.10:80/data");
    let check = a.healthcheck.as_ref().unwrap().test.join(" ");
    let expected = format!("test -f {}/ready && probe 127.0.0.10:80", store.display());
    assert!(check.ends_with(&expected), "{check}");
    let places: Vec<&str> = a
        .substitutions
        .iter()
        .map(|one| one.place.as_str())
        .collect();
    assert_eq!(
        places,
        ["PEER", "STORE", "command", "command", "healthcheck"]
    );
    assert_eq!(a.volumes.len(), 3);
    let scratch = a.volumes[2].local(&home, "shop", "a");
    assert!(
        scratch.starts_with(home.system("shop").data("a")),
        "{scratch:?}"
    );
    // A server's driver looks its data folder up by itself.
    assert_eq!(
        system.instance("db").unwrap().environment["PGDATA"],
        "/data/pg"
    );
}

#[test]
fn replicas_given_from_outside_go_before_the_files() {
    let (_folder, source) = source(&[(
        "compose.yaml",
        "services: { a: { command: x, scale: 2 } }\n",
    )]);
    let scaled = source.clone().with_scale([("a".to_owned(), 3)]);
    assert_eq!(scaled.read().unwrap().compose.services[0].replicas, 3);
    let unknown = source.with_scale([("b".to_owned(), 1)]).read().unwrap_err();
    assert!(unknown.to_string().contains("no service `b`"), "{unknown}");
}

#[test]
fn replicas_given_from_outside_are_called_as_no_other_service_is() {
    let (_folder, source) = source(&[(
        "compose.yaml",
        "services: { web: { command: x }, web-2: { command: x } }\n",
    )]);
    let scaled = |count| {
        source
            .clone()
            .with_scale([("web".to_owned(), count)])
            .read()
    };
    assert!(scaled(1).is_ok());
    let error = scaled(2).unwrap_err().to_string();
    assert!(
        error.contains("`web`") && error.contains("`web-2`"),
        "{error}"
    );
}

#[test]
fn a_host_is_found_after_an_option_and_by_the_name_of_its_container() {
    let (folder, source) = source(&[(
        "compose.yaml",
        r#"
services:
  a:
    command: [psql, -h, db, --host, shop-db, -U, db, "host=shop-db user=db"]
  db: { command: x, container_name: shop-db }
"#,
    )]);
    let read = source.read().unwrap();
    let home = Home::at(folder.path().join("home")).unwrap();
    let system = System::resolve(&read.compose, "shop", &home, |n| {
        Ok(std::net::Ipv4Addr::new(127, 0, 0, 10 + n as u8))
    })
    .unwrap();
    assert_eq!(
        system.instance("a").unwrap().command.join(" "),
        "psql -h 127.0.0.11 --host 127.0.0.11 -U db host=127.0.0.11 user=db"
    );
}

#[test]
fn a_variant_that_sets_what_nothing_uses_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("variants")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "docker-compose.yml",
        "services: { a: { command: \"${FLAW:-on}\" } }\n",
    );
    write("variants/fixed.env", "FLAW=off\nFLWA=off\n");
    let source = SystemSource::new(folder.path(), Some("fixed")).unwrap();
    let read = source.read().unwrap();
    assert_eq!(read.compose.services[0].command, ["off"]);
    let file = Path::new("variants/fixed.env");
    let warnings = read.warnings;
    assert!(
        warnings.contains(&format!("{} sets `FLWA`, which", file.display())),
        "{warnings}"
    );
}
