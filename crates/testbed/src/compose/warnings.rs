//! Warnings that may have many places: one each, with all its places.

use shaketable_document::{Diagnostics, Span};

use super::files::Files;

/// Warnings and where each applies, in the order they were first met.
#[derive(Debug, Default)]
pub(super) struct Warnings(Vec<(String, Vec<Span>)>);

impl Warnings {
    /// Adds a place to the warning with this message.
    pub(super) fn add(&mut self, message: String, span: Span) {
        match self.0.iter_mut().find(|(known, _)| *known == message) {
            Some((_, places)) if places.contains(&span) => {}
            Some((_, places)) => places.push(span),
            None => self.0.push((message, vec![span])),
        }
    }

    /// Turns each into one diagnostic at its first place that names the others.
    pub(super) fn finish(self, files: &Files, diagnostics: &mut Diagnostics) {
        for (message, mut places) in self.0 {
            places.sort_by_key(|span| span.start);
            let Some((first, others)) = places.split_first() else {
                continue;
            };
            let warning = diagnostics.warning(*first, message);
            if !others.is_empty() {
                let others: Vec<String> = others.iter().map(|span| files.place(*span)).collect();
                warning.help(format!("also at {}", others.join(", ")));
            }
        }
    }
}
