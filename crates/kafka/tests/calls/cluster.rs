//! How calls find a broker, agree on versions, fail and are repeated: against a stand-in broker.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::stand_in::{Call, Reply, StandIn};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    ApiKey, BrokerId, CreateTopicsRequest, CreateTopicsResponse, ListOffsetsResponse,
    MetadataRequest, MetadataResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use shaketable_kafka::{Cluster, Error, NewTopic};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

fn cluster<A: ToString>(addresses: &[A]) -> Cluster {
    Cluster::new(addresses.iter().map(ToString::to_string), "cluster-test")
}

fn topic_named(name: &'static str) -> TopicName {
    TopicName(StrBytes::from_static_str(name))
}

/// A cluster of one broker, which leads `orders/0`; nobody leads `orders/1`; there is no other topic.
fn metadata(call: &Call, broker: std::net::SocketAddr) -> Reply {
    let request: MetadataRequest = call.request();
    let partition = |number: i32, leader: i32| {
        MetadataResponsePartition::default()
            .with_partition_index(number)
            .with_leader_id(BrokerId(leader))
            .with_leader_epoch(7)
            .with_replica_nodes(vec![BrokerId(1), BrokerId(2)])
            .with_isr_nodes(vec![BrokerId(2)])
    };
    let topic = |name: TopicName| match name.as_str() {
        "orders" => MetadataResponseTopic::default()
            .with_name(Some(name))
            .with_partitions(vec![partition(1, -1), partition(0, 1)]),
        "payments" => MetadataResponseTopic::default()
            .with_name(Some(name))
            .with_partitions(vec![partition(0, 1)]),
        _ => MetadataResponseTopic::default()
            .with_name(Some(name))
            .with_error_code(ResponseError::UnknownTopicOrPartition.code()),
    };
    let asked = request.topics.unwrap_or_default();
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(1))
        .with_host(StrBytes::from_string(broker.ip().to_string()))
        .with_port(broker.port().into());
    call.answer(
        &MetadataResponse::default()
            .with_brokers(vec![broker])
            .with_topics(
                asked
                    .into_iter()
                    .map(|asked| topic(asked.name.expect("a name")))
                    .collect(),
            ),
    )
}

fn nowhere() -> std::net::SocketAddr {
    ([127, 0, 0, 1], 1).into()
}

async fn metadata_broker(newest: i16) -> StandIn {
    StandIn::start(&[(ApiKey::Metadata, 0, newest)], |call| {
        metadata(call, nowhere())
    })
    .await
}

#[tokio::test]
async fn a_call_uses_the_newest_version_both_sides_speak() {
    let old = metadata_broker(9).await;
    let leader = cluster(&[old.address])
        .leader_of("orders", 0)
        .await
        .unwrap();
    assert_eq!(leader, 1);
    assert_eq!(old.calls(), [(ApiKey::Metadata, 9)]);

    let new = metadata_broker(99).await;
    cluster(&[new.address])
        .leader_of("orders", 0)
        .await
        .unwrap();
    assert_eq!(new.calls(), [(ApiKey::Metadata, 12)]);
}

#[tokio::test]
async fn a_broker_too_old_is_named_with_what_both_sides_speak() {
    let ancient = metadata_broker(3).await;
    let error = cluster(&[ancient.address])
        .metadata(None)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("the broker speaks versions 0..3, we speak 7..12"),
        "{error}"
    );
    assert!(ancient.calls().is_empty());
}

#[tokio::test]
async fn partitions_come_in_order_with_their_leader_epoch_and_replicas() {
    let broker = metadata_broker(12).await;
    let metadata = cluster(&[broker.address])
        .metadata(Some(&["orders"]))
        .await
        .unwrap();
    let topic = metadata.topic("orders").unwrap();
    let numbers: Vec<_> = topic
        .partitions
        .iter()
        .map(|one| (one.partition, one.leader))
        .collect();
    assert_eq!(numbers, [(0, Some(1)), (1, None)]);
    assert_eq!(topic.partitions[0].leader_epoch, 7);
    assert_eq!(topic.partitions[0].replicas, [1, 2]);
    assert_eq!(topic.partitions[0].isr, [2]);
}

#[tokio::test]
async fn offline_partitions_and_missing_topics_are_told_apart() {
    let broker = metadata_broker(12).await;
    let cluster = cluster(&[broker.address]);
    let offline = cluster.leader_of("orders", 1).await.unwrap_err();
    assert!(
        matches!(&offline, Error::NoLeader { partition: 1, isr, .. } if isr == &[2]),
        "{offline}"
    );
    let absent = cluster.leader_of("orders", 5).await.unwrap_err();
    assert!(
        matches!(absent, Error::UnknownPartition { partitions: 2, .. }),
        "{absent}"
    );
    let unknown = cluster.leader_of("nothing", 0).await.unwrap_err();
    assert!(matches!(unknown, Error::UnknownTopic { .. }), "{unknown}");
}

#[tokio::test]
async fn dead_and_paused_bootstrap_servers_are_passed_over() {
    let dead = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    // Listens, so that connections are accepted by the kernel, and never answers: like a stopped process.
    let paused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let alive = metadata_broker(12).await;
    let cluster = cluster(&[dead, paused.local_addr().unwrap(), alive.address]);
    assert_eq!(cluster.leader_of("orders", 0).await.unwrap(), 1);
}

