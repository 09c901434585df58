//! Substitution: `${name}` in every text.
//!
//! The grammar is the Chaos Toolkit's: `${name}` and `$name` are replaced, `$$` is a dollar sign, a
//! text that is nothing but a variable takes over the value's type, keys are left as they are. One
//! deviation: an unknown `${name}` is an error here and was left in place there.
//!
//! A text with a variable whose value is not known yet stays as it was written as a whole: when the
//! value is known, the plan is made again from what was written.

use std::collections::BTreeSet;

use shaketable_document::{Data, Diagnostics, Node, Span, closest};

use crate::Catalogue;
use crate::configuration::{Configuration, Values};
use crate::late::{Late, Order};
use crate::plan::Setter;

/// A text that is nothing but a variable.
pub(crate) const VARIABLE_PATTERN: &str = r"^\$\{[_a-zA-Z][_a-zA-Z0-9]*\}$";

/// The variables at one place of a document.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    /// The values that are known.
    pub(crate) configuration: &'a Configuration,
    /// What is known of the others that do not depend on activities.
    pub(crate) values: &'a Values,
    /// All that activities set.
    pub(crate) all: &'a Late,
    /// What earlier activities set, and which therefore has no value yet.
    pub(crate) set: &'a Late,
    /// Whether a control in Python may set others.
    pub(crate) python: bool,
    /// Why what earlier activities set cannot be used here either.
    pub(crate) planned_before: Option<&'a str>,
}

/// Replaces the variables in every text below `root`, but in what defines them, in bindings (which
/// are filled in where they are used), and in keys that mean nothing. The spans of texts that stay as
/// they were written are added to `open`.
pub(crate) fn substitute(
    root: &mut Node,
    values: &Values,
    order: &Order,
    catalogue: &Catalogue,
    open: &mut Vec<Span>,
    diagnostics: &mut Diagnostics,
) {
    let nothing = Late::new();
    let names = Names {
        configuration: &values.known,
        values,
        all: &order.all,
        set: &nothing,
        python: false,
        planned_before: None,
    };
    let bindings = root.get("bindings").cloned();
    let bound = |activity: &Node| planned_before(activity, bindings.as_ref(), catalogue);
    let Data::Map(entries) = &mut root.data else {
        return;
    };
    for entry in entries {
        let mut replacement = Replacement {
            names,
            open,
            diagnostics,
        };
        let value = &mut entry.value;
        match entry.key.as_str() {
            "bindings" | "secrets" | "extensions" | "contributions" => {}
            key if key.starts_with("x-") => {}
            "configuration" => replacement.definitions(value),
            "method" => replacement.activities(value, &order.method, order.python, &bound),
            "rollbacks" => replacement.activities(value, &order.rollbacks, order.python, &bound),
            "steady-state-hypothesis" => {
                replacement.names.set = &order.hypothesis;
                replacement.names.python = order.python;
                replacement.node(value);
            }
            _ => replacement.node(value),
        }
    }
}

/// Replaces the variables in every text below `node`, where nothing may stay as it is but what is
/// found out before the run.
pub(crate) fn replace_all(node: &mut Node, names: &Names<'_>, diagnostics: &mut Diagnostics) {
    Replacement {
        names: *names,
        open: &mut Vec::new(),
        diagnostics,
    }
    .node(node);
}

/// The variables that are used below `node`.
pub(crate) fn used(node: &Node) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    collect(node, &mut names);
    names
}

fn collect(node: &Node, names: &mut BTreeSet<String>) {
    if let Some(text) = node.as_text() {
        names.extend(pieces(text).filter_map(|piece| match piece {
            Piece::Braced(name) | Piece::Bare(name) if !name.is_empty() => Some(name.to_owned()),
            _ => None,
        }));
    }
    let items = node.items().iter();
    let values = node.entries().iter().map(|entry| &entry.value);
    for node in items.chain(values) {
        collect(node, names);
    }
}

