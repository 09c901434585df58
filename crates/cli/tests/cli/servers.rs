//! Redis, PostgreSQL and Prometheus by their drivers: data in volumes, configurations, and what is
//! refused. Brokers are in the other binary.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use shaketable_testbed::drivers::Machine;

use crate::ERROR;
use crate::support::{Bench, PASSED, eventually};

/// Of one answer of a server.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

fn address(bench: &Bench, system: &str, instance: &str, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(bench.instance(system, instance).address, port)
}

/// What a server answers to a request, until it ends.
fn ask(address: SocketAddrV4, request: &str) -> String {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::V4(address), ANSWER_TIMEOUT).unwrap();
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn what_a_node_needs_is_named_all_at_once() {
    let bench = Bench::new();
    bench.write(
        "log/compose.yaml",
        "name: log\nservices:\n  kafka:\n    image: apache/kafka\n    environment: { KAFKA_NODE_ID: '1', KAFKA_LISTENERS: 'A://:9092' }\n",
    );
    bench.run(&["up", "log"]).expect(
        ERROR,
        &[
            "KAFKA_PROCESS_ROLES",
            "KAFKA_CONTROLLER_LISTENER_NAMES",
            "KAFKA_CONTROLLER_QUORUM_VOTERS",
        ],
    );
}

const SHOP: &str = r#"
name: shop
services:
  redis:
    image: redis:7
    command: [redis-server, --appendonly, "yes", --requirepass, "se \"cret"]
    volumes: ["cart:/data"]
  postgres:
    image: postgres
    environment: { POSTGRES_PASSWORD: secret, POSTGRES_DB: shop }
    volumes: ["orders:/var/lib/postgresql/data"]
volumes: { cart: , orders: }
"#;

fn redis(bench: &Bench, command: &str) -> String {
    let request = format!("AUTH \"se \\\"cret\"\r\n{command}\r\nQUIT\r\n");
    ask(address(bench, "shop", "redis", 6379), &request)
}

fn psql(bench: &Bench, statement: &str) -> String {
    let folder = Machine::survey().postgres.unwrap();
    let host = bench.instance("shop", "postgres").address.to_string();
    let output = Command::new(folder.join("psql"))
        .args([
            "-qAt", "-h", &host, "-U", "postgres", "-d", "shop", "-c", statement,
        ])
        .env("PGPASSWORD", "secret")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn redis_and_postgres_keep_what_is_in_a_volume() {
    let bench = Bench::new();
    bench.write("shop/compose.yaml", SHOP);
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    assert!(redis(&bench, "SET pikachu 25").starts_with("+OK\r\n+OK"));
    psql(
        &bench,
        "create table orders (id int); insert into orders values (25)",
    );
    let process = bench.instance("shop", "redis").process.unwrap();
    let words = std::fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap();
    assert!(!String::from_utf8_lossy(&words).contains("cret"));

    bench.run(&["down", "shop"]).expect(PASSED, &[]);
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    assert!(redis(&bench, "GET pikachu").contains("\r\n25\r\n"));
    assert_eq!(psql(&bench, "select id from orders"), "25");

    bench
        .run(&["down", "shop", "--volumes"])
        .expect(PASSED, &[]);
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    assert!(redis(&bench, "GET pikachu").contains("$-1"));
    assert_eq!(psql(&bench, "select to_regclass('orders')"), "");
    bench
        .run(&["down", "shop", "--volumes"])
        .expect(PASSED, &[]);
}

#[test]
fn a_database_that_is_half_made_or_of_another_version_is_recognised() {
    let bench = Bench::new();
    bench.write("shop/compose.yaml", SHOP);
    let folder = bench.home().join("volumes/shop/orders");
    std::fs::create_dir_all(&folder).unwrap();
    // Killed in the middle of initdb; also in the other place, when the server runs as another user
    // that cannot enter this folder.
    let elsewhere = tempfile::Builder::new()
        .prefix("shaketable-test-")
        .tempdir_in("/var/tmp")
        .unwrap();
    std::fs::set_permissions(elsewhere.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), folder.join("elsewhere")).unwrap();
    for place in [folder.as_path(), elsewhere.path()] {
        std::fs::create_dir(place.join("pgdata.new")).unwrap();
        std::fs::write(place.join("pgdata.new/PG_VERSION"), "15\n").unwrap();
    }
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    assert_eq!(psql(&bench, "select 1"), "1");
    bench.run(&["down", "shop"]).expect(PASSED, &[]);

    let place = if folder.join("pgdata").exists() {
        &folder
    } else {
        elsewhere.path()
    };
    std::fs::write(place.join("pgdata/PG_VERSION"), "9.6\n").unwrap();
    bench.run(&["up", "shop"]).expect(
        ERROR,
        &[
            "volume `orders` holds data of PostgreSQL 9.6",
            "down shop --volumes",
        ],
    );
    bench.run(&["down", "shop", "--volumes"]);
    assert!(!folder.exists() && !elsewhere.path().exists());
}

