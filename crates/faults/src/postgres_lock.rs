//! `postgres-lock`: a transaction that runs a query, keeps its locks, and does not end: somebody's
//! forgotten session. The locks are those of the query: of a whole table (`lock table … in share
//! mode`) or of rows (`select … for update`).
//!
//! The session is this process's and ends with it; PostgreSQL then releases the locks by itself.
//! It carries the fault's id as its application name, so that any process can find it and end it.
//! Confirmed when the server lists the session, idle in its transaction, and the query returned rows
//! that it locks or the session holds the lock of a table. Recovered when the server lists none.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use shaketable_document::{Field, Kind};
use shaketable_experiment::FaultDeclaration;
use shaketable_testbed::system::without_secrets;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::fault::{BoxFuture, Context, Fault, FaultError, Observed, Parameters};
use crate::undo::UndoRecord;

pub(crate) struct PostgresLock;

/// How long connecting and asking may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the query may wait for its own locks.
const LOCK_TIMEOUT: Duration = Duration::from_secs(20);

/// The sessions of this process, by the fault's id.
static SESSIONS: LazyLock<Mutex<HashMap<String, Session>>> = LazyLock::new(Mutex::default);

/// A session that keeps locks as long as it is open.
struct Session {
    _connection: PgConnection,
    /// How many rows its query returned.
    rows: usize,
}

const PARAMETERS: &[Field<'static>] = &[
    Field::required("url", Kind::Text, "The database, as a connection URL."),
    Field::required("query", Kind::Text, "The query whose locks are kept."),
    Field::optional(
        "release-after",
        Kind::Duration,
        "When the locks are released; at the end of the method when left out.",
    ),
];

impl Fault for PostgresLock {
    fn declaration(&self) -> FaultDeclaration {
        FaultDeclaration {
            name: "postgres-lock",
            doc: "Keeps the locks of a query in PostgreSQL.",
            parameters: PARAMETERS,
            targets: &["service"],
        }
    }

    fn undoing(&self) -> &'static str {
        "The session is ended, also by any later command; seen when the server lists it no more."
    }

    fn describe(&self, record: &UndoRecord) -> String {
        format!(
            "keeps the locks of `{}` in {}",
            record.parameters.text("query").unwrap_or_default(),
            record.hit.instance
        )
    }

    fn check(&self, parameters: &Parameters) -> Result<(), String> {
        let url = parameters.text("url").unwrap_or_default();
        PgConnectOptions::from_str(url)
            .map(drop)
            .map_err(|error| format!("`url` is no connection URL of PostgreSQL: {error}"))
    }

    fn lasts(&self, parameters: &Parameters) -> Option<Duration> {
        parameters.duration("release-after")
    }

    fn apply<'a>(
        &'a self,
        record: &'a UndoRecord,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<(), FaultError>> {
        Box::pin(async move {
            same_server(record, context).await?;
            let begin = async {
                let mut connection = connect(record, &session_name(record)).await?;
                sqlx::raw_sql("begin").execute(&mut connection).await?;
                let query = record.parameters.text("query").unwrap_or_default();
                let rows = sqlx::raw_sql(AssertSqlSafe(query.to_owned()))
                    .fetch_all(&mut connection)
                    .await?
                    .len();
                Ok(Session {
                    _connection: connection,
                    rows,
                })
            };
            let session = within(LOCK_TIMEOUT, record, begin).await?;
            sessions().insert(record.id.clone(), session);
            Ok(())
        })
    }

    fn confirm<'a>(
        &'a self,
        record: &'a UndoRecord,
        _context: &'a Context,
    ) -> BoxFuture<'a, Observed> {
        Box::pin(async move {
            match listed(record).await {
                Err(error) => Observed::Unknown(error.to_string()),
                Ok(found) => match found.as_slice() {
                    [] => Observed::No("the server lists no session that keeps locks".to_owned()),
                    [listed, ..] if listed.state != "idle in transaction" => {
                        Observed::No(format!("session {} is {}", listed.pid, listed.state))
                    }
                    [listed, ..] => {
                        let rows = sessions().get(&record.id).map_or(0, |session| session.rows);
                        let (pid, tables) = (listed.pid, listed.table_locks);
                        if rows == 0 && tables == 0 {
                            Observed::No(format!(
                                "session {pid} locks nothing: its query returned no row and holds no table's lock"
                            ))
                        } else {
                            Observed::Yes(format!(
                                "session {pid} of {} keeps the locks of {rows} rows and {tables} tables",
                                record.hit.instance
                            ))
                        }
                    }
                },
            }
        })
    }

    fn recover<'a>(
        &'a self,
        record: &'a UndoRecord,
        _context: &'a Context,
    ) -> BoxFuture<'a, Result<(), FaultError>> {
        Box::pin(async move {
            // Closing the connection ends the session, whatever the server does next.
            drop(sessions().remove(&record.id));
            if !record.hit.process.is_alive() {
                return Ok(());
            }
            let end = async {
                let mut asking = connect(record, "shaketable").await?;
                sqlx::query(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1",
                )
                .bind(session_name(record))
                .execute(&mut asking)
                .await?;
                asking.close().await
            };
            within(ASK_TIMEOUT, record, end).await
        })
    }

    fn is_recovered<'a>(
        &'a self,
        record: &'a UndoRecord,
        _context: &'a Context,
    ) -> BoxFuture<'a, Observed> {
        Box::pin(async move {
            if !record.hit.process.is_alive() {
                return Observed::Yes(format!(
                    "the locks are gone with process {} of {}",
                    record.hit.process.pid, record.hit.instance
                ));
            }
            match listed(record).await {
                Err(error) => Observed::Unknown(error.to_string()),
                Ok(found) => match found.first() {
                    None => {
                        Observed::Yes(format!("{} lists the session no more", record.hit.instance))
                    }
                    Some(listed) => {
                        Observed::No(format!("session {} is {}", listed.pid, listed.state))
                    }
                },
            }
        })
    }
}

