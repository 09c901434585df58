//! The runner under test: runs one case in a fresh folder and tells what it did, in the shape of a
//! recording. Owns the HTTP server that the cases talk to.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::corpus::{self, Case};

/// Runs the corpus against another command line instead, for example the reference itself.
const OTHER: &str = "SHAKETABLE_DIFFERENTIAL_COMMAND";
/// No case takes longer; one that does is a difference.
const CASE_LIMIT: Duration = Duration::from_secs(60);
/// How often a running case is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// Where every case finds its binaries.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The runner under test and the server beside it.
pub struct Candidate {
    program: PathBuf,
    /// What comes before the arguments of `chaos`.
    prefix: Vec<&'static str>,
    server: Child,
    address: String,
}

impl Candidate {
    /// Starts the server.
    pub fn start() -> Candidate {
        let mut server = Command::new("python3")
            .arg(corpus::folder().join("server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the corpus needs python3 on the PATH");
        let mut address = String::new();
        let output = server.stdout.take().expect("the server's output is piped");
        BufReader::new(output)
            .read_line(&mut address)
            .expect("the server tells its address");
        let (program, prefix) = match std::env::var_os(OTHER) {
            Some(program) => (PathBuf::from(program), Vec::new()),
            None => (
                PathBuf::from(env!("CARGO_BIN_EXE_shaketable")),
                vec!["chaos"],
            ),
        };
        let address = address.trim().to_string();
        Candidate {
            program,
            prefix,
            server,
            address,
        }
    }

    /// Runs `case` and collects its exit code, output and the files it left.
    pub fn run(&self, case: &Case) -> Value {
        let outside = tempfile::tempdir().expect("a temporary folder can be made");
        let folder = outside
            .path()
            .canonicalize()
            .expect("it exists")
            .join("case");
        std::fs::create_dir(&folder).expect("a folder can be made");
        let mut places = vec![
            ("{CASE}", folder.display().to_string()),
            ("{SERVER}", self.address.clone()),
        ];
        for (name, content) in &case.files {
            let path = folder.join(name);
            let parent = path.parent().expect("a file has a folder");
            std::fs::create_dir_all(parent).expect("a folder can be made");
            std::fs::write(&path, filled(content, &places)).expect("an input can be written");
        }
        let (stdout, stderr) = (outside.path().join("stdout"), outside.path().join("stderr"));
        let create = |path: &Path| std::fs::File::create(path).expect("a file can be made");
        let modules = [
            corpus::folder().join("modules"),
            corpus::folder().join("stand_in"),
        ];
        let mut child = Command::new(&self.program)
            .args(&self.prefix)
            .args(
                case.command
                    .iter()
                    .map(|argument| filled(argument, &places)),
            )
            .current_dir(&folder)
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", &folder)
            .env("SHAKETABLE_HOME", outside.path().join("home"))
            .env(
                "PYTHONPATH",
                std::env::join_paths(modules).expect("the corpus has a plain path"),
            )
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC")
            .envs(
                case.environment
                    .iter()
                    .map(|(name, value)| (name, filled(value, &places))),
            )
            .stdin(Stdio::null())
            .stdout(create(&stdout))
            .stderr(create(&stderr))
            .spawn()
            .expect("the runner under test can be started");
        let exit = ended(&mut child);
        places.push(("{CORPUS}", corpus::folder().display().to_string()));
        let mut left = Map::new();
        collect(&folder, &folder, &mut |name, path| {
            let bytes = std::fs::read(path).unwrap_or_default();
            let input = case.files.iter().find(|(input, _)| input == &name);
            let unchanged =
                input.is_some_and(|(_, content)| filled(content, &places).as_bytes() == bytes);
            if name != "chaostoolkit.log" && !unchanged {
                left.insert(name, content(path, &bytes));
            }
        });
        let said = |path: &Path| {
            let bytes = std::fs::read(path).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let result = json!({
            "exit": exit,
            "stdout": said(&stdout),
            "stderr": said(&stderr),
            "files": left,
        });
        general(result, &places)
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        // The server ends when its input does.
        drop(self.server.stdin.take());
        let _ = self.server.wait();
    }
}

/// The exit code, negative for a signal; a text for a case that did not end in time.
fn ended(child: &mut Child) -> Value {
    use std::os::unix::process::ExitStatusExt as _;
    let deadline = Instant::now() + CASE_LIMIT;
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            let signal = status.signal().map(|signal| -signal);
            return json!(status.code().or(signal));
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return json!("did not end in time");
        }
        std::thread::sleep(LOOK);
    }
}

fn collect(root: &Path, folder: &Path, found: &mut impl FnMut(String, &Path)) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            let name = path.strip_prefix(root).expect("it is inside");
            found(name.display().to_string(), &path);
        }
    }
}

/// A file as it is compared, as the recorder has it: JSON parsed, else its text.
fn content(path: &Path, bytes: &[u8]) -> Value {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return json!("(binary)");
    };
    // What Python's JSON has and JSON has not.
    let text = ["NaN", "Infinity", "-Infinity"]
        .iter()
        .fold(text.to_string(), |text, name| {
            text.replace(&format!(": {name}"), &format!(": \"({name})\""))
        });
    let text = text.as_str();
    let parsed = match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => serde_json::from_str(text).ok(),
        Some("jsonl") => {
            let lines = text.lines().map(serde_json::from_str::<Value>);
            lines.collect::<Result<Vec<_>, _>>().ok().map(Value::Array)
        }
        _ => None,
    };
    parsed.unwrap_or_else(|| json!(text))
}

fn filled(text: &str, places: &[(&str, String)]) -> String {
    places.iter().fold(text.to_string(), |text, (name, place)| {
        text.replace(name, place)
    })
}

/// The inverse of [`filled`], everywhere in `value`.
fn general(value: Value, places: &[(&str, String)]) -> Value {
    let back = |text: String| {
        places.iter().fold(text, |text, (name, place)| {
            text.replace(place.as_str(), name)
        })
    };
    match value {
        Value::String(text) => Value::String(back(text)),
        Value::Array(items) => items
            .into_iter()
            .map(|item| general(item, places))
            .collect::<Vec<_>>()
            .into(),
        Value::Object(members) => {
            let members = members.into_iter();
            let members = members.map(|(name, item)| (back(name), general(item, places)));
            Value::Object(members.collect())
        }
        other => other,
    }
}
