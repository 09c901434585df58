//! Carrying out a command line within the test: its streams are buffers, its folder is its own.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use shaketable_chaostoolkit::Console;

/// A folder to carry out commands in.
pub struct Place {
    folder: tempfile::TempDir,
}

/// What a command left.
pub struct Outcome {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error without colours and times.
    pub err: String,
}

impl Place {
    /// An empty folder.
    pub fn new() -> Place {
        Place {
            folder: tempfile::tempdir().expect("a folder for the test"),
        }
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file; gives its path as text.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file of the test");
        text_of(&path)
    }

    /// Reads a file.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file the command wrote")
    }

    /// Carries out a command with the settings `settings.yaml` and the log `chaos.log` of the folder.
    pub fn chaos(&self, words: &[&str]) -> Outcome {
        self.chaos_answering(words, "")
    }

    /// The same, with answers on standard input.
    pub fn chaos_answering(&self, words: &[&str], answers: &str) -> Outcome {
        let settings = text_of(&self.path("settings.yaml"));
        let log = text_of(&self.path("chaos.log"));
        let mut all = vec!["--settings", &settings, "--log-file", &log];
        all.extend(words);
        invoke(&all, answers)
    }
}

/// Carries out a command line as it is.
pub fn invoke(words: &[&str], answers: &str) -> Outcome {
    let (out, err) = (Buffer::default(), Buffer::default());
    let input = Cursor::new(answers.to_string());
    let console = Console::new(input, out.clone(), err.clone());
    let words = words.iter().map(Into::into).collect();
    let code = shaketable_chaostoolkit::main(words, console, None);
    Outcome {
        code,
        out: out.text(),
        err: plain(&err.text()),
    }
}

impl Outcome {
    /// The messages of the log on standard error, as `LEVEL message`.
    pub fn messages(&self) -> Vec<&str> {
        let starts = |line: &&str| line.starts_with('[') && line.contains("] ");
        self.err
            .lines()
            .filter(starts)
            .map(|line| line.trim_start_matches('['))
            .collect()
    }
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("a buffer")).into_owned()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("a buffer").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Takes colours and times out: `[LEVEL] message`.
fn plain(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = match line
            .strip_prefix('\u{1b}')
            .and_then(|line| line.split_once('m'))
        {
            Some((_, line)) => line,
            None => line,
        };
        // `[2020-01-01 10:00:00 LEVEL] message`
        match line
            .get(1..21)
            .filter(|time| line.starts_with('[') && time.ends_with(' '))
        {
            Some(_) => lines.push(format!("[{}", &line[21..])),
            None => lines.push(line.to_string()),
        }
    }
    lines.join("\n")
}

fn text_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
