//! One request and its answer over one connection.

use std::io::{self, Write};
use std::time::Duration;

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use shaketable_dialect::Raised;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connection::{Wire, quoted};

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;
/// Most bytes of an answer's head.
const HEAD_BYTES: usize = 1024 * 1024;
/// Most bytes of a line between chunks.
const LINE_BYTES: usize = 64 * 1024;

/// The answer to one request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    /// Every header line, in order.
    pub lines: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub dropped: u64,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The connection broke before the head was complete; the exception as Python shows it.
    Aborted(String),
    /// The server was silent before the head was complete.
    Silent(Duration),
    /// The server was silent amid the body.
    SilentBody,
    /// The body is not what the head says.
    Raised(Raised),
}

/// Sends `request` and reads the answer; `bodiless` when the method has answers without body.
pub(crate) async fn exchange(
    wire: Box<dyn Wire>,
    request: &[u8],
    bodiless: bool,
    timeout: Option<Duration>,
    keep: usize,
) -> Result<Answer, Broken> {
    let mut incoming = Incoming {
        wire,
        buffer: Vec::new(),
        at: 0,
        timeout,
    };
    incoming.send(request).await.map_err(Failed::before_head)?;
    let (status, lines) = loop {
        let (status, lines) = incoming.head().await?;
        if status != 100 {
            break (status, lines);
        }
    };
    let header = |name: &str| {
        lines
            .iter()
            .find(|(known, _): &&(String, String)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    };
    let mut sink = Unpacker::of(header("content-encoding").unwrap_or_default(), keep);
    if !bodiless && status >= 200 && status != 204 && status != 304 {
        if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            incoming.chunks(&mut sink).await?;
        } else {
            let length = header("content-length").and_then(|length| length.parse().ok());
            incoming.plain(length, &mut sink).await?;
        }
    }
    let Kept {
        bytes: body,
        dropped,
        ..
    } = sink.finish();
    Ok(Answer {
        status,
        lines,
        body,
        dropped,
    })
}

/// What arrives, buffered.
struct Incoming {
    wire: Box<dyn Wire>,
    buffer: Vec<u8>,
    /// How much of the buffer is used up.
    at: usize,
    timeout: Option<Duration>,
}

/// Why nothing more arrives.
enum Failed {
    Silent(Duration),
    System(io::Error),
}

impl Failed {
    /// What it means as long as the head is not complete.
    fn before_head(self) -> Broken {
        match self {
            Self::Silent(after) => Broken::Silent(after),
            Self::System(error) => Broken::Aborted(exception(&error)),
        }
    }

    /// What it means amid a body.
    fn in_body(self) -> Broken {
        match self {
            Self::Silent(_) => Broken::SilentBody,
            Self::System(error) => broken_body(&exception(&error)),
        }
    }
}

