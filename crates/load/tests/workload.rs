//! What a workload may say, and how its problems are told.

use std::collections::BTreeMap;
use std::time::Duration;

use shaketable_load::{HttpDriver, HttpWorkload};

fn workload(url: &str) -> HttpWorkload {
    HttpWorkload {
        method: "GET".into(),
        url: url.into(),
        headers: BTreeMap::new(),
        json: None,
        rate_per_s: 50.0,
        timeout: Duration::from_secs(10),
        identity: "$.id".into(),
        max_in_flight: 1_000,
    }
}

#[test]
fn every_problem_of_a_workload_is_reported_at_once() {
    let workload = HttpWorkload {
        method: "PO ST".into(),
        url: "https://shop/orders".into(),
        headers: BTreeMap::from([
            ("a b".into(), "1".into()),
            ("x-key".into(), "s3cr\net".into()),
        ]),
        json: None,
        rate_per_s: 0.0,
        timeout: Duration::ZERO,
        identity: "id".into(),
        max_in_flight: 0,
    };
    let problems = HttpDriver::new(workload.clone()).err().expect("problems");
    let fields: Vec<_> = problems.iter().map(|problem| problem.field()).collect();
    assert_eq!(
        fields,
        [
            "method",
            "url",
            "headers",
            "headers",
            "rate_per_s",
            "timeout",
            "identity",
            "max_in_flight"
        ]
    );
    let told = format!("{problems:?} {workload:?}");
    assert!(!told.contains("s3cr"), "no secret is told: {told}");
}

#[test]
fn urls_are_checked_when_the_driver_is_made() {
    let problem = |url: &str| {
        HttpDriver::new(workload(url))
            .err()
            .map(|e| e[0].to_string())
    };
    let table = [
        ("http://127.0.0.1:8000/orders", None),
        (
            "https://shop/",
            Some("the url's scheme `https` is not supported; load is sent over plain http only"),
        ),
        (
            "/orders",
            Some("the url is not absolute; write it as http://host:port/path"),
        ),
        (
            "shop:8000",
            Some("the url is not absolute; write it as http://host:port/path"),
        ),
        (
            "http://ash:s3cret@shop/",
            Some(
                "the url carries a user name; send credentials in an `authorization` header instead",
            ),
        ),
        (
            "http://a b/",
            Some(
                "the url cannot be parsed (invalid uri character); write it as http://host:port/path",
            ),
        ),
    ];
    for (url, expected) in table {
        assert_eq!(problem(url).as_deref(), expected, "{url}");
    }
    for rate_per_s in [-1.0, f64::NAN, f64::INFINITY, 1e7] {
        let problems = HttpDriver::new(HttpWorkload {
            rate_per_s,
            ..workload("http://shop/")
        });
        assert_eq!(problems.err().expect("a problem")[0].field(), "rate_per_s");
    }
}
