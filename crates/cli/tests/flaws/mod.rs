//! Single flaws in the fixed system, found by their own experiments, and the published experiments in
//! the Chaos Toolkit's own form. Two of nine flaws: the others would cost CI three minutes each, and are `make flaws`.

use serde_json::{Value, json};

use crate::support::{Bench, DEVIATED, PASSED, eventually};
use crate::{assert_balanced, count, document, orders, run, turn};

/// The flawed run deviates because of that probe, the fixed one passes.
fn flips(name: &str, variant: &str, finding: &str, replacements: &[(&str, &str)]) -> [Value; 2] {
    let _turn = turn();
    let bench = Bench::new();
    let file = document(&bench, name, replacements);
    let flawed = run(&bench, &file, variant).expect(DEVIATED, &[]).json();
    let fixed = run(&bench, &file, "fixed").expect(PASSED, &[]).json();
    for result in [&flawed, &fixed] {
        assert_balanced(result);
        assert_all_real(result);
    }
    let reasons = flawed["reasons"].to_string();
    assert!(reasons.contains(&format!("`{finding}`")), "{reasons}");
    assert_eq!(bench.alive(), [0; 0]);
    [flawed, fixed]
}

/// Fails unless every fault was seen to take effect and to be gone.
#[track_caller]
fn assert_all_real(result: &Value) {
    for fault in result["faults"].as_array().unwrap() {
        let seen = (&fault["confirmed"], &fault["recovered"]);
        assert_eq!(seen, (&json!(true), &json!(true)), "{fault}");
    }
}

#[test]
fn a_record_that_cannot_be_read_is_parked_and_costs_nothing() {
    let finding = "the consumer group is less than 15 records behind on partition 1";
    let [flawed, fixed] = flips("corrupt-message.yaml", "only-poison", finding, &[]);
    assert!(count(&flawed, "unwanted") > 0, "{}", flawed["ledger"]);
    assert_eq!(count(&fixed, "settled"), count(&fixed, "acknowledged"));
}

#[test]
fn an_order_that_was_reversed_stays_reversed() {
    let finding = "no order has come to two ends";
    flips("state-race.yaml", "only-state-race", finding, &[]);
}

/// Brokers by their names in the Compose file, as an experiment gets them from its environment.
const BOOTSTRAP_SERVERS: &str = "kafka-1:9092,kafka-2:9092,kafka-3:9092";

/// Runs a plain experiment on the order system, with its pause shortened.
fn plain(bench: &Bench, name: &str, pause: (&str, &str), variant: &str) -> crate::support::Outcome {
    let shipped = orders().join("experiments/chaos-toolkit").join(name);
    let text = std::fs::read_to_string(shipped).unwrap();
    assert!(text.contains(pause.0), "no `{}` in {name}", pause.0);
    let file = bench.write(name, &text.replace(pause.0, pause.1));
    let compose = orders().join("compose.yaml");
    let arguments = [
        "run",
        file.to_str().unwrap(),
        "--system",
        compose.to_str().unwrap(),
        "--variant",
        variant,
        "--format",
        "json",
    ];
    let mut command = bench.command(&arguments);
    command
        .env("BOOTSTRAP_SERVERS", BOOTSTRAP_SERVERS)
        .env("MSK_CLUSTER_ARN", "arn:aws:kafka:here:1:cluster/orders");
    bench.start_command(command).finish()
}

#[test]
fn the_chaos_toolkits_own_experiments_run_as_they_are() {
    let _turn = turn();
    let bench = Bench::new();
    let compose = orders().join("compose.yaml");
    let compose = compose.to_str().unwrap();

    // Five users put the system under load, as the published workflow does.
    let up = [
        "up",
        compose,
        "--variant",
        "only-poison",
        "--profile",
        "load",
    ];
    bench.run(&up).expect(PASSED, &["is ready"]);
    let pause = ("after: 120", "after: 60");
    let outcome = plain(&bench, "corrupt-message.yaml", pause, "only-poison");
    let result = outcome.expect(DEVIATED, &["tolerated is true"]).json();
    assert_eq!(result["faults"].as_array().unwrap().len(), 0);
    // The rollback has taken the record out of the way, so the group catches up.
    let shipped = orders().join("experiments/chaos-toolkit/corrupt-message.yaml");
    let text = std::fs::read_to_string(shipped).unwrap();
    let asks = bench.write(
        "asks.yaml",
        &format!("{}method: []\n", text.split("method:").next().unwrap()),
    );
    eventually("the group catches up", || {
        let ask = ["run", asks.to_str().unwrap(), "--system", compose];
        let mut command = bench.command(&ask);
        command.env("BOOTSTRAP_SERVERS", BOOTSTRAP_SERVERS);
        bench.start_command(command).finish().code == Some(PASSED)
    });

    // A reboot in a cloud is a restart of the broker here, and the output says so.
    let pause = ("recovery_cluster_time: 300", "recovery_cluster_time: 5");
    let outcome = plain(&bench, "reboot-broker.yaml", pause, "only-poison");
    let told = "`chaosaws.msk.actions.reboot_msk_broker` is process-restart of broker 1";
    let result = outcome.expect(PASSED, &[told]).json();
    assert_eq!(result["faults"][0]["instance"], "kafka-1");
    bench.run(&["down"]).expect(PASSED, &[]);
    assert_eq!(bench.alive(), [0; 0]);
}
