//! Messages sent by hand, against librdkafka's mock cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use shaketable_kafka::produce::{Outgoing, Produced, produce};
use shaketable_kafka::{Cluster, Error, Properties, truth};

/// Far more than any of these needs.
const AMPLE: Duration = Duration::from_secs(30);

/// A bound that is meant to be reached.
const BRIEF: Duration = Duration::from_secs(2);

type Mock = MockCluster<'static, DefaultProducerContext>;

fn mock() -> (Mock, Cluster) {
    let mock = Mock::new(3).unwrap();
    mock.create_topic("orders", 3, 3).unwrap();
    let servers = mock.bootstrap_servers();
    let cluster = Cluster::new(servers.split(','), "produce-test");
    (mock, cluster)
}

fn numbered(number: usize, partition: Option<i32>) -> Outgoing {
    Outgoing {
        topic: "orders".to_owned(),
        partition,
        key: Some(format!("k{}", number % 7).into_bytes()),
        value: Some(format!("v{number}").into_bytes()),
        headers: vec![("origin".to_owned(), Some(b"test".to_vec()))],
    }
}

#[tokio::test]
async fn messages_are_in_the_log_once_in_order_where_it_was_said() {
    let (_mock, cluster) = mock();
    let mut messages: Vec<_> = (0..500).map(|number| numbered(number, Some(1))).collect();
    messages.push(Outgoing {
        value: None,
        ..numbered(500, Some(1))
    });
    let results = produce(&cluster, messages, AMPLE).await.unwrap();
    for (offset, result) in (0..).zip(&results) {
        let produced = result.as_ref().unwrap();
        let expected = Produced {
            partition: 1,
            offset,
        };
        assert_eq!(*produced, expected);
    }
    let ends = BTreeMap::from([(1, 501)]);
    let reading = truth::read(
        &cluster.bootstrap(),
        "orders",
        &BTreeMap::new(),
        &ends,
        AMPLE,
    )
    .await
    .unwrap();
    let values: Vec<_> = reading
        .records
        .iter()
        .map(|one| one.value.clone())
        .collect();
    let mut expected: Vec<_> = (0..500)
        .map(|number| Some(format!("v{number}").into_bytes()))
        .collect();
    expected.push(None);
    assert_eq!(values, expected);
}

#[tokio::test]
async fn without_a_partition_the_key_decides_as_in_java() {
    let (_mock, cluster) = mock();
    let of_key = |key: &[u8]| Outgoing {
        topic: "orders".to_owned(),
        key: Some(key.to_vec()),
        ..Outgoing::default()
    };
    let messages = vec![of_key(b"21"), of_key(b"foobar"), of_key(b"21")];
    let results = produce(&cluster, messages, AMPLE).await.unwrap();
    let partitions: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().unwrap().partition)
        .collect();
    // murmur2("21") and murmur2("foobar"), made positive, modulo 3; from the tests of Kafka's own partitioner.
    let java = |hash: i32| (hash & 0x7fff_ffff) % 3;
    assert_eq!(
        partitions,
        [java(-973_932_308), java(-790_332_482), java(-973_932_308)]
    );
}

#[tokio::test]
async fn what_does_not_exist_is_named_and_nothing_is_sent() {
    let (_mock, cluster) = mock();
    let error = produce(
        &cluster,
        vec![numbered(0, Some(0)), numbered(1, Some(3))],
        AMPLE,
    );
    let error = error.await.unwrap_err();
    assert!(matches!(error, Error::UnknownPartition { .. }), "{error}");
    assert_eq!(cluster.end_offsets("orders").await.unwrap()[&0], 0);
}

#[tokio::test]
async fn brokers_that_are_away_make_an_error_not_a_hang() {
    let nobody = Cluster::new(["127.0.0.1:1"], "produce-test");
    let error = produce(&nobody, vec![numbered(0, None)], BRIEF).await;
    assert!(matches!(error, Err(Error::Unreachable { .. })), "{error:?}");

    // The first broker answers metadata; the leader of the partition is gone.
    let (mock, cluster) = mock();
    mock.partition_leader("orders", 2, Some(3)).unwrap();
    mock.broker_down(3).unwrap();
    let messages = vec![numbered(0, Some(2)), numbered(1, Some(2))];
    let results = produce(&cluster, messages, BRIEF).await.unwrap();
    for result in results {
        assert!(
            matches!(result, Err(Error::NotAcknowledged { .. })),
            "{result:?}"
        );
    }
}

#[tokio::test]
async fn a_property_that_librdkafka_refuses_is_named_without_its_value() {
    let (_mock, cluster) = mock();
    let properties = Properties::new().set("no.such.thing", "hunter2");
    let peculiar =
        Cluster::with_properties(cluster.bootstrap().split(','), "produce-test", &properties)
            .unwrap();
    let error = produce(&peculiar, vec![numbered(0, None)], AMPLE).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("no.such.thing"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}
