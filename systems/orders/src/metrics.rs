//! What the services count, under the names that Prometheus and the dashboard know.
//!
//! 1. Every series whose labels are known at the start is there from the start, at zero.
//! 2. Labels have a bounded number of values: topics, partitions, states, route templates, never
//!    an order or a path as it was asked for.
//!
//! Each part of a service registers what it counts ([`Production`], [`Consumption`], [`Requests`],
//! [`Census`], [`Reversals`]); [`crate::exposition`] shows a registry over HTTP.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use rdkafka::Statistics;

use crate::order::State;
use crate::store::Counts;

/// Records sent: `poke_produced_total`, `poke_produce_failures_total`.
#[derive(Debug, Clone)]
pub struct Production {
    produced: Counter,
    failures: Counter,
}

/// Records read and what became of them: `poke_consumed_total`, `poke_retried_total`,
/// `poke_parked_total`, `poke_consumer_lag`.
#[derive(Debug, Clone)]
pub struct Consumption {
    /// Records that had their effect.
    pub consumed: Counter,
    /// Failed tries after which a record is tried again.
    pub retried: Counter,
    /// Records that went to a dead-letter topic.
    pub parked: Counter,
    topic: String,
    lag: Family<PartitionLabels, Gauge>,
    shown: Arc<Mutex<BTreeSet<PartitionLabels>>>,
}

/// Requests over HTTP: `poke_http_requests_total`, `poke_http_request_duration_seconds`.
#[derive(Debug, Clone)]
pub struct Requests {
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
}

/// What the database has, asked when it is shown: `poke_orders`, `poke_outbox_pending`,
/// `poke_outbox_failed`.
#[derive(Debug, Clone)]
pub struct Census {
    orders: Family<StateLabels, Gauge>,
    outbox: Family<NoLabels, Gauge>,
    outbox_failed: Family<NoLabels, Gauge>,
}

/// Runs of the reverser: `poke_reversal_runs_total`, `poke_reversed_total`.
#[derive(Debug, Clone)]
pub struct Reversals {
    reversed: Counter,
    succeeded: Counter,
    failed: Counter,
}

