//! The schema: a table as JSON Schema, for editors.

use serde_json::{Map, Value, json};

use crate::{Kind, Object};

/// The dialect of the schemas that [`schema`] writes.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Text that [`crate::duration`] accepts.
const DURATION_PATTERN: &str = r"^([0-9]+(\.[0-9]*)?(us|ms|s|m|h|d))+$|^[0-9]+(\.[0-9]*)?$";

/// Text that [`crate::rate`] accepts.
const RATE_PATTERN: &str = r"^[0-9]+(\.[0-9]*)?( */ *[smh])?$";

/// Keys that are always allowed.
const EXTENSION_PATTERN: &str = "^x-";

/// The JSON Schema (draft 2020-12) of the documents that `object` allows.
///
/// `placeholder` is a pattern of texts that may stand for a value of any kind, for formats that
/// substitute variables before the check.
pub fn schema(object: &Object<'_>, title: &str, placeholder: Option<&str>) -> Value {
    let mut writer = Writer {
        placeholder,
        definitions: Map::new(),
    };
    let mut root = Map::new();
    root.insert("$schema".to_owned(), json!(DIALECT));
    root.insert("title".to_owned(), json!(title));
    if let Value::Object(members) = writer.object(object, &[]) {
        root.extend(members);
    }
    root.insert("$defs".to_owned(), Value::Object(writer.definitions));
    Value::Object(root)
}

/// From this size on, in bytes, a part of the schema is written once and referred to.
const SHARED_BYTES_MIN: usize = 2000;

struct Writer<'p> {
    placeholder: Option<&'p str>,
    definitions: Map<String, Value>,
}

impl Writer<'_> {
    /// `tags` are the tag keys and values that enclosing tagged kinds have settled.
    fn kind(&mut self, kind: &Kind<'_>, tags: &[(&str, &str)]) -> Value {
        match kind {
            Kind::Text => json!({ "type": "string" }),
            Kind::Bool => self.scalar(json!({ "type": "boolean" })),
            Kind::Integer => self.scalar(json!({ "type": "integer" })),
            Kind::Number => self.scalar(json!({ "type": "number" })),
            Kind::Duration => self.scalar(json!({ "anyOf": [
                { "type": "number", "minimum": 0 },
                { "type": "string", "pattern": DURATION_PATTERN },
            ]})),
            Kind::Rate => self.scalar(json!({ "anyOf": [
                { "type": "number", "exclusiveMinimum": 0 },
                { "type": "string", "pattern": RATE_PATTERN },
            ]})),
            Kind::Any => json!({}),
            Kind::List(item) => json!({ "type": "array", "items": self.kind(item, &[]) }),
            Kind::Map(value) => {
                json!({ "type": "object", "additionalProperties": self.kind(value, &[]) })
            }
            Kind::Object(object) if tags.is_empty() => self.reference(object),
            Kind::Object(object) => self.object(object, tags),
            Kind::Choice(choices) => self.scalar(json!({ "enum": choices })),
            Kind::Tagged { tag, cases } => {
                let cases: Vec<Value> = cases
                    .iter()
                    .filter(|(_, kind)| !matches!(kind, Kind::Refused(_)))
                    .map(|(name, kind)| self.kind(kind, &[tags, &[(*tag, *name)]].concat()))
                    .collect();
                json!({ "oneOf": cases })
            }
            Kind::OneKeyOf(keys) => {
                let properties: Map<String, Value> = keys
                    .iter()
                    .map(|(name, kind)| ((*name).to_owned(), self.kind(kind, &[])))
                    .collect();
                json!({
                    "type": "object",
                    "properties": properties,
                    "additionalProperties": false,
                    "minProperties": 1,
                    "maxProperties": 1,
                })
            }
            Kind::AnyOf(kinds) => {
                let kinds: Vec<Value> = kinds
                    .iter()
                    .filter(|kind| !matches!(kind, Kind::Refused(_)))
                    .map(|kind| self.kind(kind, tags))
                    .collect();
                json!({ "anyOf": kinds })
            }
            Kind::Refused(_) => json!(false),
        }
    }

    fn reference(&mut self, object: &Object<'_>) -> Value {
        let name = object.name.replace(' ', "-");
        if !self.definitions.contains_key(&name) {
            self.definitions.insert(name.clone(), Value::Null);
            let definition = self.object(object, &[]);
            self.definitions.insert(name.clone(), definition);
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    fn object(&mut self, object: &Object<'_>, tags: &[(&str, &str)]) -> Value {
        let mut properties = Map::new();
        let mut required: Vec<&str> = Vec::new();
        for (tag, value) in tags {
            properties.insert((*tag).to_owned(), json!({ "const": value }));
            required.push(tag);
        }
        for field in object.fields {
            if matches!(field.kind, Kind::Refused(_)) {
                continue;
            }
            let mut property = Map::new();
            property.insert("description".to_owned(), json!(field.doc));
            let kind = self.kind(&field.kind, &[]);
            if let Value::Object(members) = self.shared(field.name, kind) {
                property.extend(members);
            }
            properties.insert(field.name.to_owned(), Value::Object(property));
            if field.required {
                required.push(field.name);
            }
        }
        json!({
            "description": object.doc,
            "type": "object",
            "properties": properties,
            "patternProperties": { EXTENSION_PATTERN: {} },
            "required": required,
            "additionalProperties": false,
        })
    }

    /// A large schema as a definition under the name of its key, so that it is written once; as it is
    /// if another one has that name.
    fn shared(&mut self, name: &str, schema: Value) -> Value {
        if schema.to_string().len() < SHARED_BYTES_MIN {
            return schema;
        }
        let known = self
            .definitions
            .entry(name)
            .or_insert_with(|| schema.clone());
        if *known == schema {
            json!({ "$ref": format!("#/$defs/{name}") })
        } else {
            schema
        }
    }

    fn scalar(&self, schema: Value) -> Value {
        match self.placeholder {
            Some(pattern) => {
                json!({ "anyOf": [schema, { "type": "string", "pattern": pattern }] })
            }
            None => schema,
        }
    }
}
