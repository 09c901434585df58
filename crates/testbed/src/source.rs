//! Where a system comes from: its Compose file and the env file of a variant.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use shaketable_document::{Diagnostics, Source};

use crate::compose::{self, Compose};
use crate::env_file;
use crate::error::TestbedError;

/// A Compose file and what its variables are taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemSource {
    /// The Compose file, absolute.
    pub compose: PathBuf,
    /// The env file, absolute.
    pub env_file: Option<PathBuf>,
    /// The variant's name, when the env file was chosen by one.
    pub variant: Option<String>,
}

/// A Compose file that was read without an error.
#[derive(Clone, Debug)]
pub struct ReadSystem {
    /// The file.
    pub compose: Compose,
    /// Warnings, rendered; empty when there are none.
    pub warnings: String,
}

impl SystemSource {
    /// The Compose file at `path` (a folder means the `compose.yaml` in it) with a variant: the env
    /// file `variants/NAME.env` beside it.
    pub fn new(path: &Path, variant: Option<&str>) -> Result<SystemSource, TestbedError> {
        let path = if path.is_dir() {
            path.join("compose.yaml")
        } else {
            path.to_path_buf()
        };
        let compose = std::fs::canonicalize(&path).map_err(|source| TestbedError::Read {
            what: "the Compose file",
            path: path.clone(),
            source,
        })?;
        let env_file = match variant {
            None => None,
            Some(variant) => {
                let folder = compose.parent().unwrap_or(Path::new("/")).join("variants");
                let file = folder.join(format!("{variant}.env"));
                if variant.contains('/') || !file.is_file() {
                    return Err(TestbedError::UnknownVariant {
                        system: folder_name(&compose),
                        variant: variant.to_owned(),
                        available: variants(&folder),
                        folder,
                    });
                }
                Some(file)
            }
        };
        Ok(SystemSource {
            compose,
            env_file,
            variant: variant.map(str::to_owned),
        })
    }

    /// The variant's name, or the env file's when it was given as a file.
    pub fn variant_label(&self) -> Option<String> {
        self.variant.clone().or_else(|| {
            Some(
                self.env_file
                    .as_ref()?
                    .file_stem()?
                    .to_string_lossy()
                    .into_owned(),
            )
        })
    }

    /// Reads, interpolates and checks the Compose file. The process's environment goes before the
    /// env file, as with Compose.
    pub fn read(&self) -> Result<ReadSystem, TestbedError> {
        let mut values = match &self.env_file {
            None => BTreeMap::new(),
            Some(file) => {
                let text = read_file("the env file", file)?;
                env_file::parse(&text).map_err(|problems| TestbedError::Document {
                    rendered: problems
                        .iter()
                        .map(|(line, problem)| {
                            format!("error: {}:{line}: {problem}", file.display())
                        })
                        .collect::<Vec<_>>()
                        .join("\n"),
                })?
            }
        };
        values.extend(std::env::vars());
        let text = read_file("the Compose file", &self.compose)?;
        let source = Source::new(self.compose.display().to_string(), text);
        let render = |diagnostics: &Diagnostics| diagnostics.render(&source, false);
        match compose::parse(&source, &folder_name(&self.compose), &values) {
            Ok((compose, warnings)) => Ok(ReadSystem {
                compose,
                warnings: if warnings.is_empty() {
                    String::new()
                } else {
                    render(&warnings)
                },
            }),
            Err(diagnostics) => Err(TestbedError::Document {
                rendered: render(&diagnostics),
            }),
        }
    }
}

fn read_file(what: &'static str, path: &Path) -> Result<String, TestbedError> {
    std::fs::read_to_string(path).map_err(|source| TestbedError::Read {
        what,
        path: path.to_path_buf(),
        source,
    })
}

fn folder_name(compose: &Path) -> String {
    compose.parent().and_then(Path::file_name).map_or_else(
        || "system".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

fn variants(folder: &Path) -> String {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.path())
                .collect::<Vec<_>>()
        })
        .unwrap_or_default()
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "env"))
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
