//! `detective-pikachu`: reads new orders, decides them, and produces each with its new state.
//!
//! A record that cannot be read is an error like any other: it is tried again, at once and for
//! ever, as published (see [`crate::worker`]).

use std::time::Duration;

use anyhow::Context;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use serde::Deserialize;
use serde_json::Value;

use crate::fraud;
use crate::producer::{self, Acks, ProducerSettings};
use crate::program::Program;
use crate::setting::{Environment, Problems};
use crate::stop::Stop;
use crate::worker::{Handle, Worker};

/// The service and its settings.
#[derive(Debug)]
pub struct Detective {
    /// `KAFKA_BOOTSTRAP_SERVERS`, `CONSUMER_GROUP_ID`, `CONSUMER_TOPIC`.
    pub worker: Worker,
    /// `PRODUCER_CLIENT_ID`, `IDEMPOTENCE`.
    pub producer: ProducerSettings,
    /// `PRODUCER_TOPIC`: where decided orders go.
    pub topic: String,
    /// `KEYED`: whether the order's id is the key.
    pub keyed: bool,
}

impl Program for Detective {
    const NAME: &'static str = "detective-pikachu";

    fn from_environment(mut environment: Environment) -> Result<Self, Problems> {
        let bootstrap = producer::bootstrap(&mut environment);
        let client_id = environment.text_or("PRODUCER_CLIENT_ID", Self::NAME);
        let topic = environment.text_or("PRODUCER_TOPIC", "poke-orders-state");
        let keyed = environment.value_or("KEYED", false, "true or false");
        let idempotent = environment.value_or("IDEMPOTENCE", false, "true or false");
        let worker = Worker::from_environment(
            &mut environment,
            bootstrap.clone(),
            Self::NAME,
            "poke-orders",
            "poke-order-consumer",
            Duration::ZERO,
        );
        let detective = (|| {
            Some(Self {
                worker: worker?,
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
            })
        })();
        environment.finish(detective)
    }

    async fn health(self) -> anyhow::Result<()> {
        self.worker.health().await
    }

    async fn serve(self, stop: Stop) -> anyhow::Result<()> {
        let decisions = Decisions {
            producer: self.producer.create().context("cannot make a producer")?,
            topic: self.topic,
            keyed: self.keyed,
        };
        self.worker.run(stop, decisions).await
    }
}

struct Decisions {
    producer: FutureProducer,
    topic: String,
    keyed: bool,
}

impl Handle for Decisions {
    async fn handle(&mut self, message: &[u8]) -> anyhow::Result<()> {
        let Decision { key, payload } = decide(message)?;
        let mut record = FutureRecord::to(&self.topic).payload(&payload);
        if self.keyed {
            record = record.key(&key);
        }
        let delivery = self.producer.send(record, Timeout::After(Duration::ZERO));
        let delivered = delivery.await.map_err(|(reason, _)| reason);
        delivered.with_context(|| format!("cannot produce to {}", self.topic))?;
        Ok(())
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
