//! The event stream of `--events-file`.

#[expect(dead_code, reason = "each test file uses its part")]
mod running;

use running::Bench;
use serde_json::json;

#[test]
fn command_itself() {
    running::command_itself();
}

#[test]
fn events_follow_the_run() {
    let bench = Bench::new(
        "title: t\ndescription: d\n\
         steady-state-hypothesis: {title: h, probes: [{type: probe, name: look, tolerance: 0, provider: {type: process, path: 'true'}}]}\n\
         method:\n\
         - {type: action, name: large, provider: {type: process, path: sh, arguments: [-c, 'head -c 5000 /dev/zero | tr \"\\0\" x']}}\n\
         - {type: action, name: slow, provider: {type: process, path: sleep, arguments: ['9'], timeout: 0.05}}\n",
    );
    let ran = bench.run(&[]);
    let look = ["activity-started", "activity-completed"];
    let mut expected = vec!["run-started", "hypothesis-started"];
    expected.extend(look);
    expected.extend(["hypothesis-completed", "method-started"]);
    expected.extend(look);
    expected.extend(look);
    expected.extend(["method-completed", "hypothesis-started"]);
    expected.extend(look);
    expected.extend([
        "hypothesis-completed",
        "rollbacks-started",
        "rollbacks-completed",
        "run-finished",
    ]);
    assert_eq!(ran.event_types(), expected);
    let hypothesis = &ran.events[4];
    assert_eq!(hypothesis["met"], true);
    assert_eq!(hypothesis["probes"][0]["output"]["status"], 0);
    let large = &ran.events[7];
    assert_eq!(large["output_truncated"], true);
    assert!(large["output_size"].as_u64() > Some(5000));
    let slow = &ran.events[9];
    assert_eq!(
        (&slow["status"], &slow["output"]),
        (&json!("failed"), &json!(null))
    );
    let error = slow["error"].as_str().expect("an error");
    assert!(error.ends_with("ActivityFailed: process activity took too long to complete"));
}
