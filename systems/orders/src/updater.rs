//! `order-updater`: reads decided orders and writes their states through the API.
//!
//! As published it looks first and leaves reversed orders alone. An API with a state machine
//! refuses late changes with 409, which is an end as well.
//!
//! As published (`ON_MISSING_ORDER=retry`) an order that the API does not know is tried again for
//! ever; with `park` its message goes to the dead-letter topic. `ON_POISON` decides the same about
//! a message that cannot be read or that the API calls wrong (see [`crate::worker`]).

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, anyhow};
use prometheus_client::registry::Registry;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use tracing::info;

use crate::exposition;
use crate::metrics::Consumption;
use crate::order::{State, StateChange};
use crate::producer;
use crate::program::Program;
use crate::setting::{Environment, Problems};
use crate::stop::Stop;
use crate::topics::{POKE_ORDERS_STATE, POKE_ORDERS_STATE_DLQ};
use crate::worker::{Failure, Handle, OnPermanent, Remedy, Worker};

/// The service and its settings.
#[derive(Debug)]
pub struct Updater {
    /// `KAFKA_BOOTSTRAP_SERVERS`, `CONSUMER_GROUP_ID`, `CONSUMER_TOPIC`.
    pub worker: Worker,
    /// `METRICS_LISTEN`: where metrics are shown, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// `URL_POKE_ORDER_API`: the address of the orders, without a slash at the end.
    pub api: String,
    /// `ON_POISON`: what is done with a message that can never be read.
    pub on_poison: OnPermanent,
    /// `ON_MISSING_ORDER`: what is done with a message about an order that is not there.
    pub on_missing_order: OnPermanent,
}

/// How long one request to the API may take. The original has no bound.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The original's pause after an error.
pub const RETRY_PAUSE: Duration = Duration::from_secs(5);

impl Program for Updater {
    const NAME: &'static str = "order-updater";

    fn from_environment(mut environment: Environment) -> Result<Self, Problems> {
        let bootstrap = producer::bootstrap(&mut environment);
        let worker = Worker::from_environment(
            &mut environment,
            bootstrap,
            Self::NAME,
            POKE_ORDERS_STATE,
            "order-updater",
            POKE_ORDERS_STATE_DLQ,
        );
        let form = "the address of the orders, such as http://poke-order-api:8000/orders";
        let api = environment.text("URL_POKE_ORDER_API", form);
        if api.as_ref().is_some_and(|api| !api.starts_with("http://")) {
            environment.problem(format!(
                "URL_POKE_ORDER_API does not start with http://; it must be {form}"
            ));
        }
        let metrics = exposition::listen(&mut environment);
        let on_poison = OnPermanent::from_environment(&mut environment, "ON_POISON");
        let on_missing_order = OnPermanent::from_environment(&mut environment, "ON_MISSING_ORDER");
        let updater = (|| {
            Some(Self {
                worker: worker?,
                metrics: metrics?,
                api: api?.trim_end_matches('/').to_owned(),
                on_poison: on_poison?,
                on_missing_order: on_missing_order?,
            })
        })();
        environment.finish(updater)
    }

    async fn health(self) -> anyhow::Result<()> {
        self.worker.health().await
    }

    async fn serve(self, stop: Stop) -> anyhow::Result<()> {
        let client = Client::builder()
            .no_proxy()
            .timeout(REQUEST_TIMEOUT)
            .build()?;
        let updates = Updates {
            client,
            api: self.api,
            on_poison: self.on_poison,
            on_missing_order: self.on_missing_order,
        };
        let mut registry = Registry::default();
        let consumption = Consumption::register(&mut registry, &self.worker.topic);
        exposition::serve(self.metrics, registry, &stop).await?;
        self.worker.run(stop, updates, consumption).await
    }
}

struct Updates {
    client: Client,
    api: String,
    on_poison: OnPermanent,
    on_missing_order: OnPermanent,
}

/// What the updater has to know of an order.
#[derive(Deserialize)]
struct Standing {
    state: State,
}

/// What the updater has to know of a message.
#[derive(Deserialize)]
struct Decided {
    id: i64,
    state: State,
}

/// Why the state of an order was not written.
#[derive(Debug, thiserror::Error)]
enum Unwritten {
    #[error("the message is no decided order")]
    Unreadable(#[source] serde_json::Error),
    #[error("{url} was answered with 404: there is no such order")]
    NoOrder { url: String },
    #[error("{url} was answered with {status}: the request is wrong")]
    Refused { url: String, status: StatusCode },
    #[error(transparent)]
    Transient(anyhow::Error),
}

impl Handle for Updates {
    async fn handle(&mut self, message: &[u8]) -> Result<(), Failure> {
        self.update(message).await.map_err(|unwritten| {
            let (on_permanent, is_permanent) = match &unwritten {
                Unwritten::Unreadable(_) | Unwritten::Refused { .. } => (self.on_poison, true),
                Unwritten::NoOrder { .. } => (self.on_missing_order, true),
                Unwritten::Transient(_) => (self.on_poison, false),
            };
            let remedy = match (on_permanent, is_permanent) {
                (OnPermanent::Retry, _) => Remedy::RetryAfter(RETRY_PAUSE),
                (OnPermanent::Park, true) => Remedy::Park,
                (OnPermanent::Park, false) => Remedy::BackOff,
            };
            Failure {
                reason: unwritten.into(),
                remedy,
            }
        })
    }
}

impl Updates {
    async fn update(&self, message: &[u8]) -> Result<(), Unwritten> {
        let Decided { id, state } =
            serde_json::from_slice(message).map_err(Unwritten::Unreadable)?;
        let url = format!("{}/{id}", self.api);
        let response = self.send(self.client.get(&url), &url).await?;
        if !response.status().is_success() {
            return Err(Unwritten::of(&response, url));
        }
        let standing: Standing = response
            .json()
            .await
            .with_context(|| format!("the answer of {url} is no order"))
            .map_err(Unwritten::Transient)?;
        if standing.state == State::Reversed {
            info!("order {id} is reversed already and does not become {state}");
            return Ok(());
        }
        let change = self.client.put(&url).json(&StateChange { state });
        let response = self.send(change, &url).await?;
        match response.status() {
            StatusCode::CONFLICT => {
                info!("order {id} was settled before and does not become {state}");
                Ok(())
            }
            status if status.is_success() => Ok(()),
            _ => Err(Unwritten::of(&response, url)),
        }
    }

    async fn send(&self, request: RequestBuilder, url: &str) -> Result<Response, Unwritten> {
        let response = request.send().await;
        response
            .with_context(|| format!("no answer from {url}"))
            .map_err(Unwritten::Transient)
    }
}

// === impl Unwritten ===

impl Unwritten {
    /// What an answer that is no success says about trying again.
    fn of(response: &Response, url: String) -> Self {
        match response.status() {
            StatusCode::NOT_FOUND => Self::NoOrder { url },
            status @ (StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY) => {
                Self::Refused { url, status }
            }
            status => Self::Transient(anyhow!("{url} was answered with {status}")),
        }
    }
}
