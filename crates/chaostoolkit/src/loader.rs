//! Where an experiment comes from: a file, or an HTTP server.
//!
//! The parser is chosen by a file's extension, or by a response's content type, never by the text. Controls
//! around the loading are the run's business.

use std::path::Path;
use std::time::Duration;

use shaketable_dialect::{Raised, Value, json, yaml};
use shaketable_providers::http::{Request, Response};

use crate::access::{contains, get_truthy, item};
use crate::problem::Problem;
use crate::session::Session;
use crate::settings::read_text;
use crate::vault::requests_problem;

/// How long a server may take to connect, and then between two pieces of its answer. The reference would
/// wait for ever.
const LOAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Most bytes of an experiment that a server sends.
const DOCUMENT_KEPT: usize = 64 * 1024 * 1024;

/// The token for servers, before anything the settings say.
const BEARER_TOKEN: &str = "CHAOSTOOLKIT_LOADER_AUTH_BEARER_TOKEN";

/// The experiment of a path or URL.
///
/// # Errors
/// `InvalidSource` for what cannot be found, fetched or is no YAML; a crash for malformed JSON, an unknown
/// extension or content type, and for a server that cannot be reached.
pub async fn load_experiment(
    session: &Session,
    source: &str,
    settings: &Value,
    verify_tls: bool,
) -> Result<Value, Problem> {
    if Path::new(source).exists() {
        return of_file(source);
    }
    let url = Url::of(source);
    if url.scheme.is_empty() && !Path::new(url.path).exists() {
        return Err(invalid_source(format!(
            "Path \"{}\" does not exist.",
            url.path
        )));
    }
    if !matches!(url.scheme.as_str(), "http" | "https") {
        return Err(invalid_source(format!(
            "'{}' is not a supported source scheme.",
            url.scheme
        )));
    }
    let mut request = Request::new("GET", source);
    request.verify_tls = verify_tls;
    request.connect_timeout = Some(LOAD_TIMEOUT);
    request.read_timeout = Some(LOAD_TIMEOUT);
    request.keep = DOCUMENT_KEPT;
    let accepted = "application/json, application/x-yaml";
    request
        .headers
        .push(("Accept".to_string(), accepted.to_string()));
    if let Some(authorization) = authorization(session, settings, url.netloc)? {
        session.redaction.add(&Value::from(authorization.as_str()));
        request
            .headers
            .push(("Authorization".to_string(), authorization));
    }
    let response = request.send().await.map_err(requests_problem)?;
    let body = response.text_utf8();
    if response.status != 200 {
        return Err(invalid_source(format!(
            "Failed to fetch the experiment: {body}"
        )));
    }
    session
        .logger
        .debug(format!("Fetched experiment: \n{body}"));
    of_response(&response, &body)
}

fn of_file(path: &str) -> Result<Value, Problem> {
    let extension = Path::new(path).extension().and_then(|name| name.to_str());
    let text = read_text(Path::new(path))?;
    match extension {
        Some("yaml" | "yml") => yaml::load(&text).map_err(no_yaml),
        Some("json") => Ok(json::parse(&text)?),
        _ => Err(unsupported()),
    }
}

fn of_response(response: &Response, body: &str) -> Result<Value, Problem> {
    let Some(content_type) = response.header("Content-Type") else {
        return Err(Problem::crash(
            "TypeError",
            "argument of type 'NoneType' is not iterable",
        ));
    };
    if content_type.contains("application/json") {
        return json::parse(body).map_err(|raised| {
            Problem::crash("requests.exceptions.JSONDecodeError", raised.message)
        });
    }
    if content_type.contains("application/x-yaml") || content_type.contains("text/yaml") {
        return yaml::load(body).map_err(no_yaml);
    }
    if content_type.contains("text/plain")
        && let Ok(document) = json::parse(body).or_else(|_| yaml::load(body))
    {
        return Ok(document);
    }
    Err(unsupported())
}

/// The header that a server wants to see: the token of the environment, or what the settings have for it.
fn authorization(
    session: &Session,
    settings: &Value,
    netloc: &str,
) -> Result<Option<String>, Problem> {
    if let Some(token) = session
        .environment
        .get(BEARER_TOKEN)
        .filter(|token| !token.is_empty())
    {
        return Ok(Some(format!("bearer {}", token.trim())));
    }
    if !settings.is_truthy() {
        return Ok(None);
    }
    let Some(auths) = get_truthy(settings, "auths")? else {
        return Ok(None);
    };
    if !contains(auths, netloc)? {
        return Ok(None);
    }
    let entry = item(auths, netloc)?;
    let text = |key| Ok::<_, Problem>(shaketable_dialect::text::str(item(entry, key)?));
    Ok(Some(format!("{} {}", text("type")?, text("value")?)))
}

/// The parts of a source that matter, as Python's `urlparse` splits it.
struct Url<'a> {
    scheme: String,
    netloc: &'a str,
    path: &'a str,
}

impl Url<'_> {
    fn of(source: &str) -> Url<'_> {
        let (scheme, rest) = match source.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_lowercase(), rest),
            _ => (String::new(), source),
        };
        let (netloc, path) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
            None => ("", rest),
        };
        let path = &path[..path.find(['?', '#']).unwrap_or(path.len())];
        Url {
            scheme,
            netloc,
            path,
        }
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
}

fn no_yaml(raised: Raised) -> Problem {
    invalid_source(format!(
        "Failed parsing YAML experiment: {}",
        raised.message
    ))
}

fn unsupported() -> Problem {
    // Not one of the errors that commands catch here, so it ends them with a traceback.
    Problem::chaos(
        "InvalidExperiment",
        "only files with json, yaml or yml extensions are supported",
    )
}

fn invalid_source(message: String) -> Problem {
    Problem::chaos("InvalidSource", message)
}
