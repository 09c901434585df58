//! Exit codes, the same for every command.

use shaketable_testbed::TestbedError;

/// How the program ends. The numbers are part of the command line's contract and named in `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The experiment passed; the command did what it was asked.
    Passed = 0,
    /// The experiment ran and the hypothesis did not hold afterwards.
    Deviated = 1,
    /// The command line or a document is wrong.
    Usage = 2,
    /// Nothing was proven: something could not be confirmed, observed or read.
    Inconclusive = 3,
    /// A safeguard or a signal ended the experiment.
    Aborted = 4,
    /// The machine, the system or Shaketable itself failed.
    Error = 5,
}

/// The contract in words, for `--help`.
pub const EXIT_CODES: &str = "Exit codes: 0 passed · 1 deviated · 2 the command line or a document is wrong · 3 inconclusive · 4 aborted (safeguard or signal) · 5 error (the machine, the system or Shaketable itself)";

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}

impl From<&TestbedError> for Exit {
    fn from(error: &TestbedError) -> Self {
        if error.is_usage() {
            Exit::Usage
        } else {
            Exit::Error
        }
    }
}
