//! The API's metrics: requests as they are answered, the database when somebody looks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State as Extracted};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::registry::Registry;
use tokio::time::timeout;
use tracing::warn;

use super::{Shared, handler};
use crate::exposition;
use crate::metrics::{Census, Requests};

/// What the API shows.
#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) registry: Registry,
    pub(super) requests: Requests,
    pub(super) census: Census,
}

/// How long the database may take to be asked for its orders: less than a scrape may.
const CENSUS_TIMEOUT: Duration = Duration::from_secs(3);

/// The label of requests to paths that do not exist.
const PATH_UNKNOWN: &str = "unknown";

/// The label of methods of a client's own invention.
const METHOD_UNKNOWN: &str = "unknown";

/// Counts a request when it is answered, the wait for the event loop included, also when nobody
/// waits for the answer any more.
pub(super) async fn count(
    Extracted(shared): Extracted<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let method = match request.method() {
        known @ (&Method::GET
        | &Method::POST
        | &Method::PUT
        | &Method::DELETE
        | &Method::HEAD
        | &Method::OPTIONS
        | &Method::PATCH) => known.to_string(),
        _ => METHOD_UNKNOWN.to_owned(),
    };
    let path = request.extensions().get::<MatchedPath>();
    let path = path.map_or(PATH_UNKNOWN, MatchedPath::as_str).to_owned();
    let counting = tokio::spawn(async move {
        let response = next.run(request).await;
        let status = response.status().as_u16();
        let requests = &shared.metrics.requests;
        requests.count(&method, &path, status, started.elapsed());
        response
    });
    counting.await.unwrap_or_else(handler::died)
}

/// `GET /metrics`.
pub(super) async fn metrics(Extracted(shared): Extracted<Arc<Shared>>) -> Response {
    let Metrics {
        registry, census, ..
    } = &shared.metrics;
    match timeout(CENSUS_TIMEOUT, shared.store.census()).await {
        Ok(Ok(counts)) => census.set(&counts),
        Ok(Err(reason)) => {
            warn!("orders are not counted: {reason}");
            census.forget();
        }
        Err(_) => {
            warn!("orders are not counted: no answer from the database within {CENSUS_TIMEOUT:?}");
            census.forget();
        }
    }
    exposition::show(registry)
}
