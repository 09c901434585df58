//! The orders in a real PostgreSQL: what changes are allowed, and what is written down of them.

use orders::order::{NewOrder, State};
use orders::store::{Change, Store};
use sqlx::PgPool;

use crate::support::postgres::Postgres;

async fn place(store: &Store) -> i32 {
    let order = NewOrder {
        user_id: 1,
        pokemon: "mew".to_owned(),
        country: "Chile".to_owned(),
        price: 20.0,
    };
    store.insert_with_message(&order).await.unwrap().id
}

/// Every state the order has had, oldest first.
async fn history(pool: &PgPool, id: i32) -> Vec<String> {
    let rows: Vec<(String,)> =
        sqlx::query_as("select state from poke_order_states where order_id = $1 order by id")
            .bind(id)
            .fetch_all(pool)
            .await
            .unwrap();
    rows.into_iter().map(|(state,)| state).collect()
}

#[tokio::test]
async fn with_the_state_machine_an_order_is_settled_once_and_redelivery_is_absorbed() {
    let postgres = Postgres::start();
    let store = postgres.store().await;
    let id = place(&store).await;
    for _ in 0..2 {
        let change = store.leave_pending(id, State::Success).await.unwrap();
        assert!(matches!(change, Change::Done(order) if order.state == State::Success));
    }
    let change = store.leave_pending(id, State::Reversed).await.unwrap();
    assert_eq!(change, Change::Refused(State::Success));
    let change = store.leave_pending(id + 1, State::Success).await.unwrap();
    assert_eq!(change, Change::NoOrder);
    assert_eq!(history(&postgres.pool(), id).await, ["pending", "success"]);
}

#[tokio::test]
async fn as_published_any_state_is_set_over_any_other_and_the_history_witnesses_it() {
    let postgres = Postgres::start();
    let store = postgres.store().await;
    // The tables may be made again, by any number of APIs.
    store.migrate().await.unwrap();
    let id = place(&store).await;
    for state in [State::Reversed, State::Success, State::Success] {
        store.overwrite_state(id, state).await.unwrap();
    }
    let survivor = place(&store).await;
    let counts = store.census().await.unwrap();
    assert_eq!((counts.outbox, counts.outbox_failed), (2, 0));
    let orders = counts.orders;
    let expected = [(State::Pending, 1), (State::Success, 1)];
    assert!(orders.len() == 2 && expected.iter().all(|count| orders.contains(count)));

    assert_eq!(store.delete_all().await.unwrap(), 2);
    let pool = postgres.pool();
    let expected = ["pending", "reversed", "success", "deleted"];
    assert_eq!(history(&pool, id).await, expected);
    assert_eq!(history(&pool, survivor).await, ["pending", "deleted"]);
}
