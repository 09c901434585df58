//! Values: what Python's `yaml.safe_load` and `json.loads` can give, and what experiments are made of.
//!
//! Invariants:
//! 1. `==` is Python's: numbers of different types compare by their exact value, mappings compare without
//!    regard to order, NaN equals nothing.
//! 2. One mapping holds a key once; `1`, `1.0` and `True` are one key. Writing a key again keeps its place
//!    and its first spelling.
//!
//! Three shapes of Python have no variant here: a tuple is a [`Value::List`], a set is a [`Value::List`] of
//! its members, and a whole number beyond 128 bits is the nearest [`Value::Float`]. Two moments with
//! different offsets are different values here even when they are the same instant.
//!
//! Reading is left to [`crate::json`] and [`crate::yaml`], writing to [`crate::json`] and [`crate::text`].

mod conversion;

use std::hash::{Hash, Hasher};

use indexmap::{Equivalent, IndexMap};

use crate::raised::Raised;
use crate::text;

/// One value. Equality is Python's: `1 == True == 1.0`.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// `None`.
    #[default]
    None,
    /// `True` and `False`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A floating-point number, also NaN and the infinities.
    Float(f64),
    /// Text.
    Str(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A date or a time, as `isoformat()` writes it.
    Date(String),
    /// A list.
    List(Vec<Value>),
    /// A mapping, in the order of insertion.
    Dict(Dict),
}

impl Value {
    /// Python's `bool(value)`: `None`, zero and everything empty is false.
    pub fn is_truthy(&self) -> bool {
        match self {
            Value::None => false,
            Value::Bool(flag) => *flag,
            Value::Int(number) => *number != 0,
            Value::Float(number) => *number != 0.0,
            Value::Str(text) => !text.is_empty(),
            Value::Bytes(bytes) => !bytes.is_empty(),
            Value::Date(_) => true,
            Value::List(items) => !items.is_empty(),
            Value::Dict(dict) => !dict.is_empty(),
        }
    }

    /// Whether this is `None`.
    pub fn is_none(&self) -> bool {
        matches!(self, Value::None)
    }

    /// The text of a `str`.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The mapping of a `dict`.
    pub fn as_dict(&self) -> Option<&Dict> {
        match self {
            Value::Dict(dict) => Some(dict),
            _ => None,
        }
    }

    /// The mapping of a `dict`, to change it.
    pub fn as_dict_mut(&mut self) -> Option<&mut Dict> {
        match self {
            Value::Dict(dict) => Some(dict),
            _ => None,
        }
    }

    /// The items of a `list`.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The items of a `list`, to change them.
    pub fn as_list_mut(&mut self) -> Option<&mut Vec<Value>> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The flag of a `bool`; a number is none.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// The number of an `int`; a `bool` or a `float` is none.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The number of an `int`, a `float` or a `bool`, to the nearest float.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
            Value::Int(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// What a `dict` holds under a name; nothing for every other type.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_dict()?.get(key)
    }

