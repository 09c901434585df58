//! chaostoolkit-toxiproxy: proxies and toxics, against a stand-in that keeps Toxiproxy's API.

use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};

use super::http::{Request, Server};
use super::{Bench, all_succeeded, entries, experiment, process, python_activity, run};

const PROXY_ACTIONS: &str = "chaostoxi.proxy.actions";
const PROXY_PROBES: &str = "chaostoxi.proxy.probes";
const TOXIC_ACTIONS: &str = "chaostoxi.toxic.actions";
/// What the stand-in says where Toxiproxy would choose a port.
const PORT: &str = "40123";

/// What Toxiproxy knows, and what it was asked for.
#[derive(Default)]
struct State {
    proxies: Map<String, Value>,
    asked: Vec<String>,
}

impl State {
    fn answer(&mut self, request: &Request) -> (u16, Value) {
        self.asked
            .push(format!("{} {}", request.method, request.path));
        let parts: Vec<&str> = request.path.split('/').skip(1).collect();
        let not_found = (404, json!({"error": "proxy not found", "status": 404}));
        match (request.method.as_str(), parts.as_slice()) {
            ("POST", ["proxies"]) => {
                let mut proxy = request.body.clone();
                let listen = proxy["listen"].as_str().unwrap_or_default();
                proxy["listen"] = json!(listen.replace(":0", &format!(":{PORT}")));
                proxy["toxics"] = json!([]);
                let name = proxy["name"].as_str().unwrap_or_default().to_owned();
                self.proxies.insert(name, proxy.clone());
                (201, proxy)
            }
            ("GET", ["proxies", name]) => match self.proxies.get(*name) {
                Some(proxy) => (200, proxy.clone()),
                None => not_found,
            },
            ("POST", ["proxies", name]) => match self.proxies.get_mut(*name) {
                Some(proxy) => {
                    let changes = request.body.as_object().cloned().unwrap_or_default();
                    proxy.as_object_mut().expect("a mapping").extend(changes);
                    (200, proxy.clone())
                }
                None => not_found,
            },
            ("DELETE", ["proxies", name]) => match self.proxies.remove(*name) {
                Some(_) => (204, Value::Null),
                None => not_found,
            },
            ("POST", ["proxies", name, "toxics"]) => match self.toxics(name) {
                Some(toxics) => {
                    toxics.push(request.body.clone());
                    (200, request.body.clone())
                }
                None => not_found,
            },
            ("DELETE", ["proxies", name, "toxics", toxic]) => match self.toxics(name) {
                Some(toxics) => {
                    toxics.retain(|one| one["name"] != **toxic);
                    (204, Value::Null)
                }
                None => not_found,
            },
            ("POST", ["reset"]) => {
                for proxy in self.proxies.values_mut() {
                    proxy["enabled"] = json!(true);
                    proxy["toxics"] = json!([]);
                }
                (204, Value::Null)
            }
            _ => (404, Value::Null),
        }
    }

    fn toxics(&mut self, proxy: &str) -> Option<&mut Vec<Value>> {
        self.proxies.get_mut(proxy)?["toxics"].as_array_mut()
    }
}

fn toxiproxy() -> (Server, Arc<Mutex<State>>) {
    let state = Arc::new(Mutex::new(State::default()));
    let answering = Arc::clone(&state);
    let server = Server::start(move |request| answering.lock().expect("no panic").answer(request));
    (server, state)
}

fn of_proxy(kind: &str, module: &str, function: &str, more: Value) -> Value {
    let mut arguments = json!({"proxy_name": "redis"});
    let more = more.as_object().expect("a mapping").clone();
    arguments.as_object_mut().expect("a mapping").extend(more);
    python_activity(kind, module, function, arguments)
}

