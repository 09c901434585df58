//! YAML: text to tree.
//!
//! YAML 1.2 with the core schema, of which JSON is a subset, plus the merge key `<<` of YAML 1.1,
//! because Compose files use it. Stricter than YAML where leniency hides mistakes: a key may occur
//! once, a file is one document, and tags other than the core schema's are refused.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput, Tag};

use crate::{Data, Diagnostics, Entry, Node, Source, Span};

/// Longest text that is parsed, in bytes.
pub const SOURCE_BYTES_MAX: usize = 8 << 20;

/// Deepest nesting of lists and maps, aliases expanded.
pub const DEPTH_MAX: usize = 64;

/// Most values in one document, aliases expanded.
pub const NODES_MAX: usize = 100_000;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Parses one document.
///
/// # Errors
/// Everything found wrong: malformed YAML ends the search, repeated keys and unknown tags do not.
pub fn parse(source: &Source) -> Result<Node, Diagnostics> {
    let mut diagnostics = Diagnostics::new();
    if source.text.len() > SOURCE_BYTES_MAX {
        diagnostics.error(
            Span::default(),
            format!("the document is larger than {SOURCE_BYTES_MAX} bytes"),
        );
        return Err(diagnostics);
    }
    if let Some(start) = source.text.find('\0') {
        let span = Span {
            start,
            end: start + 1,
        };
        diagnostics.error(span, "the document contains a NUL character");
        return Err(diagnostics);
    }
    let mut builder = Builder::new(&source.text);
    match builder.document() {
        Ok(node) if builder.diagnostics.is_empty() => Ok(node),
        _ => {
            builder.diagnostics.sort();
            Err(builder.diagnostics)
        }
    }
}

/// The search for problems cannot go on; the reason is among the diagnostics.
struct Stop;

struct Builder<'s> {
    parser: Parser<'s, StrInput<'s>>,
    /// Byte offset of each character, and of the end: the parser counts characters.
    offsets: Vec<usize>,
    anchors: HashMap<usize, Anchor>,
    nodes: usize,
    diagnostics: Diagnostics,
}

#[derive(Clone)]
struct Anchor {
    node: Node,
    nodes: usize,
    height: usize,
}

