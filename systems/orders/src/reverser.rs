//! `order-reversed`: sets orders that stayed pending for too long to `reversed`.
//!
//! It differs from the original in one point: "too long" is told by the database's clock alone.
//! The original compares UTC timestamps with the local time of its own machine.

use std::time::Duration;

use anyhow::Context;
use sqlx::postgres::PgConnectOptions;
use tracing::{info, warn};

use crate::program::Program;
use crate::setting::{Environment, Problems, Unit};
use crate::stop::Stop;
use crate::store::{self, Store};

/// The service and its settings.
#[derive(Debug)]
pub struct Reverser {
    database: PgConnectOptions,
    /// `EXPIRED_ORDER_TIME`: the age at which a pending order is reversed.
    expiry: Duration,
    /// `REVERSAL_INTERVAL`: how often expired orders are looked for.
    interval: Duration,
}

/// The original's default expiry.
const EXPIRY_DEFAULT: Duration = Duration::from_secs(30 * 60);

/// The original's interval.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(60);

impl Program for Reverser {
    const NAME: &'static str = "order-reversed";

    fn from_environment(mut environment: Environment) -> Result<Self, Problems> {
        let host = environment.text("DB_HOST", "the database's host name or address");
        let port = environment.value_or("DB_PORT", 5432_u16, "a port number");
        let user = environment.text("DB_USER", "the database user's name");
        let password = environment.secret("DB_PASSWORD", "the database user's password", |text| {
            Some(text.to_owned())
        });
        let name = environment.text("DB_NAME", "the database's name");
        let expiry = environment.duration_or("EXPIRED_ORDER_TIME", EXPIRY_DEFAULT, Unit::Minutes);
        let interval =
            environment.duration_or("REVERSAL_INTERVAL", INTERVAL_DEFAULT, Unit::Minutes);
        let reverser = (|| {
            Some(Self {
                database: PgConnectOptions::new_without_pgpass()
                    .host(&host?)
                    .port(port?)
                    .username(&user?)
                    .password(&password?)
                    .database(&name?),
                expiry: expiry?,
                interval: interval?,
            })
        })();
        environment.finish(reverser)
    }

    async fn health(self) -> anyhow::Result<()> {
        Store::new(self.database, 1)
            .check()
            .await
            .context("the database does not answer, or has no table poke_orders")
    }

    async fn serve(self, stop: Stop) -> anyhow::Result<()> {
        let store = Store::new(self.database, store::CONNECTIONS_MIN);
        while !stop.pause(self.interval).await {
            match store.reverse_expired(self.expiry).await {
                Ok(reversed) if reversed.is_empty() => {}
                Ok(reversed) => info!(
                    "reversed {} orders pending for more than {:?}: {reversed:?}",
                    reversed.len(),
                    self.expiry
                ),
                Err(reason) => warn!("cannot look for expired orders: {reason:#}"),
            }
        }
        Ok(())
    }
}