/// Why an activity can use nothing that is set during the run: a fault does it.
fn planned_before(
    activity: &Node,
    bindings: Option<&Node>,
    catalogue: &Catalogue,
) -> Option<String> {
    let provider = activity.get("provider")?;
    match provider.get("type")?.as_text()? {
        "fault" => Some("faults are".to_owned()),
        "python" => {
            let (module, function) = (provider.get("module")?, provider.get("func")?);
            let (module, function) = (module.as_text()?, function.as_text()?);
            let path = format!("{module}.{function}");
            let is_native = catalogue
                .function(module, function)
                .is_some_and(|function| function.native);
            let is_bound = bindings.is_some_and(|bindings| bindings.get(&path).is_some())
                || catalogue.bindings.get(&path).is_some();
            (is_bound && !is_native).then(|| format!("`{path}` is bound to a fault, which is"))
        }
        _ => None,
    }
}

struct Replacement<'a, 'd> {
    names: Names<'a>,
    open: &'d mut Vec<Span>,
    diagnostics: &'d mut Diagnostics,
}

impl Replacement<'_, '_> {
    /// Activities that are carried out one after another; `set` is what is set before each.
    fn activities(
        &mut self,
        node: &mut Node,
        set: &[Late],
        python: bool,
        planned_before: &dyn Fn(&Node) -> Option<String>,
    ) {
        let Data::List(activities) = &mut node.data else {
            return self.node(node);
        };
        for (activity, set) in activities.iter_mut().zip(set) {
            let planned = planned_before(activity);
            let names = Names {
                set,
                python: python && planned.is_none(),
                planned_before: planned.as_deref(),
                ..self.names
            };
            Replacement {
                names,
                open: self.open,
                diagnostics: self.diagnostics,
            }
            .node(activity);
        }
    }

    /// The definitions of the configuration: its probes use other values.
    fn definitions(&mut self, node: &mut Node) {
        let Data::Map(entries) = &mut node.data else {
            return;
        };
        for entry in entries {
            if crate::configuration::source_of(&entry.value) == Some("probe") {
                self.node(&mut entry.value);
            }
        }
    }

    fn node(&mut self, node: &mut Node) {
        match &mut node.data {
            Data::List(items) => items.iter_mut().for_each(|item| self.node(item)),
            Data::Map(entries) => entries
                .iter_mut()
                .for_each(|entry| self.node(&mut entry.value)),
            Data::Text(text) if text.contains('$') => match self.replaced(text) {
                Ok(Some(data)) => node.data = data,
                Ok(None) => self.open.push(node.span),
                Err(Some((message, help))) => {
                    self.diagnostics.error(node.span, message).help(help);
                }
                Err(None) => self.open.push(node.span),
            },
            _ => {}
        }
    }

    /// The text with its variables replaced; `None` if a value is not known yet.
    fn replaced(&self, text: &str) -> Result<Option<Data>, Unresolved> {
        let mut pieces = pieces(text).peekable();
        let mut result = String::with_capacity(text.len());
        let mut is_open = false;
        let mut is_first = true;
        while let Some(piece) = pieces.next() {
            let value = match piece {
                Piece::Text(text) => {
                    result.push_str(text);
                    None
                }
                Piece::Unclosed => {
                    return Err(Some((
                        "`${` without a `}`".to_owned(),
                        "write `$${` for the characters themselves".to_owned(),
                    )));
                }
                Piece::Braced(name) => Some(self.lookup(name)?),
                Piece::Bare(name) => match self.lookup(name) {
                    Ok(value) => Some(value),
                    Err(_) => {
                        result.push('$');
                        result.push_str(name);
                        None
                    }
                },
            };
            match value {
                None => {}
                Some(None) => is_open = true,
                Some(Some(value)) => {
                    let is_whole = is_first && pieces.peek().is_none();
                    if is_whole && matches!(piece, Piece::Braced(_)) {
                        return Ok(Some(value.data.clone()));
                    }
                    result.push_str(&in_text(value));
                }
            }
            is_first = false;
        }
        Ok((!is_open).then_some(Data::Text(result)))
    }

