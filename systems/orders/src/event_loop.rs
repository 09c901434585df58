//! The original's single event loop, and what a blocking call inside it costs.
//!
//! The original flushes its producer inside an asynchronous handler. While the flush waits for
//! the broker, the one event loop of the process runs nothing else: every request waits, however
//! little it has to do with Kafka. Here the loop is a lock: a blocking call holds it, and every
//! request takes a turn on it at its start.

use tokio::sync::Mutex;

/// The event loop of the process, or none: then no call blocks another request.
#[derive(Debug)]
pub struct EventLoop(Option<Mutex<()>>);

impl EventLoop {
    /// A loop that blocking calls hold, as published, or (`blocks` false) one that they do not.
    pub fn new(blocks: bool) -> Self {
        Self(blocks.then(Mutex::default))
    }

    /// Waits for a turn; returns at once unless a blocking call is under way.
    pub async fn turn(&self) {
        if let Some(occupied) = &self.0 {
            drop(occupied.lock().await);
        }
    }

    /// Runs a blocking call: no request starts until it has ended.
    pub async fn block<T>(&self, call: impl Future<Output = T>) -> T {
        match &self.0 {
            Some(occupied) => {
                let _occupied = occupied.lock().await;
                call.await
            }
            None => call.await,
        }
    }
}
