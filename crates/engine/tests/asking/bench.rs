//! A folder with an experiment, an asker for it, and a server that answers as it is told.

use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use shaketable_dialect::redaction::Redaction;
use shaketable_document::Source;
use shaketable_engine::carrying::Carried;
use shaketable_engine::judging::Judged;
use shaketable_engine::probes::Asker;
use shaketable_engine::python::Python;
use shaketable_engine::site::Site;
use shaketable_experiment::{Activity, Catalogue, Experiment, Overrides, parse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A folder of its own.
pub struct Bench {
    pub folder: tempfile::TempDir,
    pub asker: Asker,
}

impl Bench {
    pub fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let asker = Asker::new(
            Site::default(),
            folder.path(),
            Python::new(&Default::default(), folder.path()).0,
            Redaction::default(),
        );
        Bench { folder, asker }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, which may be executed.
    pub fn file(&self, name: &str, content: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub async fn carry_out(&self, activity: &str) -> Carried {
        let activity = method(activity);
        let activity = self.asker.prepare(&activity).unwrap();
        self.asker.carry_out(&activity, None).await
    }

    pub async fn judge(&self, probe: &str) -> Judged {
        let probe = probe_of(probe);
        self.asker.judge(&probe, None, true).await
    }
}

/// An experiment of `rest`, which may have any sections but the title.
pub fn experiment(rest: &str) -> Experiment {
    let text = format!("title: t\ndescription: d\n{rest}");
    let environment = |_: &str| None;
    let overrides = Overrides::default();
    let parsed = parse(
        &Source::new("x.yaml", &text),
        &Catalogue::default(),
        &environment,
        &overrides,
    );
    parsed
        .unwrap_or_else(|problems| panic!("{text}\n{problems}"))
        .0
}

/// An activity of a method, written in flow style without its braces.
pub fn method(activity: &str) -> Activity {
    let experiment = experiment(&format!("method: [{{name: a, {activity}}}]\n"));
    experiment.method[0].clone()
}

/// A probe of a hypothesis.
pub fn probe_of(probe: &str) -> Activity {
    let experiment = experiment(&format!(
        "steady-state-hypothesis: {{title: h, probes: [{{name: p, type: probe, {probe}}}]}}\nmethod: []\n"
    ));
    experiment.hypothesis.unwrap().probes[0].clone()
}

/// A server: it answers each request with the next of its answers, the last one for ever.
pub struct Server {
    pub url: String,
    /// The requests, as they came.
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub async fn start(answers: Vec<(u16, Value)>) -> Server {
        let listener = TcpListener::bind("127.44.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = requests.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (kept, answers) = (kept.clone(), answers.clone());
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    let mut buffer = [0; 4096];
                    while !is_whole(&request) {
                        match stream.read(&mut buffer).await {
                            Ok(n @ 1..) => request.extend_from_slice(&buffer[..n]),
                            _ => return,
                        }
                    }
                    let n = {
                        let mut kept = kept.lock().unwrap();
                        kept.push(String::from_utf8_lossy(&request).into_owned());
                        kept.len() - 1
                    };
                    let (status, body) = &answers[n.min(answers.len() - 1)];
                    if *status == 0 {
                        // No answer: until the other side has enough.
                        let _ = stream.read(&mut buffer).await;
                        return;
                    }
                    let body = body.to_string();
                    let answer = format!(
                        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Server { url, requests }
    }

    pub fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().unwrap())
    });
    body.len() >= length.unwrap_or_default()
}
