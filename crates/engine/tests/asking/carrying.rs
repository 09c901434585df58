//! Retries, and outputs that later activities use.

use serde_json::json;

use shaketable_dialect::redaction::Redaction;
use shaketable_engine::probes::Asker;
use shaketable_engine::python::Python;
use shaketable_engine::site::Site;
use shaketable_experiment::Endpoints;

use crate::bench::{Bench, Server, experiment, method};

#[tokio::test]
async fn what_fails_is_tried_again_as_often_as_it_says() {
    let server = Server::start(vec![(500, json!(1)), (500, json!(2)), (200, json!(3))]).await;
    let activity = |attempts: u32| {
        format!(
            "type: action, retries: {{attempts: {attempts}, every: 1ms, backoff: 2}}, provider: {{type: http, url: \"{}/\", expected_status: 200}}",
            server.url
        )
    };
    let bench = Bench::new();
    let carried = bench.carry_out(&activity(2)).await;
    assert_eq!((carried.attempts, carried.output.is_ok()), (2, false));
    assert_eq!(server.count(), 2);
    let carried = bench.carry_out(&activity(5)).await;
    assert_eq!((carried.attempts, carried.output.is_ok()), (1, true));
}

#[tokio::test]
async fn outputs_are_there_for_later_activities() {
    let server = Server::start(vec![(200, json!({"order": {"id": "o-7"}}))]).await;
    let experiment = experiment(&format!(
        "method:\n- {{name: a, type: action, outputs: {{order: $.body.order.id}}, provider: {{type: http, url: \"{}/\"}}}}\n\
         - {{name: b, type: action, provider: {{type: process, path: echo, arguments: [\"${{order}}\"]}}}}\n",
        server.url
    ));
    let asker = &Bench::new().asker;
    let missing = asker.prepare(&experiment.method[1]).unwrap_err();
    assert!(missing.contains("`${order}` has no value"), "{missing}");
    let carried = asker.carry_out(&experiment.method[0], None).await;
    assert_eq!(carried.values, [("order".to_owned(), json!("o-7"))].into());
    let next = asker.prepare(&experiment.method[1]).unwrap();
    let output = asker.carry_out(&next, None).await.output.unwrap();
    assert_eq!(output["stdout"], "o-7\n");
}

#[tokio::test]
async fn an_output_without_its_value_is_a_failure() {
    let bench = Bench::new();
    for (path, reason) in [("$.nothing", "nothing is at"), ("$.*", "3 values are at")] {
        let activity = method(&format!(
            "type: action, outputs: {{x: '{path}'}}, provider: {{type: process, path: 'true'}}"
        ));
        let failed = bench
            .asker
            .carry_out(&activity, None)
            .await
            .output
            .unwrap_err();
        assert!(failed.contains(reason), "{failed}");
        assert!(bench.asker.exchange.values().is_empty());
    }
}

#[tokio::test]
async fn service_names_in_filled_in_activities_lead_to_the_site() {
    let server = Server::start(vec![(200, json!({"host": "shop"}))]).await;
    let address = server.url.trim_start_matches("http://").to_owned();
    let site = Site::of_endpoints(&Endpoints {
        services: [("shop".to_owned(), address.clone())].into(),
        ..Endpoints::default()
    });
    let folder = tempfile::tempdir().unwrap();
    let asker = Asker::new(site, folder.path(), Python::default(), Redaction::default());
    let experiment = experiment(&format!(
        "method:\n- {{name: a, type: action, outputs: {{host: $.body.host}}, provider: {{type: http, url: \"{}/\"}}}}\n\
         - {{name: b, type: action, provider: {{type: http, url: \"http://${{host}}:80/b\"}}}}\n\
         - {{name: c, type: action, provider: {{type: process, path: echo, arguments: [\"${{host}}:80\"]}}}}\n",
        server.url
    ));
    for activity in &experiment.method[..2] {
        let activity = asker.prepare(activity).unwrap();
        assert!(asker.carry_out(&activity, None).await.output.is_ok());
    }
    assert!(server.requests.lock().unwrap()[1].starts_with("GET /b "));
    let shown = asker.prepare(&experiment.method[2]).unwrap();
    let output = asker.carry_out(&shown, None).await.output.unwrap();
    assert_eq!(output["stdout"], format!("{address}\n"));
}
