//! The reports of `--output agent`: one JSON document on standard output, made from the journal alone.
//!
//! 1. The outcome is the first that fits of: interrupted, aborted, probe-error, baseline-not-met,
//!    deviated, passed.
//! 2. A run that could not start has a report too, with the outcome `error`.
//! 3. The exit code of the command is not changed by it.

use std::path::{Component, Path, PathBuf};

use shaketable_dialect::{Dict, Value, json};

use crate::console::Console;
use crate::events::{bounded_output, writable};
use crate::problem::Problem;

const RUN_SCHEMA: &str = "chaostoolkit/agent/run/v1";
const VALIDATE_SCHEMA: &str = "chaostoolkit/agent/validate/v1";
const SWALLOWED: &str =
    "chaoslib.exceptions.ActivityFailed: chaoslib.exceptions.InterruptExecution";

/// Where a run's documents are and how it ended, for its report.
#[derive(Debug)]
pub struct RunContext<'a> {
    /// The experiment as it was named.
    pub source: &'a str,
    /// Where the journal is.
    pub journal_path: &'a str,
    /// Where the events are.
    pub events_path: Option<&'a str>,
    /// The exit code of the command.
    pub exit_code: i32,
}

/// Writes a report on standard output.
pub fn emit(console: &Console, report: &Value) {
    let text = json::dump(report, Some(2))
        .or_else(|_| json::dump(&writable(report), Some(2)))
        .unwrap_or_else(|_| report.to_json().to_string());
    console.out(&format!("{text}\n"));
}

/// The report of `validate`. The error comes with the stage it happened in.
pub fn validate_report(
    source: &str,
    experiment: Option<&Value>,
    error: Option<(&str, &Problem)>,
) -> Value {
    let title = experiment.and_then(|experiment| experiment.get("title"));
    object([
        ("schema", VALIDATE_SCHEMA.into()),
        ("command", "validate".into()),
        ("valid", error.is_none().into()),
        ("source", location(source).into()),
        ("title", title.into()),
        (
            "error",
            error.map(|(stage, problem)| fault(stage, problem)).into(),
        ),
    ])
}

/// The report of a run that could not start.
pub fn run_error_report(source: &str, stage: &str, problem: &Problem) -> Value {
    let verdict = format!("The experiment could not be run: {stage} failed.");
    object([
        ("schema", RUN_SCHEMA.into()),
        ("command", "run".into()),
        ("outcome", "error".into()),
        ("conclusive", false.into()),
        ("verdict", verdict.into()),
        ("exit_code", 1.into()),
        ("source", location(source).into()),
        ("journal_path", Value::None),
        ("events_path", Value::None),
        ("experiment", Value::None),
        ("journal", Value::None),
        ("steady_state", Value::None),
        ("method", Value::None),
        ("rollbacks", Value::None),
        ("interrupted_by", Value::None),
        ("warnings", Value::List(Vec::new())),
        ("error", fault(stage, problem)),
    ])
}

/// The report of a run.
pub fn run_report(journal: &Value, context: &RunContext<'_>) -> Value {
    let reading = Reading::new(journal);
    let outcome = reading.outcome();
    let warnings = reading.warnings();
    let conclusive = matches!(outcome, Outcome::Passed | Outcome::Deviated)
        && !warnings.iter().any(|(code, _)| INCONCLUSIVE.contains(code));
    let warnings = warnings
        .into_iter()
        .map(|(code, message)| object([("code", code.into()), ("message", message.into())]));
    let experiment = reading.experiment;
    let of_journal = |key: &str| Value::from(journal.get(key));
    let deviated = journal.get("deviated").cloned();
    object([
        ("schema", RUN_SCHEMA.into()),
        ("command", "run".into()),
        ("outcome", outcome.name().into()),
        ("conclusive", conclusive.into()),
        ("verdict", reading.verdict(outcome).into()),
        ("exit_code", i64::from(context.exit_code).into()),
        ("source", location(context.source).into()),
        ("journal_path", absolute(context.journal_path).into()),
        ("events_path", context.events_path.map(absolute).into()),
        (
            "experiment",
            object([
                ("title", experiment.and_then(|e| e.get("title")).into()),
                ("dry", experiment.and_then(|e| e.get("dry")).into()),
            ]),
        ),
        (
            "journal",
            object([
                ("status", of_journal("status")),
                ("deviated", deviated.unwrap_or(Value::Bool(false))),
                ("start", of_journal("start")),
                ("end", of_journal("end")),
                ("duration", of_journal("duration")),
            ]),
        ),
        (
            "steady_state",
            object([
                ("before", reading.before.map(state_detail).into()),
                ("during", reading.during_detail()),
                ("after", reading.after.map(state_detail).into()),
            ]),
        ),
        (
            "method",
            object([
                ("count", number(reading.run.len())),
                ("failed", failed_runs(reading.run).into()),
            ]),
        ),
        (
            "rollbacks",
            object([
                ("declared", number(reading.declared_rollbacks())),
                ("played", number(reading.rollbacks.len())),
                ("failed", failed_runs(reading.rollbacks).into()),
            ]),
        ),
        ("interrupted_by", reading.interrupted_by().into()),
        ("warnings", warnings.collect::<Vec<_>>().into()),
        ("error", Value::None),
    ])
}