#[test]
fn proxies_and_toxics_come_and_go() {
    let upstream = json!({"upstream_host": "127.0.0.1", "upstream_port": 6379});
    let latency = json!({"for_proxy": "redis", "toxic_name": "slow", "latency": 250, "jitter": 10});
    let slow = json!({"for_proxy": "redis", "toxic_name": "slow"});
    let method = [
        of_proxy("probe", PROXY_PROBES, "proxy_exist", json!({})),
        of_proxy("action", PROXY_ACTIONS, "create_proxy", upstream),
        of_proxy(
            "probe",
            PROXY_PROBES,
            "get_proxy_attribute",
            json!({"attribute": "listen"}),
        ),
        of_proxy("probe", PROXY_PROBES, "proxy_exist", json!({})),
        python_activity("action", TOXIC_ACTIONS, "create_latency_toxic", latency),
        of_proxy(
            "probe",
            PROXY_PROBES,
            "get_proxy_attribute",
            json!({"attribute": "toxics"}),
        ),
        python_activity("action", TOXIC_ACTIONS, "delete_toxic", slow),
        of_proxy("action", PROXY_ACTIONS, "disable_proxy", json!({})),
        of_proxy(
            "probe",
            PROXY_PROBES,
            "get_proxy_attribute",
            json!({"attribute": "enabled"}),
        ),
        python_activity("action", PROXY_ACTIONS, "reset", json!({})),
        of_proxy(
            "probe",
            PROXY_PROBES,
            "get_proxy_attribute",
            json!({"attribute": "enabled"}),
        ),
    ];
    let rollbacks = [of_proxy("action", PROXY_ACTIONS, "delete_proxy", json!({}))];
    let (server, state) = toxiproxy();
    let more = json!({"configuration": {"toxiproxy_url": server.url()}, "rollbacks": rollbacks});
    let (outcome, journal) = run(&Bench::new(), &experiment(&method, more), &[]);
    outcome.expect(0, &[]);
    let toxic = json!({
        "name": "slow",
        "type": "latency",
        "stream": "downstream",
        "toxicity": 1.0,
        "attributes": {"latency": 250, "jitter": 10},
    });
    let expected = [
        ("proxy_exist", json!(false)),
        ("create_proxy", json!(true)),
        ("get_proxy_attribute", json!(format!("0.0.0.0:{PORT}"))),
        ("proxy_exist", json!(true)),
        ("create_latency_toxic", json!(true)),
        ("get_proxy_attribute", json!([toxic])),
        ("delete_toxic", json!(true)),
        ("disable_proxy", json!(true)),
        ("get_proxy_attribute", json!(false)),
        ("reset", json!(true)),
        ("get_proxy_attribute", json!(true)),
    ];
    all_succeeded(&journal, "run", &expected);
    all_succeeded(&journal, "rollbacks", &[("delete_proxy", Value::Null)]);
    let state = state.lock().expect("no panic");
    assert_eq!(
        state.asked.last().map(String::as_str),
        Some("DELETE /proxies/redis")
    );
    assert!(state.proxies.is_empty());
}

#[test]
fn a_toxic_for_a_proxy_that_is_not_there_fails_alone() {
    let timeout = json!({"for_proxy": "redis", "toxic_name": "t", "timeout": 1});
    let method = [
        python_activity("action", TOXIC_ACTIONS, "create_timeout_toxic", timeout),
        process("after", "true", &[]),
    ];
    let (server, _) = toxiproxy();
    let configuration = json!({"configuration": {"toxiproxy_url": server.url()}});
    let (outcome, journal) = run(&Bench::new(), &experiment(&method, configuration), &[]);
    outcome.expect(0, &["Unable to create toxic for proxy: redis", "TypeError"]);
    let statuses: Vec<_> = entries(&journal, "run")
        .into_iter()
        .map(|entry| entry.1)
        .collect();
    assert_eq!(statuses, ["failed", "succeeded"]);
    let exception = journal["run"][0]["exception"].to_string();
    assert!(
        exception.contains("chaoslib.exceptions.ActivityFailed"),
        "{exception}"
    );
}
