//! From tokens to a path, by recursive descent; the grammar needs one token of look-ahead.

use super::lexer::{Kind, Token, tokens};
use super::{
    Comparison, Expression, Function, MAX_DEPTH, MAX_SUBSCRIPTS, Operand, Path, Query, Step,
    Subscript,
};
use crate::{Dict, Raised, Value};

/// Python refuses to read whole numbers with more digits.
const MAX_INTEGER_DIGITS: usize = 4300;

/// Indices are cut to this: no list is as long.
const MAX_INDEX: i128 = 1 << 100;

pub(super) fn parse(text: &str) -> Result<Path, Raised> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
    };
    parser.expect("$")?;
    let steps = parser.steps()?;
    match parser.peek().kind {
        Kind::End => Ok(Path { steps }),
        _ => Err(parser.peek().unexpected("the end of the path")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        // The last token is the end, and it is never taken.
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn sees(&self, mark: &'static str) -> bool {
        self.peek().kind == Kind::Mark(mark)
    }

    fn takes(&mut self, mark: &'static str) -> bool {
        let seen = self.sees(mark);
        self.at += usize::from(seen);
        seen
    }

    fn expect(&mut self, mark: &'static str) -> Result<(), Raised> {
        if self.takes(mark) {
            return Ok(());
        }
        Err(self.peek().unexpected(&format!("'{mark}'")))
    }

    /// Takes a token of a kind; its text.
    fn token(&mut self, kind: &Kind) -> Option<String> {
        let text = (self.peek().kind == *kind).then(|| self.peek().text.clone())?;
        self.at += 1;
        Some(text)
    }

    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Raised>,
    ) -> Result<T, Raised> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn steps(&mut self) -> Result<Vec<Step>, Raised> {
        let mut steps = Vec::new();
        loop {
            let descend = self.takes("..");
            let subscripts = if self.sees("[") {
                self.bracket()?
            } else if descend || self.takes(".") {
                vec![self.bareword()?]
            } else {
                return Ok(steps);
            };
            steps.push(Step {
                descend,
                subscripts,
            });
            if steps.len() > MAX_SUBSCRIPTS {
                return Err(too_deep());
            }
        }
    }

    fn bareword(&mut self) -> Result<Subscript, Raised> {
        if self.takes("*") {
            return Ok(Subscript::Wildcard);
        }
        let Some(name) = self.token(&Kind::Name) else {
            return Err(self.peek().unexpected("a name or '*'"));
        };
        if self.sees("(") {
            return self.call(&name);
        }
        Ok(Subscript::Key(name))
    }

    fn bracket(&mut self) -> Result<Vec<Subscript>, Raised> {
        self.expect("[")?;
        let mut subscripts = vec![self.nested(Self::subscript)?];
        while self.takes(",") {
            subscripts.push(self.nested(Self::subscript)?);
        }
        self.expect("]")?;
        Ok(subscripts)
    }

    fn subscript(&mut self) -> Result<Subscript, Raised> {
        if let Some(key) = self.token(&Kind::Text) {
            return Ok(Subscript::Key(key));
        }
        if self.peek().kind == Kind::Number {
            let index = self.index()?;
            if self.sees(":") {
                return self.slice(Some(index));
            }
            return Ok(Subscript::Index(index));
        }
        if self.sees(":") {
            return self.slice(None);
        }
        if self.takes("*") {
            return Ok(Subscript::Wildcard);
        }
        if self.takes("?") {
            self.expect("(")?;
            let expression = self.expression()?;
            self.expect(")")?;
            return Ok(Subscript::Filter(expression));
        }
        if let Some(name) = self.token(&Kind::Name) {
            return self.call(&name);
        }
        match self.query()? {
            Some(query) => Ok(Subscript::Query(query)),
            None => Err(self.peek().unexpected("a subscript")),
        }
    }

    /// A whole number.
    fn index(&mut self) -> Result<i128, Raised> {
        let token = self.peek().clone();
        let digits = token.text.strip_prefix('-').unwrap_or(&token.text);
        let whole = digits.bytes().all(|byte| byte.is_ascii_digit());
        if token.kind != Kind::Number || !whole || digits.len() > MAX_INTEGER_DIGITS {
            return Err(token.unexpected("a whole number"));
        }
        self.at += 1;
        let size = digits.parse::<i128>().unwrap_or(MAX_INDEX).min(MAX_INDEX);
        Ok(if digits.len() < token.text.len() {
            -size
        } else {
            size
        })
    }

    fn slice(&mut self, start: Option<i128>) -> Result<Subscript, Raised> {
        self.expect(":")?;
        let bound = |parser: &mut Self| match parser.peek().kind {
            Kind::Number => parser.index().map(Some),
            _ => Ok(None),
        };
        let end = bound(self)?;
        let step = if self.takes(":") { bound(self)? } else { None };
        Ok(Subscript::Slice { start, end, step })
    }

    fn call(&mut self, name: &str) -> Result<Subscript, Raised> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        if !self.takes(")") {
            arguments.push(self.nested(Self::operand)?);
            while self.takes(",") {
                arguments.push(self.nested(Self::operand)?);
            }
            self.expect(")")?;
        }
        let function = match name {
            "charAt" => Function::CharAt,
            "entries" => Function::Entries,
            "keys" => Function::Keys,
            "length" => Function::Length,
            "substring" => Function::Substring,
            "values" => Function::Values,
            _ => {
                let message = format!("callable subscript '{name}' not found");
                return Err(Raised::new("ValueError", message));
            }
        };
        Ok(Subscript::Call(function, arguments))
    }

    fn query(&mut self) -> Result<Option<Query>, Raised> {
        let from_root = self.takes("$");
        if !from_root && !self.takes("@") {
            return Ok(None);
        }
        let steps = self.steps()?;
        Ok(Some(Query { from_root, steps }))
    }

    fn operand(&mut self) -> Result<Operand, Raised> {
        match self.query()? {
            Some(query) => Ok(Operand::Query(query)),
            None => self.literal().map(Operand::Literal),
        }
    }

    fn expression(&mut self) -> Result<Expression, Raised> {
        let mut all = Vec::new();
        loop {
            let mut any = vec![self.nested(Self::negation)?];
            while self.takes("or") {
                any.push(self.nested(Self::negation)?);
            }
            all.push(single(any, Expression::Or));
            if !self.takes("and") {
                return Ok(single(all, Expression::And));
            }
        }
    }

    fn negation(&mut self) -> Result<Expression, Raised> {
        if self.takes("not") {
            let negated = self.nested(Self::negation)?;
            return Ok(Expression::Not(Box::new(negated)));
        }
        if self.takes("(") {
            let inner = self.expression()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let left = self.operand()?;
        let Kind::Mark(mark) = self.peek().kind else {
            return Ok(Expression::Some(left));
        };
        let comparison = match mark {
            "=" => Comparison::Equal,
            "!=" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return Ok(Expression::Some(left)),
        };
        self.at += 1;
        Ok(Expression::Compare(left, comparison, self.operand()?))
    }

    fn literal(&mut self) -> Result<Value, Raised> {
        if let Some(text) = self.token(&Kind::Text) {
            return Ok(Value::Str(text));
        }
        if self.peek().kind == Kind::Number {
            return self.number();
        }
        if self.takes("true") {
            return Ok(Value::Bool(true));
        }
        if self.takes("false") {
            return Ok(Value::Bool(false));
        }
        if self.takes("null") {
            return Ok(Value::None);
        }
        if self.takes("[") {
            return self.nested(Self::array);
        }
        if self.takes("{") {
            return self.nested(Self::object);
        }
        Err(self.peek().unexpected("a value"))
    }

    /// A number; a whole one too big for [`Value::Int`] becomes the nearest floating-point number.
    fn number(&mut self) -> Result<Value, Raised> {
        let token = self.peek().clone();
        if !token.text.contains(['.', 'e', 'E']) {
            if token.text.trim_start_matches('-').len() > MAX_INTEGER_DIGITS {
                return Err(token.unexpected("a shorter number"));
            }
            if let Ok(whole) = token.text.parse::<i128>() {
                self.at += 1;
                return Ok(Value::Int(whole));
            }
        }
        self.at += 1;
        Ok(Value::Float(token.text.parse().unwrap_or(f64::NAN)))
    }

    fn array(&mut self) -> Result<Value, Raised> {
        let mut items = Vec::new();
        if !self.takes("]") {
            items.push(self.literal()?);
            while self.takes(",") {
                items.push(self.literal()?);
            }
            self.expect("]")?;
        }
        Ok(Value::List(items))
    }

    fn object(&mut self) -> Result<Value, Raised> {
        let mut object = Dict::default();
        if !self.takes("}") {
            loop {
                let Some(key) = self.token(&Kind::Text) else {
                    return Err(self.peek().unexpected("a quoted key"));
                };
                self.expect(":")?;
                let value = self.literal()?;
                object.insert(key, value);
                if !self.takes(",") {
                    break;
                }
            }
            self.expect("}")?;
        }
        Ok(Value::Dict(object))
    }
}

fn single(mut several: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match several.pop() {
        Some(only) if several.is_empty() => only,
        last => {
            several.extend(last);
            join(several)
        }
    }
}

fn too_deep() -> Raised {
    Raised::new(
        "RecursionError",
        "maximum recursion depth exceeded in a json path",
    )
}
