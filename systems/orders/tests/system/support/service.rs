//! A service of the system as a process of its own, killed when dropped, and what it shows.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use super::eventually;

/// The running process.
pub struct Service {
    child: Child,
    metrics: SocketAddr,
}

impl Service {
    /// Starts the program with these variables and nothing else in its environment.
    pub fn start(program: &str, variables: &[(&str, &str)]) -> Self {
        let metrics = TcpListener::bind("127.77.0.2:0")
            .and_then(|listener| listener.local_addr())
            .unwrap();
        let child = command(program, variables)
            .env("METRICS_LISTEN", metrics.to_string())
            .spawn()
            .unwrap();
        Self { child, metrics }
    }

    /// Waits until it shows a series with at least this value.
    pub async fn shows(&mut self, series: &str, least: f64) {
        let url = format!("http://{}/metrics", self.metrics);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        eventually(&format!("{series} {least}"), async || {
            assert_eq!(self.child.try_wait().unwrap(), None, "the service ended");
            let shown = client.get(&url).send().await.ok()?.text().await.ok()?;
            let line = shown.lines().find_map(|line| line.strip_prefix(series))?;
            let value: f64 = line.trim().parse().ok()?;
            (value >= least).then_some(())
        })
        .await;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
