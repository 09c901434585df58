//! `detective-pikachu`: decides which orders are fraud.

use std::process::ExitCode;

fn main() -> ExitCode {
    orders::program::run::<orders::detective::Detective>()
}
