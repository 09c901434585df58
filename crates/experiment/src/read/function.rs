//! Reading calls of functions and controls: those that are native, and those that faults stand for.

use shaketable_document::{Data, Entry, Field, Node, Object, closest};

use super::{Reader, Section, items};
use crate::binding;
use crate::plan::{FunctionCall, Provider};
use crate::{FunctionDeclaration, table};

/// The module that the `kafka` provider stands for.
pub const KAFKA_MODULE: &str = "shaketable.kafka";

impl Reader<'_> {
    /// The modules of an activity's controls that are called after it.
    pub(super) fn controls(&mut self, activity: &Node) -> Vec<String> {
        let mut modules = Vec::new();
        for control in items(activity.get("controls")) {
            let Some(module) = control.get("provider").and_then(|p| p.get("module")) else {
                continue;
            };
            let Some(name) = module.as_text() else {
                continue;
            };
            let known = self.catalogue.controls.iter().map(|(module, _)| *module);
            if !known.clone().any(|known| known == name) {
                let help = format!("native controls are: {}", known.collect::<Vec<_>>().join(", "));
                self.diagnostics
                    .error(
                        module.span,
                        format!("the control `{name}` is not supported by this version"),
                    )
                    .help(help);
            } else if control.get("scope").and_then(Node::as_text) == Some("before") {
                self.diagnostics
                    .error(
                        control.span,
                        format!("`{name}` does something only after its activity"),
                    )
                    .help("remove `scope: before`");
            } else {
                modules.push(name.to_owned());
            }
        }
        modules
    }

    /// A call of a function: native, or bound to a fault.
    pub(super) fn function(
        &mut self,
        node: &Node,
        module: &str,
        section: Section,
    ) -> Option<Provider> {
        let at = node.get("func")?.span;
        let name = node.get("func")?.as_text()?;
        let arguments = node.get("arguments").map_or(&[][..], Node::entries);
        let functions = &self.catalogue.functions;
        let native = functions
            .iter()
            .find(|function| function.module == module && function.name == name);
        if let Some(function) = native {
            self.arguments(node, function, arguments);
            return Some(Provider::Function(FunctionCall {
                module: module.to_owned(),
                function: name.to_owned(),
                arguments: arguments
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.value.to_json()))
                    .collect(),
                late: self.late.clone(),
                at,
            }));
        }
        let qualified = format!("{module}.{name}");
        let own = self.bindings.iter().find(|entry| entry.key == qualified);
        let (binding, elsewhere) = match (own, self.catalogue.bindings.get(&qualified)) {
            (Some(own), _) => (own.value.clone(), None),
            (None, Some(binding)) => (binding.clone(), Some(at)),
            (None, None) => {
                self.unknown_function(at, &qualified);
                return None;
            }
        };
        if section != Section::Method {
            self.diagnostics
                .error(
                    at,
                    format!("`{qualified}` is bound to a fault, and faults are injected in `method` only"),
                )
                .help("rollbacks need none: every fault is undone by itself");
            return None;
        }
        let expanded = binding::expand(
            &binding,
            arguments,
            self.configuration,
            elsewhere,
            self.diagnostics,
        );
        let uses = match expanded {
            Ok(uses) => uses,
            Err(reason) => {
                self.diagnostics
                    .error(at, format!("`{qualified}` cannot be carried out: {reason}"));
                return None;
            }
        };
        let mut calls = Vec::new();
        for fault in &uses {
            self.check_fault(fault);
            calls.extend(self.fault(fault));
        }
        (calls.len() == uses.len()).then_some(Provider::Bound {
            function: qualified,
            calls,
        })
    }

    fn arguments(&mut self, node: &Node, function: &FunctionDeclaration, arguments: &[Entry]) {
        let known = || function.arguments.iter().map(|(name, _)| *name);
        for argument in arguments {
            if !known().any(|name| name == argument.key) {
                let help = match closest(&argument.key, known()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("it has {}", known().collect::<Vec<_>>().join(", ")),
                };
                self.diagnostics
                    .error(
                        argument.key_span,
                        format!("`{}` has no argument `{}`", function.name, argument.key),
                    )
                    .help(help);
            }
        }
        for (name, required) in &function.arguments {
            let given = arguments.iter().any(|argument| argument.key == *name);
            if *required && !given {
                let at = node.entry("arguments").map_or(node.span, |e| e.key_span);
                self.diagnostics
                    .error(at, format!("`{}` lacks the argument `{name}`", function.name));
            }
        }
    }

    /// One use of a fault that is written in a binding.
    fn check_fault(&mut self, fault: &Node) {
        let root = Node {
            span: fault.span,
            data: Data::Map(vec![Entry {
                key: "fault".to_owned(),
                key_span: fault.span,
                value: fault.clone(),
            }]),
        };
        table::with_fault(&self.catalogue.faults, |kind| {
            let table = Object {
                name: "binding",
                doc: "The fault that stands for a function.",
                fields: &[Field::required("fault", kind, "The fault.")],
            };
            shaketable_document::check(&root, &table, self.diagnostics);
        });
    }

    fn unknown_function(&mut self, at: shaketable_document::Span, qualified: &str) {
        let native: Vec<String> = self
            .catalogue
            .functions
            .iter()
            .map(|function| format!("{}.{}", function.module, function.name))
            .collect();
        let names = native
            .iter()
            .map(String::as_str)
            .chain(self.catalogue.bindings.names());
        let help = match closest(qualified, names) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "native are the functions of chaoskafka; write under `bindings` which fault stands for another one".to_owned(),
        };
        self.diagnostics
            .error(
                at,
                format!("the function `{qualified}` is neither native nor bound to a fault"),
            )
            .help(help);
    }
}
