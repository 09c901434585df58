//! The order system on a real three-node Kafka cluster with PostgreSQL: what a verdict is worth.
//!
//! Each test brings the whole system up, so they take turns; the machine has two cores.

mod brokers;
mod flaws;
mod support;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use support::{Bench, DEVIATED, INCONCLUSIVE, Outcome, PASSED, USAGE, in_order};

/// What the order system is made of, built by `cargo build --workspace`.
const PROGRAMS: [&str; 7] = [
    "poke-order-api",
    "detective-pikachu",
    "order-updater",
    "order-reversed",
    "orders-topics",
    "orders-replay",
    "poke-synthetic-load",
];

static TURN: Mutex<()> = Mutex::new(());

/// Waits for its turn, and makes sure that what is run has been built.
fn turn() -> MutexGuard<'static, ()> {
    let built = Path::new(env!("CARGO_BIN_EXE_shaketable"));
    for program in PROGRAMS {
        let path = built.with_file_name(program);
        assert!(
            path.exists(),
            "{} is missing: run `cargo build --workspace` first",
            path.display()
        );
    }
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn orders() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systems/orders");
    root.canonicalize().unwrap()
}

/// An experiment as shipped, with these texts replaced.
fn document(bench: &Bench, name: &str, replacements: &[(&str, &str)]) -> String {
    let shipped = orders().join("experiments").join(name);
    let mut text = std::fs::read_to_string(shipped).unwrap();
    let compose = format!("system: {}", orders().join("compose.yaml").display());
    for (old, new) in [("system: ../compose.yaml", compose.as_str())]
        .iter()
        .chain(replacements)
    {
        assert!(text.contains(old), "no `{old}` in {name}");
        text = text.replace(old, new);
    }
    bench.write(name, &text).to_str().unwrap().to_owned()
}

/// The line of a document on which this is.
fn line_of(document: &str, text: &str) -> usize {
    let document = std::fs::read_to_string(document).unwrap();
    1 + document
        .lines()
        .position(|line| line.contains(text))
        .unwrap()
}

fn run(bench: &Bench, document: &str, variant: &str) -> Outcome {
    bench.run(&["run", document, "--variant", variant, "--format", "json"])
}

fn count(result: &Value, name: &str) -> u64 {
    let count = &result["ledger"][name];
    count.as_u64().unwrap_or_else(|| panic!("{name}: {count}"))
}

/// Fails unless every order is accounted for.
#[track_caller]
fn assert_balanced(result: &Value) {
    let sum = |names: &[&str]| names.iter().map(|name| count(result, name)).sum::<u64>();
    assert!(count(result, "acknowledged") > 0);
    let ledger = &result["ledger"];
    assert_eq!(
        count(result, "attempted"),
        sum(&["acknowledged", "failed", "indeterminate"]),
        "{ledger}"
    );
    assert_eq!(
        count(result, "acknowledged"),
        sum(&["settled", "unwanted", "stuck", "lost"]),
        "{ledger}"
    );
    assert_eq!(
        count(result, "indeterminate"),
        sum(&["resolved_plus", "resolved_minus"]),
        "{ledger}"
    );
}

