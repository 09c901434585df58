//! Reading uses of faults: what is broken, and whom it hits.

use std::collections::BTreeMap;

use shaketable_document::{Data, Kind, Node, duration, rate};

use super::{Reader, text};
use crate::plan::{FaultCall, Target, Value};

impl Reader<'_> {
    pub(super) fn fault(&mut self, node: &Node) -> Option<FaultCall> {
        let name = node.get("fault")?.as_text()?;
        let faults = &self.draft.0.catalogue.faults;
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
