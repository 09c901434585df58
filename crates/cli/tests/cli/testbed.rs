//! The life of a system, with real processes: what `up`, `down`, `status` and `logs` promise about
//! order, restarts, failures, and about leaving nothing behind.

use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc;

use serde_json::Value;
use shaketable_testbed::control::InstanceState;
use shaketable_testbed::process::ProcessIdentity;
use shaketable_testbed::{InstanceStatus, SystemStatus};

use crate::ERROR;
use crate::support::{Bench, PASSED, PATIENCE, USAGE, eventually, in_order};

/// Answers every connection with the address it listens on, which it takes from `LISTEN`.
const SERVER: &str = r#"
      command:
        - perl
        - -MIO::Socket::INET
        - -e
        - |
          $$s = IO::Socket::INET->new(LocalAddr => $$ENV{LISTEN}, Listen => 5, ReuseAddr => 1) or die "$$!";
          while ($$c = $$s->accept) { print $$c $$ENV{LISTEN}; close $$c }
      environment: { LISTEN: "0.0.0.0:7000" }
      ports: ["7000:7000"]
      healthcheck:
        test: [CMD, perl, -MIO::Socket::INET, -e, 'exit !IO::Socket::INET->new(PeerAddr => $$ENV{LISTEN})']
        start_interval: 50ms
        start_period: 30s
"#;

/// All systems that are up, as `status` tells of them.
#[track_caller]
fn status(bench: &Bench) -> Vec<SystemStatus> {
    let outcome = bench
        .run(&["status", "--format", "json"])
        .expect(PASSED, &[]);
    serde_json::from_value(outcome.json()).unwrap()
}

/// One instance of a system, as `status` tells of it.
#[track_caller]
fn instance(bench: &Bench, system: &str, name: &str) -> InstanceStatus {
    let systems = status(bench);
    let system = systems.iter().find(|one| one.name == system);
    let instance = system.expect("the system is up").instance(name);
    instance.expect("the system has the instance").clone()
}

/// `instance event` in the order in which they happened, `-` for the system's own.
fn events(bench: &Bench, system: &str) -> Vec<String> {
    let text = std::fs::read_to_string(events_file(bench, system)).unwrap();
    text.lines()
        .map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            format!(
                "{} {}",
                event["instance"].as_str().unwrap_or("-"),
                event["event"].as_str().unwrap()
            )
        })
        .collect()
}

fn events_file(bench: &Bench, system: &str) -> PathBuf {
    let folder = bench.home().join("systems").join(system);
    folder.join("events.ndjson")
}

/// What services left in the file `trace` as evidence.
fn trace(bench: &Bench) -> Vec<String> {
    let text = std::fs::read_to_string(bench.path("trace")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Remembers the processes whose pids the services left in the trace.
#[track_caller]
fn remember_traced(bench: &Bench, count: usize) {
    eventually("all pids are written", || trace(bench).len() >= count);
    let found: Vec<ProcessIdentity> = trace(bench)
        .iter()
        .filter_map(|line| ProcessIdentity::of(line.trim().parse().ok()?))
        .collect();
    assert_eq!(found.len(), count, "{:?}", trace(bench));
    for process in found {
        bench.remember_process(process);
    }
}

fn answer_of(address: Ipv4Addr, port: u16) -> String {
    let mut stream = TcpStream::connect((address, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn services_start_in_the_order_of_their_conditions() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        r#"
services:
    beside:
      command: [sleep, "1000"]
      depends_on: [last]
    last:
      command: [sh, -c, "echo last >> HERE/trace; exec sleep 1000"]
      depends_on: { once: { condition: service_completed_successfully } }
    once:
      command: [sh, -c, "sleep 0.2; echo once >> HERE/trace"]
      depends_on: { first: { condition: service_healthy } }
    first:
      command: [sh, -c, "sleep 0.2; echo first >> HERE/trace; exec sleep 1000"]
      healthcheck: { test: grep -q first HERE/trace, start_interval: 50ms, start_period: 30s }
"#,
    );
    bench.run(&["up", "shop"]).expect(PASSED, &["is ready"]);
    eventually("the last one has started", || trace(&bench).len() == 3);
    assert_eq!(trace(&bench), ["first", "once", "last"]);
    in_order(
        &events(&bench, "shop"),
        &[
            "first started",
            "first healthy",
            "once started",
            "once exited",
            "last started",
            "beside started",
            "- ready",
        ],
    );
    assert_eq!(
        instance(&bench, "shop", "once").state,
        InstanceState::Completed
    );
}

#[test]
fn a_service_that_ends_is_started_again_as_its_policy_says() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        r#"
services:
    stubborn:
      command: [sh, -c, "echo x >> HERE/trace; [ $$(wc -l < HERE/trace) -ge 3 ] && exec sleep 1000; exit 4"]
      restart: always
      healthcheck: { test: "[ $$(wc -l < HERE/trace) -ge 3 ]", start_interval: 50ms, start_period: 30s }
    brief:
      command: ["true"]
"#,
    );
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    let stubborn = instance(&bench, "shop", "stubborn");
    assert_eq!(
        (stubborn.restarts, stubborn.last_exit.as_deref()),
        (2, Some("exit code 4"))
    );
    assert_eq!(stubborn.state, InstanceState::Running);
    eventually("the brief one has ended", || {
        instance(&bench, "shop", "brief").state == InstanceState::Completed
    });

    let killed = stubborn.process.unwrap();
    assert!(killed.kill_group());
    eventually("it runs again", || {
        instance(&bench, "shop", "stubborn")
            .process
            .is_some_and(|now| now != killed)
    });
    let stubborn = instance(&bench, "shop", "stubborn");
    assert_eq!(
        (stubborn.restarts, stubborn.last_exit.as_deref()),
        (3, Some("signal SIGKILL"))
    );
}

#[test]
fn restarts_after_a_failure_are_counted_and_end() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        r#"
services:
    doomed:
      command: [sh, -c, "echo x >> HERE/trace; exit 7"]
      restart: on-failure:2
      healthcheck: { test: "false", start_interval: 1s, start_period: 100s }
"#,
    );
    bench
        .run(&["up", "shop"])
        .expect(ERROR, &["`doomed`", "exit code 7"]);
    assert_eq!(trace(&bench).len(), 3);
}

