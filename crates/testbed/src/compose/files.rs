//! The texts of one reading, and what was found wrong in any of them.
//!
//! Trees of several files are merged, so a [`Span`] has to say which file it is in: each text gets
//! a range of offsets of its own, and the spans of its tree are moved there ([`Files::parse`]).

use shaketable_document::{Data, Diagnostic, Diagnostics, Node, Severity, Source, Span};

/// Texts, each with offsets that no other has.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    /// Each with the offset at which it begins.
    list: Vec<(usize, Source)>,
    end: usize,
}

impl Files {
    /// Adds a text that is not YAML; returns its offset.
    pub(super) fn add(&mut self, source: Source) -> usize {
        let offset = self.end;
        self.end += source.text.len() + 1;
        self.list.push((offset, source));
        offset
    }

    /// Adds a text and parses it.
    pub(super) fn parse(&mut self, source: Source) -> Result<Node, Diagnostics> {
        let parsed = shaketable_document::parse(&source);
        let offset = self.add(source);
        match parsed {
            Ok(mut node) => {
                move_by(&mut node, offset);
                Ok(node)
            }
            Err(found) => {
                let mut moved = Diagnostics::new();
                for one in &found {
                    let span = one.span.map(|span| moved_span(span, offset));
                    moved.push(Diagnostic {
                        span,
                        ..one.clone()
                    });
                }
                Err(moved)
            }
        }
    }

    /// The place of line `line` (from 1) of the text at `offset`.
    pub(super) fn line(&self, offset: usize, line: usize) -> Span {
        let text = self
            .list
            .iter()
            .find(|(start, _)| *start == offset)
            .map_or("", |(_, source)| &source.text);
        let before: usize = text
            .split_inclusive('\n')
            .take(line.saturating_sub(1))
            .map(str::len)
            .sum();
        let length = text[before..].lines().next().map_or(0, str::len);
        Span {
            start: offset + before,
            end: offset + before + length,
        }
    }

    /// `FILE:LINE`, for places that a message mentions besides its own.
    pub(super) fn place(&self, span: Span) -> String {
        match self.locate(span) {
            Some((source, span)) => {
                format!("{}:{}", source.name, source.line_column(span).0)
            }
            None => "another file".to_owned(),
        }
    }

    fn locate(&self, span: Span) -> Option<(&Source, Span)> {
        let (offset, source) = self
            .list
            .iter()
            .rev()
            .find(|(start, _)| *start <= span.start)?;
        let local = Span {
            start: span.start - offset,
            end: span.end.saturating_sub(*offset),
        };
        Some((source, local))
    }
}

fn moved_span(span: Span, offset: usize) -> Span {
    Span {
        start: span.start + offset,
        end: span.end + offset,
    }
}

fn move_by(node: &mut Node, offset: usize) {
    node.span = moved_span(node.span, offset);
    match &mut node.data {
        Data::List(items) => items.iter_mut().for_each(|item| move_by(item, offset)),
        Data::Map(entries) => {
            for entry in entries {
                entry.key_span = moved_span(entry.key_span, offset);
                move_by(&mut entry.value, offset);
            }
        }
        _ => {}
    }
}

/// Everything that was found in the files of one reading, in their order.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    files: Files,
    list: Vec<Diagnostic>,
}

/// One problem and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding<'f> {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: &'f str,
    /// What to do next, if more can be said.
    pub help: Option<&'f str>,
    /// File, line and column, if it is at one place; both counted from 1.
    pub place: Option<(&'f str, usize, usize)>,
}

impl Findings {
    /// Findings in the order of the files, each once.
    pub(super) fn new(files: Files, diagnostics: Diagnostics) -> Findings {
        let mut list: Vec<Diagnostic> = Vec::new();
        for one in &diagnostics {
            // An alias that is used twice brings its problems twice.
            if !list.contains(one) {
                list.push(one.clone());
            }
        }
        list.sort_by_key(|one| one.span.map_or(usize::MAX, |span| span.start));
        Findings { files, list }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|one| one.severity == Severity::Error)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Finding<'_>> {
        self.list.iter().map(|one| Finding {
            severity: one.severity,
            message: &one.message,
            help: one.help.as_deref(),
            place: one.span.and_then(|span| {
                let (source, span) = self.files.locate(span)?;
                let (line, column) = source.line_column(span);
                Some((source.name.as_str(), line, column))
            }),
        })
    }

    /// All of them for a person, each with file, line, column and the line itself; empty when
    /// there are none.
    pub fn render(&self) -> String {
        let nowhere = Source::new(
            self.files
                .list
                .first()
                .map_or("", |(_, source)| source.name.as_str()),
            "",
        );
        let rendered: Vec<String> = self
            .list
            .iter()
            .map(|one| {
                let place = one.span.and_then(|span| self.files.locate(span));
                let mut alone = Diagnostics::new();
                alone.push(Diagnostic {
                    span: place.map(|(_, span)| span),
                    ..one.clone()
                });
                alone.render(place.map_or(&nowhere, |(source, _)| source), false)
            })
            .collect();
        rendered.join("\n\n")
    }
}
