//! Groups, look-around, conditionals and inline flags: everything that starts with a parenthesis.

use super::{Body, Failure, Flags, Group, Item, Kind, Outcome, Translator, class, error};
use crate::pattern::source::Token;
use crate::{Raised, Value, text};

impl Translator {
    /// Reads behind an opening parenthesis. `first`: global flags may stand here.
    pub(super) fn group(&mut self, first: bool) -> Outcome<Option<Item>> {
        if !self.source.takes('?')? {
            return self.capture(None).map(Some);
        }
        let end = || Failure::from(error("unexpected end of pattern"));
        let token = self.source.get()?.ok_or_else(end)?;
        match token.plain() {
            Some('P') => {
                if self.source.takes('<')? {
                    let name = self.source.until('>', "group name")?;
                    self.check_name(&name)?;
                    return self.capture(Some(name)).map(Some);
                }
                if self.source.takes('=')? {
                    let name = self.source.until(')', "group name")?;
                    self.check_name(&name)?;
                    let group = self.named(&name)?;
                    return Ok(Some(self.back_reference(group)?));
                }
                let token = self.source.get()?.ok_or_else(end)?;
                Err(error(format!("unknown extension ?P{}", token.text())).into())
            }
            Some(':') => self.scoped(self.flags).map(Some),
            Some('#') => loop {
                match self.source.get()? {
                    None => return Err(error("missing ), unterminated comment").into()),
                    Some(Token::Plain(')')) => return Ok(None),
                    Some(_) => {}
                }
            },
            Some('=') => self.look("(?=", false).map(Some),
            Some('!') => self.look("(?!", false).map(Some),
            Some('<') => {
                let token = self.source.get()?.ok_or_else(end)?;
                match token.plain() {
                    Some('=') => self.look("(?<=", true).map(Some),
                    Some('!') => self.look("(?<!", true).map(Some),
                    _ => Err(error(format!("unknown extension ?<{}", token.text())).into()),
                }
            }
            Some('(') => self.conditional().map(Some),
            Some('>') => {
                let body = self.closed_body()?;
                let text = format!("(?>{})", body.text);
                Ok(Some(atom(text, &body)))
            }
            Some(mark @ ('-' | 'i' | 'L' | 'm' | 's' | 'x' | 'a' | 'u' | 't')) => {
                match self.inline_flags(mark)? {
                    Some(flags) => self.scoped(flags).map(Some),
                    None if first => Ok(None),
                    None => {
                        let message = "global flags not at the start of the expression";
                        Err(error(message).into())
                    }
                }
            }
            _ => Err(error(format!("unknown extension ?{}", token.text())).into()),
        }
    }

    /// An alternation and its closing parenthesis.
    fn closed_body(&mut self) -> Outcome<Body> {
        let body = self.alternation(false)?;
        if !self.source.takes(')')? {
            return Err(error("missing ), unterminated subpattern").into());
        }
        Ok(body)
    }

    fn capture(&mut self, name: Option<String>) -> Outcome<Item> {
        let group = self.groups.len() + 1;
        if let Some(name) = &name {
            let earlier = |other: &Group| other.name.as_ref() == Some(name);
            if let Some(was) = self.groups.iter().position(earlier) {
                let message = format!(
                    "redefinition of group name {} as group {group}; was group {}",
                    quoted(name),
                    was + 1
                );
                return Err(error(message).into());
            }
        }
        self.groups.push(Group { name, width: None });
        let body = self.closed_body()?;
        self.groups[group - 1].width = Some((body.least, body.most));
        Ok(atom(format!("({})", body.text), &body))
    }

    /// A group that does not capture, read with its own flags.
    fn scoped(&mut self, flags: Flags) -> Outcome<Item> {
        let outer = std::mem::replace(&mut self.flags, flags);
        let body = self.closed_body()?;
        self.flags = outer;
        let open = match (outer.ignore_case, flags.ignore_case) {
            (false, true) => "(?i:",
            (true, false) => "(?-i:",
            _ => "(?:",
        };
        Ok(atom(format!("{open}{})", body.text), &body))
    }

    fn look(&mut self, open: &str, behind: bool) -> Outcome<Item> {
        let outer = self.behind;
        if behind && outer.is_none() {
            self.behind = Some(self.groups.len());
        }
        let body = self.closed_body()?;
        self.behind = outer;
        self.variable_behind |= behind && body.least != body.most;
        let text = match (open, body.text.is_empty()) {
            ("(?!" | "(?<!", true) => class::NOTHING.to_owned(),
            (_, true) => "(?:)".to_owned(),
            _ => format!("{open}{})", body.text),
        };
        Ok(Item {
            kind: Kind::Look,
            text,
            least: 0,
            most: 0,
        })
    }