#[test]
fn a_failing_one_shot_is_named_with_its_last_words_and_all_goes_down() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        r#"
services:
    beside:
      command: [sh, -c, "echo $$$$ >> HERE/trace; exec sleep 1000"]
      healthcheck: { test: "test -s HERE/trace", start_interval: 50ms, start_period: 30s }
    prepare:
      command: [sh, -c, "echo looking; sleep 0.3; echo cannot find the moon >&2; exit 3"]
      depends_on: { beside: { condition: service_healthy } }
    web:
      command: [sh, -c, "echo never >> HERE/trace"]
      depends_on: { prepare: { condition: service_completed_successfully } }
"#,
    );
    bench.run(&["up", "shop"]).expect(
        ERROR,
        &[
            "`prepare`",
            "exit code 3",
            "looking",
            "cannot find the moon",
            "prepare.log",
        ],
    );
    bench.run(&["status"]).expect(PASSED, &["no system is up"]);
    let lines = trace(&bench);
    let [pid] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!(ProcessIdentity::of(pid.parse().unwrap()), None);
}

#[test]
fn a_service_that_is_not_well_is_named() {
    let bench = Bench::new();
    bench.write(
        "ill/compose.yaml",
        r#"
services:
    web:
      command: [sh, -c, "echo no database; exec sleep 1000"]
      healthcheck: { test: [CMD, "false"], interval: 50ms, start_interval: 50ms, retries: 3 }
"#,
    );
    bench.run(&["up", "ill"]).expect(
        ERROR,
        &[
            "`web`",
            "health check failed 3 times",
            "`false`",
            "no database",
        ],
    );

    bench.write(
        "gone/compose.yaml",
        r#"
services:
    web:
      command: [sh, -c, "echo had enough"]
      healthcheck: { test: [CMD, "false"], start_period: 100s }
"#,
    );
    bench.run(&["up", "gone"]).expect(
        ERROR,
        &[
            "`web`",
            "ended with exit code 0 before the system was ready",
            "had enough",
        ],
    );
}

/// A service with a child in its process group and one that has left it; every pid is traced.
const FAMILY: &str = r#"
services:
    family:
      command:
        - sh
        - -c
        - |
          sleep 1000 & echo $$! >> HERE/trace
          setsid sh -c 'echo $$$$ >> HERE/trace; exec sleep 1000' &
          wait
    plain:
      command: [sleep, "1000"]
"#;

#[test]
fn down_leaves_no_process() {
    let bench = Bench::new();
    bench.write("shop/compose.yaml", FAMILY);
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    remember_traced(&bench, 2);
    assert_eq!(bench.alive().len(), 5);
    bench.run(&["down"]).expect(PASSED, &["`shop` is down"]);
    assert_eq!(bench.alive(), [0; 0]);
    bench
        .run(&["down", "shop"])
        .expect(USAGE, &["`shop` is not up"]);
    bench
        .run(&["down", "--all"])
        .expect(PASSED, &["no system is up"]);
}

