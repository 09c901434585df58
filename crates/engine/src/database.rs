//! Queries of activities: one question to PostgreSQL, its answer as JSON.

use std::time::Duration;

use serde_json::Value;
use shaketable_testbed::system::without_secrets;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Column, Connection, Row, TypeInfo, ValueRef};

use crate::probes::Output;

/// Asks, within `timeout`. The only value of an only row is the output; anything else is a list of
/// rows, each a map.
pub async fn query(url: &str, query: &str, timeout: Duration) -> Output {
    let exchange = async {
        let mut connection = PgConnection::connect(url).await?;
        let rows = sqlx::raw_sql(AssertSqlSafe(query.to_owned()))
            .fetch_all(&mut connection)
            .await?;
        let rows = rows.iter().map(row).collect::<Result<Vec<_>, _>>();
        // The answer is there; how the connection ends does not matter.
        let _ = connection.close().await;
        rows
    };
    let rows = match tokio::time::timeout(timeout, exchange).await {
        Ok(Ok(rows)) => rows,
        Ok(Err(error)) => return Err(format!("{}: {error}", without_secrets(url))),
        Err(_) => {
            return Err(format!(
                "{}: no answer within {} s",
                without_secrets(url),
                timeout.as_secs_f64()
            ));
        }
    };
    Ok(match rows.as_slice() {
        [only] if only.len() == 1 => only[0].1.clone(),
        _ => rows
            .into_iter()
            .map(|row| row.into_iter().collect::<Value>())
            .collect(),
    })
}

/// The columns of a row, by name; two may have the same.
fn row(row: &PgRow) -> Result<Vec<(String, Value)>, sqlx::Error> {
    row.columns()
        .iter()
        .map(|column| {
            let raw = row.try_get_raw(column.ordinal())?;
            let value = if raw.is_null() {
                Value::Null
            } else {
                let text = raw.as_str().map_err(sqlx::Error::Decode)?;
                typed(column.type_info().name(), text)
            };
            Ok((column.name().to_owned(), value))
        })
        .collect()
}

/// A value of the simple protocol, which sends text.
fn typed(kind: &str, text: &str) -> Value {
    let number = || serde_json::from_str::<serde_json::Number>(text).ok();
    match kind {
        "BOOL" => Value::Bool(text == "t"),
        "INT2" | "INT4" | "INT8" | "FLOAT4" | "FLOAT8" | "NUMERIC" | "OID" => {
            number().map_or_else(|| text.into(), Value::Number)
        }
        "JSON" | "JSONB" => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        _ => text.into(),
    }
}
