//! From Python's syntax to that of `fancy-regex`, judging the pattern as Python does on the way.

mod class;
mod group;

use super::MAX_NESTING;
use super::source::{Source, Token, error};
use crate::Raised;

/// A repetition without an upper bound.
const UNBOUNDED: u64 = 4_294_967_295;

/// A translated piece of a pattern, and how many characters it matches.
#[derive(Debug, Clone)]
struct Item {
    kind: Kind,
    text: String,
    least: u64,
    most: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A position, such as `^`: it cannot be repeated.
    Position,
    Repetition,
    Look,
    /// Anything else; the text is one atom.
    Atom,
}

impl Item {
    fn atom(text: impl Into<String>) -> Item {
        Item {
            kind: Kind::Atom,
            text: text.into(),
            least: 1,
            most: 1,
        }
    }

    fn position(text: impl Into<String>) -> Item {
        Item {
            kind: Kind::Position,
            text: text.into(),
            least: 0,
            most: 0,
        }
    }
}

/// A sequence or an alternation.
#[derive(Debug, Default, Clone)]
struct Body {
    text: String,
    least: u64,
    most: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Flags {
    ignore_case: bool,
    multi_line: bool,
    dot_all: bool,
    ascii: bool,
    verbose: bool,
}

enum Failure {
    Raised(Raised),
    /// A `(?x)` was met: the pattern is read again, as a verbose one.
    Verbose,
}

impl From<Raised> for Failure {
    fn from(raised: Raised) -> Failure {
        Failure::Raised(raised)
    }
}

type Outcome<T> = Result<T, Failure>;

struct Group {
    name: Option<String>,
    /// The least and the greatest width; none while the group is open.
    width: Option<(u64, u64)>,
}

struct Translator {
    source: Source,
    bytes: bool,
    flags: Flags,
    /// Set by an inline flag `u`.
    unicode: bool,
    /// The groups from 1 on.
    groups: Vec<Group>,
    /// How many groups there were when the outermost look-behind began.
    behind: Option<usize>,
    /// Look-behinds of variable width are only reported when the syntax is right.
    variable_behind: bool,
    conditions: Vec<usize>,
    depth: usize,
}

/// Translates a pattern.
pub(super) fn translate(pattern: &str, bytes: bool) -> Result<String, Raised> {
    let attempt = |verbose: bool| {
        let mut translator = Translator {
            source: Source::new(pattern)?,
            bytes,
            flags: Flags {
                ascii: bytes,
                verbose,
                ..Flags::default()
            },
            unicode: false,
            groups: Vec::new(),
            behind: None,
            variable_behind: false,
            conditions: Vec::new(),
            depth: 0,
        };
        translator.whole()
    };
    match attempt(false) {
        Ok(text) => Ok(text),
        Err(Failure::Raised(raised)) => Err(raised),
        Err(Failure::Verbose) => attempt(true).map_err(|failure| match failure {
            Failure::Raised(raised) => raised,
            Failure::Verbose => error("the flag x was met twice"),
        }),
    }
}

impl Translator {
    fn whole(&mut self) -> Outcome<String> {
        let body = self.alternation(true)?;
        if self.source.peek().is_some() {
            return Err(error("unbalanced parenthesis").into());
        }
        if let Some(group) = self.conditions.iter().find(|g| **g > self.groups.len()) {
            return Err(error(format!("invalid group reference {group}")).into());
        }
        if self.unicode && self.flags.ascii {
            let message = "ASCII and UNICODE flags are incompatible";
            return Err(Raised::new("ValueError", message).into());
        }
        if self.variable_behind {
            return Err(error("look-behind requires fixed-width pattern").into());
        }
        Ok(if self.flags.ignore_case {
            format!("(?i:{})", body.text)
        } else {
            body.text
        })
    }

