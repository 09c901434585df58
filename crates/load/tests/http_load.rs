//! The load against servers that behave well and badly.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use shaketable_ledger::{Attempt, Outcome};
use shaketable_load::{Counts, HttpDriver, HttpWorkload, LoadReport, RunningLoad, Schedule};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};

const RATE_PER_S: f64 = 300.0;
/// Bounds every wait of these tests; it is reached only when a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

fn workload(url: String) -> HttpWorkload {
    HttpWorkload {
        method: "POST".into(),
        url,
        headers: BTreeMap::from([("x-team".into(), "rocket".into())]),
        json: Some(json!({ "pokemon": "pidgey" })),
        rate_per_s: RATE_PER_S,
        timeout: Duration::from_secs(10),
        identity: "$.id".into(),
        max_in_flight: 1_000,
    }
}

fn start(workload: HttpWorkload) -> RunningLoad {
    HttpDriver::new(workload)
        .expect("a valid workload")
        .start(Instant::now())
}

/// Waits until the counts are as wanted.
async fn until(running: &RunningLoad, wanted: impl Fn(Counts) -> bool) {
    let reached = async {
        while !wanted(running.attempts_so_far()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let counts = || running.attempts_so_far();
    tokio::time::timeout(PATIENCE, reached)
        .await
        .unwrap_or_else(|_| panic!("only {:?}", counts()));
}

/// Finishes, and demands what holds for every run: dense numbers, exact times, balanced counts.
async fn finish(running: RunningLoad) -> LoadReport {
    finish_within(running, PATIENCE).await
}

async fn finish_within(running: RunningLoad, timeout: Duration) -> LoadReport {
    let report = running.finish(timeout).await;
    let schedule = Schedule::new(report.started_us, RATE_PER_S);
    for (n, attempt) in (0..).zip(&report.attempts) {
        assert_eq!((attempt.seq, attempt.intended_us), (n, schedule.due_us(n)));
        assert!(
            attempt.started_us >= attempt.intended_us,
            "sent early: {attempt:?}"
        );
        assert!(
            attempt
                .ended_us
                .is_none_or(|ended_us| ended_us >= attempt.started_us)
        );
    }
    let due = (0..)
        .take_while(|&n| schedule.due_us(n) <= report.stopped_us)
        .count();
    assert_eq!(
        report.attempts.len(),
        due,
        "every arrival due by the stop is an attempt"
    );
    let Counts {
        attempted,
        acknowledged,
        failed,
        indeterminate,
        in_flight,
    } = report.counts;
    assert_eq!(attempted, due as u64);
    assert_eq!(attempted, acknowledged + failed + indeterminate);
    assert_eq!(in_flight, 0);
    report
}

async fn run(workload: HttpWorkload, attempts: u64) -> LoadReport {
    let running = start(workload);
    until(&running, |counts| counts.attempted >= attempts).await;
    finish(running).await
}

/// The distinct outcomes: `K` or `F`/`I` and the reason, with the status.
fn told(attempts: &[Attempt]) -> HashSet<(String, Option<u16>)> {
    let tell = |attempt: &Attempt| match &attempt.outcome {
        Outcome::Acknowledged { .. } => ("K".to_owned(), attempt.status),
        Outcome::Failed { reason } => (format!("F {reason}"), attempt.status),
        Outcome::Indeterminate { reason } => (format!("I {reason}"), attempt.status),
    };
    attempts.iter().map(tell).collect()
}

fn only(outcome: &str, status: Option<u16>) -> HashSet<(String, Option<u16>)> {
    HashSet::from([(outcome.to_owned(), status)])
}

/// Serves on a port of its own; returns the base URL.
async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.97.0.1:0")
        .await
        .expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// Hands every connection, once its first bytes were read, to `then`.
async fn serve_raw<F>(then: impl Fn(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.97.0.2:0")
        .await
        .expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                tokio::spawn(then(stream));
            }
        }
    });
    url
}

/// Answers every order with the next id, once the gate is open.
struct Shop {
    ids: AtomicU64,
    gate: watch::Receiver<bool>,
}

async fn order(
    State(shop): State<Arc<Shop>>,
    headers: HeaderMap,
    Json(order): Json<Value>,
) -> Json<Value> {
    assert_eq!(headers["x-team"], "rocket");
    assert_eq!(order, json!({ "pokemon": "pidgey" }));
    let id = shop.ids.fetch_add(1, Ordering::SeqCst);
    shop.gate
        .clone()
        .wait_for(|open| *open)
        .await
        .expect("the test holds the gate");
    Json(json!({ "id": id }))
}

