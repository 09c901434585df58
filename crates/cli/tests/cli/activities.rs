//! What activities can do beside being carried out one after the other: in the background, again and
//! again, with outputs for later ones; and what the journal has of them.

use serde_json::{Value, json};

use crate::bare::{journal, lines, run, shell, write};
use crate::shop::{probe, touch};
use crate::support::{Bench, INCONCLUSIVE, PASSED, eventually};
use crate::{ABORTED, ERROR};

fn in_background(mut activity: Value) -> Value {
    activity["background"] = json!(true);
    activity
}

#[test]
fn the_next_one_does_not_wait_for_one_in_the_background_but_the_end_does() {
    let bench = Bench::new();
    let script = "while [ ! -e HERE/go ]; do sleep 0.02; done; echo late >> HERE/order";
    let method = [
        in_background(shell(&bench, "late", script)),
        shell(&bench, "early", "echo early >> HERE/order; touch HERE/go"),
    ];
    let rollbacks = [shell(&bench, "rollback", "echo rollback >> HERE/order")];
    run(&bench, &method, json!({ "rollbacks": rollbacks })).expect(PASSED, &[]);
    assert_eq!(lines(&bench, "order"), ["early", "late", "rollback"]);
    let journal = journal(&bench);
    let entries = journal["run"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert!(
        entries.iter().all(|e| e["status"] == "succeeded"),
        "{entries:?}"
    );

    let fails = in_background(json!({
        "type": "action", "name": "fails",
        "provider": { "type": "process", "path": "/nowhere/to/be/found" },
    }));
    run(&bench, &[fails], json!({}))
        .expect(INCONCLUSIVE, &["action `fails` could not be carried out"]);
}

#[test]
fn a_safeguard_aborts_amid_activities_and_cancels_those_in_the_background() {
    let bench = Bench::new();
    let mut safeguard = probe("nothing breaks", &bench);
    safeguard["every"] = json!("50ms");
    let hangs = shell(&bench, "hang", "echo $$ > HERE/pid; sleep 1000");
    for last in [hangs.clone(), in_background(hangs)] {
        let _ = std::fs::remove_file(bench.path("broken"));
        let breaks = in_background(shell(&bench, "break", "sleep 0.3; touch HERE/broken"));
        let more = json!({
            "safeguards": [safeguard], "rollbacks": [touch(&bench, "rollback")],
        });
        let outcome = run(&bench, &[breaks, last], more);
        outcome.expect(ABORTED, &["safeguard `nothing breaks` was breached"]);
        assert!(bench.path("rollback").exists());
        let journal = journal(&bench);
        assert_eq!(journal["status"], "interrupted");
        let entries = journal["run"].as_array().unwrap();
        let hung = entries.iter().find(|e| e["activity"]["name"] == "hang");
        assert_eq!(hung.unwrap()["status"], "aborted", "{journal}");
        let process = format!("/proc/{}", lines(&bench, "pid").remove(0));
        eventually("it has ended", || !std::path::Path::new(&process).exists());
    }
}

#[test]
fn what_fails_is_tried_again_as_often_as_it_says() {
    let bench = Bench::new();
    let mut fails = json!({
        "type": "action", "name": "flaky", "timeout": "300ms",
        "provider": { "type": "process", "path": "sh",
            "arguments": ["-c", format!("echo x >> {0}; test $(wc -l < {0}) -ge 3 || sleep 1000", bench.path("tries").display())] },
        "retries": { "attempts": 3, "every": "10ms" },
    });
    run(&bench, &[fails.clone()], json!({})).expect(PASSED, &[]);
    assert_eq!(lines(&bench, "tries").len(), 3);
    std::fs::remove_file(bench.path("tries")).unwrap();
    fails["retries"]["attempts"] = json!(2);
    run(&bench, &[fails], json!({})).expect(INCONCLUSIVE, &["`flaky` could not be carried out"]);
    assert_eq!(lines(&bench, "tries").len(), 2);
}

#[test]
fn a_probe_of_the_method_waits_until_its_tolerance_holds() {
    let bench = Bench::new();
    let mut waits = probe("it is mended", &bench);
    waits.as_object_mut().unwrap().remove("tolerance");
    waits["until"] = json!({ "tolerance": 0, "every": "20ms", "timeout": "30s" });
    let mends = in_background(shell(&bench, "mend", "sleep 0.3; rm HERE/broken"));
    let breaks = touch(&bench, "broken");
    run(&bench, &[breaks.clone(), mends, waits.clone()], json!({})).expect(PASSED, &[]);

    waits["until"]["timeout"] = json!("200ms");
    let mends = [shell(&bench, "mend", "rm HERE/broken")];
    let method = [breaks, waits];
    run(&bench, &method, json!({ "rollbacks": mends })).expect(
        INCONCLUSIVE,
        &[
            "probe `it is mended` could not be carried out",
            "within 0.2 s",
        ],
    );
}

#[test]
fn an_output_is_there_for_later_activities() {
    let bench = Bench::new();
    let mut gives = shell(&bench, "give", "printf 42");
    gives["outputs"] = json!({ "answer": "$.stdout" });
    let takes = shell(&bench, "take", "echo ${answer} >> HERE/taken");
    let rollback = shell(&bench, "give back", "echo back ${answer} >> HERE/taken");
    let method = [gives.clone(), takes];
    run(&bench, &method, json!({ "rollbacks": [rollback.clone()] })).expect(PASSED, &[]);
    assert_eq!(lines(&bench, "taken"), ["42", "back 42"]);

    // What would undo an activity that never began is left out; one that gave nothing is an error.
    let mut safeguard = probe("nothing breaks", &bench);
    safeguard["every"] = json!("50ms");
    let mut breaks = touch(&bench, "broken");
    breaks["pauses"] = json!({ "after": "1h" });
    let more = json!({ "safeguards": [safeguard], "rollbacks": [rollback.clone()] });
    run(&bench, &[breaks, gives.clone()], more).expect(ABORTED, &["never began"]);
    std::fs::remove_file(bench.path("broken")).unwrap();
    gives["outputs"] = json!({ "answer": "$.nothing" });
    run(&bench, &[gives], json!({ "rollbacks": [rollback] }))
        .expect(ERROR, &["nothing is at $.nothing", "rollback:"]);
}

#[test]
fn the_journal_can_be_read_while_the_run_goes_on_and_after_it_was_killed() {
    let bench = Bench::new();
    let method = [
        shell(&bench, "say", "echo hello"),
        shell(&bench, "hang", "touch HERE/hangs; sleep 1000"),
    ];
    let file = write(&bench, &method, json!({}));
    let run = bench.start(&["run", &file]);
    eventually("it hangs", || bench.path("hangs").exists());
    run.signal(nix::sys::signal::Signal::SIGKILL);
    run.finish();
    let journal = journal(&bench);
    assert_eq!(journal["status"], "interrupted");
    assert_eq!(journal["interruption"]["kind"], "crash");
    assert_eq!(journal["experiment"]["title"], "Files");
    assert_eq!(journal["steady_states"]["before"]["steady_state_met"], true);
    let entries = journal["run"].as_array().unwrap();
    assert_eq!(entries[0]["status"], "succeeded");
    assert_eq!(entries[0]["output"]["stdout"], "hello\n");
    assert_eq!(entries[0]["activity"]["name"], "say");
    assert_eq!(entries[1]["activity"]["name"], "hang");
    assert_eq!(entries[1]["status"], json!(null));
}
