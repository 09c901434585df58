//! `environment` and `env_file`: what a service's processes are told.
//!
//! Later env files go before earlier ones, and `environment` before all of them. A name without a
//! value takes the value it has outside, and removes the variable when it has none.

use std::collections::BTreeMap;

use shaketable_document::{Data, Node, Source};

use super::keys;
use super::reader::Reader;
use crate::env_file;
use crate::interpolation::Lookup;

/// One item of `env_file`.
struct EnvFile {
    path: String,
    required: bool,
    raw: bool,
}

impl Reader<'_> {
    /// The environment of the service that `service` is the whole of.
    pub(super) fn environment(&mut self, service: &Node) -> BTreeMap<String, String> {
        let mut environment = BTreeMap::new();
        if let Some(node) = service.get("env_file") {
            self.env_files(node, &mut environment);
        }
        if let Some(node) = service.get("environment") {
            self.own_environment(node, &mut environment);
        }
        environment
    }

    fn own_environment(&mut self, node: &Node, environment: &mut BTreeMap<String, String>) {
        match &node.data {
            Data::Map(entries) => {
                for entry in entries {
                    match entry.value.data {
                        Data::Null => self.pass_through(&entry.key, environment),
                        _ => {
                            let what = format!("`{}`", entry.key);
                            if let Some(value) = self.scalar(&entry.value, &what) {
                                environment.insert(entry.key.clone(), value);
                            }
                        }
                    }
                }
            }
            Data::List(items) => {
                for item in items {
                    let Some(text) = self.string(item, "an item of `environment`") else {
                        continue;
                    };
                    match text.split_once('=') {
                        Some((name, value)) => {
                            environment.insert(name.to_owned(), value.to_owned());
                        }
                        None => self.pass_through(&text, environment),
                    }
                }
            }
            Data::Null => {}
            _ => self.error(
                node.span,
                format!("`environment` is a map or a list, not {}", node.kind_name()),
            ),
        }
    }

    fn pass_through(&self, name: &str, environment: &mut BTreeMap<String, String>) {
        match self.context.variables.value(name) {
            Some(value) => environment.insert(name.to_owned(), value),
            None => environment.remove(name),
        };
    }

    fn env_files(&mut self, node: &Node, environment: &mut BTreeMap<String, String>) {
        let items = match &node.data {
            Data::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        for item in items {
            if let Some(file) = self.env_file_item(item) {
                self.env_file(item, &file, environment);
            }
        }
    }

    fn env_file_item(&mut self, item: &Node) -> Option<EnvFile> {
        let mut file = EnvFile {
            path: String::new(),
            required: true,
            raw: false,
        };
        if !matches!(item.data, Data::Map(_)) {
            file.path = self.string(item, "`env_file`")?;
            return Some(file);
        }
        for entry in self.entries(item, "`env_file`", "env_file.", keys::ENV_FILE)? {
            let value = &entry.value;
            match entry.key.as_str() {
                "path" => file.path = self.string(value, "`path`")?,
                "required" => file.required = self.truth(value, "`required`")?,
                _ => match self.string(value, "`format`")?.as_str() {
                    "raw" => file.raw = true,
                    other => {
                        self.error(
                            value.span,
                            format!("`{other}` is no format of an env file; there is raw"),
                        );
                        return None;
                    }
                },
            }
        }
        if item.get("path").is_none() {
            self.error(item.span, "an item of `env_file` lacks the key `path`");
            return None;
        }
        Some(file)
    }

    fn env_file(
        &mut self,
        item: &Node,
        file: &EnvFile,
        environment: &mut BTreeMap<String, String>,
    ) {
        let path = self.context.folder.join(&file.path);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !file.required => return,
            Err(error) => {
                self.diagnostics
                    .error(
                        item.span,
                        format!("cannot read the env file {}: {error}", path.display()),
                    )
                    .help("make the file, or write `required: false` beside its `path`");
                return;
            }
        };
        let read = {
            let lookup = Outside {
                variables: self.context.variables,
                earlier: environment,
            };
            if file.raw {
                env_file::parse_raw(&text, &lookup)
            } else {
                env_file::parse(&text, &lookup)
            }
        };
        match read {
            Ok(values) => environment.extend(values),
            Err(problems) => {
                let offset = self
                    .files
                    .add(Source::new(path.display().to_string(), text));
                for (line, problem) in problems {
                    let place = self.files.line(offset, line);
                    self.error(place, problem);
                }
            }
        }
        for name in self.context.variables.take_blank() {
            let message = format!(
                "the variable `{name}` of the env file {} is not set; nothing is put in its place",
                path.display()
            );
            self.warnings.add(message, item.span);
        }
    }
}

/// What an env file of a service refers to: the variables of the reading, then earlier env files.
struct Outside<'a> {
    variables: &'a dyn Lookup,
    earlier: &'a BTreeMap<String, String>,
}

impl Lookup for Outside<'_> {
    fn value(&self, name: &str) -> Option<String> {
        self.variables
            .value(name)
            .or_else(|| self.earlier.get(name).cloned())
    }

    fn blank(&self, name: &str) {
        self.variables.blank(name);
    }
}
