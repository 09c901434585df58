//! `doctor`: what this machine lacks to run systems, and the command that mends it.
//!
//! It changes nothing and starts nothing but `--version` questions. What it finds about programs is
//! what the drivers themselves find ([`Machine`]).

mod limits;

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use shaketable_testbed::drivers::{JAVA_MAJOR_MIN, KAFKA_VERSION, Machine};
use shaketable_testbed::spawn::find_program;
use shaketable_testbed::{Home, SystemStatus, TestbedError};
use tokio::process::Command;

use crate::arguments::{Doctor, Format};
use crate::exit::Exit;
use crate::terminal;

/// The longest wait for a program to say its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);

/// How one thing that is looked at is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is there.
    Ok,
    /// It is not, and something needs it.
    Missing,
    /// It is not, and something is better or possible with it.
    Optional,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Missing => "missing",
            State::Optional => "optional",
        }
    }
}

/// One thing that is looked at.
#[derive(Debug)]
struct Check {
    name: &'static str,
    state: State,
    /// What was found, or what is wrong.
    found: String,
    /// What needs it.
    needed_for: &'static str,
    /// The command that mends it; empty when it is there.
    remedy: String,
}

impl Check {
    fn ok(name: &'static str, needed_for: &'static str, found: impl Into<String>) -> Check {
        Check {
            name,
            state: State::Ok,
            found: found.into(),
            needed_for,
            remedy: String::new(),
        }
    }

