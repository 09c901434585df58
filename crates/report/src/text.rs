//! The report in the terminal.

use std::fmt::Write;

use shaketable_engine::record::When;
use shaketable_engine::{RunRecord, Verdict};

use crate::ledger::{equations, findings, stages};
use crate::table::table;

/// The whole report of a run.
pub fn text(record: &RunRecord) -> String {
    let mut out = String::new();
    let variant = record
        .variant
        .as_ref()
        .map_or_else(String::new, |variant| format!(", variant {variant}"));
    let _ = writeln!(
        out,
        "── {} ({}{variant})",
        record.title,
        record.experiment.display()
    );
    let _ = writeln!(
        out,
        "verdict: {}",
        record.verdict.to_string().to_uppercase()
    );
    for reason in &record.reasons {
        let _ = writeln!(out, "  because {}", reason.trim_end().replace('\n', "\n  "));
    }
    if let Some(ledger) = &record.ledger {
        let _ = writeln!(out, "\nledger");
        out.push_str(&equations(ledger));
        out.push_str(&stages(ledger));
    }
    if !record.timeline.is_empty() {
        let _ = writeln!(out, "\ntimeline");
        for event in &record.timeline {
            let _ = writeln!(out, "  {:>8.3} s  {}", event.at_us as f64 / 1e6, event.what);
        }
    }
    out.push_str(&measures(record));
    out.push_str(&hypothesis(record));
    if let Some(ledger) = &record.ledger {
        out.push_str(&findings(ledger, &record.noun));
    }
    if let Some(folder) = &record.folder {
        let _ = writeln!(
            out,
            "\n{:.1} s in all; journal and facts in {}",
            record.duration.as_secs_f64(),
            folder.display()
        );
    }
    out
}

fn measures(record: &RunRecord) -> String {
    let mut out = String::new();
    if let Some(recovery) = &record.recovery {
        let seconds = |value: Option<f64>| {
            value.map_or_else(|| "not seen".to_owned(), |value| format!("{value:.1} s"))
        };
        let _ = writeln!(
            out,
            "\navailability: longest gap {:.1} s, unavailable {:.1} s in all; fault → first error {}, fault → steady {}, healed → steady {}, drain {}",
            recovery.longest_gap_s,
            recovery.unavailable_s,
            seconds(recovery.time_to_detect_s),
            seconds(recovery.mttr_fault_s),
            seconds(recovery.mttr_heal_s),
            seconds(record.drain_s),
        );
    }
    if let Some(latency) = &record.latency {
        let ms = |us: u64| us as f64 / 1e3;
        let p = &latency.from_intended;
        let _ = writeln!(
            out,
            "latency from the intended time: p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            ms(p.p50_us),
            ms(p.p90_us),
            ms(p.p99_us),
            ms(p.max_us)
        );
    }
    out
}

fn hypothesis(record: &RunRecord) -> String {
    use shaketable_faults::Observed;
    let mut out = String::new();
    for when in [When::Before, When::During, When::After] {
        let probes: Vec<_> = record
            .probes
            .iter()
            .filter(|probe| probe.when == when)
            .collect();
        if probes.is_empty() {
            continue;
        }
        let _ = writeln!(
            out,
            "\nhypothesis {}",
            match when {
                When::Before => "before",
                When::During => "during the method",
                When::After => "after",
            }
        );
        for probe in probes {
            let mark = match probe.holds {
                Observed::Yes(_) => "holds  ",
                Observed::No(_) => "FAILS  ",
                Observed::Unknown(_) => "UNKNOWN",
            };
            let _ = writeln!(out, "  {mark} {}: {}", probe.name, probe.holds.detail());
        }
    }
    out
}

/// A run that is compared with others.
pub struct Compared<'a> {
    /// What came of it.
    pub record: &'a RunRecord,
    /// The verdict it should have.
    pub expected: Option<Verdict>,
    /// The probe that should have been seen not to hold.
    pub finding: Option<&'a str>,
}

/// Whether that probe of the hypothesis was seen not to hold, during the method or after it.
pub fn deviates(record: &RunRecord, probe: &str) -> bool {
    record.probes.iter().any(|outcome| {
        outcome.name == probe
            && outcome.when != When::Before
            && matches!(outcome.holds, shaketable_faults::Observed::No(_))
    })
}

/// Several runs beside each other: experiment, variant, verdict, what was expected and found, and the
/// ledger's integers.
pub fn comparison(runs: &[Compared<'_>]) -> String {
    let mut rows = vec![
        [
            "experiment",
            "variant",
            "verdict",
            "expected",
            "finding",
            "attempted",
            "acknowledged",
            "failed",
            "indeterminate",
            "settled",
            "unwanted",
            "stuck",
            "lost",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for Compared {
        record,
        expected,
        finding,
    } in runs
    {
        let mut row = vec![
            record
                .experiment
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            record.variant.clone().unwrap_or_else(|| "-".to_owned()),
            record.verdict.to_string(),
            expected.map_or_else(|| "-".to_owned(), |expected| expected.to_string()),
            match finding {
                None => "-".to_owned(),
                Some(probe) if deviates(record, probe) => (*probe).to_owned(),
                Some(probe) => format!("not seen: {probe}"),
            },
        ];
        match record
            .ledger
            .as_ref()
            .map(shaketable_ledger::Ledger::counts)
        {
            Some(c) => row.extend(
                [
                    c.attempted,
                    c.acknowledged,
                    c.failed,
                    c.indeterminate,
                    c.settled,
                    c.unwanted,
                    c.stuck,
                    c.lost,
                ]
                .map(|n| n.to_string()),
            ),
            None => row.extend(std::iter::repeat_n("-".to_owned(), 8)),
        }
        rows.push(row);
    }
    table(&rows, 5)
}
