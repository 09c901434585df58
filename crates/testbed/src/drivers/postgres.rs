//! PostgreSQL: `initdb` once, then `postgres` on the instance's own address.
//!
//! Honours the image's `POSTGRES_USER`, `POSTGRES_PASSWORD`, `POSTGRES_DB` and
//! `POSTGRES_INITDB_ARGS`. The server refuses to run as root: as root it is run as another user,
//! and when that user cannot enter the home folder its data is put into a folder of the system's
//! temporary directory instead, which is then named in the status.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::process::with_base;
use super::{Machine, Prepared, Probe, native_check, run_to_end};
use crate::spawn::{Launch, RunAs};
use crate::system::Instance;

/// `initdb` has been seen at 1–3 s; slow disks are given twenty times that.
const INITDB_TIMEOUT: Duration = Duration::from_secs(60);
/// PostgreSQL's port when the Compose file names none.
const DEFAULT_PORT: u16 = 5432;

pub(super) async fn prepare(
    instance: &Instance,
    system: &str,
    data: &Path,
    machine: &Machine,
) -> Result<Prepared, String> {
    let programs = machine.postgres.clone()?;
    let user = machine.unprivileged.clone()?;
    let (cluster, data_elsewhere) = cluster_folder(data, system, user.as_ref())?;
    let run = |program: &str, arguments: Vec<String>| Launch {
        program: programs.join(program),
        arguments,
        environment: with_base(&BTreeMap::new()),
        folder: cluster.clone(),
        user: user.clone(),
    };
    let setting = |name: &str| {
        instance
            .environment
            .get(name)
            .filter(|value| !value.is_empty())
    };
    let superuser = setting("POSTGRES_USER").map_or("postgres", String::as_str);
    let database = setting("POSTGRES_DB").map_or(superuser, String::as_str);

    if !cluster.join("PG_VERSION").exists() {
        let trust = setting("POSTGRES_HOST_AUTH_METHOD").is_some_and(|method| method == "trust");
        let Some(password) = setting("POSTGRES_PASSWORD")
            .cloned()
            .or_else(|| trust.then(String::new))
        else {
            return Err(format!(
                "service `{}` has no POSTGRES_PASSWORD; the image demands it too",
                instance.service
            ));
        };
        let mut arguments: Vec<String> = [
            "--pgdata",
            ".",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
            "--no-sync",
            "--username",
        ]
        .iter()
        .map(|word| (*word).to_owned())
        .collect();
        arguments.push(superuser.to_owned());
        arguments.extend([
            "--auth-host".to_owned(),
            if trust { "trust" } else { "scram-sha-256" }.to_owned(),
        ]);
        let password_file = cluster.with_file_name("password");
        if !trust {
            // Through a file that only this user can read, never through a command line.
            write_private(&password_file, &format!("{password}\n"), user.as_ref())?;
            arguments.extend([
                "--pwfile".to_owned(),
                password_file.to_string_lossy().into_owned(),
            ]);
        }
        arguments.extend(
            setting("POSTGRES_INITDB_ARGS")
                .into_iter()
                .flat_map(|text| text.split_whitespace().map(str::to_owned)),
        );
        let made = run_to_end(&run("initdb", arguments), None, INITDB_TIMEOUT, "initdb").await;
        if !trust {
            std::fs::remove_file(&password_file)
                .map_err(|error| format!("cannot remove {}: {error}", password_file.display()))?;
        }
        made?;
        if database != "postgres" {
            let single = ["--single", "-D", ".", "postgres"]
                .iter()
                .map(|word| (*word).to_owned())
                .collect();
            let statement = format!("CREATE DATABASE \"{}\"\n", database.replace('"', "\"\""));
            run_to_end(
                &run("postgres", single),
                Some(&statement),
                INITDB_TIMEOUT,
                "creating the database",
            )
            .await?;
        }
    }

    let port = instance.ports.first().copied().unwrap_or(DEFAULT_PORT);
    let address = instance.address;
    let mut arguments = vec!["-D".to_owned(), ".".to_owned()];
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
    arguments.extend(
        instance
            .command
            .iter()
            .skip_while(|word| *word == "postgres")
            .cloned(),
    );

    let ready: Vec<String> = [
        "-q",
        "-h",
        &address.to_string(),
        "-p",
        &port.to_string(),
        "-U",
        superuser,
        "-d",
        database,
    ]
    .iter()
    .map(|word| (*word).to_owned())
    .collect();
    Ok(Prepared {
        launch: run("postgres", arguments),
        listens: vec![SocketAddrV4::new(address, port)],
        probe: Probe::Program {
            launch: run("pg_isready", ready),
            check: native_check(),
        },
        data_elsewhere,
    })
}

/// The cluster's folder, made and given to the user it runs as; the second value is set when it
/// could not be inside the home folder.
fn cluster_folder(
    data: &Path,
    system: &str,
    user: Option<&RunAs>,
) -> Result<(PathBuf, Option<PathBuf>), String> {
    let inside = data.join("pgdata");
    let (cluster, elsewhere) = match user {
        Some(user) if !user.can_enter(data) => {
            use std::hash::{DefaultHasher, Hash, Hasher};
            let mut hasher = DefaultHasher::new();
            data.hash(&mut hasher);
            let name = format!("shaketable-{system}-{:016x}", hasher.finish());
            let outside = std::env::temp_dir().join(name);
            // What an earlier instance left there is not this one's. The folder must be made anew:
            // anybody may have put something of that name into the temporary directory.
            if outside.is_dir() {
                std::fs::remove_dir_all(&outside)
                    .map_err(|error| format!("cannot remove {}: {error}", outside.display()))?;
            }
            std::fs::create_dir(&outside)
                .map_err(|error| format!("cannot make {}: {error}", outside.display()))?;
            (outside.join("pgdata"), Some(outside))
        }
        _ => (inside, None),
    };
    std::fs::create_dir_all(&cluster)
        .map_err(|error| format!("cannot make {}: {error}", cluster.display()))?;
    std::fs::set_permissions(&cluster, std::fs::Permissions::from_mode(0o700))
        .map_err(|error| format!("cannot close {}: {error}", cluster.display()))?;
    if let Some(user) = user {
        chown(&cluster, Some(user.uid), Some(user.gid)).map_err(|error| {
            format!(
                "cannot give {} to {}: {error}",
                cluster.display(),
                user.name
            )
        })?;
    }
    Ok((cluster, elsewhere))
}

/// Writes a file that `user` (or this user) alone can read.
fn write_private(path: &Path, text: &str, user: Option<&RunAs>) -> Result<(), String> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| user.map_or(Ok(()), |user| chown(path, Some(user.uid), Some(user.gid))))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}
