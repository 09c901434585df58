//! What a client sent, checked against the tables of [`super::field`].
//!
//! 1. All problems of a request are told at once: of its path, its query and its body.
//! 2. They have the form that FastAPI gives them (pydantic 2): `type`, `loc`, `msg`, `input` and,
//!    for some types, `ctx`. The words of `ctx.error` for broken JSON are those of our parser.
//! 3. As there, a value may be of another type as long as nothing is lost: `"5"`, `5.0` and `true`
//!    are integers. Queries and forms have nothing but texts, so this is one check for all.
//! 4. Unknown fields are ignored, and the last of two of the same name counts.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::field::{Absent, Field, Least, Rule};
use crate::order::State;

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = ValidationError)]
pub struct Problem {
    /// The kind of the problem, for programs.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Where it is: `body`, `query` or `path`, then the field, or the place in broken JSON.
    pub loc: Vec<Value>,
    /// What is wrong, for people.
    pub msg: String,
    /// What was sent.
    pub input: Value,
    /// The numbers and words of `msg`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx: Option<Value>,
}

/// Everything that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = HTTPValidationError)]
pub struct Problems {
    /// At least one.
    pub detail: Vec<Problem>,
}

/// A request while it is checked: what is wrong with it so far.
#[derive(Debug, Default)]
pub struct Validation {
    problems: Vec<Problem>,
}

// === impl Validation ===

