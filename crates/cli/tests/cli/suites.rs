//! Several experiments in one command: which are run, in which order, and what is written of them.

use serde_json::{Value, json};

use crate::support::{Bench, INCONCLUSIVE, PASSED, USAGE};

/// An experiment that asks one process.
fn asks(bench: &Bench, file: &str, tag: &str, path: &str) {
    let document = json!({
        "title": format!("Asks {path} & \"tells\""),
        "description": "One probe.",
        "tags": [tag],
        "steady-state-hypothesis": {
            "title": "It is well",
            "probes": [{
                "type": "probe",
                "name": format!("<{path}>"),
                "tolerance": 0,
                "provider": { "type": "process", "path": path }
            }]
        },
        "method": []
    });
    bench.write(file, &document.to_string());
}

/// A folder with two experiments that pass, one that does not, and a document that is none.
fn suite() -> Bench {
    let bench = Bench::new();
    asks(&bench, "suite/1-well.json", "quick", "true");
    asks(&bench, "suite/2/ill.yaml", "slow", "false");
    asks(&bench, "suite/3-well.yml", "quick", "true");
    bench.write("suite/compose.yaml", "services: {}");
    bench.write("suite/notes.txt", "method: none");
    bench.write("suite/.hidden/ill.yaml", "not: [an experiment");
    bench
}

/// The experiments of a run with `--format json`, a line each, and their verdicts.
fn verdicts(stdout: &str) -> Vec<(String, String)> {
    let lines = stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines
        .map(|record: Value| {
            let file = record["experiment"].as_str().unwrap().to_owned();
            let name = file.rsplit("suite/").next().unwrap().to_owned();
            (name, record["verdict"].as_str().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn a_folder_is_all_the_experiments_in_it() {
    let bench = suite();
    let folder = bench.path("suite");
    let outcome = bench
        .run(&["run", folder.to_str().unwrap(), "--format", "json"])
        .expect(INCONCLUSIVE, &[]);
    let expected = [
        ("1-well.json", "passed"),
        ("2/ill.yaml", "inconclusive"),
        ("3-well.yml", "passed"),
    ];
    let expected = expected.map(|(name, verdict)| (name.to_owned(), verdict.to_owned()));
    assert_eq!(verdicts(&outcome.out), expected);

    let outcome = bench
        .run(&["run", folder.to_str().unwrap()])
        .expect(INCONCLUSIVE, &[]);
    assert!(outcome.out.contains("2 of 3 passed"), "{}", outcome.out);
}

#[test]
fn tags_choose_and_fail_fast_ends() {
    let bench = suite();
    let folder = bench.path("suite");
    let folder = folder.to_str().unwrap();
    let quick = bench
        .run(&["run", folder, "--tags", "quick", "--format", "json"])
        .expect(PASSED, &[]);
    assert_eq!(verdicts(&quick.out).len(), 2);

    let fast = bench
        .run(&["run", folder, "--fail-fast"])
        .expect(INCONCLUSIVE, &[]);
    assert!(
        fast.out.contains("1 of 3 passed; 1 not run"),
        "{}",
        fast.out
    );

    bench
        .run(&["run", folder, "--tags", "unheard-of"])
        .expect(USAGE, &["none of 3 experiments", "unheard-of"]);
    bench.write("empty/readme.txt", "");
    let empty = bench.path("empty");
    bench
        .run(&["run", empty.to_str().unwrap()])
        .expect(USAGE, &["there is no experiment in", "method"]);
}

#[test]
fn results_are_written_for_continuous_integration() {
    let bench = suite();
    let (junit, markdown) = (bench.path("junit.xml"), bench.path("report.md"));
    bench
        .run(&[
            "run",
            bench.path("suite").to_str().unwrap(),
            "--junit",
            junit.to_str().unwrap(),
            "--markdown",
            markdown.to_str().unwrap(),
        ])
        .expect(INCONCLUSIVE, &[]);

    let junit = std::fs::read_to_string(junit).unwrap();
    // Verdict, probe before and after twice, and of the ill one the verdict and the probe before.
    assert!(
        junit.contains(r#"tests="8" failures="1" errors="1""#),
        "{junit}"
    );
    assert_eq!(junit.matches("<testsuite ").count(), 3);
    assert!(junit.contains(r#"name="&lt;false&gt;""#), "{junit}");
    assert!(junit.contains(r#"<failure message="status 1, tolerated is 0"/>"#));
    assert!(junit.contains("Asks true &amp; &quot;tells&quot;"));

    let markdown = std::fs::read_to_string(markdown).unwrap();
    assert_eq!(markdown.matches("**inconclusive**").count(), 2);
    assert!(
        markdown.contains(r"| \<false\> | before | **no** |"),
        "{markdown}"
    );
}

#[test]
fn a_result_that_cannot_be_written_is_said_before_anything_is_run() {
    let bench = suite();
    let folder = bench.path("suite");
    for option in ["--junit", "--markdown"] {
        bench
            .run(&["run", folder.to_str().unwrap(), option, "nowhere/results"])
            .expect(USAGE, &["cannot write nowhere/results"]);
    }
    assert!(bench.runs().is_empty());
}