impl<'s> Builder<'s> {
    fn new(text: &'s str) -> Builder<'s> {
        let body = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let skipped = text.len() - body.len();
        let offsets = body
            .char_indices()
            .map(|(offset, _)| skipped + offset)
            .chain([text.len()])
            .collect();
        Builder {
            parser: Parser::new_from_str(body),
            offsets,
            anchors: HashMap::new(),
            nodes: 0,
            diagnostics: Diagnostics::new(),
        }
    }

    fn document(&mut self) -> Result<Node, Stop> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
                Event::DocumentStart(_) if root.is_some() => {
                    self.diagnostics
                        .error(span, "a second document begins here")
                        .help("write one document per file");
                    return Err(Stop);
                }
                Event::DocumentStart(_) => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, span, 0)?);
                }
                Event::StreamEnd => break,
                _ => return Err(self.stop(span, "malformed YAML: a value outside of a document")),
            }
        }
        root.map_or_else(
            || Err(self.stop(Span::default(), "the document is empty")),
            Ok,
        )
    }

    fn node(&mut self, event: Event<'s>, span: Span, depth: usize) -> Result<Node, Stop> {
        if depth > DEPTH_MAX {
            let message = format!("nested more than {DEPTH_MAX} levels deep");
            return Err(self.stop(span, message));
        }
        if let Event::Alias(anchor) = event {
            return self.alias(anchor, span, depth);
        }
        let nodes_before = self.nodes;
        self.count(1, span)?;
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let data = self.scalar(&text, style, tag.as_deref(), span);
                (Node { span, data }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", span);
                (self.list(span, depth)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", span);
                (self.map(span, depth)?, anchor)
            }
            _ => return Err(self.stop(span, "malformed YAML: a value is missing")),
        };
        if anchor != 0 {
            let anchored = Anchor {
                nodes: self.nodes - nodes_before,
                height: height(&node),
                node: node.clone(),
            };
            self.anchors.insert(anchor, anchored);
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, span: Span, depth: usize) -> Result<Node, Stop> {
        let Some(anchored) = self.anchors.get(&anchor).cloned() else {
            return Err(self.stop(span, "an alias inside of its own anchor has no end"));
        };
        if depth + anchored.height > DEPTH_MAX {
            let message = format!("this alias nests more than {DEPTH_MAX} levels deep");
            return Err(self.stop(span, message));
        }
        self.count(anchored.nodes, span)?;
        Ok(anchored.node)
    }

    fn list(&mut self, start: Span, depth: usize) -> Result<Node, Stop> {
        let mut items: Vec<Node> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                let last = items.last().map(|item| item.span);
                let span = enclosing(start, last, span);
                let data = Data::List(items);
                return Ok(Node { span, data });
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    fn map(&mut self, start: Span, depth: usize) -> Result<Node, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = HashSet::new();
        let mut merged = Vec::new();
        let mut last = None;
        loop {
            let (event, key_span) = self.next()?;
            if event == Event::MappingEnd {
                let span = enclosing(start, last, key_span);
                merge(&mut entries, &mut seen, merged);
                let data = Data::Map(entries);
                return Ok(Node { span, data });
            }
            let (key, style) = self.key(event, key_span)?;
            let (event, value_span) = self.next()?;
            let mut value = self.node(event, value_span, depth + 1)?;
            if value.data == Data::Null && value.span.start == value.span.end {
                value.span = key_span;
            }
            last = Some(Span {
                start: key_span.start,
                end: value_span.end.max(value.span.end).max(key_span.end),
            });
            if !seen.insert(key.clone()) {
                self.diagnostics
                    .error(key_span, format!("the key `{key}` occurs a second time"))
                    .help("keep one of them");
            } else if key == "<<" && style == ScalarStyle::Plain {
                self.merge_sources(value, &mut merged);
            } else {
                entries.push(Entry {
                    key,
                    key_span,
                    value,
                });
            }
        }
    }

    fn key(&mut self, event: Event<'s>, span: Span) -> Result<(String, ScalarStyle), Stop> {
        match event {
            Event::Scalar(text, style, _, None)
                if !text.is_empty() || style != ScalarStyle::Plain =>
            {
                Ok((text.into_owned(), style))
            }
            Event::Scalar(..) => Err(self.stop(span, "a key is missing here")),
            Event::Alias(_) => Err(self.stop(span, "an alias cannot be a key")),
            _ => {
                let stop = self.stop(span, "a list or a map cannot be a key");
                Err(stop)
            }
        }
    }

    fn merge_sources(&mut self, value: Node, merged: &mut Vec<Entry>) {
        let span = value.span;
        let maps = match value.data {
            Data::List(items) => items,
            _ => vec![value],
        };
        for map in maps {
            match map.data {
                Data::Map(entries) => merged.extend(entries),
                _ => {
                    self.diagnostics.error(
                        span,
                        format!("`<<` merges maps only, found {}", map.kind_name()),
                    );
                }
            }
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Data {
        let plain = match tag {
            None => style == ScalarStyle::Plain,
            Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => false,
            Some(tag)
                if tag.is_yaml_core_schema()
                    && ["int", "float", "bool", "null"].contains(&tag.suffix.as_str()) =>
            {
                true
            }
            Some(tag) => {
                self.unknown_tag(tag, span);
                false
            }
        };
        if !plain {
            return Data::Text(text.to_owned());
        }
        match resolve(text) {
            Ok(data) => data,
            Err(TooLarge) => {
                self.diagnostics
                    .error(span, format!("the number {text} is too large"))
                    .help("write it in quotes, as text, if it is a name or an identity");
                Data::Null
            }
        }
    }

    fn collection_tag(&mut self, tag: Option<&Tag>, expected: &str, span: Span) {
        if let Some(tag) = tag
            && !(tag.is_yaml_core_schema() && tag.suffix == expected)
        {
            self.unknown_tag(tag, span);
        }
    }

    fn unknown_tag(&mut self, tag: &Tag, span: Span) {
        self.diagnostics
            .error(span, format!("the tag `{tag}` is not supported"));
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Stop> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            let message = format!("the document has more than {NODES_MAX} values");
            return Err(self.stop(span, message));
        }
        Ok(())
    }

    fn next(&mut self) -> Result<(Event<'s>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.span(span))),
            Some(Err(error)) => Err(self.malformed(&error)),
            None => Err(self.stop(Span::default(), "malformed YAML: the document has no end")),
        }
    }

    fn malformed(&mut self, error: &ScanError) -> Stop {
        let at = self.offset(error.marker().index());
        let problem = self.diagnostics.error(
            Span { start: at, end: at },
            format!("malformed YAML: {}", error.info()),
        );
        if error.info().contains("Unicode") {
            problem
                .help("write the character itself: YAML has no pairs of \\u escapes as JSON has");
        }
        Stop
    }

    fn stop(&mut self, span: Span, message: impl Into<String>) -> Stop {
        self.diagnostics.error(span, message);
        Stop
    }

    fn span(&self, span: saphyr_parser::Span) -> Span {
        let start = self.offset(span.start.index());
        let end = self.offset(span.end.index()).max(start);
        Span { start, end }
    }

    fn offset(&self, character: usize) -> usize {
        let last = self.offsets.len() - 1;
        self.offsets[character.min(last)]
    }
}

/// A block collection ends with its last child; a flow collection with its bracket.
fn enclosing(start: Span, last: Option<Span>, end: Span) -> Span {
    let children = last.map_or(start.end, |last| last.end);
    let bracket = if end.end > end.start { end.end } else { 0 };
    Span {
        start: start.start,
        end: children.max(bracket),
    }
}

/// Adds merged entries: keys of the map itself win, then earlier sources.
fn merge(entries: &mut Vec<Entry>, seen: &mut HashSet<String>, merged: Vec<Entry>) {
    for entry in merged {
        if seen.insert(entry.key.clone()) {
            entries.push(entry);
        }
    }
}

fn height(node: &Node) -> usize {
    let items = node.items().iter();
    let values = node.entries().iter().map(|entry| &entry.value);
    items
        .chain(values)
        .map(|child| height(child) + 1)
        .max()
        .unwrap_or(0)
}

struct TooLarge;

/// A plain scalar's value by YAML 1.2's core schema.
fn resolve(text: &str) -> Result<Data, TooLarge> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Data::Null),
        "true" | "True" | "TRUE" => return Ok(Data::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Data::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Ok(Data::Float(f64::NAN)),
        _ => {}
    }
    let (negative, unsigned) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if [".inf", ".Inf", ".INF"].contains(&unsigned) {
        let sign = if negative { -1.0 } else { 1.0 };
        return Ok(Data::Float(sign * f64::INFINITY));
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|digit| digit.is_digit(radix))
        {
            let value = i64::from_str_radix(digits, radix).map_err(|_| TooLarge)?;
            return Ok(Data::Int(value));
        }
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map(Data::Int).map_err(|_| TooLarge);
    }
    let numeric = unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && unsigned.contains(|digit: char| digit.is_ascii_digit());
    match text.parse::<f64>() {
        Ok(value) if numeric && value.is_finite() => Ok(Data::Float(value)),
        Ok(_) if numeric => Err(TooLarge),
        _ => Ok(Data::Text(text.to_owned())),
    }
}
