//! The detective's fraud rule.

use crate::order::State;

/// Orders above this price are rejected.
pub const PRICE_MAX: f64 = 200.0;

/// Every order of this user is rejected.
pub const REJECTED_USER: i64 = 5;

/// Orders of a pokemon whose name starts with one of these (lower-case) letters are rejected.
pub const REJECTED_INITIALS: [char; 3] = ['d', 'f', 'a'];

/// Decides an order: [`State::Rejected`] or [`State::Success`].
pub fn decide(price: f64, user_id: i64, pokemon: &str) -> State {
    if price > PRICE_MAX || user_id == REJECTED_USER || pokemon.starts_with(REJECTED_INITIALS) {
        State::Rejected
    } else {
        State::Success
    }
}
