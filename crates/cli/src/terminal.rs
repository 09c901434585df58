//! The two streams a person sees. Everything printed goes through here.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;

/// Writes data to standard output. A closed pipe ends the writing, not the program.
pub fn data(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        let _ = out.write_all(b"\n");
    }
    let _ = out.flush();
}

/// Writes data of which more is to come; returns whether anybody still reads it.
pub fn stream(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .is_ok()
}

/// Writes a line to standard error.
pub fn note(text: &str) {
    clear_status();
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes an error to standard error.
pub fn error(text: &str) {
    // Diagnostics of documents are rendered with their own heading.
    if text.starts_with("error") {
        note(text);
    } else {
        note(&format!("error: {text}"));
    }
}

static STATUS_SHOWN: Mutex<bool> = Mutex::new(false);

/// Shows a line that the next output replaces. On a stream that is no terminal nothing is shown.
pub fn status(text: &str) {
    let mut stderr = std::io::stderr();
    if !stderr.is_terminal() {
        return;
    }
    if let Ok(mut shown) = STATUS_SHOWN.lock() {
        let _ = write!(stderr, "\r\x1b[2K{text}");
        let _ = stderr.flush();
        *shown = true;
    }
}

/// Takes the status line away.
pub fn clear_status() {
    if let Ok(mut shown) = STATUS_SHOWN.lock()
        && std::mem::take(&mut *shown)
    {
        let _ = write!(std::io::stderr(), "\r\x1b[2K");
    }
}
