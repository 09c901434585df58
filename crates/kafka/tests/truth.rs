//! The truth reader against librdkafka's mock cluster, which keeps logs but knows neither transactions nor compaction.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use shaketable_kafka::{Cluster, truth};

/// Far more than any of these readings needs.
const AMPLE: Duration = Duration::from_secs(30);

/// The end of a reading that is meant not to get anywhere.
const BRIEF: Duration = Duration::from_secs(2);

type Mock = MockCluster<'static, DefaultProducerContext>;

/// A cluster of three brokers with the topic `orders`, three partitions of `count` records each.
async fn orders(count: usize) -> Mock {
    let mock = Mock::new(3).unwrap();
    mock.create_topic("orders", 3, 3).unwrap();
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", mock.bootstrap_servers())
        .create()
        .unwrap();
    for partition in 0..3 {
        for number in 0..count {
            let value = format!("{{\"id\":{number}}}");
            let key = format!("k{number}");
            let record = FutureRecord::to("orders")
                .partition(partition)
                .key(&key)
                .payload(&value);
            producer.send(record, AMPLE).await.unwrap();
        }
    }
    mock
}

fn everywhere(offset: i64) -> BTreeMap<i32, i64> {
    (0..3).map(|partition| (partition, offset)).collect()
}

#[tokio::test]
async fn every_record_up_to_the_captured_ends_is_read() {
    let mock = orders(20).await;
    let servers = mock.bootstrap_servers();
    let ends = Cluster::new(servers.split(','), "truth-test")
        .end_offsets("orders")
        .await
        .unwrap();
    assert_eq!(ends, everywhere(20));
    let reading = truth::read(&servers, "orders", &everywhere(0), &ends, AMPLE)
        .await
        .unwrap();
    assert!(reading.is_complete(), "{:?}", reading.incomplete);
    let places: Vec<_> = reading
        .records
        .iter()
        .map(|one| (one.partition, one.offset))
        .collect();
    let expected: Vec<_> = (0..3)
        .flat_map(|partition| (0..20).map(move |at| (partition, at)))
        .collect();
    assert_eq!(places, expected);
    assert_eq!(reading.records[3].key.as_deref(), Some(&b"k3"[..]));
    assert_eq!(
        reading.records[3].value.as_deref(),
        Some(&b"{\"id\":3}"[..])
    );
}

#[tokio::test]
async fn nothing_outside_of_the_range_is_read() {
    let mock = orders(20).await;
    let from = BTreeMap::from([(0, 5), (2, 20)]);
    let to = BTreeMap::from([(0, 9), (1, 2), (2, 20)]);
    let reading = truth::read(&mock.bootstrap_servers(), "orders", &from, &to, AMPLE)
        .await
        .unwrap();
    assert!(reading.is_complete(), "{:?}", reading.incomplete);
    let places: Vec<_> = reading
        .records
        .iter()
        .map(|one| (one.partition, one.offset))
        .collect();
    assert_eq!(places, [(0, 5), (0, 6), (0, 7), (0, 8), (1, 0), (1, 1)]);
}

#[tokio::test]
async fn a_log_shorter_than_its_target_is_never_complete() {
    let mock = orders(4).await;
    let to = BTreeMap::from([(0, 4), (1, 9)]);
    let reading = truth::read(
        &mock.bootstrap_servers(),
        "orders",
        &BTreeMap::new(),
        &to,
        BRIEF,
    )
    .await
    .unwrap();
    assert_eq!(reading.records.len(), 8);
    let [short] = reading.incomplete.as_slice() else {
        panic!("{:?}", reading.incomplete)
    };
    assert_eq!((short.partition, short.reached, short.target), (1, 4, 9));
    assert!(
        short.reason.contains("the log can be read to 4 only"),
        "{}",
        short.reason
    );
}

#[tokio::test]
async fn partitions_whose_leaders_are_gone_are_listed_with_the_reason() {
    let mock = orders(4).await;
    let servers = mock.bootstrap_servers();
    for broker in 1..=3 {
        mock.broker_down(broker).unwrap();
    }
    let reading = truth::read(&servers, "orders", &everywhere(0), &everywhere(4), BRIEF)
        .await
        .unwrap();
    let unread: Vec<_> = reading
        .incomplete
        .iter()
        .map(|one| (one.partition, one.reached))
        .collect();
    assert_eq!(unread, [(0, 0), (1, 0), (2, 0)]);
    let reason = &reading.incomplete[0].reason;
    assert!(reason.contains("does not answer"), "{reason}");
}

#[tokio::test]
async fn an_empty_range_needs_no_broker() {
    let to = everywhere(0);
    let reading = truth::read("127.0.0.1:1", "orders", &to, &to, BRIEF)
        .await
        .unwrap();
    assert!(reading.is_complete() && reading.records.is_empty());
}
