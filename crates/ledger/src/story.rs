//! A story: what happened to one message, in one line that a person can follow.
//!
//! `order 4711: 200 at 12.031 s, no record in poke-orders, reversed at 44.2 s`

use std::fmt;

use crate::entry::{Entry, limit_us};
use crate::ledger::index;
use crate::{Attempt, Fate, Ledger, Outcome, Sighting, StageReading, StageRole};

/// How many places of one stage a story lists.
const PLACES_MAX: usize = 3;

/// What happened to one message, step by step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// Who it is about: `order 4711`, or `order attempt 17` if it never got an identity.
    pub subject: String,
    /// What happened, in the order of the stages.
    pub steps: Vec<String>,
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.steps.join(", "))
    }
}

impl Ledger {
    /// The story of an attempt; `None` if there was no such attempt. `noun` is what the
    /// messages are called: `order`.
    pub fn story(&self, seq: u64, noun: &str) -> Option<Story> {
        let attempt = self.attempt(seq)?;
        let mut steps = vec![ending(attempt)];
        let subject = match self.entry(seq) {
            Some(entry) => {
                self.tell(entry, &mut steps);
                format!("{noun} {}", entry.identity)
            }
            None => format!("{noun} attempt {seq}"),
        };
        Some(Story { subject, steps })
    }

    /// The story of an identity that no attempt claims; `None` if no stage showed it.
    pub fn unclaimed_story(&self, identity: &str, noun: &str) -> Option<Story> {
        let mut steps = vec!["no attempt was acknowledged with it".to_owned()];
        self.unclaimed
            .binary_search_by(|id| id.as_str().cmp(identity))
            .ok()?;
        for stage in &self.facts.stages {
            if let Some(positions) = index(stage).get(identity) {
                let seen: Vec<_> = positions.iter().map(|&at| &stage.sightings[at]).collect();
                steps.push(seen_in(stage, &seen));
            }
        }
        Some(Story {
            subject: format!("{noun} {identity}"),
            steps,
        })
    }

    fn tell(&self, entry: &Entry, steps: &mut Vec<String>) {
        for (position, stage) in self.facts.stages.iter().enumerate() {
            let seen = self.sightings(entry, position);
            if seen.is_empty() {
                if stage.spec.role == StageRole::Trace {
                    steps.push(not_seen_in(stage));
                }
                continue;
            }
            let mut step = seen_in(stage, &seen);
            let first = entry.first_seen_us(position, &self.facts);
            if let (true, Some(first), Some(limit)) = (
                entry.late_in(position, &self.facts) == Some(true),
                first,
                limit_us(stage),
            ) {
                let took = first.saturating_sub(entry.intended_us);
                step += &format!(" ({} after it was due, limit {})", Time(took), Time(limit));
            }
            steps.push(step);
        }
        let deadline = Time(self.facts.deadline_us);
        match entry.fate {
            Fate::Settled | Fate::Unwanted => {}
            Fate::Stuck => steps.push(format!("not settled by {deadline}")),
            Fate::Lost => steps.push(format!("seen nowhere by {deadline}")),
        }
    }
}

/// How the attempt ended for the sender.
fn ending(attempt: &Attempt) -> String {
    let what = match (&attempt.outcome, attempt.status) {
        (Outcome::Acknowledged { .. }, Some(status)) => status.to_string(),
        (Outcome::Acknowledged { .. }, None) => "acknowledged".to_owned(),
        (Outcome::Failed { reason }, _) => format!("failed ({reason})"),
        (Outcome::Indeterminate { reason }, _) => format!("outcome unknown ({reason})"),
    };
    match attempt.ended_us {
        Some(at) => format!("{what} at {}", Time(at)),
        None => format!("{what}, sent at {}", Time(attempt.started_us)),
    }
}

fn not_seen_in(stage: &StageReading) -> String {
    let name = &stage.spec.name;
    match &stage.incomplete {
        None => format!("no record in {name}"),
        Some(_) => format!("no record found in {name}, which was not read completely"),
    }
}

fn seen_in(stage: &StageReading, seen: &[&Sighting]) -> String {
    let name = &stage.spec.name;
    let mut step = match stage.spec.role {
        StageRole::Trace => format!("in {name}"),
        StageRole::Settled | StageRole::Unwanted => name.clone(),
    };
    if seen.len() > 1 {
        step += &format!(" {} times", seen.len());
    }
    if stage.spec.role != StageRole::Trace {
        // The first sighting by time; one that only the final reading made comes last.
        step += &match seen.iter().filter_map(|sighting| sighting.at_us).min() {
            Some(at) => format!(" at {}", Time(at)),
            None => " when the drain had ended".to_owned(),
        };
    }
    // A place that says no more than the stage's name is left out.
    let places: Vec<&str> = seen
        .iter()
        .map(|sighting| sighting.place.as_str())
        .filter(|place| !place.is_empty() && place.rsplit('=').next() != Some(name))
        .collect();
    if !places.is_empty() {
        let shown = &places[..places.len().min(PLACES_MAX)];
        let more = match places.len() - shown.len() {
            0 => String::new(),
            left => format!(" and {left} more"),
        };
        step += &format!(" ({}{more})", shown.join(", "));
    }
    step
}

/// A time in seconds, to the millisecond, without trailing zeros.
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0 / 1_000;
        let text = format!("{}.{:03}", millis / 1_000, millis % 1_000);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        write!(f, "{text} s")
    }
}
