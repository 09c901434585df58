//! chaostoolkit-prometheus: queries of a real Prometheus, and its control against a stand-in for the
//! Pushgateway.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::http::Server;
use super::support::eventually;
use super::{Bench, control, entries, experiment, process, python_activity, run};

const PROBES: &str = "chaosprometheus.probes";

const COMPOSE: &str = r#"
name: watch
services:
  prometheus:
    image: prom/prometheus:v2.42.0
    command: [--config.file=/etc/prometheus/prometheus.yml]
    volumes: ["./prometheus.yml:/etc/prometheus/prometheus.yml:ro"]
"#;

const SCRAPE_ITSELF: &str = r#"
global: { scrape_interval: 1s, scrape_timeout: 1s }
scrape_configs:
  - job_name: itself
    static_configs: [{ targets: ["localhost:9090"] }]
"#;

fn probe(function: &str, arguments: Value) -> Value {
    python_activity("probe", PROBES, function, arguments)
}

#[test]
fn a_real_prometheus_is_queried() {
    let bench = Bench::new();
    bench.write("watch/compose.yaml", COMPOSE);
    bench.write("watch/prometheus.yml", SCRAPE_ITSELF);
    bench.run(&["up", "watch"]).expect(0, &[]);
    let url = format!(
        "http://{}:9090",
        bench.instance("watch", "prometheus").address
    );
    let configuration = json!({"prometheus_base_url": url});

    let up = json!({"query": "up{job=\"itself\"}"});
    let mut met = probe("query", up.clone());
    met["name"] = json!("it is up");
    met["tolerance"] =
        json!({"type": "jsonpath", "path": "$.data.result[*].value[1]", "expect": ["1"]});
    let hypothesis = json!({"title": "Prometheus is up", "probes": [met]});
    let range = json!({"query": "up", "start": "2 minutes ago", "end": "now", "step": 1});
    let method = [
        probe("query", up),
        probe("query_interval", range),
        probe("query", json!({"query": "up{"})),
    ];
    let more = json!({"configuration": configuration, "steady-state-hypothesis": hypothesis});
    let experiment = experiment(&method, more);

    // Until it has looked at itself for the first time.
    let mut last = Value::Null;
    eventually("Prometheus has scraped itself", || {
        last = run(&bench, &experiment, &[]).1;
        last["steady_states"]["before"]["steady_state_met"] == true
    });
    assert_eq!(last["status"], "completed");
    assert_eq!(last["deviated"], false);
    let runs = entries(&last, "run");
    let statuses: Vec<_> = runs.iter().map(|run| run.1.as_str()).collect();
    assert_eq!(statuses, ["succeeded", "succeeded", "failed"]);
    assert_eq!(runs[0].2["data"]["result"][0]["metric"]["job"], "itself");
    assert_eq!(runs[1].2["data"]["resultType"], "matrix");
    let exception = last["run"][2]["exception"].to_string();
    assert!(exception.contains("Prometheus query"), "{exception}");
    assert!(exception.contains("parse error"), "{exception}");
}

/// The control tells the Pushgateway what became of the run.
#[test]
fn the_control_pushes_the_outcome() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let asking = Arc::clone(&asked);
    let gateway = Server::start(move |request| {
        let line = format!("{} {}", request.method, request.path);
        asking.lock().expect("no panic").push(line);
        (202, Value::Null)
    });
    let arguments = json!({"pushgateway_url": gateway.url(), "experiment_ref": "mine"});
    let pushing = control("chaosprometheus.metrics", arguments);
    let method = [process("act", "true", &[])];
    let experiment = experiment(&method, json!({"controls": [pushing]}));
    let (outcome, journal) = run(&Bench::new(), &experiment, &[]);
    outcome.expect(0, &[]);
    assert_eq!(journal["status"], "completed");
    let push = "PUT /metrics/job/chaostoolkit/chaostoolkit_experiment_ref/mine";
    assert_eq!(*asked.lock().expect("no panic"), [push, push]);
}
