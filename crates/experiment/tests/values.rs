//! Values that are not in the document: overrides, the environment, secrets, sources, outputs.

mod common;

use common::{GOOD, read, read_with};
use serde_json::json;
use shaketable_document::Source;
use shaketable_experiment::{
    Activity, Experiment, Found, Overrides, ProcessArguments, Provider, Setter, ValueSource,
    Values, Vault, VaultAuthentication,
};

fn document(more: &str, method: &str) -> String {
    format!("title: t\ndescription: d\n{more}method:\n{method}")
}

fn plan(text: &str) -> Experiment {
    read(text).unwrap_or_else(|errors| panic!("{errors}")).0
}

fn errors(text: &str) -> Vec<(String, String)> {
    let problems = read(text).expect_err("an error");
    problems
        .iter()
        .map(|one| (one.message.clone(), one.help.clone().unwrap_or_default()))
        .collect()
}

fn arguments(activity: &Activity) -> Vec<String> {
    match &activity.provider {
        Provider::Process(call) => match &call.arguments {
            ProcessArguments::List(list) => list.clone(),
            ProcessArguments::Shell(text) => vec![text.clone()],
        },
        other => panic!("{other:?}"),
    }
}

fn values(of: &[(&str, serde_json::Value)]) -> Values {
    of.iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

const ECHO: &str =
    "  - {type: action, name: a, provider: {type: process, path: echo, arguments: ['${x}']}}\n";

#[test]
fn a_secret_is_in_no_plan_before_it_is_found_out() {
    let text = document(
        "secrets: {api: {x: {type: env, key: ORDER_API}, y: {type: file, path: y.txt}}, kv: {type: vault, path: a/b}}\n",
        ECHO,
    );
    let plan = plan(&text);
    assert!(plan.waits());
    assert_eq!(arguments(&plan.method[0]), ["${x}"]);
    assert!(!format!("{plan:?}").contains("127.0.0.1"));
    let group = &plan.secrets[0];
    assert_eq!(
        group.secrets[0],
        (
            "x".to_owned(),
            ValueSource::Known(json!("http://127.0.0.1:8000"))
        )
    );
    assert!(plan.secrets[1].whole.is_some());
    let found = Found {
        configuration: Values::new(),
        secrets: vec![("api".to_owned(), values(&[("x", json!("s3cret"))]))],
    };
    assert!(!format!("{found:?}").contains("s3cret"));
    let plan = plan.with(&found).expect("a plan");
    assert!(!plan.waits());
    assert_eq!(arguments(&plan.method[0]), ["s3cret"]);
    assert!(!plan.method[0].source.to_string().contains("s3cret"));
    assert!(!plan.source.to_string().contains("s3cret"));
}

#[test]
fn what_is_known_when_it_is_read_waits_for_nothing() {
    let plan = plan(GOOD);
    assert!(!plan.waits());
    assert!(plan.activities().all(|activity| activity.late.is_empty()));
    assert_eq!(plan.activities().count(), 6);
}

#[test]
fn the_configuration_goes_before_secrets_and_earlier_groups_before_later_ones() {
    let method = "  - {type: action, name: a, provider: {type: process, path: echo, arguments: ['${x}', '${y}']}}\n";
    let text = document(
        "configuration: {x: of the configuration}\nsecrets: {a: {x: 1, y: of a}, b: {y: of b}}\n",
        method,
    );
    let found = Found {
        configuration: Values::new(),
        secrets: vec![
            (
                "a".to_owned(),
                values(&[("x", json!(1)), ("y", json!("of a"))]),
            ),
            ("b".to_owned(), values(&[("y", json!("of b"))])),
        ],
    };
    let plan = plan(&text).with(&found).expect("a plan");
    assert_eq!(arguments(&plan.method[0]), ["of the configuration", "of a"]);
    assert!(!plan.configuration.contains_key("y"));
}

#[test]
fn what_is_found_out_is_checked_where_it_is_used() {
    let text = document(
        "configuration: {x: {type: probe, name: ask, provider: {type: process, path: date}}}\n",
        "  - {type: action, name: a, pauses: {after: '${x}'}, provider: {type: process, path: ls}}\n",
    );
    let plan = plan(&text);
    let [source] = plan.sources.as_slice() else {
        panic!("{:?}", plan.sources);
    };
    assert_eq!(source.name, "x");
    assert!(matches!(source.source, ValueSource::Probe(_)));
    let with = |value| {
        plan.with(&Found {
            configuration: values(&[("x", value)]),
            secrets: Vec::new(),
        })
    };
    let complete = with(json!("3s")).expect("a plan");
    assert_eq!(complete.method[0].pauses_after.as_secs(), 3);
    assert_eq!(complete.configuration["x"], "3s");
    let wrong = with(json!("soon")).expect_err("no duration").to_string();
    assert!(wrong.starts_with("`after` has to be a duration"), "{wrong}");
    let missing = plan.with(&Found::default()).expect_err("no value");
    assert_eq!(
        missing.to_string(),
        "`${x}` has no value: it could not be found out before the run"
    );
}

#[test]
fn a_source_may_use_other_values() {
    let text = document(
        "configuration: {c: {type: probe, provider: {type: process, path: ls, arguments: ['${x}']}}}\nsecrets: {g: {x: 1}}\n",
        "  []\n",
    );
    let plan = plan(&text);
    let ValueSource::Probe(probe) = &plan.sources[0].source else {
        panic!("{:?}", plan.sources);
    };
    assert_eq!(probe.waits_for(&Values::new()), Some(&Setter::Source));
    let probe = probe
        .filled_in(&values(&[("x", json!("v"))]))
        .expect("filled in");
    assert_eq!(arguments(&probe), ["v"]);
}

#[test]
fn an_output_is_used_by_later_activities_only() {
    let asks = "  - {type: probe, name: ask, outputs: {x: $.id, y: $.n}, provider: {type: process, path: date}}\n";
    let use_it = "  - type: probe\n    name: use\n    timeout: ${y}\n    until: {tolerance: '${y}', timeout: '${y}'}\n    provider: {type: http, url: 'http://h/${x}', timeout: '${y}'}\n";
    let plan = plan(&document("", &format!("{asks}{use_it}")));
    let user = &plan.method[1];
    assert_eq!(
        user.late["x"].set_by,
        Setter::Output("ask".to_owned()),
        "{:?}",
        user.late
    );
    assert!(user.filled_in(&values(&[("x", json!("i"))])).is_err());
    let user = user
        .filled_in(&values(&[("x", json!("i")), ("y", json!(7))]))
        .expect("filled in");
    let Provider::Http(call) = &user.provider else {
        panic!("{user:?}");
    };
    assert_eq!(call.url, "http://h/i");
    assert_eq!(call.timeout.as_secs(), 7);
    assert_eq!(user.until.expect("until").timeout.as_secs(), 7);
    let wrong = plan.method[1]
        .filled_in(&values(&[("x", json!("i")), ("y", json!("soon"))]))
        .expect_err("no duration");
    assert!(wrong.contains("has to be a duration"), "{wrong}");

    let problems = errors(&document("", &format!("{use_it}{asks}")));
    assert_eq!(
        problems[0],
        (
            "`${y}` has no value before the method is carried out".to_owned(),
            "the activity `ask` sets it; only activities after that one can use it".to_owned()
        )
    );
    // A dollar that is doubled is no variable, whatever its name is.
    let quoted = ECHO.replace("'${x}'", "'$${x}'");
    let plan = self::plan(&document("", &format!("{asks}{quoted}{ECHO}")));
    assert_eq!(arguments(&plan.method[1]), ["${x}"]);
    let filled = plan.method[1].filled_in(&values(&[("x", json!("i")), ("y", json!(7))]));
    assert_eq!(arguments(&filled.expect("filled in")), ["${x}"]);
}

#[test]
fn a_fault_waits_for_no_output() {
    let method = "  - {type: probe, name: ask, outputs: {x: $.id}, provider: {type: process, path: date}}\n  - {type: action, name: f, provider: {type: fault, fault: process-kill, target: {service: '${x}'}}}\n";
    for more in ["", "configuration: {x: api}\n"] {
        let problems = errors(&document(more, method));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].1.contains("faults are planned before"));
    }
}

