//! The command by itself, without Shaketable around it: for trying things out and for comparing with the
//! reference.

use std::io::{BufReader, IsTerminal, stderr, stdin, stdout};

use shaketable_chaostoolkit::Console;

fn main() -> std::process::ExitCode {
    let console = Console::new(BufReader::new(stdin()), stdout(), stderr())
        .on_terminal(stderr().is_terminal());
    let arguments = std::env::args_os().skip(1).collect();
    let code = shaketable_chaostoolkit::main(arguments, console, None);
    u8::try_from(code).unwrap_or(1).into()
}
