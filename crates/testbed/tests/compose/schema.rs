//! The published JSON Schema of Compose files as an oracle: what we ship is accepted by it, and what
//! it rejects we reject too.
//!
//! The schema is not part of this repository: `make setup` fetches it. Without it these tests say so
//! and pass, except where `CI` is set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value;
use shaketable_document::{Data, Node, Source};
use shaketable_testbed::interpolation::interpolate;
use shaketable_testbed::{SystemSource, env_file};

/// Where setup puts the schema: beside the other downloads.
fn schema_file() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("SHAKETABLE_CACHE")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(set("XDG_CACHE_HOME")?).join("shaketable")))
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache/shaketable")))
        .unwrap_or_default()
        .join("compose-spec/compose-spec.json")
}

#[expect(clippy::print_stderr, reason = "a skipped test says why")]
fn schema() -> Option<Validator> {
    let file = schema_file();
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => {
            let why = format!("{}: {error}; `make setup` fetches it", file.display());
            assert!(std::env::var_os("CI").is_none(), "no Compose schema: {why}");
            eprintln!("skipped, no Compose schema: {why}");
            return None;
        }
    };
    let schema: Value = serde_json::from_str(&text).unwrap();
    Some(jsonschema::validator_for(&schema).unwrap())
}

/// The document with its references replaced, as Compose gives it to the schema.
fn document(text: &str, values: &BTreeMap<String, String>) -> Value {
    fn replace(node: &mut Node, values: &BTreeMap<String, String>) {
        match &mut node.data {
            Data::Text(text) => *text = interpolate(text, values).unwrap(),
            Data::List(items) => items.iter_mut().for_each(|item| replace(item, values)),
            Data::Map(entries) => entries
                .iter_mut()
                .for_each(|entry| replace(&mut entry.value, values)),
            _ => {}
        }
    }
    let mut root = shaketable_document::parse(&Source::new("compose.yaml", text)).unwrap();
    replace(&mut root, values);
    root.to_json()
}

fn complaints(schema: &Validator, document: &Value) -> Vec<String> {
    schema
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn is_accepted_by_us(text: &str) -> bool {
    crate::read(text).is_ok()
}

/// Every system of the repository, with each of its variants and without one.
fn systems() -> Vec<(PathBuf, Option<String>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systems");
    let mut found = Vec::new();
    for system in std::fs::read_dir(folder).unwrap() {
        let system = system.unwrap().path();
        if !system.join("compose.yaml").is_file() {
            continue;
        }
        found.push((system.clone(), None));
        for variant in std::fs::read_dir(system.join("variants"))
            .into_iter()
            .flatten()
        {
            let variant = variant.unwrap().path();
            let name = variant.file_stem().unwrap().to_str().unwrap().to_owned();
            found.push((system.clone(), Some(name)));
        }
    }
    found
}

#[test]
fn every_system_in_every_variant_is_what_compose_says_a_file_is() {
    let systems = systems();
    assert!(systems.len() >= 5, "{systems:?}");
    let Some(schema) = schema() else { return };
    let mut further_count = 0;
    for (folder, variant) in systems {
        let values = match &variant {
            None => BTreeMap::new(),
            Some(name) => {
                let file = folder.join("variants").join(format!("{name}.env"));
                let text = std::fs::read_to_string(file).unwrap();
                env_file::parse(&text, &BTreeMap::new()).unwrap()
            }
        };
        let further = further_files(&folder);
        further_count += further.len();
        // Alone, and with each further file.
        for file in std::iter::once(None).chain(further.iter().map(Some)) {
            let text = match file {
                None => std::fs::read_to_string(folder.join("compose.yaml")).unwrap(),
                Some(file) => std::fs::read_to_string(file).unwrap(),
            };
            let found = complaints(&schema, &document(&text, &values));
            assert!(
                found.is_empty(),
                "{folder:?} {file:?} {variant:?}: {found:#?}"
            );
            SystemSource::new(&folder, variant.as_deref())
                .and_then(|source| source.with_overrides(file))
                .and_then(|source| source.read())
                .unwrap_or_else(|error| panic!("{folder:?} {file:?} {variant:?}: {error}"));
        }
    }
    assert!(further_count > 0, "no file beside a compose.yaml was read");
}

/// The other Compose files beside the `compose.yaml` of a system, which are merged onto it.
fn further_files(system: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(system).unwrap().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("compose.") && name.ends_with(".yaml") && name != "compose.yaml"
        })
        .collect()
}