#[test]
fn after_the_method_the_hypothesis_may_use_outputs() {
    let hypothesis = "steady-state-hypothesis: {title: h, probes: [{type: probe, name: p, tolerance: '${x}', provider: {type: process, path: ls}}]}\n";
    let method =
        "  - {type: probe, name: ask, outputs: {x: $.id}, provider: {type: process, path: date}}\n";
    assert_eq!(errors(&document(hypothesis, method)).len(), 1);
    let after = format!("{hypothesis}runtime: {{hypothesis: {{strategy: after-method-only}}}}\n");
    plan(&document(&after, method));
}

#[test]
fn with_a_control_in_python_every_activity_may_get_new_values() {
    let controls = "controls: [{name: c, provider: {type: python, module: my.control}}]\n";
    let more = format!("configuration: {{x: first}}\n{controls}");
    let plan = plan(&document(&more, ECHO));
    let activity = &plan.method[0];
    assert_eq!(arguments(activity), ["first"]);
    let again = activity.filled_in(&Values::new()).expect("as it is");
    assert_eq!(arguments(&again), ["first"]);
    let changed = activity.filled_in(&values(&[("x", json!("second"))]));
    assert_eq!(arguments(&changed.expect("filled in")), ["second"]);
    // A name that nobody declares may be set by the control, and is an error without it.
    self::plan(&document(controls, ECHO));
    assert_eq!(errors(&document("", ECHO)).len(), 1);
}

