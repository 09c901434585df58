//! Tables: what a document may contain, written once.
//!
//! All types can be built in constants; the lifetime allows tables that are put together at run
//! time, for example from a catalogue.

/// One key of a map.
#[derive(Debug, Clone, Copy)]
pub struct Field<'t> {
    /// The key.
    pub name: &'t str,
    /// What its value has to be.
    pub kind: Kind<'t>,
    /// Whether the map is wrong without it.
    pub required: bool,
    /// What it means, for the schema and for messages; one sentence.
    pub doc: &'t str,
}

impl<'t> Field<'t> {
    /// A key that has to be there.
    pub const fn required(name: &'t str, kind: Kind<'t>, doc: &'t str) -> Field<'t> {
        Field {
            name,
            kind,
            required: true,
            doc,
        }
    }

    /// A key that may be there.
    pub const fn optional(name: &'t str, kind: Kind<'t>, doc: &'t str) -> Field<'t> {
        Field {
            name,
            kind,
            required: false,
            doc,
        }
    }

    /// A key that the format knows and this version does not carry out; `reason` is the help.
    pub const fn refused(name: &'t str, reason: &'t str) -> Field<'t> {
        Field::optional(name, Kind::Refused(reason), reason)
    }
}

/// A map with known keys. Keys that begin with `x-` are always allowed and mean nothing.
#[derive(Debug, Clone, Copy)]
pub struct Object<'t> {
    /// What it is called in messages, for example `activity`; unique within a table.
    pub name: &'t str,
    /// What it means, for the schema; one sentence.
    pub doc: &'t str,
    /// Its keys.
    pub fields: &'t [Field<'t>],
}

/// What a value has to be.
#[derive(Debug, Clone, Copy)]
pub enum Kind<'t> {
    /// Text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// A number of seconds, or text such as `30s`, `1m30s`, `250ms`; read it with [`crate::duration`].
    Duration,
    /// A number per second, or text such as `50/s`, `3000/m`; read it with [`crate::rate`].
    Rate,
    /// Anything, null included.
    Any,
    /// A list of values of one kind.
    List(&'t Kind<'t>),
    /// A map with free keys and values of one kind.
    Map(&'t Kind<'t>),
    /// A map with known keys.
    Object(&'t Object<'t>),
    /// One of these texts.
    Choice(&'t [&'t str]),
    /// A map whose key `tag` says which case it is. The cases do not list the tag as a field.
    Tagged {
        /// The key that tells the cases apart.
        tag: &'t str,
        /// The tag's values, and what the map has to be for each: an object, or tagged again.
        cases: &'t [(&'t str, Kind<'t>)],
    },
    /// A map with exactly one of these keys.
    OneKeyOf(&'t [(&'t str, Kind<'t>)]),
    /// A value of one of these kinds.
    AnyOf(&'t [Kind<'t>]),
    /// Something the format knows and this version does not carry out: an error that says so, and
    /// says this. Not part of the schema.
    Refused(&'t str),
}