#[tokio::test]
async fn unreachable_names_every_address() {
    let dead = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let error = cluster(&[dead, nowhere()])
        .metadata(None)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains(&dead.to_string()) && text.contains(&nowhere().to_string()),
        "{text}"
    );
}

#[tokio::test]
async fn a_peer_that_is_no_broker_is_said_to_be_none() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        std::future::pending::<()>().await;
    });
    let error = cluster(&[address]).metadata(None).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
}

fn created(call: &Call, code: i16) -> Reply {
    let result = CreatableTopicResult::default()
        .with_name(topic_named("orders"))
        .with_error_code(code);
    call.answer(&CreateTopicsResponse::default().with_topics(vec![result]))
}

#[tokio::test]
async fn a_change_is_repeated_when_the_controller_just_moved() {
    let asked = AtomicUsize::new(0);
    let broker = StandIn::start(&[(ApiKey::CreateTopics, 2, 7)], move |call| {
        match asked.fetch_add(1, Ordering::SeqCst) {
            0 => created(call, ResponseError::NotController.code()),
            _ => created(call, 0),
        }
    })
    .await;
    cluster(&[broker.address])
        .create_topic(&NewTopic::new("orders", 3, 1))
        .await
        .unwrap();
    assert_eq!(broker.calls().len(), 2);
}

#[tokio::test]
async fn a_refusal_is_not_repeated_and_keeps_kafkas_name() {
    // The second may pass by itself, but may also have been carried out.
    for refusal in [
        ResponseError::TopicAlreadyExists,
        ResponseError::RequestTimedOut,
    ] {
        let broker = StandIn::start(&[(ApiKey::CreateTopics, 2, 7)], move |call| {
            created(call, refusal.code())
        })
        .await;
        let cluster = cluster(&[broker.address]);
        let error = cluster
            .create_topic(&NewTopic::new("orders", 3, 1))
            .await
            .unwrap_err();
        let expected = refusal.to_string();
        assert!(
            matches!(&error, Error::Api { name, .. } if *name == expected),
            "{error}"
        );
        assert_eq!(broker.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_never_sent_again() {
    let broker = StandIn::start(&[(ApiKey::CreateTopics, 2, 7)], |_| Reply::HangUp).await;
    let other = StandIn::start(&[(ApiKey::CreateTopics, 2, 7)], |call| created(call, 0)).await;
    let cluster = cluster(&[broker.address, other.address]);
    let error = cluster
        .create_topic(&NewTopic::new("orders", 3, 1))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error}");
    assert_eq!((broker.calls().len(), other.calls().len()), (1, 0));
}

#[tokio::test]
async fn an_explicit_assignment_decides_partitions_and_replicas() {
    let broker = StandIn::start(&[(ApiKey::CreateTopics, 2, 7)], |call| {
        let request: CreateTopicsRequest = call.request();
        let topic = &request.topics[0];
        let assigned: Vec<_> = topic
            .assignments
            .iter()
            .map(|one| {
                (
                    one.partition_index,
                    one.broker_ids.iter().map(|id| id.0).collect::<Vec<_>>(),
                )
            })
            .collect();
        assert_eq!(assigned, [(0, vec![1, 2]), (1, vec![2, 3])]);
        assert_eq!((topic.num_partitions, topic.replication_factor), (-1, -1));
        assert_eq!(&*topic.configs[0].name, "min.insync.replicas");
        created(call, 0)
    })
    .await;
    let topic = NewTopic::assigned("orders", vec![vec![1, 2], vec![2, 3]])
        .config("min.insync.replicas", "2");
    cluster(&[broker.address])
        .create_topic(&topic)
        .await
        .unwrap();
}

/// The leader of `payments/0`: refuses the first time, then says that the log ends at 42.
async fn leader() -> StandIn {
    let asked = AtomicUsize::new(0);
    StandIn::start(&[(ApiKey::ListOffsets, 1, 10)], move |call| {
        let code = match asked.fetch_add(1, Ordering::SeqCst) {
            0 => ResponseError::NotLeaderOrFollower.code(),
            _ => 0,
        };
        let partition = ListOffsetsPartitionResponse::default()
            .with_error_code(code)
            .with_offset(42);
        let topic = ListOffsetsTopicResponse::default()
            .with_name(topic_named("payments"))
            .with_partitions(vec![partition]);
        call.answer(&ListOffsetsResponse::default().with_topics(vec![topic]))
    })
    .await
}

#[tokio::test]
async fn offsets_are_asked_of_the_leader_and_again_after_it_moved() {
    let leader = leader().await;
    let address = leader.address;
    let bootstrap = StandIn::start(&[(ApiKey::Metadata, 0, 12)], move |call| {
        metadata(call, address)
    })
    .await;
    let ends = cluster(&[bootstrap.address])
        .end_offsets("payments")
        .await
        .unwrap();
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), [(0, 42)]);
    assert_eq!(leader.calls().len(), 2);
    assert_eq!(bootstrap.calls().len(), 2, "the leader is looked up anew");
}

#[tokio::test]
async fn a_leader_that_cannot_be_reached_is_named_by_its_role() {
    let bootstrap = metadata_broker(12).await;
    let error = cluster(&[bootstrap.address])
        .end_offsets("payments")
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::NodeUnreachable { node: 1, .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("leader of payments/0"),
        "{error}"
    );
}
