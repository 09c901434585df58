//! Calls against librdkafka's mock cluster, which knows metadata and logs but neither groups nor admin calls, and
//! against a cluster that is not there. What a real cluster does is tested through the command line's tests.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use serde_json::{Value, json};
use shaketable_extensions::{Argument, ArgumentKind, Culprit, Failure, find, functions};
use shaketable_kafka::truth;

/// Far more than any reading of these tests needs.
const AMPLE: Duration = Duration::from_secs(30);

type Mock = MockCluster<'static, DefaultProducerContext>;

/// A cluster of one broker with the topic `orders` of two partitions.
fn orders() -> Mock {
    let mock = Mock::new(1).unwrap();
    mock.create_topic("orders", 2, 1).unwrap();
    mock
}

async fn call(path: &str, bootstrap: &str, arguments: Value) -> Result<Value, Failure> {
    let (module, name) = path.rsplit_once('.').unwrap();
    let mut arguments = arguments;
    let given = arguments.as_object_mut().unwrap();
    given.insert("bootstrap_servers".to_owned(), bootstrap.into());
    find(module, name).unwrap().call(given).await
}

#[tokio::test]
async fn a_topic_is_described_in_the_very_text_of_the_extension() {
    let mock = orders();
    let path = "chaoskafka.probes.describe_kafka_topic";
    let text = call(
        path,
        &mock.bootstrap_servers(),
        json!({ "topic": "orders" }),
    )
    .await
    .unwrap();
    let expected = r#"{
  "topic": "orders",
  "partitions": 2,
  "partitions_info": {
    "0": {
      "leader": 1,
      "replicas": [
        1
      ],
      "isr": [
        1
      ]
    },
    "1": {
      "leader": 1,
      "replicas": [
        1
      ],
      "isr": [
        1
      ]
    }
  }
}"#;
    assert_eq!(text, expected);
}

#[tokio::test]
async fn an_offline_partition_is_seen() {
    let mock = orders();
    let servers = mock.bootstrap_servers();
    let topic = json!({ "topic": "orders" });
    let offline = "chaoskafka.probes.topic_has_no_offline_partitions";
    assert_eq!(
        call(offline, &servers, topic.clone()).await,
        Ok(json!(true))
    );
    for healthy in [
        "chaoskafka.probes.all_replicas_in_sync",
        "chaoskafka.probes.cluster_doesnt_have_under_replicated_partitions",
    ] {
        let arguments = if healthy.contains("cluster") {
            json!({})
        } else {
            topic.clone()
        };
        assert_eq!(call(healthy, &servers, arguments).await, Ok(json!(true)));
    }
    mock.partition_leader("orders", 1, None).unwrap();
    assert_eq!(call(offline, &servers, topic).await, Ok(json!(false)));
}

#[tokio::test]
async fn messages_are_written_in_order_with_numbers_as_text_and_parts_of_their_own() {
    let mock = orders();
    let servers = mock.bootstrap_servers();
    let path = "chaoskafka.actions.produce_messages";
    let arguments = json!({
        "topic": "orders",
        "partition": "1",
        "messages": ["{\"id\": 1", null, { "key": "k", "value": "v", "headers": { "h": "x" } }],
    });
    let written = call(path, &servers, arguments).await.unwrap();
    let at = |offset| json!({ "topic": "orders", "partition": 1, "offset": offset });
    assert_eq!(written, json!([at(0), at(1), at(2)]));

    let to = BTreeMap::from([(1, 3)]);
    let reading = truth::read(&servers, "orders", &BTreeMap::new(), &to, AMPLE)
        .await
        .unwrap();
    let records: Vec<_> = reading
        .records
        .iter()
        .map(|record| (record.key.as_deref(), record.value.as_deref()))
        .collect();
    assert_eq!(
        records,
        [
            (None, Some(&b"{\"id\": 1"[..])),
            (None, None),
            (Some(&b"k"[..]), Some(&b"v"[..])),
        ]
    );
}

