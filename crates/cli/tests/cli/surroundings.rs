//! Where and when an experiment asks: all the time while something is broken, and at endpoints that
//! were there before.

use serde_json::{Value, json};

use crate::shop::{bench, experiment, fault, process, run_json, touch, up};
use crate::support::{Bench, DEVIATED, INCONCLUSIVE, PASSED, USAGE};

const CONTINUOUSLY: &str = "continuously";

fn continuously() -> Value {
    json!({ "hypothesis": { "strategy": CONTINUOUSLY, "frequency": "50ms" } })
}

/// What was seen of the hypothesis' only probe during the method.
fn during(result: &Value) -> Vec<Value> {
    let probes = result["hypothesis"].as_array().unwrap();
    let during = probes.iter().filter(|probe| probe["when"] == "during");
    during.cloned().collect()
}

#[test]
fn what_holds_before_and_after_may_not_hold_in_between() {
    let bench = bench();
    up(&bench);
    let mut breaks = touch(&bench, "broken");
    breaks["pauses"] = json!({ "after": "500ms" });
    let mends = process("mend", &["rm", bench.path("broken").to_str().unwrap()]);
    let method = [breaks, mends];
    let file = experiment(&bench, &method, json!({}));
    let result = run_json(&bench, &file).expect(PASSED, &[]).json();
    assert_eq!(during(&result), [] as [Value; 0]);

    let file = experiment(&bench, &method, json!({ "runtime": continuously() }));
    let outcome = run_json(&bench, &file).expect(DEVIATED, &[]);
    let result = outcome.json();
    let seen = during(&result);
    assert_eq!(seen.len(), 1, "{seen:?}");
    let detail = seen[0]["holds"]["detail"].as_str().unwrap();
    assert_eq!(seen[0]["holds"]["observed"], "no");
    assert!(detail.contains("samples, first at"), "{detail}");
}

#[test]
fn a_probe_without_an_answer_during_the_method_proves_nothing() {
    let bench = bench();
    up(&bench);
    let script = bench.write("ask.sh", "test ! -e HERE/silent || sleep 1000\n");
    let asks = json!({
        "type": "probe", "name": "asks", "tolerance": 0,
        "provider": { "type": "process", "path": "sh", "arguments": [script], "timeout": "300ms" },
    });
    let mut silences = touch(&bench, "silent");
    silences["pauses"] = json!({ "after": "1s" });
    let speaks = process("speak", &["rm", bench.path("silent").to_str().unwrap()]);
    let file = experiment(
        &bench,
        &[silences, speaks],
        json!({
            "runtime": continuously(),
            "steady-state-hypothesis": { "title": "it answers", "probes": [asks] },
        }),
    );
    let result = run_json(&bench, &file).expect(INCONCLUSIVE, &[]).json();
    assert_eq!(during(&result)[0]["holds"]["observed"], "unknown");
}

#[test]
fn a_sampled_probe_that_always_holds_says_how_often_it_was_asked() {
    let bench = bench();
    up(&bench);
    let mut pause = fault("process-pause", json!({ "resume-after": "300ms" }));
    pause["pauses"] = json!({ "after": "500ms" });
    let file = experiment(&bench, &[pause], json!({ "runtime": continuously() }));
    let result = run_json(&bench, &file).expect(PASSED, &[]).json();
    let detail = during(&result)[0]["holds"]["detail"].clone();
    assert!(detail.as_str().unwrap().ends_with(" samples"), "{detail}");
}

#[test]
fn a_rollback_does_not_mend_what_the_hypothesis_looks_for() {
    let bench = bench();
    up(&bench);
    let breaks = touch(&bench, "broken");
    let mends = process("mend", &["rm", bench.path("broken").to_str().unwrap()]);
    let file = experiment(&bench, &[breaks], json!({ "rollbacks": [mends] }));
    run_json(&bench, &file).expect(DEVIATED, &[]);
    assert!(!bench.path("broken").exists());
}

/// An experiment that names endpoints and no system.
fn elsewhere(bench: &Bench, method: Value, endpoints: Value) -> String {
    let document = json!({
        "title": "Somebody else's shop", "description": "It is there already.",
        "endpoints": endpoints,
        "steady-state-hypothesis": { "title": "it answers", "probes": [{
            "type": "probe", "name": "it answers", "tolerance": 200,
            "provider": { "type": "http", "url": "http://shop:8000/" },
        }]},
        "method": [method],
    });
    let path = bench.write("elsewhere.json", &document.to_string());
    path.to_str().unwrap().to_owned()
}

#[test]
fn service_names_lead_to_endpoints_that_were_there_before() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        "services:
  web:
    command: [sh, -c, 'exec python3 -m http.server 8000 --bind $$OWN_HOST --directory HERE/shop']
    environment: { OWN_HOST: web }
    ports: ['8000']
    healthcheck:
      test: [CMD, python3, -c, 'from urllib.request import urlopen; urlopen(\"http://localhost:8000/\")']
      start_period: 30s
      start_interval: 100ms
