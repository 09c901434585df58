//! What a supervisor promises beyond the ordinary: commands at the same time, signals, files that
//! changed, disks that are full, and what an earlier life left behind.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use shaketable_testbed::SystemPhase;
use shaketable_testbed::process::{ProcessIdentity, descendants};

use crate::support::{Bench, PASSED, USAGE, eventually};
use crate::{ABORTED, ERROR};

const SLEEPER: &str = "services: { web: { command: [sleep, '1000'] } }\n";

/// Never becomes healthy, and is not given up on for a long time.
const NEVER_WELL: &str = r#"
services:
    web:
      command: [sh, -c, "echo no database; exec sleep 1000"]
      healthcheck: { test: [CMD, "false"], start_interval: 50ms, start_period: 1000s }
"#;

#[test]
fn up_again_is_refused_when_the_files_say_something_else_and_says_what() {
    let bench = Bench::new();
    let text = "services:\n    web: { command: [sleep, '1000'] }\n    crew: { command: [sleep, '1000'] }\n";
    bench.write("shop/compose.yaml", text);
    bench.run(&["up", "shop"]).expect(PASSED, &["is ready"]);
    bench.write("shop/compose.yaml", &format!("# a comment\n{text}"));
    bench
        .run(&["up", "shop"])
        .expect(PASSED, &["was up already"]);
    bench.write(
        "shop/compose.yaml",
        "services:\n    web: { command: [sleep, '2000'] }\n    moon: { command: [sleep, '1000'] }\n",
    );
    bench.run(&["up", "shop"]).expect(
        USAGE,
        &[
            "service `web` is another",
            "service `crew` is there no more",
            "service `moon` is new",
            "shaketable down shop",
        ],
    );
    bench
        .run(&["up", "shop", "--scale", "web=2", "--name", "another"])
        .expect(PASSED, &["web-1", "web-2", "moon"]);
}

#[test]
fn files_are_merged_and_profiles_are_left_out_unless_they_are_enabled() {
    let bench = Bench::new();
    bench.write(
        "base.yaml",
        "name: shop\nservices:\n    web: { command: [sleep, '1000'] }\n    debug: { command: [sleep, '1000'], profiles: [tools] }\n",
    );
    bench.write("more.yaml", "services: { web: { scale: 2 } }\n");
    let files = ["-f", "base.yaml", "-f", "more.yaml"];
    let up = |more: &[&str]| bench.run(&[&["up"], &files[..], more].concat());
    let names = |bench: &Bench| -> Vec<String> {
        let system = bench.system("shop").unwrap();
        let instances = system.instances.into_iter();
        instances.map(|instance| instance.name).collect()
    };
    up(&[]).expect(PASSED, &["is ready"]);
    assert_eq!(names(&bench), ["web-1", "web-2"]);
    up(&["--profile", "tools"]).expect(USAGE, &["service `debug` is new"]);
    bench.run(&["down"]).expect(PASSED, &[]);
    up(&["--profile", "tools"]).expect(PASSED, &["is ready"]);
    assert_eq!(names(&bench), ["web-1", "web-2", "debug"]);
    // What is not said is as it is.
    up(&[]).expect(PASSED, &["was up already"]);
}

#[test]
fn two_commands_at_once_bring_one_system_up() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        r#"
services:
    web:
      command: [sh, -c, "sleep 0.5; touch HERE/well; exec sleep 1000"]
      healthcheck: { test: test -e HERE/well, start_interval: 50ms, start_period: 100s }
"#,
    );
    let commands: Vec<_> = (0..3).map(|_| bench.start(&["up", "shop"])).collect();
    let outcomes: Vec<_> = commands
        .into_iter()
        .map(|command| command.finish().expect(PASSED, &[]))
        .collect();
    let first = outcomes.iter().filter(|one| one.err.contains("is ready"));
    assert_eq!(first.count(), 1, "{outcomes:?}");
    let joined = outcomes
        .iter()
        .filter(|one| one.err.contains("was up already"));
    assert_eq!(joined.count(), 2, "{outcomes:?}");
}

