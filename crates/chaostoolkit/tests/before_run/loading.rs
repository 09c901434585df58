//! Experiments from servers, and notifications about them.

use crate::invocation::Place;
use crate::server::Server;

const EXPERIMENT: &str = r#"{"title": "t", "description": "d", "method": []}"#;

#[test]
fn the_content_type_chooses_the_parser() {
    let yaml = "title: t\ndescription: d\nmethod: []\n";
    let server = Server::start(
        "127.31.1.1",
        vec![
            (
                "GET /a",
                "200 OK",
                "application/json; charset=utf-8",
                EXPERIMENT.into(),
            ),
            ("GET /b", "200 OK", "text/yaml", yaml.into()),
            ("GET /c.json", "200 OK", "text/plain", yaml.into()),
            ("GET /d", "200 OK", "text/html", EXPERIMENT.into()),
            ("GET /e", "500 Oops", "text/plain", "broken".into()),
        ],
    );
    let place = Place::new();
    let validate = |path: &str| {
        let outcome = place.chaos(&["validate", &format!("{}{path}", server.url)]);
        let last = outcome.err.lines().last().unwrap_or_default().to_string();
        (outcome.code, last)
    };
    let valid = (
        0,
        "[INFO] experiment syntax and semantic look valid".to_string(),
    );
    assert_eq!(validate("/a"), valid);
    assert_eq!(validate("/b"), valid);
    assert_eq!(validate("/c.json"), valid);
    let unsupported = "chaoslib.exceptions.InvalidExperiment: only files with json, yaml or yml \
                       extensions are supported";
    assert_eq!(validate("/d"), (1, unsupported.to_string()));
    let failed = "[ERROR] Failed to fetch the experiment: broken";
    assert_eq!(validate("/e"), (1, failed.to_string()));
}

#[test]
fn the_settings_authorize_us_by_host_and_port() {
    let answer = (
        "GET /x",
        "200 OK",
        "application/json",
        EXPERIMENT.to_string(),
    );
    let server = Server::start("127.31.1.2", vec![answer]);
    let place = Place::new();
    let host = server.url.trim_start_matches("http://");
    place.file(
        "settings.yaml",
        &format!("auths:\n  {host}:\n    type: Token\n    value: abcdef123\n"),
    );
    let outcome = place.chaos(&["validate", &format!("{}/x", server.url)]);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let request = server.request();
    assert!(request.has("authorization: Token abcdef123"), "{request:?}");
    assert!(request.has("accept: application/json, application/x-yaml"));
}

#[test]
fn channels_are_told_of_the_events_they_want() {
    let server = Server::start("127.31.1.3", Vec::new());
    let place = Place::new();
    place.file(
        "settings.yaml",
        &format!(
            "notifications:\n- type: http\n  url: {0}/all\n  headers: {{X-Key: k}}\n- type: http\n  \
             url: {0}/failed\n  forward_event_payload: false\n  events: [validate-failed]\n",
            server.url
        ),
    );
    let path = place.file("x.json", r#"{"title": "t"}"#);
    assert_eq!(place.chaos(&["validate", &path]).code, 1);
    let started = server.request();
    assert_eq!(started.line, "POST /all");
    assert!(started.has("x-key: k"));
    let told: serde_json::Value = serde_json::from_str(&started.body).expect("a payload");
    assert_eq!(told["name"], "validate-started");
    assert_eq!(told["phase"], "validate");
    assert_eq!(told["payload"], serde_json::json!({"title": "t"}));
    let failed: serde_json::Value =
        serde_json::from_str(&server.request().body).expect("a payload");
    let error = "An exception was raised: InvalidExperiment('experiment requires a description')";
    assert_eq!(failed["error"], error);
    assert_eq!(server.request().line, "GET /failed");
    assert!(server.is_quiet());
}

#[test]
fn a_server_that_is_not_there_is_no_source() {
    let place = Place::new();
    let outcome = place.chaos(&["validate", "http://127.31.1.4:1/x.json"]);
    assert_eq!(outcome.code, 1);
    let last = outcome.err.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("requests.exceptions.ConnectionError: "),
        "{last}"
    );
}
