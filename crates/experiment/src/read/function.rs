//! Reading calls of functions: those that are native, those that faults stand for, and the others,
//! which are Python's.

use shaketable_document::{Entry, Node, Span, closest};

use super::activity::Role;
use super::{Reader, Section, duration_or, json_map};
use crate::binding;
use crate::late::Late;
use crate::plan::{ActivityKind, FunctionCall, PYTHON_TIMEOUT_DEFAULT, Provider, PythonCall};
use crate::substitution::Names;
use crate::{FunctionDeclaration, table};

/// The module that the `kafka` provider stands for.
pub(super) const KAFKA_MODULE: &str = "shaketable.kafka";

impl Reader<'_> {
    /// A call of a function: native, or bound to a fault.
    pub(super) fn function(&mut self, node: &Node, module: &str, role: Role) -> Option<Provider> {
        let at = node.get("func")?.span;
        let name = node.get("func")?.as_text()?;
        let arguments = node.get("arguments").map_or(&[][..], Node::entries);
        let catalogue = self.draft.0.catalogue.clone();
        let secrets = self.secret_groups(node);
        let declared = catalogue.function(module, name);
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
                arguments: json_map(node.get("arguments")),
                at,
            }));
        }
        let own = self.bindings.iter().find(|entry| entry.key == path);
        let (mut binding, file) = match (own, catalogue.bindings.get(&path)) {
            (Some(own), _) => (own.value.clone(), None),
            (None, Some(binding)) => (binding.fault.clone(), Some(&binding.file)),
            (None, None) => {
                self.misspelt_function(at, &path, module);
                return Some(Provider::Python(PythonCall {
                    module: module.to_owned(),
                    function: name.to_owned(),
                    arguments: json_map(node.get("arguments")),
                    secrets,
                    timeout: duration_or(node, "timeout", PYTHON_TIMEOUT_DEFAULT),
                    at,
                }));
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
        if !complete {
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
            Section::Configuration | Section::Tolerance => self
                .diagnostics
                .error(at, format!("{what}, and only a probe finds something out"))
                .help("do it in `method`"),
            Section::Method | Section::Rollbacks => self
                .diagnostics
                .error(role.kind_at, format!("{what}, not a probe"))
                .help("write `type: action`"),
        };
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
        let nothing = Late::new();
        let values = &self.draft.0.values;
        let names = Names {
            configuration: &values.known,
            values,
            all: &nothing,
            set: &nothing,
            python: false,
            planned_before: None,
        };
        let uses = binding::expand(binding, arguments, &names, self.diagnostics);
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
            table::with_fault(&self.draft.0.catalogue.faults, |kind| {
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
        binding::check(
            &self.bindings,
            &self.draft.0.catalogue.functions,
            self.diagnostics,
        );
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

    /// Reports a function that is not native, of a module whose functions are.
    fn misspelt_function(&mut self, at: Span, path: &str, module: &str) {
        let catalogue = &self.draft.0.catalogue;
        let native = catalogue
            .functions
            .iter()
            .filter(|function| function.native);
        if !native.clone().any(|function| function.module == module) {
            return;
        }
        let native: Vec<String> = native.map(FunctionDeclaration::path).collect();
        let names = native
            .iter()
            .map(String::as_str)
            .chain(catalogue.bindings.names());
        let help = match closest(path, names) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("native are: {}", native.join(", ")),
        };
        self.diagnostics
            .error(at, format!("there is no function `{path}`"))
            .help(help);
    }
}
