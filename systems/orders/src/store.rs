//! The orders in PostgreSQL.
//!
//! 1. An order and its outbox row are committed in one transaction, or neither is.
//! 2. A conditional change of state is one statement: no other change can come between its check
//!    and its act.
//! 3. Timestamps are the database's, UTC, in a column without time zone as in the original.
//! 4. Every change of an order's state is written down by a trigger, in `poke_order_states`, also
//!    the deletion of an order, which it outlives (state `deleted`).
//! 5. No call takes longer than [`CALL_TIMEOUT`].
//!
//! As in the original there is no index on state and timestamp, although the reverser needs one.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{PgPool, Postgres, Transaction};
use tokio::time::timeout;
use tracing::info;

use crate::order::{NewOrder, Order, State};

/// How long a request waits for a free connection.
pub const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one call to the database may take, the wait for a connection included.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the tables may take to make at the start, the wait for the database included.
pub const MIGRATION_TIMEOUT: Duration = Duration::from_secs(60);

/// Connections of a program that makes one call at a time.
pub const CONNECTIONS_MIN: u32 = 1;

/// Connections of the API; the original's pool has 5 and up to 10 more.
pub const CONNECTIONS_API: u32 = 15;

/// Between two attempts to reach the database at the start.
const MIGRATION_RETRY: Duration = Duration::from_millis(250);

/// How many messages the relay takes at once.
const OUTBOX_BATCH_ROWS_MAX: i64 = 500;

/// The table of orders and, beside it, the outbox.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
}

/// Why a call to the database failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database said so, or could not be reached.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The database took too long; whether the call took effect is unknown.
    #[error(
        "the database did not answer within {CALL_TIMEOUT:?}; whether the call took effect is unknown"
    )]
    Timeout,
}

/// Whose clock tells whether an order has been pending for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryClock {
    /// This process's local time, compared with the UTC timestamps, as published: right only in
    /// UTC. East of it orders expire too early, west of it too late.
    Local,
    /// The database's, which wrote the timestamps.
    Database,
}

/// What became of a change of state.
#[derive(Debug, PartialEq)]
pub enum Change {
    /// The order has the state now, or had it already.
    Done(Order),
    /// The order has left `pending` for another state before.
    Refused(State),
    /// There is no such order.
    NoOrder,
}

/// Messages of the outbox, locked until [`OutboxBatch::settle`] or until dropped.
#[derive(Debug)]
pub struct OutboxBatch {
    transaction: Transaction<'static, Postgres>,
    /// The messages, oldest first.
    pub messages: Vec<OutboxMessage>,
}

/// One message that has to reach the topic.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxMessage {
    /// The outbox row.
    pub id: i64,
    /// The order, and the key of the message.
    pub order_id: i32,
    /// The message.
    pub payload: String,
}

/// How many there are of what the database has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Orders in each state that some order has.
    pub orders: Vec<(State, i64)>,
    /// Messages in the outbox.
    pub outbox: i64,
    /// Messages that were moved out of the outbox because they can never be sent.
    pub outbox_failed: i64,
}

/// The columns of an order, as [`OrderRow`] has them.
macro_rules! columns {
    () => {
        "id, user_id, pokemon, country, price, state::text, \
         to_char(timestamp, 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
    };
}

type OrderRow = (i32, i32, String, String, f64, String, String);

/// The tables; safe to run again, and by several processes at once.
const MIGRATION: &str = "
    select pg_advisory_xact_lock(8000);
    do $$ begin
        create type orderstate as enum ('pending', 'rejected', 'failed', 'success', 'reversed');
    exception when duplicate_object then null;
    end $$;
    create table if not exists poke_orders (
        id serial primary key,
        user_id int,
        pokemon varchar,
        country varchar,
        price float not null,
        state orderstate not null default 'pending',
        timestamp timestamp without time zone default (clock_timestamp() at time zone 'utc')
    );
    create index if not exists ix_poke_orders_user_id on poke_orders (user_id);
    create index if not exists ix_poke_orders_pokemon on poke_orders (pokemon);
    create index if not exists ix_poke_orders_country on poke_orders (country);
    create table if not exists poke_orders_outbox (
        id bigserial primary key,
        order_id int not null,
        payload text not null
    );
    create table if not exists poke_orders_outbox_failed (
        id bigint primary key,
        order_id int not null,
        payload text not null,
        reason text not null,
        at timestamptz not null default clock_timestamp()
    );
    create table if not exists poke_order_states (
        id bigserial primary key,
        order_id int not null,
        state text not null,
        at timestamptz not null default clock_timestamp()
    );
    create index if not exists ix_poke_order_states_order_id on poke_order_states (order_id);
    create or replace function poke_order_state_changed() returns trigger language plpgsql as $$
    begin
        if tg_op = 'DELETE' then
            insert into poke_order_states (order_id, state) values (old.id, 'deleted');
        else
            insert into poke_order_states (order_id, state) values (new.id, new.state::text);
        end if;
        return null;
    end $$;
    create or replace trigger poke_order_made_or_deleted after insert or delete on poke_orders
        for each row execute function poke_order_state_changed();
    create or replace trigger poke_order_state_changed after update of state on poke_orders
        for each row when (old.state is distinct from new.state)
        execute function poke_order_state_changed();
