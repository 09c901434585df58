//! Where the message of a new order goes when the order is stored.

use std::fmt;
use std::sync::Arc;

use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::sync::Notify;
use tracing::error;

use crate::event_loop::EventLoop;
use crate::metrics::Production;
use crate::order::{NewOrder, Order};
use crate::producer::deliver;
use crate::store::{self, Store};

/// Where the message of a new order goes.
pub(super) enum Outlet {
    /// To the topic, after the commit: a dual write, as published.
    Direct {
        producer: FutureProducer,
        topic: String,
        /// Whether a message has its order's id as key.
        keyed: bool,
        production: Production,
    },
    /// Into the outbox, committed with the order; the relay is told.
    Outbox { committed: Arc<Notify> },
}

impl Outlet {
    /// Stores a new order and sees to its message.
    ///
    /// # Errors
    /// The order was not stored, or that is unknown. As published, a message that could not be
    /// produced is logged and nothing else.
    pub(super) async fn place(
        &self,
        store: &Store,
        event_loop: &EventLoop,
        order: &NewOrder,
    ) -> Result<Order, store::Error> {
        match self {
            Outlet::Direct {
                producer,
                topic,
                keyed,
                production,
            } => {
                let order = store.insert(order).await?;
                let message = order.message();
                let key = order.id.to_string();
                let mut record = FutureRecord::to(topic).payload(&message);
                if *keyed {
                    record = record.key(&key);
                }
                let delivered = event_loop.block(deliver(producer, record)).await;
                if let Err(reason) = production.count(delivered) {
                    error!("order {} has no message: {reason}", order.id);
                }
                Ok(order)
            }
            Outlet::Outbox { committed } => {
                let order = store.insert_with_message(order).await?;
                committed.notify_one();
                Ok(order)
            }
        }
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Outlet::Direct { .. } => "direct",
            Outlet::Outbox { .. } => "outbox",
        })
    }
}
