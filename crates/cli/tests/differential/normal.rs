//! A result without what is different in every run: times, durations, versions, tracebacks.
//!
//! The same function is applied to the recording and to our own result.

use serde_json::{Map, Value, json};

/// `result` in its normal form. With `during`, what depends on how often the hypothesis was sampled
/// is reduced to the set of what was seen.
pub fn result(result: &Value, during: bool) -> Value {
    let stdout = result["stdout"].as_str().unwrap_or_default();
    let stdout = match serde_json::from_str::<Value>(stdout) {
        Ok(document) if document.is_object() => value(&document, ""),
        _ => json!(sentence(stdout)),
    };
    let mut said = Said::read(result["stderr"].as_str().unwrap_or_default());
    let mut files = Map::new();
    for (name, content) in result["files"].as_object().into_iter().flatten() {
        let mut content = value(content, "");
        // A document that breaks off: where is chance, as its times are in it.
        if name.ends_with(".json") && content.is_string() {
            content = json!("(no document)");
        }
        if name.ends_with(".txt") {
            let lines: Vec<&str> = content.as_str().unwrap_or_default().lines().collect();
            content = json!(lines);
        }
        if during {
            content = seen(content);
        }
        files.insert(name.clone(), content);
    }
    let stdout = if during { seen(stdout) } else { stdout };
    if during {
        said.messages = distinct(said.messages);
    }
    json!({
        "exit": result["exit"],
        "stdout": stdout,
        "messages": said.messages,
        "uncaught": said.uncaught,
        "stderr": said.other,
        "files": files,
    })
}

/// Standard error, taken apart.
struct Said {
    /// The log, `LEVEL message` each, without tracebacks.
    messages: Vec<Value>,
    /// The exception that ended the reference, if one did.
    uncaught: Option<String>,
    /// Every other line.
    other: Vec<Value>,
}

impl Said {
    fn read(text: &str) -> Said {
        let mut said = Said {
            messages: Vec::new(),
            uncaught: None,
            other: Vec::new(),
        };
        let mut in_traceback = false;
        let mut in_message = false;
        for line in text.lines() {
            let line = without_colours(line);
            if let Some(message) = logged(&line) {
                in_traceback = false;
                in_message = true;
                said.messages.push(json!(sentence(&message)));
            } else if line.trim_start().starts_with("Traceback") {
                // Of a log message: up to the next message. Of the process: its last line counts.
                in_traceback = true;
            } else if in_traceback && (line.starts_with([' ', '\t']) || line.is_empty()) {
            } else if in_traceback {
                said.uncaught = Some(sentence(&line));
                in_traceback = false;
                in_message = false;
            } else if in_message && line.starts_with("    ") {
                if let Some(Value::String(message)) = said.messages.last_mut() {
                    *message = format!("{message}\n{}", line.trim());
                }
            } else if !line.trim().is_empty()
                && !line.starts_with("During handling of the above exception")
                && !line.starts_with("The above exception was the direct cause")
            {
                said.other.push(json!(sentence(&line)));
            }
        }
        said
    }
}

/// `LEVEL message` of a line of the log in either format.
fn logged(line: &str) -> Option<String> {
    if let Ok(Value::Object(record)) = serde_json::from_str::<Value>(line) {
        let message = record.get("message")?.as_str()?;
        let level = record.get("levelname").and_then(Value::as_str);
        return Some(format!("{} {message}", level.unwrap_or("?")));
    }
    let (head, message) = line.strip_prefix('[')?.split_once(']')?;
    let mut words = head.split(' ');
    let (date, time, level) = (words.next()?, words.next()?, words.next()?);
    let is_time = date.len() == "2020-01-01".len() && time.len() == "00:00:00".len();
    (is_time && words.next().is_none()).then(|| format!("{level} {}", message.trim_start()))
}

fn without_colours(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain + rest
}

/// `document` with what is under `key` made general.
fn value(document: &Value, key: &str) -> Value {
    match document {
        Value::String(text) => match key {
            "start" | "end" | "timestamp" if is_timestamp(text) => json!("{time}"),
            "chaoslib-version" | "platform" | "node" => json!(format!("{{{key}}}")),
            "error" => json!(sentence(text.trim().lines().last().unwrap_or_default())),
            _ => json!(sentence(text)),
        },
        Value::Number(_) if matches!(key, "duration" | "ts") => json!("{seconds}"),
        // A traceback: what was raised is its last line.
        Value::Array(lines) if key == "exception" => {
            let last = lines.last().and_then(Value::as_str).unwrap_or_default();
            json!([sentence(last)])
        }
        Value::Array(items) => items
            .iter()
            .map(|item| value(item, ""))
            .collect::<Vec<_>>()
            .into(),
        Value::Object(members) => {
            let members = members.iter();
            Value::Object(
                members
                    .map(|(name, item)| (name.clone(), value(item, name)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

/// A text without the words of the system's HTTP client.
fn sentence(text: &str) -> String {
    match text.split_once("failed to connect to ") {
        Some((before, after)) => {
            let url = after.split_once(": ").map_or(after, |(url, _)| url);
            format!("{before}failed to connect to {url}: …")
        }
        None => text.to_string(),
    }
}

/// Whether `text` looks like `2026-11-20T23:39:35.170013+00:00`.
fn is_timestamp(text: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd";
    let shaped = |(one, two): (char, char)| {
        if two == 'd' {
            one.is_ascii_digit()
        } else {
            one == two
        }
    };
    text.len() >= pattern.len()
        && text.chars().zip(pattern.chars()).all(shaped)
        && text.ends_with("+00:00")
}

/// What a sampled hypothesis leaves, whatever the number of samples.
fn seen(content: Value) -> Value {
    match content {
        Value::Array(items) => Value::Array(distinct(items.into_iter().map(uncounted).collect())),
        Value::Object(mut members) => {
            if let Some(Value::Object(states)) = members.get_mut("steady_states")
                && let Some(Value::Array(during)) = states.get_mut("during")
            {
                *during = distinct(std::mem::take(during));
            }
            if let Some(Value::Object(states)) = members.get_mut("steady_state")
                && let Some(during) = states.get_mut("during")
            {
                *during = uncounted(during.take());
            }
            Value::Object(members)
        }
        other => other,
    }
}

/// `item` with its counts of samples reduced to none or some.
fn uncounted(mut item: Value) -> Value {
    for count in ["iteration", "iterations", "unmet", "first_unmet_iteration"] {
        if let Some(number) = item.get_mut(count).filter(|number| number.is_number()) {
            *number = json!(if number.as_u64() == Some(0) {
                "none"
            } else {
                "some"
            });
        }
    }
    item
}

/// Each of `items` once, in an order that does not depend on time.
fn distinct(mut items: Vec<Value>) -> Vec<Value> {
    items.sort_by_key(ToString::to_string);
    items.dedup();
    items
}