#[test]
fn an_interrupted_up_takes_down_what_it_started() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let bench = Bench::new();
        bench.write("shop/compose.yaml", NEVER_WELL);
        let up = bench.start(&["up", "shop"]);
        eventually("it has a process", || {
            bench
                .system("shop")
                .is_some_and(|system| system.instances[0].process.is_some())
        });
        bench.remember();
        up.signal(signal);
        up.finish().expect(ABORTED, &["interrupted"]);
        assert_eq!(bench.alive(), [0; 0]);
        bench.run(&["status"]).expect(PASSED, &["no system is up"]);
    }
}

#[test]
fn a_killed_up_leaves_a_system_that_the_next_one_finds() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        r#"
services:
    web:
      command: [sh, -c, "while ! test -e HERE/go; do sleep 0.05; done; touch HERE/well; exec sleep 1000"]
      healthcheck: { test: test -e HERE/well, start_interval: 50ms, start_period: 100s }
"#,
    );
    let up = bench.start(&["up", "shop"]);
    eventually("it is supervised", || bench.system("shop").is_some());
    bench.remember();
    up.signal(Signal::SIGKILL);
    assert_eq!(up.finish().code, None);
    bench.write("go", "");
    bench
        .run(&["up", "shop"])
        .expect(PASSED, &["was up already"]);
    bench.run(&["down"]).expect(PASSED, &[]);
    assert_eq!(bench.alive(), [0; 0]);
}

#[test]
fn patience_is_chosen() {
    let bench = Bench::new();
    bench.write("shop/compose.yaml", NEVER_WELL);
    bench.run(&["up", "shop", "--wait-timeout", "1"]).expect(
        ERROR,
        &[
            "not within 1 s",
            "web (runs, not healthy yet)",
            "web.log:\n  no database",
        ],
    );
    assert_eq!(bench.alive(), [0; 0]);
    bench
        .run(&["up", "shop", "--no-wait"])
        .expect(PASSED, &["is starting"]);
    bench
        .run(&["status"])
        .expect(PASSED, &["system `shop`: starting"]);
    bench
        .run(&["up", "shop", "--wait", "--no-wait"])
        .expect(USAGE, &["--no-wait"]);
}

#[test]
fn what_happened_to_an_instance_is_in_its_history_and_in_the_events() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        "services: { web: { command: [sleep, '1000'], restart: always } }\n",
    );
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    let before = bench.instance("shop", "web").process;
    bench.run(&["kill", "web"]).expect(PASSED, &["SIGKILL"]);
    eventually("it runs again", || {
        let now = bench.instance("shop", "web").process;
        now.is_some() && now != before
    });
    let outcome = bench.run(&["status", "--format", "json"]);
    let web = &outcome.json()[0]["instances"][0];
    let told = |event: &Value| format!("{} {}", event["event"].as_str().unwrap(), event["detail"]);
    let history: Vec<String> = web["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(told)
        .collect();
    let first_pid = before.unwrap().pid;
    let now_pid = &web["process"]["pid"];
    assert_eq!(
        history,
        [
            "prepared null".to_owned(),
            format!("started {first_pid}"),
            "signalled \"SIGKILL\"".to_owned(),
            "exited \"signal SIGKILL\"".to_owned(),
            "restarting {\"after_ms\":100}".to_owned(),
            format!("started {now_pid}"),
        ]
    );
    assert_eq!(web["restarts"], 1);
    assert!(web["uptime_ms"].is_u64(), "{web}");
    eventually("its processor time is measured", || {
        let outcome = bench.run(&["status", "--format", "json"]);
        outcome.json()[0]["instances"][0]["cpu_percent"].is_f64()
    });

    let events = bench.home().join("systems/shop/events.ndjson");
    let lines = std::fs::read_to_string(&events).unwrap();
    let line = lines
        .lines()
        .find(|line| line.contains("signal SIGKILL"))
        .unwrap();
    let event: Value = serde_json::from_str(line).unwrap();
    assert!(event["at"].as_str().unwrap().ends_with('Z'), "{event}");
    bench.run(&["down"]).expect(PASSED, &[]);
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    let appended = std::fs::read_to_string(&events).unwrap();
    assert!(appended.starts_with(&lines), "events are appended to");
}

