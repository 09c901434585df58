//! Reading the load and how its messages are accounted for.

use std::collections::HashSet;
use std::time::Duration;

use shaketable_document::{Data, Node, duration, rate};

use super::{Reader, duration_or, text};
use crate::StageRole;
use crate::plan::{
    HttpRequest, LedgerPlan, MAX_IN_FLIGHT_DEFAULT, Stage, StageSource, WORKLOAD_TIMEOUT_DEFAULT,
    Workload,
};

impl Reader<'_> {
    pub(super) fn workload(&mut self, node: &Node) -> Option<Workload> {
        let Data::Map(entries) = &node.data else {
            return None;
        };
        let Some((entry, others)) = entries.split_first() else {
            self.diagnostics
                .error(node.span, "`workload` is empty")
                .help("write a workload under its name, or remove the key");
            return None;
        };
        for other in others {
            self.diagnostics
                .error(
                    other.key_span,
                    format!(
                        "a second workload `{}`: one is supported by this version",
                        other.key
                    ),
                )
                .help("keep one of them");
        }
        let value = &entry.value;
        let http = value.get("http").and_then(|node| self.http_request(node));
        if let Some(identity) = value.get("identity") {
            self.json_path(identity);
        }
        let max_in_flight = value.get("max-in-flight").and_then(Node::as_int);
        if let Some(count) = max_in_flight
            && count < 1
        {
            let at = value
                .get("max-in-flight")
                .map_or(value.span, |node| node.span);
            self.diagnostics.error(
                at,
                format!("`max-in-flight` has to be at least 1, found `{count}`"),
            );
        }
        self.not_zero(value, "timeout");
        Some(Workload {
            name: entry.key.clone(),
            http: http?,
            rate: value.get("rate").and_then(rate)?,
            timeout: duration_or(value, "timeout", WORKLOAD_TIMEOUT_DEFAULT),
            identity: text(value, "identity")?,
            max_in_flight: max_in_flight
                .and_then(|count| usize::try_from(count).ok())
                .unwrap_or(MAX_IN_FLIGHT_DEFAULT),
            at: entry.key_span,
        })
    }

    fn http_request(&mut self, node: &Node) -> Option<HttpRequest> {
        let method = node.get("method").and_then(Node::as_text).unwrap_or("GET");
        if let Some(entry) = node.entry("json")
            && ["GET", "HEAD"].contains(&method)
        {
            self.diagnostics
                .error(entry.key_span, format!("a {method} request has no body"))
                .help("set `method`, for example to POST, or remove `json`");
        }
        let headers = node.get("headers").map_or(&[][..], Node::entries);
        Some(HttpRequest {
            method: method.to_owned(),
            url: text(node, "url")?,
            headers: headers
                .iter()
                .filter_map(|entry| Some((entry.key.clone(), entry.value.scalar_text()?)))
                .collect(),
            json: node.get("json").map(Node::to_json),
        })
    }

    pub(super) fn json_path(&mut self, node: &Node) {
        let Some(text) = node.as_text() else {
            return;
        };
        if let Err(error) = serde_json_path::JsonPath::parse(text) {
            let help = if text.starts_with('$') {
                error.to_string()
            } else {
                "a JSONPath begins with `$`, for example $.id".to_owned()
            };
            self.diagnostics
                .error(node.span, format!("`{text}` is not a JSONPath"))
                .help(help);
        }
    }

    pub(super) fn ledger(&mut self, node: &Node, workloads: Option<&Node>) -> Option<LedgerPlan> {
        if let Some(acknowledged) = node.get("acknowledged")
            && let Some(name) = acknowledged.as_text()
            && workloads.is_none_or(|workloads| workloads.get(name).is_none())
        {
            let known: Vec<&str> = workloads
                .map_or(&[][..], Node::entries)
                .iter()
                .map(|entry| entry.key.as_str())
                .collect();
            let help = match known.as_slice() {
                [] => "describe it under `workload`".to_owned(),
                known => format!("workloads are: {}", known.join(", ")),
            };
            self.diagnostics
                .error(acknowledged.span, format!("there is no workload `{name}`"))
                .help(help);
        }
        let stages_node = node.get("stages")?;
        let mut names = HashSet::new();
        let mut stages = Vec::new();
        for stage in stages_node.items() {
            if let Some(name) = stage.get("name").and_then(Node::as_text)
                && !names.insert(name)
            {
                let at = stage.get("name").map_or(stage.span, |name| name.span);
                self.diagnostics
                    .error(at, format!("a second stage is called `{name}`"));
            }
            stages.extend(self.stage(stage));
        }
        let settled = |stage: &Node| stage.get("role").and_then(Node::as_text) == Some("settled");
        if matches!(stages_node.data, Data::List(_)) && !stages_node.items().iter().any(settled) {
            let at = node
                .entry("stages")
                .map_or(node.span, |entry| entry.key_span);
            self.diagnostics
                .error(at, "no stage has `role: settled`")
                .help(
                    "say which stage is the promised end of a message, or nothing is ever settled",
                );
        }
        Some(LedgerPlan {
            acknowledged: text(node, "acknowledged")?,
            stages,
        })
    }

    /// The time limit of a stage, which only a settled stage has.
    fn within(&mut self, node: &Node) -> Option<Duration> {
        let entry = node.entry("within")?;
        if node.get("role").and_then(Node::as_text) != Some("settled") {
            self.diagnostics
                .error(
                    entry.key_span,
                    "`within` is for stages with `role: settled` only",
                )
                .help("a limit is set on the end of a message's way");
        }
        duration(&entry.value)
    }

    fn stage(&mut self, node: &Node) -> Option<Stage> {
        if !matches!(node.data, Data::Map(_)) {
            return None;
        }
        let source = match (node.get("kafka"), node.entry("postgres")) {
            (Some(kafka), None) => {
                if let Some(identity) = kafka.get("identity") {
                    self.json_path(identity);
                }
                StageSource::Kafka {
                    topic: text(kafka, "topic")?,
                    identity: text(kafka, "identity")?,
                }
            }
            (None, Some(postgres)) => StageSource::Postgres {
                url: text(&postgres.value, "url")?,
                query: text(&postgres.value, "query")?,
            },
            (None, None) => {
                self.diagnostics.error(
                    node.span,
                    "the stage needs one of the keys: kafka, postgres",
                );
                return None;
            }
            (Some(_), Some(postgres)) => {
                self.diagnostics.error(
                    postgres.key_span,
                    "the stage has `kafka` already: only one of them may be given",
                );
                return None;
            }
        };
        Some(Stage {
            name: text(node, "name")?,
            source,
            role: match node.get("role").and_then(Node::as_text) {
                Some("settled") => StageRole::Settled,
                Some("unwanted") => StageRole::Unwanted,
                _ => StageRole::Trace,
            },
            within: self.within(node),
            at: node.span,
        })
    }
}
