//! `poke-order-api`: takes orders over HTTP, stores and produces them.

use std::process::ExitCode;

fn main() -> ExitCode {
    orders::program::run::<orders::api::Api>()
}
