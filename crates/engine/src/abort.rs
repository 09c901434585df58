//! The one way to end a run early: asked by a signal or by a safeguard, heard at every wait.
//!
//! Rollbacks are carried out all the same. Who asks again wants them to be left out, too; faults are
//! healed in any case.

use std::sync::Arc;

use tokio::sync::watch;

/// A request to end early; all clones are the same request. The first reason stays.
#[derive(Clone, Debug)]
pub struct Abort {
    reason: Reason,
    second: Reason,
}

type Reason = Arc<watch::Sender<Option<String>>>;

impl Default for Abort {
    fn default() -> Self {
        Abort {
            reason: Arc::new(watch::channel(None).0),
            second: Arc::new(watch::channel(None).0),
        }
    }
}

impl Abort {
    /// The second request: also rollbacks and what waits for others end.
    #[must_use]
    pub fn second(&self) -> Abort {
        Abort {
            reason: self.second.clone(),
            second: self.second.clone(),
        }
    }

    /// Asks for the end.
    pub fn request(&self, reason: impl Into<String>) {
        self.reason.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(reason.into());
            }
            first
        });
    }

    /// Why it was asked for, if it was.
    pub fn reason(&self) -> Option<String> {
        self.reason.borrow().clone()
    }

    /// Waits until it is asked for.
    pub async fn requested(&self) -> String {
        let mut receiver = self.reason.subscribe();
        loop {
            if let Some(reason) = receiver.borrow_and_update().clone() {
                return reason;
            }
            if receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Runs `work` unless the end is asked for first.
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            _ = self.requested() => None,
            done = work => Some(done),
        }
    }
}