/// Documents, or the keys of their only service, that the schema rejects.
const REJECTED: &[&str] = &[
    "service: {}",
    "name: 5",
    "services: []",
    "services: { a: run }",
    "volumes: [v]",
    "volumes: { v: { drive: local } }",
    "volumes: { \"a b\": }",
    "a: { comand: x }",
    "a: { image: 5 }",
    "a: { command: 5 }",
    "a: { command: [sleep, 5] }",
    "a: { entrypoint: { x: y } }",
    "a: { environment: text }",
    "a: { environment: { A: [1] } }",
    "a: { environment: [1] }",
    "a: { env_file: 5 }",
    "a: { env_file: [5] }",
    "a: { env_file: [{ required: true }] }",
    "a: { env_file: [{ path: x, needed: true }] }",
    "a: { depends_on: b }",
    "a: { depends_on: [5] }",
    "a: { depends_on: { b: } }",
    "a: { depends_on: { b: { } } }",
    "a: { depends_on: { b: { condition: ready } } }",
    "a: { depends_on: { b: { condition: service_started, sure: true } } }",
    "a: { healthcheck: { tests: p } }",
    "a: { healthcheck: { test: 5 } }",
    "a: { healthcheck: { test: p, interval: 5 } }",
    "a: { healthcheck: { test: p, retries: [] } }",
    "a: { healthcheck: { test: p, disable: [] } }",
    "a: { restart: false }",
    "a: { scale: [] }",
    "a: { deploy: [] }",
    "a: { deploy: { replica: 2 } }",
    "a: { deploy: { replicas: [] } }",
    "a: { deploy: { restart_policy: { condition: [] } } }",
    "a: { deploy: { restart_policy: { when: any } } }",
    "a: { ports: \"80\" }",
    "a: { ports: [[80]] }",
    "a: { ports: [{ targets: 80 }] }",
    "a: { profiles: debug }",
    "a: { profiles: [5] }",
    "a: { stop_signal: 9 }",
    "a: { stop_grace_period: 5 }",
    "a: { volumes: v }",
    "a: { volumes: [5] }",
    "a: { volumes: [{ source: v, target: /v }] }",
    "a: { volumes: [{ type: disk, target: /v }] }",
    "a: { volumes: [{ type: volume, target: /v, path: x }] }",
    "a: { networks: { n: { alias: [x] } } }",
    "a: { networks: { n: { aliases: x } } }",
    "\"a b\": { command: x }",
];

#[test]
fn what_the_schema_rejects_is_rejected_here() {
    let texts: Vec<String> = REJECTED
        .iter()
        .map(|short| {
            let top = ["service", "name", "services", "volumes"];
            if top.contains(&short.split(':').next().unwrap()) {
                let service = "services: { b: { command: y } }\n";
                let own = if short.starts_with("services") {
                    ""
                } else {
                    service
                };
                return format!("{own}{short}\n");
            }
            // A command of its own, unless that is what is wrong: lacking one is another mistake.
            let needs = !short.contains("command:") && !short.contains("entrypoint:");
            let service = match (needs, short.strip_prefix("a: { ")) {
                (true, Some(keys)) => format!("a: {{ command: x, {keys}"),
                _ => (*short).to_owned(),
            };
            format!("services:\n  {service}\n  b: {{ command: y }}\n")
        })
        .collect();
    let accepted: Vec<&String> = texts
        .iter()
        .filter(|text| is_accepted_by_us(text))
        .collect();
    assert!(accepted.is_empty(), "accepted here: {accepted:#?}");
    let Some(schema) = schema() else { return };
    let accepted: Vec<&String> = texts
        .iter()
        .filter(|text| complaints(&schema, &document(text, &BTreeMap::new())).is_empty())
        .collect();
    assert!(accepted.is_empty(), "accepted by the schema: {accepted:#?}");
}

