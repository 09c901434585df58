//! The folder of a run: `runs/<id>/` with `journal.ndjson`, `facts.json`, `result.json` and
//! `report.txt`. Ids begin with the time, so that names sort by age.

use std::path::{Path, PathBuf};

use shaketable_testbed::Home;

/// A run's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    id: String,
    root: PathBuf,
}

impl RunFolder {
    /// Makes the folder of a new run.
    pub fn create(home: &Home) -> std::io::Result<RunFolder> {
        std::fs::create_dir_all(home.runs())?;
        let stamp = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string();
        for n in 0.. {
            let id = if n == 0 {
                stamp.clone()
            } else {
                format!("{stamp}-{n}")
            };
            let root = home.runs().join(&id);
            match std::fs::create_dir(&root) {
                Ok(()) => return Ok(RunFolder { id, root }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        unreachable!("one of all numbers is free")
    }

    /// The folder of a run named by id or path; the latest that has facts when there is no name.
    pub fn find(home: &Home, name: Option<&str>) -> Option<RunFolder> {
        match name {
            Some(name) => {
                RunFolder::at(home.runs().join(name)).or_else(|| RunFolder::at(PathBuf::from(name)))
            }
            None => RunFolder::latest_with(home, "facts.json"),
        }
    }

    /// The folder of the latest run that has a journal.
    pub fn latest(home: &Home) -> Option<RunFolder> {
        RunFolder::latest_with(home, "journal.ndjson")
    }

    fn latest_with(home: &Home, file: &str) -> Option<RunFolder> {
        let entries = std::fs::read_dir(home.runs()).ok()?.flatten();
        let roots = entries.map(|entry| entry.path());
        let latest = roots.filter(|root| root.join(file).exists()).max()?;
        RunFolder::at(latest)
    }

    fn at(root: PathBuf) -> Option<RunFolder> {
        let id = root.file_name()?.to_string_lossy().into_owned();
        root.is_dir().then_some(RunFolder { id, root })
    }

    /// The run's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The append-only journal.
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal.ndjson")
    }

    /// The recorded facts, from which the ledger follows.
    pub fn facts(&self) -> PathBuf {
        self.root.join("facts.json")
    }

    /// The result as JSON.
    pub fn result(&self) -> PathBuf {
        self.root.join("result.json")
    }

    /// The report as text.
    pub fn report(&self) -> PathBuf {
        self.root.join("report.txt")
    }
}
