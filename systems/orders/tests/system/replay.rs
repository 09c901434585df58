//! The replay tool: parked records go back to where they were, once.

use std::collections::BTreeMap;

use clap::Parser;
use orders::replay::Replay;
use tokio::runtime::Runtime;

use crate::support::kafka::Kafka;

const ORDERS: &str = "poke-orders";
const DLQ: &str = "poke-orders-dlq";

/// A dead-letter topic with three records, of partitions 2, 1 and 0 of the original topic.
async fn parked() -> Kafka {
    let kafka = Kafka::new(&[ORDERS, DLQ]);
    for number in 0..3 {
        let (partition, offset) = ((2 - number).to_string(), (10 + number).to_string());
        let headers = [
            ("trace", "4711"),
            ("x-original-topic", ORDERS),
            ("x-original-partition", partition.as_str()),
            ("x-original-offset", offset.as_str()),
            ("x-reason", "the message is not JSON"),
            ("x-parked-at", "2026-01-01T00:00:00Z"),
        ];
        let (key, value) = (format!("k{number}"), format!("poison {number}"));
        kafka
            .add(DLQ, 0, Some(&key), value.as_bytes(), &headers)
            .await;
    }
    kafka
}

/// Runs the tool; its lines, or its error.
async fn run(kafka: &Kafka, arguments: &str) -> Result<String, String> {
    let bootstrap = kafka.bootstrap();
    let arguments: Vec<String> = ["orders-replay", "--bootstrap", &bootstrap]
        .into_iter()
        .chain(arguments.split(' '))
        .map(str::to_owned)
        .collect();
    let replay = Replay::try_parse_from(arguments).map_err(|error| error.to_string())?;
    let running = tokio::task::spawn_blocking(move || {
        let mut output = Vec::new();
        let runtime = Runtime::new().unwrap();
        let done = replay.perform(&runtime, &mut output);
        done.map_err(|reason| format!("{reason:#}"))?;
        Ok(String::from_utf8(output).unwrap())
    });
    running.await.unwrap()
}

#[tokio::test]
async fn records_go_back_to_their_partitions_and_are_remembered() {
    let kafka = parked().await;
    let output = run(&kafka, &format!("replay --topic {DLQ} --limit 2")).await;
    assert_eq!(
        output.unwrap(),
        "poke-orders-dlq/0@0 went to poke-orders/2@0; it was from poke-orders/2@10, \
         parked at 2026-01-01T00:00:00Z: the message is not JSON\n\
         poke-orders-dlq/0@1 went to poke-orders/1@0; it was from poke-orders/1@11, \
         parked at 2026-01-01T00:00:00Z: the message is not JSON\n\
         2 records of poke-orders-dlq were replayed\n"
    );
    assert_eq!(kafka.replayed(DLQ).await, BTreeMap::from([(0, 2)]));

    let output = run(&kafka, &format!("replay --topic {DLQ}")).await.unwrap();
    assert!(output.starts_with("poke-orders-dlq/0@2 "), "{output}");
    let output = run(&kafka, &format!("replay --topic {DLQ}")).await.unwrap();
    assert_eq!(output, "0 records of poke-orders-dlq were replayed\n");

    let back = kafka.read(ORDERS, 3).await;
    for (record, number) in back.iter().zip([2, 1, 0]) {
        assert_eq!(record.partition, 2 - number);
        let value = format!("poison {number}");
        assert_eq!(record.value.as_deref(), Some(value.as_bytes()));
        assert_eq!(record.key, Some(format!("k{number}")));
        assert_eq!(record.header("trace"), "4711");
        let from = format!("poke-orders-dlq/0@{number}");
        assert_eq!(record.header("x-replayed-from"), from);
        assert_eq!(record.header("x-reason"), "the message is not JSON");
    }
}

