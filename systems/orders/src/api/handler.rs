//! The requests of the API, one function each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, Request, State as Extracted};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rdkafka::producer::FutureRecord;
use serde_json::json;
use tracing::error;

use super::{Outlet, Shared};
use crate::order::{NewOrder, Order, State, StateChange};
use crate::store::{self, Change};

/// How many orders a list has unless told otherwise.
const LIMIT_DEFAULT: i64 = 20;

/// A status and what was wrong.
pub(super) struct Refusal(StatusCode, String);

/// Waits for a turn on the event loop, then runs the request to its end, also when the client
/// goes away.
pub(super) async fn run_to_the_end(
    Extracted(shared): Extracted<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let running = tokio::spawn(async move {
        shared.event_loop.turn().await;
        next.run(request).await
    });
    running.await.unwrap_or_else(|reason| {
        error!("a request died: {reason}");
        Refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal error".to_owned(),
        )
        .into_response()
    })
}

pub(super) async fn create(
    Extracted(shared): Extracted<Arc<Shared>>,
    body: Bytes,
) -> Result<Json<Order>, Refusal> {
    let order = NewOrder::parse(&body).map_err(unprocessable)?;
    match &shared.outlet {
        Outlet::Direct { producer, topic } => {
            let order = shared.store.insert(&order).await?;
            let message = order.message();
            let record = FutureRecord::<(), _>::to(topic).payload(&message);
            // As published: a full queue is an error at once, and any error is only logged.
            let send = producer.send(record, Duration::ZERO);
            if let Err((reason, _)) = shared.event_loop.block(send).await {
                error!("message delivery failed for order {}: {reason}", order.id);
            }
            Ok(Json(order))
        }
        Outlet::Outbox { committed } => {
            let order = shared.store.insert_with_message(&order).await?;
            committed.notify_one();
            Ok(Json(order))
        }
    }
}

pub(super) async fn list(
    Extracted(shared): Extracted<Arc<Shared>>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Vec<Order>>, Refusal> {
    let state = query
        .get("state")
        .map(|state| state.parse::<State>())
        .transpose()
        .map_err(unprocessable)?;
    let skip = count(&query, "skip", 0)?;
    let limit = count(&query, "limit", LIMIT_DEFAULT)?;
    Ok(Json(shared.store.list(state, skip, limit).await?))
}

pub(super) async fn read(
    Extracted(shared): Extracted<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Json<Order>, Refusal> {
    let order = shared.store.get(order_id(&id)?).await?;
    order.map(Json).ok_or_else(no_order)
}

pub(super) async fn change(
    Extracted(shared): Extracted<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Order>, Refusal> {
    let id = order_id(&id)?;
    let StateChange { state } =
        serde_json::from_slice(&body).map_err(|reason| unprocessable(reason.to_string()))?;
    let change = if shared.state_machine {
        shared.store.leave_pending(id, state).await?
    } else {
        shared.store.overwrite_state(id, state).await?
    };
    match change {
        Change::Done(order) => Ok(Json(order)),
        Change::NoOrder => Err(no_order()),
        Change::Refused(present) => Err(Refusal(
            StatusCode::CONFLICT,
            format!("Order {id} is {present} and cannot become {state}"),
        )),
    }
}

pub(super) async fn delete_all(
    Extracted(shared): Extracted<Arc<Shared>>,
) -> Result<Json<serde_json::Value>, Refusal> {
    shared.store.delete_all().await?;
    Ok(Json(json!({"detail": "All orders have been deleted"})))
}

pub(super) async fn health(
    Extracted(shared): Extracted<Arc<Shared>>,
) -> Result<Json<serde_json::Value>, Refusal> {
    let checked = shared.store.check().await;
    checked.map_err(|reason| Refusal(StatusCode::SERVICE_UNAVAILABLE, reason.to_string()))?;
    Ok(Json(json!({"status": "ok"})))
}

pub(super) async fn unknown_path() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "Not Found".to_owned())
}

pub(super) async fn unknown_method() -> Refusal {
    Refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        "Method Not Allowed".to_owned(),
    )
}

fn order_id(text: &str) -> Result<i32, Refusal> {
    let malformed = |_| unprocessable(format!("order id {text:?} is not an integer"));
    text.parse().map_err(malformed)
}

fn count(query: &HashMap<String, String>, name: &str, default: i64) -> Result<i64, Refusal> {
    let Some(text) = query.get(name) else {
        return Ok(default);
    };
    match text.parse() {
        Ok(count) if count >= 0 => Ok(count),
        _ => Err(unprocessable(format!(
            "{name} is {text:?}; it must be an integer that is not negative"
        ))),
    }
}

fn unprocessable(detail: String) -> Refusal {
    Refusal(StatusCode::UNPROCESSABLE_ENTITY, detail)
}

fn no_order() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "Order not found".to_owned())
}

// === impl Refusal ===

impl From<store::Error> for Refusal {
    fn from(reason: store::Error) -> Self {
        error!("{reason}");
        Refusal(StatusCode::INTERNAL_SERVER_ERROR, reason.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"detail": self.1}))).into_response()
    }
}
