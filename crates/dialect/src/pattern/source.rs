//! The text of a pattern, one character or escape at a time, with one of them looked at in advance.

use crate::Raised;

pub(super) fn error(message: impl Into<String>) -> Raised {
    Raised::new("error", message)
}

/// A position in a pattern.
#[derive(Debug)]
pub(super) struct Source {
    characters: Vec<char>,
    /// Behind `next`.
    at: usize,
    next: Option<Token>,
}

/// A character, or a backslash and the character it escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Plain(char),
    Escape(char),
}

impl Token {
    pub fn text(self) -> String {
        match self {
            Token::Plain(character) => character.to_string(),
            Token::Escape(character) => format!("\\{character}"),
        }
    }

    pub fn plain(self) -> Option<char> {
        match self {
            Token::Plain(character) => Some(character),
            Token::Escape(_) => None,
        }
    }
}

impl Source {
    pub fn new(pattern: &str) -> Result<Source, Raised> {
        let mut source = Source {
            characters: pattern.chars().collect(),
            at: 0,
            next: None,
        };
        source.advance()?;
        Ok(source)
    }

    fn advance(&mut self) -> Result<(), Raised> {
        let mut read = || {
            let read = self.characters.get(self.at).copied();
            self.at += usize::from(read.is_some());
            read
        };
        self.next = match read() {
            Some('\\') => match read() {
                Some(escaped) => Some(Token::Escape(escaped)),
                None => return Err(error("bad escape (end of pattern)")),
            },
            other => other.map(Token::Plain),
        };
        Ok(())
    }

    pub fn peek(&self) -> Option<Token> {
        self.next
    }

    /// The next character if it is a plain one.
    pub fn peek_plain(&self) -> Option<char> {
        self.next.and_then(Token::plain)
    }

    pub fn get(&mut self) -> Result<Option<Token>, Raised> {
        let token = self.next;
        self.advance()?;
        Ok(token)
    }

    pub fn takes(&mut self, character: char) -> Result<bool, Raised> {
        let seen = self.next == Some(Token::Plain(character));
        if seen {
            self.advance()?;
        }
        Ok(seen)
    }

    /// Up to `most` plain characters that fit.
    pub fn run(&mut self, most: usize, fits: impl Fn(char) -> bool) -> Result<String, Raised> {
        let mut run = String::new();
        for _ in 0..most {
            match self.peek_plain().filter(|character| fits(*character)) {
                Some(character) => run.push(character),
                None => break,
            }
            self.advance()?;
        }
        Ok(run)
    }

    /// Everything up to a terminator, which is taken too.
    pub fn until(&mut self, terminator: char, what: &str) -> Result<String, Raised> {
        let mut text = String::new();
        loop {
            match self.get()? {
                None if text.is_empty() => return Err(error(format!("missing {what}"))),
                None => {
                    let message = format!("missing {terminator}, unterminated name");
                    return Err(error(message));
                }
                Some(Token::Plain(end)) if end == terminator => {
                    if text.is_empty() {
                        return Err(error(format!("missing {what}")));
                    }
                    return Ok(text);
                }
                Some(token) => text.push_str(&token.text()),
            }
        }
    }

    /// The characters read since a mark.
    pub fn since(&self, mark: (usize, Option<Token>)) -> String {
        let behind = |(at, next): (usize, Option<Token>)| {
            at - next.map_or(0, |token| token.text().chars().count())
        };
        let range = behind(mark)..behind(self.mark());
        self.characters
            .get(range)
            .unwrap_or_default()
            .iter()
            .collect()
    }

    /// A place to come back to.
    pub fn mark(&self) -> (usize, Option<Token>) {
        (self.at, self.next)
    }

    pub fn back(&mut self, mark: (usize, Option<Token>)) {
        (self.at, self.next) = mark;
    }
}
