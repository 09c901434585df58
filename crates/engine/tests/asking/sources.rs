//! Configuration and secrets that are found out before the run.

use serde_json::json;
use shaketable_engine::sources;

use crate::bench::{Bench, Server, experiment};

#[tokio::test]
async fn files_and_probes_give_values_in_their_order() {
    let bench = Bench::new();
    bench.file("password", "hunter2-hunter2\n");
    bench.file("all.json", r#"{"db": {"user": "robert"}}"#);
    let server = Server::start(vec![(200, json!({"host": "db-1"}))]).await;
    let experiment = experiment(&format!(
        r#"
configuration:
  fixed: one
  user: {{type: file, path: all.json, jsonpath: $.db.user}}
  greeting: {{type: probe, name: g, provider: {{type: process, path: echo, arguments: ["hello ${{user}} ${{fixed}}"]}}}}
  answer: {{type: probe, name: s, provider: {{type: http, url: "{}/"}}}}
  failed: {{type: probe, name: f, provider: {{type: process, path: 'false'}}}}
secrets:
  db:
    password: {{type: file, path: password}}
method:
- {{name: a, type: action, provider: {{type: process, path: echo, arguments: ["${{greeting}} ${{password}}"]}}}}
"#,
        server.url
    ));
    assert!(experiment.waits());
    let (found, warnings) = sources::find(&experiment, &bench.asker).await;
    let configuration = [
        ("user".to_owned(), json!("robert")),
        ("greeting".to_owned(), json!("hello robert one")),
        ("answer".to_owned(), json!({"host": "db-1"})),
    ];
    assert_eq!(found.configuration, configuration.into());
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("`failed`") && warnings[0].contains("status 1"),
        "{warnings:?}"
    );
    let redaction = &bench.asker.redaction;
    assert_eq!(redaction.text("x hunter2-hunter2"), "x ********");
    let experiment = experiment.with(&found).unwrap();
    let exposed = sources::exposed(&experiment, redaction);
    assert!(
        exposed.len() == 1 && exposed[0].contains("`a`"),
        "{exposed:?}"
    );
    assert!(!format!("{exposed:?}{found:?}").contains("hunter"));
}

const VAULT: &str = r#"
configuration:
  vault_addr: "URL"
  vault_role_id: r0le
  vault_role_secret: role-secret
secrets:
  one: {key: {type: vault, path: apps/one, key: password}}
  all: {type: vault, path: apps/one}
  none: {key: {type: vault, path: apps/one, key: nothing}}
method: []
"#;

#[tokio::test]
async fn vault_is_logged_in_to_once_and_everything_of_it_is_secret() {
    let secret = json!({"data": {"data": {"password": "hunter2-hunter2", "user": "robert"}}});
    let login = json!({"auth": {"client_token": "the-token"}});
    let server = Server::start(vec![(200, login), (200, secret)]).await;
    let bench = Bench::new();
    let experiment = experiment(&VAULT.replace("URL", &server.url));
    let (found, warnings) = sources::find(&experiment, &bench.asker).await;
    let values = |group: usize| serde_json::to_value(&found.secrets[group].1).unwrap();
    assert_eq!(values(0), json!({"key": "hunter2-hunter2"}));
    assert_eq!(
        values(1),
        json!({"password": "hunter2-hunter2", "user": "robert"})
    );
    assert_eq!(values(2), json!({}));
    assert!(warnings[0].contains("has no `nothing`"), "{warnings:?}");
    let requests = server.requests.lock().unwrap().clone();
    assert_eq!(requests.len(), 4);
    assert!(
        requests[0].starts_with("POST /v1/auth/approle/login "),
        "{}",
        requests[0]
    );
    assert!(
        requests[1].starts_with("GET /v1/secret/data/apps/one "),
        "{}",
        requests[1]
    );
    assert!(
        requests[1].contains("X-Vault-Token: the-token"),
        "{}",
        requests[1]
    );
    for secret in ["the-token", "robert", "role-secret"] {
        assert_eq!(bench.asker.redaction.text(secret), "********");
    }
}

#[tokio::test]
async fn a_vault_that_refuses_is_a_warning() {
    let server = Server::start(vec![(403, json!({"errors": ["permission denied"]}))]).await;
    let bench = Bench::new();
    let experiment = experiment(&VAULT.replace("URL", &server.url));
    let (found, warnings) = sources::find(&experiment, &bench.asker).await;
    assert!(found.secrets.iter().all(|(_, secrets)| secrets.is_empty()));
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(
        warnings[0].contains("does not let us in: permission denied"),
        "{warnings:?}"
    );
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_file_is_no_pipe_and_its_content_is_in_no_warning() {
    let bench = Bench::new();
    bench.file("broken.json", "hunter2-hunter2");
    let experiment = experiment(
        "secrets: {g: {a: {type: file, path: .}, b: {type: file, path: missing}, c: {type: file, path: broken.json, jsonpath: $.a}}}\nmethod: []\n",
    );
    let (_, warnings) = sources::find(&experiment, &bench.asker).await;
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(
        warnings[0].contains("it is no file of at most"),
        "{warnings:?}"
    );
    assert!(!warnings.concat().contains("hunter"), "{warnings:?}");
}
