//! Processes, requests, and functions in Python.

use std::time::Duration;

use serde_json::json;

use crate::bench::{Bench, Server, method};

#[tokio::test]
async fn a_process_gets_its_arguments_environment_and_folder() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path().join("sub")).unwrap();
    let show = bench.file(
        "show",
        "#!/bin/sh\necho \"$1|$2|$MY|$HOME|$(basename $(pwd))\"; exit 3\n",
    );
    let carried = bench
        .carry_out(&format!(
            "type: action, provider: {{type: process, path: {show}, arguments: [a b, c], env: {{MY: mine}}, cwd: sub}}"
        ))
        .await;
    let output = carried.output.unwrap();
    let home = std::env::var("HOME").unwrap_or_default();
    assert_eq!(output["stdout"], format!("a b|c|mine|{home}|sub\n"));
    assert_eq!(output["status"], 3);
}

#[tokio::test]
async fn text_arguments_are_for_the_shell() {
    let bench = Bench::new();
    let carried = bench
        .carry_out("type: probe, provider: {type: process, path: echo, arguments: \"a $((1+1)) | tr a b\"}")
        .await;
    assert_eq!(carried.output.unwrap()["stdout"], "b 2\n");
}

#[tokio::test]
async fn a_process_that_takes_too_long_ends_with_all_it_has_started() {
    let bench = Bench::new();
    let child = bench.path().join("child");
    let slow = bench.file(
        "slow",
        &format!(
            "#!/bin/sh\nsleep 600 &\necho $! > {}\nwait\n",
            child.display()
        ),
    );
    let carried = bench
        .carry_out(&format!(
            "type: probe, timeout: 500ms, provider: {{type: process, path: {slow}}}"
        ))
        .await;
    let reason = carried.output.unwrap_err();
    assert!(reason.contains("its timeout of 0.5 s"), "{reason}");
    let pid: i32 = std::fs::read_to_string(child)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    // The kernel has been told; the process is gone, or waits to be reaped.
    let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    for _ in 0..500 {
        match state() {
            Some(stat) if !stat.contains(") Z") => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            _ => return,
        }
    }
    panic!("{pid} still runs");
}

