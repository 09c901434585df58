//! Diagnostics: what is wrong with a document, where, and what to do about it.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::{Source, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The document cannot be used as it is.
    Error,
    /// The document can be used, but is probably not what was meant.
    Warning,
}

/// One problem of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong; lower case, no final dot.
    pub message: String,
    /// Where, if it is at one place.
    pub span: Option<Span>,
    /// What to do next, if more can be said than the message does.
    pub help: Option<String>,
}

/// The problems of one document, in the order they were found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// No problems yet.
    pub fn new() -> Diagnostics {
        Diagnostics::default()
    }

    /// Adds an error at a place; returns it, so that help can be added.
    pub fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.add(Severity::Error, Some(span), message.into())
    }

    /// Adds a warning at a place; returns it, so that help can be added.
    pub fn warning(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.add(Severity::Warning, Some(span), message.into())
    }

    /// Adds a diagnostic made elsewhere.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// Takes over all problems of `other`.
    pub fn append(&mut self, other: Diagnostics) {
        self.list.extend(other.list);
    }

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.iter().any(|one| one.severity == Severity::Error)
    }

    /// Whether there is no problem at all, not even a warning.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// Puts them in the order of the document and drops exact repetitions, which an alias causes
    /// when it is used twice.
    pub fn sort(&mut self) {
        self.list
            .sort_by_key(|one| one.span.map_or(usize::MAX, |span| span.start));
        self.list.dedup();
    }

    /// All of them for a person, each with file, line, column and the line itself.
    pub fn render(&self, source: &Source, color: bool) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let rendered: Vec<String> = self
            .iter()
            .map(|one| renderer.render(&[one.group(source)]))
            .collect();
        rendered.join("\n\n")
    }

    /// All of them for a program: a list of objects with `severity`, `message`, `line`, `column`
    /// and `help`; what is not known is null.
    pub fn to_json(&self, source: &Source) -> serde_json::Value {
        self.iter()
            .map(|one| {
                let place = one.span.map(|span| source.line_column(span));
                serde_json::json!({
                    "severity": one.severity.name(),
                    "message": one.message,
                    "line": place.map(|(line, _)| line),
                    "column": place.map(|(_, column)| column),
                    "help": one.help,
                })
            })
            .collect()
    }

    fn add(&mut self, severity: Severity, span: Option<Span>, message: String) -> &mut Diagnostic {
        self.list.push_mut(Diagnostic {
            severity,
            message,
            span,
            help: None,
        })
    }
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

impl Diagnostic {
    /// Adds what to do next.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Diagnostic {
        self.help = Some(help.into());
        self
    }

    fn group<'a>(&'a self, source: &'a Source) -> Group<'a> {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(&self.message);
        let group = match self.span {
            Some(span) => title.element(
                Snippet::source(&source.text)
                    .path(&source.name)
                    .annotation(AnnotationKind::Primary.span(first_line(source, span))),
            ),
            None => title.element(Origin::path(&source.name)),
        };
        match &self.help {
            Some(help) => group.element(Level::HELP.message(help)),
            None => group,
        }
    }
}

/// The part of `span` on its first line: a missing key should not underline its whole section.
fn first_line(source: &Source, span: Span) -> std::ops::Range<usize> {
    let start = source.text.floor_char_boundary(span.start);
    let end = source.text.floor_char_boundary(span.end.max(start));
    let line = source.text[start..end].lines().next().unwrap_or("");
    start..start + line.trim_end().len()
}

impl std::fmt::Display for Diagnostics {
    /// The messages without their places, for where there is no source at hand.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, one) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(formatter, "{separator}{}", one.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
