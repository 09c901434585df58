//! Stages: where messages are looked for, read independently of the system under test.
//!
//! A reading has a finite target, so that "not read yet" is never taken for "not there": a topic is
//! read to the end offsets captured when the reading begins, a query is one snapshot. What was there
//! before the load (the baseline) is told apart. A reading that did not reach its target says so.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json_path::JsonPath;
use shaketable_experiment::{Stage, StageRole, StageSource};
use shaketable_kafka::{Cluster, identity, truth};
use shaketable_ledger::{Sighting, StageReading, StageSpec};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Row, ValueRef};

use crate::exchange::{Exchange, RecordPlace};
use crate::site::Site;

/// The longest wait for a database to connect and for one query to answer.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest one reading of a topic may take.
const TOPIC_TIMEOUT: Duration = Duration::from_secs(60);
/// How long end offsets are asked for again while leaders settle.
const OFFSETS_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// Between two samples of the stages that end a message's way. A settling time is known to this
/// resolution, from above.
pub const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);

/// Why a stage cannot be read at all.
#[derive(Debug)]
pub enum StageError {
    /// The document is wrong: no such topic, no such column, a wrong path.
    Document(String),
    /// The system does not answer.
    System(String),
}

/// One stage, with its baseline.
#[derive(Debug)]
pub struct StageReader {
    stage: Stage,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Topic {
        cluster: Cluster,
        topic: String,
        path: Box<JsonPath>,
        from: BTreeMap<i32, i64>,
    },
    Query {
        url: String,
        query: String,
        connection: tokio::sync::Mutex<Option<PgConnection>>,
        baseline: Vec<String>,
    },
}

/// What one reading saw.
#[derive(Debug, Default)]
pub struct Reading {
    /// Every sighting, without a time.
    pub sightings: Vec<Sighting>,
    /// Records without an identity.
    pub unidentified: u64,
    /// Records that the experiment itself wrote, which are left out.
    pub own: u64,
    /// Why it is not complete.
    pub incomplete: Option<String>,
}

impl StageReader {
    /// Opens a stage and takes its baseline.
    pub async fn open(stage: &Stage, site: &Site) -> Result<StageReader, StageError> {
        let source = match &stage.source {
            StageSource::Kafka { topic, identity } => {
                let cluster = site
                    .cluster("shaketable-ledger")
                    .map_err(StageError::Document)?;
                let path = JsonPath::parse(identity)
                    .map_err(|error| StageError::Document(format!("`{identity}`: {error}")))?;
                let from = cluster
                    .end_offsets(topic)
                    .await
                    .map_err(|error| match error {
                        shaketable_kafka::Error::UnknownTopic { .. } => {
                            StageError::Document(error.to_string())
                        }
                        error => StageError::System(error.to_string()),
                    })?;
                Source::Topic {
                    cluster,
                    topic: topic.clone(),
                    path: Box::new(path),
                    from,
                }
            }
            StageSource::Postgres { url, query } => Source::Query {
                url: url.clone(),
                query: query.clone(),
                connection: tokio::sync::Mutex::new(None),
                baseline: Vec::new(),
            },
        };
        let mut reader = StageReader {
            stage: stage.clone(),
            source,
        };
        if let Source::Query {
            connection,
            url,
            query,
            ..
        } = &reader.source
        {
            let rows = query_rows(connection, url, query).await?;
            let identities = rows.into_iter().map(|(identity, _)| identity).collect();
            if let Source::Query { baseline, .. } = &mut reader.source {
                *baseline = identities;
            }
        }
        Ok(reader)
    }

    /// The stage as the plan has it.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Reads the stage from its baseline to its end as it is now, but for the records at `own`
    /// places, which the experiment itself wrote.
    pub async fn read(&self, own: &BTreeSet<RecordPlace>) -> Reading {
        match &self.source {
            Source::Topic {
                cluster,
                topic,
                path,
                from,
            } => {
                let to = match end_offsets(cluster, topic).await {
                    Ok(to) => to,
                    Err(reason) => {
                        return Reading {
                            incomplete: Some(reason),
                            ..Reading::default()
                        };
                    }
                };
                let before = to
                    .iter()
                    .find(|(partition, end)| from.get(partition).is_some_and(|from| from > end));
                if let Some((partition, end)) = before {
                    let reason = format!(
                        "{topic}/{partition} ends at {end}, before where it stood when the run began: it was truncated or made anew"
                    );
                    return Reading {
                        incomplete: Some(reason),
                        ..Reading::default()
                    };
                }
                read_topic(cluster, topic, path, from, &to, own).await
            }
            Source::Query {
                url,
                query,
                connection,
                ..
            } => match query_rows(connection, url, query).await {
                Ok(rows) => Reading {
                    sightings: rows
                        .into_iter()
                        .map(|(identity, value)| Sighting {
                            identity,
                            at_us: None,
                            place: value.unwrap_or_else(|| self.stage.name.clone()),
                            partition: None,
                        })
                        .collect(),
                    ..Reading::default()
                },
                Err(StageError::Document(reason) | StageError::System(reason)) => Reading {
                    incomplete: Some(reason),
                    ..Reading::default()
                },
            },
        }
    }