/// One service with every key that is read, in each of its forms.
const ACCEPTED: &str = r#"
name: all
volumes: { data: , more: { driver: local, labels: { a: b } } }
networks: { n: }
services:
  a:
    image: shop/a
    entrypoint: a
    command: [x, "5"]
    environment: { A: 1, B: true, C: , D: 1.5 }
    env_file: [{ path: none.env, required: false, format: raw }]
    depends_on: { b: { condition: service_started, required: false, restart: true } }
    healthcheck: { test: [CMD, p], interval: 1m30s, retries: "3", start_interval: 1s, disable: false }
    restart: on-failure:3
    container_name: only
    deploy: { mode: replicated, replicas: 2, restart_policy: { condition: on-failure, max_attempts: 2 }, resources: { limits: { memory: 50M } } }
    scale: 2
    ports: ["80:80", 81, { target: 82, published: "8080", protocol: tcp, host_ip: 127.0.0.1 }]
    expose: ["90", 91]
    networks: { n: { aliases: [x] } }
    volumes: [data:/data, /scratch, { type: volume, source: more, target: /more, volume: { nocopy: true } }, { type: bind, source: /tmp, target: /tmp, bind: { create_host_path: true } }]
    stop_signal: SIGINT
    stop_grace_period: 1s
    x-shaketable: { driver: process }
    x-other: 5
  b:
    command: y
    environment: [A=1, B]
    depends_on: []
    healthcheck: { test: p }
    profiles: [debug]
    networks: [n]
"#;

#[test]
fn every_form_that_is_read_is_one_of_compose() {
    assert!(is_accepted_by_us(ACCEPTED));
    let Some(schema) = schema() else { return };
    let found = complaints(&schema, &document(ACCEPTED, &BTreeMap::new()));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_keys_of_compose_are_all_known() {
    let file = schema_file();
    if schema().is_none() {
        return;
    }
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let keys = |pointer: &str| -> Vec<String> {
        let properties = schema.pointer(pointer).and_then(Value::as_object).unwrap();
        properties.keys().cloned().collect()
    };
    let file = |key: String| format!("{key}\nservices: {{ z: {{ command: y }} }}\n");
    let service = |key: String| format!("services:\n  z: {{ command: y }}\n  a:\n    {key}\n");
    for (pointer, wrap) in [
        ("/properties", &file as &dyn Fn(String) -> String),
        ("/$defs/service/properties", &service),
        ("/$defs/container_spec/properties", &service),
        ("/$defs/workload_spec/properties", &service),
        ("/$defs/healthcheck/properties", &|key| {
            format!("services:\n  a:\n    healthcheck:\n      {key}\n")
        }),
        ("/$defs/deployment/properties", &|key| {
            format!("services:\n  a:\n    deploy:\n      {key}\n")
        }),
        ("/$defs/volume/properties", &|key| {
            format!("services: {{ z: {{ command: y }} }}\nvolumes:\n  v:\n    {key}\n")
        }),
    ] {
        for key in keys(pointer) {
            if key == "services" {
                continue;
            }
            let text = wrap(format!("{key}: "));
            let messages: Vec<String> = match crate::read(&text) {
                Ok((_, found)) => found.iter().map(|one| one.message.to_owned()).collect(),
                Err(errors) => errors.into_iter().map(|(_, message)| message).collect(),
            };
            let unknown = messages.iter().any(|one| one.contains("has no key"));
            assert!(!unknown, "{pointer}: {key}: {messages:?}");
        }
    }
}
