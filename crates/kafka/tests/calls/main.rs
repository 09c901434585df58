//! Control calls against a stand-in broker.

mod cluster;
mod security;
mod stand_in;
