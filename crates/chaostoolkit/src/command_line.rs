//! Reading a command line as the click library does: options anywhere, the last one wins, and its messages.
//!
//! A command is described by a table ([`Command`]); [`parse`] gives what the table lets through, or an
//! [`Ending`]: help that was asked for, or a usage error with exit code 2. Which commands there are, and what
//! they mean, is left to `arguments`.

use std::path::Path;

use crate::help;
use crate::suggestion::did_you_mean;

/// A command, or a group of commands.
pub(crate) struct Command {
    /// Its name, as it is typed.
    pub(crate) name: &'static str,
    /// What it does: paragraphs, separated by empty lines.
    pub(crate) about: &'static str,
    /// Its options, in the order of its help.
    pub(crate) options: &'static [Opt],
    /// Its arguments, all required, by their names in the help.
    pub(crate) arguments: &'static [Argument],
    /// The commands of a group.
    pub(crate) commands: &'static [Command],
}

/// An option.
pub(crate) struct Opt {
    /// With its dashes.
    pub(crate) name: &'static str,
    /// What may follow it.
    pub(crate) takes: Takes,
    /// What the help says, with the default where it is shown.
    pub(crate) about: &'static str,
}

/// An argument.
pub(crate) struct Argument {
    /// Its name in the help.
    pub(crate) name: &'static str,
    /// The values it may have; empty for any.
    pub(crate) choices: &'static [&'static str],
}

/// What an option takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing.
    Flag,
    /// Any text.
    Text,
    /// A number.
    Float,
    /// One of these.
    Choice(&'static [&'static str]),
    /// A path, whether or not there is something.
    AnyPath,
    /// A path of something that exists.
    Path,
    /// A path that is no folder and can be written.
    File,
}

/// What was found on a command line.
#[derive(Debug, Default)]
pub(crate) struct Found {
    options: Vec<(&'static str, String)>,
    /// What was left: arguments, or a group's command and everything after it.
    pub(crate) rest: Vec<String>,
}

/// Why a command is not carried out.
#[derive(Debug)]
pub(crate) enum Ending {
    /// Text that was asked for, for standard output; exit code 0.
    Asked(String),
    /// What is wrong, for standard error; exit code 2.
    Usage(String),
}

impl Found {
    /// Whether a flag is there.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.options.iter().any(|(known, _)| *known == name)
    }

    /// The value of an option; the last one of several.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        self.values(name).pop()
    }

    /// All values of an option.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        let matching = self.options.iter().filter(|(known, _)| *known == name);
        matching.map(|(_, value)| value.clone()).collect()
    }

    /// The argument at a position.
    pub(crate) fn argument(&self, index: usize) -> String {
        self.rest.get(index).cloned().unwrap_or_default()
    }
}

/// Reads what follows a command. `path` is how the command was reached, such as `chaos settings get`. A
/// group stops at its command's name.
pub(crate) fn parse(path: &str, command: &Command, words: &[String]) -> Result<Found, Ending> {
    let group = !command.commands.is_empty();
    if group && words.is_empty() {
        return Err(Ending::Usage(help::of(path, command)));
    }
    let found = split(path, command, words)?;
    if found.flag("--help") {
        return Err(Ending::Asked(help::of(path, command)));
    }
    if found.flag("--version") {
        let version = crate::version::CLI_VERSION;
        return Err(Ending::Asked(format!("chaos, version {version}\n")));
    }
    let usage = |message: String| usage_error(path, command, &message);
    for (name, value) in &found.options {
        if let Some(option) = command.options.iter().find(|option| option.name == *name) {
            check(option, value)
                .map_err(|message| usage(format!("Invalid value for '{name}': {message}")))?;
        }
    }
    if group {
        return match found.rest.first() {
            None => Err(usage("Missing command.".to_string())),
            Some(name) if command.commands.iter().any(|known| known.name == name) => Ok(found),
            Some(name) => {
                let suggested = did_you_mean(name, command.commands.iter().map(|known| known.name));
                Err(usage(format!("No such command '{name}'.{suggested}")))
            }
        };
    }
    for (argument, value) in command.arguments.iter().zip(&found.rest) {
        if !argument.choices.is_empty() && !argument.choices.contains(&value.as_str()) {
            let name = argument.name;
            let message = not_one_of(value, argument.choices);
            return Err(usage(format!("Invalid value for '{name}': {message}")));
        }
    }
    if let Some(missing) = command.arguments.get(found.rest.len()) {
        let mut message = format!("Missing argument '{}'.", missing.name);
        if !missing.choices.is_empty() {
            message.push_str(&format!(
                " Choose from:\n\t{}",
                missing.choices.join(",\n\t")
            ));
        }
        return Err(usage(message));
    }
    let extra = &found.rest[command.arguments.len()..];
    if !extra.is_empty() {
        let plural = if extra.len() == 1 { "" } else { "s" };
        return Err(usage(format!(
            "Got unexpected extra argument{plural} ({})",
            extra.join(" ")
        )));
    }
    Ok(found)
}

