//! Redis on the instance's own address.
//!
//! Honours the image's conventions: the command is `redis-server` with options or the options
//! alone, a first word that is no option is the configuration file, data is in `/data`. Like the
//! image it reads no environment. The options are written to a configuration file, so that a
//! password among them is on no command line.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use nix::sys::signal::Signal;

use super::data::DataFolder;
use super::process::with_base;
use super::{Prepared, Probe, Site, arguments_of, write_private};
use crate::spawn::Launch;
use crate::system::Instance;

/// Redis's port when nothing names another.
const DEFAULT_PORT: u16 = 6379;
/// Where the image keeps its data.
const DATA: &str = "/data";

pub(super) fn prepare(instance: &Instance, site: &Site<'_>) -> Result<Prepared, String> {
    if instance.environment.contains_key("REDIS_ARGS") {
        return Err(format!(
            "service `{}`: REDIS_ARGS is read by redis-stack, not by redis; give the options as `command`",
            instance.service
        ));
    }
    let options = Options::read(arguments_of(&instance.command, "redis-server"))
        .map_err(|reason| format!("service `{}`: {reason}", instance.service))?;
    let data = DataFolder::of(
        instance,
        site,
        &[options.last("dir").unwrap_or(DATA)],
        "redis",
    )?;
    let mut text = String::new();
    let mut port = None;
    if let Some(written) = &options.file {
        let path = site.mounts.replace_in(written);
        let file = std::fs::read_to_string(&path).map_err(|error| {
            format!(
                "service `{}`: cannot read its configuration {written}, here {path}: {error}; mount it into the service with `volumes`",
                instance.service
            )
        })?;
        port = file
            .lines()
            .filter_map(|line| line.trim().strip_prefix("port "))
            .next_back()
            .map(|value| value.trim().to_owned());
        line(&mut text, "include", &[path]);
    }
    for (name, values) in &options.list {
        let values: Vec<String> = values
            .iter()
            .map(|value| site.mounts.replace_in(value))
            .collect();
        line(&mut text, name, &values);
    }
    let port = match options.last("port").or(port.as_deref()) {
        None => DEFAULT_PORT,
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
            format!(
                "service `{}`: its port is `{port}`; the testbed needs a port without TLS",
                instance.service
            )
        })?,
    };
    // What is the testbed's to say comes last, where it wins.
    for (name, value) in [
        ("bind", instance.address.to_string()),
        ("port", port.to_string()),
        ("dir", data.path.to_string_lossy().into_owned()),
        ("protected-mode", "no".to_owned()),
        ("daemonize", "no".to_owned()),
    ] {
        line(&mut text, name, &[value]);
    }
    let file = site.folder.join("redis.conf");
    write_private(&file, &text)?;
    let address = SocketAddrV4::new(instance.address, port);
    Ok(Prepared {
        launch: Launch {
            program: site.machine.redis.clone()?,
            arguments: vec![file.to_string_lossy().into_owned()],
            environment: with_base(&BTreeMap::new()),
            folder: data.path,
            user: None,
        },
        listens: vec![address],
        probe: Probe::Redis { address },
        client_port: None,
        down_signal: if data.kept {
            Signal::SIGTERM
        } else {
            Signal::SIGKILL
        },
        data_elsewhere: None,
    })
}

/// The words after `redis-server`.
#[derive(Default)]
struct Options {
    file: Option<String>,
    list: Vec<(String, Vec<String>)>,
}

impl Options {
    fn read(words: &[String]) -> Result<Options, String> {
        let mut options = Options::default();
        for (index, word) in words.iter().enumerate() {
            match word.strip_prefix("--") {
                Some(name) if !name.is_empty() => {
                    options.list.push((name.to_lowercase(), Vec::new()))
                }
                _ if index == 0 && !word.starts_with('-') => options.file = Some(word.clone()),
                _ => match options.list.last_mut() {
                    Some((_, values)) => values.push(word.clone()),
                    None => return Err(format!("`{word}` is no option of redis-server")),
                },
            }
        }
        Ok(options)
    }

    /// The value of an option's last occurrence.
    fn last(&self, name: &str) -> Option<&str> {
        let (_, values) = self.list.iter().rfind(|(one, _)| one == name)?;
        values.first().map(String::as_str)
    }
}

/// One line of a configuration file, every value quoted as Redis itself quotes.
fn line(text: &mut String, name: &str, values: &[String]) {
    text.push_str(name);
    for value in values {
        text.push_str(" \"");
        for c in value.chars() {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                c => text.push(c),
            }
        }
        text.push('"');
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_command_is_a_file_and_options() {
        let options = Options::read(&words(
            "/etc/redis.conf --appendonly yes --Save 60 1 --port 1 --port 2",
        ))
        .unwrap();
        assert_eq!(options.file.as_deref(), Some("/etc/redis.conf"));
        assert_eq!(options.last("port"), Some("2"));
        assert_eq!(options.list[1], ("save".to_owned(), words("60 1")));
        assert!(Options::read(&words("-v")).is_err());
    }

    #[test]
    fn values_are_quoted() {
        let mut text = String::new();
        line(
            &mut text,
            "requirepass",
            &["a \"b\"\\\n".to_owned(), String::new()],
        );
        assert_eq!(text, "requirepass \"a \\\"b\\\"\\\\\\n\" \"\"\n");
    }
}