",
    );
    up(&bench);
    let address = bench.instance("shop", "web").address;
    let endpoints = json!({ "services": { "shop": format!("{address}:8000") } });
    let method = process("nothing", &["true"]);
    let file = elsewhere(&bench, method.clone(), endpoints.clone());
    run_json(&bench, &file).expect(PASSED, &[]);

    // The same from a file of its own, over whatever the experiment names.
    let file = elsewhere(
        &bench,
        method,
        json!({ "services": { "shop": "127.0.0.1:1" } }),
    );
    run_json(&bench, &file).expect(INCONCLUSIVE, &["cannot connect"]);
    let side = bench.write("endpoints.json", &endpoints.to_string());
    let side = side.to_str().unwrap();
    bench
        .run(&["run", &file, "--endpoints", side])
        .expect(PASSED, &[]);
    // And the system was left alone.
    assert_eq!(bench.instance("shop", "web").address, address);
}

#[test]
fn a_fault_that_needs_a_process_is_refused_at_endpoints() {
    let bench = Bench::new();
    let file = elsewhere(&bench, fault("process-kill", json!({})), json!({}));
    bench.run(&["run", &file]).expect(
        USAGE,
        &[
            "`process-kill` needs a process to hit",
            "`endpoints` are not ours",
        ],
    );
}

#[test]
fn a_file_of_endpoints_or_bindings_that_is_wrong_is_told() {
    let bench = bench();
    let file = experiment(&bench, &[], json!({}));
    let wrong = bench.write("wrong.yaml", "bootstrap-server: h:9092\n");
    let wrong = wrong.to_str().unwrap();
    bench
        .run(&["run", &file, "--endpoints", wrong])
        .expect(USAGE, &["bootstrap-servers", "wrong.yaml:1"]);
    bench.run(&["run", &file, "--bindings", wrong]).expect(
        USAGE,
        &["`bootstrap-server` has to be a map", "wrong.yaml:1"],
    );
    let variable = bench.write("variable.yaml", "bootstrap-servers: '${kafka}'\n");
    let variable = variable.to_str().unwrap();
    bench.run(&["run", &file, "--endpoints", variable]).expect(
        USAGE,
        &["a file of endpoints takes no variables", "variable.yaml:1"],
    );
    let native = bench.write(
        "native.yaml",
        "chaoskafka.actions.delete_kafka_topic: { fault: process-kill }\n",
    );
    for command in ["run", "validate"] {
        let arguments = [command, &file, "--bindings", native.to_str().unwrap()];
        bench.run(&arguments).expect(
            USAGE,
            &[
                "`chaoskafka.actions.delete_kafka_topic` is native",
                "native.yaml:1",
            ],
        );
    }
    bench
        .run(&["run", &file, "--bindings", "absent.yaml"])
        .expect(USAGE, &["cannot read absent.yaml"]);
}

#[test]
fn a_bound_function_hits_the_local_system_and_says_so() {
    let bench = bench();
    up(&bench);
    let reboot = json!({
        "type": "action", "name": "reboot it",
        "provider": {
            "type": "python", "module": "cloud.actions", "func": "reboot",
            "arguments": { "machines": ["web", "beside"] },
        },
    });
    let file = experiment(&bench, &[reboot], json!({}));
    // Neither native nor bound, so it is a function in Python, which is not there.
    bench.run(&["run", &file]).expect(
        INCONCLUSIVE,
        &[
            "action `reboot it` could not be carried out",
            "No module named 'cloud'",
        ],
    );
    let bindings = bench.write(
        "bindings.yaml",
        "cloud.actions.reboot: { for-each: machines, fault: process-restart, target: { service: '${machines}' }, restart-after: 1s }",
    );
    let wrong = bench.write(
        "wrong.yaml",
        "cloud.actions.reboot: { fault: process-kill, target: { service: web }, signal: SIGTREM }",
    );
    let arguments = ["validate", &file, "--bindings", wrong.to_str().unwrap()];
    bench
        .run(&arguments)
        .expect(USAGE, &["wrong.yaml: `SIGTREM` is no signal"]);
    let arguments = ["validate", &file, "--bindings", bindings.to_str().unwrap()];
    bench.run(&arguments).expect(PASSED, &["valid"]);
    let arguments = ["run", &file, "--bindings", bindings.to_str().unwrap()];
    bench.run(&arguments).expect(
        PASSED,
        &[
            "`cloud.actions.reboot` is process-restart of service web on this system",
            "`cloud.actions.reboot` is process-restart of service beside on this system",
        ],
    );
}
