//! Single services of a system that is up: `restart`, `stop`, `start`, `kill`, `env`, and what faults
//! do through the same socket.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;
use shaketable_testbed::control::{InstanceState, Throttle};
use shaketable_testbed::home::SystemFolder;
use shaketable_testbed::process::{ProcessIdentity, descendants};
use shaketable_testbed::{SystemClient, TestbedError};

use crate::ERROR;
use crate::support::{Bench, PASSED, USAGE, eventually};

/// A client of a system's supervisor.
fn client(bench: &Bench, system: &str) -> SystemClient {
    let folder = SystemFolder::at(bench.home().join("systems").join(system));
    SystemClient::new(system, folder)
}

#[track_caller]
fn wait<T>(future: impl Future<Output = Result<T, TestbedError>>) -> T {
    try_wait(future).unwrap()
}

fn try_wait<T>(future: impl Future<Output = Result<T, TestbedError>>) -> Result<T, TestbedError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

#[test]
fn a_service_is_restarted_whatever_its_policy_also_when_it_has_ended() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        r#"
services:
    web:
      command: [sh, -c, "trap 'echo bye >> HERE/trace; exit 0' TERM; echo here >> HERE/trace; while :; do sleep 0.02; done"]
      restart: "no"
      healthcheck: { test: test -e HERE/trace, start_interval: 50ms, start_period: 30s }
    brief: { command: [sh, -c, "echo brief >> HERE/brief"] }
"#,
    );
    let lines = |name: &str| -> Vec<String> {
        let text = std::fs::read_to_string(bench.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    eventually("the brief one has ended", || {
        bench.instance("shop", "brief").state == InstanceState::Completed
    });
    let before = bench.instance("shop", "web").process;
    bench
        .run(&["restart", "web", "brief"])
        .expect(PASSED, &["`web` was restarted", "`brief` was restarted"]);
    assert_ne!(bench.instance("shop", "web").process, before);
    eventually("both ran twice", || {
        lines("trace") == ["here", "bye", "here"] && lines("brief").len() == 2
    });
    bench
        .run(&["restart", "nobody"])
        .expect(USAGE, &["no service `nobody`", "brief, web"]);
}

#[test]
fn a_stopped_service_stays_down_until_it_is_started() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        "services: { web: { command: [sleep, '1000'], restart: always, scale: 2 } }\n",
    );
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    bench
        .run(&["stop", "web"])
        .expect(PASSED, &["`web-1` is stopped", "`web-2` is stopped"]);
    bench.run(&["status"]).expect(PASSED, &["(held down)"]);
    bench
        .run(&["restart", "web-1"])
        .expect(ERROR, &["it is held down"]);
    assert_eq!(bench.alive().len(), 1);
    bench
        .run(&["kill", "web-1"])
        .expect(USAGE, &["`web-1` does not run"]);
    bench
        .run(&["start", "web-1"])
        .expect(PASSED, &["`web-1` is started"]);
    assert!(bench.instance("shop", "web-1").process.is_some());
    assert!(bench.instance("shop", "web-2").held);
}

#[test]
fn a_signal_goes_to_the_process_or_to_its_descendants_too() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        "services: { web: { command: [sh, -c, 'sleep 1000 & setsid sleep 1000 & wait'] } }\n",
    );
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    let web = bench.instance("shop", "web").process.unwrap();
    eventually("it has children", || descendants(web.pid).len() == 2);
    let family: Vec<ProcessIdentity> = descendants(web.pid)
        .into_iter()
        .filter_map(ProcessIdentity::of)
        .collect();
    let stopped = || family.iter().filter(|one| one.is_stopped()).count();
    bench
        .run(&["kill", "web", "-s", "stop"])
        .expect(PASSED, &[]);
    eventually("it is stopped", || web.is_stopped());
    assert_eq!(stopped(), 0);
    let client = client(&bench, "shop");
    wait(client.signal_tree("web", &web, Signal::SIGSTOP));
    eventually("all are stopped", || stopped() == 2);
    bench
        .run(&["kill", "web", "--signal", "18", "--tree"])
        .expect(PASSED, &["SIGCONT"]);
    eventually("all go on", || stopped() == 0 && !web.is_stopped());
    bench
        .run(&["kill", "web", "-s", "NONE"])
        .expect(USAGE, &["a signal is such as"]);
}

#[test]
fn a_paused_family_ends_when_it_is_asked_to() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        r#"
services:
    web:
      command: [sh, -c, "trap 'kill $$!; wait; echo bye > HERE/bye; exit 0' TERM; sleep 1000 & touch HERE/well; wait"]
      stop_grace_period: 60s
      healthcheck: { test: test -e HERE/well, start_interval: 50ms, start_period: 30s }
"#,
    );
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    let web = bench.instance("shop", "web").process.unwrap();
    wait(client(&bench, "shop").signal_tree("web", &web, Signal::SIGSTOP));
    bench.run(&["down"]).expect(PASSED, &[]);
    assert!(bench.path("bye").exists());
}

