//! The manifests for Kubernetes and the container file agree with Kubernetes' schemas and with the
//! programs.
//!
//! A manifest is read into Kubernetes' own types and written again. A key that comes back is one
//! that they know; one that does not is misspelt or in the wrong place.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use clap::Parser;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Container, Namespace, PodSpec, Secret, Service};
use orders::api::Api;
use orders::detective::Detective;
use orders::octillery::Octillery;
use orders::program::Program;
use orders::reverser::Reverser;
use orders::setting::Environment;
use orders::updater::Updater;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shaketable_document::Source;

type Variables = BTreeMap<String, String>;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every manifest, and the file it is in.
fn manifests() -> Vec<(String, Value)> {
    let mut manifests = Vec::new();
    for folder in ["deploy/kubernetes", "deploy/kubernetes/jobs"] {
        for entry in std::fs::read_dir(here(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                continue;
            }
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            assert!(name.ends_with(".yaml"), "{name}");
            for part in read(&path).split("\n---\n") {
                let source = Source::new(&name, part);
                let node = shaketable_document::parse(&source)
                    .unwrap_or_else(|problems| panic!("{}", problems.render(&source, false)));
                manifests.push((name.clone(), node.to_json()));
            }
        }
    }
    manifests
}

fn of_kind(kind: &str) -> Vec<Value> {
    let manifests = manifests().into_iter().map(|(_, manifest)| manifest);
    manifests
        .filter(|manifest| manifest["kind"] == kind)
        .collect()
}

/// The pod of every deployment and job, by the name of its container.
fn pods() -> Vec<PodSpec> {
    let workloads = of_kind("Deployment").into_iter().chain(of_kind("Job"));
    let pod = |workload: Value| {
        serde_json::from_value(workload["spec"]["template"]["spec"].clone()).unwrap()
    };
    workloads.map(pod).collect()
}

fn containers() -> Vec<Container> {
    pods().into_iter().flat_map(|pod| pod.containers).collect()
}

/// What of a manifest a type of Kubernetes does not know, or does not take.
fn unknown_to<T: DeserializeOwned + Serialize>(manifest: &Value) -> Vec<String> {
    match serde_json::from_value::<T>(manifest.clone()) {
        Ok(known) => lost(manifest, &json!(known), ""),
        Err(reason) => vec![reason.to_string()],
    }
}

/// The places of what is in one document and not, or otherwise, in another.
fn lost(whole: &Value, part: &Value, place: &str) -> Vec<String> {
    let inside = |name: &str, value: &Value, other: Option<&Value>| {
        let place = format!("{place}/{name}");
        match other {
            Some(other) => lost(value, other, &place),
            None => vec![place],
        }
    };
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => whole
            .iter()
            .flat_map(|(name, value)| inside(name, value, part.get(name)))
            .collect(),
        (Value::Array(whole), Value::Array(part)) => whole
            .iter()
            .enumerate()
            .flat_map(|(at, value)| inside(&at.to_string(), value, part.get(at)))
            .collect(),
        _ if whole == part => vec![],
        _ => vec![place.to_owned()],
    }
}

fn unknown(manifest: &Value) -> Vec<String> {
    let version = manifest["apiVersion"].as_str().unwrap_or_default();
    match (version, manifest["kind"].as_str().unwrap_or_default()) {
        ("v1", "Namespace") => unknown_to::<Namespace>(manifest),
        ("v1", "ConfigMap") => unknown_to::<ConfigMap>(manifest),
        ("v1", "Secret") => unknown_to::<Secret>(manifest),
        ("v1", "Service") => unknown_to::<Service>(manifest),
        ("apps/v1", "Deployment") => unknown_to::<Deployment>(manifest),
        ("batch/v1", "Job") => unknown_to::<Job>(manifest),
        (version, kind) => vec![format!("{version} {kind}")],
    }
}

/// The environment of a container, references followed into the settings that are there.
fn environment(container: &Container) -> Variables {
    let settings = |kind: &str, data: &str, name: &str, key: &str| {
        let objects = of_kind(kind);
        let object = objects
            .iter()
            .find(|object| object["metadata"]["name"] == name);
        let value = object.and_then(|object| object[data][key].as_str());
        let value = value.unwrap_or_else(|| panic!("{kind} {name} has no {key}"));
        value.to_owned()
    };
    assert!(container.env_from.is_none());
    let variables = container.env.iter().flatten().map(|variable| {
        let reference = variable.value_from.as_ref();
        let value = match (&variable.value, reference) {
            (Some(value), None) => value.clone(),
            (None, Some(reference)) => {
                let map = reference.config_map_key_ref.as_ref();
                let map = map.map(|one| settings("ConfigMap", "data", &one.name, &one.key));
                let secret = reference.secret_key_ref.as_ref();
                let secret =
                    secret.map(|one| settings("Secret", "stringData", &one.name, &one.key));
                map.or(secret).expect("a reference to a setting")
            }
            _ => panic!("{} has not one value", variable.name),
        };
        (variable.name.clone(), value)
    });
    variables.collect()
}

