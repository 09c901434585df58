//! Reading where values come from that are found out before the run.

use shaketable_document::{Diagnostics, Node};

use super::{Place, Reader, Section, text};
use crate::configuration::{from_environment, source_of};
use crate::late::Late;
use crate::plan::{ConfigurationSource, SecretGroup, ValueSource};
use crate::table;

impl Reader<'_> {
    /// The configuration that is not known yet.
    pub(super) fn sources(&mut self, root: &Node, raw: &Node) -> Vec<ConfigurationSource> {
        let draft = self.draft;
        let definitions = root.get("configuration").map_or(&[][..], Node::entries);
        let mut sources = Vec::new();
        for entry in definitions {
            let definition = &entry.value;
            let Some(kind) = source_of(definition) else {
                continue;
            };
            if kind == "probe" {
                table::with_tables(&draft.0.catalogue.faults, |tables| {
                    shaketable_document::check(definition, &tables.definition, self.diagnostics);
                });
            } else {
                table::check_definition(definition, kind, &entry.key, self.diagnostics);
            }
            let is_pending = draft.0.values.pending.contains(&entry.key);
            let source = match kind {
                "probe" => {
                    let place = Place {
                        section: Section::Configuration,
                        set: Late::new(),
                        python: false,
                    };
                    let raw = raw
                        .get("configuration")
                        .and_then(|node| node.get(&entry.key));
                    let probe = self.activity(definition, raw.unwrap_or(definition), &place);
                    probe.map(|probe| ValueSource::Probe(Box::new(probe)))
                }
                kind => {
                    if let Some(path) = definition.get("jsonpath") {
                        self.json_path(path);
                    }
                    stored(definition, kind)
                }
            };
            if let Some(source) = source.filter(|_| is_pending) {
                sources.push(ConfigurationSource {
                    name: entry.key.clone(),
                    source,
                    at: definition.span,
                });
            }
        }
        sources
    }
}

/// A value in a file or in Vault.
fn stored(definition: &Node, kind: &str) -> Option<ValueSource> {
    match kind {
        "file" => Some(ValueSource::File {
            path: text(definition, "path")?,
            json_path: text(definition, "jsonpath"),
        }),
        "vault" => Some(ValueSource::Vault {
            path: text(definition, "path")?,
            key: text(definition, "key"),
        }),
        _ => None,
    }
}

/// The secrets of a document; reports what is wrong with them.
pub(crate) fn secrets(
    root: &Node,
    environment: &dyn Fn(&str) -> Option<String>,
    diagnostics: &mut Diagnostics,
) -> Vec<SecretGroup> {
    let groups = root.get("secrets").map_or(&[][..], Node::entries);
    let mut read = Vec::new();
    for entry in groups {
        let group = &entry.value;
        let whole = match source_of(group) {
            Some("vault") if group.get("key").is_none() => {
                table::check_definition(group, "vault", &entry.key, diagnostics);
                stored(group, "vault")
            }
            _ => None,
        };
        let is_flat = source_of(group).is_some() && whole.is_none();
        if is_flat || group.scalar_text().is_some() || !group.items().is_empty() {
            diagnostics
                .error(
                    entry.key_span,
                    format!("`{}` is a secret without a group", entry.key),
                )
                .help(format!(
                    "secrets stand in groups: write `group: {{{}: …}}`",
                    entry.key
                ));
            continue;
        }
        let mut secrets = Vec::new();
        for secret in group.entries().iter().filter(|_| whole.is_none()) {
            let definition = &secret.value;
            let source = match source_of(definition) {
                None => Some(ValueSource::Known(definition.to_json())),
                Some("probe") => {
                    diagnostics
                        .error(definition.span, "a probe finds out no secret")
                        .help("a secret is written out, or of type env, file or vault");
                    None
                }
                Some(kind) => {
                    table::check_definition(definition, kind, &secret.key, diagnostics);
                    match kind {
                        "env" => from_environment(definition, environment, diagnostics)
                            .map(|value| ValueSource::Known(value.to_json())),
                        kind => stored(definition, kind),
                    }
                }
            };
            secrets.extend(source.map(|source| (secret.key.clone(), source)));
        }
        read.push(SecretGroup {
            name: entry.key.clone(),
            secrets,
            whole,
            at: entry.key_span,
        });
    }
    read
}
