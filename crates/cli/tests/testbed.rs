//! The testbed from the command line, with real processes: what `up`, `down`, `status` and `logs`
//! promise about order, restarts, failures, and about leaving nothing behind.
//!
//! Every test has a home folder of its own; [`Bench`] ends whatever a failing test leaves running.

use std::cell::RefCell;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use shaketable_testbed::control::InstanceState;
use shaketable_testbed::process::ProcessIdentity;
use shaketable_testbed::{InstanceStatus, SystemStatus};
use tempfile::TempDir;

/// The longest wait for something that is to happen by itself.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

const PASSED: i32 = 0;
const USAGE: i32 = 2;
const ERROR: i32 = 5;

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

/// A home folder, the systems made for a test, and the program.
struct Bench {
    folder: TempDir,
    home: PathBuf,
    seen: RefCell<Vec<ProcessIdentity>>,
}

/// How a command ended.
#[derive(Debug)]
struct Outcome {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Outcome {
    #[track_caller]
    fn expect(self, code: i32, words: &[&str]) -> Outcome {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        for word in words {
            assert!(
                self.err.contains(word) || self.out.contains(word),
                "no `{word}` in\n{}\n{}",
                self.out,
                self.err
            );
        }
        self
    }
}

impl Bench {
    fn new() -> Bench {
        Bench::with_home("home")
    }

    fn with_home(home: &str) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join(home);
        Bench {
            folder,
            home,
            seen: RefCell::default(),
        }
    }

    /// A path for a file in which services leave evidence.
    fn trace(&self) -> PathBuf {
        self.folder.path().join("trace")
    }

    fn trace_lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.trace()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// A system of that name; `TRACE` in its text becomes the path of the trace.
    fn system(&self, name: &str, services: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let text = services.replace("TRACE", &self.trace().to_string_lossy());
        let file = folder.join("compose.yaml");
        std::fs::write(&file, format!("services:\n{text}")).unwrap();
        file
    }

    fn variant(&self, system: &str, name: &str, text: &str) {
        let folder = self.folder.path().join(system).join("variants");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.env")), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shaketable"));
        command
            .args(arguments)
            .env("SHAKETABLE_HOME", &self.home)
            .current_dir(self.folder.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        finish(self.command(arguments))
    }

    fn up(&self, file: &Path) -> Outcome {
        let outcome = self.run(&["up", file.to_str().unwrap()]);
        self.status();
        outcome
    }

    /// All systems that are up; their processes are remembered.
    fn status(&self) -> Vec<SystemStatus> {
        let outcome = self
            .run(&["status", "--format", "json"])
            .expect(PASSED, &[]);
        let systems: Vec<SystemStatus> = serde_json::from_str(&outcome.out).unwrap();
        let mut seen = self.seen.borrow_mut();
        for system in &systems {
            seen.push(system.supervisor.clone());
            seen.extend(
                system
                    .instances
                    .iter()
                    .filter_map(|instance| instance.process.clone()),
            );
        }
        systems
    }

    fn instance(&self, system: &str, name: &str) -> InstanceStatus {
        let systems = self.status();
        let system = systems
            .iter()
            .find(|one| one.name == system)
            .expect("the system is up");
        system
            .instance(name)
            .expect("the system has the instance")
            .clone()
    }

    /// Processes named by pid in the trace, as the services wrote them.
    fn traced_processes(&self, count: usize) -> Vec<ProcessIdentity> {
        eventually("all pids are written", || self.trace_lines().len() >= count);
        let found: Vec<ProcessIdentity> = self
            .trace_lines()
            .iter()
            .filter_map(|line| ProcessIdentity::of(line.trim().parse().ok()?))
            .collect();
        assert_eq!(found.len(), count, "{:?}", self.trace_lines());
        self.seen.borrow_mut().extend(found.clone());
        found
    }

    fn alive(&self) -> Vec<i32> {
        self.seen
            .borrow()
            .iter()
            .filter(|process| process.is_alive())
            .map(|process| process.pid)
            .collect()
    }

    /// `instance event` in the order in which they happened, `-` for the system's own.
    fn events(&self, system: &str) -> Vec<String> {
        let path = self.home.join("systems").join(system).join("events.ndjson");
        let text = std::fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| {
                let event: serde_json::Value = serde_json::from_str(line).unwrap();
                format!(
                    "{} {}",
                    event["instance"].as_str().unwrap_or("-"),
                    event["event"].as_str().unwrap()
                )
            })
            .collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = finish(self.command(&["down", "--all"]));
        for process in self.seen.borrow().iter() {
            process.kill_group();
        }
    }
}

