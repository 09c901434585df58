//! PostgreSQL: `initdb` once, then `postgres` on the instance's own address.
//!
//! Honours the image's `POSTGRES_USER`, `POSTGRES_PASSWORD`, `POSTGRES_DB`, `POSTGRES_INITDB_ARGS`,
//! `POSTGRES_HOST_AUTH_METHOD`, `PGDATA` and `PGPORT`; like the image it reads them only when it makes the
//! data folder. The cluster is made beside its place and renamed, so that one in its place is whole.
//!
//! The server refuses to run as root: as root it is run as another user. When that user cannot enter
//! the home folder, the data is put into a folder of the system's temporary directory instead, which
//! is named in the status; that of a volume is put under `/var/tmp`, with a link in the volume.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddrV4;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::data::{DataFolder, ELSEWHERE};
use super::probe::native_check;
use super::process::with_base;
use super::{Prepared, Probe, Site, arguments_of, run_to_end};
use crate::compose::postgres_port;
use crate::spawn::{Launch, RunAs};
use crate::system::Instance;

/// `initdb` has been seen at 1–3 s; slow disks are given twenty times that.
const INITDB_TIMEOUT: Duration = Duration::from_secs(60);
/// Where the image keeps its data, unless PGDATA says otherwise.
const DATA: &str = "/var/lib/postgresql/data";
/// Where data outlives a restart of the machine, as a volume has to.
const LASTING_TEMPORARY: &str = "/var/tmp";

pub(super) async fn prepare(instance: &Instance, site: &Site<'_>) -> Result<Prepared, String> {
    let programs = site.machine.postgres.clone()?;
    let user = site.machine.unprivileged.clone()?;
    let settings = Settings::of(instance);
    let data = DataFolder::of(
        instance,
        site,
        &[settings.get("PGDATA").unwrap_or(DATA), DATA],
        "postgres",
    )?;
    let place = Place::of(&data, &site.system.name, user.as_ref())?;
    let cluster = place.folder.join("pgdata");
    let run = |program: &str, arguments: Vec<String>, folder: &Path| Launch {
        program: programs.join(program),
        arguments,
        environment: with_base(&BTreeMap::new()),
        folder: folder.to_path_buf(),
        user: user.clone(),
    };
    if cluster.join("PG_VERSION").exists() {
        check_version(&cluster, &programs, &data, site)?;
        // Of a server that was killed; nothing but this supervisor starts one on this folder. Its
        // pid may be somebody else's by now, and then the server would refuse to start.
        remove_file(&cluster.join("postmaster.pid"))?;
    } else {
        make_cluster(instance, &settings, &cluster, data.kept, user.as_ref(), run).await?;
    }

    let port = postgres_port(&instance.command, &instance.environment);
    let address = instance.address;
    let mut arguments = words(&["-D", "."]);
    for (name, value) in [
        ("listen_addresses", address.to_string()),
        ("port", port.to_string()),
        ("unix_socket_directories", String::new()),
        ("timezone", "UTC".to_owned()),
        ("log_timezone", "UTC".to_owned()),
    ] {
        arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
    }
    // A command of the Compose file is `postgres` with further settings, as for the image.
    let further = arguments_of(&instance.command, "postgres");
    arguments.extend(further.iter().map(|word| site.mounts.replace_in(word)));
    let (host, port_text) = (address.to_string(), port.to_string());
    let ready = [
        "-q",
        "-h",
        &host,
        "-p",
        &port_text,
        "-U",
        settings.superuser(),
        "-d",
        settings.database(),
    ];
    Ok(Prepared {
        launch: run("postgres", arguments, &cluster),
        listens: vec![SocketAddrV4::new(address, port)],
        probe: Probe::Program {
            launch: run("pg_isready", words(&ready), &cluster),
            check: native_check(),
        },
        client_port: None,
        // Its fast shutdown, or, where nothing is to be kept, the immediate one: not SIGKILL, which
        // would leave its children.
        down_signal: if data.kept {
            Signal::SIGINT
        } else {
            Signal::SIGQUIT
        },
        data_elsewhere: place.goes_with_it.then_some(place.folder),
    })
}

