//! Walking a value along a path, depth first, as lazily as the reference does.

use std::borrow::Cow;
use std::cell::Cell;
use std::cmp::Ordering;

use super::{
    Comparison, Expression, Function, MAX_DEPTH, MAX_STEPS, MAX_SUBSCRIPTS, Operand, Path, Query,
    Step, Subscript,
};
use crate::decimal::Decimal;
use crate::{Key, Raised, Value};

/// A value on the way: part of what is searched, or computed by a function.
type Found<'v> = Cow<'v, Value>;

/// Takes one match; false ends the search.
type Sink<'s, 'v> = &'s mut dyn FnMut(Cow<'v, Value>) -> Result<bool, Raised>;

pub(super) fn find<'v>(path: &Path, value: &'v Value) -> Result<Vec<Cow<'v, Value>>, Raised> {
    let search = Search {
        steps_left: Cell::new(MAX_STEPS),
        depth: Cell::new(0),
    };
    let mut found = Vec::new();
    search.walk(&path.steps, value, Cow::Borrowed(value), &mut |matched| {
        found.push(matched);
        Ok(true)
    })?;
    Ok(found)
}

struct Search {
    steps_left: Cell<usize>,
    depth: Cell<usize>,
}

impl Search {
    /// Charges some work.
    fn charge(&self, work: usize) -> Result<(), Raised> {
        let left = self.steps_left.get().checked_sub(work).ok_or_else(|| {
            Raised::new(
                "MemoryError",
                format!("a json path needs more than {MAX_STEPS} steps on this value"),
            )
        })?;
        self.steps_left.set(left);
        Ok(())
    }

    fn deeper<T>(&self, walk: impl FnOnce() -> Result<T, Raised>) -> Result<T, Raised> {
        self.depth.set(self.depth.get() + 1);
        if self.depth.get() > MAX_DEPTH + MAX_SUBSCRIPTS {
            let message = "maximum recursion depth exceeded in a json path";
            return Err(Raised::new("RecursionError", message));
        }
        let walked = walk();
        self.depth.set(self.depth.get() - 1);
        walked
    }

