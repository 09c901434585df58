//! The scribe: writes down what the instances say, each line with its time.
//!
//! An instance writes into a pipe. A task of the supervisor reads it, puts the time before each
//! line and hands the lines to one writing thread. The format is [`crate::logs`]'s.
//!
//! Promises:
//! 1. Neither the supervisor nor an instance ever waits for the disk: what cannot be written in time
//!    is dropped, and the log says how many lines were. The last words of a process are not: what
//!    was read last is held until it is known not to be the end.
//! 2. Memory is bounded: [`WAITING_BYTES_MAX`] and a few [`READ_BYTES`] for each instance.
//! 3. Disk is bounded: a log that reaches [`LOG_BYTES_MAX`] becomes the older log, in place of the
//!    one before it.
//! 4. The last lines are in memory also when the disk is full ([`Log::last_lines`]).

use std::cell::RefCell;
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

use crate::home::SystemFolder;
use crate::logs::{LINE_BYTES_MAX, stamp};

/// The longest a log grows before it becomes the older one; there are two of them.
pub(super) const LOG_BYTES_MAX: u64 = 32 << 20;
/// What may wait for the disk, for each instance.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// What is read from a pipe at a time; Linux's pipes hold as much.
const READ_BYTES: usize = 64 << 10;
/// Lines that are quoted when an instance fails.
const LAST_LINES: usize = 15;
/// What is kept in memory to find them.
const LAST_BYTES: usize = 16 << 10;
/// The longest wait for the last words of a process that has ended; something it left behind may
/// still hold its end of the pipe.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_millis(500);
/// The longest wait for the disk when the supervisor ends.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Lines on their way to the writing thread.
enum Message {
    Lines(Arc<Shared>, Vec<u8>),
    Close(mpsc::Sender<()>),
}

/// The writing thread.
pub(super) struct Scribe {
    sender: mpsc::Sender<Message>,
}

impl Scribe {
    /// Starts the thread. It must not be there before the guard is posted.
    pub(super) fn start() -> std::io::Result<Scribe> {
        let (sender, receiver) = mpsc::channel();
        std::thread::Builder::new()
            .name("scribe".to_owned())
            .spawn(move || write_all(&receiver))?;
        Ok(Scribe { sender })
    }

    /// The log of one instance.
    pub(super) fn log(&self, folder: &SystemFolder, instance: &str) -> Log {
        Log {
            shared: Arc::new(Shared {
                path: folder.log(instance),
                older: folder.older_log(instance),
                waiting: AtomicUsize::new(0),
                dropped: AtomicU64::new(0),
            }),
            sender: self.sender.clone(),
            last: Arc::default(),
            readers: RefCell::default(),
        }
    }

    /// Waits until everything that was said is written, or [`CLOSE_TIMEOUT`] is over.
    pub(super) fn close(&self) {
        let (done, wait) = mpsc::channel();
        if self.sender.send(Message::Close(done)).is_ok() {
            let _ = wait.recv_timeout(CLOSE_TIMEOUT);
        }
    }
}

/// What the reading task and the writing thread both know of a log.
struct Shared {
    path: PathBuf,
    older: PathBuf,
    /// Bytes on their way to the disk.
    waiting: AtomicUsize,
    /// Lines that were dropped and of which the log does not tell yet.
    dropped: AtomicU64,
}

/// The log of one instance; it outlives the instance's processes.
pub(super) struct Log {
    shared: Arc<Shared>,
    sender: mpsc::Sender<Message>,
    last: Arc<std::sync::Mutex<Vec<u8>>>,
    readers: RefCell<Vec<JoinHandle<()>>>,
}

impl Log {
    /// A pipe for a process to write into; all that comes through it is written down.
    pub(super) fn open(&self) -> std::io::Result<PipeWriter> {
        let (reader, writer) = std::io::pipe()?;
        let reader = asynchronous(reader)?;
        let mut readers = self.readers.borrow_mut();
        readers.retain(|reader| !reader.is_finished());
        readers.push(tokio::task::spawn_local(read(
            reader,
            self.shared.clone(),
            self.sender.clone(),
            self.last.clone(),
        )));
        Ok(writer)
    }

