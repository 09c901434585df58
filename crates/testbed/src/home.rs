//! The home folder: where everything a run or a system leaves on disk is found.
//!
//! ```text
//! .shaketable/
//!   systems/<name>/        one running system: system.json, control.sock, events.ndjson
//!     data/<instance>/     what the server keeps
//!     logs/<instance>.log  what the server said; what is older in <instance>.log.1
//!   volumes/<system>/<volume>/  a named volume; outlives the system
//!   runs/<id>/             one run: journal, facts, report
//!   faults/<id>.json       undo records of faults that are, or may be, in place
//!   cache/                 what makes the next start faster; may be deleted at any time
//! ```

use std::path::{Component, Path, PathBuf};

use crate::compose::system_name;

/// Name of the folder made in the working directory when `SHAKETABLE_HOME` is not set.
pub const DEFAULT_FOLDER: &str = ".shaketable";

/// The home folder. Cheap to clone; creating folders is left to those who fill them. No name of a
/// system or a volume leads out of the folder it belongs in, whoever chose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// A home at `root`. The path is made absolute so that child processes may change directory.
    pub fn at(root: impl AsRef<Path>) -> std::io::Result<Home> {
        Ok(Home {
            root: std::path::absolute(root.as_ref())?,
        })
    }

    /// `SHAKETABLE_HOME` if it is set and not empty, else `.shaketable` in the working directory.
    pub fn from_environment() -> std::io::Result<Home> {
        match std::env::var_os("SHAKETABLE_HOME") {
            Some(root) if !root.is_empty() => Home::at(PathBuf::from(root)),
            _ => Home::at(DEFAULT_FOLDER),
        }
    }

    /// The folder itself, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `systems/`.
    pub fn systems(&self) -> PathBuf {
        self.root.join("systems")
    }

    /// `systems/<name>/`.
    pub fn system(&self, name: &str) -> SystemFolder {
        SystemFolder {
            root: self.systems().join(component(name)),
        }
    }

    /// `volumes/<system>/`: the named volumes of a system.
    pub fn volumes(&self, system: &str) -> PathBuf {
        self.root.join("volumes").join(component(system))
    }

    /// `volumes/<system>/<volume>/`: a named volume, which outlives the system.
    pub fn volume(&self, system: &str, volume: &str) -> PathBuf {
        self.volumes(system).join(component(volume))
    }

    /// `runs/`.
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// `faults/`.
    pub fn faults(&self) -> PathBuf {
        self.root.join("faults")
    }

    /// `cache/`.
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Names of the systems that have a folder, sorted.
    pub fn system_names(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.systems()) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| system_name(name) == *name)
            .collect();
        names.sort();
        names
    }
}

/// A name as one component of a path: one that is none (`..`, `a/b`) is escaped.
fn component(name: &str) -> String {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(only)), None) if only == name => name.to_owned(),
        _ => format!("%{}", name.replace('.', "%2E").replace('/', "%2F")),
    }
}

/// The folder of one system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemFolder {
    root: PathBuf,
}

impl SystemFolder {
    /// The folder of a system whose path is already known.
    pub fn at(root: PathBuf) -> SystemFolder {
        SystemFolder { root }
    }

    /// The folder itself, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The last state the supervisor wrote: its identity and that of every process it started.
    pub fn state_file(&self) -> PathBuf {
        self.root.join("system.json")
    }

    /// Every start, exit and change of health, one JSON object a line, appended life after life.
    pub fn events_file(&self) -> PathBuf {
        self.root.join("events.ndjson")
    }

    /// What the supervisor itself had to say.
    pub fn supervisor_log(&self) -> PathBuf {
        self.logs().join("supervisor.log")
    }

    /// `logs/`.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// What an instance wrote to its standard output and standard error, each line with its time
    /// ([`crate::logs`]).
    pub fn log(&self, instance: &str) -> PathBuf {
        self.logs().join(format!("{instance}.log"))
    }

    /// What it wrote before that, when its log has grown too long for one file.
    pub fn older_log(&self, instance: &str) -> PathBuf {
        self.logs().join(format!("{instance}.log.1"))
    }

    /// What an instance keeps on disk.
    pub fn data(&self, instance: &str) -> PathBuf {
        self.root.join("data").join(instance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_elsewhere() {
        let home = Home::at("/home").unwrap();
        assert_eq!(home.volumes("shop"), Path::new("/home/volumes/shop"));
        for name in ["", ".", "..", "/", "/etc", "a/..", "a/", "../..", "a//b"] {
            for path in [home.volumes(name), home.system(name).root().to_owned()] {
                let parts: Vec<Component> = path.components().collect();
                assert_eq!(parts.len(), 4, "{path:?}");
                assert!(matches!(parts[3], Component::Normal(_)), "{path:?}");
            }
        }
    }
}
