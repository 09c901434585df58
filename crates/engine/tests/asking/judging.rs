//! Tolerances of every kind.

use serde_json::json;
use shaketable_faults::Observed;

use crate::bench::{Bench, Server};

/// A probe that counts its calls and answers with the number.
fn counting(bench: &Bench) -> String {
    bench.file("count.py", "n = 0\ndef count(by=1):\n    global n\n    n += by\n    return n\n\ndef even(value):\n    return value % 2 == 0\n\ndef crash():\n    raise OSError('gone')\n");
    "provider: {type: python, module: count, func: count}".to_owned()
}

#[tokio::test]
async fn no_answer_is_unknown() {
    let bench = Bench::new();
    counting(&bench);
    let judged = bench
        .judge("tolerance: 1, provider: {type: python, module: count, func: crash}")
        .await;
    assert!(matches!(&judged.holds, Observed::Unknown(reason) if reason.contains("gone")));
}

#[tokio::test]
async fn one_answer_holds_or_does_not() {
    let bench = Bench::new();
    let count = counting(&bench);
    assert!(
        bench
            .judge(&format!("tolerance: 1, {count}"))
            .await
            .holds
            .is_yes()
    );
    let judged = bench.judge(&format!("tolerance: 1, {count}")).await;
    assert_eq!(judged.holds, Observed::No("2, tolerated is 1".to_owned()));
}

#[tokio::test]
async fn until_it_holds_and_no_longer_than_it_may_take() {
    let bench = Bench::new();
    let count = counting(&bench);
    let judged = bench
        .judge(&format!("within: 20s, tolerance: 3, {count}"))
        .await;
    assert!(judged.holds.is_yes(), "{:?}", judged.holds);
    assert_eq!(judged.carried.output, Ok(json!(3)));
    let judged = bench
        .judge(&format!("within: 700ms, tolerance: 1, {count}"))
        .await;
    assert!(
        matches!(&judged.holds, Observed::No(detail) if detail.starts_with("not within 0.7 s: ")),
        "{:?}",
        judged.holds
    );
}

#[tokio::test]
async fn waiting_cuts_a_question_short_that_takes_too_long() {
    let server = Server::start(vec![(0, json!(null))]).await;
    let judged = Bench::new()
        .judge(&format!(
            "within: 300ms, tolerance: 200, provider: {{type: http, url: \"{}/\", timeout: 1m}}",
            server.url
        ))
        .await;
    assert_eq!(
        judged.holds,
        Observed::Unknown("no answer within 0.3 s".to_owned())
    );
}

#[tokio::test]
async fn of_samples_a_share_has_to_hold() {
    let bench = Bench::new();
    let count = counting(&bench);
    let samples = |share: &str| {
        format!(
            "tolerance: {{type: samples, tolerance: {{type: range, range: [1, 8]}}, at-least: {share}, of: 10, every: 1ms}}, {count}"
        )
    };
    let judged = bench.judge(&samples("80%")).await;
    assert_eq!(
        judged.holds,
        Observed::Yes("8 of 10 samples (80.0 %)".to_owned())
    );
    assert_eq!(
        judged.carried.output,
        Ok(json!({"samples": 10, "held": 8, "unanswered": 0, "last": 10}))
    );
    let judged = bench.judge(&samples("80%")).await;
    assert!(matches!(&judged.holds, Observed::No(detail) if detail.contains("0 of 10 samples")));
}

#[tokio::test]
async fn samples_without_an_answer_do_not_hold_and_none_at_all_is_unknown() {
    let server = Server::start(vec![(500, json!(null)), (200, json!(null))]).await;
    let samples = |of: u32, expected: u16| {
        format!(
            "tolerance: {{type: samples, tolerance: 200, at-least: 75%, of: {of}, every: 1ms}}, provider: {{type: http, url: \"{}/\", expected_status: {expected}}}",
            server.url
        )
    };
    let bench = Bench::new();
    let judged = bench.judge(&samples(4, 200)).await;
    assert_eq!(
        judged.holds,
        Observed::Yes("3 of 4 samples (75.0 %), 1 without an answer".to_owned())
    );
    let judged = bench.judge(&samples(2, 299)).await;
    assert!(
        matches!(&judged.holds, Observed::Unknown(_)),
        "{:?}",
        judged.holds
    );
}

#[tokio::test]
async fn a_rate_is_change_per_second() {
    let bench = Bench::new();
    counting(&bench);
    let rate = |by: i64, range: &str| {
        format!(
            "tolerance: {{type: rate, tolerance: {{type: range, range: {range}}}, over: 100ms}}, provider: {{type: python, module: count, func: count, arguments: {{by: {by}}}}}"
        )
    };
    // However slow the machine is, the number grows, and not by more than 10 in 0.1 s.
    let judged = bench.judge(&rate(10, "[0.001, 100]")).await;
    assert!(judged.holds.is_yes(), "{:?}", judged.holds);
    let judged = bench.judge(&rate(-10, "[0, 100]")).await;
    assert!(
        matches!(&judged.holds, Observed::No(_)),
        "{:?}",
        judged.holds
    );
    let judged = bench
        .judge("tolerance: {type: rate, tolerance: {type: range, range: [0, 1]}, over: 1ms}, provider: {type: process, path: 'true'}")
        .await;
    assert!(matches!(&judged.holds, Observed::Unknown(reason) if reason.ends_with("is no number")));
}

#[tokio::test]
async fn another_probe_judges() {
    let bench = Bench::new();
    let count = counting(&bench);
    let judged_by = |provider: &str| {
        format!("tolerance: {{type: probe, name: judge, provider: {provider}}}, {count}")
    };
    let even = "{type: python, module: count, func: even}";
    let first = bench.judge(&judged_by(even)).await.holds;
    assert_eq!(first, Observed::No("1, `judge` says false".to_owned()));
    assert!(bench.judge(&judged_by(even)).await.holds.is_yes());
    let test = bench.file("test", "#!/bin/sh\n[ $1 = value ] && [ $2 -gt 3 ]\n");
    let process = format!("{{type: process, path: {test}}}");
    assert!(matches!(
        bench.judge(&judged_by(&process)).await.holds,
        Observed::No(_)
    ));
    assert!(bench.judge(&judged_by(&process)).await.holds.is_yes());
    let crash = "{type: python, module: count, func: crash}";
    assert!(matches!(
        bench.judge(&judged_by(crash)).await.holds,
        Observed::Unknown(_)
    ));
}

#[tokio::test]
async fn secrets_are_in_no_detail() {
    let bench = Bench::new();
    bench.asker.redaction.add_text("hunter2-hunter2");
    let judged = bench
        .judge("tolerance: {type: regex, pattern: never, target: nothing}, provider: {type: python, module: secretive, func: f}")
        .await;
    assert!(matches!(judged.holds, Observed::Unknown(_)));
    bench.file(
        "secretive.py",
        "def f():\n    return 'x' * 190 + 'hunter2-hunter2'\n",
    );
    let judged = bench
        .judge("tolerance: never, provider: {type: python, module: secretive, func: f}")
        .await;
    assert!(
        !judged.holds.detail().contains("hunter"),
        "{:?}",
        judged.holds
    );
}