    /// Waits, not for long, until what the processes of this instance have said has been read.
    pub(super) async fn last_words(&self) {
        let readers = std::mem::take(&mut *self.readers.borrow_mut());
        let all = async {
            for reader in readers {
                let _ = reader.await;
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS_TIMEOUT, all).await;
    }

    /// The last lines, to be quoted with the path of the log; empty when nothing was ever said.
    pub(super) fn last_lines(&self) -> String {
        let Ok(last) = self.last.lock() else {
            return String::new();
        };
        let text = String::from_utf8_lossy(&last);
        let lines: Vec<&str> = text.lines().collect();
        if lines.is_empty() {
            return String::new();
        }
        format!(
            "\nlast lines of {}:\n  {}",
            self.shared.path.display(),
            lines[lines.len().saturating_sub(LAST_LINES)..].join("\n  ")
        )
    }
}

fn asynchronous(reader: PipeReader) -> std::io::Result<pipe::Receiver> {
    pipe::Receiver::from_owned_fd(OwnedFd::from(reader))
}

/// Reads a pipe to its end. A line is passed on when it is whole, or too long to wait for its end.
async fn read(
    mut pipe: pipe::Receiver,
    shared: Arc<Shared>,
    sender: mpsc::Sender<Message>,
    last: Arc<std::sync::Mutex<Vec<u8>>>,
) {
    let mut buffer = vec![0; READ_BYTES];
    let mut begun = Vec::new();
    let mut held = None;
    loop {
        let count = pipe.read(&mut buffer).await.unwrap_or(0);
        let stamp = stamp();
        let mut block = Vec::with_capacity(count + count / 2);
        let mut lines = 0;
        for piece in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
            begun.extend_from_slice(piece);
            if begun.ends_with(b"\n") || begun.len() >= LINE_BYTES_MAX {
                lines += 1;
                put_line(&mut block, &stamp, &mut begun);
            }
        }
        if count == 0 && !begun.is_empty() {
            lines += 1;
            put_line(&mut block, &stamp, &mut begun);
        }
        if let Ok(mut last) = last.lock() {
            last.extend_from_slice(&buffer[..count]);
            let surplus = last.len().saturating_sub(LAST_BYTES);
            last.drain(..surplus);
        }
        let is_end = count == 0;
        let block = (!block.is_empty()).then_some((block, lines));
        for (block, lines) in held.take().into_iter().chain(block) {
            let room = WAITING_BYTES_MAX.saturating_sub(shared.waiting.load(Ordering::Relaxed));
            if is_end || (held.is_none() && block.len() <= room) {
                shared.waiting.fetch_add(block.len(), Ordering::Relaxed);
                let _ = sender.send(Message::Lines(shared.clone(), block));
            } else if let Some((_, older)) = held.replace((block, lines)) {
                shared.dropped.fetch_add(older, Ordering::Relaxed);
            }
        }
        if count == 0 {
            return;
        }
    }
}

fn put_line(block: &mut Vec<u8>, stamp: &str, line: &mut Vec<u8>) {
    block.extend_from_slice(stamp.as_bytes());
    block.push(b' ');
    block.append(line);
    if !block.ends_with(b"\n") {
        block.push(b'\n');
    }
}

/// The writing thread: ends when it is told to, or when nobody can send any more.
fn write_all(messages: &mpsc::Receiver<Message>) {
    let mut open: Vec<(Arc<Shared>, Option<OpenLog>)> = Vec::new();
    while let Ok(message) = messages.recv() {
        match message {
            Message::Lines(shared, block) => {
                let index = open
                    .iter()
                    .position(|(known, _)| Arc::ptr_eq(known, &shared));
                let index = index.unwrap_or_else(|| {
                    open.push((shared.clone(), None));
                    open.len() - 1
                });
                write(&shared, &mut open[index].1, &block);
                shared.waiting.fetch_sub(block.len(), Ordering::Relaxed);
            }
            Message::Close(done) => {
                for (shared, log) in &mut open {
                    write(shared, log, &[]);
                }
                let _ = done.send(());
                return;
            }
        }
    }
}

/// A log that is open for writing.
struct OpenLog {
    file: File,
    bytes: u64,
}

impl OpenLog {
    fn new(path: &Path) -> std::io::Result<OpenLog> {
        let file = File::options().create(true).append(true).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(OpenLog { file, bytes })
    }
}

/// Writes a block, and before it how many lines are missing. What cannot be written is counted.
fn write(shared: &Shared, log: &mut Option<OpenLog>, block: &[u8]) {
    let dropped = shared.dropped.swap(0, Ordering::Relaxed);
    let written = try_write(shared, log, block, dropped);
    if written.is_err() {
        // A half-written line would become the beginning of the next one.
        if let Some(log) = log.take() {
            let _ = log.file.set_len(log.bytes);
        }
        let lines = block.iter().filter(|byte| **byte == b'\n').count() as u64;
        shared.dropped.fetch_add(dropped + lines, Ordering::Relaxed);
    }
}

fn try_write(
    shared: &Shared,
    log: &mut Option<OpenLog>,
    block: &[u8],
    dropped: u64,
) -> std::io::Result<()> {
    if log
        .as_ref()
        .is_some_and(|log| log.bytes + block.len() as u64 > LOG_BYTES_MAX)
    {
        *log = None;
        std::fs::rename(&shared.path, &shared.older)?;
    }
    let log = match log {
        Some(log) => log,
        None => log.insert(OpenLog::new(&shared.path)?),
    };
    if dropped > 0 {
        let note = format!(
            "{} [shaketable: {dropped} lines are missing here; the disk was full, or slower than this service]\n",
            stamp()
        );
        log.file.write_all(&[note.as_bytes(), block].concat())?;
        log.bytes += (note.len() + block.len()) as u64;
    } else {
        log.file.write_all(block)?;
        log.bytes += block.len() as u64;
    }
    Ok(())
}