impl Incoming {
    /// Sends everything. A server that does not want it all may answer all the same.
    async fn send(&mut self, request: &[u8]) -> Result<(), Failed> {
        let sent = async {
            self.wire.write_all(request).await?;
            self.wire.flush().await
        };
        let outcome = match self.timeout {
            None => sent.await,
            Some(after) => tokio::time::timeout(after, sent)
                .await
                .map_err(|_| Failed::Silent(after))?,
        };
        match outcome {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failed::System(error)),
            _ => Ok(()),
        }
    }

    /// Waits for more; false at the end.
    async fn fill(&mut self) -> Result<bool, Failed> {
        if self.at == self.buffer.len() {
            self.buffer.clear();
            self.at = 0;
        }
        self.buffer.reserve(READ_BYTES);
        let read = self.wire.read_buf(&mut self.buffer);
        let outcome = match self.timeout {
            None => read.await,
            Some(after) => tokio::time::timeout(after, read)
                .await
                .map_err(|_| Failed::Silent(after))?,
        };
        match outcome {
            Ok(read) => Ok(read > 0),
            // A TLS peer that hangs up without a farewell.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(Failed::System(error)),
        }
    }

    /// The next line with its end; empty when there is no more.
    async fn line(&mut self, most: usize) -> Result<Vec<u8>, Failed> {
        let mut looked = 0;
        loop {
            let rest = &self.buffer[self.at..];
            let end = rest[looked..]
                .iter()
                .position(|byte| *byte == b'\n')
                .map(|end| looked + end + 1);
            if let Some(end) = end.or((rest.len() > most).then_some(rest.len())) {
                let line = rest[..end].to_vec();
                self.at += end;
                return Ok(line);
            }
            looked = rest.len();
            if !self.fill().await? {
                let line = self.buffer[self.at..].to_vec();
                self.at = self.buffer.len();
                return Ok(line);
            }
        }
    }

    /// Status and headers.
    async fn head(&mut self) -> Result<(u16, Vec<(String, String)>), Broken> {
        let first = self.line(LINE_BYTES).await.map_err(Failed::before_head)?;
        if first.is_empty() {
            let gone = "RemoteDisconnected('Remote end closed connection without response')";
            return Err(Broken::Aborted(gone.to_owned()));
        }
        let shown = latin1(&first);
        let mut words = shown.split_whitespace();
        let status = words
            .next()
            .filter(|version| version.starts_with("HTTP/"))
            .and_then(|_| words.next()?.parse::<u16>().ok())
            .filter(|status| (100..=999).contains(status))
            .ok_or_else(|| Broken::Aborted(format!("BadStatusLine({})", quoted(&shown))))?;
        let mut lines: Vec<(String, String)> = Vec::new();
        let mut total = first.len();
        loop {
            let line = self.line(LINE_BYTES).await.map_err(Failed::before_head)?;
            total += line.len();
            if total > HEAD_BYTES {
                return Err(Broken::Aborted(
                    "LineTooLong('got more than 65536 bytes when reading header line')".to_owned(),
                ));
            }
            let line = latin1(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                return Ok((status, lines));
            }
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = lines.last_mut() {
                    value.push_str("\r\n");
                    value.push_str(line);
                }
            } else if let Some((name, value)) = line.split_once(':') {
                lines.push((
                    name.to_owned(),
                    value.trim_start_matches([' ', '\t']).to_owned(),
                ));
            }
        }
    }

    /// A body of `length` bytes, or up to the end of the connection.
    async fn plain(&mut self, length: Option<u64>, sink: &mut Unpacker) -> Result<(), Broken> {
        let read = self.take(length, sink).await?;
        match length {
            Some(length) if read < length => Err(incomplete(read, length - read)),
            _ => Ok(()),
        }
    }

    /// Moves up to `most` bytes into `sink`; how many there were.
    async fn take(&mut self, most: Option<u64>, sink: &mut Unpacker) -> Result<u64, Broken> {
        let mut taken: u64 = 0;
        loop {
            let left = most.map_or(u64::MAX, |most| most - taken);
            let here = self.buffer.len() - self.at;
            let part = usize::try_from(left).unwrap_or(usize::MAX).min(here);
            sink.write(&self.buffer[self.at..self.at + part])?;
            self.at += part;
            taken += part as u64;
            if Some(taken) == most || !self.fill().await.map_err(Failed::in_body)? {
                return Ok(taken);
            }
        }
    }

    /// A chunked body.
    async fn chunks(&mut self, sink: &mut Unpacker) -> Result<(), Broken> {
        loop {
            let line = self.line(LINE_BYTES).await.map_err(Failed::in_body)?;
            if line.is_empty() {
                return Err(Broken::Raised(Raised::new(
                    "ChunkedEncodingError",
                    "Response ended prematurely",
                )));
            }
            let text = latin1(&line);
            let digits = text.split(';').next().unwrap_or_default().trim();
            let Ok(length) = u64::from_str_radix(digits, 16) else {
                let bytes = shaketable_dialect::text::repr(&shaketable_dialect::Value::Bytes(line));
                return Err(broken_body(&format!(
                    "InvalidChunkLength(got length {bytes}, 0 bytes read)"
                )));
            };
            if length == 0 {
                while !self
                    .line(LINE_BYTES)
                    .await
                    .map_err(Failed::in_body)?
                    .iter()
                    .all(|byte| b"\r\n".contains(byte))
                {}
                return Ok(());
            }
            let read = self.take(Some(length), sink).await?;
            if read < length {
                return Err(incomplete(read, length - read));
            }
            self.line(LINE_BYTES).await.map_err(Failed::in_body)?;
        }
    }
}

