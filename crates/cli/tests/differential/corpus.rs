//! The corpus on disk: the cases as they are declared, and what was recorded of each.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// One recorded case.
pub struct Case {
    /// `SECTION/NAME`.
    pub name: String,
    /// The declaration it was recorded from.
    pub declared: Value,
    /// Its input files, by path relative to the case's folder; with placeholders.
    pub files: Vec<(String, String)>,
    /// The arguments of the command, with placeholders.
    pub command: Vec<String>,
    /// Its environment beside what every case gets, with placeholders.
    pub environment: Vec<(String, String)>,
    /// What the reference did.
    pub result: Value,
    /// Whether the hypothesis is sampled while the method runs: how often, and when, is then chance.
    pub during: bool,
    /// Globs of the fields that are not compared.
    pub ignored: Vec<String>,
}

/// The folder of the corpus.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// Every case as declared in `cases/*.yaml`, by name.
pub fn declared() -> Vec<(String, Value)> {
    let mut cases = Vec::new();
    for path in entries(&folder().join("cases")) {
        let section = stem(&path);
        for case in parse(&path)["cases"].as_array().into_iter().flatten() {
            cases.push((format!("{section}/{}", text(&case["name"])), case.clone()));
        }
    }
    cases
}

/// Every recording in `recorded/SECTION/NAME.json`.
pub fn recorded() -> Vec<Case> {
    let mut cases = Vec::new();
    for section in entries(&folder().join("recorded")) {
        for path in entries(&section) {
            let read = std::fs::read_to_string(&path).expect("a recording can be read");
            let recording: Value = serde_json::from_str(&read).expect("a recording is JSON");
            cases.push(Case {
                name: format!("{}/{}", stem(&section), stem(&path)),
                files: pairs(&recording["files"]),
                command: texts(&recording["command"]),
                environment: pairs(&recording["environment"]),
                result: recording["result"].clone(),
                during: recording["case"]["during"] == true,
                ignored: texts(&recording["case"]["ignore"]),
                declared: recording["case"].clone(),
            });
        }
    }
    cases
}

/// A YAML file of the corpus, read with the dialect under test.
pub fn parse(path: &Path) -> Value {
    let read = std::fs::read_to_string(path).expect("a file of the corpus can be read");
    match shaketable_dialect::yaml::load(&read) {
        Ok(value) => value.to_json(),
        Err(error) => panic!("{} is not YAML: {error}", path.display()),
    }
}

/// A text, or the JSON of anything else.
pub fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_string)
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    let members = value.as_object().into_iter().flatten();
    members
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}

fn stem(path: &Path) -> String {
    let name = path
        .file_name()
        .expect("an entry has a name")
        .to_string_lossy();
    let name = name
        .strip_suffix(".json")
        .or_else(|| name.strip_suffix(".yaml"))
        .unwrap_or(&name);
    name.to_string()
}

/// What a folder of the corpus holds, in order.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let listing = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{} cannot be listed: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = listing
        .map(|entry| entry.expect("an entry can be read").path())
        .collect();
    paths.sort();
    paths
}