#[test]
fn a_throttled_family_stands_still_part_of_the_time_until_it_is_let_go() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        "services: { web: { command: [sh, -c, 'setsid sleep 1000 & wait'], stop_grace_period: 60s, restart: always } }\n",
    );
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    let web = bench.instance("shop", "web").process.unwrap();
    eventually("it has a child", || descendants(web.pid).len() == 1);
    let child = ProcessIdentity::of(descendants(web.pid)[0]).unwrap();
    let client = client(&bench, "shop");
    let throttle = Throttle {
        run_ms: 20,
        stop_ms: 20,
    };
    let nothing = Throttle {
        run_ms: 0,
        stop_ms: 20,
    };
    let refused = try_wait(client.throttle("web", &web, nothing)).unwrap_err();
    assert!(refused.to_string().contains("`run`"), "{refused}");
    wait(client.throttle("web", &web, throttle));
    assert_eq!(bench.instance("shop", "web").throttled, Some(throttle));
    bench
        .run(&["status"])
        .expect(PASSED, &["(throttled: 20 ms of 40)"]);
    for _ in 0..3 {
        eventually("both stand still", || {
            web.is_stopped() && child.is_stopped()
        });
        eventually("both run", || !web.is_stopped() && !child.is_stopped());
    }
    wait(client.unthrottle("web"));
    wait(client.unthrottle("web"));
    assert_eq!(bench.instance("shop", "web").throttled, None);
    eventually("both run", || !web.is_stopped() && !child.is_stopped());
    let events = std::fs::read_to_string(bench.home().join("systems/shop/events.ndjson")).unwrap();
    assert!(events.contains("\"throttled\"") && events.contains("\"unthrottled\""));

    // It ends with its process, and does not keep it from ending.
    wait(client.throttle("web", &web, throttle));
    wait(client.terminate("web"));
    eventually("another runs", || {
        let now = bench.instance("shop", "web");
        now.process.is_some_and(|process| process != web) && now.throttled.is_none()
    });
    let refused = try_wait(client.throttle("web", &web, throttle)).unwrap_err();
    assert!(refused.to_string().contains("another process"), "{refused}");
}

#[test]
fn an_environment_is_printed_changed_and_used() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        r#"
services:
    store: { command: [sleep, "1000"] }
    web:
      command: [sh, -c, "echo \"$$GREETING $$STORE\" >> HERE/trace; exec sleep 1000"]
      environment: { GREETING: "good day, it's me", STORE: "store:5432" }
"#,
    );
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    let store = bench.instance("shop", "store").address;
    let out = bench.run(&["env", "web"]).expect(PASSED, &[]).out;
    assert!(out.contains(r"GREETING='good day, it'\''s me'"), "{out}");
    assert!(out.contains(&format!("STORE={store}:5432\n")), "{out}");
    let told = ["env", "web", "--", "sh", "-c", "echo $GREETING; exit 7"];
    assert_eq!(bench.run(&told).expect(7, &[]).out, "good day, it's me\n");
    bench
        .run(&["env", "web", "--", "no-such-program"])
        .expect(USAGE, &["`no-such-program`"]);

    let client = client(&bench, "shop");
    let set = BTreeMap::from([("STORE".to_owned(), "store:1".to_owned())]);
    wait(client.set_environment("web", set.clone()));
    assert_eq!(bench.instance("shop", "web").overrides, set);
    wait(client.restart("web"));
    wait(client.set_environment("web", BTreeMap::new()));
    wait(client.restart("web"));
    let greeting = "good day, it's me";
    let expected = [
        format!("{greeting} {store}:5432"),
        format!("{greeting} {store}:1"),
        format!("{greeting} {store}:5432"),
    ];
    let trace = || -> Vec<String> {
        let text = std::fs::read_to_string(bench.path("trace")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    eventually("it ran three times", || trace().len() >= 3);
    assert_eq!(trace(), expected);
}

#[test]
fn a_program_that_cannot_be_started_is_tried_as_often_as_its_policy_says() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        r#"
services:
    never: { command: [HERE/never], restart: "no" }
    twice: { command: [HERE/twice], restart: "on-failure:2" }
"#,
    );
    for name in ["never", "twice"] {
        let program = bench.write(name, "#!/bin/sh\nexec sleep 1000\n");
        std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    }
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    for name in ["never", "twice"] {
        std::fs::remove_file(bench.path(name)).unwrap();
    }
    bench
        .run(&["restart", "never"])
        .expect(ERROR, &["cannot start"]);
    bench.run(&["kill", "twice"]).expect(PASSED, &[]);
    for (name, tries) in [("never", 1), ("twice", 2)] {
        eventually("it is given up on", || {
            bench.instance("shop", name).state == InstanceState::Exited
        });
        let history = bench.instance("shop", name).history;
        let failed = history.iter().filter(|event| event.event == "not-started");
        assert_eq!(failed.count(), tries, "{history:?}");
    }
}

#[test]
fn asking_again_does_not_put_the_end_off() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        r#"
services:
    web:
      command: [sh, -c, "trap '' TERM; touch HERE/well; while :; do sleep 0.05; done"]
      stop_grace_period: 2s
      healthcheck: { test: test -e HERE/well, start_interval: 50ms, start_period: 30s }
"#,
    );
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    let web = bench.instance("shop", "web").process.unwrap();
    let client = client(&bench, "shop");
    wait(client.hold("web"));
    // As often as it takes, were it to end so long after the last one.
    let asked = (0..400).take_while(|_| {
        wait(client.terminate("web"));
        std::thread::sleep(std::time::Duration::from_millis(50));
        web.is_alive()
    });
    assert!(asked.count() < 400, "it has ended meanwhile");
}