#[test]
fn data_below_a_bind_mount_is_kept_where_the_image_would_keep_it() {
    let bench = Bench::new();
    bench.write("shop/store/readme", "not for servers");
    bench.write(
        "shop/compose.yaml",
        "name: shop\nservices:\n  redis:\n    image: redis\n    command: [redis-server, --dir, /store/cart, --appendonly, 'yes']\n    volumes: ['./store:/store']\n",
    );
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    assert!(bench.path("shop/store/cart/appendonlydir").is_dir());
}

#[test]
fn two_servers_never_share_a_data_folder() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        "name: shop\nservices:\n  redis:\n    image: redis\n    scale: 2\n    volumes: ['cart:/data']\nvolumes: { cart: }\n",
    );
    bench
        .run(&["up", "shop"])
        .expect(ERROR, &["`redis-1`", "`redis-2`", "/data"]);
}

#[test]
fn options_that_redis_does_not_read_are_refused() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        "name: shop\nservices:\n  redis:\n    image: redis\n    environment: { REDIS_ARGS: --appendonly yes }\n",
    );
    bench
        .run(&["up", "shop"])
        .expect(ERROR, &["REDIS_ARGS", "`command`"]);
    bench.write(
        "shop/compose.yaml",
        "name: shop\nservices:\n  redis:\n    image: redis\n    command: [redis-server, /etc/redis.conf]\n",
    );
    bench
        .run(&["up", "shop"])
        .expect(ERROR, &["/etc/redis.conf", "`volumes`"]);
}

#[test]
fn what_runs_otherwise_than_in_a_container_is_one_line() {
    let bench = Bench::new();
    bench.write(
        "shop/compose.yaml",
        "name: shop\nservices:\n  redis:\n    image: redis:1.2-alpine\n    ports: ['6379:6379']\n    healthcheck: { test: redis-cli ping }\n",
    );
    let mut up = bench.command(&["up", "shop"]);
    // Somebody's variable that is no text is nobody's business.
    up.env("SHOP_NAME", OsStr::from_bytes(b"caf\xe9"));
    let outcome = bench.start_command(up).finish().expect(
        PASSED,
        &[
            "`ports` of `redis` are not published",
            "`healthcheck` of `redis` is not run",
            "`image` of `redis` is version 1.2, the installed",
        ],
    );
    assert_eq!(outcome.err.matches("warning").count(), 1, "{}", outcome.err);
}

/// Looked at as soon as it has started, it would not be well.
#[test]
fn a_pause_goes_before_the_first_look_at_a_service() {
    let bench = Bench::new();
    bench.write(
        "slow/compose.yaml",
        r#"
name: slow
services:
  web:
    command: [sh, -c, "sleep 0.2; touch HERE/well; exec sleep 1000"]
    healthcheck: { test: test -e HERE/well, interval: 3s, retries: 1 }
"#,
    );
    bench.run(&["up", "slow"]).expect(PASSED, &["is ready"]);
}