#[test]
fn a_killed_supervisor_leaves_no_process_and_the_next_start_works() {
    let bench = Bench::new();
    bench.write("shop/compose.yaml", FAMILY);
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    remember_traced(&bench, 2);
    assert!(status(&bench)[0].supervisor.kill_group());
    eventually("nothing is left", || bench.alive().is_empty());
    bench.run(&["status"]).expect(PASSED, &["no system is up"]);
    bench.run(&["up", "shop"]).expect(PASSED, &["is ready"]);
    bench.run(&["down"]).expect(PASSED, &[]);
    assert_eq!(bench.alive(), [0; 0]);
}

#[test]
fn a_service_is_asked_to_end_and_killed_when_it_does_not() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        r#"
services:
    polite:
      command: [sh, -c, "trap 'echo bye >> HERE/trace; exit 0' TERM; touch HERE/polite; while :; do sleep 0.05; done"]
      healthcheck: { test: test -e HERE/polite, start_interval: 50ms, start_period: 30s }
    deaf:
      command: [sh, -c, "trap '' TERM; touch HERE/deaf; while :; do sleep 0.05; done"]
      stop_grace_period: 300ms
      healthcheck: { test: test -e HERE/deaf, start_interval: 50ms, start_period: 30s }
"#,
    );
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    bench.run(&["down"]).expect(PASSED, &[]);
    assert_eq!(bench.alive(), [0; 0]);
    assert_eq!(trace(&bench), ["bye"]);
    let events = std::fs::read_to_string(events_file(&bench, "shop")).unwrap();
    let exit = |name: &str| {
        let exited = format!("\"instance\":\"{name}\",\"event\":\"exited\"");
        events
            .lines()
            .find(|line| line.contains(&exited))
            .unwrap_or_default()
            .to_owned()
    };
    assert!(exit("polite").contains("exit code 0"), "{events}");
    assert!(exit("deaf").contains("signal SIGKILL"), "{events}");
}

/// As in `$(shaketable up)`: a reader waits for the end of the output, not of the command.
#[test]
fn up_lets_go_of_the_output_it_was_given() {
    let bench = Bench::new();
    bench.write("shop/compose.yaml", FAMILY);
    let mut command = bench.command(&["up", "shop"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || ended.send(child.wait_with_output()));
    let output = end
        .recv_timeout(PATIENCE)
        .expect("the output ends")
        .unwrap();
    assert_eq!(output.status.code(), Some(PASSED), "{output:?}");
    assert_eq!(status(&bench).len(), 1);
}

#[test]
fn systems_run_side_by_side_also_one_under_two_names() {
    let bench = Bench::new();
    let text = format!("services:\n    web:{SERVER}");
    let one = bench.write("one/compose.yaml", &text);
    bench.write("two/compose.yaml", &text);
    bench.run(&["up", "one"]).expect(PASSED, &[]);
    bench.run(&["up", "two"]).expect(PASSED, &[]);
    bench
        .run(&["up", one.to_str().unwrap(), "--name", "three"])
        .expect(PASSED, &["`three` is ready"]);
    let systems = status(&bench);
    let names: Vec<&str> = systems.iter().map(|system| system.name.as_str()).collect();
    assert_eq!(names, ["one", "three", "two"]);
    let mut addresses: Vec<Ipv4Addr> = systems
        .iter()
        .map(|system| system.instances[0].address)
        .collect();
    for address in &addresses {
        assert_eq!(answer_of(*address, 7000), format!("{address}:7000"));
    }
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 3);
    bench.run(&["down"]).expect(USAGE, &["one", "three", "two"]);
    bench.run(&["down", "three"]).expect(PASSED, &[]);
    let left = status(&bench);
    for (name, before) in [("one", &systems[0]), ("two", &systems[2])] {
        let now = left.iter().find(|system| system.name == name).unwrap();
        assert_eq!(now.instances[0].process, before.instances[0].process);
        let address = now.instances[0].address;
        assert_eq!(answer_of(address, 7000), format!("{address}:7000"));
    }
    assert_eq!(left.len(), 2);
}