/// A body that ended too soon.
fn incomplete(read: u64, more: u64) -> Broken {
    broken_body(&format!(
        "IncompleteRead({read} bytes read, {more} more expected)"
    ))
}

/// The exception of a body that broke off for `cause`.
fn broken_body(cause: &str) -> Broken {
    let message = format!(
        "({}, {cause})",
        quoted(&format!("Connection broken: {cause}"))
    );
    Broken::Raised(Raised::new("ChunkedEncodingError", message))
}

/// An error of the system as Python shows the exception.
fn exception(error: &io::Error) -> String {
    let kind = match error.kind() {
        io::ErrorKind::ConnectionReset => "ConnectionResetError",
        io::ErrorKind::BrokenPipe => "BrokenPipeError",
        io::ErrorKind::ConnectionAborted => "ConnectionAbortedError",
        _ => "OSError",
    };
    match error.raw_os_error() {
        Some(number) => format!(
            "{kind}({number}, {})",
            quoted(nix::errno::Errno::from_raw(number).desc())
        ),
        None => format!("{kind}({})", quoted(&error.to_string())),
    }
}

/// Bytes of a head as text: each a character.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The first bytes of what is written to it.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    most: usize,
    dropped: u64,
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let kept = bytes.len().min(self.most - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..kept]);
        self.dropped += (bytes.len() - kept) as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Undoes the content coding of a body while it arrives.
enum Unpacker {
    Plain(Kept),
    Gzip(Box<MultiGzDecoder<Kept>>),
    /// `deflate`, of which there are two kinds; the first byte tells.
    Unsure(Kept),
    Zlib(Box<ZlibDecoder<Kept>>),
    Deflate(Box<DeflateDecoder<Kept>>),
}

impl Unpacker {
    /// For a `Content-Encoding`; of an unknown one the body stays as it is.
    fn of(coding: &str, keep: usize) -> Self {
        let kept = Kept {
            most: keep,
            ..Kept::default()
        };
        match coding.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Self::Gzip(Box::new(MultiGzDecoder::new(kept))),
            "deflate" => Self::Unsure(kept),
            _ => Self::Plain(kept),
        }
    }

    /// Takes the next bytes of the body.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let Some(first) = bytes.first() else {
            return Ok(());
        };
        if let Self::Unsure(kept) = self {
            let kept = std::mem::take(kept);
            *self = if first & 0x0f == 8 {
                Self::Zlib(Box::new(ZlibDecoder::new(kept)))
            } else {
                Self::Deflate(Box::new(DeflateDecoder::new(kept)))
            };
        }
        let (coding, outcome) = match self {
            Self::Plain(kept) | Self::Unsure(kept) => ("identity", kept.write_all(bytes)),
            Self::Gzip(decoder) => ("gzip", decoder.write_all(bytes)),
            Self::Zlib(decoder) => ("deflate", decoder.write_all(bytes)),
            Self::Deflate(decoder) => ("deflate", decoder.write_all(bytes)),
        };
        outcome.map_err(|error| {
            let message = format!(
                "('Received response with content-encoding: {coding}, but failed to decode it.', error({}))",
                quoted(&format!("Error -3 while decompressing data: {error}"))
            );
            Broken::Raised(Raised::new("ContentDecodingError", message))
        })
    }

    /// What came out. A stream that ends too soon yields what there was.
    fn finish(mut self) -> Kept {
        match &mut self {
            Self::Plain(kept) | Self::Unsure(kept) => std::mem::take(kept),
            Self::Gzip(decoder) => {
                let _ = decoder.flush();
                std::mem::take(decoder.get_mut())
            }
            Self::Zlib(decoder) => {
                let _ = decoder.flush();
                std::mem::take(decoder.get_mut())
            }
            Self::Deflate(decoder) => {
                let _ = decoder.flush();
                std::mem::take(decoder.get_mut())
            }
        }
    }
}
