//! A stand-in for a server that speaks JSON over HTTP: one thread, one request a connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

/// The longest wait for a client that says nothing.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(20);

/// What a client asks for. A body that is no JSON is null.
pub struct Request {
    pub method: String,
    pub path: String,
    pub body: Value,
}

/// The server; it ends when this is dropped.
pub struct Server {
    address: SocketAddr,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers with what `answer` gives: a status code and a body, null for none.
    pub fn start(mut answer: impl FnMut(&Request) -> (u16, Value) + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let ending = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&ending);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                // A client that goes away is the client's matter.
                let _ = serve(&stream, &mut answer);
            }
        });
        Server {
            address,
            ending,
            thread: Some(thread),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    stream: &TcpStream,
    answer: &mut impl FnMut(&Request) -> (u16, Value),
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(CLIENT_TIMEOUT))?;
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap_or(0);
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut words = first.split_whitespace().map(str::to_owned);
    let request = Request {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let (code, body) = answer(&request);
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let head = "Content-Type: application/json\r\nConnection: close";
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {code} Answer\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
