//! `logs`: whose lines, which of them, in which order, for how long.

use crate::support::{Bench, PASSED, USAGE, eventually};

/// Services that speak in turn, each after the other's word.
const DIALOGUE: &str = r#"
services:
    ada:
      command:
        - sh
        - -c
        - |
          for n in 1 2 3; do
            while ! test -e HERE/turn-$$n; do sleep 0.02; done
            echo ada $$n; sleep 0.1; touch HERE/answer-$$n
          done
          exec sleep 1000
    bob:
      command:
        - sh
        - -c
        - |
          for n in 1 2 3; do
            while ! test -e HERE/answer-$$n; do sleep 0.02; done
            echo bob $$n >&2; sleep 0.1; touch HERE/turn-$$((n+1))
          done
          exec sleep 1000
"#;

#[test]
fn lines_of_all_services_come_in_the_order_in_which_they_were_written() {
    let bench = Bench::new();
    bench.write("shop/compose.yaml", DIALOGUE);
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    let follower = bench.start(&["logs", "--follow"]);
    bench.write("turn-1", "");
    eventually("all is said", || bench.path("turn-4").exists());
    let all = "ada | ada 1\nbob | bob 1\nada | ada 2\nbob | bob 2\nada | ada 3\nbob | bob 3\n";
    eventually("all is written", || bench.run(&["logs"]).out == all);
    let out = |arguments: &[&str]| bench.run(arguments).expect(PASSED, &[]).out;
    assert_eq!(out(&["logs", "bob"]), "bob 1\nbob 2\nbob 3\n");
    assert_eq!(out(&["logs", "--tail", "1"]), "ada | ada 3\nbob | bob 3\n");
    assert_eq!(out(&["logs", "ada", "-n", "2"]), "ada 2\nada 3\n");
    assert_eq!(out(&["logs", "--since", "1h"]), all);

    let stamped = out(&["logs", "bob", "--timestamps"]);
    let second = stamped.lines().nth(1).unwrap();
    let (time, text) = second.split_once(' ').unwrap();
    assert_eq!(text, "bob 2");
    assert_eq!(
        out(&["logs", "--since", time]),
        "bob | bob 2\nada | ada 3\nbob | bob 3\n"
    );
    assert_eq!(out(&["logs", "--since", "0s"]), "");
    bench
        .run(&["logs", "--since", "yesterday"])
        .expect(USAGE, &["2026-11-21T16:03:07Z"]);

    bench.run(&["down"]).expect(PASSED, &[]);
    assert_eq!(follower.finish().expect(PASSED, &[]).out, all);
    assert_eq!(out(&["logs"]), all);
}

#[test]
fn logs_go_on_over_restarts_and_hold_last_words() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        r#"
services:
    web:
      command: [sh, -c, "echo x >> HERE/trace; n=$$(wc -l < HERE/trace); printf \"start $$n\"; touch HERE/said-$$n; [ $$n -ge 3 ] && exec sleep 1000; exit 1"]
      restart: always
"#,
    );
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    // A line is there when it is whole, or when its writer has ended.
    eventually("two have ended", || {
        bench.run(&["logs", "web"]).out == "start 1\nstart 2\n"
    });
    eventually("the third has spoken", || bench.path("said-3").exists());
    bench.run(&["down"]).expect(PASSED, &[]);
    assert_eq!(
        bench.run(&["logs", "web"]).out,
        "start 1\nstart 2\nstart 3\n"
    );
}

#[test]
fn a_log_is_bounded_and_ends_with_the_last_words() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        "services: { web: { command: [sh, -c, \"yes 'a line of text' | head -c 90000000; echo the end\"] } }\n",
    );
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    eventually("it is said", || {
        bench
            .run(&["logs", "web", "--tail", "1"])
            .out
            .ends_with("the end\n")
    });
    let logs = bench.home().join("systems/shop/logs");
    let bytes: u64 = ["web.log", "web.log.1"]
        .iter()
        .map(|name| std::fs::metadata(logs.join(name)).unwrap().len())
        .sum();
    assert!(bytes > 32 << 20, "{bytes}");
    assert!(bytes <= 64 << 20, "{bytes}");
}

#[test]
fn the_system_that_is_meant_is_found_by_its_services() {
    let bench = Bench::new();
    let text = |name: &str| {
        format!("services: {{ {name}: {{ command: [sh, -c, 'echo {name}; exec sleep 1000'] }} }}\n")
    };
    bench.write("one/compose.yaml", &text("ada"));
    bench.write("two/compose.yaml", &text("bob"));
    bench.run(&["up", "one"]).expect(PASSED, &[]);
    bench.run(&["up", "two"]).expect(PASSED, &[]);
    eventually("bob has spoken", || {
        bench.run(&["logs", "bob"]).out == "bob\n"
    });
    bench
        .run(&["logs"])
        .expect(USAGE, &["one, two", "--system"]);
    assert_eq!(bench.run(&["logs", "--system", "one"]).out, "ada | ada\n");
    bench
        .run(&["logs", "ada", "bob"])
        .expect(USAGE, &["`ada`, `bob`", "--system"]);
    bench.run(&["down", "one"]).expect(PASSED, &[]);
    bench.run(&["logs"]).expect(PASSED, &["bob | bob"]);
}
