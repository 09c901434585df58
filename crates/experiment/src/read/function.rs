//! Reading calls of functions and controls: those that are native, and those that faults stand for.

use shaketable_document::{Entry, Node, Span, closest};

use super::activity::Role;
use super::{Reader, Section, items};
use crate::binding;
use crate::plan::{ActivityKind, FunctionCall, Provider};
use crate::{FunctionDeclaration, table};

/// The module that the `kafka` provider stands for.
pub(super) const KAFKA_MODULE: &str = "shaketable.kafka";

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
                let help = format!(
                    "native controls are: {}",
                    known.collect::<Vec<_>>().join(", ")
                );
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
    pub(super) fn function(&mut self, node: &Node, module: &str, role: Role) -> Option<Provider> {
        let at = node.get("func")?.span;
        let name = node.get("func")?.as_text()?;
        let arguments = node.get("arguments").map_or(&[][..], Node::entries);
        let declared = self.catalogue.function(module, name);
        let path = format!("{module}.{name}");
        self.called.insert(path.clone());
        let complete = declared.is_none_or(|function| self.arguments(node, function, arguments));
        if let Some(function) = declared.filter(|function| function.native) {
            if function.kind == ActivityKind::Action {
                self.action(role, at, &format!("`{path}` is an action"));
            }
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
        let own = self.bindings.iter().find(|entry| entry.key == path);
        let (mut binding, file) = match (own, self.catalogue.bindings.get(&path)) {
            (Some(own), _) => (own.value.clone(), None),
            (None, Some(binding)) => (binding.fault.clone(), Some(&binding.file)),
            (None, None) => {
                self.unknown_function(at, &path);
                return None;
            }
        };
        if role.section != Section::Method {
            self.diagnostics
                .error(
                    at,
                    format!(
                        "`{path}` is bound to a fault, and faults are injected in `method` only"
                    ),
                )
                .help("rollbacks need none: every fault is undone by itself");
            return None;
        }
        self.action(
            role,
            at,
            &format!("`{path}` is bound to a fault, which is an action"),
        );
        let errors = self.diagnostics.len();
        for argument in arguments {
            self.no_late_value(&argument.value, &path);
        }
        if !complete || self.diagnostics.len() > errors {
            return None;
        }
        let Some(file) = file else {
            return self.bound(path, &binding, arguments, at);
        };
        binding::relocate(&mut binding, at);
        let before = std::mem::take(self.diagnostics);
        let mut provider = self.bound(path, &binding, arguments, at);
        for mut problem in std::mem::replace(self.diagnostics, before).iter().cloned() {
            problem.message = format!("{file}: {}", problem.message);
            self.diagnostics.push(problem);
        }
        if let Some(Provider::Bound { calls, .. }) = &mut provider {
            for call in calls {
                call.bound_in = Some(file.clone());
            }
        }
        provider
    }

    /// Reports an activity that says it is a probe and acts.
    fn action(&mut self, role: Role, at: Span, what: &str) {
        if role.kind != Some(ActivityKind::Probe) {
            return;
        }
        match role.section {
            Section::Hypothesis | Section::Safeguards => self
                .diagnostics
                .error(at, format!("{what}, and only probes are asked here"))
                .help("do it in `method`"),
            Section::Method | Section::Rollbacks => self
                .diagnostics
                .error(role.kind_at, format!("{what}, not a probe"))
                .help("write `type: action`"),
        };
    }

    /// Reports the late values in an argument of a bound function.
    fn no_late_value(&mut self, argument: &Node, path: &str) {
        let text = argument.as_text().unwrap_or_default();
        for name in self.late.keys() {
            let variable = format!("${{{name}}}");
            if text.contains(&variable) {
                self.diagnostics
                    .error(
                        argument.span,
                        format!("`{variable}` has no value before the method is carried out"),
                    )
                    .help(format!(
                        "`{path}` is bound to a fault, which is planned before; write the value, or \
                         another variable of the configuration"
                    ));
            }
        }
        let items = argument.items().iter();
        let values = argument.entries().iter().map(|entry| &entry.value);
        for node in items.chain(values) {
            self.no_late_value(node, path);
        }
    }

    /// The faults that stand for a call.
    fn bound(
        &mut self,
        function: String,
        binding: &Node,
        arguments: &[Entry],
        at: Span,
    ) -> Option<Provider> {
        let errors = self.diagnostics.len();
        let uses = binding::expand(binding, arguments, self.configuration, self.diagnostics);
        let uses = match uses {
            Ok(uses) => uses,
            Err(reason) => {
                self.diagnostics
                    .error(at, format!("`{function}` cannot be carried out: {reason}"));
                return None;
            }
        };
        if self.diagnostics.len() > errors {
            return None;
        }
        let mut calls = Vec::new();
        for fault in &uses {
            table::with_fault(&self.catalogue.faults, |kind| {
                table::check_value("binding", fault, kind, self.diagnostics);
            });
            calls.extend(self.fault(fault));
        }
        (calls.len() == uses.len()).then_some(Provider::Bound { function, calls })
    }

    /// Unknown and missing arguments, where the document has or lacks them; whether there are none.
    /// The function itself checks its arguments, too, before the run and again when late values are
    /// filled in: it knows their types, and no places.
    fn arguments(
        &mut self,
        node: &Node,
        function: &FunctionDeclaration,
        arguments: &[Entry],
    ) -> bool {
        let errors = self.diagnostics.len();
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
                self.diagnostics.error(
                    at,
                    format!("`{}` lacks the argument `{name}`", function.name),
                );
            }
        }
        self.diagnostics.len() == errors
    }

    /// Reports own bindings that are wrong, or that no activity uses.
    pub(super) fn own_bindings(&mut self) {
        binding::check(&self.bindings, &self.catalogue.functions, self.diagnostics);
        for binding in &self.bindings {
            if !self.called.contains(&binding.key) {
                let help = match closest(&binding.key, self.called.iter().map(String::as_str)) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "remove the binding".to_owned(),
                };
                self.diagnostics
                    .error(
                        binding.key_span,
                        format!("no activity calls `{}`", binding.key),
                    )
                    .help(help);
            }
        }
    }

    fn unknown_function(&mut self, at: Span, qualified: &str) {
        let native: Vec<String> = self
            .catalogue
            .functions
            .iter()
            .filter(|function| function.native)
            .map(FunctionDeclaration::path)
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
