//! The ledger as text: the equations with their integers, the stages, the findings with witnesses.

use std::fmt::Write;

use shaketable_ledger::{Class, Finding, Ledger};

/// How many witnesses of one finding are told.
pub const WITNESSES_MAX: usize = 10;

/// The equations, the stages and the findings. `noun` is what a message is called.
pub fn ledger_text(ledger: &Ledger, noun: &str) -> String {
    let mut out = equations(ledger);
    out.push_str(&stages(ledger));
    out.push_str(&findings(ledger, noun));
    out
}

pub(crate) fn equations(ledger: &Ledger) -> String {
    let c = ledger.counts();
    let mut out = String::new();
    let _ = writeln!(
        out,
        "  attempted    {:>7} = {} acknowledged + {} failed + {} indeterminate",
        c.attempted, c.acknowledged, c.failed, c.indeterminate
    );
    let _ = writeln!(
        out,
        "  acknowledged {:>7} = {} settled + {} {} + {} stuck + {} lost",
        c.acknowledged,
        c.settled,
        c.unwanted,
        unwanted_name(ledger),
        c.stuck,
        c.lost
    );
    let _ = writeln!(
        out,
        "  also: {} late, {} duplicated effects, {} scattered; without acknowledgement: {} took effect, {} did not, {} phantom",
        c.late, c.duplicated, c.scattered, c.resolved_plus, c.resolved_minus, c.phantom
    );
    out
}

/// What the unwanted end is called in this system: the name of its stage.
pub(crate) fn unwanted_name(ledger: &Ledger) -> String {
    let names: Vec<&str> = ledger
        .facts()
        .stages
        .iter()
        .filter(|stage| stage.spec.role == shaketable_ledger::StageRole::Unwanted)
        .map(|stage| stage.spec.name.as_str())
        .collect();
    if names.is_empty() {
        "unwanted".to_owned()
    } else {
        names.join("/")
    }
}

pub(crate) fn stages(ledger: &Ledger) -> String {
    let mut out = String::new();
    let width = ledger
        .stages()
        .iter()
        .map(|stage| stage.name.chars().count())
        .max()
        .unwrap_or(0);
    for stage in ledger.stages() {
        let _ = write!(
            out,
            "  in {:width$} {:>6} of the acknowledged once, {} more than once, {} not",
            stage.name, stage.once, stage.duplicated, stage.missing
        );
        if stage.unclaimed > 0 {
            let _ = write!(out, "; {} of nobody's", stage.unclaimed);
        }
        if let Some(reason) = &stage.incomplete {
            let _ = write!(out, "  NOT READ COMPLETELY: {reason}");
        }
        out.push('\n');
    }
    out
}

pub(crate) fn findings(ledger: &Ledger, noun: &str) -> String {
    let mut out = String::new();
    for finding in ledger.findings() {
        let certain = if finding.certain {
            ""
        } else {
            " (at least; not everything could be read)"
        };
        let _ = writeln!(
            out,
            "\n{} — {}{certain}",
            finding,
            class_name(finding.class)
        );
        if finding.class == Class::Info {
            continue;
        }
        let mut told = 0;
        for story in stories(ledger, &finding, noun) {
            let _ = writeln!(out, "  {story}");
            told += 1;
        }
        let left = finding.count.saturating_sub(told);
        if left > 0 {
            let _ = writeln!(out, "  … and {left} more");
        }
    }
    out
}

fn stories<'a>(
    ledger: &'a Ledger,
    finding: &'a Finding,
    noun: &'a str,
) -> impl Iterator<Item = String> + 'a {
    let claimed = finding
        .seqs
        .iter()
        .filter_map(move |seq| ledger.story(*seq, noun));
    let unclaimed = finding
        .identities
        .iter()
        .filter(|_| finding.seqs.is_empty())
        .filter_map(move |identity| ledger.unclaimed_story(identity, noun));
    claimed
        .chain(unclaimed)
        .take(WITNESSES_MAX)
        .map(|story| story.to_string())
}

fn class_name(class: Class) -> &'static str {
    match class {
        Class::Safety => "safety",
        Class::Liveness => "liveness",
        Class::Info => "for information",
    }
}