    /// Python's name of the type: `NoneType`, `str`, `dict`, `datetime`, ...
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::None => "NoneType",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Str(_) => "str",
            Value::Bytes(_) => "bytes",
            Value::Date(moment) if moment.contains('T') => "datetime",
            Value::Date(_) => "date",
            Value::List(_) => "list",
            Value::Dict(_) => "dict",
        }
    }

    /// The value for our own protocols: dates and other keys than text as JSON text, bytes as lossy text,
    /// NaN and the infinities as null. For what the reference writes see [`crate::json::dump`].
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::{Number, Value as Json};
        match self {
            Value::None => Json::Null,
            Value::Bool(flag) => Json::Bool(*flag),
            Value::Int(number) => match (i64::try_from(*number), u64::try_from(*number)) {
                (Ok(number), _) => Json::from(number),
                (_, Ok(number)) => Json::from(number),
                _ => Number::from_f64(*number as f64).map_or(Json::Null, Json::Number),
            },
            Value::Float(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
            Value::Str(text) | Value::Date(text) => Json::String(text.clone()),
            Value::Bytes(bytes) => Json::String(String::from_utf8_lossy(bytes).into_owned()),
            Value::List(items) => Json::Array(items.iter().map(Value::to_json).collect()),
            Value::Dict(dict) => Json::Object(
                dict.iter()
                    .map(|(key, value)| (key.to_json_name(), value.to_json()))
                    .collect(),
            ),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::None, Value::None) => true,
            (Value::Str(left), Value::Str(right)) => left == right,
            (Value::Bytes(left), Value::Bytes(right)) => left == right,
            (Value::Date(left), Value::Date(right)) => left == right,
            (Value::List(left), Value::List(right)) => left == right,
            (Value::Dict(left), Value::Dict(right)) => left == right,
            _ => match (Number::of(self), Number::of(other)) {
                (Some(left), Some(right)) => left == right,
                _ => false,
            },
        }
    }
}

/// A number by its exact value: whole where it is whole and fits.
#[derive(PartialEq)]
enum Number {
    Whole(i128),
    Other(f64),
}

impl Number {
    fn of(value: &Value) -> Option<Number> {
        match value {
            Value::Bool(flag) => Some(Number::Whole(i128::from(*flag))),
            Value::Int(number) => Some(Number::Whole(*number)),
            Value::Float(number) => Some(Number::of_float(*number)),
            _ => None,
        }
    }

    fn of_float(number: f64) -> Number {
        // 2^127 is the first float beyond the range; below it the conversion of a whole float is exact.
        let bound = 2f64.powi(127);
        if number.fract() == 0.0 && number >= -bound && number < bound {
            Number::Whole(number as i128)
        } else {
            Number::Other(number)
        }
    }
}

/// A key of a mapping.
#[derive(Debug, Clone)]
pub enum Key {
    /// `None`.
    None,
    /// `True` and `False`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A floating-point number.
    Float(f64),
    /// Text.
    Str(String),
    /// A date or a time, as `isoformat()` writes it.
    Date(String),
}

impl Key {
    /// The text of a `str` key.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Key::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The key as a value of its own.
    pub fn to_value(&self) -> Value {
        match self {
            Key::None => Value::None,
            Key::Bool(flag) => Value::Bool(*flag),
            Key::Int(number) => Value::Int(*number),
            Key::Float(number) => Value::Float(*number),
            Key::Str(text) => Value::Str(text.clone()),
            Key::Date(moment) => Value::Date(moment.clone()),
        }
    }

    /// The name in a JSON object, as `json.dumps` makes one: `null`, `true`, `1`, `1.5`. Dates, which
    /// `json.dumps` refuses, are their text.
    pub(crate) fn to_json_name(&self) -> String {
        match self {
            Key::None => "null".to_string(),
            Key::Bool(flag) => flag.to_string(),
            Key::Int(number) => number.to_string(),
            Key::Float(number) => crate::json::float(*number),
            Key::Str(text) | Key::Date(text) => text.clone(),
        }
    }

    fn number(&self) -> Option<Number> {
        match self {
            Key::Bool(flag) => Some(Number::Whole(i128::from(*flag))),
            Key::Int(number) => Some(Number::Whole(*number)),
            Key::Float(number) => Some(Number::of_float(*number)),
            _ => None,
        }
    }
}

