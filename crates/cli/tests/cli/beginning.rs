//! Beginning: `init` writes an experiment that runs, `explain` says what one would do and does nothing.

use std::io::Write;
use std::process::Stdio;

use crate::shop::{bench, up};
use crate::support::{Bench, Outcome, PASSED, USAGE};

/// Runs `init` in the bench's folder with these answers.
fn init(bench: &Bench, arguments: &[&str], answers: &str) -> Outcome {
    let mut all = vec!["init"];
    all.extend(arguments);
    let mut command = bench.command(&all);
    command.current_dir(bench.path("."));
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(answers.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

#[test]
fn without_answers_init_writes_an_experiment_that_runs() {
    let bench = Bench::new();
    init(&bench, &[], "").expect(PASSED, &["wrote experiment.yaml"]);
    let file = bench.path("experiment.yaml");
    let file = file.to_str().unwrap();
    bench.run(&["run", file]).expect(PASSED, &["PASSED"]);

    init(&bench, &[], "").expect(USAGE, &["is there already", "--force"]);
    let title = "What \"holds\": all of it\n";
    init(&bench, &["--force"], title).expect(PASSED, &[]);
    let written = std::fs::read_to_string(file).unwrap();
    assert!(written.contains(r#"title: "What \"holds\": all of it""#));
}

#[test]
fn init_asks_for_a_fault_on_a_service_of_the_system() {
    let bench = bench();
    up(&bench);
    let answers = "The shop stands\nshop/compose.yaml\ntrue\nprocess-pause\nweb\n1s\n";
    init(&bench, &["pause.yaml"], answers).expect(PASSED, &["process-kill", "web"]);
    let file = bench.path("pause.yaml");
    let file = file.to_str().unwrap();
    let ran = bench.run(&["run", file]).expect(PASSED, &["heal"]);
    assert!(
        ran.out.contains("process-pause of service web"),
        "{}",
        ran.out
    );

    let unknown = "T\nshop/compose.yaml\ntrue\nprocess-paus\n";
    init(&bench, &["other.yaml"], unknown).expect(USAGE, &["`process-paus` is none of"]);
    init(&bench, &["other.yaml"], "T\nnowhere.yaml\n").expect(USAGE, &["nowhere.yaml"]);
    assert!(!bench.path("other.yaml").exists());
}

#[test]
fn explain_says_whom_it_would_hit_and_how_that_is_undone_and_touches_nothing() {
    let bench = bench();
    let document = "title: The shop stands\n\
                    description: A pause.\n\
                    system: shop/compose.yaml\n\
                    method:\n\
                    - type: action\n  name: pause it\n  provider: { type: fault, fault: process-pause, target: { service: web }, resume-after: 3s }\n\
                    - type: action\n  name: write\n  provider: { type: process, path: touch, arguments: [written] }\n";
    let file = bench.write("pause.yaml", document);
    let said = bench
        .run(&["explain", file.to_str().unwrap()])
        .expect(PASSED, &[]);
    for part in [
        "`pause it`: fault process-pause on service web",
        "a process of web), 1 of ",
        "after 3 s, or when the run ends: SIGCONT",
        "what it changes is not known here",
        "blast radius: at most 1 of ",
    ] {
        assert!(said.out.contains(part), "no `{part}` in\n{}", said.out);
    }
    assert!(bench.system("shop").is_none());
    assert_eq!(bench.runs().len(), 0);
    bench.write("bad.yaml", "title: t\n");
    let bad = bench.path("bad.yaml");
    bench
        .run(&["explain", bad.to_str().unwrap()])
        .expect(USAGE, &["bad.yaml", "`method`"]);
}
