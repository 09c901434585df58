//! The meter: how much processor time each instance uses, measured once a second.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::board::Board;
use crate::process::{ProcessIdentity, TICKS_PER_SECOND, cpu_ticks};

/// The time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// One look at one instance.
struct Look {
    process: ProcessIdentity,
    ticks: u64,
    at: Instant,
}

/// Measures until the supervisor ends. A process has no value before its second look.
pub(super) async fn run(board: Rc<Board>) {
    let mut looks: Vec<Option<Look>> = board.system.instances.iter().map(|_| None).collect();
    loop {
        for (index, last) in looks.iter_mut().enumerate() {
            let now = board.slot(index).process.map(|process| Look {
                ticks: cpu_ticks(process.pid),
                process,
                at: Instant::now(),
            });
            let percent = match (&*last, &now) {
                (Some(last), Some(now)) if last.process == now.process => {
                    let seconds = now.at.duration_since(last.at).as_secs_f64();
                    let ticks = now.ticks.saturating_sub(last.ticks) as f64;
                    Some(100.0 * ticks / TICKS_PER_SECOND / seconds)
                }
                _ => None,
            };
            board.measured(index, percent);
            *last = now;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
