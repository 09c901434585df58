//! Programs, run for real.

use std::time::Duration;

use shaketable_providers::{Process, ProcessFailure, ProcessOutput, Stdin, expand_user, which};

/// Longest time a test waits for the end of a process that was killed.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// A shell that runs `script`.
fn shell(script: &str) -> Process {
    Process {
        stdin: Stdin::Null,
        ..Process::new("/bin/sh", ["-c", script])
    }
}

async fn run(process: Process) -> ProcessOutput {
    process.run().await.expect("the process runs")
}

/// Waits until no process with this number runs (a zombie does not).
async fn gone(id: &str) {
    let stat = format!("/proc/{}/stat", id.trim());
    let waited = tokio::time::timeout(GONE_WITHIN, async {
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("the process is gone");
}

/// Waits for a file with a line in it; the line.
async fn line_of(path: &std::path::Path) -> String {
    let waited = tokio::time::timeout(GONE_WITHIN, async {
        loop {
            match std::fs::read_to_string(path) {
                Ok(text) if text.ends_with('\n') => return text,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    });
    waited.await.expect("the file is written")
}

#[tokio::test]
async fn status_and_both_streams_are_returned() {
    let output = run(shell("printf out; printf err >&2; exit 3")).await;
    assert_eq!(
        (output.status, output.stdout.bytes, output.stderr.bytes),
        (3, b"out".to_vec(), b"err".to_vec())
    );
    assert_eq!(run(shell("kill -TERM $$")).await.status, -15);
}

#[tokio::test]
async fn the_environment_is_inherited_or_replaced() {
    assert!(run(shell("test -n \"$PATH\"")).await.status == 0);
    let environment = Some([("WORD".into(), "yes".into())].into());
    let output = run(Process {
        environment,
        ..Process::new("/usr/bin/env", [""; 0])
    })
    .await;
    assert_eq!(output.stdout.bytes, b"WORD=yes\n");
}

#[tokio::test]
async fn what_is_too_much_is_counted_and_dropped() {
    let process = Process {
        keep: 1000,
        ..shell("head -c 40000000 /dev/zero")
    };
    let output = run(process).await;
    assert_eq!(
        (output.stdout.bytes.len(), output.stdout.dropped),
        (1000, 39_999_000)
    );
}

#[tokio::test]
async fn a_program_that_cannot_be_started_says_so_as_python_does() {
    let failure = Process::new("/no/such/program", [""; 0])
        .run()
        .await
        .expect_err("nothing there");
    assert_eq!(
        failure.raised().to_string(),
        "FileNotFoundError: [Errno 2] No such file or directory: '/no/such/program'"
    );
    let file = tempfile::NamedTempFile::new()
        .expect("a file")
        .into_temp_path();
    let failure = Process::new(&*file, [""; 0])
        .run()
        .await
        .expect_err("not executable");
    assert_eq!(failure.raised().kind, "PermissionError");
}

#[tokio::test]
async fn a_timeout_kills_the_whole_group() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("id");
    let script = format!("sleep 1000 & echo $! > {}; wait", file.display());
    let failure = Process {
        timeout: Some(Duration::from_millis(300)),
        ..shell(&script)
    }
    .run()
    .await;
    assert!(
        matches!(failure, Err(ProcessFailure::TimedOut { .. })),
        "{failure:?}"
    );
    gone(&line_of(&file).await).await;
}

#[tokio::test]
async fn a_grandchild_that_holds_the_streams_is_killed_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("id");
    let script = format!("sleep 1000 & echo $! > {}", file.display());
    let failure = Process {
        timeout: Some(Duration::from_millis(300)),
        ..shell(&script)
    }
    .run()
    .await;
    assert!(
        matches!(failure, Err(ProcessFailure::TimedOut { .. })),
        "{failure:?}"
    );
    gone(&line_of(&file).await).await;
}

#[tokio::test]
async fn dropping_the_future_kills_the_whole_group_and_reaps_the_child() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ids");
    let script = format!("sleep 1000 & echo $$ $! > {}; wait", file.display());
    let ids = {
        let process = shell(&script);
        let mut running = Box::pin(process.run());
        tokio::select! {
            outcome = &mut running => panic!("ended: {outcome:?}"),
            ids = line_of(&file) => ids,
        }
    };
    let (child, grandchild) = ids.trim().split_once(' ').expect("two numbers");
    assert!(
        !std::path::Path::new(&format!("/proc/{child}")).exists(),
        "the child is reaped"
    );
    gone(grandchild).await;
}

#[tokio::test]
async fn a_daemon_with_its_streams_closed_is_left_alone() {
    let output = run(shell("sleep 1000 >/dev/null 2>&1 & echo $!")).await;
    let id = String::from_utf8(output.stdout.bytes).expect("a number");
    let alive = std::path::Path::new("/proc").join(id.trim()).exists();
    run(shell(&format!("kill -9 {id}"))).await;
    assert!(alive);
}

#[test]
fn programs_are_found_as_python_finds_them() {
    assert!(which("sh").is_some_and(|path| path.is_absolute()));
    assert_eq!(which("/bin/sh"), Some("/bin/sh".into()));
    let file = tempfile::NamedTempFile::new().expect("a file");
    assert_eq!(which(&file.path().to_string_lossy()), None);
    assert_eq!(which("/bin"), None);
    assert_eq!(which("no-such-program-anywhere"), None);
    assert_eq!(which(""), None);
}

#[test]
fn the_tilde_is_expanded() {
    let home = std::env::var("HOME").expect("a home");
    assert_eq!(
        expand_user("~/bin/x"),
        std::path::PathBuf::from(format!("{}/bin/x", home.trim_end_matches('/')))
    );
    assert_eq!(expand_user("/a/~b"), std::path::PathBuf::from("/a/~b"));
    assert_eq!(
        expand_user("~no-such-user-anywhere/x"),
        std::path::PathBuf::from("~no-such-user-anywhere/x")
    );
}
