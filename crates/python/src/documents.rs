//! The documents a run and its controls share, and the copies of them that the host holds.
//!
//! A document is sent only when its text differs from what the host holds. Each sending has a version; what
//! the host says it has changed names the version the change was made to, so that a change that crossed a
//! sending is noticed and the document is sent anew.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use shaketable_dialect::Value;

use crate::wire;

/// The documents of a run, for one call. `None`: as they were in the call before.
#[derive(Debug, Clone, Copy, Default)]
pub struct Documents<'a> {
    /// The experiment.
    pub experiment: Option<&'a Value>,
    /// The configuration, loaded.
    pub configuration: Option<&'a Value>,
    /// The secrets, loaded: groups of names.
    pub secrets: Option<&'a Value>,
    /// The settings of the user.
    pub settings: Option<&'a Value>,
    /// The journal so far. It is compared with the host's copy at each call: give it where it is asked for.
    pub journal: Option<&'a Value>,
    /// The list of controls that hold for every experiment.
    pub global_controls: Option<&'a Value>,
}

/// One of the documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DocumentName {
    /// The experiment.
    Experiment,
    /// The configuration.
    Configuration,
    /// The secrets.
    Secrets,
    /// The settings.
    Settings,
    /// The journal.
    Journal,
    /// The controls that hold for every experiment.
    GlobalControls,
}

/// One step into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// To what a mapping holds under a name.
    Key(String),
    /// To an item of a list, from 0.
    Index(usize),
}

/// An argument that may be part of a document.
#[derive(Debug, Clone, Copy)]
pub enum Argument<'a> {
    /// A document itself.
    Document(DocumentName),
    /// A part of a document; what is changed in it is changed in the document.
    Within(DocumentName, &'a [Step]),
    /// A value of its own.
    Value(&'a Value),
}

impl DocumentName {
    const ALL: [DocumentName; 6] = [
        DocumentName::Experiment,
        DocumentName::Configuration,
        DocumentName::Secrets,
        DocumentName::Settings,
        DocumentName::Journal,
        DocumentName::GlobalControls,
    ];

    fn as_str(self) -> &'static str {
        match self {
            DocumentName::Experiment => "experiment",
            DocumentName::Configuration => "configuration",
            DocumentName::Secrets => "secrets",
            DocumentName::Settings => "settings",
            DocumentName::Journal => "journal",
            DocumentName::GlobalControls => "global_controls",
        }
    }
}

impl Documents<'_> {
    fn get(&self, name: DocumentName) -> Option<&Value> {
        match name {
            DocumentName::Experiment => self.experiment,
            DocumentName::Configuration => self.configuration,
            DocumentName::Secrets => self.secrets,
            DocumentName::Settings => self.settings,
            DocumentName::Journal => self.journal,
            DocumentName::GlobalControls => self.global_controls,
        }
    }
}

impl Argument<'_> {
    pub(crate) fn encode(&self) -> String {
        match self {
            Argument::Document(name) => format!("{{\"document\":\"{}\"}}", name.as_str()),
            Argument::Within(name, steps) => {
                let steps: Vec<Json> = steps
                    .iter()
                    .map(|step| match step {
                        Step::Key(key) => Json::from(key.as_str()),
                        Step::Index(index) => Json::from(*index),
                    })
                    .collect();
                let path = Json::Array(steps);
                format!("{{\"document\":\"{}\",\"path\":{path}}}", name.as_str())
            }
            Argument::Value(value) => {
                let mut text = String::from("{\"value\":");
                wire::encode(value, &mut text);
                text.push('}');
                text
            }
        }
    }
}

/// What the host holds.
#[derive(Debug, Default)]
pub(crate) struct Held {
    documents: BTreeMap<DocumentName, HeldCopy>,
    versions: u64,
}

#[derive(Debug)]
struct HeldCopy {
    text: String,
    version: u64,
    /// The process it was sent to; `None` if the host's copy is not known to be the same any more.
    process: Option<u64>,
}

impl Held {
    /// Whether there are settings.
    pub(crate) fn has_settings(&self) -> bool {
        self.documents.contains_key(&DocumentName::Settings)
    }

    /// The member `documents` of a request to a process: what it has to be told, as a JSON object.
    pub(crate) fn send(&mut self, documents: &Documents<'_>, process: u64) -> Option<String> {
        let mut members = Vec::new();
        for name in DocumentName::ALL {
            if let Some(value) = documents.get(name) {
                let mut text = String::new();
                wire::encode(value, &mut text);
                let copy = self.documents.entry(name).or_insert(HeldCopy {
                    text: String::new(),
                    version: 0,
                    process: None,
                });
                if copy.text != text {
                    copy.text = text;
                    copy.process = None;
                }
            }
            if let Some(copy) = self.documents.get_mut(&name)
                && copy.process != Some(process)
            {
                self.versions += 1;
                copy.version = self.versions;
                copy.process = Some(process);
                members.push(format!(
                    "\"{}\":[{},{}]",
                    name.as_str(),
                    copy.version,
                    copy.text
                ));
            }
        }
        (!members.is_empty()).then(|| format!("{{{}}}", members.join(",")))
    }

    /// Takes over what the host says it has changed; gives the new documents.
    pub(crate) fn receive(&mut self, changes: &Json) -> Vec<(DocumentName, Value)> {
        let mut changed = Vec::new();
        for name in DocumentName::ALL {
            let Some(change) = changes.get(name.as_str()) else {
                continue;
            };
            let Some(copy) = self.documents.get_mut(&name) else {
                continue;
            };
            let Ok(json) = serde_json::from_str(&copy.text) else {
                continue;
            };
            let mut value = wire::decode(json);
            let applied = change[1]
                .as_array()
                .is_some_and(|steps| steps.iter().all(|step| apply(&mut value, step).is_some()));
            if !applied || change[0].as_u64() != Some(copy.version) {
                copy.process = None;
            }
            copy.text.clear();
            wire::encode(&value, &mut copy.text);
            changed.push((name, value));
        }
        changed
    }
}

/// Carries out `[path, value]` (set) or `[path]` (remove).
fn apply(value: &mut Value, change: &Json) -> Option<()> {
    let path = change.get(0)?.as_array()?;
    let new = change.get(1).map(|new| wire::decode(new.clone()));
    let Some((last, steps)) = path.split_last() else {
        *value = new?;
        return Some(());
    };
    let mut place = value;
    for step in steps {
        place = match step {
            Json::String(key) => place.as_dict_mut()?.get_mut(key)?,
            index => place
                .as_list_mut()?
                .get_mut(usize::try_from(index.as_u64()?).ok()?)?,
        };
    }
    match (last, new) {
        (Json::String(key), Some(new)) => {
            place.as_dict_mut()?.insert(key.as_str(), new);
        }
        (Json::String(key), None) => {
            place.as_dict_mut()?.remove(key)?;
        }
        (index, new) => {
            *place
                .as_list_mut()?
                .get_mut(usize::try_from(index.as_u64()?).ok()?)? = new?;
        }
    }
    Some(())
}
