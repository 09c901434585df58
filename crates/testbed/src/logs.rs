//! Logs of instances: lines with their times, read back in the order in which they were written.
//!
//! In `logs/INSTANCE.log`, and in `logs/INSTANCE.log.1` what is older, each line begins with the
//! time at which the supervisor read it, UTC, of fixed width, and one space:
//!
//! ```text
//! 2026-11-21T16:03:07.125001Z listening on 127.17.4.12:8000
//! ```
//!
//! The supervisor's own log has no times. [`LogReader`] reads the lines of one instance and goes on
//! where it was when more have been written, also when the log was exchanged for a new one.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::home::SystemFolder;

/// The longest beginning of a line that is kept back until its end comes; the rest of a longer one
/// may be found on the next line, as with Docker.
pub const LINE_BYTES_MAX: usize = 16 << 10;
/// The width of a time: `2026-11-21T16:03:07.125001Z`.
const STAMP_BYTES: usize = 27;

/// How much of a log's end [`last_lines`] looks at.
const LAST_BYTES: u64 = 64 << 10;

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written; absent in the supervisor's own log.
    pub at: Option<Timestamp>,
    /// What was written, without its line end.
    pub text: String,
}

impl LogLine {
    fn parse(line: &[u8]) -> LogLine {
        let at = line
            .get(..STAMP_BYTES)
            .filter(|_| line.get(STAMP_BYTES) == Some(&b' '))
            .and_then(|stamp| std::str::from_utf8(stamp).ok()?.parse().ok());
        let text = match at {
            Some(_) => &line[STAMP_BYTES + 1..],
            None => line,
        };
        LogLine {
            at,
            text: String::from_utf8_lossy(text).into_owned(),
        }
    }
}

/// The time as it stands before a line.
pub(crate) fn stamp() -> String {
    format!("{:.6}", Timestamp::now())
}

/// Names of the instances of a system that have a log, sorted; the supervisor's own is one of them.
pub fn logged(folder: &SystemFolder) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder.logs())
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some(name.strip_suffix(".log")?.to_owned())
        })
        .collect();
    names.sort();
    names
}

/// The last lines of an instance's log, without their times; fewer when there are fewer, or when they
/// are very long.
pub fn last_lines(folder: &SystemFolder, instance: &str, count: usize) -> Vec<String> {
    let mut end = Vec::new();
    let read = File::open(folder.log(instance)).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST_BYTES)))?;
        file.read_to_end(&mut end)
    });
    if read.is_err() {
        return Vec::new();
    }
    let mut lines: Vec<&[u8]> = end.split(|byte| *byte == b'\n').collect();
    lines.retain(|line| !line.is_empty());
    let surplus = lines.len().saturating_sub(count);
    lines[surplus..]
        .iter()
        .map(|line| LogLine::parse(line).text)
        .collect()
}

/// Reads the log of one instance from its beginning.
#[derive(Debug)]
pub struct LogReader {
    older: Option<BufReader<File>>,
    path: PathBuf,
    current: Option<BufReader<File>>,
    begun: Vec<u8>,
}

impl LogReader {
    /// The log of `instance`, which need not be there yet.
    pub fn new(folder: &SystemFolder, instance: &str) -> LogReader {
        let open = |path: PathBuf| Some(BufReader::new(File::open(path).ok()?));
        LogReader {
            older: open(folder.older_log(instance)),
            path: folder.log(instance),
            current: open(folder.log(instance)),
            begun: Vec::new(),
        }
    }

    /// The next line; nothing when there is none yet. A line without its end is not there yet.
    pub fn line(&mut self) -> std::io::Result<Option<LogLine>> {
        if let Some(older) = &mut self.older {
            if older.read_until(b'\n', &mut self.begun)? > 0 {
                return Ok(self.whole());
            }
            self.older = None;
        }
        loop {
            if self.current.is_none() {
                self.current = File::open(&self.path).ok().map(BufReader::new);
            }
            let Some(current) = &mut self.current else {
                return Ok(None);
            };
            if current.read_until(b'\n', &mut self.begun)? > 0 {
                return Ok(self.whole());
            }
            // At its end; has another file taken its place?
            let read = current.get_ref().metadata()?;
            let there = std::fs::metadata(&self.path);
            match there {
                Ok(there) if (there.dev(), there.ino()) != (read.dev(), read.ino()) => {
                    // What came between the last look and the exchange.
                    if current.read_until(b'\n', &mut self.begun)? > 0 {
                        return Ok(self.whole());
                    }
                    self.current = None;
                }
                _ => return Ok(None),
            }
        }
    }

    fn whole(&mut self) -> Option<LogLine> {
        if !self.begun.ends_with(b"\n") {
            return None;
        }
        self.begun.pop();
        let line = LogLine::parse(&self.begun);
        self.begun.clear();
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_from_a_text_that_looks_like_one() {
        let stamp = stamp();
        assert_eq!(stamp.len(), STAMP_BYTES, "{stamp}");
        let line = LogLine::parse(format!("{stamp} hello").as_bytes());
        assert_eq!((line.at.is_some(), line.text.as_str()), (true, "hello"));
        for text in ["", "hello", "2026-11-21T16:03:07.125001Zhello", &stamp] {
            let line = LogLine::parse(text.as_bytes());
            assert_eq!((line.at, line.text.as_str()), (None, text));
        }
    }

    #[test]
    fn a_reader_goes_on_after_an_exchange_and_waits_for_the_end_of_a_line() {
        let home = tempfile::tempdir().unwrap();
        let folder = SystemFolder::at(home.path().to_path_buf());
        std::fs::create_dir_all(folder.logs()).unwrap();
        let mut reader = LogReader::new(&folder, "web");
        let mut next = || reader.line().unwrap().map(|line| line.text);
        assert_eq!(next(), None);
        std::fs::write(folder.log("web"), "one\ntw").unwrap();
        assert_eq!(next().as_deref(), Some("one"));
        assert_eq!(next(), None);
        std::fs::write(folder.log("web"), "one\ntwo\nthree\n").unwrap();
        assert_eq!(next().as_deref(), Some("two"));
        std::fs::rename(folder.log("web"), folder.older_log("web")).unwrap();
        std::fs::write(folder.log("web"), "four\n").unwrap();
        assert_eq!(next().as_deref(), Some("three"));
        assert_eq!(next().as_deref(), Some("four"));
        assert_eq!(next(), None);

        let mut again = LogReader::new(&folder, "web");
        let mut all = Vec::new();
        while let Some(line) = again.line().unwrap() {
            all.push(line.text);
        }
        assert_eq!(all, ["one", "two", "three", "four"]);
        assert_eq!(logged(&folder), ["web"]);
        assert_eq!(last_lines(&folder, "web", 2), ["four"]);
        assert_eq!(last_lines(&folder, "nobody", 2), [""; 0]);
    }
}
