//! Reading: from the checked tree to the plan, and the rules that no table can state.
//!
//! The reader runs whether or not the check found errors, so that all are reported at once: what
//! the check has complained about is passed over in silence here, and then there is no plan.

mod activity;
mod control;
mod fault;
mod function;
mod ledger;
mod provider;
mod runtime;
mod source;
mod tolerance;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use shaketable_document::{Diagnostics, Entry, Node, Span, duration};

use crate::draft::Draft;
use crate::late::Late;
use crate::plan::{
    Activity, DRAIN_TIMEOUT_DEFAULT, Endpoints, Experiment, Hypothesis, STEADY_TIMEOUT_DEFAULT,
    Safeguard, SystemRef, WARM_UP_DEFAULT,
};

pub(crate) use source::secrets;

/// Where an activity stands, which decides what it may be.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Section {
    Hypothesis,
    #[default]
    Method,
    Rollbacks,
    Safeguards,
    /// A probe that finds a value of the configuration out.
    Configuration,
    /// A probe that judges the output of another one.
    Tolerance,
}

/// Where an activity stands, and what activities have set by then.
#[derive(Clone, Default)]
pub(crate) struct Place {
    pub(crate) section: Section,
    pub(crate) set: Late,
    /// Whether a control in Python may have set anything.
    pub(crate) python: bool,
}