    fn alternation(&mut self, outermost: bool) -> Outcome<Body> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            let message = "maximum recursion depth exceeded";
            return Err(Raised::new("RecursionError", message).into());
        }
        let mut whole = self.sequence(outermost)?;
        while self.source.takes('|')? {
            let branch = self.sequence(false)?;
            whole.text.push('|');
            whole.text.push_str(&branch.text);
            whole.least = whole.least.min(branch.least);
            whole.most = whole.most.max(branch.most);
        }
        self.depth -= 1;
        Ok(whole)
    }

    /// Items up to the next `|`, `)` or the end. `first`: global flags may stand here.
    fn sequence(&mut self, first: bool) -> Outcome<Body> {
        let mut items: Vec<Item> = Vec::new();
        while let Some(token) = self.source.peek() {
            if matches!(token, Token::Plain('|' | ')')) {
                break;
            }
            self.source.get()?;
            if self.flags.verbose && self.skips(token)? {
                continue;
            }
            match token {
                Token::Escape(escaped) => items.push(self.escape(escaped)?),
                Token::Plain('[') => items.push(self.class()?),
                Token::Plain('.') => items.push(Item::atom(if self.flags.dot_all {
                    r"[\x{0}-\x{10FFFF}]"
                } else {
                    r"[^\n]"
                })),
                Token::Plain('^') => items.push(Item::position(if self.flags.multi_line {
                    "(?m:^)"
                } else {
                    r"\A"
                })),
                Token::Plain('$') => items.push(Item::position(if self.flags.multi_line {
                    "(?m:$)"
                } else {
                    r"(?=\n?\z)"
                })),
                Token::Plain('(') => {
                    let group = self.group(first && items.is_empty())?;
                    items.extend(group);
                }
                Token::Plain(mark @ ('*' | '+' | '?' | '{')) => match self.bounds(mark)? {
                    Some((least, most)) => {
                        let item = self.repeated(items.pop(), least, most)?;
                        items.push(item);
                    }
                    None => items.push(Item::atom(literal(mark))),
                },
                Token::Plain(character) => items.push(Item::atom(literal(character))),
            }
        }
        Ok(Body {
            text: items.iter().map(|item| item.text.as_str()).collect(),
            least: items
                .iter()
                .fold(0, |sum, item| item.least.saturating_add(sum)),
            most: items
                .iter()
                .fold(0, |sum, item| item.most.saturating_add(sum)),
        })
    }

    /// Whether a verbose pattern does not mean this token.
    fn skips(&mut self, token: Token) -> Result<bool, Raised> {
        match token {
            Token::Plain(' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}') => Ok(true),
            Token::Plain('#') => {
                while !matches!(self.source.get()?, None | Some(Token::Plain('\n'))) {}
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The bounds of a repetition; none if the brace means itself.
    fn bounds(&mut self, mark: char) -> Result<Option<(u64, u64)>, Raised> {
        match mark {
            '*' => return Ok(Some((0, UNBOUNDED))),
            '+' => return Ok(Some((1, UNBOUNDED))),
            '?' => return Ok(Some((0, 1))),
            _ => {}
        }
        if self.source.peek() == Some(Token::Plain('}')) {
            return Ok(None);
        }
        let here = self.source.mark();
        let low = self.source.run(usize::MAX, |c| c.is_ascii_digit())?;
        let high = if self.source.takes(',')? {
            self.source.run(usize::MAX, |c| c.is_ascii_digit())?
        } else {
            low.clone()
        };
        if !self.source.takes('}')? {
            self.source.back(here);
            return Ok(None);
        }
        let bound = |digits: &str, default: u64| match digits {
            "" => Ok(default),
            _ => digits
                .parse::<u64>()
                .ok()
                .filter(|bound| *bound < UNBOUNDED)
                .ok_or_else(|| Raised::new("OverflowError", "the repetition number is too large")),
        };
        let (least, most) = (bound(&low, 0)?, bound(&high, UNBOUNDED)?);
        if most < least {
            return Err(error("min repeat greater than max repeat"));
        }
        Ok(Some((least, most)))
    }

    fn repeated(&mut self, item: Option<Item>, least: u64, most: u64) -> Result<Item, Raised> {
        let Some(item) = item.filter(|item| item.kind != Kind::Position) else {
            return Err(error("nothing to repeat"));
        };
        if item.kind == Kind::Repetition {
            return Err(error("multiple repeat"));
        }
        let lazy = self.source.takes('?')?;
        let possessive = !lazy && self.source.takes('+')?;
        let text = if item.kind == Kind::Look || item.most == 0 {
            // It has no width: once is as good as often.
            match (least, lazy) {
                (0, false) => format!("(?:{}|)", item.text),
                (0, true) => format!("(?:|{})", item.text),
                _ => item.text,
            }
        } else {
            let bounds = match (least, most) {
                (0, UNBOUNDED) => "*".to_owned(),
                (1, UNBOUNDED) => "+".to_owned(),
                (0, 1) => "?".to_owned(),
                (_, UNBOUNDED) => format!("{{{least},}}"),
                _ => format!("{{{least},{most}}}"),
            };
            let text = format!("{}{bounds}{}", item.text, if lazy { "?" } else { "" });
            if possessive {
                format!("(?>{text})")
            } else {
                text
            }
        };
        Ok(Item {
            kind: Kind::Repetition,
            text,
            least: item.least.saturating_mul(least),
            most: item.most.saturating_mul(most),
        })
    }

    /// An escape outside of brackets.
    fn escape(&mut self, escaped: char) -> Result<Item, Raised> {
        let word = self.word();
        Ok(match escaped {
            'A' => Item::position(r"\A"),
            'Z' => Item::position(r"\z"),
            'b' => Item::position(format!(
                "(?:(?<=[{word}])(?![{word}])|(?<![{word}])(?=[{word}]))"
            )),
            // In Python 3.12 an empty text has no place that is no boundary.
            'B' => Item::position(format!(
                r"(?:(?<=[{word}])(?=[{word}])|(?<![{word}])(?![{word}])(?!\A\z))"
            )),
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => {
                Item::atom(format!("[{}]", self.category(escaped)))
            }
            '1'..='9' => return self.reference(escaped),
            '0' => {
                let digits = self.source.run(2, |c| c.is_digit(8))?;
                let code = u32::from_str_radix(&digits, 8).unwrap_or(0);
                Item::atom(scalar(code))
            }
            _ => Item::atom(scalar(self.code(escaped)?)),
        })
    }

    /// `\1`, or an octal escape of three digits.
    fn reference(&mut self, first: char) -> Result<Item, Raised> {
        let mut digits = first.to_string();
        if let Some(second) = self.source.peek_plain().filter(char::is_ascii_digit) {
            self.source.get()?;
            digits.push(second);
            let octal = digits.chars().all(|c| c.is_digit(8));
            let third = self.source.peek_plain().filter(|c| c.is_digit(8));
            if let (true, Some(third)) = (octal, third) {
                self.source.get()?;
                digits.push(third);
                let code = u32::from_str_radix(&digits, 8).unwrap_or(u32::MAX);
                if code > 0o377 {
                    let message = format!("octal escape value \\{digits} outside of range 0-0o377");
                    return Err(error(message));
                }
                return Ok(Item::atom(scalar(code)));
            }
        }
        let group: usize = digits.parse().unwrap_or(0);
        if group > self.groups.len() {
            return Err(error(format!("invalid group reference {group}")));
        }
        self.back_reference(group)
    }

    fn back_reference(&self, group: usize) -> Result<Item, Raised> {
        let (least, most) = self.closed(group)?;
        Ok(Item {
            kind: Kind::Atom,
            text: format!("(?:\\{group})"),
            least,
            most,
        })
    }

    /// The width of a group that may be referred to here.
    fn closed(&self, group: usize) -> Result<(u64, u64), Raised> {
        let width = self
            .groups
            .get(group.wrapping_sub(1))
            .and_then(|group| group.width);
        let Some(width) = width else {
            return Err(error("cannot refer to an open group"));
        };
        if self.behind.is_some_and(|groups| group > groups) {
            let message = "cannot refer to group defined in the same lookbehind subpattern";
            return Err(error(message));
        }
        Ok(width)
    }
}

/// One character that means itself.
fn literal(character: char) -> String {
    if character.is_ascii_alphanumeric() {
        character.to_string()
    } else {
        format!("\\x{{{:X}}}", u32::from(character))
    }
}

/// A character by its number; a surrogate matches nothing.
fn scalar(code: u32) -> String {
    match char::from_u32(code) {
        Some(character) => literal(character),
        None => class::NOTHING.to_owned(),
    }
}
