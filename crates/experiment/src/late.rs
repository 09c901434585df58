//! Late values: variables that are set while the experiment runs.
//!
//! The `outputs` of an activity set some, and native controls declare which ones they set. They can
//! be used in activities after that one, in the order of the document: `${name}` stays as it is in
//! the plan and is filled in right before the activity, also when the configuration has a value of
//! that name. Anywhere else the configuration's value counts; without one it is an error. A control
//! in Python may change every value of the configuration at any time.
//!
//! Faults are planned before anything is carried out, and so use no late value.

use std::collections::BTreeMap;

use shaketable_document::Node;

use crate::Catalogue;
use crate::plan::{HypothesisStrategy, Setter};

/// Names that are set, each with what sets it.
pub(crate) type Late = BTreeMap<String, Setter>;

/// What is set when, in a document.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    /// All late values.
    pub(crate) all: Late,
    /// What is set when the hypothesis is asked.
    pub(crate) hypothesis: Late,
    /// What is set before each activity of the method.
    pub(crate) method: Vec<Late>,
    /// What is set before each rollback.
    pub(crate) rollbacks: Vec<Late>,
    /// Whether a control is not native.
    pub(crate) python: bool,
}

/// What is set when, in a document whose references are carried out.
pub(crate) fn order(root: &Node, catalogue: &Catalogue) -> Order {
    let mut set = Late::new();
    let method = before_each(root.get("method"), &mut set, catalogue);
    let after_method = set.clone();
    let rollbacks = before_each(root.get("rollbacks"), &mut set, catalogue);
    let strategy = root
        .get("runtime")
        .and_then(|runtime| runtime.get("hypothesis"))
        .and_then(|hypothesis| hypothesis.get("strategy"))
        .and_then(Node::as_text)
        .and_then(|name| name.parse().ok());
    Order {
        all: set,
        hypothesis: match strategy {
            Some(HypothesisStrategy::AfterMethodOnly) => after_method,
            _ => Late::new(),
        },
        method,
        rollbacks,
        python: all_controls(root).any(|control| {
            let module = module(control);
            module.is_some_and(|module| !catalogue.has_control(module))
        }),
    }
}

/// What is set before each of these activities; adds what they set themselves.
fn before_each(section: Option<&Node>, set: &mut Late, catalogue: &Catalogue) -> Vec<Late> {
    let activities = section.map_or(&[][..], Node::items).iter();
    let before = activities.map(|activity| {
        let by_controls = set_by_controls(activity, catalogue);
        // What its own controls set has no value while it is carried out.
        let mut before = set.clone();
        before.retain(|name, _| !by_controls.contains_key(name));
        set.extend(by_controls);
        set.extend(outputs(activity));
        before
    });
    before.collect()
}

/// What the native controls of one activity set.
fn set_by_controls(activity: &Node, catalogue: &Catalogue) -> Late {
    let controls = activity.get("controls").map_or(&[][..], Node::items);
    let modules = controls.iter().filter_map(module);
    let declared = modules.filter_map(|module| {
        let mut known = catalogue.controls.iter();
        known.find(|(known, _)| *known == module)
    });
    declared
        .flat_map(|(module, sets)| {
            let names = sets.iter();
            names.map(|name| ((*name).to_owned(), Setter::Control((*module).to_owned())))
        })
        .collect()
}

fn outputs(activity: &Node) -> impl Iterator<Item = (String, Setter)> {
    let name = activity.get("name").and_then(Node::as_text);
    let name = name.unwrap_or_default();
    let outputs = activity.get("outputs").map_or(&[][..], Node::entries);
    let names = outputs.iter().map(|entry| entry.key.clone());
    names.map(move |output| (output, Setter::Output(name.to_owned())))
}

fn module(control: &Node) -> Option<&str> {
    control.get("provider")?.get("module")?.as_text()
}

/// The controls of all levels.
fn all_controls(root: &Node) -> impl Iterator<Item = &Node> {
    let hypothesis = root.get("steady-state-hypothesis");
    let probes = hypothesis.and_then(|node| node.get("probes"));
    let activities = [probes, root.get("method"), root.get("rollbacks")];
    let activities = activities.into_iter().flatten().flat_map(Node::items);
    [Some(root), hypothesis]
        .into_iter()
        .flatten()
        .chain(activities)
        .filter_map(|holder| holder.get("controls"))
        .flat_map(Node::items)
}
