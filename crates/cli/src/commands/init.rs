//! `init`: asks what is to be broken and how one sees that it works, and writes an experiment.
//!
//! What it writes is read by the same parser as any experiment before it says that it is done.
//! Questions go to standard error and answers come from standard input, so that both a person and a
//! script can give them; an empty answer, and the end of the input, take what is in brackets.

use std::fmt::Write as _;
use std::io::{BufRead, Write as _};
use std::path::Path;

use shaketable_document::Kind;
use shaketable_experiment::FaultDeclaration;
use shaketable_testbed::{SystemSource, TestbedError};

use super::experiment::{catalogue, read};
use crate::arguments::Init;
use crate::exit::Exit;
use crate::terminal;

/// How long a fault lasts, unless somebody says otherwise.
const DURATION: &str = "5s";

pub fn run(arguments: &Init) -> Result<Exit, TestbedError> {
    let path = &arguments.experiment;
    if path.exists() && !arguments.force {
        terminal::error(&format!(
            "{} is there already; give another name, or `--force` to replace it",
            path.display()
        ));
        return Ok(Exit::Usage);
    }
    let mut dialogue = Dialogue {
        input: Box::new(std::io::stdin().lock()),
    };
    let text = match ask(&mut dialogue, path) {
        Ok(text) => text,
        Err(message) => {
            terminal::error(&message);
            return Ok(Exit::Usage);
        }
    };
    let io = |source| TestbedError::Io {
        what: format!("write {}", path.display()),
        source,
    };
    std::fs::write(path, text).map_err(io)?;
    if let Err(message) = read(path, &catalogue()) {
        terminal::error(&message);
        terminal::note(&format!(
            "{} was written, and needs mending",
            path.display()
        ));
        return Ok(Exit::Usage);
    }
    terminal::note(&format!(
        "wrote {path}\n\n  shaketable explain {path}    what it would touch\n  shaketable run {path}        the verdict",
        path = path.display()
    ));
    Ok(Exit::Passed)
}

struct Dialogue {
    input: Box<dyn BufRead>,
}

impl Dialogue {
    /// Asks; an empty answer is `default`.
    fn ask(&mut self, question: &str, default: &str) -> String {
        let shown = match default {
            "" => format!("{question}: "),
            _ => format!("{question} [{default}]: "),
        };
        let mut stderr = std::io::stderr();
        let _ = stderr
            .write_all(shown.as_bytes())
            .and_then(|()| stderr.flush());
        let mut line = String::new();
        let answered = self.input.read_line(&mut line).is_ok_and(|n| n > 0);
        if !answered {
            terminal::note("");
        }
        match line.trim() {
            "" => default.to_owned(),
            answer => answer.to_owned(),
        }
    }

    /// Asks for one of several, by number or by name.
    fn choose(&mut self, question: &str, choices: &[(String, String)]) -> Result<String, String> {
        let mut list = String::new();
        for (n, (name, doc)) in choices.iter().enumerate() {
            let _ = write!(list, "\n  {:>2}  {name:<20} {doc}", n + 1);
        }
        terminal::note(list.trim_start_matches('\n'));
        let answer = self.ask(question, "1");
        let by_number = answer.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        by_number
            .and_then(|n| choices.get(n))
            .or_else(|| choices.iter().find(|(name, _)| *name == answer))
            .map(|(name, _)| name.clone())
            .ok_or_else(|| format!("`{answer}` is none of the {} choices", choices.len()))
    }
}

