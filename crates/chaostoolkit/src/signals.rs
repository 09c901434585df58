//! Signals that end a run, and who is told of them.
//!
//! 1. A signal reaches the straight line of the run (as a signal reaches Python's main thread), once,
//!    in the order of arrival; work in the background is told through its [`Lane`] when the run ends it.
//! 2. A signal that Python code sent to its own process counts like one from outside, but a foreground
//!    call in which the host has raised it already is not halted twice.
//! 3. The first SIGINT or SIGTERM of a run is remembered for the journal.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::SigHandler;
use shaketable_python::{Host, PythonError, Target};
use tokio::sync::{Notify, watch};

use crate::halt::{EXIT_WITH_ROLLBACKS, EXIT_WITHOUT_ROLLBACKS, Halt};
use crate::logger::Logger;

/// A signal that a run reacts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGUSR1: end now, play rollbacks if the strategy says so.
    User1,
    /// SIGUSR2: end now without rollbacks.
    User2,
}

impl Signal {
    const ALL: [Signal; 4] = [
        Signal::Interrupt,
        Signal::Terminate,
        Signal::User1,
        Signal::User2,
    ];

    /// The signal of a number, if it is one of these.
    pub fn from_number(number: i32) -> Option<Signal> {
        Signal::ALL
            .into_iter()
            .find(|signal| signal.number() == number)
    }

    /// Its number.
    pub fn number(self) -> i32 {
        let signal = match self {
            Signal::Interrupt => nix::sys::signal::Signal::SIGINT,
            Signal::Terminate => nix::sys::signal::Signal::SIGTERM,
            Signal::User1 => nix::sys::signal::Signal::SIGUSR1,
            Signal::User2 => nix::sys::signal::Signal::SIGUSR2,
        };
        signal as i32
    }

    /// Its name as the journal has it.
    pub fn name(self) -> &'static str {
        match self {
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
            Signal::User1 => "SIGUSR1",
            Signal::User2 => "SIGUSR2",
        }
    }

    /// The exit code that a shell shows for a process that died of it.
    pub fn exit_code(self) -> i32 {
        128 + self.number()
    }

    /// Has this process die of the signal, so that who waits for it sees that; gives the exit code should
    /// it live on.
    pub fn end_process(self) -> i32 {
        if let Ok(signal) = nix::sys::signal::Signal::try_from(self.number()) {
            // SAFETY: the default action is no code of ours.
            let reset = unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) };
            if reset.is_ok() {
                let _ = nix::sys::signal::raise(signal);
            }
        }
        self.exit_code()
    }

    fn halt(self) -> Halt {
        match self {
            Signal::Interrupt => Halt::Keyboard,
            Signal::Terminate => Halt::Interrupted("SIGTERM signal received".to_owned()),
            Signal::User1 => Halt::Exit(EXIT_WITH_ROLLBACKS),
            Signal::User2 => Halt::Exit(EXIT_WITHOUT_ROLLBACKS),
        }
    }
}

/// The signals that have arrived and are not delivered yet.
#[derive(Debug, Clone, Default)]
pub struct Inbox(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(Signal, Sender)>,
    recorded: Option<Signal>,
    recording: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    System,
    Python,
}

impl Inbox {
    /// A signal from the operating system.
    pub fn push(&self, signal: Signal) {
        self.deliver(signal, Sender::System);
    }

    /// A signal that Python code in the host sent to its own process, by number; others are no matter.
    pub fn push_from_python(&self, number: i32) {
        if let Some(signal) = Signal::from_number(number) {
            self.deliver(signal, Sender::Python);
        }
    }

    /// From now on the first SIGINT or SIGTERM is remembered.
    pub fn start_recording(&self) {
        self.state().recording = true;
    }

    /// The first SIGINT or SIGTERM since recording started.
    pub fn recorded(&self) -> Option<Signal> {
        self.state().recorded
    }

    /// Takes the oldest signal, if one waits.
    pub fn take(&self) -> Option<Signal> {
        self.state().waiting.pop_front().map(|(signal, _)| signal)
    }

    /// Waits for a signal and takes it.
    pub async fn next(&self) -> Signal {
        loop {
            let arrived = self.0.arrived.notified();
            if let Some(signal) = self.take() {
                return signal;
            }
            arrived.await;
        }
    }

    /// Waits until a signal is there, and leaves it.
    pub async fn arrival(&self) -> Signal {
        loop {
            let arrived = self.0.arrived.notified();
            if let Some((signal, _)) = self.state().waiting.front() {
                return *signal;
            }
            arrived.await;
        }
    }