    fn missing(
        name: &'static str,
        needed_for: &'static str,
        wrong: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Check {
        Check {
            name,
            state: State::Missing,
            found: wrong.into(),
            needed_for,
            remedy: remedy.into(),
        }
    }

    fn optional(self) -> Check {
        let state = match self.state {
            State::Missing => State::Optional,
            state => state,
        };
        Check { state, ..self }
    }
}

/// Looks at everything and prints it. Exit code 0 when everything needed is there, 1 otherwise.
pub async fn run(home: &Home, arguments: &Doctor) -> Result<Exit, TestbedError> {
    let machine = Machine::survey();
    let mut checks = vec![
        java(&machine).await,
        kafka(&machine),
        class_archive(&machine),
        postgres(&machine).await,
        postgres_user(&machine),
        server(
            "redis",
            "services of the image redis",
            "redis-server",
            &machine.redis,
        )
        .await,
        server(
            "prometheus",
            "services of the image prom/prometheus",
            "prometheus",
            &machine.prometheus,
        )
        .await,
    ];
    checks.extend(limits::all(home));
    checks.extend(stale_systems(home));
    checks.push(python().await);
    checks.push(browser());
    let ready = !checks.iter().any(|check| check.state == State::Missing);
    terminal::data(&match arguments.format {
        Format::Text => text(&checks),
        Format::Json => format!("{:#}", as_json(&checks, ready)),
    });
    if arguments.format == Format::Text {
        terminal::note(if ready {
            "this machine has everything that is needed"
        } else {
            "this machine lacks something that is needed: see `missing`"
        });
    }
    Ok(if ready { Exit::Passed } else { Exit::Deviated })
}

fn as_json(checks: &[Check], ready: bool) -> serde_json::Value {
    let checks: Vec<_> = checks
        .iter()
        .map(|check| {
            json!({
                "name": check.name,
                "state": check.state.name(),
                "found": check.found,
                "needed_for": check.needed_for,
                "remedy": (!check.remedy.is_empty()).then_some(&check.remedy),
            })
        })
        .collect();
    json!({ "ready": ready, "checks": checks })
}

fn text(checks: &[Check]) -> String {
    let width = checks
        .iter()
        .map(|check| check.name.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        text += &format!(
            "{:<8}  {:<width$}  {}\n",
            check.state.name(),
            check.name,
            check.found
        );
        if check.state != State::Ok {
            let indent = " ".repeat(width + 12);
            text += &format!(
                "{indent}needed for {}\n{indent}mend it: {}\n",
                check.needed_for, check.remedy
            );
        }
    }
    text
}

async fn java(machine: &Machine) -> Check {
    const FOR: &str = "Kafka";
    let remedy = || package("default-jre-headless");
    let program = match &machine.java {
        Ok(program) => program,
        Err(wrong) => return Check::missing("java", FOR, wrong, remedy()),
    };
    // `openjdk version "17.0.15" 2025-04-15`, on standard error.
    let said = said(program, "-version").await;
    let version = said.split('"').nth(1).unwrap_or_default().to_owned();
    let major: u32 = version
        .split(['.', '-', '+'])
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    if major < JAVA_MAJOR_MIN {
        let wrong = format!(
            "{} is Java {}, and {JAVA_MAJOR_MIN} or later is needed",
            program.display(),
            if version.is_empty() {
                "of an unknown version"
            } else {
                &version
            }
        );
        return Check::missing(
            "java",
            FOR,
            wrong,
            format!("{}; or let JAVA_HOME name a later one", remedy()),
        );
    }
    Check::ok("java", FOR, format!("{version} ({})", program.display()))
}

fn kafka(machine: &Machine) -> Check {
    const FOR: &str = "services of the image apache/kafka";
    match &machine.kafka {
        Ok(found) => {
            let versions: Vec<_> = found.iter().map(|kafka| kafka.version.as_str()).collect();
            Check::ok("kafka", FOR, versions.join(", "))
        }
        Err(wrong) => Check::missing(
            "kafka",
            FOR,
            wrong,
            format!(
                "scripts/setup.sh (fetches Kafka {KAFKA_VERSION}), or set KAFKA_HOME to an unpacked Kafka"
            ),
        ),
    }
}

fn class_archive(machine: &Machine) -> Check {
    const FOR: &str = "Kafka's start in half the time";
    let found = || {
        let (kafka, java) = (
            machine.kafka.as_ref().ok()?.first()?,
            machine.java.as_ref().ok()?,
        );
        Some(kafka.class_archive(java)?).filter(|path| path.exists())
    };
    match found() {
        Some(path) => Check::ok("class archive", FOR, path.display().to_string()),
        None => Check::missing(
            "class archive",
            FOR,
            "none for this Java and this Kafka",
            "scripts/setup.sh",
        )
        .optional(),
    }
}

async fn postgres(machine: &Machine) -> Check {
    const FOR: &str = "services of the image postgres";
    match &machine.postgres {
        Ok(folder) => {
            let said = said(&folder.join("postgres"), "--version").await;
            Check::ok(
                "postgresql",
                FOR,
                format!("{} ({})", said.trim(), folder.display()),
            )
        }
        Err(wrong) => Check::missing("postgresql", FOR, wrong, package("postgresql")),
    }
}

fn postgres_user(machine: &Machine) -> Check {
    const FOR: &str = "PostgreSQL, which refuses to run as root";
    match &machine.unprivileged {
        Ok(None) => Check::ok("postgresql's user", FOR, "not root: it runs as this user"),
        Ok(Some(user)) => Check::ok("postgresql's user", FOR, user.name.as_str()),
        Err(wrong) => Check::missing("postgresql's user", FOR, wrong, "useradd --system postgres"),
    }
}

async fn server(
    name: &'static str,
    needed_for: &'static str,
    debian: &str,
    program: &Result<std::path::PathBuf, String>,
) -> Check {
    match program {
        Ok(program) => {
            let said = said(program, "--version").await;
            let line = said.lines().next().unwrap_or_default().to_owned();
            Check::ok(name, needed_for, line)
        }
        Err(wrong) => Check::missing(name, needed_for, wrong, package(debian)),
    }
}

async fn python() -> Check {
    const FOR: &str = "Chaos Toolkit extensions that are written in Python";
    let Some(program) = find_program("python3", None) else {
        return Check::missing(
            "python",
            FOR,
            "python3 is not on PATH",
            package("python3-venv"),
        )
        .optional();
    };
    let version = said(&program, "--version").await;
    let library = Command::new(&program)
        .args(["-c", "import chaoslib; print(chaoslib.__version__)"])
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(VERSION_TIMEOUT, library).await {
        Ok(Ok(output)) if output.status.success() => {
            let library = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            Check::ok(
                "python",
                FOR,
                format!("{}, chaoslib {library}", version.trim()),
            )
        }
        _ => Check::missing(
            "python",
            FOR,
            format!("{} ({}) has no chaoslib", version.trim(), program.display()),
            format!("{} -m pip install chaostoolkit-lib", program.display()),
        )
        .optional(),
    }
}

fn browser() -> Check {
    const FOR: &str = "the test that looks at the pages in a browser";
    let missing: Vec<&str> = ["chromium", "chromedriver"]
        .into_iter()
        .filter(|program| find_program(program, None).is_none())
        .collect();
    if missing.is_empty() {
        return Check::ok("browser", FOR, "chromium, chromedriver");
    }
    Check::missing(
        "browser",
        FOR,
        format!("{}: not on PATH", missing.join(", ")),
        package("chromium chromium-driver"),
    )
    .optional()
}

/// Systems whose supervisor is gone and that left processes or data behind.
fn stale_systems(home: &Home) -> Vec<Check> {
    const FOR: &str = "a machine without leftovers";
    let mut checks = Vec::new();
    for name in home.system_names() {
        let folder = home.system(&name);
        let state = std::fs::read_to_string(folder.state_file());
        let Some(status) = state
            .ok()
            .and_then(|text| serde_json::from_str::<SystemStatus>(&text).ok())
            .filter(|status| !status.supervisor.is_alive())
        else {
            continue;
        };
        let alive = status
            .instances
            .iter()
            .filter_map(|instance| instance.process.as_ref())
            .filter(|process| process.is_alive())
            .count();
        let data = folder.root().join("data");
        if alive == 0 && !data.exists() {
            continue;
        }
        let wrong = format!(
            "system `{name}` was not taken down: its supervisor is gone; {alive} of its processes run, data in {}",
            data.display()
        );
        let remedy = format!(
            "{} && shaketable down {name} (a start cleans up first)",
            up_again(&status)
        );
        let check = Check::missing("stale system", FOR, wrong, remedy);
        // Mere files hinder nobody: the next start removes them.
        checks.push(if alive == 0 { check.optional() } else { check });
    }
    if checks.is_empty() {
        checks.push(Check::ok(
            "stale systems",
            FOR,
            format!("none in {}", home.root().display()),
        ));
    }
    checks
}

/// The command that brings a system up as it was.
fn up_again(status: &SystemStatus) -> String {
    let mut command = format!("shaketable up {}", status.compose.display());
    for file in &status.overrides {
        command += &format!(" -f {}", file.display());
    }
    let folder = status.compose.parent().unwrap_or(Path::new("/"));
    let of_variant = |name: &String| folder.join("variants").join(format!("{name}.env"));
    match (&status.env_file, &status.variant) {
        (Some(file), Some(variant)) if *file == of_variant(variant) => {
            command += &format!(" --variant {variant}");
        }
        (Some(file), _) => command += &format!(" --env-file {}", file.display()),
        (None, _) => {}
    }
    for profile in &status.profiles {
        command += &format!(" --profile {profile}");
    }
    for (service, replicas) in &status.scale {
        command += &format!(" --scale {service}={replicas}");
    }
    command + &format!(" --name {}", status.name)
}

/// What a program says when it is asked with one argument; nothing when it does not answer in time.
async fn said(program: &Path, argument: &str) -> String {
    let output = Command::new(program)
        .arg(argument)
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(VERSION_TIMEOUT, output).await {
        Ok(Ok(output)) => {
            let (out, err) = (
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
            );
            format!("{out}{err}")
        }
        _ => String::new(),
    }
}

/// The command that installs a Debian package here.
fn package(names: &str) -> String {
    if find_program("apt-get", None).is_none() {
        format!("install it with this machine's package manager (Debian calls it {names})")
    } else if nix::unistd::geteuid().is_root() {
        format!("apt-get install {names}")
    } else if find_program("sudo", None).is_some() {
        format!("sudo apt-get install {names}")
    } else {
        format!("as root: apt-get install {names}")
    }
}