impl PartialEq for Key {
    /// Python's equality of keys, but NaN is equal to the same NaN, so that a map can hold it.
    fn eq(&self, other: &Key) -> bool {
        match (self, other) {
            (Key::None, Key::None) => true,
            (Key::Str(left), Key::Str(right)) | (Key::Date(left), Key::Date(right)) => {
                left == right
            }
            _ => match (self.number(), other.number()) {
                (Some(Number::Whole(left)), Some(Number::Whole(right))) => left == right,
                (Some(Number::Other(left)), Some(Number::Other(right))) => {
                    left.to_bits() == right.to_bits()
                }
                _ => false,
            },
        }
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Key::None => state.write_u8(0),
            Key::Str(text) => Name(text).hash(state),
            Key::Date(moment) => {
                state.write_u8(2);
                moment.hash(state);
            }
            _ => match self.number() {
                Some(Number::Whole(number)) => number.hash(state),
                Some(Number::Other(number)) => number.to_bits().hash(state),
                None => {}
            },
        }
    }
}

/// A text key that is only looked up.
struct Name<'a>(&'a str);

impl Hash for Name<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(1);
        self.0.hash(state);
    }
}

impl Equivalent<Key> for Name<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        key.as_str() == Some(self.0)
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Key {
        Key::Str(text.to_string())
    }
}

impl From<String> for Key {
    fn from(text: String) -> Key {
        Key::Str(text)
    }
}

impl From<bool> for Key {
    fn from(flag: bool) -> Key {
        Key::Bool(flag)
    }
}

impl From<i128> for Key {
    fn from(number: i128) -> Key {
        Key::Int(number)
    }
}

impl From<f64> for Key {
    fn from(number: f64) -> Key {
        Key::Float(number)
    }
}

impl TryFrom<Value> for Key {
    type Error = Raised;

    /// `TypeError` for a list or a mapping, as Python's `dict` raises it. Bytes, a key in Python, are
    /// refused in the same way.
    fn try_from(value: Value) -> Result<Key, Raised> {
        match value {
            Value::None => Ok(Key::None),
            Value::Bool(flag) => Ok(Key::Bool(flag)),
            Value::Int(number) => Ok(Key::Int(number)),
            Value::Float(number) => Ok(Key::Float(number)),
            Value::Str(text) => Ok(Key::Str(text)),
            Value::Date(moment) => Ok(Key::Date(moment)),
            Value::Bytes(_) | Value::List(_) | Value::Dict(_) => Err(Raised::new(
                "TypeError",
                format!("unhashable type: '{}'", value.type_name()),
            )),
        }
    }
}

impl std::fmt::Display for Key {
    /// Python's `str(key)`.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&text::str(&self.to_value()))
    }
}

/// A mapping, in the order of insertion; writing a key again keeps its place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dict(pub IndexMap<Key, Value>);

impl Dict {
    /// A mapping without anything in it.
    pub fn new() -> Dict {
        Dict::default()
    }

    /// What the mapping holds under a text key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(&Name(key))
    }

    /// What the mapping holds under a text key, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.0.get_mut(&Name(key))
    }

    /// Sets a key; gives back what it held before. A new key goes to the end.
    pub fn insert(&mut self, key: impl Into<Key>, value: impl Into<Value>) -> Option<Value> {
        self.0.insert(key.into(), value.into())
    }

    /// Takes a text key out; the order of the others stays.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.0.shift_remove(&Name(key))
    }

    /// Whether a text key is there.
    pub fn contains(&self, key: &str) -> bool {
        self.0.contains_key(&Name(key))
    }

    /// The keys, in order.
    pub fn keys(&self) -> indexmap::map::Keys<'_, Key, Value> {
        self.0.keys()
    }

    /// The values, in order.
    pub fn values(&self) -> indexmap::map::Values<'_, Key, Value> {
        self.0.values()
    }

    /// Keys and values, in order.
    pub fn iter(&self) -> indexmap::map::Iter<'_, Key, Value> {
        self.0.iter()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<Key>, V: Into<Value>> FromIterator<(K, V)> for Dict {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Dict {
        Dict(
            pairs
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }
}

impl IntoIterator for Dict {
    type Item = (Key, Value);
    type IntoIter = indexmap::map::IntoIter<Key, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Dict {
    type Item = (&'a Key, &'a Value);
    type IntoIter = indexmap::map::Iter<'a, Key, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
