//! The OpenAPI document: what is sent, made from the tables of [`super::field`].
//!
//! The operations are written beside their handlers, and [`super::routes`] makes the routes of
//! the service and the paths of the document in one go.

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::{Info, KnownFormat, OpenApi, OpenApiBuilder, RefOr, Required, SchemaFormat};
use utoipa::{IntoParams, Number, PartialSchema, ToSchema};

use super::field::{self, Absent, Field, Least, Rule};
use crate::order::{NewOrder, Order, State, StateChange};

/// The path's parameter of requests about one order.
pub(super) struct OrderId;

/// The query of a list for programs.
pub(super) struct Selection;

/// The query of a list for people.
pub(super) struct Page;

/// The document, still without operations.
pub(super) fn empty() -> OpenApi {
    let mut info = Info::new("Poke order API", env!("CARGO_PKG_VERSION"));
    info.description = Some("Takes orders of pokemon, and tells where they stand.".to_owned());
    OpenApiBuilder::new().info(info).build()
}

/// A value that follows this rule.
fn value(rule: Rule) -> ObjectBuilder {
    let builder = ObjectBuilder::new();
    match rule {
        Rule::Integer(least, most) => {
            let builder = builder.schema_type(Type::Integer);
            let builder = match least {
                Least::From(bound) => builder.minimum(Some(Number::Int(bound as isize))),
                Least::Above(bound) => builder.exclusive_minimum(Some(Number::Int(bound as isize))),
            };
            // The largest number there is says nothing to the reader.
            let most = (most < i64::MAX).then_some(Number::Int(most as isize));
            builder.maximum(most)
        }
        Rule::Number => builder
            .schema_type(Type::Number)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Double))),
        Rule::Text(most) => builder.schema_type(Type::String).max_length(Some(most)),
        Rule::State => builder
            .schema_type(Type::String)
            .enum_values(Some(State::ALL.map(State::name))),
    }
}

fn example(field: &Field) -> serde_json::Value {
    match field.rule {
        Rule::Integer(..) | Rule::Number => {
            serde_json::from_str(field.example).expect("the example is a number")
        }
        Rule::Text(_) | Rule::State => field.example.into(),
    }
}

fn object(about: &str, fields: &[Field]) -> RefOr<Schema> {
    let mut builder = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(about));
    for field in fields {
        let property: RefOr<Schema> = match field.rule {
            Rule::State => Ref::from_schema_name(State::name_of_schema()).into(),
            rule => value(rule)
                .description(Some(field.about))
                .examples([example(field)])
                .into(),
        };
        builder = builder.property(field.name, property).required(field.name);
    }
    builder.into()
}

fn parameters(place: ParameterIn, fields: &[Field]) -> Vec<Parameter> {
    let parameter = |field: &Field| {
        let default = match field.absent {
            Absent::Defaults(number) => Some(number.into()),
            Absent::Refused | Absent::Allowed => None,
        };
        let required = match field.absent {
            Absent::Refused => Required::True,
            Absent::Allowed | Absent::Defaults(_) => Required::False,
        };
        ParameterBuilder::new()
            .name(field.name)
            .parameter_in(place.clone())
            .required(required)
            .description(Some(field.about))
            .schema(Some(value(field.rule).default(default)))
            .build()
    };
    fields.iter().map(parameter).collect()
}

// === Schemas ===

impl PartialSchema for Order {
    fn schema() -> RefOr<Schema> {
        object("An order.", field::ORDER)
    }
}

impl ToSchema for Order {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((State::name_of_schema(), State::schema()));
    }
}

impl PartialSchema for NewOrder {
    fn schema() -> RefOr<Schema> {
        object("An order as a client posts it.", field::NEW_ORDER)
    }
}

impl ToSchema for NewOrder {}

impl PartialSchema for StateChange {
    fn schema() -> RefOr<Schema> {
        object("The state an order shall have.", field::STATE_CHANGE)
    }
}

impl ToSchema for StateChange {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((State::name_of_schema(), State::schema()));
    }
}

impl PartialSchema for State {
    fn schema() -> RefOr<Schema> {
        let about = "Where an order stands. `reversed` is the state that nobody wants.";
        value(Rule::State).description(Some(about)).into()
    }
}

impl ToSchema for State {}

impl State {
    /// [`ToSchema::name`], which [`State::name`] hides.
    fn name_of_schema() -> String {
        <State as ToSchema>::name().into_owned()
    }
}

// === Parameters ===

impl IntoParams for OrderId {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        parameters(ParameterIn::Path, &[field::ID])
    }
}

impl IntoParams for Selection {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        parameters(ParameterIn::Query, field::SELECTION)
    }
}

impl IntoParams for Page {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = parameters(ParameterIn::Query, field::SELECTION);
        for parameter in parameters.iter_mut().filter(|one| one.name == "state") {
            parameter.schema = Some(ObjectBuilder::new().schema_type(Type::String).into());
            parameter.description =
                Some("Only orders that stand there; a state that there is not is ignored".into());
        }
        parameters
    }
}
