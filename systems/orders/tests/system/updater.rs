//! The updater and orders that are not there, messages that cannot be read, an API that is away.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use orders::updater::Updater;

use crate::support::eventually;
use crate::support::kafka::Kafka;
use crate::support::service::Running;
use crate::support::shop::Shop;

const STATES: &str = "poke-orders-state";
const DLQ: &str = "poke-orders-state-dlq";
const GROUP: &str = "order-updater";

const PARK: [(&str, &str); 2] = [("ON_POISON", "park"), ("ON_MISSING_ORDER", "park")];

fn updater(kafka: &Kafka, shop: &Shop, switches: &[(&str, &str)]) -> Running {
    let (bootstrap, url) = (kafka.bootstrap(), shop.url());
    let mut variables = vec![
        ("KAFKA_BOOTSTRAP_SERVERS", bootstrap.as_str()),
        ("URL_POKE_ORDER_API", url.as_str()),
    ];
    variables.extend(switches);
    Running::start::<Updater>(&variables)
}

async fn decide(kafka: &Kafka, id: i64) {
    let message = format!(r#"{{"id":{id},"state":"success"}}"#);
    kafka.add(STATES, 0, None, message.as_bytes(), &[]).await;
}

async fn changed(shop: &Shop, ids: &[i64]) {
    eventually(&format!("changes of {ids:?}"), async || {
        let changes = shop.with(|shelf| shelf.changes.clone());
        let changed: Vec<i64> = changes.iter().map(|(id, _)| *id).collect();
        (changed == ids).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_about_no_order_and_no_messages_at_all_are_parked() {
    let kafka = Kafka::new(&[STATES, DLQ]);
    let shop = Shop::open(&[(1, "pending"), (3, "pending"), (4, "reversed")]).await;
    for id in [1, 2, 4] {
        decide(&kafka, id).await;
    }
    kafka.add(STATES, 0, Some("5"), b"{", &[]).await;
    decide(&kafka, 3).await;

    let updater = updater(&kafka, &shop, &PARK);
    changed(&shop, &[1, 3]).await;
    let parked = kafka.read(DLQ, 2).await;
    let by_offset = |offset: &str| {
        let found = parked
            .iter()
            .find(|record| record.header("x-original-offset") == offset);
        found.unwrap().header("x-reason")
    };
    let missing = by_offset("1");
    assert!(missing.ends_with("there is no such order"), "{missing}");
    let unreadable = by_offset("3");
    assert!(unreadable.starts_with("the message is no decided order: "));
    updater
        .shows("poke_consumed_total{topic=\"poke-orders-state\"}", 5.0)
        .await;
    updater.stop().await;
    assert_eq!(
        kafka.committed(GROUP, STATES).await,
        BTreeMap::from([(0, 5)])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn as_published_a_deleted_order_blocks_its_partition() {
    let kafka = Kafka::new(&[STATES, DLQ]);
    let shop = Shop::open(&[(1, "pending"), (3, "pending")]).await;
    for id in [1, 2, 3] {
        decide(&kafka, id).await;
    }
    let updater = updater(&kafka, &shop, &[("ON_POISON", "park")]);
    let retried = "poke_retried_total{topic=\"poke-orders-state\"}";
    updater.shows(retried, 2.0).await;
    changed(&shop, &[1]).await;
    updater.stop().await;
    assert_eq!(
        kafka.committed(GROUP, STATES).await,
        BTreeMap::from([(0, 1)])
    );
    assert_eq!(kafka.count(DLQ).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_is_away_for_a_while_costs_no_message() {
    let kafka = Kafka::new(&[STATES, DLQ]);
    let shop = Shop::open(&[(1, "pending"), (2, "pending")]).await;
    shop.with(|shelf| shelf.refusals = vec![StatusCode::SERVICE_UNAVAILABLE; 3]);
    for id in [1, 2] {
        decide(&kafka, id).await;
    }
    let updater = updater(&kafka, &shop, &PARK);
    changed(&shop, &[1, 2]).await;
    updater.stop().await;
    assert_eq!(shop.with(|shelf| shelf.looks.clone()), [1, 1, 1, 1, 2]);
    assert_eq!(kafka.count(DLQ).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_again_changes_nothing_more() {
    let kafka = Kafka::new(&[STATES, DLQ]);
    let shop = Shop::open(&[(1, "pending"), (2, "pending")]).await;
    for id in [1, 1, 2] {
        decide(&kafka, id).await;
    }
    let updater = updater(&kafka, &shop, &PARK);
    changed(&shop, &[1, 1, 2]).await;
    updater.stop().await;
    let orders = shop.with(|shelf| shelf.orders.clone());
    assert!(
        orders.values().all(|state| state == "success"),
        "{orders:?}"
    );
}
