//! Services that a driver runs: what their images would heed and the driver does not is named.

use shaketable_document::Severity;

use crate::read;

/// Line and message of every warning about a file without errors.
fn warnings(text: &str) -> Vec<(usize, String)> {
    let (_, found) = read(text).unwrap_or_else(|errors| panic!("{text}\n{errors:?}"));
    found
        .iter()
        .filter(|one| one.severity == Severity::Warning)
        .map(|one| (one.place.unwrap().1, one.message.to_owned()))
        .collect()
}

/// What is not heeded: a file, the line, and words of the only warning.
const UNHEEDED: &[(&str, usize, &[&str])] = &[
    (
        "services:\n  db:\n    image: postgres\n    environment: { POSTGRES_PASSWORD: p, POSTGRES_PASSWORD_FILE: /p, TZ: CET }\n",
        4,
        &[
            "`db`",
            "`postgres`",
            "`POSTGRES_PASSWORD_FILE`, `TZ`",
            "`environment`",
        ],
    ),
    (
        "services:\n  k:\n    image: apache/kafka\n    environment: { KAFKA_NODE_ID: '1', CLUSTER_ID: x, KAFKA_JMX_PORT: '1' }\n",
        4,
        &["`k`", "`KAFKA_JMX_PORT`"],
    ),
    (
        "services:\n  r:\n    image: redis\n    environment: [A=1]\n",
        4,
        &["`r`", "`A`"],
    ),
    (
        "services:\n  r:\n    image: redis\n    volumes: [/data, /etc/redis]\n",
        4,
        &["`r`", "`/etc/redis`", "`volumes`"],
    ),
    (
        "services:\n  p:\n    image: prom/prometheus\n    volumes: [/prometheus, /other]\n",
        4,
        &["`p`", "`/other`"],
    ),
    (
        "services:\n  db:\n    image: postgres\n    ports: [\"8008:8008\", \"5432:5432\"]\n",
        4,
        &["`db`", "8008", "`ports`", "5432"],
    ),
    (
        "services:\n  k:\n    image: apache/kafka\n    environment: { KAFKA_LISTENERS: 'A://:9092,B://:9093' }\n    ports: [9093, 9999]\n",
        5,
        &["`k`", "9999", "9092, 9093"],
    ),
    (
        "services:\n  r:\n    image: redis\n    stop_signal: INT\n",
        4,
        &["`r`", "`stop_signal`", "its driver"],
    ),
];

#[test]
fn what_a_driver_does_not_heed_is_named_once() {
    for (text, line, words) in UNHEEDED {
        let found = warnings(text);
        let [(place, message)] = found.as_slice() else {
            panic!("one warning, not {found:#?} of\n{text}");
        };
        assert_eq!(place, line, "{message}");
        for word in *words {
            assert!(message.contains(word), "{message} lacks {word}");
        }
    }
}

#[test]
fn what_a_driver_heeds_is_not_named() {
    for text in [
        "services: { db: { image: postgres, environment: { PGDATA: /pg/data, PGPORT: '5433' }, ports: [5433], volumes: [/pg] } }",
        "services: { db: { image: 'postgres:18', volumes: [/var/lib/postgresql] } }",
        "services: { db: { image: postgres, command: [postgres, -c, port=5433], expose: ['5433'] } }",
        "services: { k: { image: apache/kafka, environment: { KAFKA_LOG_DIRS: /logs/1, KAFKA_SSL_KEYSTORE_LOCATION: /keys/k.jks }, volumes: [/logs, /keys] } }",
        "services: { r: { image: redis, command: [redis-server, /conf/redis.conf], ports: [6380], volumes: [/conf, /data] } }",
        "services: { r: { image: redis, command: [--port, '6380'], ports: [6380] } }",
        "services: { p: { image: prom/prometheus, command: ['--web.listen-address=:9091'], ports: [9091], volumes: [/etc/prometheus] } }",
    ] {
        assert_eq!(warnings(text), [], "{text}");
    }
}

#[test]
fn scripts_that_fill_a_database_are_refused() {
    let errors = read(
        "services:\n  db:\n    image: postgres\n    volumes: ['/tmp:/docker-entrypoint-initdb.d:ro']\n",
    )
    .map(|_| ())
    .unwrap_err();
    let [(4, message)] = errors.as_slice() else {
        panic!("{errors:?}");
    };
    assert!(message.contains("/docker-entrypoint-initdb.d"), "{message}");
}
