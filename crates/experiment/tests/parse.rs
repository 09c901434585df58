//! From documents to plans.

mod common;

use std::time::Duration;

use common::{FAULTS, GOOD, read};
use shaketable_experiment::{
    ActivityKind, Condition, Measure, ProcessArguments, ProcessCall, Provider, StageRole,
    StageSource, Target, Tolerance, Value, schema,
};

#[test]
fn a_good_document_is_a_complete_plan() {
    let (plan, warnings) = read(GOOD).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(warnings.is_empty(), "{warnings}");
    assert_eq!(plan.title, "Losing a broker loses no order in here");
    assert_eq!(plan.tags, ["kafka"]);
    assert_eq!(plan.system.expect("a system").path, "../compose.yaml");
    assert_eq!(plan.configuration["order_api"], "http://127.0.0.1:8000");
    assert_eq!(plan.configuration["answer"], 200);
    assert_eq!(plan.warm_up, Duration::from_secs(5));
    assert_eq!(plan.steady_timeout, Duration::from_secs(30));
    assert_eq!(plan.drain_timeout, Duration::from_secs(120));

    let workload = plan.workload.expect("a workload");
    assert_eq!(workload.name, "trainers");
    assert_eq!(workload.rate, 50.0);
    assert_eq!(workload.timeout, Duration::from_secs(10));
    assert_eq!(workload.identity, "$.id");
    assert_eq!(workload.max_in_flight, 5000);
    assert_eq!(workload.http.method, "POST");
    assert_eq!(workload.http.url, "http://127.0.0.1:8000/orders/");
    assert_eq!(workload.http.headers["x-answer"], "200");
    assert_eq!(
        workload.http.json.expect("a body"),
        serde_json::json!({"user_id": 1, "pokemon": "pidgey 200", "price": 200})
    );

    let ledger = plan.ledger.expect("a ledger");
    assert_eq!(ledger.acknowledged, "trainers");
    let roles: Vec<StageRole> = ledger.stages.iter().map(|stage| stage.role).collect();
    assert_eq!(
        roles,
        [StageRole::Trace, StageRole::Settled, StageRole::Unwanted]
    );
    assert_eq!(ledger.stages[1].within, Some(Duration::from_secs(30)));
    assert_eq!(
        ledger.stages[1].source,
        StageSource::Postgres {
            url: "postgresql://localhost/poke".to_owned(),
            query: "select id from poke_orders where x = '$'".to_owned(),
        }
    );

    let hypothesis = plan.hypothesis.expect("a hypothesis");
    assert_eq!(
        hypothesis.probes[0].provider,
        Provider::Ledger {
            measure: Measure::Lost
        }
    );
    assert_eq!(
        hypothesis.probes[1].tolerance,
        Some(Tolerance::Output(Condition::Integer(200)))
    );

    let kill = &plan.method[0];
    assert_eq!(kill.kind, ActivityKind::Action);
    assert_eq!(kill.pauses_before, Duration::from_secs(5));
    assert_eq!(kill.pauses_after, Duration::from_secs(60));
    let Provider::Fault(call) = &kill.provider else {
        panic!("{kill:?}");
    };
    let leader = Target::LeaderOf {
        topic: "poke-orders".to_owned(),
        partition: 0,
    };
    assert_eq!(call.target, leader);
    assert_eq!(call.target.to_string(), "leader of poke-orders/0");
    assert_eq!(
        call.parameters["restart-after"],
        Value::Duration(Duration::from_secs(30))
    );
    assert_eq!(call.parameters["signal"], Value::Text("SIGKILL".to_owned()));
    assert_eq!(call.parameters["times"], Value::Integer(2));
    assert_eq!(
        &GOOD[call.target_at.start..call.target_at.end],
        "{leader-of: poke-orders/0}"
    );

    assert_eq!(
        plan.rollbacks[0].provider,
        Provider::Process(ProcessCall {
            path: "echo".to_owned(),
            arguments: ProcessArguments::List(vec![
                "done".to_owned(),
                "3".to_owned(),
                "here".to_owned()
            ]),
            environment: Default::default(),
            directory: None,
            timeout: Duration::from_secs(30),
        })
    );
    assert_eq!(plan.safeguards[0].every, Duration::from_secs(1));
    assert_eq!(plan.safeguards[0].activity.kind, ActivityKind::Probe);
    assert_eq!(
        plan.safeguards[0].activity.tolerance,
        Some(Tolerance::Output(Condition::Range {
            low: 200.0,
            high: 299.0,
            target: None,
        }))
    );
}

#[test]
fn a_plain_chaos_toolkit_file_is_a_plan() {
    let text = r#"{"version": "1.0.0", "title": "t", "description": "d", "tags": [],
        "steady-state-hypothesis": {"title": "h", "probes": [
            {"type": "probe", "name": "p", "tolerance": [200, 201],
             "provider": {"type": "http", "url": "http://localhost/"}}]},
        "method": [{"type": "action", "name": "a", "background": false,
             "provider": {"type": "process", "path": "ls", "arguments": ["-l"], "timeout": 3}}],
        "rollbacks": []}"#;
    let (plan, warnings) = read(text).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(warnings.is_empty(), "{warnings}");
    assert_eq!(plan.method.len(), 1);
    assert_eq!(plan.workload, None);
}

#[test]
fn variables_follow_the_grammar() {
    let title = |text: &str| {
        let document = format!(
            "title: '{text}'\ndescription: d\nmethod: []\nconfiguration: {{a: 1, b_2: two}}\n"
        );
        read(&document).map(|(plan, _)| plan.title)
    };
    let cases = [
        ("x ${a} ${b_2}", "x 1 two"),
        ("x $a $b_2!", "x 1 two!"),
        ("$$ $${a} $$a", "$ ${a} $a"),
        ("$ $. $1 $unknown end$", "$ $. $1 $unknown end$"),
    ];
    for (text, expected) in cases {
        assert_eq!(title(text).as_deref(), Ok(expected), "{text}");
    }
    assert!(title("x ${}").is_err());
    assert!(title("x ${a b}").is_err());
}

#[test]
fn the_schema_names_what_the_document_may_contain() {
    let schema = schema(FAULTS);
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert_eq!(
        schema["required"],
        serde_json::json!(["title", "description", "method"])
    );
    assert!(schema["$defs"]["reference-to-an-activity"]["properties"]["ref"].is_object());
    let activity = &schema["$defs"]["activity"]["properties"];
    assert!(activity.get("configuration").is_none());
    assert_eq!(activity["provider"]["$ref"], "#/$defs/provider");
    let providers = schema["$defs"]["provider"]["oneOf"]
        .as_array()
        .expect("providers");
    let faults = providers
        .iter()
        .find_map(|provider| provider["oneOf"].as_array())
        .expect("faults");
    let kill = &faults[0]["properties"];
    assert_eq!(kill["type"]["const"], "fault");
    assert_eq!(kill["fault"]["const"], "process-kill");
    assert!(kill["restart-after"].is_object());
    assert_eq!(
        faults[0]["required"],
        serde_json::json!(["type", "fault", "target"])
    );
    // Every reference has its definition.
    let text = schema.to_string();
    for reference in text.split("\"#/$defs/").skip(1) {
        let name = reference.split('"').next().expect("a name");
        assert!(schema["$defs"][name].is_object(), "{name}");
    }
}
