//! A mount: a folder or file of a service that is kept elsewhere, and where that is locally.
//!
//! A process sees the machine's own files. So a path of a mount, where the service is told it, is
//! replaced by the local path that stands for it ([`Mounts::replace_in`]).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::home::Home;

/// One entry of a service's `volumes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// What is mounted.
    pub name: MountSource,
    /// Where the service looks for it, an absolute path without a slash at its end.
    pub target: String,
    /// Whether the service may only read it. Nothing enforces that here.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountSource {
    /// A volume of the system that outlives it: a key of the top-level `volumes`.
    Named(String),
    /// A file or folder of this machine, absolute.
    Bind(PathBuf),
    /// A folder of the instance that goes with it.
    Anonymous,
}

impl Mount {
    /// Where it is on this machine, for one instance of one system. Only a bind mount is known to
    /// exist; whoever starts the instance makes the folders of the others.
    pub fn local(&self, home: &Home, system: &str, instance: &str) -> PathBuf {
        match &self.name {
            MountSource::Named(volume) => home.volume(system, volume),
            MountSource::Bind(path) => path.clone(),
            MountSource::Anonymous => home
                .system(system)
                .data(instance)
                .join("volumes")
                .join(self.target.trim_start_matches('/').replace('/', "_")),
        }
    }
}

impl Mount {
    /// Whether `text` has a path at or below the target.
    pub(super) fn is_told_in(&self, text: &str) -> bool {
        Mounts::one(&self.target, Path::new("")).replace_in(text) != text
    }
}

/// The mounts of one instance with their local paths.
#[derive(Clone, Debug, Default)]
pub struct Mounts(Vec<(String, PathBuf)>);

impl Mounts {
    /// The mounts of `instance` of `system`.
    pub fn of(mounts: &[Mount], home: &Home, system: &str, instance: &str) -> Mounts {
        let mut list: Vec<(String, PathBuf)> = mounts
            .iter()
            .map(|mount| (mount.target.clone(), mount.local(home, system, instance)))
            .collect();
        // The innermost mount decides.
        list.sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        Mounts(list)
    }

    /// A single mount.
    pub(super) fn one(target: &str, local: &Path) -> Mounts {
        Mounts(vec![(target.to_owned(), local.to_path_buf())])
    }

    /// Replaces paths at or below a mount's target where a path begins: at the start of the text,
    /// after one of `= : , ;`, a quote or a space, and after `://`. A target in the middle of
    /// another path or of a URL stays as it is.
    pub fn replace_in(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('/') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            match self.begins_with(rest).filter(|_| path_begins_after(&out)) {
                Some((target, local)) => {
                    out.push_str(&local.display().to_string());
                    rest = &rest[target.len()..];
                    // What follows belongs to the same path.
                    let end = rest.find(is_boundary).unwrap_or(rest.len());
                    out.push_str(&rest[..end]);
                    rest = &rest[end..];
                }
                None => {
                    out.push('/');
                    rest = &rest[1..];
                }
            }
        }
        out.push_str(rest);
        out
    }

    fn begins_with(&self, text: &str) -> Option<(&str, &Path)> {
        self.0.iter().find_map(|(target, local)| {
            let after = text.strip_prefix(target.as_str())?;
            (after.is_empty() || after.starts_with('/') || after.starts_with(is_boundary))
                .then_some((target.as_str(), local.as_path()))
        })
    }
}

fn is_boundary(c: char) -> bool {
    "=:,; \t\n\"'".contains(c)
}

fn path_begins_after(before: &str) -> bool {
    before.is_empty() || before.ends_with(is_boundary) || before.ends_with("://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_replaced_where_a_path_begins() {
        let mounts = Mounts(vec![
            ("/data/inner".to_owned(), PathBuf::from("/v/inner")),
            ("/data".to_owned(), PathBuf::from("/v/data")),
        ]);
        for (written, effective) in [
            ("/data", "/v/data"),
            ("/data/x/data", "/v/data/x/data"),
            ("/data/inner/x", "/v/inner/x"),
            ("/database", "/database"),
            ("/other/data", "/other/data"),
            ("--path=/data/x", "--path=/v/data/x"),
            ("sqlite:///data/x.db", "sqlite:///v/data/x.db"),
            ("/data:/data/inner", "/v/data:/v/inner"),
            ("http://host/data", "http://host/data"),
            ("https://data/", "https://data/"),
            ("cat '/data/a' /data", "cat '/v/data/a' /v/data"),
            ("data", "data"),
        ] {
            assert_eq!(mounts.replace_in(written), effective, "{written}");
        }
    }
}
