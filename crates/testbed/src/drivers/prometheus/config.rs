//! The copy of a Prometheus configuration that is true here: service names are addresses, and paths
//! lead to this machine's files.
//!
//! Where the container's resolver would give several addresses for a name, there is one target per
//! replica: in `static_configs`, and for `dns_sd_configs` of services, which become static. A
//! target keeps the name it was written with, or its replica's, as its `instance` label.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

use serde_json::{Map, Value, json};
use shaketable_document::{Data, Node, Source};

use crate::compose::Mounts;
use crate::system::System;

/// What a configuration is rewritten for.
pub(super) struct Rewriting<'a> {
    pub system: &'a System,
    /// Where Prometheus itself will listen.
    pub own: SocketAddrV4,
    pub mounts: &'a Mounts,
    /// The folder of the file as it was written; its relative paths begin there.
    pub folder: &'a Path,
}

impl Rewriting<'_> {
    /// Rewrites the text of a configuration, to JSON, which is YAML.
    pub fn text(&self, text: &str) -> Result<String, String> {
        let source = Source::new("prometheus.yml", text);
        let root = shaketable_document::parse(&source)
            .map_err(|diagnostics| diagnostics.render(&source, false))?;
        let mut value = value(&root);
        self.walk("", &mut value);
        serde_json::to_string_pretty(&value).map_err(|error| error.to_string())
    }

    fn walk(&self, key: &str, value: &mut Value) {
        match value {
            Value::Object(map) => {
                self.resolve(map);
                // Labels are words for people, also when they are a service's name.
                for (key, value) in map.iter_mut().filter(|(key, _)| *key != "labels") {
                    self.walk(key, value);
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|one| self.walk(key, one)),
            Value::String(text) => *text = self.string(key, text),
            _ => {}
        }
    }

    fn string(&self, key: &str, text: &str) -> String {
        let is_path =
            ["rule_files", "scrape_config_files", "files"].contains(&key) || key.ends_with("_file");
        if is_path {
            let local = self.mounts.replace_in(text);
            return self.folder.join(local).to_string_lossy().into_owned();
        }
        self.system
            .hosts
            .replace_in(key, text, Some(*self.own.ip()))
    }

    /// Static targets that are services become one group each; names of services that DNS was to
    /// resolve become such groups too.
    fn resolve(&self, map: &mut Map<String, Value>) {
        let mut groups = Vec::new();
        if let Some(Value::Array(list)) = map.get("static_configs") {
            groups.extend(list.iter().flat_map(|group| self.static_group(group)));
        }
        if let Some(Value::Array(list)) = map.get_mut("dns_sd_configs") {
            list.retain_mut(|config| {
                let (found, left) = self.dns(config);
                groups.extend(found);
                left
            });
            if list.is_empty() {
                map.remove("dns_sd_configs");
            }
        }
        if !groups.is_empty() || map.contains_key("static_configs") {
            map.insert("static_configs".to_owned(), Value::Array(groups));
        }
    }

    fn static_group(&self, group: &Value) -> Vec<Value> {
        let Some(Value::Array(targets)) = group.get("targets") else {
            return vec![group.clone()];
        };
        let mut groups = Vec::new();
        let mut others = Vec::new();
        for target in targets {
            let found = target
                .as_str()
                .map(|text| self.replicas(text))
                .unwrap_or_default();
            if found.is_empty() {
                others.push(target.clone());
            }
            for (target, instance) in found {
                let mut labels = json!({ "instance": instance });
                if let (Value::Object(labels), Some(Value::Object(own))) =
                    (&mut labels, group.get("labels"))
                {
                    labels.extend(own.clone());
                }
                groups.push(json!({ "targets": [target], "labels": labels }));
            }
        }
        if !others.is_empty() {
            let mut group = group.clone();
            group["targets"] = Value::Array(others);
            groups.push(group);
        }
        groups
    }

    /// The groups for the services of a `dns_sd_configs` entry, and whether other names are left.
    fn dns(&self, config: &mut Value) -> (Vec<Value>, bool) {
        let Some(port) = config.get("port").and_then(Value::as_u64) else {
            return (Vec::new(), true);
        };
        let Some(Value::Array(names)) = config.get_mut("names") else {
            return (Vec::new(), true);
        };
        let mut groups = Vec::new();
        names.retain(|name| {
            // `tasks.NAME` is the name of all replicas in a swarm.
            let name = name.as_str().unwrap_or_default();
            let found = self.replicas(&format!(
                "{}:{port}",
                name.strip_prefix("tasks.").unwrap_or(name)
            ));
            let known = !found.is_empty();
            groups.extend(found.into_iter().map(|(target, instance)| {
                json!({ "targets": [target], "labels": { "instance": instance } })
            }));
            !known
        });
        (groups, !names.is_empty())
    }

    /// The targets that `NAME` or `NAME:PORT` stands for, with their `instance` labels.
    fn replicas(&self, target: &str) -> Vec<(String, String)> {
        let (name, port) = match target.split_once(':') {
            Some((name, port)) => (name, format!(":{port}")),
            None => (target, String::new()),
        };
        let at = |address: Ipv4Addr| format!("{address}{port}");
        if name == "localhost" && port == format!(":{}", self.own.port()) {
            return vec![(self.own.to_string(), target.to_owned())];
        }
        let replicas: Vec<_> = self
            .system
            .instances
            .iter()
            .filter(|one| one.service == name)
            .collect();
        match replicas.as_slice() {
            [] => self
                .system
                .instance(name)
                .map(|one| (at(one.address), target.to_owned()))
                .into_iter()
                .collect(),
            [one] => vec![(at(one.address), target.to_owned())],
            several => several
                .iter()
                .map(|one| (at(one.address), format!("{}{port}", one.name)))
                .collect(),
        }
    }
}

fn value(node: &Node) -> Value {
    match &node.data {
        Data::Null => Value::Null,
        Data::Bool(yes) => Value::Bool(*yes),
        Data::Int(number) => json!(number),
        Data::Float(number) => json!(number),
        Data::Text(text) => Value::String(text.clone()),
        Data::List(list) => list.iter().map(value).collect(),
        Data::Map(entries) => entries
            .iter()
            .map(|entry| (entry.key.clone(), value(&entry.value)))
            .collect(),
    }
}
