//! `orders-topics`: makes, mends, describes and deletes the topics of the order system.
//!
//! 1. An operation succeeds only when its effect has been seen in the cluster: every partition has
//!    a leader and every replica is in sync. The original starts a reassignment and looks away.
//! 2. Every operation can be repeated: what is already so is left alone.
//! 3. A topic that exists in another form is never changed by `initial_topics_configuration`.

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use shaketable_kafka::{Cluster, Error, NewTopic, Topic};
use tokio::runtime::Runtime;
use tracing::{error, info};

use crate::placement::{Differences, Layout, Replicas, unready};
use crate::producer::{self, bootstrap_list};
use crate::program::{EXIT_USAGE, log_to_stderr};
use crate::setting::Environment;

/// Where new orders go.
pub const POKE_ORDERS: &str = "poke-orders";

/// Where decided orders go.
pub const POKE_ORDERS_STATE: &str = "poke-orders-state";

/// Where new orders are parked that cannot be decided.
pub const POKE_ORDERS_DLQ: &str = "poke-orders-dlq";

/// Where decided orders are parked that cannot be written.
pub const POKE_ORDERS_STATE_DLQ: &str = "poke-orders-state-dlq";

/// The detective's group.
pub const DETECTIVE_GROUP: &str = "poke-order-consumer";

/// One thing to do to the topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Makes the topics as published, `poke-orders` with a single replica, and the dead-letter
    /// topics, which the original has not.
    Initial,
    /// Gives `poke-orders` three replicas, and waits until they are in sync.
    Fixed,
    /// Describes the topics.
    Describe,
    /// Deletes the topics.
    Delete,
    /// Describes the detective's group.
    DescribeConsumer,
}

/// How long an operation may take until its effect is seen.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(60);

/// Between two looks at the cluster.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// How many brokers the layouts below need.
const BROKERS: usize = 3;

/// `poke-orders` as published.
const INITIAL_ORDERS: Layout = Layout {
    partitions: 3,
    replicas: Replicas::Any(1),
    min_insync_replicas: 1,
};

/// `poke-orders` as mended by the published cure.
const FIXED_ORDERS: Layout = Layout {
    partitions: 3,
    replicas: Replicas::On(&FIXED_REPLICAS),
    min_insync_replicas: 2,
};

const FIXED_REPLICAS: [&[i32]; 3] = [&[1, 2, 3], &[3, 1, 2], &[2, 3, 1]];

/// `poke-orders-state` as published.
const ORDERS_STATE: Layout = Layout {
    partitions: 3,
    replicas: Replicas::Any(3),
    min_insync_replicas: 2,
};

/// The dead-letter topics: as safe as a topic can be, whatever the others are.
const DEAD_LETTERS: Layout = Layout {
    partitions: 1,
    replicas: Replicas::Any(3),
    min_insync_replicas: 2,
};

/// Beside their layout: parked records stay until somebody deletes them, and any record fits.
const DEAD_LETTER_CONFIG: [(&str, &str); 2] = [
    ("retention.ms", "-1"),
    ("max.message.bytes", DEAD_LETTER_BYTES_MAX),
];

/// [`crate::parking::RECORD_BYTES_MAX`] and what a batch needs around it.
const DEAD_LETTER_BYTES_MAX: &str = "2162688";

/// Every topic of the system.
const TOPICS: [&str; 4] = [
    POKE_ORDERS,
    POKE_ORDERS_STATE,
    POKE_ORDERS_DLQ,
    POKE_ORDERS_STATE_DLQ,
];

const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

