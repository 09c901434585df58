//! The reverser's clocks, and a reverser without a database, as processes of their own.

use orders::order::{NewOrder, State};
use orders::store::Store;

use crate::support::postgres::{HOST, Postgres};
use crate::support::service::{Process, is_healthy};

const PROGRAM: &str = env!("CARGO_BIN_EXE_order-reversed");
const RUNS: &str = "poke_reversal_runs_total{result=\"success\"}";
const FAILED_RUNS: &str = "poke_reversal_runs_total{result=\"failure\"}";

/// An order of this age, in hours.
async fn place(postgres: &Postgres, store: &Store, hours: f64) -> i32 {
    let order = NewOrder {
        user_id: 1,
        pokemon: "mew".to_owned(),
        country: "Chile".to_owned(),
        price: 20.0,
    };
    let id = store.insert(&order).await.unwrap().id;
    sqlx::query(
        "update poke_orders set timestamp = timestamp - make_interval(secs => $2) where id = $1",
    )
    .bind(id)
    .bind(hours * 3600.0)
    .execute(&postgres.pool())
    .await
    .unwrap();
    id
}

/// Whether an order an hour old, and one two hours old, are reversed, when the expiry is 90 min.
async fn reversed(time_zone: &str, clock: &str) -> (bool, bool) {
    let postgres = Postgres::start();
    let store = postgres.store().await;
    let (young, old) = (
        place(&postgres, &store, 1.0).await,
        place(&postgres, &store, 2.0).await,
    );
    let port = postgres.port().to_string();
    let reverser = Process::start(
        PROGRAM,
        &[
            ("TZ", time_zone),
            ("EXPIRY_CLOCK", clock),
            ("DB_HOST", HOST),
            ("DB_PORT", &port),
            ("DB_USER", "postgres"),
            ("DB_PASSWORD", "any"),
            ("DB_NAME", "postgres"),
            ("EXPIRED_ORDER_TIME", "90"),
            ("REVERSAL_INTERVAL", "100ms"),
        ],
    );
    reverser.shows(RUNS, 2.0).await;
    let mut is_reversed = Vec::new();
    for id in [young, old] {
        let order = store.get(id).await.unwrap().unwrap();
        is_reversed.push(order.state == State::Reversed);
    }
    let count = is_reversed.iter().filter(|is| **is).count();
    reverser.shows("poke_reversed_total", count as f64).await;
    (is_reversed[0], is_reversed[1])
}

#[tokio::test]
async fn a_local_clock_is_right_in_utc_early_in_the_east_and_late_in_the_west() {
    assert_eq!(reversed("UTC", "local").await, (false, true));
    assert_eq!(reversed("JST-9", "local").await, (true, true));
    assert_eq!(reversed("EST5", "local").await, (false, false));
}

#[tokio::test]
async fn the_databases_clock_is_right_everywhere() {
    assert_eq!(reversed("JST-9", "database").await, (false, true));
    assert_eq!(reversed("EST5", "database").await, (false, true));
}

#[tokio::test]
async fn without_a_database_every_run_fails_and_nobody_is_told() {
    let names = [
        ("DB_USER", "user"),
        ("DB_PASSWORD", "any"),
        ("DB_NAME", "orders"),
    ];
    let mut variables = names.to_vec();
    variables.extend([("DB_HOST", ""), ("REVERSAL_INTERVAL", "50ms")]);
    let mut reverser = Process::start(PROGRAM, &variables);
    reverser.shows(FAILED_RUNS, 3.0).await;
    assert!(reverser.is_running());
    assert!(is_healthy(PROGRAM, &variables));

    // With the address of a database that is not there, it is told.
    let mut variables = names.to_vec();
    variables.extend([("DB_HOST", HOST), ("DB_PORT", "1")]);
    assert!(!is_healthy(PROGRAM, &variables));
}
