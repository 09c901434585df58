//! `detective-pikachu`: reads new orders, decides them, and produces each with its new state.
//!
//! As published (`ON_POISON=retry`) a record that cannot be read is an error like any other: it is
//! tried again, at once and for ever. With `ON_POISON=park` it goes to the dead-letter topic, and
//! only what may pass is tried again, with growing pauses (see [`crate::worker`]).

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use prometheus_client::registry::Registry;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use serde::Deserialize;
use serde_json::Value;
use tracing::warn;

use crate::exposition;
use crate::fraud;
use crate::metrics::{Consumption, Production};
use crate::producer::{self, Acks, ProducerSettings, deliver};
use crate::program::Program;
use crate::setting::{Environment, Problems};
use crate::stop::Stop;
use crate::topics::{DETECTIVE_GROUP, POKE_ORDERS, POKE_ORDERS_DLQ, POKE_ORDERS_STATE};
use crate::worker::{Failure, Handle, OnPermanent, Remedy, Worker};

/// The service and its settings.
#[derive(Debug)]
pub struct Detective {
    /// `KAFKA_BOOTSTRAP_SERVERS`, `CONSUMER_GROUP_ID`, `CONSUMER_TOPIC`.
    pub worker: Worker,
    /// `METRICS_LISTEN`: where metrics are shown, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// `PRODUCER_CLIENT_ID`, `IDEMPOTENCE`.
    pub producer: ProducerSettings,
    /// `PRODUCER_TOPIC`: where decided orders go.
    pub topic: String,
    /// `KEYED`: whether the order's id is the key.
    pub keyed: bool,
    /// `ON_POISON`: what is done with a record that can never be decided.
    pub on_poison: OnPermanent,
}

impl Program for Detective {
    const NAME: &'static str = "detective-pikachu";

    fn from_environment(mut environment: Environment) -> Result<Self, Problems> {
        let bootstrap = producer::bootstrap(&mut environment);
        let client_id = environment.text_or("PRODUCER_CLIENT_ID", Self::NAME);
        let topic = environment.text_or("PRODUCER_TOPIC", POKE_ORDERS_STATE);
        let keyed = environment.value_or("KEYED", false, "true or false");
        let idempotent = environment.value_or("IDEMPOTENCE", false, "true or false");
        let metrics = exposition::listen(&mut environment);
        let on_poison = OnPermanent::from_environment(&mut environment, "ON_POISON");
        let worker = Worker::from_environment(
            &mut environment,
            bootstrap.clone(),
            Self::NAME,
            POKE_ORDERS,
            DETECTIVE_GROUP,
            POKE_ORDERS_DLQ,
        );
        let detective = (|| {
            Some(Self {
                worker: worker?,
                metrics: metrics?,
                producer: ProducerSettings {
                    bootstrap: bootstrap?,
                    client_id: client_id?,
                    acks: Acks::All,
                    retries: producer::RETRIES_DEFAULT,
                    message_timeout: producer::MESSAGE_TIMEOUT_DEFAULT,
                    idempotent: idempotent?,
                },
                topic: topic?,
                keyed: keyed?,
                on_poison: on_poison?,
            })
        })();
        environment.finish(detective)
    }

    async fn health(self) -> anyhow::Result<()> {
        self.worker.health().await
    }

    async fn serve(self, stop: Stop) -> anyhow::Result<()> {
        let mut registry = Registry::default();
        let production = Production::register(&mut registry, &self.topic);
        let consumption = Consumption::register(&mut registry, &self.worker.topic);
        exposition::serve(self.metrics, registry, &stop).await?;
        let decisions = Decisions {
            producer: self.producer.create().context("cannot make a producer")?,
            settings: self.producer,
            topic: self.topic,
            keyed: self.keyed,
            on_poison: self.on_poison,
            production,
        };
        self.worker.run(stop, decisions, consumption).await
    }
}

struct Decisions {
    producer: FutureProducer,
    settings: ProducerSettings,
    topic: String,
    keyed: bool,
    on_poison: OnPermanent,
    production: Production,
}

impl Handle for Decisions {
    async fn handle(&mut self, message: &[u8]) -> Result<(), Failure> {
        let Decision { key, payload } =
            decide(message).map_err(|reason| self.failure(reason, true))?;
        let mut record = FutureRecord::to(&self.topic).payload(&payload);
        if self.keyed {
            record = record.key(&key);
        }
        let delivered = deliver(&self.producer, record).await;
        let delivered = self.production.count(delivered).map(drop);
        delivered.map_err(|reason| {
            self.replace_dead_producer();
            let is_permanent = reason.is_permanent();
            self.failure(reason.into(), is_permanent)
        })
    }
}

impl Decisions {
    /// An idempotent producer can fail for good: then a new one takes its place.
    fn replace_dead_producer(&mut self) {
        let Some((_, reason)) = self.producer.client().fatal_error() else {
            return;
        };
        match self.settings.create() {
            Ok(producer) => {
                warn!("the producer failed for good and is replaced: {reason}");
                self.producer = producer;
            }
            Err(cause) => warn!("the producer failed for good ({reason}), no new one: {cause}"),
        }
    }

    fn failure(&self, reason: anyhow::Error, is_permanent: bool) -> Failure {
        let remedy = match (self.on_poison, is_permanent) {
            (OnPermanent::Retry, _) => Remedy::RetryAfter(Duration::ZERO),
            (OnPermanent::Park, true) => Remedy::Park,
            (OnPermanent::Park, false) => Remedy::BackOff,
        };
        Failure { reason, remedy }
    }
}

/// A decided order, ready for the topic.
#[derive(Debug, PartialEq, Eq)]
pub struct Decision {
    /// The order's id.
    pub key: String,
    /// The order as it came, with its new state.
    pub payload: String,
}

/// Decides an order given as JSON; all its other fields stay as they are.
///
/// # Errors
/// The message is not a JSON object, or lacks a field that the rule needs.
pub fn decide(message: &[u8]) -> anyhow::Result<Decision> {
    #[derive(Deserialize)]
    struct Facts {
        price: f64,
        user_id: i64,
        pokemon: String,
    }
    let mut order: Value = serde_json::from_slice(message).context("the message is not JSON")?;
    let facts = Facts::deserialize(&order).context("the message is no order")?;
    let state = fraud::decide(facts.price, facts.user_id, &facts.pokemon);
    order["state"] = state.name().into();
    Ok(Decision {
        key: order["id"].to_string(),
        payload: order.to_string(),
    })
}