    /// A reading as the ledger wants it, with the times at which samples first saw each identity.
    pub fn account(&self, reading: Reading, seen: &HashMap<String, u64>) -> StageReading {
        StageReading {
            spec: StageSpec {
                name: self.stage.name.clone(),
                role: self.stage.role,
                within_us: self.stage.within.map(|within| within.as_micros() as u64),
            },
            sightings: reading
                .sightings
                .into_iter()
                .map(|sighting| Sighting {
                    at_us: seen.get(&sighting.identity).copied(),
                    ..sighting
                })
                .collect(),
            incomplete: reading.incomplete,
            baseline: match &self.source {
                Source::Topic { .. } => Vec::new(), // what was there lies before the first offset read
                Source::Query { baseline, .. } => baseline.clone(),
            },
        }
    }
}

async fn end_offsets(cluster: &Cluster, topic: &str) -> Result<BTreeMap<i32, i64>, String> {
    let deadline = Instant::now() + OFFSETS_TIMEOUT;
    loop {
        match cluster.end_offsets(topic).await {
            Ok(offsets) => return Ok(offsets),
            Err(error) if Instant::now() > deadline => {
                return Err(format!("the end of {topic} is not known: {error}"));
            }
            Err(_) => tokio::time::sleep(RETRY_INTERVAL).await,
        }
    }
}

async fn read_topic(
    cluster: &Cluster,
    topic: &str,
    path: &JsonPath,
    from: &BTreeMap<i32, i64>,
    to: &BTreeMap<i32, i64>,
    own: &BTreeSet<RecordPlace>,
) -> Reading {
    let isolation = truth::Isolation::ReadCommitted;
    let read = match truth::read_from(cluster, topic, from, to, isolation, TOPIC_TIMEOUT).await {
        Ok(read) => read,
        Err(error) => {
            return Reading {
                incomplete: Some(error.to_string()),
                ..Reading::default()
            };
        }
    };
    let mut reading = Reading::default();
    for record in &read.records {
        if own.contains(&(topic.to_owned(), record.partition, record.offset)) {
            reading.own += 1;
            continue;
        }
        match record
            .value
            .as_deref()
            .and_then(|value| identity::at(path, value))
        {
            Some(identity) => reading.sightings.push(Sighting {
                identity,
                at_us: None,
                place: format!("{topic}/{}@{}", record.partition, record.offset),
                partition: Some(record.partition),
            }),
            None => reading.unidentified += 1,
        }
    }
    if !read.is_complete() {
        let parts: Vec<String> = read
            .incomplete
            .iter()
            .map(|part| {
                format!(
                    "{topic}/{} was read to {} of {} ({})",
                    part.partition, part.reached, part.target, part.reason
                )
            })
            .collect();
        reading.incomplete = Some(parts.join("; "));
    }
    if reading.unidentified > 0 {
        // They may be anybody's, so what is not seen here may be there all the same.
        let what = format!(
            "{} records of {topic} have no identity at the stage's path",
            reading.unidentified
        );
        reading.incomplete = Some(match reading.incomplete.take() {
            Some(reason) => format!("{reason}; {what}"),
            None => what,
        });
    }
    reading
}

type Rows = Vec<(String, Option<String>)>;

