//! The pages for people: a form for one order, and the list of orders.
//!
//! 1. They are plain HTML: no script, nothing from elsewhere (a content security policy says so),
//!    and every value is escaped by the templates (`templates/`).
//! 2. A form that cannot be accepted comes back as it was filled in, with status 422 and every
//!    problem beside its field. Where the original answers people with JSON, this is a page.
//! 3. When the database fails it is a page with status 500 that says what is known.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Query, State as Extracted};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderName};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;
use tracing::error;

use super::field::{Field, NEW_ORDER, PAGE, Rule};
use super::validation::{Problem, Problems, Validation};
use super::{Shared, openapi};
use crate::order::{NewOrder, Order, State};
use crate::store;

/// What a page may load: its own style and images, and no script at all.
const POLICY: (HeaderName, &str) = (
    CONTENT_SECURITY_POLICY,
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
     frame-ancestors 'none'; base-uri 'none'",
);

/// A page with its status.
struct Page<T>(StatusCode, T);

/// Why there is no page as asked for.
pub(super) enum Failure {
    /// The query is wrong.
    Query(Problems),
    /// The database failed.
    Store(store::Error),
}

#[derive(Template)]
#[template(path = "create_order.html")]
struct FormPage {
    inputs: Vec<Input>,
}

#[derive(Template)]
#[template(path = "created.html")]
struct CreatedPage {
    order: Order,
}

#[derive(Template)]
#[template(path = "list_orders.html")]
struct ListPage {
    states: [State; 5],
    chosen: Option<State>,
    orders: Vec<Order>,
    skip: i64,
    limit: i64,
    previous: Option<String>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage {
    title: &'static str,
    reasons: Vec<String>,
}

/// One field of the form.
struct Input {
    field: Field,
    value: String,
    problem: Option<String>,
}

/// Which part of the list to show.
#[derive(Deserialize)]
struct Part {
    skip: i64,
    limit: i64,
}

/// Show the form for an order
#[utoipa::path(
    get,
    path = "/create_order",
    tag = "pages",
    responses((status = 200, description = "The form", content_type = "text/html", body = String))
)]
pub(super) async fn show_form() -> Response {
    let no_problems = Problems { detail: vec![] };
    Page(StatusCode::OK, FormPage::new(&[], &no_problems)).into_response()
}