";

// === impl Store ===

impl Store {
    /// A pool of at most `connections`; nothing is connected yet.
    pub fn new(options: PgConnectOptions, connections: u32) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(options.ssl_mode(PgSslMode::Disable));
        Self { pool }
    }

    /// Makes the tables if they are not there; waits for the database up to
    /// [`MIGRATION_TIMEOUT`].
    pub async fn migrate(&self) -> Result<(), Error> {
        let mut last_error = Error::Timeout;
        let attempts = async {
            loop {
                match bounded(self.try_migrate()).await {
                    Ok(()) => return,
                    Err(error) => {
                        info!("waiting for the database: {error}");
                        last_error = error;
                        tokio::time::sleep(MIGRATION_RETRY).await;
                    }
                }
            }
        };
        let done = timeout(MIGRATION_TIMEOUT, attempts).await;
        done.map_err(|_| last_error)
    }

    async fn try_migrate(&self) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::raw_sql(MIGRATION).execute(&mut *transaction).await?;
        transaction.commit().await
    }

    /// Whether the database answers and has the table of orders.
    pub async fn check(&self) -> Result<(), Error> {
        let query = sqlx::query("select 1 from poke_orders limit 1");
        bounded(query.fetch_optional(&self.pool)).await.map(drop)
    }

    /// Stores a new order as pending.
    pub async fn insert(&self, order: &NewOrder) -> Result<Order, Error> {
        bounded(insert_order(&self.pool, order)).await
    }

    /// Stores a new order as pending, and its message in the outbox.
    pub async fn insert_with_message(&self, order: &NewOrder) -> Result<Order, Error> {
        bounded(async {
            let mut transaction = self.pool.begin().await?;
            let order = insert_order(&mut *transaction, order).await?;
            sqlx::query("insert into poke_orders_outbox (order_id, payload) values ($1, $2)")
                .bind(order.id)
                .bind(order.message())
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(order)
        })
        .await
    }

    /// Orders in the order of their ids, of one state or of all.
    pub async fn list(
        &self,
        state: Option<State>,
        skip: i64,
        limit: i64,
    ) -> Result<Vec<Order>, Error> {
        let query = sqlx::query_as(concat!(
            "select ",
            columns!(),
            " from poke_orders where $1::text is null or state = $1::text::orderstate \
             order by id offset $2 limit $3"
        ))
        .bind(state.map(State::name))
        .bind(skip)
        .bind(limit);
        let rows: Vec<OrderRow> = bounded(query.fetch_all(&self.pool)).await?;
        rows.into_iter().map(|row| Ok(order_of(row)?)).collect()
    }

    /// One order.
    pub async fn get(&self, id: i32) -> Result<Option<Order>, Error> {
        let query = sqlx::query_as(concat!(
            "select ",
            columns!(),
            " from poke_orders where id = $1"
        ))
        .bind(id);
        let row: Option<OrderRow> = bounded(query.fetch_optional(&self.pool)).await?;
        Ok(row.map(order_of).transpose()?)
    }

    /// Sets an order's state over whatever state it has, as published.
    pub async fn overwrite_state(&self, id: i32, state: State) -> Result<Change, Error> {
        let query = sqlx::query_as(concat!(
            "update poke_orders set state = $2::text::orderstate where id = $1 returning ",
            columns!()
        ))
        .bind(id)
        .bind(state.name());
        let row: Option<OrderRow> = bounded(query.fetch_optional(&self.pool)).await?;
        Ok(match row {
            Some(row) => Change::Done(order_of(row)?),
            None => Change::NoOrder,
        })
    }

    /// Sets a pending order's state; the same state again is done already.
    pub async fn leave_pending(&self, id: i32, state: State) -> Result<Change, Error> {
        let query = sqlx::query_as(concat!(
            "update poke_orders set state = $2::text::orderstate \
             where id = $1 and state in ('pending', $2::text::orderstate) returning ",
            columns!()
        ))
        .bind(id)
        .bind(state.name());
        let row: Option<OrderRow> = bounded(query.fetch_optional(&self.pool)).await?;
        match row {
            Some(row) => Ok(Change::Done(order_of(row)?)),
            None => Ok(match self.get(id).await? {
                Some(order) => Change::Refused(order.state),
                None => Change::NoOrder,
            }),
        }
    }

    /// Deletes all orders; returns how many.
    pub async fn delete_all(&self) -> Result<u64, Error> {
        let query = sqlx::query("delete from poke_orders");
        Ok(bounded(query.execute(&self.pool)).await?.rows_affected())
    }

    /// Reverses the orders that have been pending for longer than `expiry`; returns their ids.
    pub async fn reverse_expired(
        &self,
        expiry: Duration,
        clock: ExpiryClock,
    ) -> Result<Vec<i32>, Error> {
        let now = match clock {
            ExpiryClock::Local => Some(jiff::Zoned::now().datetime().to_string()),
            ExpiryClock::Database => None,
        };
        let query = sqlx::query_as(
            "update poke_orders set state = 'reversed' \
             where state = 'pending' \
             and timestamp < coalesce($2::timestamp, now() at time zone 'utc') \
             - make_interval(secs => $1) \
             returning id",
        )
        .bind(expiry.as_secs_f64())
        .bind(now);
        let rows: Vec<(i32,)> = bounded(query.fetch_all(&self.pool)).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// How many orders and messages there are.
    pub async fn census(&self) -> Result<Counts, Error> {
        let states = sqlx::query_as("select state::text, count(*) from poke_orders group by state");
        let outbox = sqlx::query_as(
            "select (select count(*) from poke_orders_outbox), \
             (select count(*) from poke_orders_outbox_failed)",
        );
        let states: Vec<(String, i64)> = bounded(states.fetch_all(&self.pool)).await?;
        let (outbox, outbox_failed): (i64, i64) = bounded(outbox.fetch_one(&self.pool)).await?;
        let orders = states
            .into_iter()
            .map(|(state, count)| Ok((state_of(&state)?, count)))
            .collect::<Result<_, sqlx::Error>>()?;
        Ok(Counts {
            orders,
            outbox,
            outbox_failed,
        })
    }

    /// Takes the oldest messages of the outbox that no other relay has taken.
    pub async fn outbox_batch(&self) -> Result<OutboxBatch, Error> {
        bounded(async {
            let mut transaction = self.pool.begin().await?;
            let rows: Vec<(i64, i32, String)> = sqlx::query_as(
                "select id, order_id, payload from poke_orders_outbox \
                 order by id limit $1 for update skip locked",
            )
            .bind(OUTBOX_BATCH_ROWS_MAX)
            .fetch_all(&mut *transaction)
            .await?;
            let messages = rows
                .into_iter()
                .map(|(id, order_id, payload)| OutboxMessage {
                    id,
                    order_id,
                    payload,
                })
                .collect();
            Ok(OutboxBatch {
                transaction,
                messages,
            })
        })
        .await
    }
}

