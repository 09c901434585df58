//! Bindings: faults that stand for functions of Chaos Toolkit extensions.
//!
//! A function that speaks to something the local system does not have (a cloud, a cluster manager)
//! is bound to the fault that does the same here:
//!
//! ```yaml
//! bindings:
//!   chaosaws.msk.actions.reboot_msk_broker:
//!     for-each: broker_ids            # once for each item of this argument
//!     fault: process-restart
//!     target: { broker: "${broker_ids}" }
//!     restart-after: 10s
//! ```
//!
//! `${name}` is the value of the function's argument, or of the configuration. A document's own
//! bindings come first, then those that are passed in.

use shaketable_document::{Data, Diagnostics, Entry, Node, Source, Span};

use crate::substitution::{Configuration, replace_all};

/// The key that says for which argument's items the fault is injected once each.
pub(crate) const FOR_EACH: &str = "for-each";

/// What is bound without anybody saying so.
const BUILT_IN: &str = r#"
chaosaws.msk.actions.reboot_msk_broker: &reboot
  for-each: broker_ids
  fault: process-restart
  target: { broker: "${broker_ids}" }
  restart-after: 10s
chaosaws.msk.actions.reboot_broker: *reboot
"#;

/// Bindings by `module.function`.
#[derive(Debug, Clone, Default)]
pub struct Bindings(Vec<(String, Node)>);

impl Bindings {
    /// The bindings that come with this crate.
    pub fn built_in() -> Bindings {
        let source = Source::new("built-in bindings".to_owned(), BUILT_IN.to_owned());
        Bindings::parse(&source).unwrap_or_default()
    }

    /// Reads a file of bindings: a map from `module.function` to the fault.
    ///
    /// # Errors
    /// The document is no such map. The faults themselves are checked where they are used.
    pub fn parse(source: &Source) -> Result<Bindings, Diagnostics> {
        let root = shaketable_document::parse(source)?;
        let mut diagnostics = Diagnostics::new();
        if !matches!(root.data, Data::Map(_)) {
            diagnostics
                .error(root.span, "bindings have to be a map")
                .help("write module.function, and under it the fault that stands for it");
        }
        for entry in root.entries() {
            if !matches!(entry.value.data, Data::Map(_)) {
                diagnostics
                    .error(entry.value.span, format!("`{}` has to be a map", entry.key))
                    .help("write the fault as in an activity's provider: fault, target, parameters");
            }
        }
        if diagnostics.has_errors() {
            return Err(diagnostics);
        }
        let entries = root.entries().iter();
        Ok(Bindings(
            entries
                .map(|entry| (entry.key.clone(), entry.value.clone()))
                .collect(),
        ))
    }

    /// These bindings, then `others`.
    #[must_use]
    pub fn before(mut self, others: Bindings) -> Bindings {
        self.0.extend(others.0);
        self
    }

    pub(crate) fn get(&self, function: &str) -> Option<&Node> {
        let mut found = self.0.iter().filter(|(name, _)| name == function);
        found.next().map(|(_, node)| node)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// The uses of faults that a call of a bound function comes to. `at` is where problems are
/// reported when the binding stands in another text.
///
/// # Errors
/// What is wrong with the call, in a sentence.
pub(crate) fn expand(
    binding: &Node,
    arguments: &[Entry],
    configuration: &Configuration,
    at: Option<Span>,
    diagnostics: &mut Diagnostics,
) -> Result<Vec<Node>, String> {
    let mut values = configuration.clone();
    for argument in arguments {
        values.insert(argument.key.clone(), Some(argument.value.clone()));
    }
    let each = binding.get(FOR_EACH).and_then(Node::as_text);
    let items = match each {
        None => vec![None],
        Some(name) => {
            let argument = values
                .get(name)
                .and_then(Option::as_ref)
                .ok_or_else(|| format!("its binding needs the argument `{name}`"))?;
            match &argument.data {
                Data::List(items) if items.is_empty() => {
                    return Err(format!("the argument `{name}` is an empty list"));
                }
                Data::List(items) => items.iter().cloned().map(Some).collect(),
                _ => vec![Some(argument.clone())],
            }
        }
    };
    let mut uses = Vec::new();
    for item in items {
        if let (Some(name), Some(item)) = (each, item) {
            values.insert(name.to_owned(), Some(item));
        }
        let mut fault = binding.clone();
        if let Data::Map(entries) = &mut fault.data {
            entries.retain(|entry| entry.key != FOR_EACH);
        }
        replace_all(&mut fault, &values, None, diagnostics);
        if let Some(at) = at {
            relocate(&mut fault, at);
        }
        uses.push(fault);
    }
    Ok(uses)
}

fn relocate(node: &mut Node, at: Span) {
    node.span = at;
    match &mut node.data {
        Data::List(items) => items.iter_mut().for_each(|item| relocate(item, at)),
        Data::Map(entries) => {
            for entry in entries {
                entry.key_span = at;
                relocate(&mut entry.value, at);
            }
        }
        _ => {}
    }
}
