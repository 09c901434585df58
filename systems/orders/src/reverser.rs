//! `order-reversed`: sets orders that stayed pending for too long to `reversed`.
//!
//! Two flaws are as published: with `EXPIRY_CLOCK=local` the UTC timestamps are compared with the
//! local time of this process ([`ExpiryClock`]); and without `DB_HOST` every run fails, which
//! nobody is told but the log: the process lives on, and its health check, which the original
//! does not have, says nothing against it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, anyhow};
use prometheus_client::registry::Registry;
use sqlx::postgres::PgConnectOptions;
use tracing::{info, warn};

use crate::exposition;
use crate::metrics::Reversals;
use crate::program::Program;
use crate::setting::{Environment, Problems, Unit};
use crate::stop::Stop;
use crate::store::{self, ExpiryClock, Store};

/// The service and its settings.
#[derive(Debug)]
pub struct Reverser {
    /// `DB_HOST` and its companions; none when `DB_HOST` is not set.
    database: Option<PgConnectOptions>,
    /// `EXPIRY_CLOCK`: whose clock tells what has expired.
    clock: ExpiryClock,
    /// `EXPIRED_ORDER_TIME`: the age at which a pending order is reversed.
    expiry: Duration,
    /// `REVERSAL_INTERVAL`: how often expired orders are looked for.
    interval: Duration,
    /// `METRICS_LISTEN`: where metrics are shown, if anywhere.
    metrics: Option<SocketAddr>,
}

/// The original's default expiry.
const EXPIRY_DEFAULT: Duration = Duration::from_secs(30 * 60);

/// The original's interval.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(60);

impl Program for Reverser {
    const NAME: &'static str = "order-reversed";

    fn from_environment(mut environment: Environment) -> Result<Self, Problems> {
        let host = environment.text_or("DB_HOST", "");
        let port = environment.value_or("DB_PORT", 5432_u16, "a port number");
        let user = environment.text("DB_USER", "the database user's name");
        let password = environment.secret("DB_PASSWORD", "the database user's password", |text| {
            Some(text.to_owned())
        });
        let name = environment.text("DB_NAME", "the database's name");
        let clock = environment.parsed_or(
            "EXPIRY_CLOCK",
            ExpiryClock::Local,
            "local or database",
            |text| match text {
                "local" => Some(ExpiryClock::Local),
                "database" => Some(ExpiryClock::Database),
                _ => None,
            },
        );
        let metrics = exposition::listen(&mut environment);
        let expiry = environment.duration_or("EXPIRED_ORDER_TIME", EXPIRY_DEFAULT, Unit::Minutes);
        let interval =
            environment.duration_or("REVERSAL_INTERVAL", INTERVAL_DEFAULT, Unit::Minutes);
        let reverser = (|| {
            let host = host?;
            let options = PgConnectOptions::new_without_pgpass()
                .host(&host)
                .port(port?)
                .username(&user?)
                .password(&password?)
                .database(&name?);
            Some(Self {
                database: (!host.is_empty()).then_some(options),
                clock: clock?,
                expiry: expiry?,
                interval: interval?,
                metrics: metrics?,
            })
        })();
        environment.finish(reverser)
    }

    async fn health(self) -> anyhow::Result<()> {
        let Some(database) = self.database else {
            return Ok(());
        };
        Store::new(database, store::CONNECTIONS_MIN)
            .check()
            .await
            .context("the database does not answer, or has no table poke_orders")
    }

    async fn serve(self, stop: Stop) -> anyhow::Result<()> {
        let mut registry = Registry::default();
        let reversals = Reversals::register(&mut registry);
        exposition::serve(self.metrics, registry, &stop).await?;
        let store = self
            .database
            .map(|database| Store::new(database, store::CONNECTIONS_MIN));
        while !stop.pause(self.interval).await {
            let reversed = match &store {
                Some(store) => store
                    .reverse_expired(self.expiry, self.clock)
                    .await
                    .map_err(anyhow::Error::from),
                None => Err(anyhow!("DB_HOST is not set")),
            };
            reversals.count(reversed.as_ref().map(Vec::len));
            match reversed {
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
