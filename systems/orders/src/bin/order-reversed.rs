//! `order-reversed`: reverses orders that stayed pending for too long.

use std::process::ExitCode;

fn main() -> ExitCode {
    orders::program::run::<orders::reverser::Reverser>()
}
