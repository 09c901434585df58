//! Health: what a probe says of a running process, put on the board when it changes. The pace is
//! Docker's: a pause goes before every look, also the first.

use std::rc::Rc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::board::Board;
use crate::compose::DriverKind;
use crate::drivers::Probe;

/// The shortest pause before a look.
const PROBE_PAUSE_MIN: Duration = Duration::from_millis(50);

/// Observes the health of a running process until it is told to stop.
pub(super) async fn watch(board: Rc<Board>, index: usize, probe: Probe) {
    let Some(check) = probe.check() else {
        return;
    };
    let started = Instant::now();
    let mut failures = 0;
    loop {
        let known = board.slot(index).healthy;
        let pause = if known.is_none() && started.elapsed() < check.start_period {
            check.start_interval
        } else {
            check.interval
        };
        tokio::time::sleep(pause.max(PROBE_PAUSE_MIN)).await;
        if board.is_stopping() {
            return;
        }
        let begun = started.elapsed();
        let well = tokio::time::timeout(check.timeout, probe.observe())
            .await
            .unwrap_or(false);
        if well {
            failures = 0;
            if known != Some(true) {
                board.change(index, "healthy", json!(null), |slot| {
                    slot.healthy = Some(true)
                });
            }
        } else if known.is_some() || begun >= check.start_period {
            failures += 1;
            if failures >= check.retries && known != Some(false) {
                board.change(index, "unhealthy", json!(null), |slot| {
                    slot.healthy = Some(false)
                });
                // The drivers' own probes are patient until the system's time is up.
                if board.is_starting()
                    && board.system.instances[index].driver == DriverKind::Process
                {
                    board.fail(
                        index,
                        &format!(
                            "its health check failed {failures} times in a row: `{}`",
                            check.test.join(" ")
                        ),
                    );
                }
            }
        }
    }
}