/// Fails unless its one fault was seen to take effect and to be gone.
#[track_caller]
fn assert_real(result: &Value) {
    let faults = result["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 1);
    let fault = &faults[0];
    assert_eq!(
        (&fault["confirmed"], &fault["recovered"]),
        (&json!(true), &json!(true)),
        "{fault}"
    );
}

#[test]
fn one_cluster_is_broken_in_every_way_and_tells_the_truth() {
    let _turn = turn();
    let bench = Bench::new();
    let compose = orders().join("compose.yaml");
    bench
        .run(&["up", compose.to_str().unwrap(), "--variant", "fixed"])
        .expect(PASSED, &["`orders`", "variant fixed", "is ready"]);

    wrong_documents_are_refused(&bench);
    let last = a_killed_leader_costs_the_fixed_system_nothing(&bench);
    orders_that_a_query_hides_are_found(&bench, last);
    a_fault_without_effect_proves_nothing(&bench);
    a_paused_controller_goes_on(&bench);
    a_broker_that_a_killed_run_left_down_comes_back(&bench);

    bench.run(&["down"]).expect(PASSED, &["`orders` is down"]);
    assert_eq!(bench.alive(), [0; 0]);
}

/// A wrong topic and a wrong query are known only to the running system.
fn wrong_documents_are_refused(bench: &Bench) {
    let target = "leader-of: poke-orders/0";
    // What is replaced, by what, where that is marked, and a word of what is said about it.
    let wrong = [
        (
            target,
            "leader-of: poke-ordres/0",
            "leader-of:",
            "poke-ordres",
        ),
        (target, "leader-of: poke-orders/99", "leader-of:", "99"),
        (
            "topic: poke-orders-state",
            "topic: poke-states",
            "- name: poke-orders-state",
            "poke-states",
        ),
        (
            "state = 'reversed'",
            "stat = 'reversed'",
            "- name: reversed",
            "does not exist",
        ),
    ];
    for (old, new, marked, word) in wrong {
        let file = document(bench, "broker-kill.yaml", &[(old, new)]);
        let place = format!("broker-kill.yaml:{}:", line_of(&file, marked));
        run(bench, &file, "fixed").expect(USAGE, &[&place, word]);
    }
}

/// Returns the greatest id of an order so far.
fn a_killed_leader_costs_the_fixed_system_nothing(bench: &Bench) -> u64 {
    let file = document(
        bench,
        "broker-kill.yaml",
        &[("restart-after: 30s", "restart-after: 20s")],
    );
    let result = run(bench, &file, "fixed").expect(PASSED, &[]).json();
    assert_eq!(
        (&result["verdict"], &result["variant"]),
        (&json!("passed"), &json!("fixed"))
    );
    assert_balanced(&result);
    assert_real(&result);
    let fault = &result["faults"][0];
    assert!(
        fault["instance"].as_str().unwrap().starts_with("kafka-"),
        "{fault}"
    );
    assert!(
        fault["confirmation"]
            .as_str()
            .unwrap()
            .contains("poke-orders/0 is led by"),
        "{fault}"
    );
    assert_eq!(count(&result, "settled"), count(&result, "acknowledged"));
    assert!(result["recovery"]["longest_gap_s"].is_f64());
    let stages = result["ledger"]["stages"].as_object().unwrap();
    assert_eq!(stages.len(), 5);
    assert!(
        stages.values().all(|stage| stage["incomplete"].is_null()),
        "{stages:?}"
    );

    // The recorded facts give the same ledger again.
    let run = PathBuf::from(result["run"].as_str().unwrap());
    let id = run.file_name().unwrap().to_str().unwrap();
    let again = bench
        .run(&["ledger", id, "--format", "json"])
        .expect(PASSED, &[])
        .json();
    for (name, value) in again["counts"].as_object().unwrap() {
        if let Some(told) = result["ledger"].get(name) {
            assert_eq!(told, value, "{name}");
        }
    }
    assert_eq!(again["counts"]["attempted"], result["ledger"]["attempted"]);
    let settled = bench
        .run(&["ledger", id, "--fate", "settled", "--format", "json"])
        .expect(PASSED, &[])
        .json();
    let ids: Vec<u64> = settled
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(ids.len() as u64, count(&result, "settled"));
    ids.into_iter().max().unwrap()
}

/// Ten orders, placed well after the warm-up, are not shown by the query that is to find them.
fn orders_that_a_query_hides_are_found(bench: &Bench, last: u64) {
    let first = last + 600;
    let hiding = format!(
        "where state in ('success', 'rejected') and order_id not between {first} and {}",
        first + 9
    );
    let file = document(
        bench,
        "broker-kill.yaml",
        &[
            ("where state in ('success', 'rejected')", &hiding),
            ("fault: process-kill", "fault: process-pause"),
            (
                "target: { leader-of: poke-orders/0 }",
                "target: { service: order-updater }",
            ),
            ("restart-after: 30s", "resume-after: 5s"),
            (
                "method:\n  - type: action",
                "drain-timeout: 5s\nmethod:\n  - type: action",
            ),
        ],
    );
    let result = run(bench, &file, "fixed").expect(DEVIATED, &[]).json();
    assert_balanced(&result);
    assert_real(&result);
    assert_eq!(count(&result, "stuck"), 10, "{}", result["ledger"]);
    assert_eq!(
        count(&result, "settled") + 10,
        count(&result, "acknowledged")
    );
    let reasons = result["reasons"].to_string();
    assert!(reasons.contains("`no order is stuck`: 10"), "{reasons}");
    let stuck = bench
        .run(&["ledger", "--fate", "stuck", "--format", "json"])
        .expect(PASSED, &[])
        .json();
    let mut hidden: Vec<u64> = stuck
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap().parse().unwrap())
        .collect();
    hidden.sort();
    assert_eq!(hidden, (first..first + 10).collect::<Vec<_>>());
}

