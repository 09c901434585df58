//! `volumes`, of a service and of the file: what is mounted where.

use std::path::{Path, PathBuf};

use shaketable_document::{Data, Node, Span};

use super::keys;
use super::mount::{Mount, MountSource};
use super::reader::Reader;

/// Modes of the short form that say what a mount may be used for.
const READ_ONLY: &str = "ro";
/// Modes of the short form that mean nothing without containers.
const OTHER_MODES: &[&str] = &[
    "rw",
    "z",
    "Z",
    "cached",
    "delegated",
    "consistent",
    "nocopy",
];

impl Reader<'_> {
    /// The top-level `volumes`.
    pub(super) fn declared_volumes(&mut self, node: &Node) {
        if node.data == Data::Null {
            return;
        }
        let Data::Map(entries) = &node.data else {
            self.error(
                node.span,
                format!("`volumes` is a map of volumes, not {}", node.kind_name()),
            );
            return;
        };
        for entry in entries {
            let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            let first = entry.key.starts_with(|c: char| c.is_ascii_alphanumeric());
            if !first || !entry.key.chars().all(fits) {
                self.error(entry.key_span, format!("`{}` is not a volume name: letters, digits, `.`, `_` and `-`, a letter or digit first", entry.key));
            }
            self.volumes.push(entry.key.clone());
            if entry.value.data == Data::Null {
                continue;
            }
            let owner = format!("volume `{}`", entry.key);
            let keys = self.entries(&entry.value, &owner, "volumes.", keys::VOLUME);
            for key in keys.unwrap_or_default() {
                if key.key == "driver" {
                    let driver = self.string(&key.value, "`driver`").unwrap_or_default();
                    if !driver.is_empty() && driver != "local" {
                        self.error(
                            key.value.span,
                            format!("the volume driver `{driver}` is not supported; a volume is a folder of this machine"),
                        );
                    }
                } else if self.truth(&key.value, "`external`") == Some(true) {
                    self.diagnostics
                        .error(key.key_span, "an external volume is not supported by the testbed")
                        .help("volumes of Docker are out of reach; remove `external`, or mount a folder of this machine");
                }
            }
        }
    }

    /// The `volumes` of a service; a later mount replaces one with the same target.
    pub(super) fn mounts(&mut self, node: &Node) -> Vec<Mount> {
        let Data::List(items) = &node.data else {
            self.error(
                node.span,
                format!("`volumes` of a service is a list, not {}", node.kind_name()),
            );
            return Vec::new();
        };
        let mut mounts: Vec<Mount> = Vec::new();
        for item in items {
            let found = match &item.data {
                Data::Map(_) => self.long_mount(item),
                _ => self.short_mount(item),
            };
            if let Some(mount) = found {
                match mounts.iter_mut().find(|one| one.target == mount.target) {
                    Some(same) => *same = mount,
                    None => mounts.push(mount),
                }
            }
        }
        mounts
    }

    /// `[SOURCE:]TARGET[:MODE]`.
    fn short_mount(&mut self, item: &Node) -> Option<Mount> {
        let text = self.string(item, "an item of `volumes`")?;
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, mode) = match parts.as_slice() {
            [target] => (None, *target, ""),
            [source, target] => (Some(*source), *target, ""),
            [source, target, mode] => (Some(*source), *target, *mode),
            _ => {
                self.error(
                    item.span,
                    format!("`{text}` is no mount: TARGET, SOURCE:TARGET or SOURCE:TARGET:MODE"),
                );
                return None;
            }
        };
        let mut read_only = false;
        for mode in mode.split(',').filter(|mode| !mode.is_empty()) {
            if mode == READ_ONLY {
                read_only = true;
            } else if !OTHER_MODES.contains(&mode) {
                self.error(
                    item.span,
                    format!("`{mode}` is no mode of a mount: rw or ro"),
                );
            }
        }
        let name = match source {
            None => MountSource::Anonymous,
            Some(path) if path.starts_with(['.', '/', '~']) => {
                MountSource::Bind(self.bind(path, item.span)?)
            }
            Some(volume) => self.named(volume, item.span)?,
        };
        self.mount(name, target, read_only, item.span)
    }

    fn long_mount(&mut self, item: &Node) -> Option<Mount> {
        let entries = self.entries(item, "an item of `volumes`", "volumes.", keys::MOUNT)?;
        let (mut kind, mut source, mut target) = (None, None, None);
        let mut read_only = false;
        for entry in &entries {
            let value = &entry.value;
            match entry.key.as_str() {
                "type" => kind = Some((self.string(value, "`type`")?, value.span)),
                "source" => source = Some((self.string(value, "`source`")?, value.span)),
                "target" => target = Some((self.string(value, "`target`")?, value.span)),
                "read_only" => read_only = self.truth(value, "`read_only`")?,
                "bind" => {
                    self.entries(value, "`bind`", "volumes.bind.", keys::MOUNT_BIND)?;
                }
                _ => {
                    self.entries(value, "`volume`", "volumes.volume.", keys::MOUNT_VOLUME)?;
                }
            }
        }
        if entries.len() < item.entries().len() && kind.is_none() {
            return None; // Complained about, or of a kind that is.
        }
        let Some((kind, kind_at)) = kind else {
            self.error(item.span, "an item of `volumes` lacks the key `type`");
            return None;
        };
        let name = match (kind.as_str(), source) {
            ("volume", None) => MountSource::Anonymous,
            ("volume", Some((volume, at))) => self.named(&volume, at)?,
            ("bind", Some((path, at))) => MountSource::Bind(self.bind(&path, at)?),
            ("bind", None) => {
                self.error(item.span, "a bind mount lacks the key `source`");
                return None;
            }
            (other, _) => {
                self.diagnostics
                    .error(
                        kind_at,
                        format!("mounts of type `{other}` are not supported by the testbed"),
                    )
                    .help("there are volume and bind");
                return None;
            }
        };
        let Some((target, at)) = target else {
            self.error(item.span, "an item of `volumes` lacks the key `target`");
            return None;
        };
        self.mount(name, &target, read_only, at)
    }

    fn mount(
        &mut self,
        name: MountSource,
        target: &str,
        read_only: bool,
        at: Span,
    ) -> Option<Mount> {
        let trimmed = target.trim_end_matches('/');
        if !trimmed.starts_with('/') || trimmed.split('/').any(|part| part == "..") {
            self.error(
                at,
                format!("the target `{target}` of a mount has to be an absolute path below `/`"),
            );
            return None;
        }
        Some(Mount {
            name,
            target: trimmed.to_owned(),
            read_only,
        })
    }

    fn named(&mut self, volume: &str, at: Span) -> Option<MountSource> {
        if self.volumes.iter().any(|known| known == volume) {
            return Some(MountSource::Named(volume.to_owned()));
        }
        let meant = shaketable_document::closest(volume, self.volumes.iter().map(String::as_str));
        let help = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!(
                "declare it at the end of the file: `volumes: {{ {volume}: }}`; a path begins with `./` or `/`"
            ),
        };
        self.diagnostics
            .error(at, format!("the volume `{volume}` is not declared"))
            .help(help);
        None
    }

    fn bind(&mut self, written: &str, at: Span) -> Option<PathBuf> {
        let path = match written.strip_prefix('~') {
            Some(rest) => {
                let home = std::env::var_os("HOME").unwrap_or_else(|| "/".into());
                Path::new(&home).join(rest.trim_start_matches('/'))
            }
            None => self.context.folder.join(written),
        };
        match std::fs::canonicalize(&path) {
            Ok(path) => Some(path),
            Err(error) => {
                self.diagnostics
                    .error(at, format!("cannot mount {}: {error}", path.display()))
                    .help(
                        "Docker would make an empty folder there; make what is meant to be there",
                    );
                None
            }
        }
    }
}