#[tokio::test]
async fn what_an_experiment_names_wrong_is_its_fault() {
    let mock = orders();
    let servers = mock.bootstrap_servers();
    let produce = "chaoskafka.actions.produce_messages";
    let consume = "chaoskafka.actions.consume_messages";
    for (path, arguments, said) in [
        (
            "chaoskafka.probes.describe_kafka_topic",
            json!({ "topic": "ordres" }),
            "topic ordres does not exist",
        ),
        (
            produce,
            json!({ "topic": "ordres", "messages": ["x"] }),
            "topic ordres does not exist",
        ),
        (
            produce,
            json!({ "topic": "orders", "messages": ["x"], "partition": 2 }),
            "orders/2 does not exist",
        ),
        (
            produce,
            json!({ "topic": "orders", "messages": ["x"], "partition": -2 }),
            "`partition` is -2",
        ),
        (
            produce,
            json!({ "topic": "orders", "messages": ["x", 7] }),
            "`messages[1]` must be text",
        ),
        (
            produce,
            json!({ "topic": "orders", "messages": [{ "vlaue": "x" }] }),
            "`messages[0]` must be text",
        ),
        (
            consume,
            json!({ "topic": "orders", "offset": "${earliest}", "num_messages": "${num_messages}" }),
            "`offset` still has the placeholder `${earliest}`",
        ),
        (
            consume,
            json!({ "topic": "orders", "num_messages": 0 }),
            "`num_messages` is 0",
        ),
        (
            consume,
            json!({ "topic": "orders", "offset": -1 }),
            "`offset` is -1",
        ),
        (
            consume,
            json!({ "topic": "orders", "offsets": [] }),
            "`offsets` must name at least one",
        ),
        (
            "chaoskafka.actions.delete_kafka_topic",
            json!({ "topic": "__consumer_offsets" }),
            "__consumer_offsets is not deleted",
        ),
        (
            "chaoskafka.probes.describe_kafka_topic",
            json!({ "topic": "orders", "client_properties": { "sasl.password": ["hunter2"] } }),
            "no plain value for `sasl.password`",
        ),
        (
            "chaoskafka.controls.get_production_offsets.after_activity_control",
            json!({}),
            "there is no argument `bootstrap_servers`",
        ),
    ] {
        let failure = call(path, &servers, arguments).await.unwrap_err();
        let text = failure.to_string();
        assert!(text.contains(said), "{text}");
        assert!(
            text.starts_with(path) && !text.contains("hunter2"),
            "{text}"
        );
        assert_eq!(failure.culprit(), Culprit::Experiment, "{text}");
    }
}

/// A value that an argument may have.
fn something(argument: &Argument) -> Value {
    match (argument.name, argument.kind) {
        ("to", _) => json!("earliest"),
        ("replicas", _) => json!([[1]]),
        (_, ArgumentKind::Integer) => json!(1),
        (_, ArgumentKind::List) => json!(["x"]),
        (_, ArgumentKind::Map) => json!({}),
        (_, ArgumentKind::Bool) => json!(true),
        (_, ArgumentKind::Text | ArgumentKind::Any) => json!("orders"),
    }
}

/// Every function ends, and says that no broker is there.
#[tokio::test]
async fn a_cluster_that_is_not_there_is_the_fault_of_the_system() {
    // Nobody listens here: the port is that of a listener which is gone.
    let listener = std::net::TcpListener::bind(("127.0.83.1", 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    for function in functions().iter().filter(|one| one.is_native()) {
        let needed = function.arguments.iter();
        let mut arguments: serde_json::Map<String, Value> = needed
            .filter(|one| one.required || one.name == "messages")
            .map(|one| (one.name.to_owned(), something(one)))
            .collect();
        arguments.insert("bootstrap_servers".to_owned(), address.clone().into());
        let failure = function.call(&arguments).await.unwrap_err();
        let text = failure.to_string();
        assert!(text.contains(&address), "{text}");
        assert_eq!(failure.culprit(), Culprit::System, "{text}");
    }
}

#[tokio::test]
async fn what_is_not_native_says_what_to_do() {
    let reboot = find("chaosaws.msk.actions", "reboot_msk_broker").unwrap();
    assert!(!reboot.is_native());
    let arguments = json!({ "cluster_arn": "arn:aws:kafka:x", "broker_ids": ["1"] });
    let given = arguments.as_object().unwrap();
    assert!(reboot.check(given).is_empty());
    let text = reboot.call(given).await.unwrap_err().to_string();
    assert!(text.contains("bind it to a fault"), "{text}");
}
