//! YAML 1.1 as PyYAML's `safe_load` reads it.
//!
//! Invariants:
//! 1. Plain text gets the type that PyYAML's implicit resolvers give it ([`scalar`]); quoted text is text.
//! 2. Merge keys, anchors and the tags of `SafeConstructor` do what they do there; a key written twice keeps
//!    its first place and its last value; an unknown tag is refused.
//! 3. Bounded: nesting beyond [`MAX_DEPTH`] and aliases that multiply to more than [`MAX_NODES`] values are
//!    refused. Python shares what aliases repeat; here it is copied.
//!
//! Errors are of the kinds `ReaderError`, `ScannerError` (syntax), `ComposerError` and `ConstructorError`, all
//! of them YAML errors ([`is_yaml_error`]) with texts of our own; `ValueError` and its like, which PyYAML
//! lets through (`2020-13-45` is one), crash the reference.
//!
//! Grammar is left to `saphyr-parser`, which speaks YAML 1.2; [`grammar`] evens out what experiments meet.
//! Known differences that stay:
//! - U+0085, U+2028 and U+2029 break lines in 1.1 and are plain characters here.
//! - Only PyYAML refuses: a mapping key longer than 1024 characters, tabs before a key or a comment, letters
//!   beyond ASCII in anchors, an anchor defined twice, `:` and `?` in plain text inside brackets
//!   (`[http://x/?a]`), `|` and `>` at its beginning there, `...` alone, a colon without a key.
//! - Only PyYAML accepts: `-` alone or last in plain text inside brackets (`[-]`), and a comment right after a quote (`'x'#y`). `[?a]` is a mapping there.
//! - `!!set` is a list of its members, `!!omap` and `!!pairs` are lists of lists of two; bytes cannot be
//!   keys; of several errors in one document another may come first; an alias inside its own anchor is refused; `=` as the default value of a mapping that is tagged as
//!   a scalar is not looked for.

mod base64;
mod grammar;
mod moment;
mod scalar;

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, ScalarStyle, Tag};

use crate::json::MAX_DEPTH;
use crate::raised::Raised;
use crate::value::{Dict, Key, Value};

/// How many values one document may hold, what aliases repeat counted each time.
pub const MAX_NODES: usize = 1_000_000;

/// PyYAML's `safe_load`. An empty text is `None`.
///
/// # Errors
/// A YAML error ([`is_yaml_error`]), or what Python raises beyond it for a value that its type refuses:
/// `ValueError`, `KeyError`, `AttributeError`, `IndexError`, `RecursionError`.
pub fn load(text: &str) -> Result<Value, Raised> {
    if let Some(character) = text.chars().find(|&c| !is_allowed(c)) {
        let code = u32::from(character);
        let message =
            format!("unacceptable character #x{code:04x}: special characters are not allowed");
        return Err(Raised::new("ReaderError", message));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (nodes, root) = Composer::compose(text)?;
    let Some(root) = root else {
        return Ok(Value::None);
    };
    let mut constructor = Constructor {
        nodes: &nodes,
        left: MAX_NODES,
    };
    constructor.value(root, MAX_DEPTH)
}

/// Whether an exception is one of PyYAML's `YAMLError`s, which the reference reports as
/// `Failed parsing YAML experiment: ...`; any other crashes it.
pub fn is_yaml_error(raised: &Raised) -> bool {
    matches!(
        raised.kind.as_str(),
        "ReaderError" | "ScannerError" | "ComposerError" | "ConstructorError"
    )
}

/// Whether PyYAML lets a character stand in a document.
fn is_allowed(character: char) -> bool {
    matches!(character,
        '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}'
        | '\u{10000}'..)
}

/// A node of the document, with its resolved tag; children are indices into the arena.
struct Node {
    tag: Cow<'static, str>,
    content: Content,
}

enum Content {
    Scalar(String),
    Sequence(Vec<usize>),
    Mapping(Vec<(usize, usize)>),
}

impl Content {
    /// PyYAML's name of the kind of node.
    fn name(&self) -> &'static str {
        match self {
            Content::Scalar(_) => "scalar",
            Content::Sequence(_) => "sequence",
            Content::Mapping(_) => "mapping",
        }
    }
}

