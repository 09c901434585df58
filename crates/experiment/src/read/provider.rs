//! Reading providers: what carries an activity out.

use shaketable_dialect::Value as PythonValue;
use shaketable_dialect::text as python_text;
use shaketable_document::{Data, Node, duration};

use super::activity::Role;
use super::function::KAFKA_MODULE;
use super::{Reader, Section, duration_or, items, text};
use crate::Measure;
use crate::plan::{
    ActivityKind, HTTP_TIMEOUT_DEFAULT, HttpBody, HttpCall, POSTGRES_TIMEOUT_DEFAULT,
    PROCESS_TIMEOUT_DEFAULT, ProcessArguments, ProcessCall, Provider,
};

impl Reader<'_> {
    pub(super) fn provider(&mut self, node: &Node, role: Role) -> Option<Provider> {
        let Role { section, kind, .. } = role;
        self.not_zero(node, "timeout");
        let tag = node.get("type")?;
        if matches!(tag.as_text(), Some("http" | "process")) {
            // All secrets can be used in texts, whether they are named or not.
            self.secret_groups(node);
        }
        match tag.as_text()? {
            "http" => self.http(node).map(Provider::Http),
            "process" => Some(Provider::Process(ProcessCall {
                path: text(node, "path")?,
                arguments: process_arguments(node.get("arguments")),
                environment: node
                    .get("env")
                    .map_or(&[][..], Node::entries)
                    .iter()
                    .filter_map(|entry| Some((entry.key.clone(), entry.value.scalar_text()?)))
                    .collect(),
                directory: text(node, "cwd"),
                timeout: duration_or(node, "timeout", PROCESS_TIMEOUT_DEFAULT),
            })),
            "postgres" => Some(Provider::Postgres {
                url: text(node, "url")?,
                query: text(node, "query")?,
                timeout: duration_or(node, "timeout", POSTGRES_TIMEOUT_DEFAULT),
            }),
            "kafka" => self.function(node, KAFKA_MODULE, role),
            "python" => self.function(node, node.get("module")?.as_text()?, role),
            "ledger" => {
                if section != Section::Hypothesis {
                    self.diagnostics
                        .error(tag.span, "the ledger is asked in the hypothesis only")
                        .help("before and after the method every message can be accounted for; in the middle none can");
                } else if !self.has_ledger {
                    self.diagnostics
                        .error(tag.span, "the document has no `ledger` to ask")
                        .help("describe under `ledger` how messages are accounted for");
                }
                let measure = node.get("measure")?.as_text()?.parse().ok()?;
                if measure == Measure::Scattered && self.has_ledger && !self.has_topic {
                    self.diagnostics
                        .error(
                            tag.span,
                            "no stage of the ledger is a topic, so nothing can be scattered",
                        )
                        .help("add a `kafka` stage");
                }
                Some(Provider::Ledger { measure })
            }
            "fault" => {
                if section != Section::Method {
                    self.diagnostics
                        .error(tag.span, "faults are injected in `method` only")
                        .help("rollbacks need none: every fault is undone by itself");
                } else if kind == Some(ActivityKind::Probe) {
                    self.diagnostics
                        .error(tag.span, "a fault is an action, not a probe")
                        .help("write `type: action` in the activity");
                }
                self.fault(node).map(Provider::Fault)
            }
            _ => None,
        }
    }

    fn http(&mut self, node: &Node) -> Option<HttpCall> {
        let method = node.get("method").and_then(Node::as_text).unwrap_or("GET");
        let has_body = !["GET", "HEAD"].contains(&method);
        if let Some(entry) = node.entry("json") {
            if !has_body {
                self.diagnostics
                    .error(entry.key_span, format!("a {method} request has no body"))
                    .help("set `method`, for example to POST, or remove `json`");
            } else if let Some(arguments) = node.entry("arguments") {
                self.diagnostics
                    .error(arguments.key_span, "the request has a body already: `json`")
                    .help("give one of them; a query belongs into `url`");
            }
        }
        let headers = node.get("headers").map_or(&[][..], Node::entries);
        let headers: std::collections::BTreeMap<String, String> = headers
            .iter()
            .filter_map(|entry| Some((entry.key.clone(), entry.value.scalar_text()?)))
            .collect();
        let is_json = headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("content-type") && value.starts_with("application/json")
        });
        let arguments = node.get("arguments");
        let json = node.get("json").map(Node::to_json);
        let body = match (json, arguments) {
            (Some(json), _) => HttpBody::Json(json),
            (None, Some(arguments)) if has_body => match arguments.as_text() {
                _ if is_json => HttpBody::Json(arguments.to_json()),
                Some(text) => HttpBody::Text(text.to_owned()),
                None => HttpBody::Form(fields(arguments)),
            },
            (None, _) => HttpBody::None,
        };
        let mut url = text(node, "url")?;
        let mut query = Vec::new();
        if let Some(arguments) = arguments.filter(|_| !has_body) {
            match arguments.as_text() {
                Some(text) => {
                    url.push(if url.contains('?') { '&' } else { '?' });
                    url.push_str(text);
                }
                None => query = fields(arguments),
            }
        }
        let max_retries = node.get("max_retries").and_then(Node::as_int);
        if let Some(retries) = node.get("max_retries")
            && max_retries.is_some_and(|count| !(0..=100).contains(&count))
        {
            self.diagnostics
                .error(retries.span, "`max_retries` has to be from 0 to 100");
        }
        let (timeout, connect_timeout) = self.http_timeouts(node);
        Some(HttpCall {
            method: method.to_owned(),
            url,
            headers,
            query,
            body,
            timeout,
            connect_timeout,
            verify_tls: node
                .get("verify_tls")
                .and_then(Node::as_bool)
                .unwrap_or(true),
            ca_file: text(node, "ca_file"),
            max_retries: max_retries
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or_default(),
            expected_status: self.expected_status(node.get("expected_status")),
        })
    }

    /// How long a request may take in all, and how long connecting may, if that is said.
    fn http_timeouts(&mut self, node: &Node) -> (std::time::Duration, Option<std::time::Duration>) {
        let Some(timeout) = node.get("timeout") else {
            return (HTTP_TIMEOUT_DEFAULT, None);
        };
        let Data::List(limits) = &timeout.data else {
            return (duration(timeout).unwrap_or(HTTP_TIMEOUT_DEFAULT), None);
        };
        let [connect, read] = limits.as_slice() else {
            self.diagnostics
                .error(
                    timeout.span,
                    format!("a list of timeouts has two of them, found {}", limits.len()),
                )
                .help(
                    "write how long connecting and how long the answer may take: [connect, read]",
                );
            return (HTTP_TIMEOUT_DEFAULT, None);
        };
        let connect = duration(connect);
        let read = duration(read).unwrap_or(HTTP_TIMEOUT_DEFAULT);
        (connect.unwrap_or_default() + read, connect)
    }

    fn expected_status(&mut self, node: Option<&Node>) -> Vec<u16> {
        let Some(node) = node else {
            return Vec::new();
        };
        let statuses = match &node.data {
            Data::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut expected = Vec::new();
        for status in statuses {
            match status.as_int().map(u16::try_from) {
                Some(Ok(code @ 100..=599)) => expected.push(code),
                Some(_) => {
                    self.diagnostics
                        .error(status.span, "a status is a number from 100 to 599");
                }
                None => {}
            }
        }
        expected
    }
}

