//! `chaos settings`: reading and changing the settings file.

use shaketable_dialect::{Value, json, text};

use crate::arguments::SettingsTask;
use crate::json_text;
use crate::problem::Problem;
use crate::session::Session;
use crate::settings::{Step, entry, load_settings, locate, save_settings};
use crate::yaml_text;

/// Carries out a task; 1 when there is no such file or entry.
pub fn settings(session: &Session, task: &SettingsTask) -> i32 {
    match carried_out(session, task) {
        Ok(code) => code,
        Err(problem) => session.crash(&problem),
    }
}

fn carried_out(session: &Session, task: &SettingsTask) -> Result<i32, Problem> {
    let path = &session.settings_path;
    if !path.is_file() {
        if let SettingsTask::Show(_) = task {
            // The reference calls a function there that does not exist.
            let told = format!("No settings file found at {}\n", path.display());
            session.console.err(&told);
        }
        return Ok(1);
    }
    let loaded = load_settings(path, &session.logger)?;
    let mut settings = match loaded.is_truthy() {
        true => loaded,
        false => Value::Dict(Default::default()),
    };
    let (key, change) = match task {
        SettingsTask::Show(format) => {
            session.console.out(&formatted(&settings, format)?);
            return Ok(0);
        }
        SettingsTask::Get { format, key } => {
            let found = locate(&settings, key)
                .and_then(|steps| Some(entry(&mut settings, &steps)?.clone()));
            let Some(found) = found else { return Ok(1) };
            session.console.out(&formatted(&found, format)?);
            return Ok(0);
        }
        SettingsTask::Set { key, value } => (key, Some(value)),
        SettingsTask::Remove(key) => (key, None),
    };
    let Some(steps) = locate(&settings, key) else {
        return Ok(1);
    };
    match change {
        Some(value) => {
            let value = json::parse(value)?;
            if let Some(entry) = entry(&mut settings, &steps) {
                *entry = value;
            }
        }
        None => remove(&mut settings, &steps),
    }
    save_settings(&settings, path)?;
    Ok(0)
}

fn remove(settings: &mut Value, steps: &[Step]) {
    let Some((last, parents)) = steps.split_last() else {
        return;
    };
    match (entry(settings, parents), last) {
        (Some(Value::Dict(parent)), Step::Key(name)) => {
            parent.remove(name);
        }
        (Some(Value::List(parent)), Step::Index(index)) if *index < parent.len() => {
            parent.remove(*index);
        }
        _ => {}
    }
}

fn formatted(value: &Value, format: &str) -> Result<String, Problem> {
    let text = match format {
        "json" => json_text::dump(value, 2)?,
        "string" => text::str(value),
        _ => yaml_text::dump(value, 2, true),
    };
    Ok(format!("{text}\n"))
}
