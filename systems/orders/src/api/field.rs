//! The fields of an order and of its requests, each written once.
//!
//! The check of what a client sends ([`super::validation`]), the schemas of the OpenAPI document
//! ([`super::openapi`]) and the form for people ([`super::pages`]) all read these tables, so they
//! cannot disagree.

use crate::order::State;

/// One field: of a body, of a form, of a query or of a path.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name on the wire.
    pub name: &'static str,
    /// What it is called in the form.
    pub label: &'static str,
    /// What its value must be.
    pub rule: Rule,
    /// What happens when it is not there.
    pub absent: Absent,
    /// What it means.
    pub about: &'static str,
    /// A value that is right, as it is written in a form.
    pub example: &'static str,
}

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// An integer within bounds.
    Integer(Least, i64),
    /// A finite number.
    Number,
    /// A text of at most so many characters that PostgreSQL can store: any but one with a zero
    /// character.
    Text(usize),
    /// The name of a [`State`].
    State,
}

/// The lower bound of an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Least {
    /// This number or more.
    From(i64),
    /// More than this number.
    Above(i64),
}

/// What happens when a field is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// It is asked for.
    Refused,
    /// It stays out.
    Allowed,
    /// It is taken to be this.
    Defaults(i64),
}

/// Integers of PostgreSQL's type `int`.
const INT: Rule = Rule::Integer(Least::From(i32::MIN as i64), i32::MAX as i64);

/// The longest name, in characters. The table's indexes take names of about 2700 bytes, a message
/// far more: what is accepted can be stored and sent.
const NAME_CHARS_MAX: usize = 255;

/// A timestamp's length, in characters.
const TIMESTAMP_CHARS: usize = 26;

/// How many orders a list has unless told otherwise.
const LIMIT_DEFAULT: i64 = 20;

/// The number of an order, in a path.
pub const ID: Field = Field {
    name: "id",
    label: "Order",
    rule: INT,
    absent: Absent::Refused,
    about: "Given by the database, rising, with gaps",
    example: "1",
};

const USER_ID: Field = Field {
    name: "user_id",
    label: "User",
    rule: INT,
    absent: Absent::Refused,
    about: "The number of the user who orders",
    example: "1",
};

const POKEMON: Field = Field {
    name: "pokemon",
    label: "Pokemon",
    rule: Rule::Text(NAME_CHARS_MAX),
    absent: Absent::Refused,
    about: "The name of the pokemon",
    example: "pidgey",
};

const COUNTRY: Field = Field {
    name: "country",
    label: "Country",
    rule: Rule::Text(NAME_CHARS_MAX),
    absent: Absent::Refused,
    about: "Where it is sent to",
    example: "Chile",
};

const PRICE: Field = Field {
    name: "price",
    label: "Price",
    rule: Rule::Number,
    absent: Absent::Refused,
    about: "In no particular currency",
    example: "20.5",
};

const STATE: Field = Field {
    name: "state",
    label: "State",
    rule: Rule::State,
    absent: Absent::Refused,
    about: "Where the order stands",
    example: "pending",
};

const TIMESTAMP: Field = Field {
    name: "timestamp",
    label: "Ordered",
    rule: Rule::Text(TIMESTAMP_CHARS),
    absent: Absent::Refused,
    about: "When the order was stored: UTC, ISO 8601 without an offset",
    example: "2024-08-14T05:38:58.922008",
};

const SKIP: Field = Field {
    name: "skip",
    label: "Skip",
    rule: Rule::Integer(Least::From(0), i64::MAX),
    absent: Absent::Defaults(0),
    about: "How many orders to pass over",
    example: "0",
};

const LIMIT: Field = Field {
    name: "limit",
    label: "Orders on a page",
    rule: Rule::Integer(Least::Above(0), i64::MAX),
    absent: Absent::Defaults(LIMIT_DEFAULT),
    about: "How many orders to list at most",
    example: "20",
};

/// [`crate::order::Order`]: what the API answers with.
pub const ORDER: &[Field] = &[ID, USER_ID, POKEMON, COUNTRY, PRICE, STATE, TIMESTAMP];

/// [`crate::order::NewOrder`]: a body or a form.
pub const NEW_ORDER: &[Field] = &[USER_ID, POKEMON, COUNTRY, PRICE];

/// [`crate::order::StateChange`]: a body.
pub const STATE_CHANGE: &[Field] = &[STATE];

/// Which orders to list: a query.
pub const SELECTION: &[Field] = &[
    Field {
        absent: Absent::Allowed,
        about: "Only orders that stand there; all of them without it",
        ..STATE
    },
    SKIP,
    LIMIT,
];

/// Which part of a list to show: a query.
pub const PAGE: &[Field] = &[SKIP, LIMIT];

// === impl Rule ===

impl Rule {
    /// The states as a sentence lists them: `'pending', … or 'reversed'`.
    pub fn states() -> String {
        let names = State::ALL.map(|state| format!("'{state}'"));
        let (last, others) = names.split_last().expect("there are states");
        format!("{} or {last}", others.join(", "))
    }
}