#[test]
fn up_twice_changes_nothing_and_another_variant_is_refused() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        "services:\n    web: { command: [sleep, \"${SECONDS_TO_SLEEP:?which variant?}\"] }\n",
    );
    bench.write("shop/variants/short.env", "SECONDS_TO_SLEEP=1000\n");
    bench.write("shop/variants/long.env", "SECONDS_TO_SLEEP=2000\n");
    let up = |variant: &str| bench.run(&["up", "shop", "--variant", variant]);
    up("short").expect(PASSED, &["variant short", "is ready"]);
    let before = instance(&bench, "shop", "web");
    up("short").expect(PASSED, &["was up already"]);
    assert_eq!(instance(&bench, "shop", "web").process, before.process);
    up("long").expect(USAGE, &["already up as variant short", "--name"]);
    up("middling").expect(USAGE, &["no variant `middling`", "long, short"]);
    bench.run(&["up", "shop"]).expect(
        USAGE,
        &["SECONDS_TO_SLEEP", "which variant?", "compose.yaml:2:"],
    );
}

#[test]
fn logs_are_found_while_it_runs_and_afterwards_until_the_next_start() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        r#"
services:
    web:
      command: [sh, -c, "echo hello from $$$$; touch HERE/trace; exec sleep 1000"]
      healthcheck: { test: test -e HERE/trace, start_interval: 50ms, start_period: 30s }
    crew:
      command: [sh, -c, "echo aboard; exec sleep 1000"]
      scale: 2
"#,
    );
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    let first = bench
        .run(&["logs", "web"])
        .expect(PASSED, &["hello from"])
        .out;
    eventually("both replicas have spoken", || {
        let out = bench.run(&["logs", "crew"]).out;
        out.contains("crew-1 | aboard") && out.contains("crew-2 | aboard")
    });
    bench
        .run(&["logs", "nobody"])
        .expect(USAGE, &["`nobody`", "crew-1", "web"]);
    bench.run(&["down"]).expect(PASSED, &[]);
    assert_eq!(bench.run(&["logs", "web"]).expect(PASSED, &[]).out, first);
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    let second = bench
        .run(&["logs", "web"])
        .expect(PASSED, &["hello from"])
        .out;
    assert_eq!(second.lines().count(), 1, "{second}");
    assert_ne!(second, first);
}

#[test]
fn a_home_folder_may_have_a_path_longer_than_a_socket_address() {
    let bench = Bench::with_home(&"long/".repeat(40));
    bench.write(
        "shop/compose.yaml",
        "services: { web: { command: [sleep, '1000'] } }",
    );
    bench.run(&["up", "shop"]).expect(PASSED, &["is ready"]);
    assert_eq!(status(&bench).len(), 1);
    bench.run(&["down"]).expect(PASSED, &[]);
    assert_eq!(bench.alive(), [0; 0]);
}

/// Also with a home folder that the server's user cannot enter, which matters to root only.
#[test]
fn postgres_is_ready_when_it_answers_and_leaves_nothing_behind() {
    for mode in [0o755, 0o700] {
        let bench = Bench::new();
        std::fs::set_permissions(bench.path(""), std::fs::Permissions::from_mode(mode)).unwrap();
        bench.write(
            "store/compose.yaml",
            "services:\n    postgres: { image: 'postgres:16', environment: { POSTGRES_PASSWORD: secret, POSTGRES_DB: orders } }\n",
        );
        bench.run(&["up", "store"]).expect(PASSED, &["is ready"]);
        let postgres = instance(&bench, "store", "postgres");
        assert_eq!(postgres.healthy, Some(true));
        TcpStream::connect((postgres.address, 5432)).unwrap();
        bench.run(&["down"]).expect(PASSED, &[]);
        assert_eq!(bench.alive(), [0; 0]);
        assert!(!postgres.data_elsewhere.is_some_and(|path| path.exists()));
        assert!(!bench.home().join("systems/store/data").exists());
    }
}

#[test]
fn config_shows_no_secret() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        r#"
services:
    web:
      command:
        - sleep
        - --requirepass
        - hunter2
        - "exec redis-server --requirepass hunter2 --port 6379"
        - 'org.example.Login required username="me" Password="hunter2" peer=web:6379;'
      environment:
        KAFKA_LISTENER_SASL_JAAS_CONFIG: 'required user_me=hunter2 peer=web:6379;'
        DSN: "host=web:5432 password=hunter2 dbname=orders"
        DATABASE_URL: postgresql://me:hunter2@web:5432/orders
"#,
    );
    let outcome = bench.run(&["config", "shop"]).expect(PASSED, &["***"]);
    assert!(!outcome.out.contains("hunter2"), "{}", outcome.out);
    for shown in ["username=", "--port 6379", "dbname=orders", "me:***@"] {
        assert!(outcome.out.contains(shown), "{shown}: {}", outcome.out);
    }
}
