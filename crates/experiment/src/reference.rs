//! References: `{ref: name}` stands for the activity, or for the control, of that name.
//!
//! They are carried out on the tree, before anything else: what is read afterwards has none. An
//! activity is looked for in the method and in the hypothesis, as in the Chaos Toolkit, and in the
//! rollbacks; of several with one name the last one is meant, and the hypothesis goes before the
//! method. A reference may have a `tolerance` of its own; what means
//! nothing where it stands is left out. A control is looked for among those of the
//! experiment.

use shaketable_document::{Data, Diagnostics, Node, closest};

/// Keys of a reference to an activity.
const KEYS: [&str; 2] = ["ref", "tolerance"];

/// Keys of a probe that mean something in the hypothesis only.
const OF_THE_HYPOTHESIS: [&str; 2] = ["within", "tolerance"];

/// Puts what is referred to in the place of every reference. One that leads nowhere is reported and
/// taken out.
pub(crate) fn expand(root: &mut Node, diagnostics: &mut Diagnostics) {
    let hypothesis = root.get("steady-state-hypothesis");
    let probes = hypothesis.and_then(|node| node.get("probes"));
    let activities: Vec<Node> = [root.get("rollbacks"), root.get("method"), probes]
        .into_iter()
        .flatten()
        .flat_map(Node::items)
        .filter(|node| node.get("ref").is_none())
        .cloned()
        .collect();
    let controls: Vec<Node> = root
        .get("controls")
        .map_or(&[][..], Node::items)
        .iter()
        .filter(|node| node.get("ref").is_none())
        .cloned()
        .collect();
    for (path, others) in [
        (
            &["steady-state-hypothesis", "probes"][..],
            &["background", "until", "outputs"][..],
        ),
        (&["method"], &OF_THE_HYPOTHESIS),
        (&["rollbacks"], &OF_THE_HYPOTHESIS),
    ] {
        get_mut(root, path, |list| {
            replace(list, "activity", &activities, others, diagnostics);
        });
    }
    for path in [&["controls"][..], &["steady-state-hypothesis", "controls"]] {
        get_mut(root, path, |list| {
            replace(list, "control", &controls, &[], diagnostics);
        });
    }
    for path in [
        &["steady-state-hypothesis", "probes"][..],
        &["method"],
        &["rollbacks"],
    ] {
        get_mut(root, path, |list| {
            let Data::List(activities) = &mut list.data else {
                return;
            };
            for activity in activities {
                get_mut(activity, &["controls"], |list| {
                    replace(list, "control", &controls, &[], diagnostics);
                });
            }
        });
    }
}

/// Hands the value at a path of keys to `body`, if there is one.
fn get_mut(node: &mut Node, path: &[&str], body: impl FnOnce(&mut Node)) {
    let Some((key, rest)) = path.split_first() else {
        return body(node);
    };
    if let Data::Map(entries) = &mut node.data
        && let Some(entry) = entries.iter_mut().find(|entry| entry.key == *key)
    {
        get_mut(&mut entry.value, rest, body);
    }
}

/// Replaces the references of a list. `others` are keys that mean something elsewhere only.
fn replace(
    list: &mut Node,
    what: &str,
    known: &[Node],
    others: &[&str],
    diagnostics: &mut Diagnostics,
) {
    let Data::List(items) = &mut list.data else {
        return;
    };
    items.retain_mut(|item| {
        let Some(reference) = item.entry("ref") else {
            return true;
        };
        for entry in item.entries() {
            if !KEYS.contains(&entry.key.as_str()) && !entry.key.starts_with("x-") {
                diagnostics
                    .error(
                        entry.key_span,
                        format!("a reference has no `{}`: the {what} has it", entry.key),
                    )
                    .help(format!("write it there, or write the {what} out here"));
            }
        }
        let Some(name) = reference.value.as_text() else {
            diagnostics
                .error(reference.value.span, "`ref` has to be text")
                .help(format!("name the {what} that is meant"));
            return false;
        };
        let names = || {
            known
                .iter()
                .filter_map(|node| node.get("name").and_then(Node::as_text))
        };
        let meant = known
            .iter()
            .rev()
            .find(|node| node.get("name").and_then(Node::as_text) == Some(name));
        let Some(meant) = meant else {
            let help = match closest(name, names()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => match names().collect::<Vec<_>>()[..] {
                    [] => format!("write the {what} out here"),
                    ref names => format!("there are: {}", names.join(", ")),
                },
            };
            diagnostics
                .error(
                    reference.value.span,
                    format!("there is no {what} called `{name}`"),
                )
                .help(help);
            return false;
        };
        let tolerance = item.entry("tolerance").cloned();
        let mut meant = meant.clone();
        meant.span = item.span;
        if let Data::Map(entries) = &mut meant.data {
            entries.retain(|entry| !others.contains(&entry.key.as_str()));
            if let Some(tolerance) = tolerance {
                entries.retain(|entry| entry.key != "tolerance");
                entries.push(tolerance);
            }
        }
        *item = meant;
        true
    });
}
