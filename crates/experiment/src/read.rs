//! Reading: from the checked tree to the plan, and the rules that no table can state.
//!
//! The reader runs whether or not the check found errors, so that all are reported at once: what
//! the check has complained about is passed over in silence here, and then there is no plan.

mod activity;
mod function;

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use shaketable_document::{Data, Diagnostics, Entry, Node, Span, duration, rate};

use crate::Catalogue;
use crate::StageRole;
use crate::late::{self, Late};
use crate::plan::{
    Activity, DRAIN_TIMEOUT_DEFAULT, Endpoints, Experiment, FREQUENCY_DEFAULT, HttpRequest,
    Hypothesis, LedgerPlan, MAX_IN_FLIGHT_DEFAULT, STEADY_TIMEOUT_DEFAULT, Safeguard, Stage,
    StageSource, SystemRef, WARM_UP_DEFAULT, WORKLOAD_TIMEOUT_DEFAULT, Workload,
};
use crate::substitution::Configuration;

/// Where an activity stands, which decides what it may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Hypothesis,
    Method,
    Rollbacks,
    Safeguards,
}

pub(crate) struct Reader<'a> {
    catalogue: &'a Catalogue,
    configuration: &'a Configuration,
    diagnostics: &'a mut Diagnostics,
    /// The document's own bindings.
    bindings: Vec<Entry>,
    /// The functions that activities call, as `module.function`.
    called: BTreeSet<String>,
    late: Late,
    has_ledger: bool,
    /// Whether a stage of the ledger is a topic.
    has_topic: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        catalogue: &'a Catalogue,
        configuration: &'a Configuration,
        diagnostics: &'a mut Diagnostics,
    ) -> Self {
        Reader {
            catalogue,
            configuration,
            diagnostics,
            bindings: Vec::new(),
            called: BTreeSet::new(),
            late: Late::new(),
            has_ledger: false,
            has_topic: false,
        }
    }

    pub(crate) fn experiment(&mut self, root: &Node) -> Option<Experiment> {
        self.has_ledger = root.get("ledger").is_some();
        let stages = root.get("ledger").and_then(|ledger| ledger.get("stages"));
        self.has_topic = items(stages)
            .iter()
            .any(|stage| stage.get("kafka").is_some());
        self.late = late::variables(root, self.catalogue);
        self.bindings = root.get("bindings").map_or(&[][..], Node::entries).to_vec();
        self.not_empty(root, "title");
        self.not_empty(root, "description");
        let workload = root.get("workload").and_then(|node| self.workload(node));
        let ledger = root
            .get("ledger")
            .and_then(|node| self.ledger(node, root.get("workload")));
        let hypothesis = root
            .get("steady-state-hypothesis")
            .and_then(|node| self.hypothesis(node));
        let method = self.activities(root.get("method"), Section::Method);
        self.repeated_names(&method);
        let rollbacks = self.activities(root.get("rollbacks"), Section::Rollbacks);
        let safeguards = items(root.get("safeguards"))
            .iter()
            .filter_map(|node| self.safeguard(node))
            .collect();
        self.own_bindings();
        Some(Experiment {
            title: text(root, "title")?,
            description: text(root, "description")?,
            tags: items(root.get("tags"))
                .iter()
                .filter_map(|tag| tag.as_text().map(str::to_owned))
                .collect(),
            system: root.get("system").and_then(|node| {
                Some(SystemRef {
                    path: node.as_text()?.to_owned(),
                    at: node.span,
                })
            }),
            endpoints: self.endpoints(root),
            configuration: self
                .configuration
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), value.as_ref()?.to_json())))
                .collect(),
            workload,
            ledger,
            hypothesis,
            continuously: self.continuously(root),
            method,
            rollbacks,
            safeguards,
            warm_up: duration_or(root, "warm-up", WARM_UP_DEFAULT),
            steady_timeout: duration_or(root, "steady-timeout", STEADY_TIMEOUT_DEFAULT),
            drain_timeout: duration_or(root, "drain-timeout", DRAIN_TIMEOUT_DEFAULT),
        })
    }

    fn endpoints(&mut self, root: &Node) -> Option<Endpoints> {
        let entry = root.entry("endpoints")?;
        if root.get("system").is_some() {
            self.diagnostics
                .error(entry.key_span, "the experiment has `system` already")
                .help("`system` is brought up, `endpoints` are there already: give one of them");
        }
        Some(endpoints(&entry.value, entry.key_span))
    }

    fn continuously(&mut self, root: &Node) -> Option<Duration> {
        let hypothesis = root.get("runtime")?.get("hypothesis")?;
        self.not_zero(hypothesis, "frequency");
        let strategy = hypothesis.get("strategy").and_then(Node::as_text);
        let frequency = hypothesis.entry("frequency");
        if strategy != Some("continuously") {
            if let Some(frequency) = frequency {
                self.diagnostics
                    .error(
                        frequency.key_span,
                        "`frequency` is for `strategy: continuously`",
                    )
                    .help("write the strategy too, or remove the frequency");
            }
            return None;
        }
        let probes = root
            .get("steady-state-hypothesis")
            .and_then(|node| node.get("probes"));
        let is_ledgers = |probe: &Node| {
            let provider = probe.get("provider").and_then(|node| node.get("type"));
            provider.and_then(Node::as_text) == Some("ledger")
        };
        if let Some(strategy) = hypothesis.entry("strategy")
            && items(probes).iter().all(is_ledgers)
        {
            self.diagnostics
                .warning(
                    strategy.key_span,
                    "nothing is asked continuously: the hypothesis has no probe but the ledger's",
                )
                .help("the ledger is asked before and after only; add another probe, or remove the strategy");
        }
        Some(
            frequency
                .and_then(|frequency| duration(&frequency.value))
                .unwrap_or(FREQUENCY_DEFAULT),
        )
    }

    fn not_empty(&mut self, node: &Node, key: &str) {
        if let Some(value) = node.get(key)
            && value.as_text().is_some_and(|text| text.trim().is_empty())
        {
            self.diagnostics
                .error(value.span, format!("`{key}` is empty"));
        }
    }

    fn workload(&mut self, node: &Node) -> Option<Workload> {
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

    fn json_path(&mut self, node: &Node) {
        if let Some(text) = node.as_text()
            && !text.starts_with('$')
        {
            self.diagnostics
                .error(node.span, format!("`{text}` is not a JSONPath"))
                .help("a JSONPath begins with `$`, for example $.id");
        }
    }

    fn not_zero(&mut self, node: &Node, key: &str) {
        if let Some(value) = node.get(key)
            && duration(value) == Some(Duration::ZERO)
        {
            self.diagnostics
                .error(value.span, format!("`{key}` has to be longer than zero"));
        }
    }

    fn ledger(&mut self, node: &Node, workloads: Option<&Node>) -> Option<LedgerPlan> {
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

    fn hypothesis(&mut self, node: &Node) -> Option<Hypothesis> {
        let probes = self.activities(node.get("probes"), Section::Hypothesis);
        Some(Hypothesis {
            title: text(node, "title")?,
            probes,
        })
    }

    fn safeguard(&mut self, node: &Node) -> Option<Safeguard> {
        self.not_zero(node, "every");
        let activity = self.activity(node, Section::Safeguards);
        Some(Safeguard {
            activity: activity?,
            every: node.get("every").and_then(duration)?,
        })
    }

    fn repeated_names(&mut self, method: &[Activity]) {
        let mut names = HashSet::new();
        for activity in method {
            if !names.insert(&activity.name) {
                self.diagnostics
                    .warning(
                        activity.at,
                        format!(
                            "a second activity of the method is called `{}`",
                            activity.name
                        ),
                    )
                    .help("reports tell activities apart by their names");
            }
        }
    }
}

/// Endpoints, from a checked node.
pub(crate) fn endpoints(node: &Node, at: Span) -> Endpoints {
    let texts = |key| {
        let entries = node.get(key).map_or(&[][..], Node::entries).iter();
        entries
            .filter_map(|entry| Some((entry.key.clone(), entry.value.scalar_text()?)))
            .collect()
    };
    Endpoints {
        bootstrap_servers: text(node, "bootstrap-servers").unwrap_or_default(),
        client_properties: texts("client-properties"),
        services: texts("services"),
        at,
    }
}

fn items(list: Option<&Node>) -> &[Node] {
    list.map_or(&[], Node::items)
}

fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key)?.as_text().map(str::to_owned)
}

fn duration_or(node: &Node, key: &str, default: Duration) -> Duration {
    node.get(key).and_then(duration).unwrap_or(default)
}
