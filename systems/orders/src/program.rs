//! What every service of the system is made of: settings, a health check, the service itself.
//!
//! 1. Every wrong setting is reported at once, before anything is connected: exit code 2.
//! 2. `NAME health` asks the running service, or what shows that it runs, and exits 0 or 1.
//! 3. SIGTERM and SIGINT end the service with exit code 0 within [`GRACE`], also when it is
//!    blocked in a client library; what it had not finished is left to the next start.
//!
//! Logs go to stderr (`RUST_LOG`, default `info`).

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

use crate::setting::{Environment, Problems};
use crate::stop::Stop;

/// How long a service may take to end after it was told to.
pub const GRACE: Duration = Duration::from_secs(2);

/// How long a health check may take, connections included.
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(4);

/// The command line or the settings are wrong.
pub const EXIT_USAGE: u8 = 2;

/// One service: its settings, how its health is told, and what it does until it is stopped.
pub trait Program: Sized + Send + 'static {
    /// The name of the binary.
    const NAME: &'static str;

    /// Reads the settings; every problem is in the error.
    fn from_environment(environment: Environment) -> Result<Self, Problems>;

    /// Whether the running service can do its work; the error says why not.
    fn health(self) -> impl Future<Output = anyhow::Result<()>>;

    /// Runs the service until `stop`, or until it cannot go on.
    fn serve(self, stop: Stop) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// Runs a program with the arguments and the environment of this process.
pub fn run<P: Program>() -> ExitCode {
    log_to_stderr();
    let mut arguments = std::env::args().skip(1);
    let checks_health = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => false,
        (Some("health"), None) => true,
        _ => {
            error!("usage: {name} [health]", name = P::NAME);
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let program = match P::from_environment(Environment::of_process()) {
        Ok(program) => program,
        Err(problems) => {
            error!("{problems}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(reason) => {
            error!("cannot start the runtime of {}: {reason}", P::NAME);
            return ExitCode::FAILURE;
        }
    };
    let result = if checks_health {
        runtime.block_on(check_health(program))
    } else {
        runtime.block_on(serve(program))
    };
    // Threads blocked in a client library must not keep the process.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            error!("{}: {reason:#}", P::NAME);
            ExitCode::FAILURE
        }
    }
}

/// Sends the logs of this process to stderr, without colours.
pub fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A second initialisation (in tests) is harmless: the first one stays.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .try_init();
}

async fn check_health<P: Program>(program: P) -> anyhow::Result<()> {
    match timeout(HEALTH_TIMEOUT, program.health()).await {
        Ok(health) => health,
        Err(_) => anyhow::bail!("no answer within {HEALTH_TIMEOUT:?}"),
    }
}

async fn serve<P: Program>(program: P) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stopper, stop) = Stop::new();
    info!("{} starts", P::NAME);
    let mut service = tokio::spawn(program.serve(stop));
    tokio::select! {
        ended = &mut service => return ended?,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    info!("{} was told to stop", P::NAME);
    stopper.stop();
    match timeout(GRACE, service).await {
        Ok(ended) => ended?,
        Err(_) => {
            warn!(
                "{} did not end within {GRACE:?} and is left behind",
                P::NAME
            );
            Ok(())
        }
    }
}
