//! The Pokemon order system: reference system 1, flawed as published and fixed.
//!
//! A client posts an order to the API, which commits it as `pending` and produces it to the topic
//! `poke-orders`. The detective decides and produces the decision to `poke-orders-state`. The
//! updater writes it through the API. The reverser turns pending orders that are too old into
//! `reversed`, the state nobody wants.
//!
//! Every flaw of the original has a switch of its own, an environment variable whose default is
//! the original's behaviour. The binaries are thin: each names a [`program::Program`].

// From the outside in: what a binary is made of, the order, the services, the topics.
pub mod program;
pub mod setting;
pub mod stop;

pub mod fraud;
pub mod order;

pub mod api;
pub mod event_loop;
pub mod producer;
pub mod relay;
pub mod store;

pub mod backoff;
pub mod detective;
pub mod parking;
pub mod reverser;
pub mod updater;
pub mod worker;

pub mod exposition;
pub mod metrics;

pub mod octillery;
pub mod replay;

pub mod placement;
pub mod topics;