const DRY_RUN: &str = "dry-run";
const NO_HYPOTHESIS: &str = "no-steady-state-hypothesis";
const METHOD_FAILED: &str = "method-activity-failed";
const INCONCLUSIVE: [&str; 3] = [DRY_RUN, NO_HYPOTHESIS, METHOD_FAILED];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Interrupted,
    Aborted,
    ProbeError,
    BaselineNotMet,
    Deviated,
    Passed,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Outcome::Interrupted => "interrupted",
            Outcome::Aborted => "aborted",
            Outcome::ProbeError => "probe-error",
            Outcome::BaselineNotMet => "baseline-not-met",
            Outcome::Deviated => "deviated",
            Outcome::Passed => "passed",
        }
    }
}

/// A journal, taken apart.
struct Reading<'a> {
    journal: &'a Value,
    experiment: Option<&'a Value>,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
    during: Vec<&'a Value>,
    run: &'a [Value],
    rollbacks: &'a [Value],
}

impl<'a> Reading<'a> {
    fn new(journal: &'a Value) -> Reading<'a> {
        let states = journal.get("steady_states");
        let state = |key: &str| {
            let state = states.and_then(|states| states.get(key));
            state.filter(|state| state.is_truthy())
        };
        let during = list(state("during"));
        Reading {
            journal,
            experiment: journal.get("experiment"),
            before: state("before"),
            after: state("after"),
            during: during.iter().filter(|state| state.is_truthy()).collect(),
            run: list(journal.get("run")),
            rollbacks: list(journal.get("rollbacks")),
        }
    }

    fn status(&self) -> Option<&str> {
        self.journal.get("status").and_then(Value::as_str)
    }

    fn states(&self) -> impl Iterator<Item = &'a Value> + use<'a, '_> {
        let during = self.during.iter().copied();
        self.before.into_iter().chain(during).chain(self.after)
    }

    fn outcome(&self) -> Outcome {
        if self.status() == Some("interrupted") || self.swallowed().is_some() {
            return Outcome::Interrupted;
        }
        if self.status() == Some("aborted") {
            return Outcome::Aborted;
        }
        let mut probes = self.states().flat_map(|state| list(state.get("probes")));
        if probes.any(|probe| text(probe, "status") != Some("succeeded")) {
            Outcome::ProbeError
        } else if self.before.is_some_and(unmet) {
            Outcome::BaselineNotMet
        } else if !self.deviated_phases().is_empty() {
            Outcome::Deviated
        } else {
            Outcome::Passed
        }
    }

