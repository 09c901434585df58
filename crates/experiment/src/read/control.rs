//! Reading controls, of whatever level.

use shaketable_document::{Node, closest};

use super::{Reader, items, json_map, text};
use crate::plan::{Control, ControlScope};

impl Reader<'_> {
    /// The controls of the experiment, of the hypothesis or of an activity.
    pub(super) fn controls(&mut self, holder: &Node) -> Vec<Control> {
        items(holder.get("controls"))
            .iter()
            .filter_map(|node| self.control(node))
            .collect()
    }

    fn control(&mut self, node: &Node) -> Option<Control> {
        self.not_empty(node, "name");
        let provider = node.get("provider")?;
        let module = text(provider, "module")?;
        let native = self.draft.0.catalogue.has_control(&module);
        let scope = match node.get("scope").and_then(Node::as_text) {
            Some("before") => ControlScope::Before,
            Some("after") => ControlScope::After,
            _ => ControlScope::Both,
        };
        if native && !scope.after() {
            self.diagnostics
                .error(
                    node.span,
                    format!("`{module}` does something only after its activity"),
                )
                .help("remove `scope: before`");
        }
        Some(Control {
            name: text(node, "name")?,
            module,
            arguments: json_map(provider.get("arguments")),
            secrets: self.secret_groups(provider),
            scope,
            automatic: node
                .get("automatic")
                .and_then(Node::as_bool)
                .unwrap_or(true),
            native,
            at: node.span,
        })
    }

    /// The groups of secrets that a provider names.
    pub(super) fn secret_groups(&mut self, provider: &Node) -> Vec<String> {
        let named = items(provider.get("secrets"));
        let groups = &self.draft.0.secrets;
        for node in named {
            let Some(name) = node.as_text() else {
                continue;
            };
            if groups.iter().any(|group| group.name == name) {
                continue;
            }
            let known = || groups.iter().map(|group| group.name.as_str());
            let help = match closest(name, known()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("declare `{name}` under `secrets`"),
            };
            self.diagnostics
                .error(node.span, format!("there is no group of secrets `{name}`"))
                .help(help);
        }
        named
            .iter()
            .filter_map(|node| node.as_text().map(str::to_owned))
            .collect()
    }
}
