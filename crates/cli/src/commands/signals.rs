//! Signals: the first one ends a run in good order, the second one leaves its rollbacks out, the third
//! one ends it at once.

use shaketable_engine::Abort;

use crate::exit::Exit;
use crate::terminal;

/// The first SIGINT, SIGTERM, SIGHUP or SIGUSR1 ends the run in good order, the second one without rollbacks, the
/// third one at once.
pub fn abort_on_signals() -> Abort {
    use tokio::signal::unix::{SignalKind, signal};
    let abort = Abort::default();
    let asked = abort.clone();
    tokio::spawn(async move {
        let streams = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
            signal(SignalKind::hangup()),
            signal(SignalKind::user_defined1()),
        );
        let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup), Ok(mut user)) = streams else {
            terminal::error(
                "cannot listen for signals; Ctrl-C ends the run without healing, the next command heals",
            );
            return;
        };
        for n in 0.. {
            let name = tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
                _ = hangup.recv() => "SIGHUP",
                _ = user.recv() => "SIGUSR1",
            };
            let reason = format!("it was interrupted by {name}");
            if n == 0 {
                asked.request(reason);
                terminal::note(&format!(
                    "{name}: healing, rolling back, accounting, reporting; once more to leave rollbacks out"
                ));
            } else if n == 1 {
                asked.second().request(reason);
                terminal::note(&format!(
                    "{name}: healing, accounting, reporting; once more to leave at once"
                ));
            } else {
                terminal::note(
                    "leaving at once; the next shaketable command heals what is still in place",
                );
                escape();
            }
        }
    });
    abort
}

/// Ends the program now. A system of its own goes down with it; faults elsewhere stay recorded.
#[allow(clippy::exit)] // the second signal is a demand, and this is the one place that answers it
fn escape() -> ! {
    std::process::exit(Exit::Aborted as i32)
}
