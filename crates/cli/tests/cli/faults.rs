//! What single faults promise beyond being applied and recovered: they do not undo each other, they
//! are there until their end, they do something, and what they break is what they say.

use serde_json::{Value, json};

use crate::shop::{assert_well, bench, experiment, fault, process, run_json, up};
use crate::support::{Bench, INCONCLUSIVE, PASSED};

const BINARY: &str = env!("CARGO_BIN_EXE_shaketable");

#[test]
fn a_second_fault_on_the_same_instance_is_refused() {
    let bench = bench();
    up(&bench);
    let paused = fault("process-pause", json!({}));
    let throttled = fault("process-throttle", json!({ "resume-after": "100ms" }));
    let file = experiment(&bench, &[paused, throttled], json!({}));
    let result = run_json(&bench, &file)
        .expect(INCONCLUSIVE, &["web has the fault `process-pause` already"])
        .json();
    assert_eq!(result["faults"][0]["confirmed"], json!(true));
    assert_eq!(result["faults"][1]["applied_at"], json!(null));
    assert_well(&bench);
}

#[test]
fn a_fault_that_is_gone_before_its_end_proves_nothing() {
    let bench = bench();
    up(&bench);
    let pause = fault("process-pause", json!({}));
    // It is started again, and nobody pauses the new process.
    let kill = process("kill it", &[BINARY, "kill", "web"]);
    let await_it = process(
        "until it runs again",
        &[
            "sh",
            "-c",
            &format!(
                "until {BINARY} status --format json | grep -q '\"restarts\": 1'; do sleep 0.1; done"
            ),
        ],
    );
    let file = experiment(&bench, &[pause, kill, await_it], json!({}));
    let result = run_json(&bench, &file)
        .expect(INCONCLUSIVE, &["it was seen, but not until its end"])
        .json();
    assert_eq!(result["faults"][0]["recovered"], json!(true));
    assert_well(&bench);
}

fn environment(set: Value) -> Value {
    fault("process-environment", json!({ "set": set }))
}

#[test]
fn an_environment_that_changes_nothing_is_refused_and_leaves_nothing() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        "services: { web: { command: [sleep, '1000'], environment: { MOOD: good } } }",
    );
    up(&bench);
    let file = experiment(&bench, &[environment(json!({ "MOOD": "good" }))], json!({}));
    run_json(&bench, &file).expect(INCONCLUSIVE, &["web: it has these values already"]);
    assert_well(&bench);
    // Beside another one it is no hindrance, neither to confirming nor to recovering.
    let both = environment(json!({ "MOOD": "good", "PLACE": "elsewhere" }));
    let file = experiment(&bench, &[both], json!({}));
    run_json(&bench, &file).expect(PASSED, &[]);
    assert_well(&bench);
}

#[test]
fn names_in_a_new_environment_lead_where_they_lead_in_the_old_one() {
    let bench = bench();
    up(&bench);
    let file = experiment(
        &bench,
        &[environment(json!({ "PEER_HOST": "beside" }))],
        json!({}),
    );
    run_json(&bench, &file).expect(PASSED, &["web has another PEER_HOST"]);
    assert_well(&bench);
}

#[test]
fn the_journal_has_no_values_of_parameters() {
    let bench = bench();
    up(&bench);
    let file = experiment(
        &bench,
        &[environment(json!({ "PASSWORD": "se-cret" }))],
        json!({}),
    );
    run_json(&bench, &file).expect(PASSED, &[]);
    let journal = bench.runs()[0].join("journal.ndjson");
    let text = std::fs::read_to_string(journal).unwrap();
    assert!(
        text.contains("process-environment") && !text.contains("se-cret"),
        "{text}"
    );
}

#[test]
fn a_rollback_of_what_never_began_is_left_out() {
    let bench = bench();
    bench.write("broken", "");
    let call = |func: &str, arguments: Value| {
        json!({
            "type": "action", "name": func,
            "provider": { "type": "python", "module": "chaoskafka.actions", "func": func, "arguments": arguments },
        })
    };
    let mut produce = call(
        "produce_messages",
        json!({ "bootstrap_servers": "127.0.0.1:1", "topic": "t", "messages": ["m"] }),
    );
    produce["controls"] = json!([{ "name": "offsets", "provider": {
        "type": "python", "module": "chaoskafka.controls.get_production_offsets" } }]);
    let take = call(
        "consume_messages",
        json!({ "bootstrap_servers": "127.0.0.1:1", "topic": "t", "offset": "${earliest}" }),
    );
    let file = experiment(&bench, &[produce], json!({ "rollbacks": [take] }));
    run_json(&bench, &file).expect(
        INCONCLUSIVE,
        &[
            "nothing was broken",
            "left out, since what it would undo never began",
        ],
    );
    // When it did begin and failed, the rollback cannot be carried out, which is no pass.
    std::fs::remove_file(bench.path("broken")).unwrap();
    run_json(&bench, &file).expect(crate::ERROR, &["`${earliest}` has no value"]);
}

#[test]
fn a_probe_that_is_not_asked_while_something_is_broken_proves_nothing() {
    let bench = bench();
    up(&bench);
    let pause = fault("process-pause", json!({ "resume-after": "300ms" }));
    let rarely = json!({ "hypothesis": { "strategy": "continuously", "frequency": "10m" } });
    let file = experiment(&bench, &[pause], json!({ "runtime": rarely }));
    run_json(&bench, &file).expect(INCONCLUSIVE, &["was taken while anything was broken"]);
}

#[test]
fn locks_in_postgres_are_kept_and_released() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        "services: { web: { image: 'postgres:16', environment: { POSTGRES_PASSWORD: secret } } }",
    );
    up(&bench);
    let url = "postgresql://postgres:secret@web:5432/postgres";
    let ask = |name: &str, query: &str| json!({ "type": "action", "name": name, "provider": { "type": "postgres", "url": url, "query": query } });
    let lock = |query: &str| fault("postgres-lock", json!({ "url": url, "query": query }));
    let insert = "set lock_timeout = '200ms'; insert into items values (1)";

    let make = ask("make a table", "create table items (id int)");
    let file = experiment(
        &bench,
        &[
            make,
            ask("insert", insert),
            lock("lock table items in share mode"),
        ],
        json!({}),
    );
    run_json(&bench, &file).expect(PASSED, &["keeps the locks of 0 rows and 1 tables"]);
    // While it is locked nobody writes; afterwards everybody does.
    let locked = [
        lock("lock table items in share mode"),
        ask("insert", insert),
    ];
    let file = experiment(&bench, &locked, json!({}));
    run_json(&bench, &file).expect(INCONCLUSIVE, &["lock timeout"]);
    let file = experiment(
        &bench,
        &[
            ask("insert", insert),
            lock("select * from items for update"),
        ],
        json!({}),
    );
    run_json(&bench, &file).expect(PASSED, &["keeps the locks of 2 rows"]);
    assert_well(&bench);

    let file = experiment(
        &bench,
        &[lock("select * from items where id = 7 for update")],
        json!({}),
    );
    run_json(&bench, &file).expect(INCONCLUSIVE, &["locks nothing"]);
    assert!(bench.fault_records().is_empty());
}
