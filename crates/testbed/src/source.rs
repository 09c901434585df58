//! Where a system comes from: its Compose files, the env file of a variant, and what of it is wanted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use shaketable_document::Source;

use crate::compose::{self, Compose, Context};
use crate::env_file;
use crate::error::TestbedError;
use crate::interpolation::Variables;

/// Compose files, what their variables are taken from, and what of the system is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SystemSource {
    /// The first Compose file, absolute; relative paths of all files start from its folder.
    pub compose: PathBuf,
    /// Further Compose files, absolute, merged into the first one in this order.
    pub overrides: Vec<PathBuf>,
    /// Profiles that are enabled, besides those of `COMPOSE_PROFILES`.
    pub profiles: Vec<String>,
    /// Numbers of replicas that go before those of the files.
    pub scale: BTreeMap<String, usize>,
    /// The env file, absolute.
    pub env_file: Option<PathBuf>,
    /// The variant's name, when the env file was chosen by one.
    pub variant: Option<String>,
}

/// What a Compose file may be called, in the order of preference.
const FILE_NAMES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
];

/// A Compose file that was read without an error.
#[derive(Clone, Debug)]
pub struct ReadSystem {
    /// The file, or all of them as one.
    pub compose: Compose,
    /// Warnings, rendered; empty when there are none.
    pub warnings: String,
}

impl SystemSource {
    /// The Compose file at `path` (a folder means the `compose.yaml` in it, or one of Compose's other
    /// names) with a variant: the env file `variants/NAME.env` beside it. Files that Compose would
    /// add by itself, such as `compose.override.yaml`, are not read; see
    /// [`SystemSource::with_overrides`].
    pub fn new(path: &Path, variant: Option<&str>) -> Result<SystemSource, TestbedError> {
        let path = if path.is_dir() {
            let found = FILE_NAMES.iter().map(|name| path.join(name));
            found
                .clone()
                .find(|file| file.is_file())
                .unwrap_or_else(|| path.join(FILE_NAMES[0]))
        } else {
            path.to_path_buf()
        };
        let compose = absolute(&path)?;
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
            ..SystemSource::default()
        })
    }

    /// The same with further Compose files (`-f` a second time), merged into the first in order.
    pub fn with_overrides<P: AsRef<Path>>(
        mut self,
        files: impl IntoIterator<Item = P>,
    ) -> Result<SystemSource, TestbedError> {
        for file in files {
            self.overrides.push(absolute(file.as_ref())?);
        }
        Ok(self)
    }

    /// The same with further enabled profiles; `*` enables all.
    pub fn with_profiles(mut self, profiles: impl IntoIterator<Item = String>) -> SystemSource {
        self.profiles.extend(profiles);
        self
    }

    /// The same with another number of replicas for some services.
    pub fn with_scale(mut self, scale: impl IntoIterator<Item = (String, usize)>) -> SystemSource {
        self.scale.extend(scale);
        self
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

    /// Reads, interpolates, merges and checks the Compose files. The process's environment goes
    /// before the env file, as with Compose.
    pub fn read(&self) -> Result<ReadSystem, TestbedError> {
        let mut sources = Vec::new();
        for file in std::iter::once(&self.compose).chain(&self.overrides) {
            let text = read_file("the Compose file", file)?;
            sources.push(Source::new(file.display().to_string(), text));
        }
        let set = self.variables_of_file()?;
        let mut values = set.clone();
        values.extend(outside());
        let variables = Variables::new(values);
        let context = Context {
            folder: self.compose.parent().unwrap_or(Path::new("/")),
            variables: &variables,
            profiles: &self.profiles,
        };
        let (mut compose, findings) =
            compose::read(sources, &context).map_err(|findings| TestbedError::Document {
                rendered: findings.render(),
            })?;
        let mut warnings = findings.render();
        if let Some(file) = &self.env_file
            && let Some(unused) = unused(&set, &variables)
        {
            let separator = if warnings.is_empty() { "" } else { "\n\n" };
            warnings.push_str(&format!(
                "{separator}warning: {} sets {unused}, which the Compose file does not use",
                file.display()
            ));
        }
        self.rescale(&mut compose)?;
        Ok(ReadSystem { compose, warnings })
    }

    fn variables_of_file(&self) -> Result<BTreeMap<String, String>, TestbedError> {
        let Some(file) = &self.env_file else {
            return Ok(BTreeMap::new());
        };
        let text = read_file("the env file", file)?;
        env_file::parse(&text, &outside()).map_err(|problems| TestbedError::Document {
            rendered: problems
                .iter()
                .map(|(line, problem)| format!("error: {}:{line}: {problem}", file.display()))
                .collect::<Vec<_>>()
                .join("\n"),
        })
    }

    fn rescale(&self, compose: &mut Compose) -> Result<(), TestbedError> {
        for (name, replicas) in &self.scale {
            match compose
                .services
                .iter_mut()
                .find(|service| service.name == *name)
            {
                Some(service) => service.replicas = *replicas,
                None => {
                    let names = compose.services.iter().map(|service| service.name.clone());
                    return Err(TestbedError::UnknownService {
                        system: compose.name.clone(),
                        service: name.clone(),
                        available: names.collect::<Vec<_>>().join(", "),
                    });
                }
            }
        }
        for service in &compose.services {
            let same = |other: &&compose::Service| service.has_replica(&other.name);
            if let Some(other) = compose.services.iter().find(same) {
                return Err(TestbedError::Conflict(format!(
                    "with {} replicas of `{}`, one of them would be called `{}`, as another service is",
                    service.replicas, service.name, other.name
                )));
            }
        }
        Ok(())
    }
}

/// The environment of this process, as far as it is text.
fn outside() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The names that nothing in the Compose files asked for.
fn unused(set: &BTreeMap<String, String>, variables: &Variables) -> Option<String> {
    let names: Vec<String> = set
        .keys()
        .filter(|name| !name.starts_with("COMPOSE_") && !variables.was_asked_for(name))
        .map(|name| format!("`{name}`"))
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn absolute(path: &Path) -> Result<PathBuf, TestbedError> {
    std::fs::canonicalize(path).map_err(|source| TestbedError::Read {
        what: "the Compose file",
        path: path.to_path_buf(),
        source,
    })
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
