//! The documentation: the OpenAPI document for programs, and a page made from it for people.
//!
//! The page is made once, from the document's JSON alone, so it says what other readers of the
//! document see. It needs no script.

use askama::Template;
use axum::Json;
use axum::extract::State as Extracted;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value};
use utoipa::openapi::OpenApi;

use super::pages;

/// The document and its page.
#[derive(Debug, Clone)]
pub(super) struct Docs {
    document: Value,
    page: DocsPage,
}

#[derive(Debug, Clone, Template)]
#[template(path = "docs.html")]
struct DocsPage {
    title: String,
    version: String,
    about: String,
    groups: Vec<Group>,
    schemas: Vec<Schema>,
}

/// The operations with one tag.
#[derive(Debug, Clone)]
struct Group {
    name: String,
    operations: Vec<Operation>,
}

#[derive(Debug, Clone)]
struct Operation {
    anchor: String,
    method: String,
    path: String,
    summary: String,
    about: String,
    parameters: Vec<Member>,
    body: Option<Content>,
    example: Option<String>,
    responses: Vec<(String, Content)>,
}

/// What is sent: its media type and its type, with the schema that has its members.
#[derive(Debug, Clone)]
struct Content {
    about: String,
    media: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
struct Schema {
    name: String,
    about: String,
    kind: Kind,
    members: Vec<Member>,
}

/// A parameter, or a member of an object.
#[derive(Debug, Clone)]
struct Member {
    name: String,
    place: String,
    kind: Kind,
    needed: bool,
    about: String,
}

/// A type in words; the name is that of the schema in it, if there is one.
#[derive(Debug, Clone, Default)]
struct Kind {
    words: String,
    schema: Option<String>,
}

// === impl Docs ===

impl Docs {
    /// Makes the page.
    pub(super) fn new(document: &OpenApi) -> Self {
        let document = serde_json::to_value(document).expect("a document is JSON");
        let page = DocsPage::new(&document);
        Self { document, page }
    }

    pub(super) async fn page(Extracted(docs): Extracted<Self>) -> Response {
        pages::html(StatusCode::OK, &docs.page)
    }

    pub(super) async fn document(Extracted(docs): Extracted<Self>) -> Json<Value> {
        Json(docs.document)
    }
}

// === impl DocsPage ===

impl DocsPage {
    fn new(document: &Value) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for (path, item) in members(&document["paths"]) {
            for (method, operation) in members(item) {
                let tag = text(&operation["tags"][0]);
                let operation = Operation::new(document, path, method, operation);
                match groups.iter_mut().find(|group| group.name == tag) {
                    Some(group) => group.operations.push(operation),
                    None => groups.push(Group {
                        name: tag,
                        operations: vec![operation],
                    }),
                }
            }
        }
        let schemas = members(&document["components"]["schemas"]);
        Self {
            title: text(&document["info"]["title"]),
            version: text(&document["info"]["version"]),
            about: prose(&document["info"]["description"]),
            groups,
            schemas: schemas
                .map(|(name, schema)| Schema::new(name, schema))
                .collect(),
        }
    }
}

// === impl Operation ===

impl Operation {
    fn new(document: &Value, path: &str, method: &str, operation: &Value) -> Self {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let responses = members(&operation["responses"]);
        Self {
            anchor: text(&operation["operationId"]),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: prose(&operation["summary"]),
            about: prose(&operation["description"]),
            parameters: parameters
                .map(|parameter| Member {
                    name: text(&parameter["name"]),
                    place: text(&parameter["in"]),
                    kind: Kind::new(&parameter["schema"]),
                    needed: parameter["required"] == true,
                    about: prose(&parameter["description"]),
                })
                .collect(),
            body: (!operation["requestBody"].is_null())
                .then(|| Content::new(&operation["requestBody"])),
            example: example(document, &operation["requestBody"]),
            responses: responses
                .map(|(status, response)| (status.clone(), Content::new(response)))
                .collect(),
        }
    }
}

// === impl Content ===

impl Content {
    fn new(described: &Value) -> Self {
        let (media, kind) = match members(&described["content"]).next() {
            Some((media, content)) => (media.clone(), Kind::new(&content["schema"])),
            None => Default::default(),
        };
        Self {
            about: prose(&described["description"]),
            media,
            kind,
        }
    }
}

// === impl Schema ===

impl Schema {
    fn new(name: &str, schema: &Value) -> Self {
        let required = |name: &String| {
            let mut required = schema["required"].as_array().into_iter().flatten();
            required.any(|one| one == name)
        };
        let properties = members(&schema["properties"]);
        Self {
            name: name.to_owned(),
            about: prose(&schema["description"]),
            kind: Kind::new(schema),
            members: properties
                .map(|(name, property)| Member {
                    name: name.clone(),
                    place: String::new(),
                    kind: Kind::new(property),
                    needed: required(name),
                    about: prose(&property["description"]),
                })
                .collect(),
        }
    }
}

// === impl Kind ===

impl Kind {
    fn new(schema: &Value) -> Self {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or(reference);
            return Self {
                words: String::new(),
                schema: Some(name.to_owned()),
            };
        }
        if schema["type"] == "array" {
            let items = Kind::new(&schema["items"]);
            return Self {
                words: format!("array of {}", items.words),
                ..items
            };
        }
        let kind = match &schema["type"] {
            Value::String(kind) => kind.clone(),
            _ => "any".to_owned(),
        };
        let bounds = [
            ("minimum", "≥"),
            ("exclusiveMinimum", ">"),
            ("maximum", "≤"),
            ("maxLength", "length ≤"),
            ("default", "default"),
        ];
        let bounds = bounds.into_iter().filter_map(|(key, sign)| {
            let bound = schema.get(key)?;
            Some(format!(", {sign} {bound}"))
        });
        let names = schema["enum"].as_array().map(|names| {
            let names: Vec<String> = names.iter().map(text).collect();
            format!(": {}", names.join(", "))
        });
        Self {
            words: kind + &bounds.collect::<String>() + &names.unwrap_or_default(),
            schema: None,
        }
    }
}

/// A JSON body made of the examples of its members.
fn example(document: &Value, body: &Value) -> Option<String> {
    let schema = &body["content"]["application/json"]["schema"];
    let schema = resolved(document, schema);
    let example = members(&schema["properties"]).map(|(name, property)| {
        let property = resolved(document, property);
        let example = property["examples"].get(0).or(property["enum"].get(0));
        (name.clone(), example.cloned().unwrap_or_default())
    });
    let example: Map<String, Value> = example.collect();
    (!example.is_empty()).then(|| Value::Object(example).to_string())
}

/// What a reference refers to.
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let Some(reference) = schema["$ref"].as_str() else {
        return schema;
    };
    document
        .pointer(reference.trim_start_matches('#'))
        .unwrap_or(&Value::Null)
}

fn members(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
}

/// A description without its marks and line ends.
fn prose(value: &Value) -> String {
    text(value).replace('`', "").replace('\n', " ")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
