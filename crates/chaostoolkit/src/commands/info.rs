//! `chaos info`: versions, installed extensions, settings.

use std::time::Duration;

use shaketable_dialect::{Dict, Value, json, text};
use shaketable_providers::process::{Process, which};

use crate::problem::Problem;
use crate::python_runtime::current_interpreter;
use crate::session::Session;
use crate::settings::read_text;
use crate::version::{CLI_VERSION, LIB_VERSION};

/// Columns of name, version and licence of an extension.
const COLUMNS: [usize; 3] = [40, 10, 30];

/// Most characters of an extension's description.
const DESCRIPTION_SHOWN: usize = 50;

/// What heads the table of a heading's colour on a terminal: bright blue.
const HEADING: u8 = 94;

/// How long Python may look for extensions: it reads the metadata of everything that is installed.
const LISTING_TIMEOUT: Duration = Duration::from_secs(30);

/// Prints the installed extensions as JSON; each name once.
const EXTENSIONS: &str = r#"
import json
from importlib import metadata
found = {}
for distribution in metadata.distributions():
    about = distribution.metadata
    name = about["Name"] or ""
    if name.startswith("chaostoolkit-") and name != "chaostoolkit-lib" and name not in found:
        found[name] = {"name": name, "version": about["Version"], "summary": about["Summary"] or "", "license": about["License"]}
print(json.dumps(list(found.values())))
"#;

/// Shows one of `core`, `extensions` and `settings`.
pub async fn info(session: Session, target: &str) -> i32 {
    let console = &session.console;
    match target {
        "core" => {
            let row = |name: &str, version: &str| format!("{name:<20}{version:<10}");
            console.out(&console.style(&row("NAME", "VERSION"), HEADING));
            let cli = row("CLI", CLI_VERSION);
            let library = row("Core library", LIB_VERSION);
            console.out(&format!("\n{cli}\n{library}\n"));
            0
        }
        "extensions" => extensions(session).await,
        _ => {
            let path = &session.settings_path;
            let told = if path.is_file() {
                match read_text(path) {
                    Ok(text) => text,
                    Err(problem) => return session.crash(&problem),
                }
            } else {
                format!("No settings file found at {}", path.display())
            };
            console.out(&format!("{told}\n"));
            0
        }
    }
}

async fn extensions(session: Session) -> i32 {
    let console = &session.console;
    match installed_extensions(&session).await {
        Ok(extensions) => {
            let heading = row(["NAME", "VERSION", "LICENSE", "DESCRIPTION"]);
            console.out(&format!("{}\n", console.style(&heading, HEADING)));
            for extension in extensions.as_list().unwrap_or_default() {
                console.out(&format!("{}\n", extension_row(extension)));
            }
            0
        }
        Err(problem) => session.crash(&problem),
    }
}

/// The distributions called `chaostoolkit-*` that the Python interpreter has.
async fn installed_extensions(session: &Session) -> Result<Value, Problem> {
    let python = current_interpreter(&session.environment).ok_or_else(|| {
        Problem::chaos("ChaosException", "no Python interpreter was found on PATH")
    })?;
    let program = which(&python.to_string_lossy()).unwrap_or_else(|| python.into());
    let mut process = Process::new(program, ["-c", EXTENSIONS]);
    process.timeout = Some(LISTING_TIMEOUT);
    let output = process.run().await.map_err(|failure| failure.raised())?;
    Ok(json::parse(&String::from_utf8_lossy(&output.stdout.bytes))?)
}

fn extension_row(extension: &Value) -> String {
    let none = Dict::new();
    let extension = extension.as_dict().unwrap_or(&none);
    let told = |key: &str| {
        let value = extension.get(key).filter(|value| !value.is_none());
        value.map(text::str)
    };
    let summary = told("summary").unwrap_or_default();
    let summary = summary.replace("Chaos Toolkit Extension for ", "");
    let summary: String = summary.chars().take(DESCRIPTION_SHOWN).collect();
    let licence = told("license").filter(|licence| !licence.is_empty());
    row([
        &told("name").unwrap_or_default(),
        &told("version").unwrap_or_default(),
        licence.as_deref().unwrap_or("Unknown"),
        &summary,
    ])
}

fn row([name, version, licence, description]: [&str; 4]) -> String {
    let [first, second, third] = COLUMNS;
    format!("{name:<first$}{version:<second$}{licence:third$}{description:DESCRIPTION_SHOWN$}")
}