async fn shop(open: bool) -> (String, Arc<Shop>, watch::Sender<bool>) {
    let (gate_keeper, gate) = watch::channel(open);
    let shop = Arc::new(Shop {
        ids: AtomicU64::new(0),
        gate,
    });
    let router = Router::new()
        .route("/orders", post(order))
        .with_state(Arc::clone(&shop));
    (format!("{}/orders", serve(router).await), shop, gate_keeper)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_acknowledged_under_its_own_identity() {
    let (url, shop, _gate) = shop(true).await;
    let report = run(workload(url), 100).await;
    assert_eq!(told(&report.attempts), only("K", Some(200)));
    let identities: HashSet<_> = report
        .attempts
        .iter()
        .map(|a| &a.outcome)
        .map(|o| format!("{o:?}"))
        .collect();
    assert_eq!(identities.len(), report.attempts.len());
    assert_eq!(
        shop.ids.load(Ordering::SeqCst),
        report.counts.attempted,
        "nothing was sent twice"
    );
    assert_eq!(
        report.latency.map(|latency| latency.count),
        Some(report.counts.attempted)
    );
}

#[tokio::test]
async fn arrivals_do_not_wait_for_answers() {
    let (url, _shop, gate) = shop(false).await;
    let running = start(workload(url));
    let live = running.subscribe();
    until(&running, |counts| counts.attempted >= 60).await;
    let counts = live.now();
    assert_eq!(
        (counts.acknowledged, counts.in_flight),
        (0, counts.attempted)
    );
    let open = running.snapshot();
    assert!(
        open.iter()
            .all(|a| matches!(a.outcome, Outcome::Indeterminate { .. }) && a.ended_us.is_none())
    );

    gate.send(true).expect("the shop is open");
    let report = finish(running).await;
    assert_eq!(told(&report.attempts), only("K", Some(200)));
    assert_eq!(live.now(), report.counts);
}

#[tokio::test]
async fn a_late_generator_catches_up_and_shows_its_lateness() {
    let (url, _shop, _gate) = shop(true).await;
    let running = start(workload(url));
    until(&running, |counts| counts.attempted >= 5).await;
    // Nothing else runs on this runtime meanwhile, the arrivals included.
    std::thread::sleep(Duration::from_millis(200));
    running.stop();
    let report = finish(running).await;
    assert!(
        report.counts.attempted >= 60,
        "those due during the pause: {:?}",
        report.counts
    );
    assert!(
        report.lateness_us_max >= 150_000,
        "{} µs",
        report.lateness_us_max
    );
    let latency = report.latency.expect("answers");
    assert!(latency.from_intended.max_us >= 150_000);
    assert_eq!(told(&report.attempts), only("K", Some(200)));
}

#[tokio::test]
async fn beyond_the_bound_in_flight_attempts_fail_unsent() {
    let (url, shop, gate) = shop(false).await;
    let running = start(HttpWorkload {
        max_in_flight: 3,
        ..workload(url)
    });
    until(&running, |counts| counts.attempted >= 20).await;
    running.stop();
    gate.send(true).expect("the shop is open");
    let report = finish(running).await;
    assert_eq!(told(&report.attempts[..3]), only("K", Some(200)));
    assert_eq!(
        told(&report.attempts[3..20]),
        only("F not sent: 3 requests in flight", None)
    );
    assert_eq!(shop.ids.load(Ordering::SeqCst), report.counts.acknowledged);
}

#[tokio::test]
async fn no_answer_in_time_is_indeterminate() {
    let url = serve_raw(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let timeout = Duration::from_millis(150);
    let report = run(
        HttpWorkload {
            timeout,
            ..workload(url)
        },
        20,
    )
    .await;
    assert_eq!(
        told(&report.attempts),
        only("I no answer within 150ms", None)
    );
    assert!(report.attempts.iter().all(|a| a.ended_us.is_some()));
    assert!(
        report
            .latency
            .is_some_and(|latency| latency.from_sent.p50_us >= 149_000)
    );
}

#[tokio::test]
async fn a_run_cut_short_leaves_open_attempts_indeterminate() {
    let (url, _shop, _gate) = shop(false).await;
    let running = start(workload(url));
    until(&running, |counts| counts.attempted >= 10).await;
    let report = finish_within(running, Duration::from_millis(20)).await;
    assert_eq!(report.counts.indeterminate, report.counts.attempted);
    assert!(report.attempts.iter().all(|a| a.ended_us.is_none()));
    assert_eq!(report.latency, None);
}

#[tokio::test]
async fn a_connection_that_ends_after_the_request_is_indeterminate_and_not_retried() {
    let read = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&read);
    let url = serve_raw(move |stream| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move { drop(stream) }
    })
    .await;
    let report = run(workload(url), 20).await;
    assert_eq!(
        report.counts.indeterminate,
        report.counts.attempted,
        "{:?}",
        told(&report.attempts)
    );
    assert_eq!(read.load(Ordering::SeqCst), report.counts.attempted);
}