const BINARY: &str = "tag:yaml.org,2002:binary";
const BOOL: &str = "tag:yaml.org,2002:bool";
const FLOAT: &str = "tag:yaml.org,2002:float";
const INT: &str = "tag:yaml.org,2002:int";
const MAP: &str = "tag:yaml.org,2002:map";
const MERGE: &str = "tag:yaml.org,2002:merge";
const NULL: &str = "tag:yaml.org,2002:null";
const OMAP: &str = "tag:yaml.org,2002:omap";
const PAIRS: &str = "tag:yaml.org,2002:pairs";
const SEQ: &str = "tag:yaml.org,2002:seq";
const SET: &str = "tag:yaml.org,2002:set";
const STR: &str = "tag:yaml.org,2002:str";
const TIMESTAMP: &str = "tag:yaml.org,2002:timestamp";
const VALUE: &str = "tag:yaml.org,2002:value";

/// Makes nodes out of events.
#[derive(Default)]
struct Composer {
    nodes: Vec<Node>,
    /// The collections that are open, the innermost last: node, anchor, key that waits for its value.
    open: Vec<(usize, usize, Option<usize>)>,
    /// Nodes by the number of their anchor.
    anchors: HashMap<usize, usize>,
    root: Option<usize>,
}

impl Composer {
    fn compose(text: &str) -> Result<(Vec<Node>, Option<usize>), Raised> {
        let text = grammar::evened(text);
        let mut composer = Composer::default();
        let mut documents = 0;
        for event in grammar::events(&text) {
            let (event, at) = event?;
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        let message = format!(
                            "expected a single document in the stream, but found another one at line {at}"
                        );
                        return Err(Raised::new("ComposerError", message));
                    }
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let plain = style == ScalarStyle::Plain;
                    let tag = match tag.map(|tag| full(&tag)) {
                        None if plain => Cow::Borrowed(scalar::resolve(&text)),
                        None => Cow::Borrowed(STR),
                        Some(tag) if tag == "!" => Cow::Borrowed(scalar::resolve(&text)),
                        Some(tag) => Cow::Owned(tag),
                    };
                    let node = composer.add(tag, Content::Scalar(text.into_owned()));
                    composer.finish(node, anchor);
                }
                Event::SequenceStart(anchor, tag) => {
                    composer.start(anchor, tag, SEQ, Content::Sequence(Vec::new()))?;
                }
                Event::MappingStart(anchor, tag) => {
                    composer.start(anchor, tag, MAP, Content::Mapping(Vec::new()))?;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    if let Some((node, anchor, _)) = composer.open.pop() {
                        composer.finish(node, anchor);
                    }
                }
                Event::Alias(anchor) => {
                    let Some(&node) = composer.anchors.get(&anchor) else {
                        let message = format!(
                            "found an alias to an anchor that is undefined or not complete at line {at}"
                        );
                        return Err(Raised::new("ComposerError", message));
                    };
                    composer.attach(node);
                }
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
        }
        Ok((composer.nodes, composer.root))
    }

    fn add(&mut self, tag: Cow<'static, str>, content: Content) -> usize {
        self.nodes.push(Node { tag, content });
        self.nodes.len() - 1
    }

    fn start(
        &mut self,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
        default: &'static str,
        content: Content,
    ) -> Result<(), Raised> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep());
        }
        let tag = match tag.map(|tag| full(&tag)) {
            None => Cow::Borrowed(default),
            Some(tag) if tag == "!" => Cow::Borrowed(default),
            Some(tag) => Cow::Owned(tag),
        };
        let node = self.add(tag, content);
        self.open.push((node, anchor, None));
        Ok(())
    }

    fn finish(&mut self, node: usize, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, node);
        }
        self.attach(node);
    }

    /// Puts a complete node where it belongs.
    fn attach(&mut self, node: usize) {
        let Some((parent, _, key)) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut self.nodes[*parent].content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping(pairs) => match key.take() {
                Some(key) => pairs.push((key, node)),
                None => *key = Some(node),
            },
            Content::Scalar(_) => {}
        }
    }
}

/// The full name of a tag.
fn full(tag: &Tag) -> String {
    format!("{}{}", tag.handle, tag.suffix)
}

/// Makes values out of nodes.
struct Constructor<'a> {
    nodes: &'a [Node],
    /// How many more values may be made.
    left: usize,
}