    fn conditional(&mut self) -> Outcome<Item> {
        let name = self.source.until(')', "group name")?;
        let group = if is_identifier(&name) {
            self.check_name(&name)?;
            self.named(&name)?
        } else {
            if !name.bytes().all(|byte| byte.is_ascii_digit()) {
                let message = format!("bad character in group name {}", quoted(&name));
                return Err(error(message).into());
            }
            let group = name.parse::<usize>().unwrap_or(usize::MAX);
            if group == 0 {
                return Err(error("bad group number").into());
            }
            if group >= MAX_GROUPS {
                return Err(error(format!("invalid group reference {name}")).into());
            }
            self.conditions.push(group);
            group
        };
        if self.behind.is_some() {
            self.closed(group)?;
        }
        let yes = self.sequence(false)?;
        let no = if self.source.takes('|')? {
            let no = self.sequence(false)?;
            if self.source.peek() == Some(Token::Plain('|')) {
                let message = "conditional backref with more than two branches";
                return Err(error(message).into());
            }
            no
        } else {
            Body::default()
        };
        if !self.source.takes(')')? {
            return Err(error("missing ), unterminated subpattern").into());
        }
        Ok(Item {
            kind: Kind::Atom,
            text: format!("(?:(?({group})(?:{})|(?:{})))", yes.text, no.text),
            least: yes.least.min(no.least),
            most: yes.most.max(no.most),
        })
    }

    fn check_name(&self, name: &str) -> Result<(), Raised> {
        if is_identifier(name) && (name.is_ascii() || !self.bytes) {
            return Ok(());
        }
        Err(error(format!(
            "bad character in group name {}",
            quoted(name)
        )))
    }

    /// The number of a group.
    fn named(&self, name: &str) -> Result<usize, Raised> {
        self.groups
            .iter()
            .position(|group| group.name.as_deref() == Some(name))
            .map(|at| at + 1)
            .ok_or_else(|| error(format!("unknown group name {}", quoted(name))))
    }

    /// Flags behind `(?`: those of a scoped group, or none if they were global.
    fn inline_flags(&mut self, mark: char) -> Outcome<Option<Flags>> {
        let known = |character: char| "iLmsxaut".contains(character);
        let bad = |mark: char, expected: &str| {
            Failure::from(error(if mark.is_alphabetic() {
                "unknown flag"
            } else {
                expected
            }))
        };
        let (mut add, mut remove) = (String::new(), String::new());
        let mut mark = mark;
        if mark != '-' {
            loop {
                self.check_type_flag(mark, &add)?;
                add.push(mark);
                let expected = "missing -, : or )";
                let token = self.source.get()?.ok_or_else(|| error(expected))?;
                mark = token.plain().ok_or_else(|| error(expected))?;
                if matches!(mark, ')' | '-' | ':') {
                    break;
                }
                if !known(mark) {
                    return Err(bad(mark, expected));
                }
            }
        }
        if mark == ')' {
            if add.contains('x') && !self.flags.verbose {
                return Err(Failure::Verbose);
            }
            self.unicode |= add.contains('u');
            self.flags.turn(&add, true);
            return Ok(None);
        }
        if mark == '-' {
            let mut expected = "missing flag";
            loop {
                let token = self.source.get()?.ok_or_else(|| error(expected))?;
                mark = token.plain().ok_or_else(|| error(expected))?;
                if mark == ':' && !remove.is_empty() {
                    break;
                }
                if !known(mark) {
                    return Err(bad(mark, expected));
                }
                if matches!(mark, 'a' | 'u' | 'L') {
                    let message = "bad inline flags: cannot turn off flags 'a', 'u' and 'L'";
                    return Err(error(message).into());
                }
                remove.push(mark);
                expected = "missing :";
            }
        }
        if add.contains(|mark| remove.contains(mark)) {
            return Err(error("bad inline flags: flag turned on and off").into());
        }
        let mut flags = self.flags;
        if add.contains('u') {
            flags.ascii = false;
        }
        flags.turn(&add, true);
        flags.turn(&remove, false);
        Ok(Some(flags))
    }

    fn check_type_flag(&self, mark: char, before: &str) -> Result<(), Raised> {
        let message = match (mark, self.bytes) {
            ('L', false) => "bad inline flags: cannot use 'L' flag with a str pattern",
            ('u', true) => "bad inline flags: cannot use 'u' flag with a bytes pattern",
            ('a' | 'u' | 'L', _)
                if before.contains(|c| matches!(c, 'a' | 'u' | 'L') && c != mark) =>
            {
                "bad inline flags: flags 'a', 'u' and 'L' are incompatible"
            }
            _ => return Ok(()),
        };
        Err(error(message))
    }
}

/// Python has no groups with greater numbers.
const MAX_GROUPS: usize = 1_073_741_823;

impl Flags {
    fn turn(&mut self, marks: &str, on: bool) {
        for mark in marks.chars() {
            match mark {
                'i' => self.ignore_case = on,
                'm' => self.multi_line = on,
                's' => self.dot_all = on,
                'x' => self.verbose = on,
                'a' => self.ascii = on,
                _ => {}
            }
        }
    }
}

fn atom(text: String, body: &Body) -> Item {
    Item {
        kind: Kind::Atom,
        text,
        least: body.least,
        most: body.most,
    }
}

fn is_identifier(name: &str) -> bool {
    let start = |c: char| c == '_' || c.is_alphabetic();
    name.starts_with(start) && name.chars().all(|c| start(c) || c.is_numeric())
}

/// As Python's `repr` writes it.
fn quoted(name: &str) -> String {
    text::repr(&Value::Str(name.to_owned()))
}