/// Runs the operations given as arguments, or else in `TOPICS_OPERATIONS`, one after another;
/// descriptions go to `output`.
pub fn run(output: &mut impl Write) -> ExitCode {
    log_to_stderr();
    let mut environment = Environment::of_process();
    let bootstrap = producer::bootstrap(&mut environment);
    let mut words = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    if words.trim().is_empty() {
        words = environment
            .text_or("TOPICS_OPERATIONS", "")
            .unwrap_or_default();
    }
    let operations = match parse_operations(&words) {
        Ok(operations) => Some(operations),
        Err(problem) => {
            environment.problem(problem);
            None
        }
    };
    let settings = environment.finish(bootstrap.zip(operations));
    let (bootstrap, operations) = match settings {
        Ok(settings) => settings,
        Err(problems) => {
            error!("{problems}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let topics = Topics {
        cluster: Cluster::new(bootstrap_list(&bootstrap), "orders-topics"),
    };
    let result = Runtime::new()
        .context("cannot start the runtime")
        .and_then(|runtime| runtime.block_on(topics.perform_all(&operations, output)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            error!("orders-topics: {reason:#}");
            ExitCode::FAILURE
        }
    }
}

/// Reads operations separated by blanks or commas; the error names every word that is none.
pub fn parse_operations(words: &str) -> Result<Vec<Operation>, String> {
    let (mut operations, mut wrong) = (Vec::new(), Vec::new());
    for word in words.split([' ', ',', '\t', '\n']) {
        if word.is_empty() {
            continue;
        }
        match word.parse() {
            Ok(operation) => operations.push(operation),
            Err(()) => wrong.push(format!("{word:?}")),
        }
    }
    let names = Operation::ALL.map(Operation::name).join(", ");
    if !wrong.is_empty() {
        return Err(format!(
            "no operation {}; the operations are {names}",
            wrong.join(", ")
        ));
    }
    if operations.is_empty() {
        return Err(format!(
            "no operation was given, neither as an argument nor in TOPICS_OPERATIONS; \
             the operations are {names}"
        ));
    }
    Ok(operations)
}

// === impl Operation ===

impl Operation {
    /// Every operation.
    pub const ALL: [Operation; 5] = [
        Operation::Initial,
        Operation::Fixed,
        Operation::Describe,
        Operation::Delete,
        Operation::DescribeConsumer,
    ];

    /// The name on the command line, as in the original's workflow.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Initial => "initial_topics_configuration",
            Operation::Fixed => "fixed_topics_configuration",
            Operation::Describe => "describe_topics",
            Operation::Delete => "delete_topics",
            Operation::DescribeConsumer => "describe_consumer",
        }
    }
}

impl FromStr for Operation {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Operation::ALL
            .into_iter()
            .find(|operation| operation.name() == name)
            .ok_or(())
    }
}

struct Topics {
    cluster: Cluster,
}

impl Topics {
    async fn perform_all(
        &self,
        operations: &[Operation],
        output: &mut impl Write,
    ) -> anyhow::Result<()> {
        for (at, operation) in operations.iter().enumerate() {
            info!("{} begins", operation.name());
            let later = &operations[at + 1..];
            let description = self
                .perform(*operation, later)
                .await
                .with_context(|| format!("{} failed", operation.name()))?;
            write!(output, "{description}")?;
            info!("{} is done", operation.name());
        }
        Ok(())
    }

    async fn perform(&self, operation: Operation, later: &[Operation]) -> anyhow::Result<String> {
        match operation {
            Operation::Initial => {
                self.await_brokers().await?;
                // Run again as a whole, "initial, then fixed" finds what it made the last time.
                let mended = later.contains(&Operation::Fixed).then_some(FIXED_ORDERS);
                let orders = [Some(INITIAL_ORDERS), mended];
                self.ensure_exists(POKE_ORDERS, &orders, &[]).await?;
                self.ensure_exists(POKE_ORDERS_STATE, &[Some(ORDERS_STATE)], &[])
                    .await?;
                for name in [POKE_ORDERS_DLQ, POKE_ORDERS_STATE_DLQ] {
                    self.ensure_exists(name, &[Some(DEAD_LETTERS)], &DEAD_LETTER_CONFIG)
                        .await?;
                }
                self.describe_topics().await
            }
            Operation::Fixed => {
                self.await_brokers().await?;
                self.mend_orders().await?;
                self.describe_topics().await
            }
            Operation::Describe => self.describe_topics().await,
            Operation::Delete => {
                for name in TOPICS {
                    self.delete(name).await?;
                }
                Ok(String::new())
            }
            Operation::DescribeConsumer => self.describe_consumer().await,
        }
    }

    async fn await_brokers(&self) -> anyhow::Result<()> {
        eventually(&format!("{BROKERS} brokers"), async || {
            let alive = self.cluster.metadata(Some(&[])).await?.brokers.len();
            Ok(match alive < BROKERS {
                true => vec![format!("{alive} brokers are alive")],
                false => Differences::new(),
            })
        })
        .await
    }