/// There are values of environments in it.
#[test]
fn the_state_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    bench.write("shop/compose.yaml", SLEEPER);
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    let state = bench.home().join("systems/shop/system.json");
    let mode = std::fs::metadata(state).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_service_gets_its_own_stop_signal() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        r#"
services:
    web:
      command: [sh, -c, "trap 'echo hup > HERE/heard; exit 0' HUP; trap '' TERM; touch HERE/well; while :; do sleep 0.05; done"]
      stop_signal: SIGHUP
      healthcheck: { test: test -e HERE/well, start_interval: 50ms, start_period: 30s }
"#,
    );
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    bench.run(&["down"]).expect(PASSED, &[]);
    assert_eq!(
        std::fs::read_to_string(bench.path("heard")).unwrap(),
        "hup\n"
    );
}

/// The guard ends everything when the supervisor is killed. Here it is killed first, so that what
/// its processes forgot survives both, until the next supervisor finds it by its mark.
#[test]
fn what_survived_an_earlier_life_is_ended_before_the_next() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        "services: { web: { command: [sh, -c, \"setsid sh -c 'echo $$$$ > HERE/forgotten; exec sleep 1000' & exec sleep 1000\"] } }\n",
    );
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    let mut forgotten = None;
    eventually("the forgotten one runs", || {
        let text = std::fs::read_to_string(bench.path("forgotten")).unwrap_or_default();
        forgotten = text.trim().parse().ok().and_then(ProcessIdentity::of);
        forgotten.is_some()
    });
    let forgotten = forgotten.unwrap();
    bench.remember_process(forgotten.clone());
    let supervisor = bench.system("shop").unwrap().supervisor;
    let is_guard = |pid: &i32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|name| name == "shake-guard\n")
    };
    let guard = descendants(supervisor.pid).into_iter().find(is_guard);
    let guard = ProcessIdentity::of(guard.expect("there is a guard")).unwrap();
    assert!(guard.kill_group());
    assert!(supervisor.kill_group());
    eventually("the supervisor is gone", || !supervisor.is_alive());
    assert!(forgotten.is_alive());
    bench.run(&["up", "shop"]).expect(PASSED, &["is ready"]);
    assert!(!forgotten.is_alive());
}

#[test]
fn a_stranger_with_a_recorded_pid_is_left_alone() {
    let bench = Bench::new();
    bench.write("shop/compose.yaml", SLEEPER);
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    bench.run(&["down"]).expect(PASSED, &[]);
    let mut stranger = Command::new("sleep")
        .arg("1000")
        .process_group(0)
        .spawn()
        .unwrap();
    let identity = ProcessIdentity::of(stranger.id() as i32).unwrap();
    bench.remember_process(identity.clone());
    let mut state = bench.system("shop").unwrap();
    let earlier = ProcessIdentity {
        start_ticks: identity.start_ticks - 1,
        ..identity.clone()
    };
    state.instances[0].process = Some(earlier.clone());
    state.supervisor = earlier;
    bench.write(
        "home/systems/shop/system.json",
        &serde_json::to_string(&state).unwrap(),
    );
    bench.run(&["up", "shop"]).expect(PASSED, &["is ready"]);
    assert!(identity.is_alive());
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn named_volumes_outlive_their_system_until_they_are_removed() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        r#"
services:
    web:
      command: [sh, -c, "date +%N >> /data/starts; date +%N >> starts; exec sleep 1000"]
      volumes: ["kept:/data"]
volumes: { kept: {} }
"#,
    );
    let starts = || {
        let text = std::fs::read_to_string(bench.home().join("volumes/shop/kept/starts"));
        text.unwrap_or_default().lines().count()
    };
    for life in 1..=2 {
        bench.run(&["up", "shop"]).expect(PASSED, &[]);
        eventually("it has written", || starts() == life);
        bench.run(&["down"]).expect(PASSED, &[]);
        assert_eq!(starts(), life);
        assert!(!bench.home().join("systems/shop/data").exists());
    }
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    bench
        .run(&["down", "--volumes"])
        .expect(PASSED, &["volumes of `shop` are removed: kept"]);
    assert!(!bench.home().join("volumes/shop").exists());

    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    bench.run(&["down"]).expect(PASSED, &[]);
    bench
        .run(&["down", "shop", "--volumes"])
        .expect(PASSED, &["volumes of `shop` are removed: kept"]);
    bench
        .run(&["down", "shop", "--volumes"])
        .expect(USAGE, &["`shop` is not up"]);
}

