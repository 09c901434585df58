//! A journal out of an event log.
//!
//! 1. A log that ends with `run-ended` gives what `journal.json` has.
//! 2. A log that stops before gives what had happened: status `interrupted`, an interruption of kind
//!    `crash`, the end at the last event; an activity that had started has no status.
//! 3. Lines that are no event are left out.

use std::collections::HashMap;

use shaketable_dialect::{Dict, Value, json};

/// The journal in the Chaos Toolkit's shape. See the module for what a broken log gives.
pub fn from_events<'a>(lines: impl IntoIterator<Item = &'a str>) -> Value {
    let mut reading = Reading::default();
    for line in lines {
        if let Ok(Value::Dict(event)) = json::parse(line) {
            // Lines of `shaketable run` have its own fields, too, and its clock.
            let is_own = event.contains("us");
            reading.take(&if is_own {
                without(&event, &["us", "detail"])
            } else {
                event
            });
        }
    }
    reading.journal()
}

#[derive(Default)]
struct Reading {
    head: Dict,
    entries: Vec<(Value, Dict)>,
    places: HashMap<String, usize>,
    phases: Vec<Phase>,
    end: Option<Dict>,
    last: Option<String>,
}

struct Phase {
    name: String,
    met: Option<Value>,
    probes: Vec<usize>,
}

impl Reading {
    fn take(&mut self, event: &Dict) {
        let text = |key: &str| event.get(key).and_then(Value::as_str);
        if let Some(at) = text("at") {
            self.last = Some(at.to_owned());
        }
        match text("event") {
            Some("run-started") => self.head = without(event, &["event", "at"]),
            Some("hypothesis-started") => self.phases.push(Phase {
                name: text("phase").unwrap_or_default().to_owned(),
                met: None,
                probes: Vec::new(),
            }),
            Some("hypothesis-ended") => {
                let name = text("phase").unwrap_or_default();
                let open = self.phases.iter_mut().rev();
                if let Some(phase) = { open }.find(|phase| phase.name == name) {
                    phase.met = Some(event.get("met").into());
                }
            }
            Some("activity-started") => self.start(event),
            Some("activity-ended") => self.finish(event),
            Some("run-ended") => self.end = Some(without(event, &["event", "at"])),
            _ => {}
        }
    }

    fn start(&mut self, event: &Dict) {
        let mut entry = Dict::new();
        entry.insert("activity", Value::from(event.get("activity")));
        entry.insert("output", Value::None);
        entry.insert("start", Value::from(event.get("start")));
        let section = Value::from(event.get("section"));
        let index = self.entries.len();
        if let Some(name) = section.as_str()
            && let Some(phase) = self.phases.iter_mut().rev().find(|p| p.name == name)
        {
            phase.probes.push(index);
        }
        self.places.insert(id(event), index);
        self.entries.push((section, entry));
    }

    fn finish(&mut self, event: &Dict) {
        let Some(index) = self.places.get(&id(event)) else {
            return;
        };
        let entry = &mut self.entries[*index].1;
        for (key, value) in without(event, &["event", "at", "id", "section", "iteration"]) {
            entry.insert(key, value);
        }
    }

    fn journal(self) -> Value {
        let mut journal = self.head.clone();
        let crashed = self.end.is_none();
        let mut end = self.end.clone().unwrap_or_else(|| self.crash());
        if let Some(experiment) = end.remove("experiment") {
            journal.insert("experiment", experiment);
        }
        for key in ["status", "deviated"] {
            journal.insert(key, end.remove(key));
        }
        let mut states = Dict::new();
        for name in ["before", "after"] {
            let phase = self.phases.iter().rev().find(|phase| phase.name == name);
            states.insert(name, phase.and_then(|phase| self.state(phase, crashed)));
        }
        let during = self.phases.iter().filter(|phase| phase.name == "during");
        let during: Vec<Value> = during.filter_map(|p| self.state(p, crashed)).collect();
        states.insert("during", during);
        journal.insert("steady_states", states);
        journal.insert("run", self.section("method"));
        journal.insert("rollbacks", self.section("rollbacks"));
        for (key, value) in end {
            journal.insert(key, value);
        }
        Value::Dict(journal)
    }

    fn state(&self, phase: &Phase, crashed: bool) -> Option<Value> {
        // The reference keeps nothing of a hypothesis that was interrupted.
        if phase.met.is_none() && !crashed {
            return None;
        }
        let mut state = Dict::new();
        state.insert("steady_state_met", phase.met.clone());
        let probes = phase.probes.iter().map(|index| &self.entries[*index].1);
        let probes: Vec<Value> = probes.map(|probe| probe.clone().into()).collect();
        state.insert("probes", probes);
        Some(state.into())
    }

    fn section(&self, name: &str) -> Vec<Value> {
        let entries = self.entries.iter();
        entries
            .filter(|(section, _)| section.as_str() == Some(name))
            .map(|(_, entry)| entry.clone().into())
            .collect()
    }

    fn crash(&self) -> Dict {
        let mut interruption = Dict::new();
        interruption.insert("kind", "crash");
        interruption.insert("name", Value::None);
        interruption.insert("reason", "the runner ended without ending the run");
        let mut end = Dict::new();
        end.insert("status", "interrupted");
        end.insert("deviated", false);
        end.insert("end", self.last.clone());
        end.insert("duration", self.duration());
        end.insert("interruption", interruption);
        end
    }

    fn duration(&self) -> Option<f64> {
        let instant = |text: &str| text.parse::<jiff::Timestamp>().ok();
        let start = instant(self.head.get("start")?.as_str()?)?;
        let last = instant(self.last.as_deref()?)?;
        Some(last.duration_since(start).as_secs_f64())
    }
}

fn id(event: &Dict) -> String {
    shaketable_dialect::text::str(&event.get("id").into())
}

fn without(event: &Dict, keys: &[&str]) -> Dict {
    let rest = event.iter();
    rest.filter(|(key, _)| key.as_str().is_none_or(|key| !keys.contains(&key)))
        .map(|(key, value)| (key.clone(), value))
        .collect()
}
