//! `order-updater`: writes the detective's decisions through the API.

use std::process::ExitCode;

fn main() -> ExitCode {
    orders::program::run::<orders::updater::Updater>()
}
