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
//! bindings come first, then those that are passed in. What is wrong with one of these is reported
//! where the document uses it, and the message names the file.

use shaketable_document::{Data, Diagnostics, Entry, Node, Source, Span};

use crate::substitution::{Names, replace_all};
use crate::{FunctionDeclaration, table};

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
pub struct Bindings(Vec<Binding>);

/// A fault that stands for a function, from a file.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    function: String,
    pub(crate) fault: Node,
    /// The name of the file.
    pub(crate) file: String,
}

impl Bindings {
    /// The bindings that come with this crate.
    pub fn built_in() -> Bindings {
        let source = Source::new("built-in bindings".to_owned(), BUILT_IN.to_owned());
        Bindings::parse(&source, &[]).unwrap_or_default()
    }

    /// Reads a file of bindings: a map from `module.function` to the fault. `functions` are those
    /// that are known.
    ///
    /// # Errors
    /// The document is no such map, or a function is native. The faults themselves are checked where
    /// they are used, and they need not be.
    pub fn parse(
        source: &Source,
        functions: &[FunctionDeclaration],
    ) -> Result<Bindings, Diagnostics> {
        let root = shaketable_document::parse(source)?;
        let mut diagnostics = Diagnostics::new();
        table::check_value("bindings", &root, table::BINDINGS, &mut diagnostics);
        check(root.entries(), functions, &mut diagnostics);
        if diagnostics.has_errors() {
            diagnostics.sort();
            return Err(diagnostics);
        }
        let bindings = root.entries().iter().map(|entry| Binding {
            function: entry.key.clone(),
            fault: entry.value.clone(),
            file: source.name.clone(),
        });
        Ok(Bindings(bindings.collect()))
    }

    /// These bindings, then `others`.
    #[must_use]
    pub fn before(mut self, others: Bindings) -> Bindings {
        self.0.extend(others.0);
        self
    }

    pub(crate) fn get(&self, function: &str) -> Option<&Binding> {
        self.0.iter().find(|binding| binding.function == function)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|binding| binding.function.as_str())
    }
}

/// What no table can say of bindings, wherever they stand.
pub(crate) fn check(
    bindings: &[Entry],
    functions: &[FunctionDeclaration],
    diagnostics: &mut Diagnostics,
) {
    for binding in bindings {
        let mut native = functions.iter().filter(|function| function.native);
        if native.any(|function| function.path() == binding.key) {
            diagnostics
                .error(
                    binding.key_span,
                    format!("`{}` is native, so no fault stands for it", binding.key),
                )
                .help("remove the binding");
        }
        if let Some(each) = binding.value.get(FOR_EACH)
            && each.as_text().is_none()
        {
            diagnostics
                .error(
                    each.span,
                    format!("`{FOR_EACH}` has to be text, found {}", each.kind_name()),
                )
                .help("name the argument of the function whose items are meant");
        }
    }
}

/// The uses of faults that a call of a bound function comes to.
///
/// # Errors
/// What is wrong with the call, in a sentence.
pub(crate) fn expand(
    binding: &Node,
    arguments: &[Entry],
    names: &Names<'_>,
    diagnostics: &mut Diagnostics,
) -> Result<Vec<Node>, String> {
    let mut values = names.configuration.clone();
    for argument in arguments {
        values.insert(argument.key.clone(), Some(argument.value.clone()));
    }
    let each = binding.get(FOR_EACH).and_then(Node::as_text);
    let items = match each {
        None => vec![None],
        Some(name) => {
            let argument = arguments
                .iter()
                .find(|argument| argument.key == name)
                .map(|argument| &argument.value)
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
        let names = Names {
            configuration: &values,
            ..*names
        };
        replace_all(&mut fault, &names, diagnostics);
        uses.push(fault);
    }
    Ok(uses)
}

/// Gives a whole tree one place, that of its use: its own is in another text.
pub(crate) fn relocate(node: &mut Node, at: Span) {
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
