//! Where a server keeps its data: in the instance's own folder, which goes with it, or in a volume,
//! which stays.

use std::path::{Path, PathBuf};

use super::{Site, make_folder};
use crate::compose::{DriverKind, Mount, MountSource};
use crate::system::Instance;

/// In a volume's folder: leads to data of it that a server's user could not reach there.
pub(super) const ELSEWHERE: &str = "elsewhere";

/// The folder of a server's data.
pub(super) struct DataFolder {
    /// Where it is; it exists.
    pub path: PathBuf,
    /// Whether it outlives the instance.
    pub kept: bool,
    /// What it is called in messages.
    pub name: String,
}

impl DataFolder {
    /// The folder that is mounted at the first of `targets` that is a mount, else above the first
    /// that is in one, else `own` in the instance's folder.
    pub fn of(
        instance: &Instance,
        site: &Site<'_>,
        targets: &[&str],
        own: &str,
    ) -> Result<DataFolder, String> {
        let find = |is: &dyn Fn(&str, &str) -> bool| {
            targets.iter().find_map(|target| {
                let target = target.trim_end_matches('/');
                let mount = instance.volumes.iter().find(|one| is(target, &one.target));
                mount.map(|mount| (mount, &target[mount.target.len()..]))
            })
        };
        let mount = find(&|target, of_mount| target == of_mount).or_else(|| {
            find(&|target, of_mount| {
                let below = target.strip_prefix(of_mount);
                below.is_some_and(|below| below.starts_with('/'))
            })
        });
        let folder = match mount {
            Some((mount, below)) => {
                check_alone(instance, mount, site)?;
                let mut path = mount.local(site.home, &site.system.name, &instance.name);
                // What else is in somebody's folder stays by itself.
                if matches!(mount.name, MountSource::Bind(_)) && !below.is_empty() {
                    path.push(below.trim_start_matches('/'));
                }
                DataFolder {
                    kept: mount.name != MountSource::Anonymous,
                    name: match &mount.name {
                        MountSource::Named(volume) => format!("volume `{volume}`"),
                        MountSource::Bind(_) => format!("folder {}", path.display()),
                        MountSource::Anonymous => "its data folder".to_owned(),
                    },
                    path,
                }
            }
            None => DataFolder {
                path: site.folder.join(own),
                kept: false,
                name: "its data folder".to_owned(),
            },
        };
        make_folder(&folder.path)?;
        Ok(folder)
    }

    /// The end of a message about data that does not fit: what to do about it.
    pub fn remedy(&self, system: &str) -> String {
        if self.name.starts_with("volume") {
            format!("`shaketable down {system} --volumes` removes it")
        } else {
            format!("remove {} to begin anew", self.path.display())
        }
    }
}

/// Two servers on one data folder destroy it.
fn check_alone(instance: &Instance, mount: &Mount, site: &Site<'_>) -> Result<(), String> {
    if mount.name == MountSource::Anonymous {
        return Ok(());
    }
    let other = site.system.instances.iter().find(|other| {
        other.name != instance.name
            && other.driver != DriverKind::Process
            && other
                .volumes
                .iter()
                .any(|one| one.name == mount.name && !one.read_only)
    });
    match other {
        None => Ok(()),
        Some(other) => Err(format!(
            "`{}` and `{}` would keep their data in the same folder (mounted at {}); give each a service and a volume of its own",
            instance.name, other.name, mount.target
        )),
    }
}

/// Removes the folder of a volume, with what a server had to keep elsewhere. One that is not there
/// is fine.
pub fn remove_volume(folder: &Path) -> std::io::Result<()> {
    let not_there = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    match std::fs::read_link(folder.join(ELSEWHERE)) {
        Ok(elsewhere) => match std::fs::remove_dir_all(elsewhere) {
            Err(error) if !not_there(&error) => return Err(error),
            _ => {}
        },
        // `InvalidInput`: a file of a server that happens to be called so.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput || not_there(&error) => {}
        Err(error) => return Err(error),
    }
    match std::fs::remove_dir_all(folder) {
        Err(error) if !not_there(&error) => Err(error),
        _ => Ok(()),
    }
}