    /// The value of a variable; `None` if it is not known yet.
    fn lookup(&self, name: &str) -> Result<Option<&Node>, Unresolved> {
        let names = &self.names;
        if let Some(setter) = names.set.get(name) {
            return match names.planned_before {
                None => Ok(None),
                Some(what) => Err(Some((
                    format!("`${{{name}}}` has no value before the method is carried out"),
                    format!(
                        "{} sets it, and {what} planned before; write the value, or another \
                         variable of the configuration",
                        in_words(setter)
                    ),
                ))),
            };
        }
        if let Some(value) = names.configuration.get(name) {
            return value.as_ref().map(Some).ok_or(None);
        }
        if let Some(setter) = names
            .all
            .get(name)
            .filter(|_| !names.values.waits_for(name))
        {
            return Err(Some((
                format!("`${{{name}}}` has no value before the method is carried out"),
                format!(
                    "{} sets it; only activities after that one can use it",
                    in_words(setter)
                ),
            )));
        }
        let is_name = !name.is_empty() && identifier_length(name) == name.len();
        if is_name && (names.values.waits_for(name) || names.python) {
            return Ok(None);
        }
        if names.values.missing.contains(name) {
            return Err(Some((
                format!("`${{{name}}}` has no value: it could not be found out before the run"),
                "see what was said of it above, or write the value".to_owned(),
            )));
        }
        let known = names.configuration.keys().chain(&names.values.pending);
        let help = match closest(name, known.chain(names.set.keys()).map(String::as_str)) {
            Some(meant) => format!("did you mean `${{{meant}}}`?"),
            None => format!("give `{name}` a value under `configuration`"),
        };
        Err(Some((format!("unknown variable `${{{name}}}`"), help)))
    }
}

/// What sets a late value, in words.
pub(crate) fn in_words(setter: &Setter) -> String {
    match setter {
        Setter::Output(activity) => format!("the activity `{activity}`"),
        Setter::Control(module) => format!("the control {module}"),
        Setter::Python => "a control in Python".to_owned(),
        Setter::Source => "what is found out before the run".to_owned(),
    }
}

/// A value as part of a longer text; a list as JSON.
fn in_text(value: &Node) -> String {
    value
        .scalar_text()
        .unwrap_or_else(|| value.to_json().to_string())
}

/// What is wrong with a text and what to do; `None` if it has been reported elsewhere.
type Unresolved = Option<(String, String)>;

/// A piece of a text.
#[derive(Clone, Copy)]
enum Piece<'t> {
    /// As it is.
    Text(&'t str),
    /// `${name}`, whatever stands between the braces.
    Braced(&'t str),
    /// `$name`.
    Bare(&'t str),
    /// `${` that nothing closes.
    Unclosed,
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let dollar = rest.find('$').unwrap_or(rest.len());
        if dollar > 0 {
            let (text, after) = rest.split_at(dollar);
            rest = after;
            return Some(Piece::Text(text));
        }
        let after = &rest[1..];
        if let Some(after) = after.strip_prefix('$') {
            rest = after;
            return Some(Piece::Text("$"));
        }
        if let Some(braced) = after.strip_prefix('{') {
            let Some((name, after)) = braced.split_once('}') else {
                rest = "";
                return Some(Piece::Unclosed);
            };
            rest = after;
            return Some(Piece::Braced(name));
        }
        let (name, after) = after.split_at(identifier_length(after));
        rest = after;
        Some(if name.is_empty() {
            Piece::Text("$")
        } else {
            Piece::Bare(name)
        })
    })
}

/// Length of the variable name that `text` begins with, 0 if it begins with none.
fn identifier_length(text: &str) -> usize {
    let letter = |c: char| c == '_' || c.is_ascii_alphabetic();
    if !text.starts_with(letter) {
        return 0;
    }
    text.find(|c: char| !letter(c) && !c.is_ascii_digit())
        .unwrap_or(text.len())
}
