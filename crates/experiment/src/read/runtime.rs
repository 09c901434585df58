//! Reading how an experiment is run, and what it says for other tools.

use std::collections::BTreeMap;
use std::time::Duration;

use shaketable_document::{Node, duration};

use super::{Reader, items, text, texts};
use crate::plan::{
    Contribution, FREQUENCY_DEFAULT, HypothesisStrategy, PythonRuntime, RollbackStrategy,
};

/// How an experiment is run.
pub(super) struct Runtime {
    pub(super) strategy: HypothesisStrategy,
    pub(super) frequency: Duration,
    pub(super) rollbacks: RollbackStrategy,
    pub(super) python: PythonRuntime,
}

impl Reader<'_> {
    pub(super) fn runtime(&mut self, root: &Node) -> Runtime {
        let part = |name| root.get("runtime").and_then(|node| node.get(name));
        let strategy = part("hypothesis")
            .and_then(|node| node.get("strategy"))
            .and_then(Node::as_text)
            .and_then(|name| name.parse().ok())
            .unwrap_or_default();
        let frequency = part("hypothesis").and_then(|node| self.frequency(node, strategy));
        if let Some(node) = part("hypothesis") {
            self.only_the_ledger(root, node, strategy);
        }
        Runtime {
            strategy,
            frequency: frequency.unwrap_or(FREQUENCY_DEFAULT),
            rollbacks: part("rollbacks")
                .and_then(|node| node.get("strategy"))
                .and_then(Node::as_text)
                .and_then(|name| name.parse().ok())
                .unwrap_or_default(),
            python: part("python").map_or_else(PythonRuntime::default, |node| PythonRuntime {
                interpreter: text(node, "interpreter"),
                dependencies: texts(node.get("dependencies")),
                isolated: node.get("isolated").and_then(Node::as_bool) == Some(true),
                version: text(node, "version"),
            }),
        }
    }

    fn frequency(&mut self, hypothesis: &Node, strategy: HypothesisStrategy) -> Option<Duration> {
        let frequency = hypothesis.entry("frequency")?;
        self.not_zero(hypothesis, "frequency");
        if !strategy.during() {
            self.diagnostics
                .error(
                    frequency.key_span,
                    "`frequency` is for `strategy: continuously` and `during-method-only`",
                )
                .help("write the strategy too, or remove the frequency");
        }
        duration(&frequency.value)
    }

    /// Warns of a hypothesis that is to be asked during the method and cannot be.
    fn only_the_ledger(&mut self, root: &Node, hypothesis: &Node, strategy: HypothesisStrategy) {
        let probes = root
            .get("steady-state-hypothesis")
            .and_then(|node| node.get("probes"));
        let is_ledgers = |probe: &Node| {
            let provider = probe.get("provider").and_then(|node| node.get("type"));
            provider.and_then(Node::as_text) == Some("ledger")
        };
        if let Some(entry) = hypothesis.entry("strategy")
            && strategy.during()
            && items(probes).iter().all(is_ledgers)
        {
            self.diagnostics
                .warning(
                    entry.key_span,
                    "nothing is asked continuously: the hypothesis has no probe but the ledger's",
                )
                .help("the ledger is asked before and after only; add another probe, or remove the strategy");
        }
    }

    pub(super) fn extensions(&mut self, root: &Node) -> Vec<serde_json::Value> {
        let extensions = items(root.get("extensions"));
        for extension in extensions {
            let name = extension.get("name");
            if !extension.entries().is_empty() && name.is_none() {
                self.diagnostics
                    .error(extension.span, "an extension lacks the key `name`")
                    .help("`name`: What it is called.");
            }
            self.not_empty(extension, "name");
        }
        extensions.iter().map(Node::to_json).collect()
    }

    pub(super) fn contributions(&mut self, root: &Node) -> BTreeMap<String, Contribution> {
        let contributions = root.get("contributions").map_or(&[][..], Node::entries);
        let contribution = |node: &Node| match node.as_text()? {
            "high" => Some(Contribution::High),
            "medium" => Some(Contribution::Medium),
            "low" => Some(Contribution::Low),
            "none" => Some(Contribution::None),
            _ => None,
        };
        contributions
            .iter()
            .filter_map(|entry| Some((entry.key.clone(), contribution(&entry.value)?)))
            .collect()
    }
}
