//! Secrets from a stand-in for Vault.

use shaketable_chaostoolkit::Problem;
use shaketable_chaostoolkit::environment::Environment;
use shaketable_chaostoolkit::logger::Logger;
use shaketable_chaostoolkit::redaction::Redaction;
use shaketable_chaostoolkit::secrets::load_secrets;
use shaketable_dialect::{Dict, Value, json};

use crate::invocation::Place;
use crate::server::{Answer, Server};

const LOGGED_IN: &str = r#"{"auth": {"client_token": "fresh-token"}}"#;

fn answer(line: &'static str, body: &str) -> Answer {
    (line, "200 OK", "application/json", body.to_string())
}

async fn load(server: &Server, configuration: &str, secret: &str) -> Result<Value, Problem> {
    let mut configuration = mapping(configuration);
    configuration.insert("vault_addr", server.url.as_str());
    let redaction = Redaction::default();
    let info = Value::Dict(mapping(&format!(r#"{{"g": {{"k": {secret}}}}}"#)));
    let secrets = load_secrets(
        &info,
        &configuration,
        &Dict::new(),
        &Environment::default(),
        &redaction,
        &Logger::silent(),
    )
    .await?;
    assert_eq!(redaction.text("the shhh-secret"), "the ********");
    let secret = secrets.get("g").and_then(|group| group.get("k"));
    Ok(secret.cloned().unwrap_or_default())
}

fn mapping(text: &str) -> Dict {
    let value = json::parse(text).expect("JSON of the test");
    value.as_dict().cloned().expect("a mapping")
}

#[tokio::test]
async fn version_2_is_read_with_a_token() {
    let body = r#"{"data": {"data": {"password": "shhh-secret", "user": "jane"}}}"#;
    let server = Server::start(
        "127.31.2.1",
        vec![answer("GET /v1/kv/data/foo/b%20r", body)],
    );
    let configuration = r#"{"vault_token": "tok", "vault_secrets_mount_point": "kv"}"#;
    let secret = r#"{"type": "vault", "path": "foo/b r"}"#;
    let whole = load(&server, configuration, secret).await;
    let expected = mapping(r#"{"password": "shhh-secret", "user": "jane"}"#);
    assert_eq!(whole, Ok(Value::Dict(expected)));
    let request = server.request();
    assert!(request.has("x-vault-token: tok") && request.has("x-vault-request: true"));
    let secret = r#"{"type": "vault", "path": "foo/b r", "key": "password"}"#;
    let one = load(&server, configuration, secret).await;
    assert_eq!(one, Ok("shhh-secret".into()));
}

#[tokio::test]
async fn version_1_is_read_after_an_approle_login() {
    let server = Server::start(
        "127.31.2.2",
        vec![
            answer("POST /v1/auth/approle/login", LOGGED_IN),
            answer("GET /v1/secret/foo", r#"{"data": {"k": "shhh-secret"}}"#),
        ],
    );
    let configuration =
        r#"{"vault_kv_version": 1, "vault_role_id": "r", "vault_role_secret": "s"}"#;
    let secret = r#"{"type": "vault", "path": "foo", "key": "k"}"#;
    assert_eq!(
        load(&server, configuration, secret).await,
        Ok("shhh-secret".into())
    );
    let login = server.request();
    assert_eq!(
        mapping(&login.body),
        mapping(r#"{"role_id": "r", "secret_id": "s"}"#)
    );
    assert!(server.request().has("x-vault-token: fresh-token"));
}

#[tokio::test]
async fn a_service_account_logs_in_with_its_token() {
    let server = Server::start(
        "127.31.2.3",
        vec![
            answer("POST /v1/auth/k8s/login", LOGGED_IN),
            answer(
                "GET /v1/secret/data/foo",
                r#"{"data": {"data": {"k": "shhh-secret"}}}"#,
            ),
        ],
    );
    let place = Place::new();
    let token = place.file("token", "jwt-text");
    let configuration = format!(
        r#"{{"vault_sa_role": "r", "vault_sa_token_path": "{token}", "vault_k8s_mount_point": "k8s"}}"#
    );
    let secret = r#"{"type": "vault", "path": "foo", "key": "k"}"#;
    assert_eq!(
        load(&server, &configuration, secret).await,
        Ok("shhh-secret".into())
    );
    let login = server.request();
    assert_eq!(
        mapping(&login.body),
        mapping(r#"{"role": "r", "jwt": "jwt-text"}"#)
    );
}

#[tokio::test]
async fn a_vault_that_does_not_let_us_in_is_told_as_the_reference_does() {
    let denied = (
        "GET /v1/secret/data/foo",
        "403 Forbidden",
        "application/json",
    );
    let body = r#"{"errors": ["permission denied"]}"#.to_string();
    let server = Server::start("127.31.2.4", vec![(denied.0, denied.1, denied.2, body)]);
    let secret = r#"{"type": "vault", "path": "foo"}"#;
    let problem = load(&server, r#"{"vault_token": "x"}"#, secret).await;
    let problem = problem.expect_err("it is forbidden");
    assert!(problem.is("hvac.exceptions.Forbidden") && !problem.is_chaos());
    let told = format!(
        "permission denied, on get {}/v1/secret/data/foo",
        server.url
    );
    assert_eq!(problem.to_string(), told);

    let configuration = r#"{"vault_role_id": "r", "vault_role_secret": "s"}"#;
    let problem = load(&server, configuration, secret).await;
    let problem = problem.expect_err("there is no such login");
    assert!(problem.is("InvalidExperiment"));
    let told = problem.to_string();
    assert!(
        told.starts_with("Failed to connect to Vault with the AppRole: "),
        "{told}"
    );
}