    /// Gives every value that `steps` lead to from `current`. False: the sink had enough.
    fn walk<'v>(
        &self,
        steps: &[Step],
        root: &'v Value,
        current: Cow<'v, Value>,
        sink: Sink<'_, 'v>,
    ) -> Result<bool, Raised> {
        self.charge(1)?;
        let Some((step, rest)) = steps.split_first() else {
            return sink(current);
        };
        self.deeper(|| {
            for subscript in &step.subscripts {
                let more = self.select(subscript, root, &current, &mut |selected| {
                    self.walk(rest, root, selected, sink)
                })?;
                if !more {
                    return Ok(false);
                }
            }
            if !step.descend {
                return Ok(true);
            }
            self.children(&current, &mut |child| self.walk(steps, root, child, sink))
        })
    }

    /// Gives what one subscript selects of `current`.
    fn select<'v>(
        &self,
        subscript: &Subscript,
        root: &'v Value,
        current: &Found<'v>,
        sink: Sink<'_, 'v>,
    ) -> Result<bool, Raised> {
        match subscript {
            Subscript::Key(key) => self.key(current, key, sink),
            Subscript::Index(index) => self.index(current, *index, sink),
            Subscript::Slice { start, end, step } => {
                let Some(length) = length(current) else {
                    return Ok(true);
                };
                for index in slice(length, *start, *end, *step)? {
                    if !self.index(current, index, sink)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Subscript::Wildcard => self.children(current, sink),
            Subscript::Filter(expression) => {
                if self.holds(expression, root, current)? {
                    if let Cow::Owned(value) = current {
                        self.charge(weight(value))?;
                    }
                    return sink(current.clone());
                }
                Ok(true)
            }
            Subscript::Query(query) => {
                // What the query finds lives as long as `current`; what it selects, as `'v`.
                self.query(query, root, current, &mut |found| match &*found {
                    Value::Str(key) => self.key(current, key, sink),
                    other => match integer(other) {
                        Some(index) => self.index(current, index, sink),
                        None => Ok(true),
                    },
                })
            }
            Subscript::Call(function, arguments) => {
                self.call(*function, arguments, root, current, sink)
            }
        }
    }

    fn query<'c>(
        &self,
        query: &Query,
        root: &'c Value,
        current: &'c Value,
        sink: Sink<'_, 'c>,
    ) -> Result<bool, Raised> {
        let start = if query.from_root { root } else { current };
        self.walk(&query.steps, root, Cow::Borrowed(start), sink)
    }

    fn key<'v>(&self, current: &Found<'v>, key: &str, sink: Sink<'_, 'v>) -> Result<bool, Raised> {
        match current {
            Cow::Borrowed(value) => match value.get(key) {
                Some(found) => sink(Cow::Borrowed(found)),
                None => Ok(true),
            },
            Cow::Owned(value) => match value.get(key) {
                Some(found) => self.copy(found, sink),
                None => Ok(true),
            },
        }
    }

    fn index<'v>(
        &self,
        current: &Found<'v>,
        index: i128,
        sink: Sink<'_, 'v>,
    ) -> Result<bool, Raised> {
        let Some(length) = length(current) else {
            return Ok(true);
        };
        let Some(at) = position(index, length) else {
            return Ok(true);
        };
        match current {
            Cow::Borrowed(Value::List(items)) => sink(Cow::Borrowed(&items[at])),
            Cow::Owned(Value::List(items)) => self.copy(&items[at], sink),
            Cow::Borrowed(Value::Bytes(bytes)) | Cow::Owned(Value::Bytes(bytes)) => {
                sink(Cow::Owned(Value::Int(i128::from(bytes[at]))))
            }
            _ => Ok(true),
        }
    }

    fn children<'v>(&self, current: &Found<'v>, sink: Sink<'_, 'v>) -> Result<bool, Raised> {
        match current {
            Cow::Borrowed(Value::Dict(dict)) => {
                for value in dict.0.values() {
                    if !sink(Cow::Borrowed(value))? {
                        return Ok(false);
                    }
                }
            }
            Cow::Owned(Value::Dict(dict)) => {
                for value in dict.0.values() {
                    if !self.copy(value, sink)? {
                        return Ok(false);
                    }
                }
            }
            sequence => {
                for index in 0..length(sequence).unwrap_or(0) {
                    if !self.index(sequence, index as i128, sink)? {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    fn copy<'v>(&self, value: &Value, sink: Sink<'_, 'v>) -> Result<bool, Raised> {
        self.charge(weight(value))?;
        sink(Cow::Owned(value.clone()))
    }

    fn holds(
        &self,
        expression: &Expression,
        root: &Value,
        current: &Value,
    ) -> Result<bool, Raised> {
        self.deeper(|| match expression {
            Expression::And(all) => {
                for one in all {
                    if !self.holds(one, root, current)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Expression::Or(any) => {
                for one in any {
                    if self.holds(one, root, current)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Expression::Not(inner) => self.holds(inner, root, current).map(|held| !held),
            Expression::Some(Operand::Literal(value)) => Ok(value.is_truthy()),
            Expression::Some(Operand::Query(query)) => self
                .query(query, root, current, &mut |_| Ok(false))
                .map(|more| !more),
            Expression::Compare(left, comparison, right) => {
                self.compares(left, *comparison, right, root, current)
            }
        })
    }

    fn compares(
        &self,
        left: &Operand,
        comparison: Comparison,
        right: &Operand,
        root: &Value,
        current: &Value,
    ) -> Result<bool, Raised> {
        let mut first = true;
        let more = self.operand(left, root, current, &mut |left| {
            // The reference reads the right path once: it is used up by the first left value.
            if !std::mem::take(&mut first) && matches!(right, Operand::Query(_)) {
                return Ok(true);
            }
            self.operand(right, root, current, &mut |right| {
                self.charge(1)?;
                Ok(!related(&left, comparison, &right))
            })
        })?;
        Ok(!more)
    }

    fn operand<'c>(
        &self,
        operand: &'c Operand,
        root: &'c Value,
        current: &'c Value,
        sink: Sink<'_, 'c>,
    ) -> Result<bool, Raised> {
        match operand {
            Operand::Query(query) => self.query(query, root, current, sink),
            Operand::Literal(value) => sink(Cow::Borrowed(value)),
        }
    }

    fn call<'v>(
        &self,
        function: Function,
        arguments: &[Operand],
        root: &Value,
        current: &Value,
        sink: Sink<'_, 'v>,
    ) -> Result<bool, Raised> {
        // All arguments are searched first; only whole numbers are of use to any function.
        let mut found = Vec::new();
        for argument in arguments {
            let mut integers = Vec::new();
            self.operand(argument, root, current, &mut |value| {
                integers.push(integer(&value));
                Ok(true)
            })?;
            found.push(integers);
        }
        match (function, current, found.as_slice()) {
            (Function::CharAt, Value::Str(text), [indices]) => {
                let characters: Vec<char> = text.chars().collect();
                self.charge(characters.len())?;
                for index in indices.iter().flatten() {
                    if let Some(at) = position(*index, characters.len()) {
                        let character = characters[at].to_string();
                        if !sink(Cow::Owned(Value::Str(character)))? {
                            return Ok(false);
                        }
                    }
                }
                Ok(true)
            }
            (Function::Substring, Value::Str(text), [starts]) => {
                self.substrings(text, starts, &[None], true, sink)
            }
            (Function::Substring, Value::Str(text), [starts, ends]) => {
                self.substrings(text, starts, ends, false, sink)
            }
            (Function::CharAt | Function::Substring, ..) => Ok(true),
            (_, _, []) => match computed(function, current) {
                Some(value) => {
                    self.charge(weight(&value))?;
                    sink(Cow::Owned(value))
                }
                None => Ok(true),
            },
            _ => Ok(true),
        }
    }

    /// Every combination of a start and an end; `open` slices have no end.
    fn substrings<'v>(
        &self,
        text: &str,
        starts: &[Option<i128>],
        ends: &[Option<i128>],
        open: bool,
        sink: Sink<'_, 'v>,
    ) -> Result<bool, Raised> {
        let characters: Vec<char> = text.chars().collect();
        for start in starts {
            for end in ends {
                self.charge(1 + characters.len())?;
                let (Some(start), true) = (start, open || end.is_some()) else {
                    continue;
                };
                let from = clamp(*start, characters.len());
                let to = end.map_or(characters.len(), |end| clamp(end, characters.len()));
                let part = characters.get(from..to).unwrap_or_default();
                if !sink(Cow::Owned(Value::Str(part.iter().collect())))? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// The length of a list or of bytes; text is no sequence here.
fn length(value: &Value) -> Option<usize> {
    match value {
        Value::List(items) => Some(items.len()),
        Value::Bytes(bytes) => Some(bytes.len()),
        _ => None,
    }
}

/// The value as a whole number, if Python says it is an `int` (a `bool` is).
fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Bool(flag) => Some(i128::from(*flag)),
        _ => None,
    }
}

/// Where an index points to, counted from the end when it is negative.
fn position(index: i128, length: usize) -> Option<usize> {
    let from_start = if index < 0 {
        index.saturating_add(length as i128)
    } else {
        index
    };
    usize::try_from(from_start).ok().filter(|at| *at < length)
}

/// A bound of a Python slice of text.
fn clamp(index: i128, length: usize) -> usize {
    let size = length as i128;
    let from_start = if index < 0 {
        index.saturating_add(size)
    } else {
        index
    };
    usize::try_from(from_start.clamp(0, size)).unwrap_or(0)
}

/// The indices of a slice that point to anything. They may be negative: the reference hands them on
/// as they are, so that they count from the end again.
fn slice(
    length: usize,
    start: Option<i128>,
    end: Option<i128>,
    step: Option<i128>,
) -> Result<impl Iterator<Item = i128>, Raised> {
    let length = length as i128;
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(Raised::new("ValueError", "range() arg 3 must not be zero"));
    }
    let first = match start {
        Some(start) if start < 0 => start + length.max(-start),
        Some(start) => start,
        None => 0,
    };
    let last = match end {
        Some(end) if end < 0 => end + length,
        Some(end) => end,
        None => length,
    };
    // Go straight to the part of the range that lies in -length..length.
    let (mut index, stop) = if step > 0 {
        (first, last.min(length))
    } else {
        let beyond = (first - (length - 1)).max(0);
        let skipped = (beyond + (-step) - 1) / -step;
        (first + skipped * step, last.max(-length - 1))
    };
    Ok(std::iter::from_fn(move || {
        let inside = if step > 0 { index < stop } else { index > stop };
        let found = index;
        index += step;
        inside.then_some(found)
    }))
}

fn related(left: &Value, comparison: Comparison, right: &Value) -> bool {
    let order = || {
        let number = |value: &Value| match value {
            Value::Int(_) | Value::Float(_) | Value::Bool(_) => Decimal::parse(value).ok(),
            _ => None,
        };
        number(left)?.partial_cmp(&number(right)?)
    };
    match comparison {
        Comparison::Equal => left == right,
        Comparison::NotEqual => left != right,
        Comparison::Less => order() == Some(Ordering::Less),
        Comparison::LessOrEqual => order().is_some_and(Ordering::is_le),
        Comparison::Greater => order() == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
    }
}

/// What a function without arguments gives.
fn computed(function: Function, current: &Value) -> Option<Value> {
    let numbered = |length: usize| (0..length).map(|index| Value::Int(index as i128));
    let pair = |key: Value, value: Value| Value::List(vec![key, value]);
    Some(match (function, current) {
        (Function::Length, Value::Str(text)) => Value::Int(text.chars().count() as i128),
        (Function::Length, sequence) => Value::Int(length(sequence)? as i128),
        (Function::Keys, Value::Dict(dict)) => {
            Value::List(dict.0.keys().map(Key::to_value).collect())
        }
        (Function::Keys, sequence) => Value::List(numbered(length(sequence)?).collect()),
        (Function::Values, Value::Dict(dict)) => Value::List(dict.0.values().cloned().collect()),
        (Function::Values, Value::List(_) | Value::Bytes(_)) => current.clone(),
        (Function::Entries, Value::Dict(dict)) => {
            let pairs = dict.0.iter();
            Value::List(pairs.map(|(k, v)| pair(k.to_value(), v.clone())).collect())
        }
        (Function::Entries, Value::List(items)) => {
            let pairs = numbered(items.len()).zip(items);
            Value::List(pairs.map(|(k, v)| pair(k, v.clone())).collect())
        }
        (Function::Entries, Value::Bytes(bytes)) => {
            let values = bytes.iter().map(|byte| Value::Int(i128::from(*byte)));
            let pairs = numbered(bytes.len()).zip(values);
            Value::List(pairs.map(|(k, v)| pair(k, v)).collect())
        }
        _ => return None,
    })
}

/// How much a copy of a value costs, in steps.
fn weight(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::Dict(dict) => 1 + dict.0.values().map(weight).sum::<usize>(),
        Value::Str(text) => 1 + text.len() / 16,
        Value::Bytes(bytes) => 1 + bytes.len() / 16,
        _ => 1,
    }
}