fn a_fault_without_effect_proves_nothing(bench: &Bench) {
    let file = document(
        bench,
        "broker-kill.yaml",
        &[
            ("fault: process-kill", "fault: noop"),
            ("restart-after: 30s", "ends-after: 1s"),
        ],
    );
    let result = run(bench, &file, "fixed").expect(INCONCLUSIVE, &[]).json();
    assert_eq!(result["verdict"], "inconclusive");
    assert_balanced(&result);
    let reasons = result["reasons"].to_string();
    assert!(reasons.contains("was not seen to take effect"), "{reasons}");
}

/// Whether a pause costs orders is the system's affair; that it was real and is over is ours.
fn a_paused_controller_goes_on(bench: &Bench) {
    let file = document(
        bench,
        "broker-kill.yaml",
        &[
            ("fault: process-kill", "fault: process-pause"),
            ("target: { leader-of: poke-orders/0 }", "target: controller"),
            ("restart-after: 30s", "resume-after: 12s"),
        ],
    );
    let outcome = run(bench, &file, "fixed");
    let result = outcome.json();
    assert!(
        ["passed", "deviated"].contains(&result["verdict"].as_str().unwrap()),
        "{outcome:?}"
    );
    assert_balanced(&result);
    assert_real(&result);
    assert_eq!(result["faults"][0]["target"], "controller");
}

fn a_broker_that_a_killed_run_left_down_comes_back(bench: &Bench) {
    let file = document(
        bench,
        "broker-kill.yaml",
        &[("restart-after: 30s", "restart-after: 1h")],
    );
    let mut run = bench.start(&["run", &file]);
    run.await_event("fault-confirmed");
    in_order(
        &run.events(),
        &["load-begun", "steady", "fault-applying", "fault-confirmed"],
    );
    run.signal(Signal::SIGKILL);
    assert_eq!(run.finish().code, None);
    let records = bench.fault_records();
    let record: Value = serde_json::from_slice(&std::fs::read(&records[0]).unwrap()).unwrap();
    let broker = record["hit"]["instance"].as_str().unwrap();
    assert!(bench.instance("orders", broker).held);

    let id = record["run"].as_str().unwrap();
    let told =
        format!("healed: process-kill of leader of poke-orders/0 ({broker}), applied by run {id}");
    bench
        .run(&["status"])
        .expect(PASSED, &[&told, "in sync: ["]);
    assert!(bench.fault_records().is_empty());
    let broker = bench.instance("orders", broker);
    assert!(!broker.held && broker.healthy == Some(true), "{broker:?}");
}

#[test]
fn the_flawed_system_pays_for_a_crash_with_orders() {
    let _turn = turn();
    let bench = Bench::new();
    let file = document(&bench, "broker-kill.yaml", &[]);
    let result = run(&bench, &file, "flawed").expect(DEVIATED, &[]).json();
    assert_balanced(&result);
    assert_real(&result);
    let reversed = count(&result, "unwanted");
    assert!(reversed > 0);
    let reasons = result["reasons"].to_string();
    assert!(
        reasons.contains(&format!(
            "`no order is reversed`: {reversed}, tolerated is 0"
        )),
        "{reasons}"
    );
    let findings = result["ledger"]["findings"].as_array().unwrap();
    let unwanted = findings
        .iter()
        .find(|one| one["kind"] == "UNWANTED")
        .unwrap();
    assert_eq!(unwanted["count"], reversed);
    assert_eq!(bench.alive(), [0; 0]);
}

#[test]
fn the_published_cure_survives_a_reboot() {
    let _turn = turn();
    let bench = Bench::new();
    let file = document(
        &bench,
        "broker-reboot.yaml",
        &[("restart-after: 40s", "restart-after: 15s")],
    );
    let result = run(&bench, &file, "fixed-topics")
        .expect(PASSED, &[])
        .json();
    assert_balanced(&result);
    assert_real(&result);
    assert_eq!(count(&result, "settled"), count(&result, "acknowledged"));
    assert_eq!(bench.alive(), [0; 0]);
}
