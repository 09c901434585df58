//! `poke-synthetic-load`: posts synthetic orders.

use std::process::ExitCode;

fn main() -> ExitCode {
    orders::octillery::run(&mut std::io::stdout())
}
