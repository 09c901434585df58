//! `orders-replay`: lists parked records, and brings them back.

use std::process::ExitCode;

fn main() -> ExitCode {
    orders::replay::run(&mut std::io::stdout())
}
