//! Reading activities: what they are, when and how often they are carried out, where they may stand.

use std::collections::BTreeMap;

use shaketable_document::{Data, Node, Span, duration};

use super::{Place, Reader, Section, dry, duration_or, pairs, text};
use crate::draft::Template;
use crate::late::Late;
use crate::plan::{
    ASK_INTERVAL_DEFAULT, Activity, ActivityKind, LateValue, Provider, RETRY_INTERVAL_DEFAULT,
    Retries, Setter, Tolerance, Until,
};
use crate::substitution::used;

/// Most attempts of one activity.
const ATTEMPTS_MAX: i64 = 10_000;

/// What an activity says of itself and where it stands: what may carry it out depends on it.
#[derive(Clone, Copy)]
pub(super) struct Role {
    pub(super) section: Section,
    pub(super) kind: Option<ActivityKind>,
    /// Where it says whether it is a probe or an action.
    pub(super) kind_at: Span,
}

impl Reader<'_> {
    /// The activities of a section; `set` is what has been set before each.
    pub(super) fn activities<'s>(
        &mut self,
        list: Option<&Node>,
        raw: Option<&Node>,
        section: Section,
        set: impl Fn(usize) -> &'s Late,
    ) -> Vec<Activity> {
        let mut activities = Vec::new();
        for (index, (node, raw)) in pairs(list, raw).into_iter().enumerate() {
            let place = self.place(section, set(index));
            activities.extend(self.activity(node, raw, &place));
        }
        activities
    }

    pub(crate) fn activity(&mut self, node: &Node, raw: &Node, place: &Place) -> Option<Activity> {
        if !matches!(node.data, Data::Map(_)) {
            return None;
        }
        let section = place.section;
        self.not_empty(node, "name");
        let kind = match node.get("type").and_then(Node::as_text) {
            Some("probe") => Some(ActivityKind::Probe),
            Some("action") => Some(ActivityKind::Action),
            None if section == Section::Safeguards => Some(ActivityKind::Probe),
            _ => None,
        };
        self.rules(node, kind, section);
        for key in ["timeout", "within"] {
            self.not_zero(node, key);
        }
        let (tolerance, until) = self.expected(node, raw, place);
        let provider_node = node.get("provider");
        let role = Role {
            section,
            kind,
            kind_at: node.get("type").map_or(node.span, |node| node.span),
        };
        let provider = provider_node.and_then(|provider| self.provider(provider, role));
        if let Some(Provider::Fault(_) | Provider::Bound { .. }) = provider {
            self.fault_rules(node);
        }
        let pause = |key| {
            let pauses = node.get("pauses")?;
            duration(pauses.get(key)?)
        };
        let controls = self.controls(node);
        let retries = node.get("retries").and_then(|node| self.retries(node));
        let outputs = self.outputs(node, section);
        let name = match text(node, "name") {
            Some(name) => name,
            None if matches!(section, Section::Configuration | Section::Tolerance) => {
                "probe".to_owned()
            }
            None => return None,
        };
        let provider = provider?;
        let late = match &provider {
            Provider::Fault(_) | Provider::Bound { .. } => BTreeMap::new(),
            _ => self.late(raw, place),
        };
        Some(Activity {
            kind: kind?,
            name,
            provider,
            tolerance,
            until,
            retries,
            timeout: node.get("timeout").and_then(duration),
            background: node.get("background").and_then(Node::as_bool) == Some(true),
            dry: dry(node),
            outputs,
            controls,
            pauses_before: pause("before").unwrap_or_default(),
            pauses_after: pause("after").unwrap_or_default(),
            late,
            source: raw.to_json(),
            at: node.span,
            template: Template {
                draft: self.draft.clone(),
                raw: raw.clone(),
                place: place.clone(),
            },
        })
    }

    /// The variables of an activity that are set while the experiment runs.
    fn late(&self, raw: &Node, place: &Place) -> BTreeMap<String, LateValue> {
        let values = &self.draft.0.values;
        let late = |name: String| {
            let is_known = values.known.contains_key(&name);
            let late = match place.set.get(&name) {
                Some(setter) => LateValue {
                    set_by: setter.clone(),
                    is_required: !is_known && !values.waits_for(&name),
                },
                None if place.section == Section::Configuration && values.waits_for(&name) => {
                    LateValue {
                        set_by: Setter::Source,
                        is_required: true,
                    }
                }
                None if place.python => LateValue {
                    set_by: Setter::Python,
                    is_required: false,
                },
                None => return None,
            };
            Some((name, late))
        };
        used(raw).into_iter().filter_map(late).collect()
    }

    /// What its output has to be, and how long it is waited for.
    fn expected(
        &mut self,
        node: &Node,
        raw: &Node,
        place: &Place,
    ) -> (Option<Tolerance>, Option<Until>) {
        if place.section == Section::Tolerance {
            return (None, None);
        }
        let Some(until) = node.get("until") else {
            let tolerance = node
                .get("tolerance")
                .and_then(|tolerance| self.tolerance(tolerance, raw.get("tolerance"), place));
            let until = node.get("within").and_then(duration).map(|timeout| Until {
                every: ASK_INTERVAL_DEFAULT,
                timeout,
            });
            return (tolerance, until);
        };
        for key in ["every", "timeout"] {
            self.not_zero(until, key);
        }
        let raw = raw.get("until").and_then(|until| until.get("tolerance"));
        let tolerance = until
            .get("tolerance")
            .and_then(|tolerance| self.tolerance(tolerance, raw, place));
        let until = until
            .get("timeout")
            .and_then(duration)
            .map(|timeout| Until {
                every: duration_or(until, "every", ASK_INTERVAL_DEFAULT),
                timeout,
            });
        (tolerance, until)
    }

    fn retries(&mut self, node: &Node) -> Option<Retries> {
        let attempts = node.get("attempts")?;
        let count = attempts.as_int()?;
        if !(1..=ATTEMPTS_MAX).contains(&count) {
            self.diagnostics.error(
                attempts.span,
                format!("`attempts` has to be from 1 to {ATTEMPTS_MAX}, found `{count}`"),
            );
        }
        let backoff = node.get("backoff");
        let factor = backoff.and_then(Node::as_number).unwrap_or(1.0);
        if let Some(backoff) = backoff
            && !(1.0..=100.0).contains(&factor)
        {
            self.diagnostics
                .error(backoff.span, "`backoff` has to be from 1 to 100")
                .help("each wait is that many times the one before");
        }
        Some(Retries {
            attempts: u32::try_from(count).ok()?,
            every: duration_or(node, "every", RETRY_INTERVAL_DEFAULT),
            backoff: factor,
        })
    }

    fn outputs(&mut self, node: &Node, section: Section) -> BTreeMap<String, String> {
        let Some(entry) = node.entry("outputs") else {
            return BTreeMap::new();
        };
        if !matches!(section, Section::Method | Section::Rollbacks) {
            self.diagnostics
                .error(
                    entry.key_span,
                    "only activities of the method and the rollbacks have `outputs`",
                )
                .help("what is asked again and again has no one output");
        } else if node.get("background").and_then(Node::as_bool) == Some(true) {
            self.diagnostics
                .error(
                    entry.key_span,
                    "an activity in the background has no `outputs`: nobody knows when they are there",
                )
                .help("remove `background`, or `outputs`");
        }
        let mut outputs = BTreeMap::new();
        for output in entry.value.entries() {
            if used_name(&output.key).is_none() {
                self.diagnostics
                    .error(
                        output.key_span,
                        format!("`{}` is no name of a variable", output.key),
                    )
                    .help("a name has letters, digits and `_`, and does not begin with a digit");
            }
            self.json_path(&output.value);
            if let Some(path) = output.value.as_text() {
                outputs.insert(output.key.clone(), path.to_owned());
            }
        }
        outputs
    }

    /// What may stand where.
    fn rules(&mut self, node: &Node, kind: Option<ActivityKind>, section: Section) {
        let is_part = matches!(section, Section::Method | Section::Rollbacks);
        if section == Section::Hypothesis {
            self.hypothesis_rules(node, kind);
        } else if is_part
            && node.get("until").is_none()
            && let Some(tolerance) = node.entry("tolerance")
        {
            self.diagnostics
                .warning(tolerance.key_span, "this `tolerance` decides nothing")
                .help("tolerances are checked in the steady-state-hypothesis, in safeguards and in `until`");
        }
        let refuse = |key: &str,
                      diagnostics: &mut shaketable_document::Diagnostics,
                      message: &str,
                      help: &str| {
            if let Some(entry) = node.entry(key) {
                diagnostics.error(entry.key_span, message).help(help);
            }
        };
        if is_part {
            refuse(
                "within",
                self.diagnostics,
                "`within` is for probes of the hypothesis",
                "write `until: {tolerance: …, timeout: …}` to wait in the method",
            );
            if kind == Some(ActivityKind::Action) {
                refuse(
                    "until",
                    self.diagnostics,
                    "only a probe is asked until its tolerance holds",
                    "add a probe after the action, or try the action again with `retries`",
                );
            }
            if let Some(entry) = node.entry("tolerance")
                && node.get("until").is_some()
            {
                self.diagnostics
                    .error(entry.key_span, "the tolerance stands in `until`")
                    .help("remove this one");
            }
        } else {
            refuse(
                "until",
                self.diagnostics,
                "`until` is for probes of the method and the rollbacks",
                "write `within` beside the tolerance to give the hypothesis time",
            );
            if node.get("background").and_then(Node::as_bool) == Some(true) {
                refuse(
                    "background",
                    self.diagnostics,
                    "a probe whose answer is waited for is not in the background",
                    "remove `background`, or ask in `method`",
                );
            }
        }
    }

    fn fault_rules(&mut self, node: &Node) {
        for (key, why) in [
            ("background", "it is over at its own time"),
            ("timeout", "it is over at its own time"),
            ("retries", "a second one would be on top of the first"),
            ("outputs", "it has no output"),
        ] {
            if let Some(entry) = node.entry(key)
                && entry.value.as_bool() != Some(false)
            {
                self.diagnostics
                    .error(entry.key_span, format!("a fault has no `{key}`: {why}"))
                    .help("remove the key; say with the fault's parameters when it ends");
            }
        }
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
    }
}

/// A text that can be the name of a variable.
fn used_name(text: &str) -> Option<&str> {
    let first = text.chars().next()?;
    let is_letter = |c: char| c == '_' || c.is_ascii_alphabetic();
    (is_letter(first) && text.chars().all(|c| is_letter(c) || c.is_ascii_digit())).then_some(text)
}