/// The upper bounds of the durations' buckets, in seconds.
const DURATION_BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// A family, unlike a gauge alone, can have no value.
type NoLabels = [(&'static str, &'static str); 0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TopicLabels {
    topic: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct PartitionLabels {
    topic: String,
    partition: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    path: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: String,
    path: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

// === impl Production ===

impl Production {
    /// Counts what is sent to `topic`.
    pub fn register(registry: &mut Registry, topic: &str) -> Self {
        Self {
            produced: counter_of_topic(
                registry,
                "poke_produced",
                "Records acknowledged by the brokers",
                topic,
            ),
            failures: counter_of_topic(
                registry,
                "poke_produce_failures",
                "Records given up before the brokers acknowledged them",
                topic,
            ),
        }
    }

    /// Counts one record, and passes its fate on.
    pub fn count<T, E>(&self, delivered: Result<T, E>) -> Result<T, E> {
        match &delivered {
            Ok(_) => self.produced.inc(),
            Err(_) => self.failures.inc(),
        };
        delivered
    }
}

// === impl Consumption ===

impl Consumption {
    /// Counts what is read from `topic`.
    pub fn register(registry: &mut Registry, topic: &str) -> Self {
        let lag = Family::default();
        registry.register(
            "poke_consumer_lag",
            "Records of an assigned partition that the group has not committed",
            lag.clone(),
        );
        Self {
            consumed: counter_of_topic(
                registry,
                "poke_consumed",
                "Records that had their effect, or were parked, and were committed",
                topic,
            ),
            retried: counter_of_topic(
                registry,
                "poke_retried",
                "Failed tries after which a record is tried again",
                topic,
            ),
            parked: counter_of_topic(
                registry,
                "poke_parked",
                "Records that went to a dead-letter topic",
                topic,
            ),
            topic: topic.to_owned(),
            lag,
            shown: Arc::default(),
        }
    }

    /// Takes over the lags of the partitions that the consumer is assigned; others are no longer
    /// shown.
    pub fn set_lags(&self, statistics: &Statistics) {
        let Some(topic) = statistics.topics.get(&self.topic) else {
            return;
        };
        let lags = topic
            .partitions
            .values()
            .filter(|partition| partition.desired && partition.partition >= 0)
            .filter_map(|partition| {
                // Below zero, an offset is not known, or nothing was committed yet.
                let begin = partition.committed_offset.max(partition.lo_offset).max(0);
                let lag = (partition.hi_offset >= 0).then(|| partition.hi_offset - begin)?;
                Some((partition.partition, lag))
            });
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = std::mem::take(&mut *shown);
        for (partition, lag) in lags {
            let labels = PartitionLabels {
                topic: self.topic.clone(),
                partition,
            };
            self.lag.get_or_create(&labels).set(lag);
            gone.remove(&labels);
            shown.insert(labels);
        }
        for labels in gone {
            self.lag.remove(&labels);
        }
    }
}

// === impl Requests ===

impl Requests {
    /// Counts HTTP requests.
    pub fn register(registry: &mut Registry) -> Self {
        let requests = Family::default();
        registry.register(
            "poke_http_requests",
            "Requests that were answered",
            requests.clone(),
        );
        let new_histogram: fn() -> Histogram = || Histogram::new(DURATION_BUCKETS);
        let durations = Family::new_with_constructor(new_histogram);
        registry.register(
            "poke_http_request_duration_seconds",
            "Time from a request's arrival to its answer",
            durations.clone(),
        );
        Self {
            requests,
            durations,
        }
    }

    /// Counts one request; `path` is the template of its route.
    pub fn count(&self, method: &str, path: &str, status: u16, duration: Duration) {
        let (method, path) = (method.to_owned(), path.to_owned());
        let route = RouteLabels {
            method: method.clone(),
            path: path.clone(),
        };
        self.durations
            .get_or_create(&route)
            .observe(duration.as_secs_f64());
        let request = RequestLabels {
            method,
            path,
            status,
        };
        self.requests.get_or_create(&request).inc();
    }
}

// === impl Census ===

impl Census {
    /// Shows what the database has.
    pub fn register(registry: &mut Registry) -> Self {
        let orders = Family::default();
        let (outbox, outbox_failed) = (Family::default(), Family::default());
        registry.register(
            "poke_orders",
            "Orders in the database by state",
            orders.clone(),
        );
        registry.register(
            "poke_outbox_pending",
            "Messages in the outbox that no broker has acknowledged",
            outbox.clone(),
        );
        registry.register(
            "poke_outbox_failed",
            "Messages moved out of the outbox because they can never be sent",
            outbox_failed.clone(),
        );
        Self {
            orders,
            outbox,
            outbox_failed,
        }
    }

    /// Takes over what the database said; there are no orders in a state that is not listed.
    pub fn set(&self, counts: &Counts) {
        for state in State::ALL {
            let found = counts.orders.iter().find(|(of, _)| *of == state);
            let labels = StateLabels {
                state: state.name(),
            };
            let count = found.map_or(0, |(_, count)| *count);
            self.orders.get_or_create(&labels).set(count);
        }
        self.outbox.get_or_create(&[]).set(counts.outbox);
        let outbox_failed = self.outbox_failed.get_or_create(&[]);
        outbox_failed.set(counts.outbox_failed);
    }

    /// The database did not answer: what it last said is no longer shown.
    pub fn forget(&self) {
        self.orders.clear();
        self.outbox.clear();
        self.outbox_failed.clear();
    }
}

// === impl Reversals ===

impl Reversals {
    /// Counts runs of the reverser.
    pub fn register(registry: &mut Registry) -> Self {
        let reversed = Counter::default();
        registry.register("poke_reversed", "Orders reversed", reversed.clone());
        let runs = Family::<ResultLabels, Counter>::default();
        registry.register(
            "poke_reversal_runs",
            "Runs of the reverser by result",
            runs.clone(),
        );
        let of = |result| runs.get_or_create_owned(&ResultLabels { result });
        Self {
            reversed,
            succeeded: of("success"),
            failed: of("failure"),
        }
    }

    /// Counts one run: how many orders it reversed, or that it failed.
    pub fn count<E>(&self, reversed: Result<usize, E>) {
        match reversed {
            Ok(count) => {
                self.reversed.inc_by(count as u64);
                self.succeeded.inc();
            }
            Err(_) => {
                self.failed.inc();
            }
        }
    }
}

fn counter_of_topic(registry: &mut Registry, name: &str, help: &str, topic: &str) -> Counter {
    let family = Family::<TopicLabels, Counter>::default();
    registry.register(name, help, family.clone());
    let topic = topic.to_owned();
    family.get_or_create_owned(&TopicLabels { topic })
}
