//! Reading tolerances: one condition, or how several outputs are judged.

use std::time::Duration;

use shaketable_document::{Data, Node};

use super::{Place, Reader, Section, duration_or, text};
use crate::Condition;
use crate::plan::{ASK_INTERVAL_DEFAULT, Tolerance};

/// From the first question of a rate to the second, unless the document says.
const RATE_INTERVAL_DEFAULT: Duration = Duration::from_secs(1);

/// Most questions of one distribution.
const SAMPLES_MAX: i64 = 100_000;

impl Reader<'_> {
    pub(super) fn tolerance(
        &mut self,
        node: &Node,
        raw: Option<&Node>,
        place: &Place,
    ) -> Option<Tolerance> {
        match node.get("type").and_then(Node::as_text) {
            Some("samples") => {
                self.not_zero(node, "every");
                let at_least = self.share(node.get("at-least")?);
                let of = self.samples(node.get("of")?);
                Some(Tolerance::Samples {
                    condition: self.condition(node.get("tolerance")?)?,
                    at_least: at_least?,
                    of: of?,
                    every: duration_or(node, "every", ASK_INTERVAL_DEFAULT),
                })
            }
            Some("rate") => {
                self.not_zero(node, "over");
                Some(Tolerance::Rate {
                    condition: self.condition(node.get("tolerance")?)?,
                    over: duration_or(node, "over", RATE_INTERVAL_DEFAULT),
                    target: text(node, "target"),
                })
            }
            Some("probe") => {
                let place = Place {
                    section: Section::Tolerance,
                    ..place.clone()
                };
                let probe = self.activity(node, raw.unwrap_or(node), &place)?;
                Some(Tolerance::Probe(Box::new(probe)))
            }
            _ => self.condition(node).map(Tolerance::Output),
        }
    }

    fn condition(&mut self, node: &Node) -> Option<Condition> {
        if let Some(range) = node.get("range")
            && let Data::List(bounds) = &range.data
        {
            if bounds.len() != 2 {
                self.diagnostics
                    .error(
                        range.span,
                        format!("a range has two numbers, found {}", bounds.len()),
                    )
                    .help("write the lowest and the highest number: [low, high]");
            } else if let (Some(low), Some(high)) = (bounds[0].as_number(), bounds[1].as_number())
                && low > high
            {
                self.diagnostics
                    .error(
                        range.span,
                        "nothing is in this range: the first number is the larger one",
                    )
                    .help("write the lowest and the highest number: [low, high]");
            }
        }
        let condition = match &node.data {
            Data::Bool(value) => Condition::Bool(*value),
            Data::Int(value) => Condition::Integer(*value),
            Data::Float(value) => Condition::Number(*value),
            Data::Text(text) => Condition::Text(text.clone()),
            Data::List(items) => Condition::List(items.iter().map(Node::to_json).collect()),
            Data::Map(_) => self.condition_of_type(node)?,
            Data::Null => return None,
        };
        if let Err(raised) = condition.check() {
            self.diagnostics
                .error(node.span, raised.message)
                .help("patterns are those of Python, paths those of its jsonpath2");
        }
        Some(condition)
    }

    fn condition_of_type(&mut self, node: &Node) -> Option<Condition> {
        let target = text(node, "target");
        match node.get("type")?.as_text()? {
            "range" => match node.get("range")?.items() {
                [low, high] => Some(Condition::Range {
                    low: low.as_number()?,
                    high: high.as_number()?,
                    target,
                }),
                _ => None,
            },
            "regex" => Some(Condition::Regex {
                pattern: text(node, "pattern")?,
                target,
            }),
            "jsonpath" => Some(Condition::JsonPath {
                path: text(node, "path")?,
                target,
                count: node
                    .get("count")
                    .and_then(Node::as_int)
                    .and_then(|count| u64::try_from(count).ok()),
                expect: node.get("expect").map(Node::to_json),
            }),
            _ => None,
        }
    }

    /// A share: `90%`, or a number from 0 to 1.
    fn share(&mut self, node: &Node) -> Option<f64> {
        let share = match node.as_text() {
            Some(text) => text
                .trim()
                .strip_suffix('%')
                .and_then(|number| number.trim().parse::<f64>().ok())
                .map(|percent| percent / 100.0),
            None => node.as_number(),
        };
        let share = share.filter(|share| (0.0..=1.0).contains(share));
        if share.is_none() && matches!(node.data, Data::Text(_) | Data::Int(_) | Data::Float(_)) {
            self.diagnostics
                .error(node.span, "`at-least` has to be a share")
                .help("write it as 90%, or as a number from 0 to 1");
        }
        share
    }

    fn samples(&mut self, node: &Node) -> Option<u32> {
        let count = node.as_int()?;
        let of = (1..=SAMPLES_MAX)
            .contains(&count)
            .then(|| u32::try_from(count).ok())
            .flatten();
        if of.is_none() {
            self.diagnostics.error(
                node.span,
                format!("`of` has to be from 1 to {SAMPLES_MAX}, found `{count}`"),
            );
        }
        of
    }
}