/// Runs the query as it is, in PostgreSQL's simple protocol: every value comes as text.
async fn query_rows(
    kept: &tokio::sync::Mutex<Option<PgConnection>>,
    url: &str,
    query: &str,
) -> Result<Rows, StageError> {
    let mut kept = kept.lock().await;
    let work = async {
        let ask = |query: &str| sqlx::raw_sql(AssertSqlSafe(query.to_owned()));
        let (mut connection, rows) = match kept.take() {
            None => (PgConnection::connect(url).await?, None),
            Some(mut connection) => {
                let rows = ask(query).fetch_all(&mut connection).await;
                match rows {
                    Ok(rows) => (connection, Some(rows)),
                    Err(error) if !is_stale(&error) => return Err(error),
                    // The server was restarted since the connection was made.
                    Err(_) => (PgConnection::connect(url).await?, None),
                }
            }
        };
        let rows = match rows {
            Some(rows) => rows,
            None => ask(query).fetch_all(&mut connection).await?,
        };
        *kept = Some(connection);
        Ok::<Vec<PgRow>, sqlx::Error>(rows)
    };
    let rows = match tokio::time::timeout(QUERY_TIMEOUT, work).await {
        Err(_) => {
            return Err(StageError::System(format!(
                "the database did not answer within {} s",
                QUERY_TIMEOUT.as_secs()
            )));
        }
        Ok(Err(error)) => return Err(stage_error(&error)),
        Ok(Ok(rows)) => rows,
    };
    let text = |row: &PgRow, column: usize| -> Result<Option<String>, StageError> {
        let value = row
            .try_get_raw(column)
            .map_err(|error| stage_error(&error))?;
        if value.is_null() {
            return Ok(None);
        }
        value
            .as_str()
            .map(|text| Some(text.to_owned()))
            .map_err(|error| StageError::System(error.to_string()))
    };
    rows.iter()
        .map(|row| {
            let identity = text(row, 0)?.ok_or_else(|| {
                StageError::Document(
                    "the query's first column, the identity, is null in a row".to_owned(),
                )
            })?;
            let value = if row.len() > 1 { text(row, 1)? } else { None };
            Ok((identity, value))
        })
        .collect()
}

/// Whether an error is about the connection, not about the statement: the server went away (class
/// 57P, class 08), or the socket did.
fn is_stale(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| code.starts_with("57P") || code.starts_with("08")),
        _ => true,
    }
}

/// An error that the server gave about the statement is the document's; anything else the system's.
fn stage_error(error: &sqlx::Error) -> StageError {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default().into_owned();
            // Class 42: syntax error or access rule violation; 22: data exception.
            if code.starts_with("42") || code.starts_with("22") {
                StageError::Document(format!(
                    "the query was refused: {} (SQLSTATE {code})",
                    error.message()
                ))
            } else {
                StageError::System(format!("{} (SQLSTATE {code})", error.message()))
            }
        }
        sqlx::Error::Configuration(error) => {
            StageError::Document(format!("the database URL: {error}"))
        }
        error => StageError::System(error.to_string()),
    }
}

/// When each identity was first seen at each stage that ends a message's way.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    stages: Arc<Mutex<Vec<HashMap<String, u64>>>>,
}

impl Seen {
    /// The first sightings at the stage of that index: identity → µs since the run began.
    pub fn of(&self, stage: usize) -> HashMap<String, u64> {
        self.lock().get(stage).cloned().unwrap_or_default()
    }

    /// How many identities were seen at the stage of that index.
    pub fn count(&self, stage: usize) -> u64 {
        self.lock().get(stage).map_or(0, |stage| stage.len() as u64)
    }

    /// Whether an identity was seen at any of these stages.
    pub fn any(&self, stages: &[usize], identity: &str) -> bool {
        let seen = self.lock();
        stages.iter().any(|stage| {
            seen.get(*stage)
                .is_some_and(|stage| stage.contains_key(identity))
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<HashMap<String, u64>>> {
        self.stages
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Samples the stages that end a message's way until it is dropped.
pub struct Sampler {
    seen: Seen,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Sampler {
    /// Begins to sample; `t0` is the zero of the run's clock. A sample that fails is left out: the
    /// final reading decides.
    pub fn start(readers: &Arc<Vec<StageReader>>, exchange: &Exchange, t0: Instant) -> Sampler {
        let seen = Seen::default();
        seen.lock().resize_with(readers.len(), HashMap::new);
        let mut tasks = Vec::new();
        for index in ending_stages(readers) {
            let (readers, seen) = (readers.clone(), seen.clone());
            let exchange = exchange.clone();
            tasks.push(tokio::spawn(async move {
                let mut clock = tokio::time::interval(SAMPLE_INTERVAL);
                clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                loop {
                    clock.tick().await;
                    let reading = readers[index].read(&exchange.written()).await;
                    let at_us = t0.elapsed().as_micros() as u64;
                    let mut stages = seen.lock();
                    for sighting in reading.sightings {
                        stages[index].entry(sighting.identity).or_insert(at_us);
                    }
                }
            }));
        }
        Sampler { seen, tasks }
    }

    /// What was seen so far.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// The stages at which a message's way ends, well or badly.
pub fn ending_stages(readers: &[StageReader]) -> Vec<usize> {
    (0..readers.len())
        .filter(|&index| readers[index].stage.role != StageRole::Trace)
        .collect()
}
