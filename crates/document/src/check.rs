//! The check: a tree against a table, every deviation a diagnostic.

use crate::{Data, Diagnostics, Entry, Field, Kind, Node, Object, duration, rate};

/// Prefix of keys that are always allowed and mean nothing.
const EXTENSION_PREFIX: &str = "x-";

/// How alike two names have to be for one to be suggested for the other, from 0 to 1.
const SIMILARITY_MIN: f64 = 0.8;

/// Longest text that is repeated in a message, in characters.
const QUOTED_CHARACTERS_MAX: usize = 40;

/// Adds an error for everything in `node` that `object` does not allow or misses.
///
/// After a check without errors, every required key is there and every value is of its kind.
pub fn check(node: &Node, object: &Object<'_>, diagnostics: &mut Diagnostics) {
    let subject = format!("the {}", object.name);
    Check { diagnostics }.object(node, object, &[], &subject);
}

/// The candidate most like `name`, if one is like it at all: for "did you mean".
pub fn closest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}

struct Check<'d> {
    diagnostics: &'d mut Diagnostics,
}

impl Check<'_> {
    /// `tags` are the keys that the enclosing tagged kinds have dealt with; `subject` is what the
    /// value is called in messages.
    fn kind(&mut self, node: &Node, kind: &Kind<'_>, tags: &[&str], subject: &str) {
        match kind {
            Kind::Refused(reason) => {
                self.diagnostics
                    .error(
                        node.span,
                        format!("{subject} is not supported by this version"),
                    )
                    .help(*reason);
            }
            Kind::AnyOf(kinds) => self.any_of(node, kind, kinds, tags, subject),
            _ if !admits(kind, node) => self.wrong(node, kind, subject),
            Kind::Text | Kind::Bool | Kind::Integer | Kind::Number | Kind::Any => {}
            Kind::Duration if duration(node).is_some() => {}
            Kind::Rate if rate(node).is_some() => {}
            Kind::Duration | Kind::Rate => self.wrong(node, kind, subject),
            Kind::List(item) => {
                let subject = format!("an item of {subject}");
                for node in node.items() {
                    self.kind(node, item, &[], &subject);
                }
            }
            Kind::Map(value) => {
                for entry in node.entries() {
                    self.kind(&entry.value, value, &[], &format!("`{}`", entry.key));
                }
            }
            Kind::Object(object) => self.object(node, object, tags, subject),
            Kind::Choice(choices) => self.choice(node, choices, subject),
            Kind::Tagged { tag, cases } => self.tagged(node, tag, cases, tags, subject),
            Kind::OneKeyOf(keys) => self.one_key_of(node, keys, subject),
        }
    }

    fn object(&mut self, node: &Node, object: &Object<'_>, tags: &[&str], subject: &str) {
        if !matches!(node.data, Data::Map(_)) {
            return self.wrong(node, &Kind::Object(object), subject);
        }
        let usable = |field: &&Field<'_>| !matches!(field.kind, Kind::Refused(_));
        let mut names: Vec<&str> = tags.to_vec();
        names.extend(object.fields.iter().filter(usable).map(|field| field.name));
        let mut misspelt = Vec::new();
        let mut refused = false;
        for entry in node.entries() {
            let field = object.fields.iter().find(|field| field.name == entry.key);
            if let Some(field) = field {
                let subject = format!("`{}`", entry.key);
                if let Kind::Refused(reason) = field.kind {
                    refused = true;
                    self.diagnostics
                        .error(
                            entry.key_span,
                            format!("{subject} is not supported by this version"),
                        )
                        .help(reason);
                } else {
                    self.kind(&entry.value, &field.kind, &[], &subject);
                }
            } else if !tags.contains(&entry.key.as_str()) {
                misspelt.extend(self.unknown_key(entry, &names, object.name));
            }
        }
        if refused && required(object).all(|field| node.get(field.name).is_none()) {
            // Another form of the map, such as a reference: all it lacks belongs to this one.
            return;
        }
        for field in required(object) {
            if node.get(field.name).is_none() && !misspelt.contains(&field.name) {
                self.diagnostics
                    .error(
                        node.span,
                        format!("the {} lacks the key `{}`", object.name, field.name),
                    )
                    .help(format!("`{}`: {}", field.name, field.doc));
            }
        }
    }

    /// Reports a key that is not among `names`; returns the name it was probably meant to be.
    fn unknown_key<'n>(
        &mut self,
        entry: &Entry,
        names: &[&'n str],
        owner: &str,
    ) -> Option<&'n str> {
        if entry.key.starts_with(EXTENSION_PREFIX) {
            return None;
        }
        let meant = closest(&entry.key, names.iter().copied());
        self.diagnostics
            .error(
                entry.key_span,
                format!("unknown key `{}` in the {owner}", entry.key),
            )
            .help(suggestion(meant, "known keys", names));
        meant
    }

    fn tagged(
        &mut self,
        node: &Node,
        tag: &str,
        cases: &[(&str, Kind<'_>)],
        tags: &[&str],
        subject: &str,
    ) {
        let names: Vec<&str> = cases
            .iter()
            .filter(|(_, kind)| !matches!(kind, Kind::Refused(_)))
            .map(|(name, _)| *name)
            .collect();
        let Some(value) = node.get(tag) else {
            self.diagnostics
                .error(node.span, format!("{subject} lacks the key `{tag}`"))
                .help(format!("`{tag}` is one of: {}", names.join(", ")));
            return;
        };
        let Some(name) = value.as_text() else {
            return self.wrong(value, &Kind::Choice(&names), &format!("`{tag}`"));
        };
        match cases.iter().find(|(case, _)| *case == name) {
            Some((_, Kind::Refused(reason))) => {
                self.diagnostics
                    .error(
                        value.span,
                        format!("`{tag}: {name}` is not supported by this version"),
                    )
                    .help(*reason);
            }
            Some((_, kind)) => {
                let tags: Vec<&str> = tags.iter().copied().chain([tag]).collect();
                self.kind(node, kind, &tags, subject);
            }
            None => self.choice(value, &names, &format!("`{tag}`")),
        }
    }

    fn choice(&mut self, node: &Node, choices: &[&str], subject: &str) {
        let text = node.as_text().unwrap_or_default();
        if !choices.contains(&text) {
            let meant = closest(text, choices.iter().copied());
            self.diagnostics
                .error(
                    node.span,
                    format!("{subject} cannot be `{}`", shortened(text)),
                )
                .help(suggestion(meant, "one of", choices));
        }
    }

    fn one_key_of(&mut self, node: &Node, keys: &[(&str, Kind<'_>)], subject: &str) {
        let names: Vec<&str> = keys.iter().map(|(name, _)| *name).collect();
        let mut found: Option<&str> = None;
        for entry in node.entries() {
            let Some((name, kind)) = keys.iter().find(|(name, _)| *name == entry.key) else {
                found = self
                    .unknown_key(entry, &names, subject.trim_matches('`'))
                    .or(found);
                continue;
            };
            if let Some(first) = found {
                self.diagnostics.error(
                    entry.key_span,
                    format!("{subject} has `{first}` already: only one of them may be given"),
                );
            }
            found = Some(name);
            self.kind(&entry.value, kind, &[], &format!("`{name}`"));
        }
        if found.is_none() {
            self.diagnostics.error(
                node.span,
                format!("{subject} needs one of the keys: {}", names.join(", ")),
            );
        }
    }

    /// No error if one kind fits; otherwise the errors of the kind that comes closest.
    fn any_of(
        &mut self,
        node: &Node,
        whole: &Kind<'_>,
        kinds: &[Kind<'_>],
        tags: &[&str],
        subject: &str,
    ) {
        let attempts = kinds.iter().filter(|kind| admits(kind, node)).map(|kind| {
            let mut diagnostics = Diagnostics::new();
            let mut attempt = Check {
                diagnostics: &mut diagnostics,
            };
            attempt.kind(node, kind, tags, subject);
            diagnostics
        });
        match attempts.min_by_key(Diagnostics::len) {
            Some(best) => self.diagnostics.append(best),
            None => self.wrong(node, whole, subject),
        }
    }

    fn wrong(&mut self, node: &Node, kind: &Kind<'_>, subject: &str) {
        let found = match node.scalar_text() {
            Some(text) if !text.is_empty() => format!("`{}`", shortened(&text)),
            _ => node.kind_name().to_owned(),
        };
        self.diagnostics.error(
            node.span,
            format!("{subject} has to be {}, found {found}", expected(kind)),
        );
    }
}

fn required<'o>(object: &'o Object<'o>) -> impl Iterator<Item = &'o Field<'o>> {
    object.fields.iter().filter(|field| field.required)
}

/// Whether the value has the kind's outer shape.
fn admits(kind: &Kind<'_>, node: &Node) -> bool {
    match kind {
        Kind::Text | Kind::Choice(_) => matches!(node.data, Data::Text(_)),
        Kind::Bool => matches!(node.data, Data::Bool(_)),
        Kind::Integer => matches!(node.data, Data::Int(_)),
        Kind::Number => matches!(node.data, Data::Int(_) | Data::Float(_)),
        Kind::Duration | Kind::Rate => {
            matches!(node.data, Data::Int(_) | Data::Float(_) | Data::Text(_))
        }
        Kind::Any => true,
        Kind::List(_) => matches!(node.data, Data::List(_)),
        Kind::Map(_) | Kind::Object(_) | Kind::Tagged { .. } | Kind::OneKeyOf(_) => {
            matches!(node.data, Data::Map(_))
        }
        Kind::AnyOf(kinds) => kinds.iter().any(|kind| admits(kind, node)),
        Kind::Refused(_) => false,
    }
}

/// What a value of this kind looks like, in words.
fn expected(kind: &Kind<'_>) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Bool => "true or false".to_owned(),
        Kind::Integer => "a whole number".to_owned(),
        Kind::Number => "a number".to_owned(),
        Kind::Duration => "a duration such as 30s or 1m30s, or a number of seconds".to_owned(),
        Kind::Rate => "a rate such as 50/s or 3000/m, greater than zero".to_owned(),
        Kind::Any => "anything".to_owned(),
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(_) | Kind::Object(_) | Kind::Tagged { .. } => "a map".to_owned(),
        Kind::Choice([only]) => format!("`{only}`"),
        Kind::Choice(choices) => format!("one of {}", choices.join(", ")),
        Kind::OneKeyOf(keys) => {
            let names: Vec<&str> = keys.iter().map(|(name, _)| *name).collect();
            format!("a map with one of the keys {}", names.join(", "))
        }
        Kind::AnyOf(kinds) => {
            let words: Vec<String> = kinds
                .iter()
                .filter(|kind| !matches!(kind, Kind::Refused(_)))
                .map(expected)
                .collect();
            words.join(" or ")
        }
        Kind::Refused(_) => "absent".to_owned(),
    }
}

fn suggestion(meant: Option<&str>, intro: &str, all: &[&str]) -> String {
    match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("{intro}: {}", all.join(", ")),
    }
}

fn shortened(text: &str) -> String {
    let mut characters = text.chars();
    let start: String = characters.by_ref().take(QUOTED_CHARACTERS_MAX).collect();
    match characters.next() {
        Some(_) => format!("{start}…"),
        None => start,
    }
}
