//! The requests of programs, one function each. Their comments are the text of the
//! documentation at `/docs`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, Request, State as Extracted};
use axum::http::{StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::JoinError;
use tracing::error;
use utoipa::ToSchema;

use super::validation::{Problems, Validation};
use super::{Shared, field, openapi};
use crate::order::{NewOrder, Order, State, StateChange};
use crate::store::{self, Change};

/// A status and what was wrong.
pub(super) struct Refusal(StatusCode, serde_json::Value);

/// What was wrong, or what was done.
#[derive(Serialize, ToSchema)]
pub(super) struct Detail {
    /// In words.
    detail: String,
}

/// Whether the service can do its work.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// Always `ok`; otherwise the answer is another one.
    status: &'static str,
}

/// Which orders a list has.
#[derive(Deserialize)]
struct Selection {
    state: Option<State>,
    skip: i64,
    limit: i64,
}

impl Shared {
    /// Stores an order and sees to its message.
    pub(super) async fn place(&self, order: &NewOrder) -> Result<Order, store::Error> {
        let Shared {
            store, event_loop, ..
        } = self;
        self.outlet.place(store, event_loop, order).await
    }
}

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
    running.await.unwrap_or_else(died)
}

/// The answer to a request whose task panicked.
pub(super) fn died(reason: JoinError) -> Response {
    error!("a request died: {reason}");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error").into_response()
}

/// Create an order
///
/// The order is stored as `pending`, and its message is on its way to the detective.
#[utoipa::path(
    post,
    path = "/orders/",
    tag = "orders",
    request_body = NewOrder,
    responses(
        (status = 200, description = "The order as it is stored", body = Order),
        (status = 413, description = "The body is larger than 2 MiB", body = Detail),
        (status = 422, description = "What is wrong with the request", body = Problems),
        (status = 500, description = "It could not be stored, or nobody knows whether it was", body = Detail),
    )
)]
pub(super) async fn create(
    Extracted(shared): Extracted<Arc<Shared>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Order>, Refusal> {
    let mut validation = Validation::default();
    let order = validation.body(field::NEW_ORDER, &body?);
    let order = validation.finish(order)?;
    Ok(Json(shared.place(&order).await?))
}

/// List orders
///
/// In the order of their ids.
#[utoipa::path(
    get,
    path = "/orders/",
    tag = "orders",
    params(openapi::Selection),
    responses(
        (status = 200, description = "The orders", body = [Order]),
        (status = 422, description = "What is wrong with the request", body = Problems),
    )
)]
pub(super) async fn list(
    Extracted(shared): Extracted<Arc<Shared>>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Vec<Order>>, Refusal> {
    let mut validation = Validation::default();
    let selection = validation.query(field::SELECTION, query);
    let Selection { state, skip, limit } = validation.finish(selection)?;
    Ok(Json(shared.store.list(state, skip, limit).await?))
}

/// Read one order
#[utoipa::path(
    get,
    path = "/orders/{id}",
    tag = "orders",
    params(openapi::OrderId),
    responses(
        (status = 200, description = "The order", body = Order),
        (status = 404, description = "There is no such order", body = Detail),
        (status = 422, description = "What is wrong with the request", body = Problems),
    )
)]
pub(super) async fn read(
    Extracted(shared): Extracted<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Json<Order>, Refusal> {
    let mut validation = Validation::default();
    let id = validation.path(&field::ID, &id);
    let order = shared.store.get(validation.finish(id)?).await?;
    order.map(Json).ok_or_else(no_order)
}

/// Change an order's state
///
/// As published, any state can be set over any other. With the state machine only a pending order
/// changes its state, and the same state again is fine.
#[utoipa::path(
    put,
    path = "/orders/{id}",
    tag = "orders",
    params(openapi::OrderId),
    request_body = StateChange,
    responses(
        (status = 200, description = "The order as it is now", body = Order),
        (status = 404, description = "There is no such order", body = Detail),
        (status = 409, description = "The order is no longer pending", body = Detail),
        (status = 413, description = "The body is larger than 2 MiB", body = Detail),
        (status = 422, description = "What is wrong with the request", body = Problems),
    )
)]
pub(super) async fn change(
    Extracted(shared): Extracted<Arc<Shared>>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Order>, Refusal> {
    let mut validation = Validation::default();
    let id = validation.path(&field::ID, &id);
    let change = validation.body(field::STATE_CHANGE, &body?);
    let (id, StateChange { state }) = validation.finish(id.zip(change))?;
    let change = if shared.state_machine {
        shared.store.leave_pending(id, state).await?
    } else {
        shared.store.overwrite_state(id, state).await?
    };
    match change {
        Change::Done(order) => Ok(Json(order)),
        Change::NoOrder => Err(no_order()),
        Change::Refused(present) => Err(Refusal::new(
            StatusCode::CONFLICT,
            &format!("Order {id} is {present} and cannot become {state}"),
        )),
    }
}

/// Delete all orders
///
/// Really all of them, in whatever state.
#[utoipa::path(
    delete,
    path = "/orders",
    tag = "orders",
    responses((status = 200, description = "There are no orders any more", body = Detail))
)]
pub(super) async fn delete_all(
    Extracted(shared): Extracted<Arc<Shared>>,
) -> Result<Json<Detail>, Refusal> {
    shared.store.delete_all().await?;
    let detail = "All orders have been deleted".to_owned();
    Ok(Json(Detail { detail }))
}

/// Ask whether the service can do its work
#[utoipa::path(
    get,
    path = "/health",
    tag = "service",
    responses(
        (status = 200, description = "It can", body = Health),
        (status = 503, description = "It cannot, and why", body = Detail),
    )
)]
pub(super) async fn health(
    Extracted(shared): Extracted<Arc<Shared>>,
) -> Result<Json<Health>, Refusal> {
    let checked = shared.store.check().await;
    checked.map_err(|reason| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, &reason.to_string()))?;
    Ok(Json(Health { status: "ok" }))
}

/// The path with a slash at its end, or without the one it has.
pub(super) fn with_other_slash(path: &str) -> String {
    match path.strip_suffix('/') {
        Some(without) => without.to_owned(),
        None => format!("{path}/"),
    }
}

/// To the path with the other slash, with the same method, body and query.
pub(super) async fn redirect(uri: Uri) -> Redirect {
    let path = with_other_slash(uri.path());
    match uri.query() {
        Some(query) => Redirect::temporary(&format!("{path}?{query}")),
        None => Redirect::temporary(&path),
    }
}

pub(super) async fn unknown_path() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "Not Found")
}

pub(super) async fn unknown_method() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

fn no_order() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "Order not found")
}

// === impl Refusal ===

impl Refusal {
    fn new(status: StatusCode, detail: &str) -> Self {
        Refusal(status, detail.into())
    }
}

impl From<store::Error> for Refusal {
    fn from(reason: store::Error) -> Self {
        error!("{reason}");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, &reason.to_string())
    }
}

impl From<Problems> for Refusal {
    fn from(problems: Problems) -> Self {
        Refusal(StatusCode::UNPROCESSABLE_ENTITY, json!(problems.detail))
    }
}

impl From<BytesRejection> for Refusal {
    fn from(reason: BytesRejection) -> Self {
        Refusal::new(reason.status(), &reason.body_text())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"detail": self.1}))).into_response()
    }
}