// === impl OutboxBatch ===

impl OutboxBatch {
    /// Removes the messages with these outbox ids, and moves those that can never be sent to
    /// `poke_orders_outbox_failed`, each with its reason; the others are free again.
    pub async fn settle(mut self, sent: &[i64], failed: &[(i64, String)]) -> Result<(), Error> {
        let (failed, reasons): (Vec<i64>, Vec<&str>) = failed
            .iter()
            .map(|(id, reason)| (*id, reason.as_str()))
            .unzip();
        bounded(async {
            sqlx::query(
                "insert into poke_orders_outbox_failed (id, order_id, payload, reason) \
                 select id, order_id, payload, failed.reason from poke_orders_outbox \
                 join unnest($1::bigint[], $2::text[]) as failed (id, reason) using (id)",
            )
            .bind(&failed)
            .bind(&reasons)
            .execute(&mut *self.transaction)
            .await?;
            sqlx::query("delete from poke_orders_outbox where id = any($1) or id = any($2)")
                .bind(sent)
                .bind(&failed)
                .execute(&mut *self.transaction)
                .await?;
            self.transaction.commit().await
        })
        .await
    }
}

async fn bounded<T>(call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Error> {
    match timeout(CALL_TIMEOUT, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Error::Timeout),
    }
}

async fn insert_order(
    executor: impl sqlx::PgExecutor<'_>,
    order: &NewOrder,
) -> Result<Order, sqlx::Error> {
    let row: OrderRow = sqlx::query_as(concat!(
        "insert into poke_orders (user_id, pokemon, country, price) values ($1, $2, $3, $4) \
         returning ",
        columns!()
    ))
    .bind(order.user_id)
    .bind(&order.pokemon)
    .bind(&order.country)
    .bind(order.price)
    .fetch_one(executor)
    .await?;
    order_of(row)
}

fn state_of(name: &str) -> Result<State, sqlx::Error> {
    name.parse()
        .map_err(|error: String| sqlx::Error::Decode(error.into()))
}

fn order_of(row: OrderRow) -> Result<Order, sqlx::Error> {
    let (id, user_id, pokemon, country, price, state, timestamp) = row;
    Ok(Order {
        id,
        user_id,
        pokemon,
        country,
        price,
        state: state_of(&state)?,
        timestamp,
    })
}