impl Validation {
    /// Reads a JSON body.
    pub fn body<T: DeserializeOwned>(&mut self, fields: &[Field], body: &[u8]) -> Option<T> {
        if body.is_empty() {
            let place = vec!["body".into()];
            return self.problem("missing", place, "Field required", Value::Null);
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(given)) => self.object(fields, "body", &given),
            Ok(other) => self.problem(
                "model_attributes_type",
                vec!["body".into()],
                "Input should be a valid dictionary or object to extract fields from",
                other,
            ),
            Err(error) => {
                let place = vec!["body".into(), position(body, &error).into()];
                self.problem::<()>("json_invalid", place, "JSON decode error", json!({}));
                let text = error.to_string();
                let words = text.split(" at line ").next();
                self.context(json!({"error": words}))
            }
        }
    }

    /// Reads the fields of a form; an empty one is a missing one.
    pub fn form<T: DeserializeOwned>(
        &mut self,
        fields: &[Field],
        given: Vec<(String, String)>,
    ) -> Option<T> {
        let given = given.into_iter().filter(|(_, text)| !text.is_empty());
        let given = given.map(|(name, text)| (name, text.into())).collect();
        self.object(fields, "body", &given)
    }

    /// Reads the parameters of a query.
    pub fn query<T: DeserializeOwned>(
        &mut self,
        fields: &[Field],
        given: Vec<(String, String)>,
    ) -> Option<T> {
        let given = given.into_iter();
        let given = given.map(|(name, text)| (name, text.into())).collect();
        self.object(fields, "query", &given)
    }

    /// Reads one part of a path.
    pub fn path<T: DeserializeOwned>(&mut self, field: &Field, given: &str) -> Option<T> {
        let place = vec!["path".into(), field.name.into()];
        let value = self.value(field.rule, place, &given.into())?;
        serde_json::from_value(value).ok()
    }

    /// `value` when nothing was wrong, every problem otherwise.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Problems> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(Problems {
                detail: self.problems,
            }),
        }
    }

    fn object<T: DeserializeOwned>(
        &mut self,
        fields: &[Field],
        place: &str,
        given: &Map<String, Value>,
    ) -> Option<T> {
        let problems_before = self.problems.len();
        let mut read = Map::new();
        for field in fields {
            let place = vec![place.into(), field.name.into()];
            let value = match (given.get(field.name), field.absent) {
                (Some(value), _) => self.value(field.rule, place, value),
                (None, Absent::Allowed) => None,
                (None, Absent::Defaults(number)) => Some(number.into()),
                (None, Absent::Refused) => {
                    let whole = Value::Object(given.clone());
                    self.problem("missing", place, "Field required", whole)
                }
            };
            read.extend(value.map(|value| (field.name.to_owned(), value)));
        }
        if self.problems.len() > problems_before {
            return None;
        }
        let read = serde_json::from_value(Value::Object(read));
        Some(read.expect("the fields are those of the type"))
    }

    /// The value as its type has it.
    fn value(&mut self, rule: Rule, place: Vec<Value>, given: &Value) -> Option<Value> {
        match rule {
            Rule::Integer(least, most) => self.integer(least, most, place, given),
            Rule::Number => self.number(place, given),
            Rule::Text(most) => self.text(most, place, given),
            Rule::State => self.state(place, given),
        }
    }

    fn integer(
        &mut self,
        least: Least,
        most: i64,
        place: Vec<Value>,
        given: &Value,
    ) -> Option<Value> {
        let number = match given {
            Value::Bool(value) => Some(i128::from(*value)),
            Value::Number(number) => match (number.as_i128(), number.as_f64()) {
                (Some(number), _) => Some(number),
                // A float has no bits for a fraction where it does not fit into an i128.
                (None, Some(float)) if float.fract() == 0.0 => Some(float as i128),
                _ => {
                    let message =
                        "Input should be a valid integer, got a number with a fractional part";
                    return self.problem("int_from_float", place, message, given.clone());
                }
            },
            Value::String(text) => parse_integer(text.trim()),
            _ => {
                let message = "Input should be a valid integer";
                return self.problem("int_type", place, message, given.clone());
            }
        };
        let Some(number) = number else {
            let message = "Input should be a valid integer, unable to parse string as an integer";
            return self.problem("int_parsing", place, message, given.clone());
        };
        let (kind, relation, name, bound) = match least {
            Least::From(bound) if number < i128::from(bound) => (
                "greater_than_equal",
                "greater than or equal to",
                "ge",
                bound,
            ),
            Least::Above(bound) if number <= i128::from(bound) => {
                ("greater_than", "greater than", "gt", bound)
            }
            _ if number > i128::from(most) => {
                ("less_than_equal", "less than or equal to", "le", most)
            }
            _ => return i64::try_from(number).ok().map(Value::from),
        };
        let message = format!("Input should be {relation} {bound}");
        self.problem::<()>(kind, place, message, given.clone());
        self.context(json!({name: bound}))
    }

    fn number(&mut self, place: Vec<Value>, given: &Value) -> Option<Value> {
        let number = match given {
            Value::Bool(value) => Some(f64::from(u8::from(*value))),
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => {
                let message = "Input should be a valid number";
                return self.problem("float_type", place, message, given.clone());
            }
        };
        match number {
            Some(number) if number.is_finite() => Some(number.into()),
            Some(_) => {
                let message = "Input should be a finite number";
                self.problem("finite_number", place, message, given.clone())
            }
            None => {
                let message = "Input should be a valid number, unable to parse string as a number";
                self.problem("float_parsing", place, message, given.clone())
            }
        }
    }

    fn text(&mut self, most: usize, place: Vec<Value>, given: &Value) -> Option<Value> {
        match given {
            Value::String(text) if text.contains('\0') => {
                let reason = "a zero character cannot be stored";
                let message = format!("Value error, {reason}");
                self.problem::<()>("value_error", place, message, given.clone());
                self.context(json!({"error": reason}))
            }
            Value::String(text) if text.chars().count() > most => {
                let message = format!("String should have at most {most} characters");
                self.problem::<()>("string_too_long", place, message, given.clone());
                self.context(json!({"max_length": most}))
            }
            Value::String(_) => Some(given.clone()),
            _ => {
                let message = "Input should be a valid string";
                self.problem("string_type", place, message, given.clone())
            }
        }
    }

    fn state(&mut self, place: Vec<Value>, given: &Value) -> Option<Value> {
        if given
            .as_str()
            .is_some_and(|name| name.parse::<State>().is_ok())
        {
            return Some(given.clone());
        }
        let states = Rule::states();
        let message = format!("Input should be {states}");
        self.problem::<()>("enum", place, message, given.clone());
        self.context(json!({"expected": states}))
    }

    /// Records a problem; there is no value then.
    fn problem<T>(
        &mut self,
        kind: &'static str,
        loc: Vec<Value>,
        msg: impl Into<String>,
        input: Value,
    ) -> Option<T> {
        self.problems.push(Problem {
            kind,
            loc,
            msg: msg.into(),
            input,
            ctx: None,
        });
        None
    }

    /// Says more about the problem recorded last.
    fn context<T>(&mut self, context: Value) -> Option<T> {
        if let Some(problem) = self.problems.last_mut() {
            problem.ctx = Some(context);
        }
        None
    }
}

/// Digits with a sign, or with a fraction that is zero.
fn parse_integer(text: &str) -> Option<i128> {
    let (digits, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = fraction.bytes().all(|digit| digit == b'0');
    whole.then(|| digits.parse().ok()).flatten()
}

/// How many characters come before the place of the error.
fn position(body: &[u8], error: &serde_json::Error) -> usize {
    let lines: usize = body
        .split_inclusive(|byte| *byte == b'\n')
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    let bytes = lines + error.column().saturating_sub(1);
    let before = &body[..bytes.min(body.len())];
    String::from_utf8_lossy(before).chars().count()
}