fn sessions() -> std::sync::MutexGuard<'static, HashMap<String, Session>> {
    SESSIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the session is called in the server's list: at most 63 bytes are kept there.
fn session_name(record: &UndoRecord) -> String {
    format!("shaketable fault {}", record.id)
}

/// A session of this fault, as the server lists it.
struct Listed {
    pid: i32,
    state: String,
    /// Locks of whole tables that keep others from more than dropping them.
    table_locks: i64,
}

async fn listed(record: &UndoRecord) -> Result<Vec<Listed>, FaultError> {
    let ask = async {
        let mut asking = connect(record, "shaketable").await?;
        let found = sqlx::query_as::<_, (i32, String, i64)>(
            "select pid, coalesce(state, ''), (select count(*) from pg_locks
                 where pg_locks.pid = pg_stat_activity.pid and granted and locktype = 'relation'
                 and mode not in ('AccessShareLock', 'RowShareLock'))
             from pg_stat_activity where application_name = $1",
        )
        .bind(session_name(record))
        .fetch_all(&mut asking)
        .await?;
        asking.close().await?;
        Ok(found)
    };
    let found = within(ASK_TIMEOUT, record, ask).await?;
    Ok(found
        .into_iter()
        .map(|(pid, state, table_locks)| Listed {
            pid,
            state,
            table_locks,
        })
        .collect())
}

/// Whether the URL leads to the target: what happens to its process is taken for what happens to
/// the locks.
async fn same_server(record: &UndoRecord, context: &Context) -> Result<(), FaultError> {
    let url = record.parameters.text("url").unwrap_or_default();
    let host = PgConnectOptions::from_str(url).map(|options| options.get_host().to_owned());
    let status = context.status_of(record).await?;
    let address = status
        .as_ref()
        .and_then(|status| status.instance(&record.hit.instance))
        .map(|instance| instance.address.to_string());
    match (host, address) {
        (Ok(host), Some(address)) if host == address => Ok(()),
        (Err(error), _) => Err(FaultError::Database {
            database: without_secrets(url),
            reason: error.to_string(),
        }),
        _ => Err(FaultError::Pointless {
            instance: record.hit.instance.clone(),
            reason: format!(
                "{} leads to another server; name the service that `url` leads to as the target",
                without_secrets(url)
            ),
        }),
    }
}

async fn connect(record: &UndoRecord, name: &str) -> Result<PgConnection, sqlx::Error> {
    let url = record.parameters.text("url").unwrap_or_default();
    let options = PgConnectOptions::from_str(url)?.application_name(name);
    options.connect().await
}

async fn within<T>(
    timeout: Duration,
    record: &UndoRecord,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, FaultError> {
    let failed = |reason: String| FaultError::Database {
        database: without_secrets(record.parameters.text("url").unwrap_or_default()),
        reason,
    };
    match tokio::time::timeout(timeout, work).await {
        Ok(done) => done.map_err(|error| failed(error.to_string())),
        Err(_) => Err(failed(format!("no answer within {} s", timeout.as_secs()))),
    }
}