/// The image's variables.
struct Settings<'a>(&'a BTreeMap<String, String>);

impl<'a> Settings<'a> {
    fn of(instance: &'a Instance) -> Settings<'a> {
        Settings(&instance.environment)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    fn superuser(&self) -> &'a str {
        self.get("POSTGRES_USER").unwrap_or("postgres")
    }

    fn database(&self) -> &'a str {
        self.get("POSTGRES_DB").unwrap_or(self.superuser())
    }
}

/// Makes the cluster beside `cluster` and puts it there when it is whole.
async fn make_cluster(
    instance: &Instance,
    settings: &Settings<'_>,
    cluster: &Path,
    lasting: bool,
    user: Option<&RunAs>,
    run: impl Fn(&str, Vec<String>, &Path) -> Launch,
) -> Result<(), String> {
    let trust = settings.get("POSTGRES_HOST_AUTH_METHOD") == Some("trust");
    let password = settings.get("POSTGRES_PASSWORD");
    if password.is_none() && !trust {
        return Err(format!(
            "service `{}` has no POSTGRES_PASSWORD; the image demands it too",
            instance.service
        ));
    }
    let fresh = cluster.with_file_name("pgdata.new");
    remove_folder(&fresh)?;
    make_folder_of(&fresh, user)?;
    let mut arguments = words(&["--pgdata", ".", "--encoding", "UTF8", "--locale", "C"]);
    if !lasting {
        arguments.push("--no-sync".to_owned());
    }
    arguments.extend(words(&["--username", settings.superuser()]));
    arguments.extend(words(&[
        "--auth-host",
        if trust { "trust" } else { "scram-sha-256" },
    ]));
    let password_file = cluster.with_file_name("password");
    if let Some(password) = password {
        // Through a file that only this user can read, never through a command line.
        remove_file(&password_file)?;
        write_for(&password_file, &format!("{password}\n"), user)?;
        arguments.extend(words(&["--pwfile", &password_file.to_string_lossy()]));
    }
    let more = settings.get("POSTGRES_INITDB_ARGS").into_iter();
    arguments.extend(more.flat_map(|text| text.split_whitespace().map(str::to_owned)));
    let made = run_to_end(
        &run("initdb", arguments, &fresh),
        None,
        INITDB_TIMEOUT,
        "initdb",
    )
    .await;
    remove_file(&password_file)?;
    made?;
    let database = settings.database();
    if database != "postgres" {
        let statement = format!("CREATE DATABASE \"{}\"\n", database.replace('"', "\"\""));
        run_to_end(
            &run(
                "postgres",
                words(&["--single", "-D", ".", "postgres"]),
                &fresh,
            ),
            Some(&statement),
            INITDB_TIMEOUT,
            "creating the database",
        )
        .await?;
    }
    remove_folder(cluster)?;
    std::fs::rename(&fresh, cluster)
        .map_err(|error| format!("cannot put {} in its place: {error}", cluster.display()))
}

