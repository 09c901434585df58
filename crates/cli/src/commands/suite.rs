//! Several experiments in one go: which files they are, which of them are meant, and one summary.

use std::path::{Path, PathBuf};

use shaketable_document::Source;
use shaketable_engine::{RunRecord, Verdict};
use shaketable_experiment::Experiment;

/// File names of experiments end in one of these.
const EXTENSIONS: [&str; 3] = ["json", "yaml", "yml"];
/// How deep folders are searched; a loop of links ends there.
const DEPTH_MAX: usize = 16;

/// The experiments that paths stand for: a file for itself, a folder for all experiments in it and
/// below it, by name. In a folder, documents without a `method` are no experiments (Compose files,
/// bindings), and hidden folders are passed over. The error names the path it is about.
pub fn gather(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut found: Vec<PathBuf> = Vec::new();
    for path in paths {
        let more = if path.is_dir() {
            let mut below = Vec::new();
            search(path, DEPTH_MAX, &mut below)
                .map_err(|error| format!("cannot look into {}: {error}", path.display()))?;
            if below.is_empty() {
                return Err(format!(
                    "there is no experiment in {}: no JSON or YAML document with a `method`",
                    path.display()
                ));
            }
            below
        } else {
            vec![path.clone()]
        };
        for path in more {
            if !found.contains(&path) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

fn search(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    entries.sort();
    for path in entries {
        let hidden = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with('.');
        if path.file_name().is_none_or(hidden) {
            continue;
        }
        if path.is_dir() {
            if depth > 0 {
                search(&path, depth - 1, found)?;
            }
        } else if is_experiment(&path) {
            found.push(path);
        }
    }
    Ok(())
}

/// A document that cannot be parsed counts as one: running it says what is wrong with it.
fn is_experiment(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    if !EXTENSIONS.iter().any(|known| extension == *known) {
        return false;
    }
    let Ok(text) = std::fs::read_to_string(path) else {
        return true;
    };
    match shaketable_document::parse(&Source::new(path.display().to_string(), text)) {
        Ok(root) => root.get("method").is_some(),
        Err(_) => true,
    }
}

/// Whether an experiment carries one of these tags; without any, every experiment is meant.
pub fn is_meant(experiment: &Experiment, tags: &[String]) -> bool {
    tags.is_empty() || tags.iter().any(|tag| experiment.tags.contains(tag))
}

/// All runs in a table, the worst of them named below; `left` experiments were not run.
pub fn summary(records: &[RunRecord], left: usize) -> String {
    let heading = ["experiment", "variant", "verdict", "seconds", "why"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(records.iter().map(|record| {
        let reason = record.reasons.first().map_or("", String::as_str);
        let reason = reason.lines().next().unwrap_or_default();
        vec![
            record.experiment.display().to_string(),
            record.variant.clone().unwrap_or_else(|| "-".to_owned()),
            record.verdict.to_string(),
            format!("{:.1}", record.duration.as_secs_f64()),
            reason.to_owned(),
        ]
    }));
    let passed = records
        .iter()
        .filter(|record| record.verdict == Verdict::Passed);
    let mut out = shaketable_report::table(&rows, heading.len());
    out.push_str(&format!(
        "\n{} of {} passed",
        passed.count(),
        records.len() + left
    ));
    if left > 0 {
        out.push_str(&format!("; {left} not run"));
    }
    out.push('\n');
    out
}