    fn deviated_phases(&self) -> Vec<&'static str> {
        let during = self.during.iter().any(|state| unmet(state));
        let after = self.after.is_some_and(unmet);
        let phases = [("during", during), ("after", after)];
        let deviated = phases.into_iter().filter(|(_, deviated)| *deviated);
        deviated.map(|(phase, _)| phase).collect()
    }

    fn verdict(&self, outcome: Outcome) -> String {
        match outcome {
            Outcome::Passed => {
                let phases = [
                    ("before", self.before.is_some()),
                    ("during", !self.during.is_empty()),
                    ("after", self.after.is_some()),
                ];
                let judged = phases.into_iter().filter(|(_, judged)| *judged);
                let judged: Vec<&str> = judged.map(|(phase, _)| phase).collect();
                if judged.is_empty() {
                    return "The run completed without evaluating a steady state.".to_owned();
                }
                format!("The steady state held {} the method.", joined(&judged))
            }
            Outcome::Deviated => {
                let phases = joined(&self.deviated_phases());
                if self.before.is_some() {
                    format!("The steady state held before the method but not {phases} it.")
                } else {
                    format!(
                        "The steady state did not hold {phases} the method, no baseline was \
                         evaluated before it."
                    )
                }
            }
            Outcome::BaselineNotMet => {
                "The steady state did not hold before the method, nothing was injected.".to_owned()
            }
            Outcome::ProbeError => "A steady-state probe could not be executed, its tolerance \
                                    could not be evaluated."
                .to_owned(),
            Outcome::Aborted => {
                "The method ran into an unexpected error, the run was aborted.".to_owned()
            }
            Outcome::Interrupted => self.interruption_verdict(),
        }
    }

    fn interruption_verdict(&self) -> String {
        let Some(by) = self.interrupted_by() else {
            return "The run was interrupted before it completed.".to_owned();
        };
        let part = |key: &str| shaketable_dialect::text::str(&by.get(key).into());
        match text(&by, "kind") {
            Some("safeguard") => format!(
                "The run was interrupted by the safeguard '{}' before it completed.",
                part("name")
            ),
            Some("control") => format!(
                "The run was interrupted by the control '{}': {}",
                part("name"),
                part("reason")
            ),
            _ => format!(
                "The run was interrupted before it completed: {}",
                part("reason")
            ),
        }
    }

    fn warnings(&self) -> Vec<(&'static str, String)> {
        let mut warnings = Vec::new();
        let dry = self.experiment.and_then(|experiment| experiment.get("dry"));
        if let Some(dry) = dry.filter(|dry| dry.is_truthy()) {
            let dry = shaketable_dialect::text::str(dry);
            warnings.push((
                DRY_RUN,
                format!("Activities were not executed (dry run: {dry})."),
            ));
        }
        let hypothesis = self
            .experiment
            .and_then(|experiment| experiment.get("steady-state-hypothesis"));
        let probes = hypothesis.and_then(|hypothesis| hypothesis.get("probes"));
        if !probes.is_some_and(Value::is_truthy) {
            warnings.push((
                NO_HYPOTHESIS,
                "The experiment has no steady-state probes, nothing was judged.".to_owned(),
            ));
        }
        if let Some(names) = failed_names(self.run) {
            warnings.push((
                METHOD_FAILED,
                format!(
                    "Method activities failed, the perturbation may not have been applied: {names}."
                ),
            ));
        }
        let (declared, played) = (self.declared_rollbacks(), self.rollbacks.len());
        if played < declared {
            warnings.push((
                "rollbacks-not-played",
                format!(
                    "Only {played} of {declared} declared rollbacks were played, the system may \
                     not be restored."
                ),
            ));
        }
        if let Some(names) = failed_names(self.rollbacks) {
            warnings.push((
                "rollback-failed",
                format!("Rollbacks failed, the system may not be restored: {names}."),
            ));
        }
        warnings
    }

    fn declared_rollbacks(&self) -> usize {
        let rollbacks = self.experiment.and_then(|e| e.get("rollbacks"));
        list(rollbacks).len()
    }

    fn interrupted_by(&self) -> Option<Value> {
        let swallowed = self.swallowed();
        if self.status() != Some("interrupted") && swallowed.is_none() {
            return None;
        }
        let safeguards = self.journal.get("safeguards");
        let name = safeguards.and_then(|safeguards| safeguards.get("triggered_by"));
        if let Some(name) = name.filter(|name| name.is_truthy()) {
            let run = safeguards.and_then(|safeguards| safeguards.get("run"));
            return Some(safeguard(name, run));
        }
        let interruption = self.journal.get("interruption");
        let reason = interruption.and_then(|interruption| interruption.get("reason"));
        if let Some(reason) = reason.filter(|reason| reason.is_truthy()) {
            let of = |key: &str| interruption.and_then(|interruption| interruption.get(key));
            let kind = of("kind").filter(|kind| kind.is_truthy());
            return Some(object([
                ("kind", kind.cloned().unwrap_or_else(|| "control".into())),
                ("name", of("name").into()),
                ("reason", reason.into()),
            ]));
        }
        swallowed.map(|reason| {
            object([
                ("kind", "signal".into()),
                ("name", Value::None),
                ("reason", reason.into()),
            ])
        })
    }

    /// The reason of an interruption that an older library took for a failed activity.
    fn swallowed(&self) -> Option<String> {
        let probes = self.states().flat_map(|state| list(state.get("probes")));
        let runs = self.run.iter().chain(self.rollbacks).chain(probes);
        let lines = runs.flat_map(|run| list(run.get("exception")));
        let mut found = lines.filter_map(|line| line.as_str()?.trim().strip_prefix(SWALLOWED));
        found.next().map(|reason| {
            let reason = reason.trim_start_matches([':', ' ']);
            if reason.is_empty() {
                "interrupted"
            } else {
                reason
            }
            .to_owned()
        })
    }

    fn during_detail(&self) -> Value {
        let numbered = self.during.iter().enumerate();
        let unmet: Vec<(usize, &&Value)> = numbered.filter(|(_, state)| unmet(state)).collect();
        let probes = unmet
            .iter()
            .flat_map(|(_, state)| list(state.get("probes")));
        let missed =
            probes.filter(|p| p.get("tolerance_met").and_then(Value::as_bool) == Some(false));
        let mut names: Vec<&str> = missed
            .filter_map(|probe| text(probe.get("activity")?, "name"))
            .collect();
        names.sort_unstable();
        names.dedup();
        let names: Vec<Value> = names.into_iter().map(Value::from).collect();
        object([
            ("iterations", number(self.during.len())),
            ("unmet", number(unmet.len())),
            (
                "first_unmet_iteration",
                unmet.first().map(|(index, _)| number(index + 1)).into(),
            ),
            ("unmet_probes", names.into()),
        ])
    }
}