    /// Listens to the operating system from now on. SIGINT stays ignored when it was ignored at the
    /// start, as it is in the background of a shell.
    ///
    /// # Errors
    /// When the operating system takes no handler.
    pub fn listen(&self, logger: &Logger) -> io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        for kind in Signal::ALL {
            if kind == Signal::Interrupt && ignored_at_start(kind) {
                continue;
            }
            let mut stream = signal(SignalKind::from_raw(kind.number()))?;
            let (inbox, logger) = (self.clone(), logger.clone());
            tokio::spawn(async move {
                while stream.recv().await.is_some() {
                    if kind == Signal::Terminate {
                        logger.warning("Caught SIGTERM signal, interrupting experiment now");
                    }
                    inbox.push(kind);
                }
            });
        }
        Ok(())
    }

    async fn next_from_system(&self) -> Signal {
        loop {
            let arrived = self.0.arrived.notified();
            {
                let mut state = self.state();
                let place = state
                    .waiting
                    .iter()
                    .position(|(_, sender)| *sender == Sender::System);
                if let Some((signal, _)) = place.and_then(|place| state.waiting.remove(place)) {
                    return signal;
                }
            }
            arrived.await;
        }
    }

    fn forget_python(&self) {
        self.state()
            .waiting
            .retain(|(_, sender)| *sender == Sender::System);
    }

    fn deliver(&self, signal: Signal, sender: Sender) {
        let mut state = self.state();
        if state.recording
            && state.recorded.is_none()
            && matches!(signal, Signal::Interrupt | Signal::Terminate)
        {
            state.recorded = Some(signal);
        }
        state.waiting.push_back((signal, sender));
        drop(state);
        self.0.arrived.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ignored_at_start(signal: Signal) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return false;
    };
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    mask & (1 << (signal.number() - 1)) != 0
}

/// Where work happens, and so how it learns that it has to end.
#[derive(Debug, Clone)]
pub enum Lane {
    /// The straight line of the run: signals arrive here.
    Main(Inbox),
    /// Before the run: a signal ends the work but is left for the command to see.
    Early(Inbox),
    /// Beside the straight line: ends when the switch is set.
    Background(watch::Receiver<bool>),
}

impl Lane {
    /// Is this the lane of Python's main thread?
    pub fn thread(&self) -> shaketable_python::Thread {
        match self {
            Lane::Main(_) | Lane::Early(_) => shaketable_python::Thread::Foreground,
            Lane::Background(_) => shaketable_python::Thread::Background,
        }
    }

    /// Does work that may be ended at any time by dropping it.
    ///
    /// # Errors
    /// The halt that came first.
    pub async fn guard<T>(&self, work: impl Future<Output = T>) -> Result<T, Halt> {
        tokio::select! {
            biased;
            halt = self.halted() => Err(halt),
            done = work => Ok(done),
        }
    }

    /// Waits for a call into Python. On a halt the matching exception is raised inside the call, which
    /// may clean up or even go on; the host bounds how long that takes.
    ///
    /// # Errors
    /// The halt, when the call did not end by itself after it.
    pub async fn python<T>(
        &self,
        host: &Host,
        target: Target,
        call: impl Future<Output = Result<T, PythonError>>,
    ) -> Result<Result<T, PythonError>, Halt> {
        let mut call = std::pin::pin!(call);
        let halt = tokio::select! {
            biased;
            done = &mut call => {
                self.settle(&done).await;
                return Ok(done);
            }
            halt = self.halted_by_system() => halt,
        };
        host.interrupt(target, halt.in_python());
        match call.await {
            Err(error) if !matches!(error, PythonError::Raised(_)) => Err(halt),
            done => Ok(done),
        }
    }

    /// A call that was ended by its own signal has had it: the notice of it is void.
    async fn settle<T>(&self, done: &Result<T, PythonError>) {
        let Lane::Main(inbox) = self else { return };
        if let Err(error) = done
            && Halt::of_python(error).is_some()
        {
            tokio::task::yield_now().await;
            inbox.forget_python();
        }
    }

    async fn halted(&self) -> Halt {
        match self {
            Lane::Main(inbox) => inbox.next().await.halt(),
            Lane::Early(inbox) => inbox.arrival().await.halt(),
            Lane::Background(switch) => cancelled(switch).await,
        }
    }

    async fn halted_by_system(&self) -> Halt {
        match self {
            Lane::Main(inbox) => inbox.next_from_system().await.halt(),
            Lane::Early(inbox) => inbox.arrival().await.halt(),
            Lane::Background(switch) => cancelled(switch).await,
        }
    }
}

async fn cancelled(switch: &watch::Receiver<bool>) -> Halt {
    let mut switch = switch.clone();
    // A sender that is gone has ended the run just as well.
    let _ = switch.wait_for(|set| *set).await;
    Halt::Cancelled
}