/// A usage error of a command.
pub(crate) fn usage_error(path: &str, command: &Command, message: &str) -> Ending {
    Ending::Usage(format!(
        "{}Try '{path} --help' for help.\n\nError: {message}\n",
        help::usage(path, command)
    ))
}

/// Takes options and the rest apart.
fn split(path: &str, command: &Command, words: &[String]) -> Result<Found, Ending> {
    let group = !command.commands.is_empty();
    let mut found = Found::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            found.rest.extend(words.cloned());
            break;
        }
        if !word.starts_with('-') || word == "-" {
            found.rest.push(word.clone());
            if group {
                found.rest.extend(words.cloned());
                break;
            }
            continue;
        }
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) if word.starts_with("--") => (name, Some(value)),
            _ => (word.as_str(), None),
        };
        let help = (name == "--help").then_some(("--help", Takes::Flag));
        let known = command.options.iter().find(|option| option.name == name);
        let Some((name, takes)) = help.or(known.map(|option| (option.name, option.takes))) else {
            return Err(usage_error(path, command, &no_such_option(name, command)));
        };
        let value = match (takes, attached) {
            (Takes::Flag, None) => String::new(),
            (Takes::Flag, Some(_)) => {
                return Err(Ending::Usage(format!(
                    "Error: Option '{name}' does not take a value.\n"
                )));
            }
            (_, Some(value)) => value.to_string(),
            (_, None) => words.next().cloned().ok_or_else(|| {
                Ending::Usage(format!("Error: Option '{name}' requires an argument.\n"))
            })?,
        };
        found.options.push((name, value));
    }
    Ok(found)
}

fn no_such_option(name: &str, command: &Command) -> String {
    // A single dash starts a bundle of one-letter options, of which there are none.
    match name.chars().nth(1) {
        Some(letter) if letter != '-' => format!("No such option '-{letter}'."),
        _ => {
            let known = command.options.iter().map(|option| option.name);
            let suggested = did_you_mean(name, known.chain(["--help"]));
            format!("No such option '{name}'.{suggested}")
        }
    }
}

fn check(option: &Opt, value: &str) -> Result<(), String> {
    let path = Path::new(value);
    match option.takes {
        Takes::Flag | Takes::Text | Takes::AnyPath => Ok(()),
        Takes::Float => match value.trim().replace('_', "").parse::<f64>() {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("'{value}' is not a valid float.")),
        },
        Takes::Choice(choices) if choices.contains(&value) => Ok(()),
        Takes::Choice(choices) => Err(not_one_of(value, choices)),
        Takes::Path if path.exists() => Ok(()),
        Takes::Path => Err(format!("Path '{value}' does not exist.")),
        Takes::File if path.is_dir() => Err(format!("File '{value}' is a directory.")),
        Takes::File => Ok(()),
    }
}

fn not_one_of(value: &str, choices: &[&str]) -> String {
    let known: Vec<String> = choices.iter().map(|choice| format!("'{choice}'")).collect();
    format!("'{value}' is not one of {}.", known.join(", "))
}
