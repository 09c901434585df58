//! Results as JUnit XML, for continuous integration: one suite an experiment, one case a claim.
//!
//! The format is the one that Jenkins, GitLab and GitHub read (the Ant task's `testsuites`). Cases are
//! the verdict, each probe of the hypothesis before, during and after, and the healing of each fault.
//! What deviated is a `failure`; what could not be seen, or went wrong, is an `error`, never a pass.

use std::fmt::Write;

use shaketable_engine::record::When;
use shaketable_engine::{RunRecord, Verdict};
use shaketable_faults::Observed;

/// The document, for any number of runs.
pub fn junit(records: &[RunRecord]) -> String {
    let suites: Vec<Suite> = records.iter().map(Suite::of).collect();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let sum = |count: fn(&Suite) -> usize| suites.iter().map(count).sum::<usize>();
    let seconds: f64 = records.iter().map(|r| r.duration.as_secs_f64()).sum();
    let _ = writeln!(
        out,
        r#"<testsuites name="shaketable" tests="{}" failures="{}" errors="{}" time="{seconds:.3}">"#,
        sum(|suite| suite.cases.len()),
        sum(|suite| suite.count(Kind::Failure)),
        sum(|suite| suite.count(Kind::Error)),
    );
    for suite in &suites {
        suite.write(&mut out);
    }
    out.push_str("</testsuites>\n");
    out
}

struct Suite {
    name: String,
    file: String,
    seconds: f64,
    output: String,
    cases: Vec<Case>,
}

struct Case {
    class: String,
    name: String,
    wrong: Option<(Kind, String)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Failure,
    Error,
}

impl Suite {
    fn of(record: &RunRecord) -> Suite {
        let class = record
            .experiment
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut cases = vec![Case {
            class: class.clone(),
            name: "verdict".to_owned(),
            wrong: match record.verdict {
                Verdict::Passed => None,
                Verdict::Deviated => Some(Kind::Failure),
                Verdict::Inconclusive | Verdict::Aborted | Verdict::Error => Some(Kind::Error),
            }
            .map(|kind| {
                let reasons = record.reasons.join("\n");
                (kind, format!("{}: {reasons}", record.verdict))
            }),
        }];
        cases.extend(record.probes.iter().map(|probe| {
            let when = match probe.when {
                When::Before => "before",
                When::During => "during",
                When::After => "after",
            };
            Case {
                class: format!("{class}.hypothesis.{when}"),
                name: probe.name.clone(),
                wrong: wrong(&probe.holds),
            }
        }));
        cases.extend(record.faults.iter().map(|fault| Case {
            class: format!("{class}.healed"),
            name: fault.name.clone(),
            // A fault that did not heal is nobody's deviation: it is in the way of any verdict.
            wrong: match &fault.recovered {
                Observed::Yes(_) => None,
                Observed::No(detail) | Observed::Unknown(detail) => {
                    Some((Kind::Error, detail.clone()))
                }
            },
        }));
        Suite {
            name: record.title.clone(),
            file: record.experiment.display().to_string(),
            seconds: record.duration.as_secs_f64(),
            output: crate::text(record),
            cases,
        }
    }

    fn count(&self, kind: Kind) -> usize {
        let wrong = self.cases.iter().filter_map(|case| case.wrong.as_ref());
        wrong.filter(|(found, _)| *found == kind).count()
    }

    fn write(&self, out: &mut String) {
        let _ = writeln!(
            out,
            r#"  <testsuite name="{}" file="{}" tests="{}" failures="{}" errors="{}" time="{:.3}">"#,
            escaped(&self.name),
            escaped(&self.file),
            self.cases.len(),
            self.count(Kind::Failure),
            self.count(Kind::Error),
            self.seconds,
        );
        for case in &self.cases {
            let head = format!(
                r#"    <testcase classname="{}" name="{}""#,
                escaped(&case.class),
                escaped(&case.name)
            );
            match &case.wrong {
                None => {
                    let _ = writeln!(out, "{head}/>");
                }
                Some((kind, detail)) => {
                    let tag = match kind {
                        Kind::Failure => "failure",
                        Kind::Error => "error",
                    };
                    let _ = writeln!(
                        out,
                        "{head}>\n      <{tag} message=\"{}\"/>\n    </testcase>",
                        escaped(detail)
                    );
                }
            }
        }
        let _ = writeln!(
            out,
            "    <system-out>{}</system-out>\n  </testsuite>",
            escaped(&self.output)
        );
    }
}

fn wrong(holds: &Observed) -> Option<(Kind, String)> {
    match holds {
        Observed::Yes(_) => None,
        Observed::No(detail) => Some((Kind::Failure, detail.clone())),
        Observed::Unknown(detail) => Some((Kind::Error, format!("unknown: {detail}"))),
    }
}

/// Text as XML may hold it: markup escaped, and characters that XML 1.0 forbids replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}