#[test]
fn a_configuration_file_of_redis_is_read() {
    let bench = Bench::new();
    bench.write("shop/redis.conf", "port 6380\nmaxmemory 7mb\n");
    bench.write(
        "shop/compose.yaml",
        "name: shop\nservices:\n  redis:\n    image: redis\n    command: [redis-server, /etc/redis.conf, --maxclients, '77']\n    volumes: ['./redis.conf:/etc/redis.conf:ro']\n",
    );
    bench.run(&["up", "shop"]).expect(PASSED, &[]);
    let answer = ask(
        address(&bench, "shop", "redis", 6380),
        "CONFIG GET maxmemory\r\nCONFIG GET maxclients\r\nQUIT\r\n",
    );
    assert!(
        answer.contains("7340032") && answer.contains("\r\n77\r\n"),
        "{answer}"
    );
}

#[test]
fn prometheus_finds_every_replica_by_the_name_of_the_service() {
    let bench = Bench::new();
    bench.write(
        "watch/prometheus.yml",
        r#"
global: { scrape_interval: 1s, scrape_timeout: 1s }
rule_files: [rules.yml]
scrape_configs:
  - job_name: self
    static_configs: [{ targets: ["localhost:9090"] }]
  - job_name: static
    static_configs:
      - targets: ["watched:9091", "alone:9090"]
        labels: { team: rocket }
  - job_name: dns
    dns_sd_configs: [{ names: [tasks.watched], type: A, port: 9091 }]
"#,
    );
    bench.write(
        "watch/rules.yml",
        "groups: [{ name: g, rules: [{ record: shop_up, expr: count(up) }] }]\n",
    );
    bench.write(
        "watch/compose.yaml",
        r#"
name: watch
services:
  prometheus:
    image: prom/prometheus:v2.42.0
    command: [--config.file=/etc/prometheus/prometheus.yml, --storage.tsdb.path=/prometheus, --web.enable-lifecycle]
    volumes: ["./prometheus.yml:/etc/prometheus/prometheus.yml:ro", "metrics:/prometheus"]
  watched:
    image: prom/prometheus
    command: ["--web.listen-address=:9091"]
    scale: 2
  alone:
    image: prom/prometheus
volumes: { metrics: }
"#,
    );
    bench.run(&["up", "watch"]).expect(PASSED, &[]);
    let prometheus = address(&bench, "watch", "prometheus", 9090);
    let get = |path: &str| -> Value {
        let answer = ask(prometheus, &format!("GET {path} HTTP/1.0\r\n\r\n"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}\n{head}\n{body}"))
    };
    let mut targets = BTreeSet::new();
    eventually("every target was scraped", || {
        let answer = get("/api/v1/targets");
        let active = answer["data"]["activeTargets"].as_array().unwrap().clone();
        targets = active
            .iter()
            .map(|target| {
                let label = |name: &str| target["labels"][name].as_str().unwrap_or("").to_owned();
                (label("job"), label("instance"), label("team"))
            })
            .collect();
        active.len() == 6 && active.iter().all(|target| target["health"] == "up")
    });
    let expected = [
        ("self", "localhost:9090", ""),
        ("static", "watched-1:9091", "rocket"),
        ("static", "watched-2:9091", "rocket"),
        ("static", "alone:9090", "rocket"),
        ("dns", "watched-1:9091", ""),
        ("dns", "watched-2:9091", ""),
    ];
    let expected = expected
        .map(|(job, instance, team)| (job.to_owned(), instance.to_owned(), team.to_owned()));
    assert_eq!(targets, BTreeSet::from(expected));
    let rules = get("/api/v1/rules");
    assert_eq!(
        rules["data"]["groups"][0]["rules"][0]["name"], "shop_up",
        "{rules}"
    );
    // Data in its volume.
    assert!(bench.home().join("volumes/watch/metrics/wal").exists());
}
