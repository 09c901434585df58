//! Reading activities: what they are, what carries them out, and where they may stand.

use std::collections::BTreeMap;

use shaketable_document::{Data, Kind, Node, Span, duration, rate};

use super::function::KAFKA_MODULE;
use super::{Reader, Section, duration_or, items, text};
use crate::plan::{
    Activity, ActivityKind, FaultCall, HTTP_TIMEOUT_DEFAULT, POSTGRES_TIMEOUT_DEFAULT,
    PROCESS_TIMEOUT_DEFAULT, Provider, Target, Value,
};
use crate::{Measure, Tolerance};

/// What an activity says of itself and where it stands: what may carry it out depends on it.
#[derive(Clone, Copy)]
pub(super) struct Role {
    pub(super) section: Section,
    pub(super) kind: Option<ActivityKind>,
    /// Where it says whether it is a probe or an action.
    pub(super) kind_at: Span,
}

impl Reader<'_> {
    pub(super) fn activities(&mut self, list: Option<&Node>, section: Section) -> Vec<Activity> {
        items(list)
            .iter()
            .filter_map(|node| self.activity(node, section))
            .collect()
    }

    pub(super) fn activity(&mut self, node: &Node, section: Section) -> Option<Activity> {
        if !matches!(node.data, Data::Map(_)) || node.get("ref").is_some() {
            return None;
        }
        self.not_empty(node, "name");
        let kind = match node.get("type").and_then(Node::as_text) {
            Some("probe") => Some(ActivityKind::Probe),
            Some("action") => Some(ActivityKind::Action),
            None if section == Section::Safeguards => Some(ActivityKind::Probe),
            _ => None,
        };
        if section == Section::Hypothesis {
            self.hypothesis_rules(node, kind);
        } else if section != Section::Safeguards
            && let Some(tolerance) = node.entry("tolerance")
        {
            self.diagnostics
                .warning(tolerance.key_span, "this `tolerance` decides nothing")
                .help("tolerances are checked in the steady-state-hypothesis and in safeguards");
        }
        if let Some(background) = node.entry("background")
            && background.value.as_bool() == Some(true)
        {
            self.diagnostics
                .error(
                    background.key_span,
                    "`background: true` is not supported by this version",
                )
                .help("activities are carried out one after another");
        }
        let tolerance = node.get("tolerance").and_then(|node| self.tolerance(node));
        let role = Role {
            section,
            kind,
            kind_at: node.get("type").map_or(node.span, |node| node.span),
        };
        let provider = node
            .get("provider")
            .and_then(|provider| self.provider(provider, role));
        let pause = |key| {
            let pauses = node.get("pauses")?;
            duration(pauses.get(key)?)
        };
        let controls = match section {
            Section::Method | Section::Rollbacks => self.controls(node),
            Section::Hypothesis | Section::Safeguards => Vec::new(),
        };
        Some(Activity {
            kind: kind?,
            name: text(node, "name")?,
            provider: provider?,
            tolerance,
            controls,
            pauses_before: pause("before").unwrap_or_default(),
            pauses_after: pause("after").unwrap_or_default(),
            at: node.span,
        })
    }

    fn hypothesis_rules(&mut self, node: &Node, kind: Option<ActivityKind>) {
        if kind == Some(ActivityKind::Action) {
            let at = node.get("type").map_or(node.span, |node| node.span);
            self.diagnostics
                .error(at, "the hypothesis only asks: it has probes, not actions")
                .help("move the action to `method`");
        }
        if node.get("tolerance").is_none() {
            self.diagnostics
                .error(node.span, "a probe of the hypothesis needs a `tolerance`")
                .help("say what its output has to be, for example `tolerance: 200`");
        }
        for (key, nothing) in [
            ("controls", "nothing would call them"),
            ("pauses", "nothing would wait"),
        ] {
            if let Some(entry) = node.entry(key) {
                self.diagnostics
                    .error(
                        entry.key_span,
                        format!("a probe of the hypothesis has no `{key}`: {nothing}"),
                    )
                    .help("remove the key, or ask in `method`");
            }
        }
    }

    fn tolerance(&mut self, node: &Node) -> Option<Tolerance> {
        if let Some(range) = node.get("range")
            && let Data::List(bounds) = &range.data
            && bounds.len() != 2
        {
            self.diagnostics
                .error(
                    range.span,
                    format!("a range has two numbers, found {}", bounds.len()),
                )
                .help("write the lowest and the highest number: [low, high]");
        }
        Tolerance::read(node)
    }

    fn provider(&mut self, node: &Node, role: Role) -> Option<Provider> {
        let Role { section, kind, .. } = role;
        self.not_zero(node, "timeout");
        let tag = node.get("type")?;
        match tag.as_text()? {
            "http" => Some(Provider::Http {
                request: self.http_request(node)?,
                timeout: duration_or(node, "timeout", HTTP_TIMEOUT_DEFAULT),
            }),
            "process" => Some(Provider::Process {
                path: text(node, "path")?,
                arguments: items(node.get("arguments"))
                    .iter()
                    .filter_map(Node::scalar_text)
                    .collect(),
                timeout: duration_or(node, "timeout", PROCESS_TIMEOUT_DEFAULT),
            }),
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

    pub(super) fn fault(&mut self, node: &Node) -> Option<FaultCall> {
        let name = node.get("fault")?.as_text()?;
        let faults = &self.catalogue.faults;
        let declaration = faults.iter().find(|fault| fault.name == name)?;
        let target_node = node.get("target")?;
        let target = self.target(target_node);
        let mut parameters = BTreeMap::new();
        for field in declaration.parameters {
            if let Some(value) = node
                .get(field.name)
                .and_then(|node| value(node, &field.kind))
            {
                parameters.insert(field.name.to_owned(), value);
            }
        }
        Some(FaultCall {
            fault: name.to_owned(),
            target: target?,
            target_at: target_node.span,
            parameters,
            bound_in: None,
        })
    }

    fn target(&mut self, node: &Node) -> Option<Target> {
        if node.as_text() == Some("controller") {
            return Some(Target::Controller);
        }
        if let Some(name) = text(node, "service") {
            return Some(Target::Service(name));
        }
        if let Some(broker) = node.get("broker") {
            let number = broker.scalar_text()?;
            let parsed = number.parse().ok().filter(|node: &i32| *node >= 0);
            if parsed.is_none() {
                self.diagnostics
                    .error(broker.span, format!("`{number}` is not a broker's node id"))
                    .help("node ids are whole numbers, for example 1");
            }
            return parsed.map(Target::Broker);
        }
        let leader_of = node.get("leader-of")?;
        let partition = leader_of.as_text()?;
        let parsed = partition.rsplit_once('/').and_then(|(topic, number)| {
            let number: u16 = number.parse().ok()?;
            (!topic.is_empty()).then(|| Target::LeaderOf {
                topic: topic.to_owned(),
                partition: i32::from(number),
            })
        });
        if parsed.is_none() {
            self.diagnostics
                .error(leader_of.span, format!("`{partition}` is not a partition"))
                .help("write the topic and the partition's number, for example orders/0");
        }
        parsed
    }
}

fn value(node: &Node, kind: &Kind<'_>) -> Option<Value> {
    match (kind, &node.data) {
        (Kind::Duration, _) => duration(node).map(Value::Duration),
        (Kind::Rate, _) => rate(node).map(Value::Number),
        (Kind::Number, _) => node.as_number().map(Value::Number),
        (_, Data::Text(text)) => Some(Value::Text(text.clone())),
        (_, Data::Int(number)) => Some(Value::Integer(*number)),
        (_, Data::Float(number)) => Some(Value::Number(*number)),
        (_, Data::Bool(truth)) => Some(Value::Bool(*truth)),
        (_, Data::Map(entries)) => Some(Value::Map(
            entries
                .iter()
                .filter_map(|entry| Some((entry.key.clone(), entry.value.scalar_text()?)))
                .collect(),
        )),
        (_, Data::Null | Data::List(_)) => None,
    }
}