    /// Makes the topic in the first of the layouts unless it exists in one of them.
    async fn ensure_exists(
        &self,
        name: &str,
        layouts: &[Option<Layout>],
        config: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let layouts: Vec<&Layout> = layouts.iter().flatten().collect();
        match self.differences(name, &layouts).await? {
            Some(differences) if differences.is_empty() => info!("topic {name} exists as wanted"),
            Some(differences) => bail!(
                "topic {name} exists in another form ({}); it is left as it is: \
                 run delete_topics first to have it made anew",
                differences.join("; ")
            ),
            None => self.create(name, layouts[0], config).await?,
        }
        self.await_ready(name, &layouts).await
    }

    async fn create(
        &self,
        name: &str,
        layout: &Layout,
        config: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let min_insync_replicas = layout.min_insync_replicas.to_string();
        let topic = match layout.replicas {
            Replicas::Any(count) => NewTopic::new(
                name,
                i32::try_from(layout.partitions)?,
                i16::try_from(count)?,
            ),
            Replicas::On(lists) => {
                NewTopic::assigned(name, lists.iter().map(|list| list.to_vec()).collect())
            }
        };
        let topic = config.iter().fold(
            topic.config(MIN_INSYNC_REPLICAS, &min_insync_replicas),
            |topic, (key, value)| topic.config(key, value),
        );
        match self.cluster.create_topic(&topic).await {
            Ok(()) => info!("topic {name} was made: {layout}"),
            // Whether it was made is seen afterwards.
            Err(reason @ Error::OutcomeUnknown { .. }) => info!("{reason}"),
            Err(reason) => return Err(reason).context(format!("cannot make topic {name}")),
        }
        Ok(())
    }

    async fn mend_orders(&self) -> anyhow::Result<()> {
        let moves = (0..).zip(FIXED_REPLICAS.iter().map(|list| list.to_vec()));
        let moved = self.cluster.reassign(POKE_ORDERS, moves.collect()).await;
        tolerate_unknown_outcome(moved)
            .with_context(|| format!("cannot reassign the replicas of {POKE_ORDERS}"))?;
        // Not before the replicas exist: until then the topic would refuse every write.
        self.await_ready_with(POKE_ORDERS, async |topic| {
            let mut differences = unready(&topic.partitions);
            for reassignment in self.cluster.reassignments(POKE_ORDERS).await? {
                differences.push(format!(
                    "partition {} is still being reassigned (adding {:?}, removing {:?})",
                    reassignment.partition, reassignment.adding, reassignment.removing
                ));
            }
            let wanted = FIXED_ORDERS.min_insync_replicas.to_string();
            differences.extend(FIXED_ORDERS.differences(&topic.partitions, Some(&wanted)));
            Ok(differences)
        })
        .await?;
        let wanted = FIXED_ORDERS.min_insync_replicas.to_string();
        let set = self
            .cluster
            .set_topic_config(POKE_ORDERS, MIN_INSYNC_REPLICAS, Some(&wanted))
            .await;
        tolerate_unknown_outcome(set)
            .with_context(|| format!("cannot set {MIN_INSYNC_REPLICAS} of {POKE_ORDERS}"))?;
        self.await_ready(POKE_ORDERS, &[&FIXED_ORDERS]).await
    }

    /// Waits until the topic is in one of the layouts, with a leader and a full ISR everywhere.
    async fn await_ready(&self, name: &str, layouts: &[&Layout]) -> anyhow::Result<()> {
        self.await_ready_with(name, async |topic| {
            let mut differences = unready(&topic.partitions);
            differences.extend(self.differences(name, layouts).await?.unwrap_or_default());
            Ok(differences)
        })
        .await
    }

    async fn await_ready_with(
        &self,
        name: &str,
        mut differences: impl AsyncFnMut(&Topic) -> Result<Differences, Error>,
    ) -> anyhow::Result<()> {
        eventually(&format!("topic {name} as wanted"), async || {
            match self.topic(name).await? {
                Some(topic) => differences(&topic).await,
                None => Ok(vec!["it does not exist".to_owned()]),
            }
        })
        .await
    }

