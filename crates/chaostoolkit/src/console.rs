//! Where a command reads and writes: its three streams.
//!
//! Promises: writing never fails (a reader that has gone away is no reason to stop a run), and one call
//! writes one piece, not mixed with another thread's. Nothing else in this crate touches the process's own
//! streams; activities and the Python host inherit them from the process.

use std::io::{BufRead, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Standard input, output and error of a command. Cheap to clone.
#[derive(Clone)]
pub struct Console {
    streams: Arc<Mutex<Streams>>,
    terminal: bool,
}

struct Streams {
    input: Box<dyn BufRead + Send>,
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
}

impl Console {
    /// A console of three streams, none of them a terminal.
    pub fn new(
        input: impl BufRead + Send + 'static,
        out: impl Write + Send + 'static,
        err: impl Write + Send + 'static,
    ) -> Console {
        Console {
            streams: Arc::new(Mutex::new(Streams {
                input: Box::new(input),
                out: Box::new(out),
                err: Box::new(err),
            })),
            terminal: false,
        }
    }

    /// Says whether the output is a terminal, which may be styled.
    pub fn on_terminal(self, terminal: bool) -> Console {
        Console { terminal, ..self }
    }

    /// Whether the output is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Writes text, as it is, to standard output.
    pub fn out(&self, text: &str) {
        let mut streams = self.streams();
        let _ = streams.out.write_all(text.as_bytes());
        let _ = streams.out.flush();
    }

    /// Writes text, as it is, to standard error.
    pub fn err(&self, text: &str) {
        let mut streams = self.streams();
        let _ = streams.err.write_all(text.as_bytes());
        let _ = streams.err.flush();
    }

    /// The next line of standard input without its end; nothing at its end.
    pub fn read_line(&self) -> Option<String> {
        let mut line = String::new();
        match self.streams().input.read_line(&mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line.trim_end_matches(['\n', '\r']).to_string()),
        }
    }

    /// Text in a colour on a terminal, the text as it is elsewhere. `code` is the number of the ANSI colour.
    pub fn style(&self, text: &str, code: u8) -> String {
        if self.terminal {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