#[tokio::test]
async fn a_reset_after_the_request_is_indeterminate() {
    let url = serve_raw(|stream| async move {
        stream.set_zero_linger().expect("a socket option");
        drop(stream);
    })
    .await;
    let report = run(workload(url), 20).await;
    assert_eq!(
        report.counts.indeterminate,
        report.counts.attempted,
        "{:?}",
        told(&report.attempts)
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_acknowledges_nothing() {
    let url = serve_raw(|mut stream| async move {
        let part = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"id\":1}";
        stream.write_all(part).await.expect("the client listens");
    })
    .await;
    let report = run(workload(url), 10).await;
    assert_eq!(report.counts.indeterminate, report.counts.attempted);
    assert!(
        report.attempts.iter().all(|a| a.status == Some(200)),
        "{:?}",
        told(&report.attempts)
    );
}

#[tokio::test]
async fn an_answer_whose_body_does_not_end_in_time_acknowledges_nothing() {
    let url = serve_raw(|mut stream| async move {
        let part = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"id\":1}";
        stream.write_all(part).await.expect("the client listens");
        std::future::pending::<()>().await;
    })
    .await;
    let timeout = Duration::from_millis(150);
    let report = run(
        HttpWorkload {
            timeout,
            ..workload(url)
        },
        10,
    )
    .await;
    let unread = "I 200 without its whole body within 150ms";
    assert_eq!(told(&report.attempts), only(unread, Some(200)));
}

#[tokio::test]
async fn a_refused_connection_is_a_definite_failure() {
    let listener = TcpListener::bind("127.97.0.3:0")
        .await
        .expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    drop(listener);
    let report = run(workload(url), 20).await;
    let refused = "F could not connect: Connection refused (os error 111)";
    assert_eq!(told(&report.attempts), only(refused, None));
    assert_eq!(report.latency, None);
}

#[tokio::test]
async fn a_timeout_while_connecting_is_a_definite_failure() {
    // A listener whose queue is full, and that accepts no one, answers no further handshake.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind("127.97.0.4:0".parse().expect("an address"))
        .expect("a free port");
    let listener = socket.listen(1).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let mut queued = Vec::new();
    while let Ok(stream) =
        tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        queued.push(stream.expect("a connection"));
    }
    let timeout = Duration::from_millis(150);
    let report = run(
        HttpWorkload {
            timeout,
            ..workload(format!("http://{address}/"))
        },
        10,
    )
    .await;
    assert_eq!(
        told(&report.attempts),
        only("F could not connect within 150ms", None)
    );
}

#[tokio::test]
async fn statuses_decide_as_documented() {
    async fn answer(Path(status): Path<u16>) -> (StatusCode, Json<Value>) {
        (
            StatusCode::from_u16(status).expect("a status"),
            Json(json!({ "id": "a-1" })),
        )
    }
    let router = Router::new()
        .route("/{status}", get(answer))
        .route("/nameless", get(async || Json(json!({ "order": "a-1" }))))
        .route("/endless", get(async || "x".repeat(2 * 1024 * 1024)));
    let url = serve(router).await;
    let table = [
        ("201", "K", 201),
        ("422", "F HTTP 422 Unprocessable Entity", 422),
        ("429", "F HTTP 429 Too Many Requests", 429),
        ("302", "I HTTP 302 Found", 302),
        ("500", "I HTTP 500 Internal Server Error", 500),
        ("503", "I HTTP 503 Service Unavailable", 503),
        ("nameless", "I 200 without identity at $.id", 200),
        (
            "endless",
            "I 200 with a body of more than 1048576 bytes",
            200,
        ),
        ("no/such/path", "F HTTP 404 Not Found", 404),
    ];
    for (path, outcome, status) in table {
        let get = HttpWorkload {
            method: "GET".into(),
            json: None,
            ..workload(format!("{url}/{path}"))
        };
        let report = run(get, 3).await;
        assert_eq!(
            told(&report.attempts),
            only(outcome, Some(status)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn dropping_a_running_load_cuts_it_off() {
    let (ended, mut ends) = mpsc::unbounded_channel();
    let url = serve_raw(move |mut stream| {
        let ended = ended.clone();
        async move {
            let mut rest = Vec::new();
            let end = stream.read_to_end(&mut rest).await;
            ended.send(end.is_ok()).expect("the test listens");
        }
    })
    .await;
    let running = start(workload(url));
    until(&running, |counts| counts.attempted >= 5).await;
    let live = running.subscribe();
    drop(running);
    tokio::time::timeout(PATIENCE, ends.recv())
        .await
        .expect("requests end")
        .expect("an end");
    let attempted = live.now().attempted;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(live.now().attempted, attempted, "arrivals have ended");
}
