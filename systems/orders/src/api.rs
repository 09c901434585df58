//! `poke-order-api`: orders over HTTP.
//!
//! 1. `POST /orders/` answers 200 only when the order is committed. With `PRODUCE=outbox` its
//!    message is committed with it; with `PRODUCE=direct`, as published, the message is produced
//!    afterwards, and a failure to do so is logged and nothing else.
//! 2. A request runs to its end even when its client has gone, as in the original.
//! 3. Errors are JSON as FastAPI has it, `{"detail": ...}`; what is wrong with a request is told at
//!    once, with 422 ([`validation`]). The pages for people say it in HTML.
//! 4. `/docs` and `/openapi.json` are made from the routes themselves ([`document`]).
//!
//! It differs from the original in a few answers: an unknown `state` in a list is 422 instead of
//! 500; a form or a list for people that is wrong is answered with a page instead of JSON;
//! `/orders` and `/orders/` are the same. Every other path with a slash too many or too few is
//! redirected with 307, as there.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use axum::Router;
use axum::routing::{any, delete, get};
use prometheus_client::registry::Registry;
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tracing::{info, warn};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::docs::Docs;
use self::outlet::Outlet;
use self::scrape::Metrics;
use crate::event_loop::EventLoop;
use crate::exposition;
use crate::metrics::{Census, Production, Requests};
use crate::producer::{self, Acks, ProducerSettings};
use crate::program::Program;
use crate::relay::Relay;
use crate::setting::{Environment, Problems};
use crate::stop::Stop;
use crate::store::{self, Store};

pub mod field;
pub mod validation;

mod assets;
mod docs;
mod handler;
mod openapi;
mod outlet;
mod pages;
mod scrape;

/// The service and its settings.
#[derive(Debug)]
pub struct Api {
    /// `LISTEN`: where HTTP is served.
    pub listen: SocketAddr,
    /// `DATABASE_URL`.
    pub database: PgConnectOptions,
    /// `KAFKA_TOPIC`: where new orders go.
    pub topic: String,
    /// `KAFKA_BOOTSTRAP_SERVERS`, `KAFKA_CLIENT_ID`, `KAFKA_ACKS`, `RETRIES`,
    /// `MESSAGE_TIMEOUT_MS`.
    pub producer: ProducerSettings,
    /// `PRODUCE`: how an order's message gets to the topic.
    pub produce: Produce,
    /// `KEYED`: whether the messages have the order's id as their key.
    pub keyed: bool,
    /// `OUTBOX_MESSAGE_TIMEOUT_MS`: how long the relay waits for an acknowledgement; the
    /// published producer's `MESSAGE_TIMEOUT_MS` is for the dual write alone.
    pub outbox_message_timeout: Duration,
    /// `FLUSH_IN_EVENT_LOOP`: whether producing stalls every other request.
    pub flush_in_event_loop: bool,
    /// `STATE_MACHINE`: whether only pending orders change their state.
    pub state_machine: bool,
}

/// How an order's message gets to the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Produce {
    /// After the commit, by the request itself: a dual write, as published.
    Direct,
    /// From a table, committed with the order, by a [`Relay`].
    Outbox,
}

/// The original's `message.timeout.ms`.
const MESSAGE_TIMEOUT_DEFAULT: Duration = Duration::from_millis(2000);

/// The page that says what the API does.
const DOCS: &str = "/docs";

/// The document that page is made from.
const OPENAPI: &str = "/openapi.json";

/// What the pages look like.
const STATIC: &str = "/static/{file}";

/// What the requests share.
#[derive(Debug)]
struct Shared {
    store: Store,
    outlet: Outlet,
    event_loop: Arc<EventLoop>,
    state_machine: bool,
    metrics: Metrics,
}

// === impl Api ===

impl Program for Api {
    const NAME: &'static str = "poke-order-api";