#[test]
fn a_system_whose_file_is_gone_can_still_be_named_by_it() {
    let bench = Bench::new();
    let file = bench.write("shop/compose.yaml", SLEEPER);
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    std::fs::remove_file(&file).unwrap();
    bench
        .run(&["up", "shop"])
        .expect(USAGE, &["cannot read the Compose file", "compose.yaml"]);
    let file = std::fs::canonicalize(bench.path("shop"))
        .unwrap()
        .join("compose.yaml");
    bench
        .run(&["down", file.to_str().unwrap()])
        .expect(PASSED, &["`shop` is down"]);
}

/// A small file system of its own, unmounted at the end.
struct SmallDisk<'a>(&'a Path);

impl SmallDisk<'_> {
    fn mount(path: &Path) -> Option<SmallDisk<'_>> {
        std::fs::create_dir_all(path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "none"])
            .arg(path)
            .stderr(Stdio::null())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(SmallDisk(path))
    }

    /// Leaves no byte.
    fn fill(&self) {
        let written = std::fs::write(self.0.join("ballast"), vec![0; 1 << 20]);
        assert!(written.is_err(), "the disk is full");
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_is_named_before_anything_starts_and_ends_nothing_that_runs() {
    let bench = Bench::new();
    let home = bench.home().to_path_buf();
    let Some(disk) = SmallDisk::mount(&home) else {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: a file system can only be mounted by root"
        );
        return;
    };
    bench.write(
        "shop/compose.yaml",
        "services: { web: { command: [sh, -c, 'while :; do echo still here; sleep 0.01; done'] } }\n",
    );
    disk.fill();
    bench.run(&["up", "shop"]).expect(
        ERROR,
        &["cannot write to", "systems/shop", "No space left on device"],
    );
    bench.run(&["status"]).expect(PASSED, &["no system is up"]);

    std::fs::remove_file(home.join("ballast")).unwrap();
    bench.run(&["up", "shop"]).expect(PASSED, &["is ready"]);
    disk.fill();
    // The last page of the log has room for some lines more.
    let log = home.join("systems/shop/logs/web.log");
    let mut written = 0;
    eventually("nothing more is written", || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        let before = std::mem::replace(&mut written, std::fs::metadata(&log).unwrap().len());
        before == written
    });
    let web = bench.instance("shop", "web").process.unwrap();
    bench
        .run(&["kill", "web", "--signal", "CONT"])
        .expect(PASSED, &[]);
    bench
        .run(&["status"])
        .expect(PASSED, &["system `shop`: ready"]);
    assert!(web.is_alive());
    std::fs::remove_file(home.join("ballast")).unwrap();
    eventually("the log tells what is missing", || {
        bench
            .run(&["logs", "web"])
            .out
            .contains("lines are missing here")
    });
    bench.run(&["down"]).expect(PASSED, &[]);
    assert_eq!(bench.alive(), [0; 0]);
    drop(disk);
}

