//! Reading a merged tree: the file as a whole, and the values that all its parts consist of.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use shaketable_document::{Data, Diagnostic, Diagnostics, Entry, Node, Severity, Span, closest};

use super::files::{Files, Findings};
use super::keys::{self, Keys, Use};
use super::warnings::Warnings;
use super::words::split_words;
use super::{Compose, Context, Service, system_name};
use crate::interpolation::{Lookup, interpolate};

/// The most replicas, and health check retries, that are believed to be meant.
const COUNT_MAX: usize = 100;
/// Prefix of keys that are free.
const EXTENSION_PREFIX: &str = "x-";
/// The one key with that prefix that is ours.
pub(super) const OWN_KEY: &str = "x-shaketable";

/// Reads the files of one system; problems gather in `diagnostics` and `warnings`.
pub(super) struct Reader<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) files: Files,
    pub(super) diagnostics: Diagnostics,
    pub(super) warnings: Warnings,
    /// Names of the top-level volumes.
    pub(super) volumes: Vec<String>,
    /// Profiles that are enabled, and those that some service has.
    pub(super) enabled_profiles: Vec<String>,
    pub(super) known_profiles: HashSet<String>,
    /// Texts whose references could not be replaced: complained about already.
    broken: HashSet<(usize, usize)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Reader<'a> {
        let from_variable = context.variables.value("COMPOSE_PROFILES");
        let enabled_profiles = from_variable
            .iter()
            .flat_map(|list| list.split(','))
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .chain(context.profiles.iter().cloned())
            .collect();
        Reader {
            context,
            files: Files::default(),
            diagnostics: Diagnostics::new(),
            warnings: Warnings::default(),
            volumes: Vec::new(),
            enabled_profiles,
            known_profiles: HashSet::new(),
            broken: HashSet::new(),
        }
    }

    /// What was found, when all is read.
    pub(super) fn finish(mut self) -> Findings {
        for profile in &self.enabled_profiles {
            if profile != "*" && !self.known_profiles.contains(profile) {
                self.diagnostics.push(Diagnostic {
                    severity: Severity::Warning,
                    message: format!("no service has the profile `{profile}`, which is enabled"),
                    span: None,
                    help: None,
                });
            }
        }
        self.warnings.finish(&self.files, &mut self.diagnostics);
        Findings::new(self.files, self.diagnostics)
    }

    pub(super) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.diagnostics.error(span, message);
    }

    /// Replaces references in every text of a tree.
    pub(super) fn interpolate(&mut self, node: &mut Node) {
        let span = node.span;
        match &mut node.data {
            Data::Text(text) => {
                match interpolate(text, self.context.variables) {
                    Ok(replaced) => *text = replaced,
                    Err(problem) => {
                        self.broken.insert((span.start, span.end));
                        self.error(span, problem);
                    }
                }
                for name in self.context.variables.take_blank() {
                    let message =
                        format!("the variable `{name}` is not set; nothing is put in its place");
                    self.warnings.add(message, span);
                }
            }
            Data::List(items) => items.iter_mut().for_each(|item| self.interpolate(item)),
            Data::Map(entries) => entries
                .iter_mut()
                .for_each(|entry| self.interpolate(&mut entry.value)),
            _ => {}
        }
    }

    /// The entries of a map that are read; all others are dealt with. `owner` is what the map is
    /// called in messages, `prefix` comes before its keys there.
    pub(super) fn entries<'n>(
        &mut self,
        node: &'n Node,
        owner: &str,
        prefix: &str,
        keys: &Keys,
    ) -> Option<Vec<&'n Entry>> {
        let Data::Map(entries) = &node.data else {
            self.error(
                node.span,
                format!("{owner} is a map, not {}", node.kind_name()),
            );
            return None;
        };
        let mut read = Vec::new();
        for entry in entries {
            let key = &entry.key;
            match keys::find(keys, key) {
                Some(Use::Read) => read.push(entry),
                Some(Use::Container) => {}
                Some(Use::None(reason)) => self.warnings.add(
                    format!("`{prefix}{key}` is not used by the testbed: {reason}"),
                    entry.key_span,
                ),
                Some(Use::Refused(instead)) => {
                    self.diagnostics
                        .error(
                            entry.key_span,
                            format!("`{prefix}{key}` is not supported by the testbed"),
                        )
                        .help(instead);
                }
                None => self.unknown_key(entry, owner, keys),
            }
        }
        Some(read)
    }

    /// A key that Compose does not know either.
    pub(super) fn unknown_key(&mut self, entry: &Entry, owner: &str, keys: &Keys) {
        if entry.key.starts_with(EXTENSION_PREFIX) && entry.key != OWN_KEY {
            return;
        }
        let names = keys.iter().map(|(name, _)| *name);
        let help = match closest(&entry.key, names.clone()) {
            _ if entry.key == OWN_KEY => "it is a key of a service".to_owned(),
            Some(meant) => format!("did you mean `{meant}`?"),
            None => {
                let read: Vec<&str> = keys
                    .iter()
                    .filter(|(_, found)| *found == Use::Read)
                    .map(|(name, _)| *name)
                    .collect();
                format!("it has: {}", read.join(", "))
            }
        };
        self.diagnostics
            .error(
                entry.key_span,
                format!("{owner} has no key `{}`", entry.key),
            )
            .help(help);
    }

    pub(super) fn file(&mut self, root: &Node, folder: &Path) -> Option<Compose> {
        let entries = self.entries(root, "a Compose file", "", keys::FILE)?;
        let mut name = folder.file_name().map_or_else(
            || system_name(""),
            |name| system_name(&name.to_string_lossy()),
        );
        // Services refer to volumes, so these come first.
        if let Some(volumes) = root.get("volumes") {
            self.declared_volumes(volumes);
        }
        let mut services = Vec::new();
        for entry in entries {
            match entry.key.as_str() {
                "name" => {
                    if let Some(text) = self.string(&entry.value, "`name`") {
                        name = system_name(&text);
                    }
                }
                "services" => {
                    services = self.services(&entry.value);
                    self.check_dependencies(&mut services, &entry.value);
                }
                _ => {}
            }
        }
        if root.get("services").is_none() {
            self.error(root.span, "the file has no `services`");
        }
        Some(Compose { name, services })
    }

    fn services(&mut self, node: &Node) -> Vec<Service> {
        let Data::Map(entries) = &node.data else {
            self.error(
                node.span,
                format!("`services` is a map of services, not {}", node.kind_name()),
            );
            return Vec::new();
        };
        if entries.is_empty() {
            self.error(node.span, "`services` is empty: there is nothing to run");
        }
        let mut services = Vec::new();
        let mut left_out = 0;
        for entry in entries {
            if self.is_enabled(entry) {
                services.extend(self.service(entry));
            } else {
                left_out += 1;
            }
        }
        if left_out > 0 && left_out == entries.len() {
            let mut profiles: Vec<String> = self.known_profiles.iter().cloned().collect();
            profiles.sort();
            self.diagnostics
                .error(
                    node.span,
                    "every service is left out, as no profile of it is enabled",
                )
                .help(format!(
                    "enable one with `--profile`: {}",
                    profiles.join(", ")
                ));
        }
        for entry in entries {
            if let Some(other) = services.iter().find(|other| other.has_replica(&entry.key)) {
                self.error(
                    entry.key_span,
                    format!(
                        "`{}` is also the name of a replica of `{}`",
                        entry.key, other.name
                    ),
                );
            }
        }
        services
    }

    /// Text, and nothing that merely looks like it; `what` is its name in messages.
    pub(super) fn string(&mut self, node: &Node, what: &str) -> Option<String> {
        match &node.data {
            Data::Text(_) if self.broken.contains(&(node.span.start, node.span.end)) => None,
            Data::Text(text) => Some(text.clone()),
            _ => {
                let wrong = self.diagnostics.error(
                    node.span,
                    format!("{what} is a text, not {}", node.kind_name()),
                );
                if node.scalar_text().is_some() {
                    wrong.help("write it in quotes");
                }
                None
            }
        }
    }

    /// Text, a number or a truth value, as text.
    pub(super) fn scalar(&mut self, node: &Node, what: &str) -> Option<String> {
        match (&node.data, node.scalar_text()) {
            (Data::Text(_), _) | (_, None) => self.string(node, what),
            (_, scalar) => scalar,
        }
    }

    /// A truth value, also as the text that a reference was replaced by.
    pub(super) fn truth(&mut self, node: &Node, what: &str) -> Option<bool> {
        match self.scalar(node, what)?.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            other => {
                self.error(node.span, format!("{what} is true or false, not `{other}`"));
                None
            }
        }
    }

    /// A list of texts.
    pub(super) fn strings(&mut self, node: &Node, what: &str) -> Option<Vec<String>> {
        let Data::List(items) = &node.data else {
            self.error(
                node.span,
                format!("{what} is a list, not {}", node.kind_name()),
            );
            return None;
        };
        let what = format!("an item of {what}");
        let texts: Vec<Option<String>> =
            items.iter().map(|item| self.string(item, &what)).collect();
        texts.into_iter().collect()
    }

    /// A command: a list of words, or one text that is split into words; nothing for null.
    pub(super) fn words(&mut self, node: &Node, what: &str) -> Option<Vec<String>> {
        match &node.data {
            Data::List(_) => self.strings(node, what),
            Data::Null => Some(Vec::new()),
            Data::Text(_) => {
                let text = self.string(node, what)?;
                match split_words(&text) {
                    Ok(words) => Some(words),
                    Err(problem) => {
                        self.error(node.span, format!("{what}: {problem}"));
                        None
                    }
                }
            }
            _ => {
                self.error(
                    node.span,
                    format!(
                        "{what} is a list of words or one text, not {}",
                        node.kind_name()
                    ),
                );
                None
            }
        }
    }

    pub(super) fn count(&mut self, node: &Node, what: &str) -> Option<usize> {
        let text = self.scalar(node, what)?;
        match text.parse::<usize>() {
            Ok(count) if count <= COUNT_MAX => Some(count),
            _ => {
                self.error(
                    node.span,
                    format!("{what} is a number from 0 to {COUNT_MAX}, not `{text}`"),
                );
                None
            }
        }
    }

    pub(super) fn duration(&mut self, node: &Node, what: &str) -> Option<Duration> {
        let text = self.string(node, what)?;
        // A number alone has no unit; Compose takes only zero for a duration.
        let has_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
        let found = shaketable_document::duration(node).filter(|_| has_unit || text == "0");
        if found.is_none() {
            self.error(
                node.span,
                format!("`{text}` is no duration such as 30s, 1m30s or 250ms"),
            );
        }
        found
    }
}
