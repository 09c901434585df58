//! A service of the system, in this process or as one of its own, and what it shows.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use orders::program::Program;
use orders::setting::Environment;
use orders::stop::{Stop, Stopper};
use tokio::task::JoinHandle;

use super::eventually;

/// A program running in this process; it stops when dropped.
pub struct Running {
    metrics: SocketAddr,
    stopper: Stopper,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Runs the program with these variables.
    pub fn start<P: Program>(variables: &[(&str, &str)]) -> Self {
        let metrics = free_address();
        let address = metrics.to_string();
        let listen = [("METRICS_LISTEN", address.as_str())];
        let variables = variables.iter().chain(&listen);
        let owned = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let environment = Environment::new(owned);
        let program = P::from_environment(environment).unwrap();
        let (stopper, stop) = Stop::new();
        Self {
            metrics,
            stopper,
            task: tokio::spawn(program.serve(stop)),
        }
    }

    /// Waits until it shows a series with at least this value.
    pub async fn shows(&self, series: &str, least: f64) {
        shows(self.metrics, series, least).await;
    }

    /// Stops it and waits for its end.
    pub async fn stop(self) {
        self.stopper.stop();
        self.task.await.unwrap().unwrap();
    }
}

/// A program as a process of its own, killed when dropped.
pub struct Process {
    child: Child,
    metrics: SocketAddr,
}

impl Process {
    /// Starts the program with these variables and nothing else in its environment.
    pub fn start(program: &str, variables: &[(&str, &str)]) -> Self {
        let metrics = free_address();
        let child = command(program, variables)
            .env("METRICS_LISTEN", metrics.to_string())
            .spawn()
            .unwrap();
        Self { child, metrics }
    }

    /// Waits until it shows a series with at least this value.
    pub async fn shows(&self, series: &str, least: f64) {
        shows(self.metrics, series, least).await;
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn shows(address: SocketAddr, series: &str, least: f64) {
    let url = format!("http://{address}/metrics");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    eventually(&format!("{series} {least}"), async || {
        let shown = client.get(&url).send().await.ok()?.text().await.ok()?;
        let line = shown.lines().find_map(|line| line.strip_prefix(series))?;
        let value: f64 = line.trim().parse().ok()?;
        (value >= least).then_some(())
    })
    .await;
}

/// An address that nobody listens on.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.77.0.2:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
}

/// Whether the program's health check, with these variables, finds nothing wrong.
pub fn is_healthy(program: &str, variables: &[(&str, &str)]) -> bool {
    let checked = command(program, variables).arg("health").status().unwrap();
    checked.success()
}

fn command(program: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}
