//! Metrics over HTTP: `GET /metrics`, in the text format of OpenMetrics, which Prometheus reads.
//!
//! The workers have a server of their own for it (`METRICS_LISTEN`; without it there is none). The
//! API shows its metrics on the port of its other requests.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::setting::Environment;
use crate::stop::Stop;

/// The path of the metrics.
pub const PATH: &str = "/metrics";

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Reads `METRICS_LISTEN`; no metrics are shown when it is not set.
pub fn listen(environment: &mut Environment) -> Option<Option<SocketAddr>> {
    let form = "an IP address and a port, such as 0.0.0.0:9100";
    environment.parsed_or("METRICS_LISTEN", None, form, |text| {
        text.parse().ok().map(Some)
    })
}

/// Shows the registry on `listen` until `stop`; the server has a task of its own.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(
    listen: Option<SocketAddr>,
    registry: Registry,
    stop: &Stop,
) -> anyhow::Result<()> {
    let Some(listen) = listen else {
        return Ok(());
    };
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("cannot show metrics on {listen}; give METRICS_LISTEN a free address")
    })?;
    info!("metrics on http://{listen}{PATH}");
    let registry = Arc::new(registry);
    let router = Router::new().route(PATH, get(async move || show(&registry)));
    let stop = stop.clone();
    tokio::spawn(async move {
        let server = axum::serve(listener, router)
            .with_graceful_shutdown(async move { stop.ordered().await });
        if let Err(reason) = server.await {
            warn!("the metrics are no longer shown: {reason}");
        }
    });
    Ok(())
}

/// The registry as an answer.
pub fn show(registry: &Registry) -> Response {
    let mut body = String::new();
    match text::encode(&mut body, registry) {
        Ok(()) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response(),
        Err(reason) => (StatusCode::INTERNAL_SERVER_ERROR, reason.to_string()).into_response(),
    }
}