/// Refuses data of another major version: the server would not read it.
fn check_version(
    cluster: &Path,
    programs: &Path,
    data: &DataFolder,
    site: &Site<'_>,
) -> Result<(), String> {
    let path = cluster.join("PG_VERSION");
    let of_data = std::fs::read_to_string(&path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let of_data = of_data.trim();
    let of_programs = std::process::Command::new(programs.join("postgres"))
        .arg("--version")
        .output()
        .map_err(|error| format!("cannot ask {} for its version: {error}", programs.display()))?;
    let text = String::from_utf8_lossy(&of_programs.stdout);
    // `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)`
    let of_programs = text.split_whitespace().nth(2).unwrap_or_default();
    if of_programs == of_data || of_programs.starts_with(&format!("{of_data}.")) {
        return Ok(());
    }
    Err(format!(
        "{} holds data of PostgreSQL {of_data}, but {} is version {of_programs}: install PostgreSQL {of_data} (Debian package postgresql-{of_data}), or begin anew: {}",
        data.name,
        programs.display(),
        data.remedy(&site.system.name)
    ))
}

/// Where the cluster is: in the data folder, or elsewhere when the server's user cannot enter that.
struct Place {
    folder: PathBuf,
    /// It is elsewhere, and goes with the instance.
    goes_with_it: bool,
}

impl Place {
    fn of(data: &DataFolder, system: &str, user: Option<&RunAs>) -> Result<Place, String> {
        let inside = || Place {
            folder: data.path.clone(),
            goes_with_it: false,
        };
        let Some(user) = user else {
            return Ok(inside());
        };
        let link = data.path.join(ELSEWHERE);
        if let Ok(folder) = std::fs::read_link(&link) {
            return Place::linked(folder, data, user);
        }
        if user.can_enter(&data.path) {
            return Ok(inside());
        }
        let mut hasher = DefaultHasher::new();
        data.path.hash(&mut hasher);
        let name = format!("shaketable-{system}-{:016x}", hasher.finish());
        let folder = if data.kept {
            // Without the link it is of a volume that is gone.
            let folder = Path::new(LASTING_TEMPORARY).join(name);
            remove_folder(&folder)?;
            make_anew(&folder)?;
            std::os::unix::fs::symlink(&folder, &link)
                .map_err(|error| format!("cannot make {}: {error}", link.display()))?;
            folder
        } else {
            let folder = std::env::temp_dir().join(name);
            // What an earlier instance left there is not this one's.
            remove_folder(&folder)?;
            make_anew(&folder)?;
            folder
        };
        Place {
            folder,
            goes_with_it: !data.kept,
        }
        .enterable(data, user)
    }

    /// Where an earlier instance put the data of a volume. Anybody may have put something of that
    /// name there since: it must be our own.
    fn linked(folder: PathBuf, data: &DataFolder, user: &RunAs) -> Result<Place, String> {
        match std::fs::symlink_metadata(&folder) {
            Ok(meta) if meta.is_dir() && meta.uid() == nix::unistd::geteuid().as_raw() => {}
            Ok(_) => {
                return Err(format!(
                    "{} of {} is somebody else's; remove it",
                    folder.display(),
                    data.name
                ));
            }
            // A machine that empties its temporary directories.
            Err(_) => make_anew(&folder)?,
        }
        Place {
            folder,
            goes_with_it: false,
        }
        .enterable(data, user)
    }

    fn enterable(self, data: &DataFolder, user: &RunAs) -> Result<Place, String> {
        if user.can_enter(&self.folder) {
            return Ok(self);
        }
        Err(format!(
            "user {} can enter neither {} nor {}; set SHAKETABLE_HOME to a folder that it can enter",
            user.name,
            data.path.display(),
            self.folder.display()
        ))
    }
}

/// Makes a folder that must not be there yet, which others may enter.
fn make_anew(folder: &Path) -> Result<(), String> {
    std::fs::create_dir(folder)
        .and_then(|()| std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)))
        .map_err(|error| format!("cannot make {}: {error}", folder.display()))
}

/// Makes a folder that `user` (or this user) alone can enter.
fn make_folder_of(folder: &Path, user: Option<&RunAs>) -> Result<(), String> {
    std::fs::create_dir(folder)
        .and_then(|()| std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)))
        .and_then(|()| give(folder, user))
        .map_err(|error| format!("cannot make {}: {error}", folder.display()))
}

/// Writes a file that `user` (or this user) alone can read.
fn write_for(path: &Path, text: &str, user: Option<&RunAs>) -> Result<(), String> {
    super::write_private(path, text)?;
    give(path, user).map_err(|error| format!("cannot give {} away: {error}", path.display()))
}

fn give(path: &Path, user: Option<&RunAs>) -> std::io::Result<()> {
    user.map_or(Ok(()), |user| chown(path, Some(user.uid), Some(user.gid)))
}

fn remove_folder(folder: &Path) -> Result<(), String> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn remove_file(path: &Path) -> Result<(), String> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", path.display()))
        }
        _ => Ok(()),
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
