//! `order-updater`: reads decided orders and writes their states through the API.
//!
//! As published it looks first and leaves reversed orders alone, and an order that the API does
//! not know is an error like any other: it is tried again for ever (see [`crate::worker`]).
//! An API with a state machine refuses late changes with 409, which is an end as well.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use tracing::info;

use crate::order::{State, StateChange};
use crate::producer;
use crate::program::Program;
use crate::setting::{Environment, Problems};
use crate::stop::Stop;
use crate::worker::{Handle, Worker};

/// The service and its settings.
#[derive(Debug)]
pub struct Updater {
    /// `KAFKA_BOOTSTRAP_SERVERS`, `CONSUMER_GROUP_ID`, `CONSUMER_TOPIC`.
    pub worker: Worker,
    /// `URL_POKE_ORDER_API`: the address of the orders, without a slash at the end.
    pub api: String,
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
            "poke-orders-state",
            "order-updater",
            RETRY_PAUSE,
        );
        let form = "the address of the orders, such as http://poke-order-api:8000/orders";
        let api = environment.text("URL_POKE_ORDER_API", form);
        if api.as_ref().is_some_and(|api| !api.starts_with("http://")) {
            environment.problem(format!(
                "URL_POKE_ORDER_API does not start with http://; it must be {form}"
            ));
        }
        let updater = (|| {
            Some(Self {
                worker: worker?,
                api: api?.trim_end_matches('/').to_owned(),
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
        };
        self.worker.run(stop, updates).await
    }
}

struct Updates {
    client: Client,
    api: String,
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

impl Handle for Updates {
    async fn handle(&mut self, message: &[u8]) -> anyhow::Result<()> {
        let Decided { id, state } =
            serde_json::from_slice(message).context("the message is no decided order")?;
        let url = format!("{}/{id}", self.api);
        let response = self.client.get(&url).send().await?.error_for_status()?;
        let standing: Standing = response.json().await?;
        if standing.state == State::Reversed {
            info!("order {id} is reversed already and does not become {state}");
            return Ok(());
        }
        let change = self.client.put(&url).json(&StateChange { state });
        let response = change.send().await?;
        match response.status() {
            StatusCode::CONFLICT => {
                info!("order {id} was settled before and does not become {state}");
                Ok(())
            }
            status if status.is_success() => Ok(()),
            status => bail!("PUT {url} was answered with {status}"),
        }
    }
}