#[tokio::test]
async fn output_is_bounded_and_says_what_is_missing() {
    let bench = Bench::new();
    let carried = bench
        .carry_out("type: probe, provider: {type: process, path: head, arguments: [-c, '3000000', /dev/zero]}")
        .await;
    let output = carried.output.unwrap();
    assert_eq!(output["stdout"].as_str().unwrap().len(), 1 << 20);
    assert_eq!(output["stdout_dropped_bytes"], 3_000_000 - (1 << 20));
    assert_eq!(output.get("stderr_dropped_bytes"), None);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_a_reason() {
    let carried = Bench::new()
        .carry_out("type: probe, provider: {type: process, path: /no/such/program}")
        .await;
    let reason = carried.output.unwrap_err();
    assert!(
        reason.starts_with("cannot start /no/such/program"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_request_carries_query_headers_and_body() {
    let server = Server::start(vec![(201, json!({"id": 7}))]).await;
    let carried = Bench::new()
        .carry_out(&format!(
            "type: action, provider: {{type: http, method: POST, url: \"{}/x\", headers: {{X-A: b}}, json: {{k: v}}}}",
            server.url
        ))
        .await;
    let output = carried.output.unwrap();
    assert_eq!(
        (&output["status"], &output["body"]),
        (&json!(201), &json!({"id": 7}))
    );
    assert_eq!(output["headers"]["Content-Type"], "application/json");
    let request = server.requests.lock().unwrap()[0].clone();
    for part in [
        "POST /x HTTP/1.1",
        "X-A: b",
        "{\"k\": \"v\"}",
        "User-Agent: shaketable/",
    ] {
        assert!(request.contains(part), "{part}: {request}");
    }
}

#[tokio::test]
async fn a_status_that_is_not_expected_is_a_failure() {
    let server = Server::start(vec![(503, json!(null))]).await;
    let provider = format!(
        "type: action, provider: {{type: http, url: \"{}/\", expected_status: [200, 204]}}",
        server.url
    );
    let reason = Bench::new().carry_out(&provider).await.output.unwrap_err();
    assert!(
        reason.ends_with("status 503, expected is 200 or 204"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_server_that_is_silent_is_waited_for_as_long_as_it_may_take() {
    let server = Server::start(vec![(0, json!(null))]).await;
    let provider = format!(
        "type: probe, provider: {{type: http, url: \"{}/?token=abc\", timeout: 300ms}}",
        server.url
    );
    let reason = Bench::new().carry_out(&provider).await.output.unwrap_err();
    assert!(reason.ends_with("no answer within 0.3 s"), "{reason}");
    assert!(!reason.contains("abc"), "{reason}");
}

#[tokio::test]
async fn what_a_url_may_hide_is_in_no_reason() {
    let carried = Bench::new()
        .carry_out(
            "type: probe, provider: {type: http, url: \"http://me:pass@127.44.0.2:1/x?token=abc\"}",
        )
        .await;
    let reason = carried.output.unwrap_err();
    assert!(reason.contains("cannot connect: "), "{reason}");
    assert!(
        !reason.contains("pass") && !reason.contains("abc"),
        "{reason}"
    );
}

#[tokio::test]
async fn python_functions_get_arguments_configuration_and_secrets() {
    let bench = Bench::new();
    bench.file(
        "shop.py",
        "def price(of, configuration=None, secrets=None):\n    return [of, configuration['late'], secrets['k']]\n",
    );
    let experiment = crate::bench::experiment(
        "secrets: {shop: {k: s3cret}}\nmethod:\n- {name: a, type: probe, provider: {type: python, module: shop, func: price, \
         arguments: {of: tea}, secrets: [shop]}}\n",
    );
    let (found, _) = shaketable_engine::sources::find(&experiment, &bench.asker).await;
    let experiment = experiment.with(&found).unwrap();
    let asker = bench.asker.knowing(&experiment, &found);
    asker.exchange.set([("late".to_owned(), json!(4))].into());
    let activity = &experiment.method[0];
    let carried = asker.carry_out(activity, None).await;
    assert_eq!(carried.output, Ok(json!(["tea", 4, "s3cret"])));
}

#[tokio::test]
async fn exceptions_are_reasons_and_may_interrupt_the_run() {
    let bench = Bench::new();
    bench.file(
        "bad.py",
        "def fail():\n    raise ValueError('no such order')\n\ndef leave():\n    raise SystemExit(3)\n\ndef hang():\n    import time\n    time.sleep(600)\n",
    );
    let call = |func: &str, more: &str| {
        format!(
            "type: action, retries: {{attempts: 2, every: 1ms}}, provider: {{type: python, module: bad, func: {func}{more}}}"
        )
    };
    let failed = bench.carry_out(&call("fail", "")).await;
    assert!(
        failed
            .output
            .unwrap_err()
            .contains("ValueError: no such order")
    );
    assert!(failed.exception.iter().any(|line| line.contains("bad.py")));
    assert_eq!((failed.attempts, failed.interrupts), (2, None));
    let left = bench.carry_out(&call("leave", "")).await;
    assert_eq!(left.attempts, 1);
    assert!(left.interrupts.unwrap().contains("SystemExit"));
    let hung = bench.carry_out(&call("hang", ", timeout: 200ms")).await;
    assert!(
        hung.output
            .unwrap_err()
            .contains("did not end within 200ms")
    );
}

#[tokio::test]
async fn without_an_interpreter_only_what_needs_one_fails() {
    let bench = Bench::new();
    let runtime = shaketable_experiment::PythonRuntime {
        interpreter: Some("/no/such/python".to_owned()),
        ..Default::default()
    };
    let (python, _) = shaketable_engine::python::Python::new(&runtime, bench.path());
    let mut asker = bench.asker.clone();
    asker.python = python;
    let asked = |activity: &str| {
        let (asker, activity) = (asker.clone(), method(activity));
        async move { asker.carry_out(&activity, None).await.output }
    };
    let reason = asked("type: probe, provider: {type: python, module: m, func: f}")
        .await
        .unwrap_err();
    assert!(reason.contains("/no/such/python"), "{reason}");
    assert!(
        asked("type: probe, provider: {type: process, path: 'true'}")
            .await
            .is_ok()
    );
}
