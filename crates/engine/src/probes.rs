//! Providers that ask: an HTTP request, a process, a native function, a query, a number of the ledger.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shaketable_experiment::{HttpRequest, Measure, Provider, Tolerance};
use shaketable_faults::Observed;
use shaketable_ledger::{Ledger, Measured};
use shaketable_testbed::system::without_secrets;
use tokio::io::AsyncReadExt;

use crate::exchange::Exchange;
use crate::site::Site;
use crate::{calls, database};

/// The most that is kept of a response or of a process's output, in bytes.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// The output of an activity, or why there is none.
pub type Output = Result<Value, String>;

/// Who asks: it knows where the run takes place and what activities have left for each other.
#[derive(Clone, Debug, Default)]
pub struct Asker {
    /// Where the run takes place.
    pub site: Arc<Site>,
    /// What activities have left for each other.
    pub exchange: Exchange,
}

impl Asker {
    /// Asks. Faults are not asked; `ledger` is what a ledger probe is answered from.
    pub async fn ask(&self, provider: &Provider, ledger: Option<&Ledger>) -> Output {
        match provider {
            Provider::Http { request, timeout } => http(request, *timeout).await,
            Provider::Process {
                path,
                arguments,
                timeout,
            } => process(path, arguments, *timeout).await,
            Provider::Ledger { measure } => measure_of(*measure, ledger),
            Provider::Function(call) => calls::call(call, &self.site, &self.exchange).await,
            Provider::Postgres {
                url,
                query,
                timeout,
            } => database::query(url, query, *timeout).await,
            Provider::Fault(_) | Provider::Bound { .. } => Err("a fault is not a probe".to_owned()),
        }
    }
}

/// Whether a probe's output is within its tolerance. No output is unknown, never a failure of the
/// system and never a pass.
pub fn judge(output: &Output, tolerance: Option<&Tolerance>) -> Observed {
    match (output, tolerance) {
        (Err(reason), _) => Observed::Unknown(reason.clone()),
        (Ok(_), None) => Observed::Unknown("the probe has no tolerance".to_owned()),
        (Ok(value), Some(tolerance)) if tolerance.holds(value) => Observed::Yes(brief(value)),
        (Ok(value), Some(tolerance)) => Observed::No(format!(
            "{}, tolerated is {}",
            brief(value),
            in_words(tolerance)
        )),
    }
}

fn in_words(tolerance: &Tolerance) -> String {
    match tolerance {
        Tolerance::Bool(value) => value.to_string(),
        Tolerance::Integer(value) => value.to_string(),
        Tolerance::Number(value) => value.to_string(),
        Tolerance::Text(text) => format!("\"{text}\""),
        Tolerance::List(values) => Value::Array(values.clone()).to_string(),
        Tolerance::Range { low, high } => format!("{low} to {high}"),
    }
}

/// An output in a few words.
pub(crate) fn brief(value: &Value) -> String {
    match value.get("status") {
        Some(status) => format!("status {status}"),
        None => value.to_string().chars().take(200).collect(),
    }
}

fn measure_of(measure: Measure, ledger: Option<&Ledger>) -> Output {
    match ledger
        .ok_or("there is no ledger to ask at this point")?
        .measure(measure)
    {
        Measured::Known(count) => Ok(count.into()),
        Measured::Unknown(reason) => Err(reason),
    }
}

async fn http(request: &HttpRequest, timeout: Duration) -> Output {
    let exchange = async {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(timeout)
            .build()?;
        let method =
            reqwest::Method::from_bytes(request.method.as_bytes()).unwrap_or(reqwest::Method::GET);
        let mut builder = client.request(method, &request.url);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = &request.json {
            builder = builder.json(body);
        }
        let mut response = builder.send().await?;
        let status = response.status().as_u16();
        let headers: serde_json::Map<String, Value> = response
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes())
                        .into_owned()
                        .into(),
                )
            })
            .collect();
        let mut body = Vec::new();
        while body.len() < OUTPUT_BYTES_MAX
            && let Some(chunk) = response.chunk().await?
        {
            body.extend_from_slice(&chunk);
        }
        let body: Value = serde_json::from_slice(&body)
            .unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into());
        Ok::<Value, reqwest::Error>(json!({ "status": status, "headers": headers, "body": body }))
    };
    exchange.await.map_err(|error| {
        let what = if error.is_timeout() {
            format!("no answer within {} s", timeout.as_secs_f64())
        } else if error.is_connect() {
            "cannot connect".to_owned()
        } else {
            error.without_url().to_string()
        };
        format!(
            "{} {}: {what}",
            request.method,
            without_secrets(&request.url)
        )
    })
}

async fn process(path: &str, arguments: &[String], timeout: Duration) -> Output {
    let mut command = tokio::process::Command::new(path);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    // SAFETY: prctl is async-signal-safe. The runtime's threads live as long as the program, with
    // which the child ends, however that ends.
    unsafe {
        command.pre_exec(|| {
            nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
            Ok(())
        });
    }
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot start {path}: {error}"))?;
    let _group = Group(child.id().map(|pid| nix::unistd::Pid::from_raw(pid as i32)));
    let stdout = read_bounded(child.stdout.take());
    let stderr = read_bounded(child.stderr.take());
    let finished = tokio::time::timeout(timeout, async {
        tokio::join!(child.wait(), stdout, stderr)
    })
    .await;
    let (status, stdout, stderr) =
        finished.map_err(|_| format!("{path} took more than {} s", timeout.as_secs_f64()))?;
    let status = status.map_err(|error| format!("{path}: {error}"))?;
    use std::os::unix::process::ExitStatusExt;
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| -signal));
    Ok(json!({ "status": code, "stdout": stdout, "stderr": stderr }))
}

/// The process group of a probe; it ends when the probe does, also when it is cut short.
struct Group(Option<nix::unistd::Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        }
    }
}

/// Reads all, keeps the first [`OUTPUT_BYTES_MAX`].
async fn read_bounded(pipe: Option<impl AsyncReadExt + Unpin>) -> String {
    let Some(mut pipe) = pipe else {
        return String::new();
    };
    let mut kept = Vec::new();
    let mut buffer = [0; 8192];
    while let Ok(n @ 1..) = pipe.read(&mut buffer).await {
        let room = OUTPUT_BYTES_MAX - kept.len();
        kept.extend_from_slice(&buffer[..n.min(room)]);
    }
    String::from_utf8_lossy(&kept).into_owned()
}
