//! `orders-topics`: makes, mends, describes and deletes the topics of the order system.

use std::process::ExitCode;

fn main() -> ExitCode {
    orders::topics::run(&mut std::io::stdout())
}