/// What a program makes of its environment.
fn outcome<P: Program + Debug>(variables: &Variables) -> Result<String, String> {
    let settings = P::from_environment(Environment::new(variables.clone()));
    settings
        .map(|settings| format!("{settings:?}"))
        .map_err(|problems| problems.to_string())
}

/// Fails unless a program takes its environment, and would do something else without or with
/// another value of each variable.
fn takes_all_of<P: Program + Debug>(variables: &Variables) {
    let taken = outcome::<P>(variables);
    assert!(taken.is_ok(), "{}: {}", P::NAME, taken.unwrap_err());
    for name in variables.keys() {
        let mut without = variables.clone();
        without.remove(name);
        let mut other = variables.clone();
        other.insert(name.clone(), "?".to_owned());
        assert!(
            outcome::<P>(&without) != taken || outcome::<P>(&other) != taken,
            "{} does not read {name}",
            P::NAME
        );
    }
}

#[test]
fn every_manifest_keeps_to_the_schemas_of_kubernetes() {
    let manifests = manifests();
    assert_eq!(manifests.len(), 4 + 4 + 1 + 5);
    for (file, manifest) in manifests {
        assert_eq!(unknown(&manifest), [""; 0], "{file}");
        if manifest["kind"] != "Namespace" {
            assert_eq!(manifest["metadata"]["namespace"], "orders", "{file}");
        }
    }
}

#[test]
fn a_misspelt_key_and_a_wrong_value_are_found() {
    let right = &of_kind("Deployment")[0];
    let container = "/spec/template/spec/containers/0";
    let changes = [
        ("", "sepc", json!({}), "/sepc"),
        ("/spec", "replica", json!(3), "/spec/replica"),
        (
            container,
            "readynessProbe",
            json!({}),
            "/spec/template/spec/containers/0/readynessProbe",
        ),
        ("/spec", "replicas", json!("three"), "invalid type"),
        ("", "kind", json!("Deploiment"), "apps/v1 Deploiment"),
    ];
    for (place, key, value, expected) in changes {
        let mut wrong = right.clone();
        wrong.pointer_mut(place).unwrap()[key] = value;
        let unknown = unknown(&wrong);
        assert_eq!(unknown.len(), 1, "{key}: {unknown:?}");
        assert!(unknown[0].contains(expected), "{key}: {unknown:?}");
    }
}

#[test]
fn the_shape_is_the_original_s() {
    let replicas = of_kind("Deployment");
    let mut replicas: Vec<(&str, u64)> = replicas
        .iter()
        .map(|one| {
            (
                one["metadata"]["name"].as_str().unwrap(),
                one["spec"]["replicas"].as_u64().unwrap(),
            )
        })
        .collect();
    replicas.sort();
    assert_eq!(
        replicas,
        [
            ("detective-pikachu", 3),
            ("order-reversed", 1),
            ("order-updater", 1),
            ("poke-order-api", 1),
        ]
    );
    for deployment in of_kind("Deployment") {
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        assert_eq!(&deployment["spec"]["selector"]["matchLabels"], labels);
    }
    for pod in pods() {
        let security = pod.security_context.unwrap();
        assert_eq!(security.run_as_non_root, Some(true));
        for container in pod.containers {
            let security = container.security_context.unwrap();
            assert_eq!(security.allow_privilege_escalation, Some(false));
            assert_eq!(
                security.capabilities.unwrap().drop,
                Some(vec!["ALL".to_owned()])
            );
            let resources = container.resources.unwrap();
            assert!(resources.requests.is_some() && resources.limits.is_some());
        }
    }
}