#[test]
fn overrides_go_before_the_document() {
    let text = document(
        "configuration: {x: 1, y: {type: env, key: NOWHERE}}\n",
        ECHO,
    );
    let mut overrides = Overrides::default();
    overrides.variable("y:int=5").expect("a variable");
    overrides.variable("x=of the line").expect("a variable");
    let file = "configuration: {x: of the file, y: {type: env, key: ORDER_API}}";
    overrides
        .file(&Source::new("v.yaml", file))
        .expect("a file");
    let (plan, _) = read_with(&text, &overrides).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(plan.configuration["x"], "of the line");
    assert_eq!(plan.configuration["y"], 5);
    assert_eq!(plan.source["configuration"]["y"], 5);

    let mut overrides = Overrides::default();
    overrides
        .file(&Source::new("v.env", "# a\nexport NOWHERE='found'\n"))
        .expect("a file");
    let (plan, _) = read_with(&text, &overrides).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(plan.configuration["y"], "found");

    let mut overrides = Overrides::default();
    overrides.variable("yy=5").expect("a variable");
    overrides.variable("y=5").expect("a variable");
    let problems = read_with(&text, &overrides).expect_err("undeclared");
    assert_eq!(
        problems.to_string(),
        "the command line gives `yy` a value, and `configuration` has no `yy`"
    );
}

#[test]
fn wrong_overrides_are_refused() {
    for (text, message) in [
        (
            "x",
            "the variable `x` has no value: write name=value, or name:type=value",
        ),
        (
            "x:in=1",
            "the variable `x` has an unknown type `in`: types are str, int, float, bytes, bool, json",
        ),
        (
            "x:int=one",
            "the variable `x` is no int: invalid digit found in string",
        ),
    ] {
        let error = Overrides::default().variable(text).expect_err("an error");
        assert_eq!(error.to_string(), message);
    }
    for (name, text) in [
        ("v.env", "no line"),
        ("v.json", "{\"secret\": {}}"),
        ("v.yml", "a: ["),
    ] {
        let file = Source::new(name, text);
        assert!(Overrides::default().file(&file).is_err(), "{name}");
    }
}

#[test]
fn a_variable_of_the_environment_is_of_the_type_that_is_wanted() {
    let text = |kind: &str, value: &str| {
        let mut overrides = Overrides::default();
        overrides
            .file(&Source::new("v", format!("V={value}")))
            .expect("a file");
        let more = format!("configuration: {{v: {{type: env, key: V, env_var_type: {kind}}}}}\n");
        read_with(&document(&more, "  []\n"), &overrides)
            .map(|(plan, _)| plan.configuration["v"].clone())
            .map_err(|errors| errors.to_string())
    };
    assert_eq!(text("int", "5"), Ok(json!(5)));
    assert_eq!(text("float", "0.5"), Ok(json!(0.5)));
    assert_eq!(text("bool", "No"), Ok(json!(false)));
    assert_eq!(text("json", "[1]"), Ok(json!([1])));
    assert_eq!(text("str", "5"), Ok(json!("5")));
    let wrong = text("int", "five").expect_err("no number");
    assert!(wrong.starts_with("the environment variable `V` is no int"));
}

#[test]
fn vault_is_reached_as_the_configuration_says() {
    let of = |entries: &[(&str, serde_json::Value)]| Vault::of(&values(entries));
    let address = ("vault_addr", json!("http://v:8200/"));
    let vault = of(&[address.clone(), ("vault_token", json!("t"))]).expect("a vault");
    assert_eq!(vault.address, "http://v:8200");
    assert_eq!(
        (vault.kv_version, vault.mount_point.as_str()),
        (2, "secret")
    );
    assert!(vault.authentication == VaultAuthentication::Token("t".to_owned()));
    assert!(!format!("{vault:?}").contains("Token"));
    assert!(of(&[]).is_err());
    assert!(of(std::slice::from_ref(&address)).is_err());
    let version = ("vault_kv_version", json!(3));
    assert!(of(&[address, ("vault_token", json!("t")), version]).is_err());
}

#[test]
fn what_is_wrong_with_sources_and_secrets_is_said() {
    for (more, message) in [
        (
            "configuration: {x: {type: vault, pth: a}}\n",
            "unknown key `pth` in the vault value",
        ),
        (
            "configuration: {x: {type: file, path: a, jsonpath: b}}\n",
            "`b` is not a JSONPath",
        ),
        (
            "secrets: {g: {x: {type: probe, provider: {}}}}\n",
            "a probe finds out no secret",
        ),
        (
            "secrets: {x: {type: env, key: ORDER_API}}\n",
            "`x` is a secret without a group",
        ),
        (
            "secrets: {g: {x: {type: env, key: NOWHERE}}}\n",
            "the environment variable `NOWHERE` is not set",
        ),
    ] {
        let problems = errors(&document(more, "  []\n"));
        assert_eq!(problems[0].0, message, "{problems:?}");
        assert_eq!(problems.len(), 1, "{problems:?}");
    }
}
