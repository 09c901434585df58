//! The programs' settings: defaults as published, and every problem at once.

use std::time::Duration;

use orders::api::{Api, Produce};
use orders::detective::Detective;
use orders::producer::Acks;
use orders::program::Program;
use orders::reverser::Reverser;
use orders::setting::{Environment, Unit};
use orders::updater::Updater;
use orders::worker::OnPermanent;

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::new(
        variables
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string())),
    )
}

const KAFKA: (&str, &str) = ("KAFKA_BOOTSTRAP_SERVERS", "kafka-1:9092,kafka-2:9092");
const DATABASE: (&str, &str) = (
    "DATABASE_URL",
    "postgresql://user:secret@postgres:5432/poke_orders",
);

fn problems<P: Program>(variables: &[(&str, &str)]) -> String {
    match P::from_environment(environment(variables)) {
        Ok(_) => panic!("the settings {variables:?} were accepted"),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn the_api_is_flawed_as_published_unless_told_otherwise() {
    let api = Api::from_environment(environment(&[KAFKA, DATABASE])).expect("enough");
    assert_eq!(api.listen.to_string(), "0.0.0.0:8000");
    assert_eq!(api.topic, "poke-orders");
    assert_eq!(api.produce, Produce::Direct);
    assert!(api.flush_in_event_loop);
    assert!(!api.state_machine);
    assert_eq!(api.producer.client_id, "poke-producer");
    assert_eq!(api.producer.acks, Acks::All);
    assert_eq!(api.producer.retries, 3);
    assert_eq!(api.producer.message_timeout, Duration::from_secs(2));
    assert!(!api.producer.idempotent && !api.keyed);
    assert_eq!(api.outbox_message_timeout, Duration::from_secs(120));
}

#[test]
fn the_api_is_fixed_by_its_switches() {
    let api = Api::from_environment(environment(&[
        KAFKA,
        DATABASE,
        ("PRODUCE", "outbox"),
        ("OUTBOX_MESSAGE_TIMEOUT_MS", "90000"),
        ("KEYED", "true"),
        ("STATE_MACHINE", "true"),
        ("FLUSH_IN_EVENT_LOOP", "false"),
    ]))
    .expect("enough");
    assert_eq!(api.produce, Produce::Outbox);
    assert!(api.producer.idempotent);
    assert!(api.state_machine);
    assert!(!api.flush_in_event_loop);
    assert!(api.keyed);
    assert_eq!(api.outbox_message_timeout, Duration::from_secs(90));
    assert_eq!(api.producer.message_timeout, Duration::from_secs(2));
}

#[test]
fn every_problem_of_the_api_is_reported_at_once() {
    let problems = problems::<Api>(&[
        ("LISTEN", "here"),
        ("DATABASE_URL", "mysql://user:secret@host/db"),
        ("KAFKA_ACKS", "2"),
        ("RETRIES", "-1"),
        ("MESSAGE_TIMEOUT_MS", "soon"),
        ("OUTBOX_MESSAGE_TIMEOUT_MS", "later"),
        ("KEYED", "yes"),
        ("PRODUCE", "twice"),
        ("FLUSH_IN_EVENT_LOOP", "maybe"),
        ("STATE_MACHINE", "1"),
    ]);
    for name in [
        "LISTEN",
        "DATABASE_URL",
        "KAFKA_BOOTSTRAP_SERVERS",
        "KAFKA_ACKS",
        "RETRIES",
        "MESSAGE_TIMEOUT_MS",
        "OUTBOX_MESSAGE_TIMEOUT_MS",
        "KEYED",
        "PRODUCE",
        "FLUSH_IN_EVENT_LOOP",
        "STATE_MACHINE",
    ] {
        assert!(
            problems.contains(&format!("\n  {name} ")),
            "{name}: {problems}"
        );
    }
    assert!(problems.starts_with("wrong settings (11):"), "{problems}");
    assert!(!problems.contains("secret"), "{problems}");
}

#[test]
fn an_outbox_needs_every_acknowledgement() {
    let problems = problems::<Api>(&[
        KAFKA,
        DATABASE,
        ("PRODUCE", "outbox"),
        ("KAFKA_ACKS", "1"),
        ("RETRIES", "0"),
    ]);
    assert!(problems.contains("KAFKA_ACKS must be all"), "{problems}");
    assert!(
        problems.contains("RETRIES must be at least 1"),
        "{problems}"
    );
}

#[test]
fn the_workers_default_to_the_original_topics_and_groups() {
    let detective = Detective::from_environment(environment(&[KAFKA])).expect("enough");
    assert_eq!(detective.worker.topic, "poke-orders");
    assert_eq!(detective.worker.group, "poke-order-consumer");
    assert_eq!(detective.worker.dead_letter_topic, "poke-orders-dlq");
    assert_eq!(detective.on_poison, OnPermanent::Retry);
    assert_eq!(detective.topic, "poke-orders-state");
    assert!(!detective.keyed && !detective.producer.idempotent);

    let api = ("URL_POKE_ORDER_API", "http://api:8000/orders/");
    let updater = Updater::from_environment(environment(&[KAFKA, api])).expect("enough");
    assert_eq!(updater.worker.topic, "poke-orders-state");
    assert_eq!(updater.worker.group, "order-updater");
    assert_eq!(updater.worker.dead_letter_topic, "poke-orders-state-dlq");
    let retry = OnPermanent::Retry;
    assert_eq!(
        (updater.on_poison, updater.on_missing_order),
        (retry, retry)
    );
    assert_eq!(updater.api, "http://api:8000/orders");
}

#[test]
fn an_empty_variable_is_unset() {
    let problems =
        problems::<Updater>(&[("URL_POKE_ORDER_API", ""), ("KAFKA_BOOTSTRAP_SERVERS", " ")]);
    assert!(problems.starts_with("wrong settings (2):"), "{problems}");
}

#[test]
fn the_reverser_needs_the_whole_database_but_its_host() {
    let problems = problems::<Reverser>(&[
        ("EXPIRED_ORDER_TIME", "2 fortnights"),
        ("EXPIRY_CLOCK", "sundial"),
        ("METRICS_LISTEN", "here"),
    ]);
    for name in [
        "EXPIRY_CLOCK",
        "METRICS_LISTEN",
        "DB_USER",
        "DB_PASSWORD",
        "DB_NAME",
        "EXPIRED_ORDER_TIME",
    ] {
        assert!(
            problems.contains(&format!("\n  {name} ")),
            "{name}: {problems}"
        );
    }
}

#[test]
fn a_bare_number_is_in_the_settings_own_unit() {
    let read = |text: &str| {
        let mut environment = environment(&[("TIME", text)]);
        let duration = environment.duration_or("TIME", Duration::ZERO, Unit::Minutes);
        environment.finish(duration).ok()
    };
    assert_eq!(read("30"), Some(Duration::from_secs(1800)));
    assert_eq!(read("0.5"), Some(Duration::from_secs(30)));
    assert_eq!(read("30s"), Some(Duration::from_secs(30)));
    assert_eq!(read("2m"), Some(Duration::from_secs(120)));
    assert_eq!(read("1500ms"), Some(Duration::from_millis(1500)));
    assert_eq!(read("1 h"), Some(Duration::from_secs(3600)));
    for wrong in ["0", "-1", "s", "1 d", "1e9", "."] {
        assert_eq!(read(wrong), None, "{wrong}");
    }
}
