//! Secrets: activities get them, and nothing that is written has them.

use serde_json::json;

use crate::ERROR;
use crate::bare::{last_run, lines, shell, write};
use crate::support::{Bench, PASSED};

/// What no file and no line of output may hold, in whatever form.
const SECRETS: [&str; 4] = [
    "hunter2-from-env",
    "opensesame-in-file",
    "c2Vj=literal/one",
    "changed-by-file",
];

#[test]
fn secrets_reach_activities_and_nothing_that_is_written() {
    let bench = Bench::new();
    bench.write("token.txt", "opensesame-in-file\n");
    let given = bench.write(
        "given.json",
        r#"{"secrets": {"given": {"changed": "changed-by-file"}}}"#,
    );
    let script = "printf '%s\\n' ${fromenv} ${fromfile} ${literal} ${changed} | tee HERE/got; echo ${fromenv} >&2";
    let fails = json!({
        "type": "probe", "name": "fails with ${fromenv}", "tolerance": "${fromfile}",
        "provider": { "type": "http", "url": "http://127.0.0.1:1/?token=${literal}", "timeout": "1s" },
    });
    let more = json!({
        "secrets": { "app": {
            "fromenv": { "type": "env", "key": "SHAKETABLE_TEST_SECRET" },
            "fromfile": { "type": "file", "path": "token.txt" },
            "literal": "c2Vj=literal/one",
        }, "given": { "changed": "before" } },
        "runtime": { "hypothesis": { "strategy": "before-method-only" } },
    });
    let file = write(&bench, &[shell(&bench, "use", script), fails], more);
    let mut command = bench.command(&["run", &file, "--var-file", given.to_str().unwrap()]);
    command.env("SHAKETABLE_TEST_SECRET", SECRETS[0]);
    let outcome = bench.start_command(command).finish().expect(PASSED, &[]);
    let got = lines(&bench, "got");
    assert_eq!(got, SECRETS);

    let mut written = vec![outcome.out, outcome.err];
    for name in ["journal.ndjson", "result.json", "report.txt"] {
        written.push(std::fs::read_to_string(last_run(&bench).join(name)).unwrap());
    }
    written.push(bench.run(&["journal"]).out);
    for text in written {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert!(!text.contains("literal%2Fone"), "{text}");
    }
}

#[test]
fn what_lets_us_into_vault_and_secrets_that_are_numbers_are_hidden_too() {
    let bench = Bench::new();
    let show = "echo ${pin} ${vault_token} | tee HERE/got";
    let more = json!({
        "configuration": { "vault_token": "hvs.literal-token" },
        "secrets": { "app": {
            "pin": 4_711_223_344_u64,
            "password": { "type": "env", "key": "SHAKETABLE_TEST_PIN", "env_var_type": "int" },
        } },
    });
    let file = write(&bench, &[shell(&bench, "show ${password}", show)], more);
    let mut command = bench.command(&["run", &file, "--format", "json"]);
    command.env("SHAKETABLE_TEST_PIN", "998877665");
    let outcome = bench.start_command(command).finish().expect(PASSED, &[]);
    assert_eq!(lines(&bench, "got"), ["4711223344 hvs.literal-token"]);
    let journal = std::fs::read_to_string(last_run(&bench).join("journal.ndjson")).unwrap();
    for text in [outcome.out, outcome.err, journal] {
        for secret in ["hvs.literal-token", "4711223344", "998877665"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[test]
fn a_vault_that_is_not_there_is_not_the_documents_fault() {
    let bench = Bench::new();
    let more = json!({
        "configuration": { "vault_addr": "http://127.0.0.1:1", "vault_token": "hvs.token" },
        "secrets": { "app": { "password": { "type": "vault", "path": "app", "key": "password" } } },
    });
    let file = write(&bench, &[shell(&bench, "use", "echo ${password}")], more);
    bench.run(&["run", &file]).expect(
        ERROR,
        &[
            "127.0.0.1:1",
            "`${password}` has no value: it could not be found out",
        ],
    );
}
