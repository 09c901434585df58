//! The parts of the system at work: against librdkafka's mock cluster, a real PostgreSQL and
//! stand-ins for the API. Each test has servers of its own.

mod api;
mod dashboard;
mod detective;
mod metrics;
mod octillery;
mod relay;
mod replay;
mod reverser;
mod store;
mod updater;

mod support {
    pub mod kafka;
    pub mod postgres;
    pub mod service;
    pub mod shop;

    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    /// Far more than anything here needs.
    pub const AMPLE: Duration = Duration::from_secs(60);

    /// Between two looks.
    const LOOK_INTERVAL: Duration = Duration::from_millis(50);

    /// Looks until there is something, which is returned.
    pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(began.elapsed() < AMPLE, "{what}: not within {AMPLE:?}");
            sleep(LOOK_INTERVAL).await;
        }
    }
}