    async fn delete(&self, name: &str) -> anyhow::Result<()> {
        match self.cluster.delete_topic(name).await {
            Ok(()) | Err(Error::UnknownTopic { .. } | Error::OutcomeUnknown { .. }) => {}
            Err(reason) => return Err(reason).context(format!("cannot delete topic {name}")),
        }
        eventually(&format!("topic {name} gone"), async || {
            Ok(match self.topic(name).await? {
                Some(_) => vec!["it exists".to_owned()],
                None => Differences::new(),
            })
        })
        .await
    }

    /// What the topic differs in from the layout it differs from least; nothing when there is no
    /// such topic.
    async fn differences(
        &self,
        name: &str,
        layouts: &[&Layout],
    ) -> Result<Option<Differences>, Error> {
        let Some(topic) = self.topic(name).await? else {
            return Ok(None);
        };
        let config = self.cluster.topic_config(name).await?;
        let min_insync_replicas = config.get(MIN_INSYNC_REPLICAS).map(String::as_str);
        Ok(layouts
            .iter()
            .map(|layout| layout.differences(&topic.partitions, min_insync_replicas))
            .min_by_key(Vec::len))
    }

    async fn topic(&self, name: &str) -> Result<Option<Topic>, Error> {
        let metadata = self.cluster.metadata(Some(&[name])).await?;
        match metadata.topic(name) {
            Ok(topic) => Ok(Some(topic.clone())),
            Err(Error::UnknownTopic { .. }) => Ok(None),
            Err(reason) => Err(reason),
        }
    }

    async fn describe_topics(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        for name in TOPICS {
            let Some(topic) = self.topic(name).await? else {
                writeln!(text, "topic {name} does not exist")?;
                continue;
            };
            let config = self.cluster.topic_config(name).await?;
            let min_insync_replicas = config.get(MIN_INSYNC_REPLICAS);
            writeln!(
                text,
                "topic {name}: {} partitions, {MIN_INSYNC_REPLICAS} {}",
                topic.partitions.len(),
                min_insync_replicas.map_or("unknown", String::as_str)
            )?;
            for partition in &topic.partitions {
                writeln!(
                    text,
                    "  partition {}: leader {}, replicas {:?}, in sync {:?}",
                    partition.partition,
                    partition
                        .leader
                        .map_or("none".to_owned(), |leader| leader.to_string()),
                    partition.replicas,
                    partition.isr
                )?;
            }
        }
        Ok(text)
    }

    async fn describe_consumer(&self) -> anyhow::Result<String> {
        let group = self.cluster.describe_group(DETECTIVE_GROUP).await?;
        let committed = self
            .cluster
            .committed_offsets(DETECTIVE_GROUP, POKE_ORDERS)
            .await?;
        let ends = self.cluster.end_offsets(POKE_ORDERS).await?;
        let mut text = String::new();
        writeln!(
            text,
            "group {DETECTIVE_GROUP}: {}, {} members",
            group.state,
            group.members.len()
        )?;
        for (partition, end) in ends {
            match committed.get(&partition) {
                Some(offset) => writeln!(
                    text,
                    "  {POKE_ORDERS}/{partition}: committed {offset}, end {end}, lag {}",
                    end - offset
                )?,
                None => writeln!(
                    text,
                    "  {POKE_ORDERS}/{partition}: nothing committed, end {end}"
                )?,
            }
        }
        Ok(text)
    }
}

/// Whether a change was carried out is seen afterwards.
fn tolerate_unknown_outcome(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(reason @ Error::OutcomeUnknown { .. }) => {
            info!("{reason}");
            Ok(())
        }
        result => result,
    }
}

/// Looks until there is no difference left; the error tells the last ones.
async fn eventually(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Differences, Error>,
) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let differences = match look().await {
            Ok(differences) if differences.is_empty() => return Ok(()),
            Ok(differences) => differences,
            Err(reason) => vec![reason.to_string()],
        };
        if started.elapsed() > OPERATION_TIMEOUT {
            bail!(
                "no {what} within {OPERATION_TIMEOUT:?}: {}; look at the brokers' logs",
                differences.join("; ")
            );
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