#[test]
fn the_service_reaches_the_api() {
    let service = &of_kind("Service")[0];
    let name = service["metadata"]["name"].as_str().unwrap();
    let port = &service["spec"]["ports"][0];
    let deployments = of_kind("Deployment");
    let api = deployments
        .iter()
        .find(|one| one["spec"]["template"]["metadata"]["labels"] == service["spec"]["selector"])
        .expect("it selects a deployment");
    let container = &api["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["ports"][0]["name"], port["targetPort"]);
    let url = format!("http://{name}:{}/orders", port["port"]);
    let mut users = 0;
    for container in containers() {
        if let Some(given) = environment(&container).get("URL_POKE_ORDER_API") {
            assert_eq!(given, &url);
            users += 1;
        }
        // A named port that a probe asks is one of the container's.
        let ports: Vec<String> = container
            .ports
            .iter()
            .flatten()
            .filter_map(|port| port.name.clone())
            .collect();
        for probe in [
            &container.readiness_probe,
            &container.liveness_probe,
            &container.startup_probe,
        ] {
            let asked = json!(probe);
            for place in ["/httpGet/port", "/tcpSocket/port"] {
                if let Some(name) = asked.pointer(place) {
                    assert!(
                        ports.iter().any(|port| name == port),
                        "{}: {name}",
                        container.name
                    );
                }
            }
        }
    }
    assert_eq!(users, 1 + 5);
}

#[test]
fn every_program_reads_every_variable_it_is_given() {
    for container in containers() {
        let variables = environment(&container);
        let command = container.command.unwrap();
        match command[0].as_str() {
            Api::NAME => takes_all_of::<Api>(&variables),
            Detective::NAME => takes_all_of::<Detective>(&variables),
            Updater::NAME => takes_all_of::<Updater>(&variables),
            Reverser::NAME => takes_all_of::<Reverser>(&variables),
            "orders-topics" => assert_eq!(names(&variables), ["KAFKA_BOOTSTRAP_SERVERS"]),
            "poke-synthetic-load" => assert_eq!(names(&variables), ["URL_POKE_ORDER_API"]),
            other => panic!("no program {other}"),
        }
    }
}

fn names(variables: &Variables) -> Vec<&str> {
    variables.keys().map(String::as_str).collect()
}

#[test]
fn a_variable_that_nobody_reads_is_found() {
    let containers = containers();
    let api = containers.iter().find(|one| one.name == Api::NAME).unwrap();
    let mut variables = environment(api);
    variables.insert("STATE_MACHIN".to_owned(), "true".to_owned());
    let found = std::panic::catch_unwind(|| takes_all_of::<Api>(&variables));
    assert!(found.is_err());
}

#[test]
fn the_switches_are_those_of_the_fixed_variant() {
    let fixed: Variables = read(&here("variants/fixed.env"))
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
        .collect();
    // The fixed variant shortens the minutes of the original for experiments.
    let shortened = ["EXPIRED_ORDER_TIME", "REVERSAL_INTERVAL"];
    let mut compared = 0;
    for container in containers() {
        for (name, value) in environment(&container) {
            if let Some(expected) = fixed.get(&name)
                && !shortened.contains(&name.as_str())
            {
                assert_eq!(&value, expected, "{name} of {}", container.name);
                compared += 1;
            }
        }
    }
    assert!(compared >= 8, "{compared}");
}

#[test]
fn every_command_is_a_program_that_takes_its_arguments() {
    for container in containers() {
        let command = container.command.unwrap();
        let program = here(&format!("src/bin/{}.rs", command[0]));
        assert!(program.exists(), "{}", program.display());
        let probe = container
            .readiness_probe
            .and_then(|probe| probe.exec?.command);
        if let Some(probe) = probe {
            assert_eq!(probe, [command[0].as_str(), "health"]);
        }
        let arguments = container.args.unwrap_or_default();
        match command[0].as_str() {
            "orders-topics" => {
                let known = orders::topics::Operation::ALL;
                assert!(
                    known.iter().any(|known| [known.name()] == *arguments),
                    "{arguments:?}"
                );
            }
            "poke-synthetic-load" => {
                let line = command.iter().chain(&arguments);
                let load = Octillery::try_parse_from(line).unwrap().load().unwrap();
                assert_eq!((load.num_orders, load.delay.as_secs()), (1000, 2));
            }
            service => assert!(arguments.is_empty(), "{service}"),
        }
    }
}

#[test]
fn every_program_is_in_the_image() {
    let dockerfile = read(&here("Dockerfile"));
    let copied: Vec<&str> = dockerfile
        .lines()
        .filter_map(|line| line.trim().strip_prefix("/build/target/release/"))
        .map(|line| line.trim_end_matches([' ', '\\']))
        .collect();
    let mut programs: Vec<String> = std::fs::read_dir(here("src/bin"))
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let mut sorted = copied.clone();
    sorted.sort_unstable();
    programs.sort_unstable();
    assert_eq!(sorted, programs);
    // The compiler of the image is the one of the repository.
    let toolchain = read(&here("../../rust-toolchain.toml"));
    let channel = toolchain
        .lines()
        .find_map(|line| line.trim().strip_prefix("channel = "));
    let channel = channel.unwrap().trim_matches('"');
    for line in [
        format!("FROM rust:{channel}-bookworm "),
        format!("RUSTUP_TOOLCHAIN={channel}\n"),
    ] {
        assert!(dockerfile.contains(&line), "{line}");
    }
}
