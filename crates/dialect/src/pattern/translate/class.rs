//! Classes of characters in brackets, and the escapes of single characters.

use super::{Item, Translator, error, scalar};
use crate::Raised;
use crate::pattern::source::Token;

/// A class that no character is in.
pub(super) const NOTHING: &str = "[a&&b]";

/// A member of a class.
enum Member {
    One(u32, String),
    /// A whole category, such as `\d`; with the text to report it by.
    Category(String, String),
}

impl Translator {
    /// What a word is made of, as the inside of a class.
    pub(super) fn word(&self) -> &'static str {
        if self.flags.ascii {
            "0-9A-Za-z_"
        } else {
            r"\p{L}\p{N}_"
        }
    }

    /// The inside of a class for `\d`, `\s`, `\w` and their opposites.
    pub(super) fn category(&self, letter: char) -> String {
        let inside = match (letter.to_ascii_lowercase(), self.flags.ascii) {
            ('d', true) => "0-9",
            ('d', false) => r"\p{Nd}",
            ('s', true) => r"\t-\r\x{20}",
            ('s', false) => r"\s\x{1C}-\x{1F}",
            _ => self.word(),
        };
        if letter.is_ascii_uppercase() {
            format!("[^{inside}]")
        } else {
            inside.to_owned()
        }
    }

    /// A class; its opening bracket has been read.
    pub(super) fn class(&mut self) -> Result<Item, Raised> {
        let negated = self.source.takes('^')?;
        let (mut inside, mut first) = (String::new(), true);
        loop {
            let token = self.member_token()?;
            if token == Token::Plain(']') && !first {
                break;
            }
            first = false;
            let low = self.member(token)?;
            if !self.source.takes('-')? {
                inside.push_str(&match low {
                    Member::One(code, _) => range(code, code),
                    Member::Category(category, _) => category,
                });
                continue;
            }
            let token = self.member_token()?;
            if token == Token::Plain(']') {
                inside.push_str(&match low {
                    Member::One(code, _) => range(code, code),
                    Member::Category(category, _) => category,
                });
                inside.push_str(r"\-");
                break;
            }
            let high = self.member(token)?;
            let (low, low_text) = low.parts();
            let (high, high_text) = high.parts();
            match (low, high) {
                (Some(low), Some(high)) if low <= high => inside.push_str(&range(low, high)),
                _ => {
                    let message = format!("bad character range {low_text}-{high_text}");
                    return Err(error(message));
                }
            }
        }
        Ok(Item::atom(match (inside.is_empty(), negated) {
            (true, false) => NOTHING.to_owned(),
            (true, true) => r"[\x{0}-\x{10FFFF}]".to_owned(),
            (false, false) => format!("[{inside}]"),
            (false, true) => format!("[^{inside}]"),
        }))
    }

    fn member_token(&mut self) -> Result<Token, Raised> {
        let token = self.source.get()?;
        token.ok_or_else(|| error("unterminated character set"))
    }

    fn member(&mut self, token: Token) -> Result<Member, Raised> {
        let escaped = match token {
            Token::Plain(character) => {
                return Ok(Member::One(u32::from(character), character.to_string()));
            }
            Token::Escape(escaped) => escaped,
        };
        match escaped {
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => {
                Ok(Member::Category(self.category(escaped), token.text()))
            }
            'b' => Ok(Member::One(8, token.text())),
            '0'..='7' => {
                let mut digits = escaped.to_string();
                digits.push_str(&self.source.run(2, |c| c.is_digit(8))?);
                let code = u32::from_str_radix(&digits, 8).unwrap_or(u32::MAX);
                if code > 0o377 {
                    let message = format!("octal escape value \\{digits} outside of range 0-0o377");
                    return Err(error(message));
                }
                Ok(Member::One(code, format!("\\{digits}")))
            }
            '8' | '9' => Err(error(format!("bad escape \\{escaped}"))),
            _ => {
                let before = self.source.mark();
                let code = self.code(escaped)?;
                let text = self.source.since(before);
                Ok(Member::One(code, format!("\\{escaped}{text}")))
            }
        }
    }

    /// The character an escape stands for that is neither a category, a position nor a number.
    pub(super) fn code(&mut self, escaped: char) -> Result<u32, Raised> {
        let length = match escaped {
            'a' => return Ok(7),
            'f' => return Ok(0xC),
            'n' => return Ok(0xA),
            'r' => return Ok(0xD),
            't' => return Ok(9),
            'v' => return Ok(0xB),
            'x' => 2,
            'u' if !self.bytes => 4,
            'U' if !self.bytes => 8,
            'N' if !self.bytes => {
                if !self.source.takes('{')? {
                    return Err(error("missing {"));
                }
                let name = self.source.until('}', "character name")?;
                let name = crate::text::repr(&crate::Value::Str(name));
                return Err(error(format!("undefined character name {name}")));
            }
            letter if letter.is_ascii_alphabetic() => {
                return Err(error(format!("bad escape \\{letter}")));
            }
            other => return Ok(u32::from(other)),
        };
        let digits = self.source.run(length, |c| c.is_ascii_hexdigit())?;
        if digits.len() < length {
            return Err(error(format!("incomplete escape \\{escaped}{digits}")));
        }
        u32::from_str_radix(&digits, 16)
            .ok()
            .filter(|code| *code <= u32::from(char::MAX))
            .ok_or_else(|| error(format!("bad escape \\{escaped}{digits}")))
    }
}

impl Member {
    fn parts(self) -> (Option<u32>, String) {
        match self {
            Member::One(code, text) => (Some(code), text),
            Member::Category(_, text) => (None, text),
        }
    }
}

/// The inside of a class for a range; surrogates are left out.
fn range(low: u32, high: u32) -> String {
    let low = char::from_u32(low).map_or(0xE000, u32::from);
    let high = char::from_u32(high).map_or(0xD7FF, u32::from);
    if low > high {
        return String::new();
    }
    let end = |code: u32| scalar(code);
    if low == high {
        end(low)
    } else {
        format!("{}-{}", end(low), end(high))
    }
}
