//! A small HTTP server for tests: answers from a table, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Longest wait for a request that is expected.
const REQUEST_WAIT: Duration = Duration::from_secs(10);

/// A server on an address of its own.
pub struct Server {
    /// Where it is: `http://127.x.y.z:port`.
    pub url: String,
    requests: Receiver<Request>,
}

/// What the server was asked.
#[derive(Debug)]
pub struct Request {
    /// Method and path, such as `GET /x`.
    pub line: String,
    /// Header lines, names in lower case.
    pub headers: Vec<String>,
    /// The body.
    pub body: String,
}

/// An answer: request line, status line, content type, body.
pub type Answer = (&'static str, &'static str, &'static str, String);

impl Server {
    /// Starts a server on a loopback address that no other test uses.
    pub fn start(address: &str, answers: Vec<Answer>) -> Server {
        let listener = TcpListener::bind((address, 0)).expect("a port of the test's own");
        let port = listener.local_addr().expect("its address").port();
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if answer(stream, &answers, &sender).is_none() {
                    return;
                }
            }
        });
        Server {
            url: format!("http://{address}:{port}"),
            requests,
        }
    }

    /// The next request.
    pub fn request(&self) -> Request {
        self.requests.recv_timeout(REQUEST_WAIT).expect("a request")
    }

    /// Whether there was no further request.
    pub fn is_quiet(&self) -> bool {
        self.requests.try_recv().is_err()
    }
}

impl Request {
    /// Whether a header line is there.
    pub fn has(&self, header: &str) -> bool {
        self.headers.iter().any(|line| line == header)
    }
}

/// Answers one request a connection; nothing when nobody listens to the requests any more.
fn answer(stream: TcpStream, answers: &[Answer], sender: &Sender<Request>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_string();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let asked = lines.first().map_or("", String::as_str);
    let asked = asked.trim_end_matches(" HTTP/1.1").to_string();
    let headers: Vec<String> = lines
        .iter()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| format!("{}: {value}", name.to_lowercase()))
        .collect();
    let length = headers
        .iter()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let known = answers.iter().find(|answer| answer.0 == asked);
    let (status, kind, text) = match known {
        Some((_, status, kind, text)) => (*status, *kind, text.as_str()),
        None => ("404 Not Found", "application/json", r#"{"errors": []}"#),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    let mut stream = reader.into_inner();
    stream.write_all(format!("{head}{text}").as_bytes()).ok()?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let request = Request {
        line: asked,
        headers,
        body,
    };
    sender.send(request).ok()
}
