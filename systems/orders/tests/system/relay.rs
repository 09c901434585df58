//! The relay of the outbox: keys, and what its wait does to other requests.

use std::sync::Arc;
use std::time::Duration;

use orders::event_loop::EventLoop;
use orders::metrics::Production;
use orders::order::NewOrder;
use orders::producer::{Acks, DeliveryError, ProducerSettings, deliver};
use orders::relay::Relay;
use orders::stop::Stop;
use orders::store::Store;
use prometheus_client::registry::Registry;
use rdkafka::producer::FutureRecord;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::support::kafka::Kafka;
use crate::support::postgres::Postgres;
use crate::support::{AMPLE, eventually};

const TOPIC: &str = "poke-orders";

/// Long enough for a turn that is not blocked; a blocked one never comes by itself.
const NOT_YET: Duration = Duration::from_millis(200);

fn order() -> NewOrder {
    NewOrder {
        user_id: 1,
        pokemon: "mew".to_owned(),
        country: "Chile".to_owned(),
        price: 20.0,
    }
}

fn producer(bootstrap: String, message_timeout: Duration) -> ProducerSettings {
    ProducerSettings {
        bootstrap,
        client_id: "test".to_owned(),
        acks: Acks::All,
        retries: 3,
        message_timeout,
        idempotent: true,
    }
}

fn relay(kafka: &Kafka, store: &Store, keyed: bool, event_loop: &Arc<EventLoop>) -> Relay {
    Relay {
        store: store.clone(),
        producer: producer(kafka.bootstrap(), AMPLE),
        topic: TOPIC.to_owned(),
        keyed,
        production: Production::register(&mut Registry::default(), TOPIC),
        event_loop: event_loop.clone(),
        committed: Arc::new(Notify::new()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_have_a_key_only_when_that_is_switched_on() {
    let postgres = Postgres::start();
    let store = postgres.store().await;
    for keyed in [true, false] {
        let kafka = Kafka::new(&[TOPIC]);
        let placed = store.insert_with_message(&order()).await.unwrap();
        let (stopper, stop) = Stop::new();
        let event_loop = Arc::new(EventLoop::new(false));
        let relaying = tokio::spawn(relay(&kafka, &store, keyed, &event_loop).run(stop));
        let record = &kafka.read(TOPIC, 1).await[0];
        let key = keyed.then(|| placed.id.to_string());
        assert_eq!(record.key, key);
        assert_eq!(record.value.as_deref(), Some(placed.message().as_bytes()));
        eventually("an empty outbox", async || {
            let outbox = store.census().await.unwrap().outbox;
            (outbox == 0).then_some(())
        })
        .await;
        stopper.stop();
        relaying.await.unwrap();
    }
}

/// How late brokers answer that are as good as away.
const OUTAGE: std::time::Duration = std::time::Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_inside_the_event_loop_stalls_every_request_while_brokers_are_away() {
    let postgres = Postgres::start();
    let store = postgres.store().await;
    for blocks in [true, false] {
        let kafka = Kafka::new(&[TOPIC]);
        let event_loop = Arc::new(EventLoop::new(blocks));
        let (stopper, stop) = Stop::new();
        let relaying = tokio::spawn(relay(&kafka, &store, true, &event_loop).run(stop));
        // The producer knows its brokers before they go.
        store.insert_with_message(&order()).await.unwrap();
        kafka.read(TOPIC, 1).await;
        let brokers = 1..=3;
        // They stay where they are and answer late: a port that is given up may be taken by another
        // test's brokers before it is asked for again.
        let answer_after = |delay| {
            for broker in brokers.clone() {
                kafka.mock.broker_round_trip_time(broker, delay).unwrap();
            }
        };
        answer_after(OUTAGE);
        store.insert_with_message(&order()).await.unwrap();
        if blocks {
            eventually("a stalled request", async || {
                timeout(NOT_YET, event_loop.turn())
                    .await
                    .is_err()
                    .then_some(())
            })
            .await;
        } else {
            tokio::time::sleep(NOT_YET).await;
            timeout(AMPLE, event_loop.turn()).await.unwrap();
            let outbox = store.census().await.unwrap().outbox;
            assert_eq!(outbox, 1, "the message waits");
        }
        answer_after(std::time::Duration::ZERO);
        kafka.read(TOPIC, 2).await;
        timeout(AMPLE, event_loop.turn()).await.unwrap();
        stopper.stop();
        relaying.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_can_never_be_sent_gets_out_of_the_way() {
    let postgres = Postgres::start();
    let store = postgres.store().await;
    let kafka = Kafka::new(&[TOPIC]);
    let pool = postgres.pool();
    sqlx::query("insert into poke_orders_outbox (order_id, payload) values (7, $1)")
        .bind("x".repeat(2_000_000))
        .execute(&pool)
        .await
        .unwrap();
    let placed = store.insert_with_message(&order()).await.unwrap();
    let (stopper, stop) = Stop::new();
    let event_loop = Arc::new(EventLoop::new(false));
    let relaying = tokio::spawn(relay(&kafka, &store, true, &event_loop).run(stop));
    eventually("an empty outbox", async || {
        let counts = store.census().await.unwrap();
        (counts.outbox == 0 && counts.outbox_failed == 1).then_some(())
    })
    .await;
    stopper.stop();
    relaying.await.unwrap();
    let sent = kafka.read(TOPIC, 1).await;
    assert_eq!(sent[0].key, Some(placed.id.to_string()));
    assert_eq!(kafka.count(TOPIC).await, 1, "each message is sent once");
    let (order_id, length, reason): (i32, i32, String) =
        sqlx::query_as("select order_id, length(payload), reason from poke_orders_outbox_failed")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!((order_id, length), (7, 2_000_000));
    assert!(reason.contains("MessageSizeTooLarge"), "{reason}");
}

#[tokio::test]
async fn a_record_that_is_not_delivered_is_an_error_that_says_so() {
    let nobody = producer("127.77.0.4:1".to_owned(), Duration::from_millis(300));
    let producer = nobody.create().unwrap();
    let record = FutureRecord::to(TOPIC).key("1").payload("order");
    let failure: DeliveryError = deliver(&producer, record).await.unwrap_err();
    let text = failure.to_string();
    assert!(
        text.starts_with("the record for poke-orders was not delivered: "),
        "{text}"
    );
    assert!(!failure.is_permanent(), "brokers come back: {failure}");
}
