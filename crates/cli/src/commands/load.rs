//! `load`: an HTTP service under open-loop load, without an experiment.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use shaketable_load::{HttpDriver, HttpWorkload};
use shaketable_testbed::TestbedError;

use super::signals::abort_on_signals;
use crate::arguments::{Format, Load};
use crate::exit::Exit;
use crate::terminal;

/// Between two lines of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// Beyond a request's own timeout, for the generator to resolve it.
const FINISH_MARGIN: Duration = Duration::from_secs(2);

pub async fn run(arguments: Load) -> Result<Exit, TestbedError> {
    let timeout = arguments.timeout;
    let workload = HttpWorkload {
        method: arguments.method,
        url: arguments.url,
        headers: BTreeMap::new(),
        json: arguments.json,
        rate_per_s: arguments.rate,
        timeout,
        identity: arguments.identity,
        max_in_flight: shaketable_experiment::MAX_IN_FLIGHT_DEFAULT,
    };
    let driver = match HttpDriver::new(workload) {
        Ok(driver) => driver,
        Err(problems) => {
            problems
                .iter()
                .for_each(|problem| terminal::error(&format!("--{}: {problem}", problem.field())));
            return Ok(Exit::Usage);
        }
    };
    let abort = abort_on_signals();
    let begun = Instant::now();
    let load = driver.start(begun);
    let counts = load.subscribe();
    let _ = abort
        .or(async {
            while begun.elapsed() < arguments.duration {
                let now = counts.now();
                terminal::status(&format!(
                    "{:5.1} s  sent {}  acknowledged {}  failed {}  unanswered {}  in flight {}",
                    begun.elapsed().as_secs_f64(),
                    now.attempted,
                    now.acknowledged,
                    now.failed,
                    now.indeterminate,
                    now.in_flight
                ));
                tokio::time::sleep(
                    PROGRESS_INTERVAL.min(arguments.duration.saturating_sub(begun.elapsed())),
                )
                .await;
            }
        })
        .await;
    load.stop();
    let report = load.finish(timeout + FINISH_MARGIN).await;
    terminal::clear_status();
    let c = report.counts;
    match arguments.format {
        Format::Json => terminal::data(
            &serde_json::to_string_pretty(&serde_json::json!({
                "attempted": c.attempted,
                "acknowledged": c.acknowledged,
                "failed": c.failed,
                "indeterminate": c.indeterminate,
                "lateness_us_max": report.lateness_us_max,
                "latency": report.latency,
            }))
            .unwrap_or_default(),
        ),
        Format::Text => {
            terminal::data(&format!(
                "attempted {} = {} acknowledged + {} failed + {} indeterminate; sent at most {:.1} ms after the intended time",
                c.attempted,
                c.acknowledged,
                c.failed,
                c.indeterminate,
                report.lateness_us_max as f64 / 1e3
            ));
            for (reason, count) in reasons(&report) {
                terminal::data(&format!("  {count} × {reason}"));
            }
            if let Some(latency) = &report.latency {
                for (name, p) in [
                    ("intended time", &latency.from_intended),
                    ("sending", &latency.from_sent),
                ] {
                    let ms = |us: u64| us as f64 / 1e3;
                    terminal::data(&format!(
                        "latency from the {name}: p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
                        ms(p.p50_us),
                        ms(p.p90_us),
                        ms(p.p99_us),
                        ms(p.max_us)
                    ));
                }
            }
        }
    }
    Ok(if abort.reason().is_some() {
        Exit::Aborted
    } else {
        Exit::Passed
    })
}

/// Why attempts were not acknowledged, the most frequent first.
fn reasons(report: &shaketable_load::LoadReport) -> Vec<(String, u64)> {
    use shaketable_ledger::Outcome;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for attempt in &report.attempts {
        if let Outcome::Failed { reason } | Outcome::Indeterminate { reason } = &attempt.outcome {
            *counts.entry(reason.clone()).or_default() += 1;
        }
    }
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}