pub(crate) struct Reader<'a> {
    draft: &'a Draft,
    diagnostics: &'a mut Diagnostics,
    /// The document's own bindings.
    bindings: Vec<Entry>,
    /// The functions that activities call, as `module.function`.
    called: BTreeSet<String>,
    has_ledger: bool,
    /// Whether a stage of the ledger is a topic.
    has_topic: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(draft: &'a Draft, diagnostics: &'a mut Diagnostics) -> Self {
        let root = &draft.0.root;
        let stages = root.get("ledger").and_then(|ledger| ledger.get("stages"));
        Reader {
            draft,
            diagnostics,
            bindings: root.get("bindings").map_or(&[][..], Node::entries).to_vec(),
            called: BTreeSet::new(),
            has_ledger: root.get("ledger").is_some(),
            has_topic: items(stages)
                .iter()
                .any(|stage| stage.get("kafka").is_some()),
        }
    }

    /// The plan of a document whose variables are filled in as far as they are known.
    pub(crate) fn experiment(&mut self, root: &Node) -> Option<Experiment> {
        let draft = self.draft;
        let (raw, order) = (&draft.0.root, &draft.0.order);
        let nothing = Late::new();
        self.not_empty(root, "title");
        self.not_empty(root, "description");
        for tag in items(root.get("tags")) {
            if tag.as_text().is_some_and(|text| text.trim().is_empty()) {
                self.diagnostics.error(tag.span, "a tag is empty");
            }
        }
        let sources = self.sources(root, raw);
        let workload = root.get("workload").and_then(|node| self.workload(node));
        let ledger = root
            .get("ledger")
            .and_then(|node| self.ledger(node, root.get("workload")));
        let key = "steady-state-hypothesis";
        let hypothesis = root
            .get(key)
            .and_then(|node| self.hypothesis(node, raw.get(key)));
        let before = |set: &'a [Late], index: usize| set.get(index);
        let method = self.activities(
            root.get("method"),
            raw.get("method"),
            Section::Method,
            |index| before(&order.method, index).unwrap_or(&nothing),
        );
        self.repeated_names(&method);
        let rollbacks = self.activities(
            root.get("rollbacks"),
            raw.get("rollbacks"),
            Section::Rollbacks,
            |index| before(&order.rollbacks, index).unwrap_or(&nothing),
        );
        let safeguards = pairs(root.get("safeguards"), raw.get("safeguards"))
            .into_iter()
            .filter_map(|(node, raw)| self.safeguard(node, raw))
            .collect();
        let controls = self.controls(root);
        let runtime = self.runtime(root);
        self.own_bindings();
        let known = draft.0.values.known.iter();
        Some(Experiment {
            title: text(root, "title")?,
            description: text(root, "description")?,
            tags: texts(root.get("tags")),
            system: root.get("system").and_then(|node| {
                Some(SystemRef {
                    path: node.as_text()?.to_owned(),
                    at: node.span,
                })
            }),
            endpoints: self.endpoints(root),
            configuration: known
                .filter(|(name, _)| {
                    let configuration = raw.get("configuration");
                    configuration.is_some_and(|node| node.get(name).is_some())
                })
                .filter_map(|(name, value)| Some((name.clone(), value.as_ref()?.to_json())))
                .collect(),
            sources,
            secrets: draft.0.secrets.clone(),
            workload,
            ledger,
            hypothesis,
            strategy: runtime.strategy,
            frequency: runtime.frequency,
            method,
            rollbacks,
            rollback_strategy: runtime.rollbacks,
            safeguards,
            controls,
            python: runtime.python,
            dry: dry(root),
            extensions: self.extensions(root),
            contributions: self.contributions(root),
            warm_up: duration_or(root, "warm-up", WARM_UP_DEFAULT),
            steady_timeout: duration_or(root, "steady-timeout", STEADY_TIMEOUT_DEFAULT),
            drain_timeout: duration_or(root, "drain-timeout", DRAIN_TIMEOUT_DEFAULT),
            source: raw.to_json(),
            draft: draft.clone(),
        })
    }

    /// A place for activities, where `set` is set by now.
    fn place(&self, section: Section, set: &Late) -> Place {
        Place {
            section,
            set: set.clone(),
            python: self.draft.0.order.python && section != Section::Safeguards,
        }
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

    fn not_empty(&mut self, node: &Node, key: &str) {
        if let Some(value) = node.get(key)
            && value.as_text().is_some_and(|text| text.trim().is_empty())
        {
            self.diagnostics
                .error(value.span, format!("`{key}` is empty"));
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

    fn hypothesis(&mut self, node: &Node, raw: Option<&Node>) -> Option<Hypothesis> {
        let set = &self.draft.0.order.hypothesis.clone();
        let raw = raw.and_then(|raw| raw.get("probes"));
        let probes = self.activities(node.get("probes"), raw, Section::Hypothesis, |_| set);
        let controls = self.controls(node);
        Some(Hypothesis {
            title: text(node, "title")?,
            probes,
            controls,
        })
    }

    fn safeguard(&mut self, node: &Node, raw: &Node) -> Option<Safeguard> {
        self.not_zero(node, "every");
        let place = self.place(Section::Safeguards, &Late::new());
        let activity = self.activity(node, raw, &place);
        Some(Safeguard {
            activity: activity?,
            every: node.get("every").and_then(duration)?,
        })
    }

    fn repeated_names(&mut self, method: &[Activity]) {
        let mut first = HashMap::new();
        for activity in method {
            let before = first.entry(&activity.name).or_insert(&activity.source);
            // References to one activity are the same one again.
            if **before != activity.source {
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

/// The items of a list, each with what was written in its place.
fn pairs<'n>(list: Option<&'n Node>, raw: Option<&'n Node>) -> Vec<(&'n Node, &'n Node)> {
    let (list, raw) = (items(list), items(raw));
    let raw = if raw.len() == list.len() { raw } else { list };
    list.iter().zip(raw).collect()
}

fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key)?.as_text().map(str::to_owned)
}

fn texts(list: Option<&Node>) -> Vec<String> {
    let texts = items(list).iter().filter_map(Node::as_text);
    texts.map(str::to_owned).collect()
}

fn json_map(node: Option<&Node>) -> serde_json::Map<String, serde_json::Value> {
    let entries = node.map_or(&[][..], Node::entries).iter();
    entries
        .map(|entry| (entry.key.clone(), entry.value.to_json()))
        .collect()
}

fn duration_or(node: &Node, key: &str, default: Duration) -> Duration {
    node.get(key).and_then(duration).unwrap_or(default)
}

/// What of an experiment or of an activity is not really done.
fn dry(node: &Node) -> Option<crate::plan::Dry> {
    let dry = node.get("dry")?;
    match dry.as_bool() {
        Some(true) => Some(crate::plan::Dry::Activities),
        Some(false) => None,
        None => dry.as_text()?.parse().ok(),
    }
}