/// Neither is a system's name, and a folder that is not one of a system stays as it is.
#[test]
fn volumes_are_removed_by_a_systems_name_alone() {
    let bench = Bench::new();
    bench.write("home/volumes/shop/kept/page", "");
    bench.write("home/runs/first/journal", "");
    bench.write("home/systems/shop/logs/web.log", "");
    for asked in [".", "..", "./.", "../home", "SHOP"] {
        bench
            .run(&["down", asked, "--volumes"])
            .expect(USAGE, &["is not up"]);
        assert!(bench.home().join("volumes/shop/kept/page").exists());
        assert!(bench.home().join("runs/first/journal").exists());
        assert!(bench.home().join("systems/shop/logs/web.log").exists());
    }
    // The system of the Compose file in this folder, which `.` may well mean.
    bench.write("compose.yaml", &format!("name: shop\n{SLEEPER}"));
    bench
        .run(&["down", ".", "--volumes"])
        .expect(PASSED, &["volumes of `shop` are removed: kept"]);
    assert!(bench.home().join("runs/first/journal").exists());
}

#[test]
fn a_supervisor_that_does_not_answer_is_not_taken_for_one_that_is_gone() {
    let bench = Bench::new();
    bench.write("den/compose.yaml", SLEEPER);
    bench.write("shop/compose.yaml", SLEEPER);
    bench.write("yard/compose.yaml", SLEEPER);
    for system in ["den", "shop", "yard"] {
        bench.run(&["up", system]).expect(PASSED, &[]);
    }
    bench.remember();
    let supervisor = bench.system("shop").unwrap().supervisor;
    let send = |signal| kill(Pid::from_raw(supervisor.pid), signal).unwrap();
    send(Signal::SIGSTOP);
    let told = format!("process {}", supervisor.pid);
    let silent = ["`shop`", "does not answer", &told];
    bench.run(&["down", "shop"]).expect(ERROR, &silent);
    bench.run(&["status"]).expect(ERROR, &silent);
    let outcome = bench.run(&["down", "--all"]).expect(ERROR, &silent);
    for gone in ["`den` is down", "`yard` is down"] {
        assert!(outcome.err.contains(gone), "{}", outcome.err);
    }
    assert!(supervisor.is_alive());
    send(Signal::SIGCONT);
    bench
        .run(&["down", "--all"])
        .expect(PASSED, &["`shop` is down"]);
    assert_eq!(bench.alive(), [0; 0]);
}

#[test]
fn a_system_that_was_slow_to_become_healthy_is_ready_all_the_same() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        r#"
services:
    web:
      command: [sleep, "1000"]
      healthcheck: { test: "until test -e HERE/asked; do sleep 0.02; done; test -e HERE/well", interval: 50ms, timeout: 100s, retries: 1 }
"#,
    );
    bench
        .run(&["up", "shop", "--no-wait"])
        .expect(PASSED, &["is starting"]);
    bench.write("asked", "");
    let phase = || bench.system("shop").map(|system| system.phase);
    eventually("it is given up on", || {
        matches!(phase(), Some(SystemPhase::Failed { .. }))
    });
    bench.write("well", "");
    eventually("it is ready", || phase() == Some(SystemPhase::Ready));
    bench
        .run(&["up", "shop"])
        .expect(PASSED, &["was up already"]);
}

#[test]
fn events_are_put_aside_when_they_have_become_many() {
    let bench = Bench::new();
    bench.write("shop/compose.yaml", SLEEPER);
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    let events = bench.home().join("systems/shop/events.ndjson");
    let mut file = std::fs::File::options().append(true).open(&events).unwrap();
    file.write_all(&vec![b'\n'; 9 << 20]).unwrap();
    bench.run(&["stop", "web"]).expect(PASSED, &[]);
    let aside = std::fs::metadata(events.with_extension("ndjson.1"));
    assert!(aside.unwrap().len() > 9 << 20);
    let now = std::fs::read_to_string(&events).unwrap();
    assert!(now.len() < 10_000 && now.contains("held"), "{}", now.len());
}
