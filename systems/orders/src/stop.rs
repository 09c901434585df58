//! The order to stop: given once, seen by every task and every thread of a service.

use std::time::Duration;

use tokio::sync::watch;

/// Whether the service has been told to stop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// Gives the order to stop. Dropping it gives the order as well.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stop {
    /// A stop that has not been ordered, and what orders it.
    pub fn new() -> (Stopper, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Stopper(sender), Stop(receiver))
    }

    /// Whether the order was given.
    pub fn is_ordered(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits for the order.
    pub async fn ordered(&self) {
        // An error means that the stopper is gone, which is an order too.
        let _ = self.0.clone().wait_for(|ordered| *ordered).await;
    }

    /// Waits for `duration`, or less when the order comes; true when it was given.
    pub async fn pause(&self, duration: Duration) -> bool {
        tokio::time::timeout(duration, self.ordered()).await.is_ok()
    }
}

impl Stopper {
    /// Gives the order.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}