/// The document that follows from the answers.
fn ask(dialogue: &mut Dialogue, path: &Path) -> Result<String, String> {
    let title = dialogue.ask(
        "What should hold",
        "The system survives the loss of a process",
    );
    let compose = dialogue.ask("Compose file of the system (empty: none)", "");
    let services = match compose.as_str() {
        "" => Vec::new(),
        compose => services_of(path, compose)?,
    };
    let mut out = format!(
        "# Made by `shaketable init`; every key is in docs/write-an-experiment.md\ntitle: {}\ndescription: {}\n",
        quoted(&title),
        quoted("What is broken, and what should hold all the same.")
    );
    if !compose.is_empty() {
        let _ = writeln!(out, "system: {}", quoted(&compose));
    }
    let probe = dialogue.ask(
        "How do you see that it works: a URL, or a command that exits with 0",
        if services.is_empty() { "true" } else { "" },
    );
    let _ = write!(
        out,
        "\n# Asked before anything is broken, and again when everything is healed.\nsteady-state-hypothesis:\n  title: {}\n  probes:\n{}",
        quoted(&title),
        probe_of(&probe)?
    );
    out.push_str("\n# What is broken.\nmethod:\n");
    if services.is_empty() {
        let action = dialogue.ask("What is done to it: a command", "true");
        out.push_str(&activity("action", "do it", &command(&action)?, ""));
    } else {
        out.push_str(&fault_of(dialogue, &services)?);
    }
    Ok(out)
}

fn services_of(experiment: &Path, compose: &str) -> Result<Vec<(String, String)>, String> {
    let folder = experiment.parent().unwrap_or(Path::new("."));
    let source = SystemSource::new(&folder.join(compose), None).map_err(|e| e.to_string())?;
    let read = source.read().map_err(|error| error.to_string())?;
    let services = read.compose.services.iter();
    Ok(services
        .map(|service| (service.name.clone(), format!("{} of it", service.replicas)))
        .collect())
}

/// Faults that a person can choose without saying more than a service and a time.
fn simple_faults() -> Vec<FaultDeclaration> {
    let all = shaketable_faults::declarations();
    all.into_iter()
        .filter(|fault| fault.targets.contains(&"service"))
        .filter(|fault| fault.parameters.iter().all(|parameter| !parameter.required))
        .collect()
}

fn fault_of(dialogue: &mut Dialogue, services: &[(String, String)]) -> Result<String, String> {
    let faults = simple_faults();
    let choices: Vec<_> = faults
        .iter()
        .map(|fault| (fault.name.to_owned(), fault.doc.to_owned()))
        .collect();
    let name = dialogue.choose("What happens to it", &choices)?;
    let service = dialogue.choose("To a process of which service", services)?;
    let mut parameters = format!("fault: {name}, target: {{ service: {} }}", quoted(&service));
    let chosen = faults.iter().find(|fault| fault.name == name);
    let until = chosen.and_then(|fault| {
        let mut ends = fault.parameters.iter();
        ends.find(|one| one.name.ends_with("-after") && matches!(one.kind, Kind::Duration))
    });
    if let Some(until) = until {
        let time = dialogue.ask("For how long", DURATION);
        let _ = write!(parameters, ", {}: {}", until.name, quoted(&time));
    }
    let provider = format!("{{ type: fault, {parameters} }}");
    Ok(activity(
        "action",
        &format!("{name} {service}"),
        &provider,
        "",
    ))
}

fn probe_of(answer: &str) -> Result<String, String> {
    if answer.starts_with("http://") || answer.starts_with("https://") {
        let provider = format!("{{ type: http, url: {}, timeout: 5s }}", quoted(answer));
        return Ok(activity("probe", "it answers", &provider, "200"));
    }
    Ok(activity("probe", "it works", &command(answer)?, "0"))
}

/// A process provider for a command line; words are parted by blanks, quotes are not looked at.
fn command(line: &str) -> Result<String, String> {
    let mut words = line.split_whitespace();
    let path = words.next().ok_or("a command or a URL is needed")?;
    let arguments: Vec<String> = words.map(quoted).collect();
    Ok(format!(
        "{{ type: process, path: {}, arguments: [{}] }}",
        quoted(path),
        arguments.join(", ")
    ))
}

fn activity(kind: &str, name: &str, provider: &str, tolerance: &str) -> String {
    let tolerance = match tolerance {
        "" => String::new(),
        value => format!("    tolerance: {value}\n"),
    };
    format!(
        "  - type: {kind}\n    name: {}\n{tolerance}    provider: {provider}\n",
        quoted(name)
    )
}

/// Text as a YAML scalar in double quotes, which is JSON's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
