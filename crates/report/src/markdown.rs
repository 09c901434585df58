//! Results as Markdown, for a pull request's comment or a job's summary.

use std::fmt::Write;

use shaketable_engine::RunRecord;
use shaketable_engine::record::When;
use shaketable_faults::Observed;

/// The document, for any number of runs: a table of all, then each in detail.
pub fn markdown(records: &[RunRecord]) -> String {
    let mut out =
        String::from("| experiment | variant | verdict | why | time |\n|---|---|---|---|---|\n");
    for record in records {
        let _ = writeln!(
            out,
            "| {} | {} | **{}** | {} | {:.1} s |",
            cell(&record.title),
            cell(record.variant.as_deref().unwrap_or("-")),
            record.verdict,
            cell(record.reasons.first().map_or("", String::as_str)),
            record.duration.as_secs_f64()
        );
    }
    for record in records {
        detail(record, &mut out);
    }
    out
}

fn detail(record: &RunRecord, out: &mut String) {
    let _ = writeln!(
        out,
        "\n## {}\n\n`{}`: **{}**",
        line(&record.title),
        record.experiment.display(),
        record.verdict
    );
    for reason in &record.reasons {
        let _ = writeln!(out, "- {}", line(reason));
    }
    if let Some(counts) = record
        .ledger
        .as_ref()
        .map(shaketable_ledger::Ledger::counts)
    {
        let _ = writeln!(
            out,
            "\n| attempted | acknowledged | failed | indeterminate | settled | unwanted | stuck | lost |\n|--:|--:|--:|--:|--:|--:|--:|--:|\n| {} | {} | {} | {} | {} | {} | {} | {} |",
            counts.attempted,
            counts.acknowledged,
            counts.failed,
            counts.indeterminate,
            counts.settled,
            counts.unwanted,
            counts.stuck,
            counts.lost
        );
    }
    if !record.faults.is_empty() {
        out.push_str("\n| fault | target | took effect | healed |\n|---|---|---|---|\n");
        for fault in &record.faults {
            let _ = writeln!(
                out,
                "| {} ({}) | {} | {} | {} |",
                cell(&fault.name),
                fault.fault,
                cell(fault.instance.as_deref().unwrap_or(&fault.target)),
                seen(&fault.confirmed),
                seen(&fault.recovered)
            );
        }
    }
    if !record.probes.is_empty() {
        out.push_str("\n| hypothesis | asked | holds | seen |\n|---|---|---|---|\n");
        for probe in &record.probes {
            let when = match probe.when {
                When::Before => "before",
                When::During => "during",
                When::After => "after",
            };
            let _ = writeln!(
                out,
                "| {} | {when} | {} | {} |",
                cell(&probe.name),
                seen(&probe.holds),
                cell(probe.holds.detail())
            );
        }
    }
}

fn seen(observed: &Observed) -> &'static str {
    match observed {
        Observed::Yes(_) => "yes",
        Observed::No(_) => "**no**",
        Observed::Unknown(_) => "unknown",
    }
}

/// Text in one line, in which nothing is markup.
fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' => out.push(' '),
            '\\' | '`' | '*' | '_' | '<' | '>' | '[' | ']' => {
                out.push('\\');
                out.push(character);
            }
            _ => out.push(character),
        }
    }
    out
}

/// Text in one cell of a table.
fn cell(text: &str) -> String {
    line(text).replace('|', "\\|")
}
