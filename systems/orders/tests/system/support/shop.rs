//! A stand-in for the order API: what it is asked is written down, what it answers is set.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The stand-in; it serves until the runtime ends.
#[derive(Clone)]
pub struct Shop {
    address: SocketAddr,
    shelf: Arc<Mutex<Shelf>>,
}

#[derive(Default)]
pub struct Shelf {
    /// The orders that exist, and their states.
    pub orders: BTreeMap<i64, String>,
    /// Every PUT, in order.
    pub changes: Vec<(i64, String)>,
    /// Every GET.
    pub looks: Vec<i64>,
    /// Every order posted, in order.
    pub posted: Vec<Value>,
    /// Answers that come first, before it behaves.
    pub refusals: Vec<StatusCode>,
}

impl Shop {
    pub async fn open(orders: &[(i64, &str)]) -> Self {
        let shelf = Shelf {
            orders: orders
                .iter()
                .map(|(id, state)| (*id, (*state).to_owned()))
                .collect(),
            ..Shelf::default()
        };
        let shelf = Arc::new(Mutex::new(shelf));
        let router = Router::new()
            .route("/orders/", post(create))
            .route("/orders/{id}", get(read).put(change))
            .with_state(shelf.clone());
        let listener = TcpListener::bind("127.77.0.3:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shelf }
    }

    pub fn url(&self) -> String {
        format!("http://{}/orders", self.address)
    }

    /// Looks at what it has, or sets what it answers.
    pub fn with<T>(&self, look: impl FnOnce(&mut Shelf) -> T) -> T {
        look(&mut self.shelf.lock().unwrap())
    }
}

type Shared = State<Arc<Mutex<Shelf>>>;
type Answer = Result<Json<Value>, StatusCode>;

async fn create(State(shelf): Shared, Json(order): Json<Value>) -> Answer {
    let mut shelf = shelf.lock().unwrap();
    shelf.posted.push(order);
    match shelf.refusals.pop() {
        Some(status) => Err(status),
        None => Ok(Json(json!({ "id": shelf.posted.len() }))),
    }
}

async fn read(State(shelf): Shared, Path(id): Path<i64>) -> Answer {
    let mut shelf = shelf.lock().unwrap();
    shelf.looks.push(id);
    if let Some(status) = shelf.refusals.pop() {
        return Err(status);
    }
    let state = shelf.orders.get(&id).ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(json!({ "id": id, "state": state })))
}

async fn change(State(shelf): Shared, Path(id): Path<i64>, Json(body): Json<Value>) -> Answer {
    let mut shelf = shelf.lock().unwrap();
    let state = body["state"].as_str().unwrap().to_owned();
    shelf.orders.insert(id, state.clone());
    shelf.changes.push((id, state.clone()));
    Ok(Json(json!({ "id": id, "state": state })))
}
