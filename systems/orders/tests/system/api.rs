//! The API over HTTP: its messages' keys, its paths, and what it counts.

use std::net::SocketAddr;
use std::time::Duration;

use orders::api::Api;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use serde_json::json;

use crate::support::eventually;
use crate::support::kafka::Kafka;
use crate::support::postgres::{self, Postgres};
use crate::support::service::{Running, free_address};

const TOPIC: &str = "poke-orders";

/// The API with its servers.
struct Served {
    address: SocketAddr,
    client: Client,
    running: Running,
    _postgres: Postgres,
}

impl Served {
    /// Serves, with these variables beside the addresses.
    async fn start(kafka: &Kafka, variables: &[(&str, &str)]) -> Self {
        let postgres = Postgres::start();
        let address = free_address();
        let (listen, bootstrap) = (address.to_string(), kafka.bootstrap());
        let (host, port) = (postgres::HOST, postgres.port());
        let database = format!("postgresql://postgres:any@{host}:{port}/postgres");
        let mut all = vec![
            ("LISTEN", listen.as_str()),
            ("KAFKA_BOOTSTRAP_SERVERS", &bootstrap),
            ("DATABASE_URL", &database),
            ("FLUSH_IN_EVENT_LOOP", "false"),
        ];
        all.extend(variables);
        let served = Self {
            address,
            client: Client::builder()
                .no_proxy()
                .redirect(Policy::none())
                .build()
                .unwrap(),
            running: Running::start::<Api>(&all),
            _postgres: postgres,
        };
        eventually("the API", async || {
            let health = served.client.get(served.url("/health")).send().await.ok()?;
            health.status().is_success().then_some(())
        })
        .await;
        served
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    fn post(&self, path: &str, pokemon: &str) -> reqwest::RequestBuilder {
        let order = json!({"user_id": 1, "pokemon": pokemon, "country": "Chile", "price": 20});
        self.client.post(self.url(path)).body(order.to_string())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_have_a_key_only_when_that_is_switched_on_also_as_published() {
    for (keyed, expected) in [("true", Some("1".to_owned())), ("false", None)] {
        let kafka = Kafka::new(&[TOPIC]);
        let api = Served::start(&kafka, &[("PRODUCE", "direct"), ("KEYED", keyed)]).await;
        let answer = api.post("/orders/", "mew").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(kafka.read(TOPIC, 1).await[0].key, expected, "{keyed}");
        api.running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_bodies_are_answered_as_documented() {
    let kafka = Kafka::new(&[TOPIC]);
    let api = Served::start(&kafka, &[("PRODUCE", "outbox")]).await;
    for (path, other) in [
        ("/orders/5/", "/orders/5"),
        ("/orders/5/?a=b%20c", "/orders/5?a=b%20c"),
        (
            "/list_orders/?skip=1&limit=2",
            "/list_orders?skip=1&limit=2",
        ),
        ("/create_order/", "/create_order"),
        ("/docs/", "/docs"),
        ("/openapi.json/", "/openapi.json"),
        ("/static/style.css/", "/static/style.css"),
        ("/health/", "/health"),
        ("/metrics/", "/metrics"),
    ] {
        let answer = api.get(path).await;
        assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT, "{path}");
        assert_eq!(answer.headers()["location"], other);
    }
    let answer = api.post("/create_order/", "mew").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT);
    for path in ["/orders", "/orders/", "/docs", "/list_orders"] {
        assert_eq!(api.get(path).await.status(), StatusCode::OK, "{path}");
    }
    for path in ["/nothing", "/nothing/", "/orders/5//", "//docs/"] {
        assert_eq!(
            api.get(path).await.status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }

    let statuses = [
        ("p".repeat(255), StatusCode::OK),
        ("p".repeat(256), StatusCode::UNPROCESSABLE_ENTITY),
        ("p".repeat(10_000), StatusCode::UNPROCESSABLE_ENTITY),
        ("p".repeat(2 * 1024 * 1024), StatusCode::PAYLOAD_TOO_LARGE),
    ];
    for (name, status) in statuses {
        let answer = api.post("/orders/", &name).send().await.unwrap();
        assert_eq!(answer.status(), status, "{} characters", name.len());
    }
    api.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_client_has_gone_is_counted() {
    let kafka = Kafka::new(&[TOPIC]);
    for broker in 1..=3 {
        // Late enough to be away; a port that is given up may be taken by another test's brokers.
        let late = Duration::from_secs(5);
        kafka.mock.broker_round_trip_time(broker, late).unwrap();
    }
    let switches = [("PRODUCE", "direct"), ("MESSAGE_TIMEOUT_MS", "1500")];
    let api = Served::start(&kafka, &switches).await;
    let given_up = api
        .post("/orders/", "mew")
        .timeout(Duration::from_millis(300))
        .send()
        .await;
    assert!(given_up.unwrap_err().is_timeout());
    let line = r#"poke_http_requests_total{method="POST",path="/orders/",status="200"} 1"#;
    eventually("a count", async || {
        let shown = api.get("/metrics").await.text().await.unwrap();
        shown.lines().any(|shown| shown == line).then_some(())
    })
    .await;
    api.running.stop().await;
}
