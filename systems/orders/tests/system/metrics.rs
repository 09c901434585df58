//! What the services show, as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::to_bytes;
use axum::http::header::CONTENT_TYPE;
use orders::exposition;
use orders::metrics::{Census, Consumption, Production, Requests, Reversals};
use orders::order::State;
use orders::store::Counts;
use prometheus_client::registry::Registry;
use rdkafka::Statistics;
use rdkafka::statistics::{Partition, Topic};

/// The statistics of a consumer that is assigned partitions 0 and 2, and has committed in 0 alone.
fn statistics() -> Statistics {
    let partition = |partition, desired, committed_offset, lo_offset, hi_offset| Partition {
        partition,
        desired,
        committed_offset,
        lo_offset,
        hi_offset,
        ..Partition::default()
    };
    let partitions = [
        partition(-1, false, UNKNOWN, UNKNOWN, UNKNOWN),
        partition(0, true, 6, 0, 10),
        partition(1, false, 6, 0, 10),
        partition(2, true, UNKNOWN, 10, 30),
    ];
    let topic = Topic {
        partitions: partitions.map(|part| (part.partition, part)).into(),
        ..Topic::default()
    };
    Statistics {
        topics: [("poke-orders".to_owned(), topic)].into(),
        ..Statistics::default()
    }
}

/// How librdkafka says that it knows no offset.
const UNKNOWN: i64 = -1001;

/// Everything that any service shows, with each thing counted once.
pub async fn shown() -> String {
    let mut registry = Registry::default();
    let production = Production::register(&mut registry, "poke-orders");
    let _ = production.count(Ok::<_, ()>(()));
    let _ = production.count(Err::<(), _>(()));
    let consumption = Consumption::register(&mut registry, "poke-orders");
    consumption.set_lags(&statistics());
    consumption.parked.inc();
    Requests::register(&mut registry).count("GET", "/orders/{id}", 200, Duration::from_millis(30));
    Census::register(&mut registry).set(&Counts {
        orders: vec![(State::Success, 7)],
        outbox: 3,
        outbox_failed: 1,
    });
    let reversals = Reversals::register(&mut registry);
    reversals.count(Ok::<_, ()>(2));
    reversals.count(Err(()));
    text(&registry).await
}

async fn text(registry: &Registry) -> String {
    let response = exposition::show(registry);
    let content_type = response.headers()[CONTENT_TYPE].to_str().unwrap();
    assert!(content_type.starts_with("application/openmetrics-text"));
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

/// The names of all series, each with its labels.
pub async fn series() -> BTreeMap<String, BTreeSet<String>> {
    let mut series: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in shown().await.lines().filter(|line| !line.starts_with('#')) {
        let name_end = line.find(['{', ' ']).unwrap();
        let labels = series.entry(line[..name_end].to_owned()).or_default();
        if let Some((inside, _)) = line[name_end..].trim_start_matches('{').rsplit_once('}') {
            let names = inside.split(',').filter_map(|label| label.split_once('='));
            labels.extend(names.map(|(name, _)| name.to_owned()));
        }
    }
    series
}

#[tokio::test]
async fn every_series_has_its_name_its_labels_and_its_value() {
    let shown = shown().await;
    for line in [
        r#"poke_produced_total{topic="poke-orders"} 1"#,
        r#"poke_produce_failures_total{topic="poke-orders"} 1"#,
        r#"poke_consumed_total{topic="poke-orders"} 0"#,
        r#"poke_retried_total{topic="poke-orders"} 0"#,
        r#"poke_parked_total{topic="poke-orders"} 1"#,
        r#"poke_consumer_lag{topic="poke-orders",partition="0"} 4"#,
        r#"poke_consumer_lag{topic="poke-orders",partition="2"} 20"#,
        r#"poke_http_requests_total{method="GET",path="/orders/{id}",status="200"} 1"#,
        r#"poke_http_request_duration_seconds_bucket{le="0.025",method="GET",path="/orders/{id}"} 0"#,
        r#"poke_http_request_duration_seconds_bucket{le="0.05",method="GET",path="/orders/{id}"} 1"#,
        r#"poke_http_request_duration_seconds_count{method="GET",path="/orders/{id}"} 1"#,
        r#"poke_orders{state="success"} 7"#,
        r#"poke_orders{state="reversed"} 0"#,
        r#"poke_outbox_pending{} 3"#,
        r#"poke_outbox_failed{} 1"#,
        r#"poke_reversed_total 2"#,
        r#"poke_reversal_runs_total{result="success"} 1"#,
        r#"poke_reversal_runs_total{result="failure"} 1"#,
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}:\n{shown}");
    }
    assert!(!shown.contains(r#"partition="1""#), "it is not assigned");
}

#[tokio::test]
async fn what_is_no_longer_known_is_no_longer_shown() {
    let mut registry = Registry::default();
    let census = Census::register(&mut registry);
    let consumption = Consumption::register(&mut registry, "poke-orders");
    let mut statistics = statistics();
    census.set(&Counts::default());
    consumption.set_lags(&statistics);
    assert!(text(&registry).await.contains(r#"partition="0""#));

    census.forget();
    let partitions = &mut statistics.topics.get_mut("poke-orders").unwrap().partitions;
    partitions.get_mut(&0).unwrap().desired = false;
    consumption.set_lags(&statistics);
    let shown = text(&registry).await;
    assert!(!shown.contains("poke_orders{"), "{shown}");
    assert!(!shown.contains("poke_outbox_pending{"), "{shown}");
    assert!(!shown.contains("poke_outbox_failed{"), "{shown}");
    assert!(!shown.contains(r#"partition="0""#), "{shown}");
    assert!(shown.contains(r#"partition="2""#), "{shown}");
}
