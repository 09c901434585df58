//! An order, its states, and the two forms of its JSON.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An order as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Given by the database, rising, with gaps.
    pub id: i32,
    /// Who ordered.
    pub user_id: i32,
    /// The pokemon's name.
    pub pokemon: String,
    /// Where it goes.
    pub country: String,
    /// In no particular currency.
    pub price: f64,
    /// Where the order stands.
    pub state: State,
    /// When the order was stored: UTC, ISO 8601 with microseconds and without an offset.
    pub timestamp: String,
}

/// An order as a client posts it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewOrder {
    /// Who orders.
    pub user_id: i32,
    /// The pokemon's name.
    pub pokemon: String,
    /// Where it goes.
    pub country: String,
    /// In no particular currency.
    pub price: f64,
}

/// The body of a change of an order's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChange {
    /// The state the order shall have.
    pub state: State,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Stored, and not decided yet.
    Pending,
    /// Decided: fraud.
    Rejected,
    /// Known to the table, used by no service.
    Failed,
    /// Decided: no fraud.
    Success,
    /// Pending for too long: the unwanted end of an order.
    Reversed,
}

// === impl Order ===

impl Order {
    /// The message for the topic: the row as JSON, the timestamp as the original renders it, with
    /// a blank instead of the `T`.
    pub fn message(&self) -> String {
        let mut message = serde_json::json!(self);
        message["timestamp"] = self.timestamp.replace('T', " ").into();
        message.to_string()
    }
}

// === impl NewOrder ===

impl NewOrder {
    /// Reads and checks a posted order; the error is for the client.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let order: Self = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        if order.pokemon.contains('\0') || order.country.contains('\0') {
            return Err("pokemon and country must not contain a zero character".to_owned());
        }
        Ok(order)
    }
}

// === impl State ===

impl State {
    /// All states, in the order in which the table's type lists them.
    pub const ALL: [State; 5] = [
        State::Pending,
        State::Rejected,
        State::Failed,
        State::Success,
        State::Reversed,
    ];

    /// The state's name in JSON and in the table.
    pub fn name(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Rejected => "rejected",
            State::Failed => "failed",
            State::Success => "success",
            State::Reversed => "reversed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        State::ALL
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or_else(|| {
                let names = State::ALL.map(State::name).join(", ");
                format!("no state {name:?}; the states are {names}")
            })
    }
}
