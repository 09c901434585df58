//! The detective and a record that can never be read.

use std::collections::BTreeMap;

use orders::detective::Detective;
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use serde_json::Value;

use crate::support::eventually;
use crate::support::kafka::Kafka;
use crate::support::service::Running;

const ORDERS: &str = "poke-orders";
const STATES: &str = "poke-orders-state";
const DLQ: &str = "poke-orders-dlq";
const GROUP: &str = "poke-order-consumer";

/// An order that is cut off inside its last field.
const POISON: &[u8] = br#"{"id": 4054, "user_id": 2, "pokemon": "rapidash", "country": "Germany", "price": 246.0, "state": "pending", "timestamp": "2024-08-14 05:38:58.922008"#;

fn order(id: i32) -> Vec<u8> {
    format!(r#"{{"id":{id},"user_id":1,"pokemon":"mew","country":"Chile","price":20.0}}"#)
        .into_bytes()
}

fn detective(kafka: &Kafka, switches: &[(&str, &str)]) -> Running {
    let bootstrap = kafka.bootstrap();
    let mut variables = vec![("KAFKA_BOOTSTRAP_SERVERS", bootstrap.as_str())];
    variables.extend(switches);
    Running::start::<Detective>(&variables)
}

fn ids(records: &[crate::support::kafka::Record]) -> Vec<i64> {
    let mut ids: Vec<i64> = records
        .iter()
        .map(|record| {
            let order: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
            order["id"].as_i64().unwrap()
        })
        .collect();
    ids.sort_unstable();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisonous_record_is_parked_whole_and_those_behind_it_go_on() {
    let kafka = Kafka::new(&[ORDERS, STATES, DLQ]);
    kafka.add(ORDERS, 1, None, &order(1), &[]).await;
    let headers = [("trace", "4711"), ("x-reason", "an older story")];
    kafka.add(ORDERS, 1, Some("k"), POISON, &headers).await;
    kafka.add(ORDERS, 1, None, &order(2), &[]).await;

    let detective = detective(&kafka, &[("ON_POISON", "park"), ("KEYED", "true")]);
    let decided = kafka.read(STATES, 2).await;
    assert_eq!(ids(&decided), [1, 2]);
    assert!(decided.iter().all(|record| record.key.is_some()), "keyed");

    let parked = &kafka.read(DLQ, 1).await[0];
    assert_eq!(parked.value.as_deref(), Some(POISON));
    assert_eq!(parked.key.as_deref(), Some("k"));
    assert_eq!(parked.header("trace"), "4711");
    assert_eq!(parked.header("x-original-topic"), ORDERS);
    assert_eq!(parked.header("x-original-partition"), "1");
    assert_eq!(parked.header("x-original-offset"), "1");
    let reason = parked.header("x-reason");
    assert!(reason.starts_with("the message is not JSON: "), "{reason}");
    let parked_at = parked.header("x-parked-at");
    assert!(parked_at.parse::<jiff::Timestamp>().is_ok(), "{parked_at}");

    detective
        .shows("poke_parked_total{topic=\"poke-orders\"}", 1.0)
        .await;
    detective
        .shows("poke_consumed_total{topic=\"poke-orders\"}", 3.0)
        .await;
    let produced = "poke_produced_total{topic=\"poke-orders-state\"}";
    detective.shows(produced, 2.0).await;
    let lag = "poke_consumer_lag{topic=\"poke-orders\",partition=\"1\"}";
    detective.shows(lag, 0.0).await;
    detective.stop().await;
    assert_eq!(
        kafka.committed(GROUP, ORDERS).await,
        BTreeMap::from([(1, 3)])
    );
    assert_eq!(kafka.count(DLQ).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn as_published_a_poisonous_record_blocks_its_partition_and_no_other() {
    let kafka = Kafka::new(&[ORDERS, STATES, DLQ]);
    kafka.add(ORDERS, 1, None, &order(1), &[]).await;
    kafka.add(ORDERS, 1, None, POISON, &[]).await;
    kafka.add(ORDERS, 1, None, &order(2), &[]).await;

    let detective = detective(&kafka, &[]);
    assert_eq!(ids(&kafka.read(STATES, 1).await), [1]);
    let retried = "poke_retried_total{topic=\"poke-orders\"}";
    detective.shows(retried, 10.0).await;
    let lag = "poke_consumer_lag{topic=\"poke-orders\",partition=\"1\"}";
    detective.shows(lag, 2.0).await;
    kafka.add(ORDERS, 0, None, &order(3), &[]).await;
    let decided = kafka.read(STATES, 2).await;
    assert_eq!(ids(&decided), [1, 3]);
    assert!(decided.iter().all(|record| record.key.is_none()), "unkeyed");
    detective.stop().await;
    let committed = BTreeMap::from([(0, 1), (1, 1)]);
    assert_eq!(kafka.committed(GROUP, ORDERS).await, committed);
    assert_eq!(kafka.count(DLQ).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_parked_is_not_committed_but_tried_again() {
    let kafka = Kafka::new(&[ORDERS, STATES, DLQ]);
    kafka.add(ORDERS, 0, None, POISON, &[]).await;
    refuse_produce(&kafka.mock, 3);

    let detective = detective(&kafka, &[("ON_POISON", "park")]);
    let retried = "poke_retried_total{topic=\"poke-orders\"}";
    detective.shows(retried, 1.0).await;
    assert_eq!(kafka.read(DLQ, 1).await.len(), 1);
    eventually("a commit", async || {
        let committed = kafka.committed(GROUP, ORDERS).await;
        (committed == BTreeMap::from([(0, 1)])).then_some(())
    })
    .await;
    detective.stop().await;
    assert_eq!(kafka.count(DLQ).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_failed_for_good_is_replaced() {
    let kafka = Kafka::new(&[ORDERS, STATES, DLQ]);
    kafka.add(ORDERS, 0, None, &order(1), &[]).await;
    let desynchronized = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    kafka
        .mock
        .request_errors(RDKafkaApiKey::Produce, &[desynchronized]);

    let switches = [("ON_POISON", "park"), ("IDEMPOTENCE", "true")];
    let detective = detective(&kafka, &switches);
    let retried = "poke_retried_total{topic=\"poke-orders\"}";
    detective.shows(retried, 1.0).await;
    assert_eq!(ids(&kafka.read(STATES, 1).await), [1]);
    detective.stop().await;
}

/// The next requests to produce are refused.
fn refuse_produce<C: rdkafka::ClientContext>(mock: &MockCluster<'_, C>, times: usize) {
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    mock.request_errors(RDKafkaApiKey::Produce, &vec![refused; times]);
}
