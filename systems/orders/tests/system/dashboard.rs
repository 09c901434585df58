//! The dashboard and Prometheus' configuration know what there is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::metrics;

fn read(path: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn dashboard() -> Value {
    serde_json::from_str(&read("monitoring/grafana/dashboards/orders.json")).unwrap()
}

/// The names of an expression of PromQL: of metrics, and of labels.
#[derive(Debug, Default, PartialEq)]
struct Names {
    metrics: BTreeSet<String>,
    labels: BTreeSet<String>,
}

/// Reads `sum by (label) (rate(metric{label="value"}[1m]))` and its like.
fn names(expression: &str) -> Names {
    let mut names = Names::default();
    let (mut rest, mut within_labels) = (expression, false);
    while let Some(first) = rest.chars().next() {
        let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let word_end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_end);
        match first {
            '"' => rest = &rest[rest[1..].find('"').unwrap() + 2..],
            '[' => rest = &rest[rest.find(']').unwrap() + 1..],
            '0'..='9' => rest = after,
            '{' => (within_labels, rest) = (true, &rest[1..]),
            '}' | ')' => (within_labels, rest) = (false, &rest[1..]),
            _ if word.is_empty() => rest = &rest[first.len_utf8()..],
            _ if within_labels => {
                names.labels.insert(word.to_owned());
                rest = after;
            }
            _ => {
                let called = after.trim_start().strip_prefix('(');
                match called {
                    Some(inside) if ["by", "without", "on"].contains(&word) => {
                        (within_labels, rest) = (true, inside);
                    }
                    Some(_) => rest = after,
                    None if after.trim_start().starts_with("by ") => rest = after,
                    None => {
                        names.metrics.insert(word.to_owned());
                        rest = after;
                    }
                }
            }
        }
    }
    names
}

#[test]
fn names_are_found_in_expressions() {
    let found = names(
        r#"histogram_quantile(0.95, sum by (le, path) (rate(a_bucket{state="x y",job=~"z"}[1m]))) / max(b)"#,
    );
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(found.metrics, set(&["a_bucket", "b"]));
    assert_eq!(found.labels, set(&["le", "path", "state", "job"]));
}

#[tokio::test]
async fn every_query_asks_for_metrics_and_labels_that_exist() {
    let mut series = metrics::series().await;
    series.insert("up".to_owned(), BTreeSet::new());
    let mut asked = BTreeSet::new();
    for panel in dashboard()["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let Names { metrics, labels } = names(expression);
            assert!(!metrics.is_empty(), "{title}: {expression}");
            for metric in metrics {
                let known = series
                    .get(&metric)
                    .unwrap_or_else(|| panic!("{title}: no service shows {metric}"));
                for label in &labels {
                    // Prometheus adds these two.
                    let exists = known.contains(label) || ["job", "instance"].contains(&&**label);
                    assert!(exists, "{title}: {metric} has no label {label}");
                }
                asked.insert(metric);
            }
            let legend = target["legendFormat"].as_str().unwrap();
            for part in legend.split("{{").skip(1) {
                let label = part.split_once("}}").unwrap().0;
                assert!(labels.contains(label), "{title}: {legend}");
            }
        }
    }
    let unasked: Vec<&String> = series
        .keys()
        .filter(|name| !asked.contains(*name))
        .collect();
    assert_eq!(unasked, [""; 0], "series that no panel shows");
}

#[test]
fn every_service_is_scraped_where_it_listens() {
    let (compose, prometheus) = (read("compose.yaml"), read("monitoring/prometheus.yml"));
    for (service, target) in [
        ("poke-order-api", "targets: [poke-order-api:8000]"),
        ("detective-pikachu", "names: [detective-pikachu]"),
        ("order-updater", "targets: [order-updater:9100]"),
        ("order-reversed", "targets: [order-reversed:9100]"),
    ] {
        let job = format!("job_name: {service}\n");
        assert!(prometheus.contains(&job), "{service}");
        assert!(prometheus.contains(target), "{target}");
        assert!(compose.contains(&format!("\n  {service}:\n")), "{service}");
    }
    assert_eq!(prometheus.matches("job_name:").count(), 4);
    assert_eq!(compose.matches("METRICS_LISTEN: 0.0.0.0:9100").count(), 3);
}

#[test]
fn grafana_finds_the_dashboard_and_its_data_source() {
    let compose = read("compose.yaml");
    let provider = read("monitoring/grafana/provisioning/dashboards/orders.yml");
    assert!(provider.contains("path: /var/lib/grafana/dashboards"));
    assert!(compose.contains("./monitoring/grafana/dashboards:/var/lib/grafana/dashboards:ro"));
    assert!(compose.contains("./monitoring/grafana/provisioning:/etc/grafana/provisioning:ro"));
    let source = read("monitoring/grafana/provisioning/datasources/prometheus.yml");
    assert!(source.contains("url: http://prometheus:9090"));
    for panel in dashboard()["panels"].as_array().unwrap() {
        let uid = panel["datasource"]["uid"].as_str().unwrap();
        assert!(source.contains(&format!("uid: {uid}\n")), "{panel}");
    }
}
