//! A Kafka of librdkafka's own: three brokers in this process that keep logs and groups.

use std::collections::BTreeMap;
use std::time::Instant;

use orders::replay::GROUP;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use rdkafka::{Offset, TopicPartitionList};

use super::AMPLE;

/// Partitions of every topic.
pub const PARTITIONS: i32 = 3;

/// The mock cluster.
pub struct Kafka {
    pub mock: MockCluster<'static, DefaultProducerContext>,
}

/// One record, as it is in a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<String>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, String)>,
}

impl Kafka {
    pub fn new(topics: &[&str]) -> Self {
        let mock = MockCluster::new(3).unwrap();
        for topic in topics {
            mock.create_topic(topic, PARTITIONS, 3).unwrap();
        }
        Self { mock }
    }

    pub fn bootstrap(&self) -> String {
        self.mock.bootstrap_servers()
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap());
        config
    }

    /// Adds a record to a partition.
    pub async fn add(
        &self,
        topic: &str,
        partition: i32,
        key: Option<&str>,
        value: &[u8],
        headers: &[(&str, &str)],
    ) {
        let producer: FutureProducer = self.config().create().unwrap();
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: Some(*value),
                })
            });
        let mut record = FutureRecord::to(topic)
            .partition(partition)
            .payload(value)
            .headers(headers);
        record.key = key;
        producer
            .send(record, Timeout::After(AMPLE))
            .await
            .map_err(|(reason, _)| reason)
            .unwrap();
    }

    /// The first `count` records of the topic, by partition and offset.
    pub async fn read(&self, topic: &str, count: usize) -> Vec<Record> {
        let (config, topic) = (self.config(), topic.to_owned());
        let reading = tokio::task::spawn_blocking(move || read(config, &topic, count));
        reading.await.unwrap()
    }

    /// How many records the topic has.
    pub async fn count(&self, topic: &str) -> i64 {
        let (config, topic) = (self.config(), topic.to_owned());
        let counting = tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = config.create().unwrap();
            (0..PARTITIONS)
                .map(|partition| {
                    let ends = consumer.fetch_watermarks(&topic, partition, AMPLE);
                    ends.map_or(0, |(_, high)| high)
                })
                .sum()
        });
        counting.await.unwrap()
    }

    /// What the group has committed.
    pub async fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        let mut config = self.config();
        config.set("group.id", group);
        let topic = topic.to_owned();
        let asking = tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = config.create().unwrap();
            let mut wanted = TopicPartitionList::new();
            wanted.add_partition_range(&topic, 0, PARTITIONS - 1);
            let committed = consumer.committed_offsets(wanted, AMPLE).unwrap();
            committed
                .elements()
                .iter()
                .filter_map(|element| match element.offset() {
                    Offset::Offset(offset) => Some((element.partition(), offset)),
                    _ => None,
                })
                .collect()
        });
        asking.await.unwrap()
    }

    /// What the replay tool has committed.
    pub async fn replayed(&self, topic: &str) -> BTreeMap<i32, i64> {
        self.committed(GROUP, topic).await
    }
}

fn read(mut config: ClientConfig, topic: &str, count: usize) -> Vec<Record> {
    let consumer: BaseConsumer = config.set("group.id", "reader").create().unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        assignment
            .add_partition_offset(topic, partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let mut records = Vec::new();
    let began = Instant::now();
    while records.len() < count {
        assert!(began.elapsed() < AMPLE, "{topic} has only {records:#?}");
        if let Some(Ok(message)) = consumer.poll(AMPLE / 100) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let headers = message.headers().into_iter().flat_map(Headers::iter);
            records.push(Record {
                partition: message.partition(),
                offset: message.offset(),
                key: message.key().map(text),
                value: message.payload().map(<[u8]>::to_vec),
                headers: headers
                    .map(|header| {
                        (
                            header.key.to_owned(),
                            text(header.value.unwrap_or_default()),
                        )
                    })
                    .collect(),
            });
        }
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

impl Record {
    /// The value of a header that must be there once.
    #[track_caller]
    pub fn header(&self, key: &str) -> &str {
        let values: Vec<&str> = self
            .headers
            .iter()
            .filter(|(of, _)| of == key)
            .map(|(_, value)| value.as_str())
            .collect();
        assert_eq!(values.len(), 1, "{key} in {:?}", self.headers);
        values[0]
    }
}