/// Python's text of a value; none of null.
fn in_python(node: &Node) -> Option<String> {
    match node.data {
        Data::Null => None,
        _ => Some(python_text::str(&PythonValue::from(node.to_json()))),
    }
}

/// Fields of a query or a form: null is left out, a list is its items.
fn fields(node: &Node) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for entry in node.entries() {
        let values = match &entry.value.data {
            Data::List(items) => items.as_slice(),
            _ => std::slice::from_ref(&entry.value),
        };
        let texts = values.iter().filter_map(in_python);
        fields.extend(texts.map(|text| (entry.key.clone(), text)));
    }
    fields
}

fn process_arguments(node: Option<&Node>) -> ProcessArguments {
    let Some(node) = node else {
        return ProcessArguments::List(Vec::new());
    };
    match &node.data {
        Data::Map(entries) => ProcessArguments::List(
            entries
                .iter()
                .flat_map(|entry| [Some(entry.key.clone()), in_python(&entry.value)])
                .flatten()
                .filter(|text| !text.is_empty())
                .collect(),
        ),
        Data::List(_) => {
            ProcessArguments::List(items(Some(node)).iter().filter_map(in_python).collect())
        }
        Data::Null => ProcessArguments::List(Vec::new()),
        _ => ProcessArguments::Shell(in_python(node).unwrap_or_default()),
    }
}