    fn from_environment(mut environment: Environment) -> Result<Self, Problems> {
        let listen = environment.value_or(
            "LISTEN",
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8000)),
            "an IP address and a port, such as 0.0.0.0:8000",
        );
        let database = environment.secret(
            "DATABASE_URL",
            "postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
            |url| {
                let is_postgres =
                    url.starts_with("postgresql://") || url.starts_with("postgres://");
                is_postgres.then(|| url.parse().ok()).flatten()
            },
        );
        let bootstrap = producer::bootstrap(&mut environment);
        let topic = environment.text_or("KAFKA_TOPIC", "poke-orders");
        let client_id = environment.text_or("KAFKA_CLIENT_ID", "poke-producer");
        let acks = environment.parsed_or("KAFKA_ACKS", Acks::All, "all, 1 or 0", Acks::parse);
        let retries =
            environment.value_or("RETRIES", producer::RETRIES_DEFAULT, "a number of retries");
        let message_timeout = producer::message_timeout(&mut environment, MESSAGE_TIMEOUT_DEFAULT);
        let outbox_message_timeout = producer::outbox_message_timeout(&mut environment);
        let keyed = environment.value_or("KEYED", false, "true or false");
        let produce = environment.parsed_or(
            "PRODUCE",
            Produce::Direct,
            "direct or outbox",
            |text| match text {
                "direct" => Some(Produce::Direct),
                "outbox" => Some(Produce::Outbox),
                _ => None,
            },
        );
        let flush_in_event_loop =
            environment.value_or("FLUSH_IN_EVENT_LOOP", true, "true or false");
        let state_machine = environment.value_or("STATE_MACHINE", false, "true or false");
        if produce == Some(Produce::Outbox) {
            if acks.is_some_and(|acks| acks != Acks::All) {
                environment.problem(
                    "KAFKA_ACKS must be all with PRODUCE=outbox, whose producer is idempotent"
                        .to_owned(),
                );
            }
            if retries == Some(0) {
                environment.problem(
                    "RETRIES must be at least 1 with PRODUCE=outbox, whose producer is idempotent"
                        .to_owned(),
                );
            }
        }
        let api = (|| {
            Some(Self {
                listen: listen?,
                database: database?,
                topic: topic?,
                producer: ProducerSettings {
                    bootstrap: bootstrap?,
                    client_id: client_id?,
                    acks: acks?,
                    retries: retries?,
                    message_timeout: message_timeout?,
                    idempotent: produce? == Produce::Outbox,
                },
                produce: produce?,
                keyed: keyed?,
                outbox_message_timeout: outbox_message_timeout?,
                flush_in_event_loop: flush_in_event_loop?,
                state_machine: state_machine?,
            })
        })();
        environment.finish(api)
    }

    async fn health(self) -> anyhow::Result<()> {
        let mut address = self.listen;
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let url = format!("http://{address}/health");
        let client = reqwest::Client::builder().no_proxy().build()?;
        let response = client.get(&url).send().await?;
        ensure!(
            response.status().is_success(),
            "{url} answered {}",
            response.status()
        );
        Ok(())
    }

    async fn serve(self, stop: Stop) -> anyhow::Result<()> {
        let store = Store::new(self.database, store::CONNECTIONS_API);
        store.migrate().await.context("cannot make the tables")?;
        let mut registry = Registry::default();
        let production = Production::register(&mut registry, &self.topic);
        let metrics = Metrics {
            requests: Requests::register(&mut registry),
            census: Census::register(&mut registry),
            registry,
        };
        let event_loop = Arc::new(EventLoop::new(self.flush_in_event_loop));
        let (outlet, relay) = match self.produce {
            Produce::Direct => {
                let producer = self.producer.create().context("cannot make a producer")?;
                let topic = self.topic;
                let outlet = Outlet::Direct {
                    producer,
                    topic,
                    keyed: self.keyed,
                    production,
                };
                (outlet, None)
            }
            Produce::Outbox => {
                let committed = Arc::new(Notify::new());
                let relay = Relay {
                    store: store.clone(),
                    producer: ProducerSettings {
                        message_timeout: self.outbox_message_timeout,
                        ..self.producer
                    },
                    topic: self.topic,
                    keyed: self.keyed,
                    production,
                    event_loop: event_loop.clone(),
                    committed: committed.clone(),
                };
                let relay = tokio::spawn(relay.run(stop.clone()));
                (Outlet::Outbox { committed }, Some(relay))
            }
        };
        let shared = Shared {
            store,
            outlet,
            event_loop,
            state_machine: self.state_machine,
            metrics,
        };
        let listener = TcpListener::bind(self.listen)
            .await
            .with_context(|| format!("cannot listen on {}", self.listen))?;
        info!("serving on {}", self.listen);
        axum::serve(listener, router(Arc::new(shared)))
            .with_graceful_shutdown(async move { stop.ordered().await })
            .await?;
        if let Some(relay) = relay
            && let Err(reason) = relay.await
        {
            warn!("the relay of the outbox died: {reason}");
        }
        Ok(())
    }
}

/// What the API does: each operation with its route.
fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::with_openapi(openapi::empty())
        .routes(routes!(handler::list, handler::create))
        .routes(routes!(handler::read, handler::change))
        .routes(routes!(handler::delete_all))
        .routes(routes!(pages::show_form, pages::submit_form))
        .routes(routes!(pages::show_orders))
        .routes(routes!(handler::health))
}

/// The OpenAPI document of the service, as `/openapi.json` has it.
pub fn document() -> OpenApi {
    routes().into_openapi()
}

fn router(shared: Arc<Shared>) -> Router {
    let (router, document) = routes().split_for_parts();
    let docs = Docs::new(&document);
    let documented = document.paths.paths.keys().map(String::as_str);
    let paths: BTreeSet<&str> = documented
        .chain(["/orders", DOCS, OPENAPI, STATIC, exposition::PATH])
        .collect();
    let others = paths.iter().map(|path| handler::with_other_slash(path));
    let router = others
        .filter(|other| !paths.contains(other.as_str()))
        .fold(router, |router, other| {
            router.route(&other, any(handler::redirect))
        });
    router
        .route("/orders", get(handler::list).post(handler::create))
        .route("/orders/", delete(handler::delete_all))
        .route("/", get(pages::home))
        .route(DOCS, get(Docs::page).with_state(docs.clone()))
        .route(OPENAPI, get(Docs::document).with_state(docs))
        .route(STATIC, get(assets::file))
        .route(exposition::PATH, get(scrape::metrics))
        .fallback(handler::unknown_path)
        .method_not_allowed_fallback(handler::unknown_method)
        .layer(axum::middleware::from_fn_with_state(
            shared.clone(),
            handler::run_to_the_end,
        ))
        .layer(axum::middleware::from_fn_with_state(
            shared.clone(),
            scrape::count,
        ))
        .with_state(shared)
}