/// Create an order from the form
#[utoipa::path(
    post,
    path = "/create_order",
    tag = "pages",
    request_body(content = NewOrder, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The order as it is stored", content_type = "text/html", body = String),
        (status = 422, description = "The form with what is wrong", content_type = "text/html", body = String),
        (status = 500, description = "It could not be stored, or nobody knows whether it was", content_type = "text/html", body = String),
    )
)]
pub(super) async fn submit_form(
    Extracted(shared): Extracted<Arc<Shared>>,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Response, Failure> {
    // What is not a form has no fields.
    let Form(given) = form.unwrap_or_default();
    let mut validation = Validation::default();
    let order = validation.form(NEW_ORDER, given.clone());
    match validation.finish(order) {
        Ok(order) => {
            let order = shared.place(&order).await?;
            Ok(Page(StatusCode::OK, CreatedPage { order }).into_response())
        }
        Err(problems) => {
            let page = FormPage::new(&given, &problems);
            Ok(Page(StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

/// Show orders
///
/// In the order of their ids, page by page.
#[utoipa::path(
    get,
    path = "/list_orders",
    tag = "pages",
    params(openapi::Page),
    responses(
        (status = 200, description = "The orders", content_type = "text/html", body = String),
        (status = 422, description = "What is wrong with the query", content_type = "text/html", body = String),
        (status = 500, description = "The database failed", content_type = "text/html", body = String),
    )
)]
pub(super) async fn show_orders(
    Extracted(shared): Extracted<Arc<Shared>>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, Failure> {
    // As published, a state that there is not is no state at all.
    let chosen = query.iter().rfind(|(name, _)| name == "state");
    let chosen = chosen.and_then(|(_, state)| state.parse::<State>().ok());
    let mut validation = Validation::default();
    let part = validation.query(PAGE, query);
    let Part { skip, limit } = validation.finish(part)?;

    // One more than is shown, to know whether there is a next page.
    let mut orders = shared
        .store
        .list(chosen, skip, limit.saturating_add(1))
        .await?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = orders.len() > shown;
    orders.truncate(shown);

    let link = |skip: i64| {
        let state = chosen.map_or_else(String::new, |state| format!("state={state}&"));
        format!("/list_orders?{state}skip={skip}&limit={limit}")
    };
    let page = ListPage {
        states: State::ALL,
        chosen,
        orders,
        skip,
        limit,
        previous: (skip > 0).then(|| link(skip.saturating_sub(limit).max(0))),
        next: has_more.then(|| link(skip.saturating_add(limit))),
    };
    Ok(Page(StatusCode::OK, page).into_response())
}

/// Who comes to the address itself wants to see orders.
pub(super) async fn home() -> Redirect {
    Redirect::temporary("/list_orders")
}

/// A page of the service, with what belongs to all of them.
pub(super) fn html(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (status, [POLICY], Html(text)).into_response(),
        Err(reason) => {
            error!("a page could not be made: {reason}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

// === impl FormPage ===

impl FormPage {
    fn new(given: &[(String, String)], problems: &Problems) -> Self {
        let inputs = NEW_ORDER.iter().map(|field| {
            let given = given.iter().rfind(|(name, _)| name == field.name);
            let problem = problems
                .detail
                .iter()
                .find(|problem| problem.loc.last().is_some_and(|last| last == field.name));
            Input {
                field: *field,
                value: given.map_or_else(String::new, |(_, value)| value.clone()),
                problem: problem.map(for_people),
            }
        });
        Self {
            inputs: inputs.collect(),
        }
    }

    fn is_refused(&self) -> bool {
        self.inputs.iter().any(|input| input.problem.is_some())
    }
}

/// What is wrong with a field, in the words of a form.
fn for_people(problem: &Problem) -> String {
    let words = match problem.kind {
        "missing" => "Please fill this in",
        "int_parsing" => "This must be a whole number, in digits",
        "float_parsing" | "finite_number" => "This must be a number, in digits",
        _ => &problem.msg,
    };
    words.to_owned()
}

// === impl Input ===

impl Input {
    /// How many characters the browser takes.
    fn length_max(&self) -> Option<usize> {
        match self.field.rule {
            Rule::Text(most) => Some(most),
            Rule::Integer(..) | Rule::Number | Rule::State => None,
        }
    }

    /// The keyboard that a telephone shows.
    fn keyboard(&self) -> &'static str {
        match self.field.rule {
            Rule::Integer(..) => "numeric",
            Rule::Number => "decimal",
            Rule::Text(_) | Rule::State => "text",
        }
    }
}

// === impl ListPage ===

impl ListPage {
    fn is_chosen(&self, state: &State) -> bool {
        self.chosen == Some(*state)
    }

    /// The number of the last order shown, counted from the first of the list.
    fn last(&self) -> i64 {
        self.skip.saturating_add(self.orders.len() as i64)
    }
}

// === impl Page ===

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        html(self.0, &self.1)
    }
}

// === impl Failure ===

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Failure::Query(problems)
    }
}

impl From<store::Error> for Failure {
    fn from(reason: store::Error) -> Self {
        Failure::Store(reason)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, title, reasons) = match self {
            Failure::Query(problems) => {
                let reasons = problems.detail.iter().map(|problem| {
                    let name = problem.loc.last().and_then(|last| last.as_str());
                    format!("{}: {}", name.unwrap_or_default(), problem.msg)
                });
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                (status, "This list cannot be shown", reasons.collect())
            }
            Failure::Store(reason) => {
                error!("{reason}");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                (status, "That did not work", vec![reason.to_string()])
            }
        };
        Page(status, FailurePage { title, reasons }).into_response()
    }
}
