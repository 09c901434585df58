//! Several Compose files as one: later files are merged into earlier ones by Compose's rules.
//!
//! 1. Maps are merged key by key, lists are appended, and any other value is replaced; nothing
//!    (null) leaves what was there.
//! 2. `command`, `entrypoint` and `healthcheck.test` are replaced as a whole.
//! 3. `environment`, `labels` and the like are merged by name, whether written as map or list;
//!    so are `depends_on` and `networks`. `env_file`, `dns` and the like may be one text or a list.
//! 4. A list and a map, or a collection and a text, cannot be merged: an error at the later one.
//!
//! What is unique within a list, mounts by their target and ports, is left to the reader.

use shaketable_document::{Data, Diagnostics, Entry, Node, Span};

use super::files::Files;

/// How two values at one path become one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// By their kinds.
    ByKind,
    /// The later one.
    Replace,
    /// As maps; an item of a list is `NAME=value`, or `NAME`.
    Assignments,
    /// As maps; an item of a list is the name of a network.
    Networks,
    /// As maps; an item of a list is the name of a service that has to be started.
    Dependencies,
    /// As lists; anything else is a list of one.
    Sequence,
}

fn rule(path: &[&str]) -> Rule {
    match path {
        [
            "services",
            _,
            "command" | "entrypoint" | "build" | "logging",
        ]
        | ["services", _, "healthcheck", "test"] => Rule::Replace,
        [
            "services",
            _,
            "environment" | "labels" | "annotations" | "sysctls",
        ]
        | ["services", _, "deploy", "labels"]
        | ["volumes" | "networks", _, "labels"] => Rule::Assignments,
        ["services", _, "networks"] => Rule::Networks,
        ["services", _, "depends_on"] => Rule::Dependencies,
        [
            "services",
            _,
            "env_file" | "dns" | "dns_opt" | "dns_search" | "tmpfs" | "label_file",
        ] => Rule::Sequence,
        _ => Rule::ByKind,
    }
}

/// Merges `later` into `earlier`; both are whole files.
pub(super) fn merge(
    earlier: Node,
    later: Node,
    files: &Files,
    diagnostics: &mut Diagnostics,
) -> Node {
    let mut merging = Merging { files, diagnostics };
    merging.nodes(earlier, later, &mut Vec::new())
}

struct Merging<'a> {
    files: &'a Files,
    diagnostics: &'a mut Diagnostics,
}

impl Merging<'_> {
    fn nodes(&mut self, earlier: Node, later: Node, path: &mut Vec<String>) -> Node {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let rule = rule(&names);
        if rule == Rule::Replace {
            return later;
        }
        if later.data == Data::Null {
            return earlier;
        }
        if earlier.data == Data::Null {
            return later;
        }
        let (earlier, later) = match rule {
            Rule::Assignments | Rule::Networks | Rule::Dependencies => {
                (by_name(earlier, rule), by_name(later, rule))
            }
            Rule::Sequence => (as_list(earlier), as_list(later)),
            Rule::ByKind | Rule::Replace => (earlier, later),
        };
        let span = later.span;
        match (earlier.data, later.data) {
            (Data::Map(mut entries), Data::Map(others)) => {
                for other in others {
                    match entries.iter_mut().find(|entry| entry.key == other.key) {
                        Some(entry) if rule == Rule::Assignments => *entry = other,
                        Some(entry) => {
                            path.push(other.key);
                            let value = std::mem::replace(
                                &mut entry.value,
                                Node {
                                    span,
                                    data: Data::Null,
                                },
                            );
                            entry.value = self.nodes(value, other.value, path);
                            entry.key_span = other.key_span;
                            path.pop();
                        }
                        None => entries.push(other),
                    }
                }
                Node {
                    span: earlier.span,
                    data: Data::Map(entries),
                }
            }
            (Data::List(mut items), Data::List(others)) => {
                items.extend(others);
                Node {
                    span: earlier.span,
                    data: Data::List(items),
                }
            }
            (Data::Map(_) | Data::List(_), data) => {
                let earlier_place = self.files.place(earlier.span);
                self.diagnostics
                    .error(
                        span,
                        format!(
                            "`{}` cannot be merged: this is of another kind than what it is merged into, at {earlier_place}",
                            path.join(".")
                        ),
                    )
                    .help("write both in the same form, a list or a map");
                Node { span, data }
            }
            (_, data) => Node { span, data },
        }
    }
}

/// A list of names as a map of them; anything else stays for the reader to complain about.
fn by_name(node: Node, rule: Rule) -> Node {
    let Data::List(items) = node.data else {
        return node;
    };
    if items.iter().any(|item| item.as_text().is_none()) {
        return Node {
            span: node.span,
            data: Data::List(items),
        };
    }
    let mut entries: Vec<Entry> = Vec::new();
    for item in items {
        let text = item.as_text().unwrap_or_default();
        let (key, data) = match (rule, text.split_once('=')) {
            (Rule::Assignments, Some((key, value))) => (key, Data::Text(value.to_owned())),
            (Rule::Dependencies, _) => (text, started(item.span)),
            _ => (text, Data::Null),
        };
        let entry = Entry {
            key: key.to_owned(),
            key_span: item.span,
            value: Node {
                span: item.span,
                data,
            },
        };
        match entries.iter_mut().find(|known| known.key == entry.key) {
            Some(known) => *known = entry,
            None => entries.push(entry),
        }
    }
    Node {
        span: node.span,
        data: Data::Map(entries),
    }
}

/// What a dependency means that is only a name.
fn started(span: Span) -> Data {
    Data::Map(vec![Entry {
        key: "condition".to_owned(),
        key_span: span,
        value: Node {
            span,
            data: Data::Text("service_started".to_owned()),
        },
    }])
}

fn as_list(node: Node) -> Node {
    match node.data {
        Data::List(_) => node,
        _ => Node {
            span: node.span,
            data: Data::List(vec![node]),
        },
    }
}