impl Constructor<'_> {
    fn value(&mut self, node: usize, depth: usize) -> Result<Value, Raised> {
        let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
        self.count(1)?;
        let Node { tag, content } = &self.nodes[node];
        match (tag.as_ref(), content) {
            (SEQ, Content::Sequence(items)) => items
                .iter()
                .map(|&item| self.value(item, depth))
                .collect::<Result<_, _>>()
                .map(Value::List),
            (OMAP | PAIRS, Content::Sequence(items)) => items
                .iter()
                .map(|&item| self.pair(item, depth))
                .collect::<Result<_, _>>()
                .map(Value::List),
            (MAP, Content::Mapping(_)) => self.mapping(node, depth).map(Value::Dict),
            (SET, Content::Mapping(_)) => {
                let members = self.mapping(node, depth)?;
                Ok(Value::List(members.keys().map(Key::to_value).collect()))
            }
            (_, Content::Scalar(text)) if scalar::is_known(tag) => scalar::value(tag, text),
            (SEQ | OMAP | PAIRS, _) => Err(unexpected("a sequence", content)),
            (MAP | SET, _) => Err(unexpected("a mapping", content)),
            _ if scalar::is_known(tag) => Err(unexpected("a scalar", content)),
            _ => Err(broken(format!(
                "could not determine a constructor for the tag '{tag}'"
            ))),
        }
    }

    /// The single entry of a mapping, as a list of two.
    fn pair(&mut self, node: usize, depth: usize) -> Result<Value, Raised> {
        let pairs = match &self.nodes[node].content {
            Content::Mapping(pairs) => pairs,
            other => return Err(unexpected("a mapping of length 1", other)),
        };
        let &[(key, value)] = pairs.as_slice() else {
            return Err(broken(format!(
                "expected a single mapping item, but found {} items",
                pairs.len()
            )));
        };
        let pair = [self.value(key, depth)?, self.value(value, depth)?];
        Ok(Value::List(pair.into()))
    }

    fn mapping(&mut self, node: usize, depth: usize) -> Result<Dict, Raised> {
        let mut dict = Dict::new();
        for (key, value) in self.entries(node, depth)? {
            let key = match &self.nodes[key] {
                Node {
                    tag,
                    content: Content::Scalar(text),
                } if tag == VALUE => Key::Str(text.clone()),
                _ => Key::try_from(self.value(key, depth)?).map_err(|error| {
                    let Raised { message, .. } = error;
                    broken(format!("found unhashable key ({message})"))
                })?,
            };
            let value = self.value(value, depth)?;
            dict.insert(key, value);
        }
        Ok(dict)
    }

    /// The entries of a mapping, those that it merges first.
    fn entries(&mut self, node: usize, depth: usize) -> Result<Vec<(usize, usize)>, Raised> {
        let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
        let pairs = match &self.nodes[node].content {
            Content::Mapping(pairs) => pairs,
            other => return Err(unexpected("a mapping for merging", other)),
        };
        let (mut merged, mut own) = (Vec::new(), Vec::new());
        for &(key, value) in pairs {
            if self.nodes[key].tag != MERGE {
                own.push((key, value));
                continue;
            }
            match &self.nodes[value].content {
                // Of several mappings the first wins, so it comes last.
                Content::Sequence(items) => {
                    let mut parts = Vec::new();
                    for &item in items {
                        parts.push(self.entries(item, depth)?);
                    }
                    merged.extend(parts.into_iter().rev().flatten());
                }
                _ => merged.extend(self.entries(value, depth)?),
            }
        }
        self.count(1 + merged.len())?;
        merged.append(&mut own);
        Ok(merged)
    }

    fn count(&mut self, more: usize) -> Result<(), Raised> {
        let left = self.left.checked_sub(more);
        self.left = left.ok_or_else(|| {
            broken(format!(
                "the document holds more than {MAX_NODES} values, what aliases repeat counted each time"
            ))
        })?;
        Ok(())
    }
}

fn broken(message: impl Into<String>) -> Raised {
    Raised::new("ConstructorError", message)
}

fn unexpected(wanted: &str, found: &Content) -> Raised {
    broken(format!("expected {wanted}, but found {}", found.name()))
}

fn too_deep() -> Raised {
    Raised::new("RecursionError", "maximum recursion depth exceeded")
}