fn safeguard(name: &Value, run: Option<&Value>) -> Value {
    let tolerance = run.and_then(|run| run.get("activity")?.get("tolerance"));
    let mut detail = Dict::new();
    detail.insert("kind", "safeguard");
    detail.insert("name", name);
    detail.insert("status", Value::from(run.and_then(|run| run.get("status"))));
    detail.insert("tolerance", Value::from(tolerance));
    add_outcome(&mut detail, run);
    detail.into()
}

fn state_detail(state: &Value) -> Value {
    let probes = list(state.get("probes")).iter().map(|probe| {
        let activity = probe.get("activity");
        let mut detail = Dict::new();
        detail.insert("name", Value::from(activity.and_then(|a| a.get("name"))));
        detail.insert("status", Value::from(probe.get("status")));
        detail.insert("tolerance_met", Value::from(probe.get("tolerance_met")));
        detail.insert(
            "tolerance",
            Value::from(activity.and_then(|a| a.get("tolerance"))),
        );
        add_outcome(&mut detail, Some(probe));
        Value::Dict(detail)
    });
    object([
        ("met", state.get("steady_state_met").into()),
        ("probes", probes.collect::<Vec<_>>().into()),
    ])
}

fn add_outcome(detail: &mut Dict, run: Option<&Value>) {
    let output = Value::from(run.and_then(|run| run.get("output")));
    for (key, value) in bounded_output(&output) {
        detail.insert(key, value);
    }
    if let Some(exception) = run.and_then(|run| run.get("exception"))
        && exception.is_truthy()
    {
        detail.insert("error", last_line(exception));
    }
}

fn failed_runs(runs: &[Value]) -> Vec<Value> {
    let failed = runs
        .iter()
        .filter(|run| text(run, "status") == Some("failed"));
    failed
        .map(|run| {
            let name = run
                .get("activity")
                .and_then(|activity| activity.get("name"));
            let exception = Value::from(run.get("exception"));
            object([
                ("name", name.into()),
                ("error", last_line(&exception).into()),
            ])
        })
        .collect()
}

fn failed_names(runs: &[Value]) -> Option<String> {
    let failed = failed_runs(runs);
    let names = failed.iter().map(|run| text(run, "name").unwrap_or("None"));
    let names: Vec<&str> = names.collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn last_line(exception: &Value) -> Option<String> {
    let lines = list(Some(exception)).iter().filter_map(Value::as_str);
    let whole: String = lines.collect();
    whole.trim().lines().last().map(str::to_owned)
}

fn unmet(state: &Value) -> bool {
    state.get("steady_state_met").and_then(Value::as_bool) == Some(false)
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_list).unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn joined(phases: &[&str]) -> String {
    match phases {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn fault(stage: &str, problem: &Problem) -> Value {
    let raised = problem.raised();
    object([
        ("stage", stage.into()),
        ("type", raised.kind.as_str().into()),
        ("message", raised.message.as_str().into()),
    ])
}

fn location(source: &str) -> String {
    if source.contains("://") {
        source.to_owned()
    } else {
        absolute(source)
    }
}

fn absolute(path: &str) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
    let mut clean = PathBuf::new();
    for component in Path::new(&whole).components() {
        match component {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    clean.to_string_lossy().into_owned()
}

fn number(count: usize) -> Value {
    Value::Int(i128::try_from(count).unwrap_or(i128::MAX))
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.into_iter();
    Value::Dict(fields.collect())
}