#[tokio::test]
async fn a_dry_run_and_a_list_change_nothing() {
    let kafka = parked().await;
    let output = run(&kafka, &format!("replay --topic {DLQ} --dry-run")).await;
    let output = output.unwrap();
    assert!(
        output.contains("@0 would go to poke-orders/2; it is from "),
        "{output}"
    );
    assert!(output.ends_with("3 records of poke-orders-dlq would be replayed\n"));
    assert_eq!(kafka.count(ORDERS).await, 0);
    assert_eq!(kafka.replayed(DLQ).await, BTreeMap::new());

    run(&kafka, &format!("replay --topic {DLQ} --limit 1"))
        .await
        .unwrap();
    let output = run(&kafka, &format!("list --topic {DLQ}")).await.unwrap();
    let lines: Vec<&str> = output.lines().collect();
    let replayed = "poke-orders-dlq/0@0 (replayed) from poke-orders/2@10, ";
    assert!(lines[0].starts_with(replayed), "{output}");
    let waiting = "poke-orders-dlq/0@1 from poke-orders/1@11, ";
    assert!(lines[1].starts_with(waiting), "{output}");
    assert_eq!(lines[3], "3 records in poke-orders-dlq, 1 of them replayed");
}

#[tokio::test]
async fn single_records_go_where_they_are_told() {
    let kafka = parked().await;
    let other = "replay --topic poke-orders-dlq --offset 0:2 --to elsewhere";
    kafka.mock.create_topic("elsewhere", 3, 3).unwrap();
    let output = run(&kafka, other).await.unwrap();
    assert!(output.ends_with("1 records of poke-orders-dlq were replayed\n"));
    let there = &kafka.read("elsewhere", 1).await[0];
    assert_eq!(there.value.as_deref(), Some(b"poison 2".as_slice()));
    assert!(output.contains("0@2 went to elsewhere/"), "{output}");
    assert!(output.contains(" (it stays in line: it is not the next); it was "));
    assert_eq!(kafka.replayed(DLQ).await, BTreeMap::new(), "not in turn");

    let two = "replay --topic poke-orders-dlq --offset 0:0 --offset 0:1 --to elsewhere";
    let output = run(&kafka, two).await.unwrap();
    assert!(!output.contains("stays in line"), "{output}");
    assert_eq!(
        kafka.replayed(DLQ).await,
        BTreeMap::from([(0, 2)]),
        "the next two"
    );
    let again = "replay --topic poke-orders-dlq --offset 0:0 --to elsewhere";
    let output = run(&kafka, again).await.unwrap();
    assert!(!output.contains("stays in line"), "{output}");
    assert_eq!(kafka.replayed(DLQ).await, BTreeMap::from([(0, 2)]));

    let reason = run(&kafka, "replay --topic poke-orders-dlq --offset 0:3")
        .await
        .unwrap_err();
    assert_eq!(reason, "there is no record poke-orders-dlq/0@3");
}

#[tokio::test]
async fn a_record_of_unknown_origin_stops_the_run_and_is_not_skipped() {
    let kafka = Kafka::new(&[ORDERS, DLQ]);
    kafka.add(DLQ, 0, None, b"whence", &[]).await;
    let reason = run(&kafka, &format!("replay --topic {DLQ}"))
        .await
        .unwrap_err();
    assert!(reason.contains("--to"), "{reason}");
    assert_eq!(kafka.replayed(DLQ).await, BTreeMap::new());
}

#[test]
fn the_tool_needs_a_cluster_and_a_topic() {
    let wrong = [
        "orders-replay replay",
        "orders-replay list",
        "orders-replay",
        "orders-replay replay --topic t --offset 3",
    ];
    for line in wrong {
        assert!(Replay::try_parse_from(line.split(' ')).is_err(), "{line}");
    }
    let replay =
        Replay::try_parse_from(["orders-replay", "--bootstrap", "", "list", "--topic", "t"]);
    let runtime = Runtime::new().unwrap();
    let reason = replay
        .unwrap()
        .perform(&runtime, &mut Vec::new())
        .unwrap_err();
    assert!(reason.to_string().contains("KAFKA_BOOTSTRAP_SERVERS"));
}