fn finish(mut command: Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(
            Instant::now() < deadline,
            "not within {} s: {what}",
            PATIENCE.as_secs()
        );
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// Fails unless the events happened in this order.
#[track_caller]
fn in_order(events: &[String], expected: &[&str]) {
    let mut rest = events.iter();
    for event in expected {
        assert!(
            rest.any(|one| one == event),
            "`{event}` is not where it should be in {events:#?}"
        );
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
    let file = bench.system(
        "shop",
        r#"
    beside:
      command: [sleep, "1000"]
      depends_on: [last]
    last:
      command: [sh, -c, "echo last >> TRACE; exec sleep 1000"]
      depends_on: { once: { condition: service_completed_successfully } }
    once:
      command: [sh, -c, "sleep 0.2; echo once >> TRACE"]
      depends_on: { first: { condition: service_healthy } }
    first:
      command: [sh, -c, "sleep 0.2; echo first >> TRACE; exec sleep 1000"]
      healthcheck: { test: grep -q first TRACE, start_interval: 50ms, start_period: 30s }
"#,
    );
    bench.up(&file).expect(PASSED, &["is ready"]);
    eventually("the last one has started", || {
        bench.trace_lines().len() == 3
    });
    assert_eq!(bench.trace_lines(), ["first", "once", "last"]);
    in_order(
        &bench.events("shop"),
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
        bench.instance("shop", "once").state,
        InstanceState::Completed
    );
}

#[test]
fn a_service_that_ends_is_started_again_as_its_policy_says() {
    let bench = Bench::new();
    let file = bench.system(
        "shop",
        r#"
    stubborn:
      command: [sh, -c, "echo x >> TRACE; [ $$(wc -l < TRACE) -ge 3 ] && exec sleep 1000; exit 4"]
      restart: always
      healthcheck: { test: "[ $$(wc -l < TRACE) -ge 3 ]", start_interval: 50ms, start_period: 30s }
    brief:
      command: ["true"]
"#,
    );
    bench.up(&file).expect(PASSED, &[]);
    let stubborn = bench.instance("shop", "stubborn");
    assert_eq!(
        (stubborn.restarts, stubborn.last_exit.as_deref()),
        (2, Some("exit code 4"))
    );
    assert_eq!(stubborn.state, InstanceState::Running);
    eventually("the brief one has ended", || {
        bench.instance("shop", "brief").state == InstanceState::Completed
    });

    let killed = stubborn.process.unwrap();
    assert!(killed.kill_group());
    eventually("it runs again", || {
        bench
            .instance("shop", "stubborn")
            .process
            .is_some_and(|now| now != killed)
    });
    let stubborn = bench.instance("shop", "stubborn");
    assert_eq!(
        (stubborn.restarts, stubborn.last_exit.as_deref()),
        (3, Some("signal SIGKILL"))
    );
}

#[test]
fn restarts_after_a_failure_are_counted_and_end() {
    let bench = Bench::new();
    let file = bench.system(
        "shop",
        r#"
    doomed:
      command: [sh, -c, "echo x >> TRACE; exit 7"]
      restart: on-failure:2
      healthcheck: { test: "false", start_interval: 1s, start_period: 100s }
"#,
    );
    bench.up(&file).expect(ERROR, &["`doomed`", "exit code 7"]);
    assert_eq!(bench.trace_lines().len(), 3);
}

#[test]
fn a_failing_one_shot_is_named_with_its_last_words_and_all_goes_down() {
    let bench = Bench::new();
    let file = bench.system(
        "shop",
        r#"
    beside:
      command: [sh, -c, "echo $$$$ >> TRACE; exec sleep 1000"]
      healthcheck: { test: "test -s TRACE", start_interval: 50ms, start_period: 30s }
    prepare:
      command: [sh, -c, "echo looking; sleep 0.3; echo cannot find the moon >&2; exit 3"]
      depends_on: { beside: { condition: service_healthy } }
    web:
      command: [sh, -c, "echo never >> TRACE"]
      depends_on: { prepare: { condition: service_completed_successfully } }
"#,
    );
    bench.up(&file).expect(
        ERROR,
        &[
            "`prepare`",
            "exit code 3",
            "looking",
            "cannot find the moon",
            "prepare.log",
        ],
    );
    assert!(bench.status().is_empty());
    let lines = bench.trace_lines();
    let [pid] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!(ProcessIdentity::of(pid.parse().unwrap()), None);
}

#[test]
fn a_service_that_is_not_well_is_named() {
    let bench = Bench::new();
    let file = bench.system(
        "ill",
        r#"
    web:
      command: [sh, -c, "echo no database; exec sleep 1000"]
      healthcheck: { test: [CMD, "false"], interval: 50ms, start_interval: 50ms, retries: 3 }
"#,
    );
    bench.up(&file).expect(
        ERROR,
        &[
            "`web`",
            "health check failed 3 times",
            "`false`",
            "no database",
        ],
    );

    let file = bench.system(
        "gone",
        r#"
    web:
      command: [sh, -c, "echo had enough"]
      healthcheck: { test: [CMD, "false"], start_period: 100s }
"#,
    );
    bench.up(&file).expect(
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
    family:
      command:
        - sh
        - -c
        - |
          sleep 1000 & echo $$! >> TRACE
          setsid sh -c 'echo $$$$ >> TRACE; exec sleep 1000' &
          wait
    plain:
      command: [sleep, "1000"]
"#;

#[test]
fn down_leaves_no_process() {
    let bench = Bench::new();
    let file = bench.system("shop", FAMILY);
    bench.up(&file).expect(PASSED, &[]);
    bench.traced_processes(2);
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
    let file = bench.system("shop", FAMILY);
    bench.up(&file).expect(PASSED, &[]);
    bench.traced_processes(2);
    assert!(bench.status()[0].supervisor.kill_group());
    eventually("nothing is left", || bench.alive().is_empty());
    assert!(bench.status().is_empty());
    bench.up(&file).expect(PASSED, &["is ready"]);
    bench.run(&["down"]).expect(PASSED, &[]);
    assert_eq!(bench.alive(), [0; 0]);
}

#[test]
fn a_service_is_asked_to_end_and_killed_when_it_does_not() {
    let bench = Bench::new();
    let file = bench.system(
        "shop",
        r#"
    polite:
      command: [sh, -c, "trap 'echo bye >> TRACE; exit 0' TERM; touch TRACE.polite; while :; do sleep 0.05; done"]
      healthcheck: { test: test -e TRACE.polite, start_interval: 50ms, start_period: 30s }
    deaf:
      command: [sh, -c, "trap '' TERM; touch TRACE.deaf; while :; do sleep 0.05; done"]
      stop_grace_period: 300ms
      healthcheck: { test: test -e TRACE.deaf, start_interval: 50ms, start_period: 30s }
"#,
    );
    bench.up(&file).expect(PASSED, &[]);
    bench.run(&["down"]).expect(PASSED, &[]);
    assert_eq!(bench.alive(), [0; 0]);
    assert_eq!(bench.trace_lines(), ["bye"]);
    let events = std::fs::read_to_string(bench.home.join("systems/shop/events.ndjson")).unwrap();
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

#[test]
fn systems_run_side_by_side_also_one_under_two_names() {
    let bench = Bench::new();
    let services = format!("    web:{SERVER}");
    let one = bench.system("one", &services);
    let two = bench.system("two", &services);
    bench.up(&one).expect(PASSED, &[]);
    bench.up(&two).expect(PASSED, &[]);
    bench
        .run(&["up", one.to_str().unwrap(), "--name", "three"])
        .expect(PASSED, &["`three` is ready"]);
    let systems = bench.status();
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
    assert_eq!(bench.status().len(), 2);
}

#[test]
fn up_twice_changes_nothing_and_another_variant_is_refused() {
    let bench = Bench::new();
    let file = bench.system(
        "shop",
        "    web: { command: [sleep, \"${SECONDS_TO_SLEEP:?which variant?}\"] }\n",
    );
    bench.variant("shop", "short", "SECONDS_TO_SLEEP=1000\n");
    bench.variant("shop", "long", "SECONDS_TO_SLEEP=2000\n");
    let up = |variant: &str| bench.run(&["up", file.to_str().unwrap(), "--variant", variant]);
    up("short").expect(PASSED, &["variant short", "is ready"]);
    let before = bench.instance("shop", "web");
    up("short").expect(PASSED, &["was up already"]);
    assert_eq!(bench.instance("shop", "web").process, before.process);
    up("long").expect(USAGE, &["already up as variant short", "--name"]);
    up("middling").expect(USAGE, &["no variant `middling`", "long, short"]);
    bench.up(&file).expect(
        USAGE,
        &["SECONDS_TO_SLEEP", "which variant?", "compose.yaml:2:"],
    );
}

#[test]
fn a_port_that_is_taken_names_who_has_it() {
    let bench = Bench::new();
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let file = bench.system(
        "shop",
        &format!("    web: {{ command: [sleep, '1000'], ports: ['{port}'] }}\n"),
    );
    bench.up(&file).expect(
        ERROR,
        &[
            "`web`",
            &format!("port {port} "),
            &format!("process {}", std::process::id()),
        ],
    );
    assert!(bench.status().is_empty());
}

#[test]
fn every_missing_program_is_named() {
    let bench = Bench::new();
    let file = bench.system(
        "shop",
        "    a: { command: [no-such-program] }\n    b: { command: [neither-this] }\n    c: { command: [sleep, '1'] }\n",
    );
    bench.up(&file).expect(
        ERROR,
        &[
            "`no-such-program` of service `a`",
            "`neither-this` of service `b`",
        ],
    );
    let file = bench.system(
        "ill",
        "    a: { command: [sleep, '1000'], healthcheck: { test: [CMD, no-such-probe] } }\n",
    );
    bench.up(&file).expect(ERROR, &["`no-such-probe`", "`a`"]);
}

#[test]
fn what_kafka_needs_is_named_all_at_once() {
    let bench = Bench::new();
    let file = bench.system(
        "log",
        "    kafka: { image: 'apache/kafka:4.2.0', environment: { KAFKA_NODE_ID: '1' } }\n",
    );
    let empty = bench.folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let mut command = bench.command(&["up", file.to_str().unwrap()]);
    command
        .env_remove("JAVA_HOME")
        .env_remove("KAFKA_HOME")
        .env("SHAKETABLE_CACHE", &empty)
        .env("PATH", &empty);
    finish(command).expect(
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
    let file = bench.system("shop", "    web: { command: [sleep\n");
    bench.up(&file).expect(USAGE, &["compose.yaml:2:28"]);
    let file = bench.system(
        "shop",
        "    web:\n      command: x\n      privileged: true\n      restart: never\n",
    );
    bench.up(&file).expect(
        USAGE,
        &[
            "compose.yaml:4:7",
            "`privileged`",
            "compose.yaml:5:16",
            "`never`",
        ],
    );
    bench
        .up(&bench.folder.path().join("nowhere.yaml"))
        .expect(USAGE, &["nowhere.yaml"]);
    bench.run(&["up"]).expect(USAGE, &["COMPOSE_FILE"]);
}

#[test]
fn logs_are_found_while_it_runs_and_afterwards_until_the_next_start() {
    let bench = Bench::new();
    let file = bench.system(
        "shop",
        r#"
    web:
      command: [sh, -c, "echo hello from $$$$; touch TRACE; exec sleep 1000"]
      healthcheck: { test: test -e TRACE, start_interval: 50ms, start_period: 30s }
    crew:
      command: [sh, -c, "echo aboard; exec sleep 1000"]
      scale: 2
"#,
    );
    bench.up(&file).expect(PASSED, &[]);
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
    bench.up(&file).expect(PASSED, &[]);
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
    let file = bench.system("shop", "    web: { command: [sleep, '1000'] }\n");
    bench.up(&file).expect(PASSED, &["is ready"]);
    assert_eq!(bench.status().len(), 1);
    bench.run(&["down"]).expect(PASSED, &[]);
    assert_eq!(bench.alive(), [0; 0]);
}

/// Also with a home folder that the server's user cannot enter, which matters to root only.
#[test]
fn postgres_is_ready_when_it_answers_and_leaves_nothing_behind() {
    for mode in [0o755, 0o700] {
        let bench = Bench::new();
        std::fs::set_permissions(bench.folder.path(), std::fs::Permissions::from_mode(mode))
            .unwrap();
        let file = bench.system(
            "store",
            "    postgres: { image: 'postgres:16', environment: { POSTGRES_PASSWORD: secret, POSTGRES_DB: orders } }\n",
        );
        bench.up(&file).expect(PASSED, &["is ready"]);
        let postgres = bench.instance("store", "postgres");
        assert_eq!(postgres.healthy, Some(true));
        TcpStream::connect((postgres.address, 5432)).unwrap();
        bench.run(&["down"]).expect(PASSED, &[]);
        assert_eq!(bench.alive(), [0; 0]);
        assert!(!postgres.data_elsewhere.is_some_and(|path| path.exists()));
        assert!(!bench.home.join("systems/store/data").exists());
    }
}
