//! Requests to servers of the tests; what Python's `requests` 2.34.2 sends and makes of the same
//! answers was recorded from it.

mod server;

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use server::{Server, TlsServer};
use shaketable_dialect::{Dict, Value, json};
use shaketable_providers::decode::Decoded;
use shaketable_providers::{Body, HttpFailure, Query, Request, Response};

/// A small answer.
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
/// The headers that are sent of themselves.
const DEFAULTS: &str = "User-Agent: python-requests/2.34.2\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n";

/// JSON as a value of the dialect.
fn value(text: &str) -> Value {
    json::parse(text).expect("JSON")
}

/// What a server gets of a request, and what came of it; `HOST` stands for its address.
async fn sent(request: Request) -> (String, Result<Response, HttpFailure>) {
    let server = Server::start(vec![OK.to_vec()]).await;
    let outcome = server.send(request).await;
    (server.received().remove(0), outcome)
}

/// What comes of an answer.
async fn answered(answer: &[u8]) -> Result<Response, HttpFailure> {
    Server::start(vec![answer.to_vec()])
        .await
        .send(Request::new("GET", "http://HOST/"))
        .await
}

/// The kind of the exception that is raised.
fn kind(outcome: Result<Response, HttpFailure>) -> String {
    match outcome {
        Err(HttpFailure::Raised(raised)) => raised.kind,
        other => panic!("not raised: {other:?}"),
    }
}

#[tokio::test]
async fn a_get_is_sent_as_requests_sends_it() {
    let mut request = Request::new("get", "http://HOST/a b/é?x=1%41&y=ü#frag");
    request.query = Query::of(&value(
        r#"{"k": [1, null, true], "z": null, "e": "é &", "f": 1.5, "d": {"q": 1}}"#,
    ))
    .expect("a query");
    let (got, outcome) = sent(request).await;
    let target = "/a%20b/%C3%A9?x=1A&y=%C3%BC&k=1&k=True&e=%C3%A9+%26&f=1.5&d=q";
    assert_eq!(
        got,
        format!("GET {target} HTTP/1.1\r\nHost: HOST\r\n{DEFAULTS}\r\n")
    );
    let response = outcome.expect("an answer");
    assert_eq!(
        (response.status, response.body.as_slice()),
        (200, b"ok".as_slice())
    );
    assert_eq!(response.url, format!("http://HOST{target}#frag"));
}

#[tokio::test]
async fn bodies_are_sent_as_requests_sends_them() {
    let body = |body| Request {
        body,
        ..Request::new("POST", "http://HOST/")
    };
    let form = Body::data(&value(r#"{"a": [1, 2], "b": null, "c": true}"#)).expect("a form");
    let (got, _) = sent(body(form)).await;
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    assert_eq!(
        got,
        format!(
            "POST / HTTP/1.1\r\nHost: HOST\r\n{DEFAULTS}Content-Length: 14\r\n{kind}\r\na=1&a=2&c=True"
        )
    );

    let (got, _) = sent(body(Body::data(&"café".into()).expect("a text"))).await;
    assert_eq!(
        got,
        format!("POST / HTTP/1.1\r\nHost: HOST\r\n{DEFAULTS}Content-Length: 5\r\n\r\ncafé")
    );

    let (got, _) = sent(body(
        Body::data(&Value::Dict(Dict::new())).expect("nothing"),
    ))
    .await;
    assert_eq!(
        got,
        format!("POST / HTTP/1.1\r\nHost: HOST\r\n{DEFAULTS}Content-Length: 0\r\n\r\n")
    );

    let (got, _) = sent(body(Body::Json(value(r#"{"a": "é", "b": [1, 2]}"#)))).await;
    let text = r#"{"a": "\u00e9", "b": [1, 2]}"#;
    let kind = "Content-Type: application/json\r\n";
    assert_eq!(
        got,
        format!(
            "POST / HTTP/1.1\r\nHost: HOST\r\n{DEFAULTS}Content-Length: 28\r\n{kind}\r\n{text}"
        )
    );
}

#[tokio::test]
async fn headers_keep_their_case_and_take_the_place_of_default_ones() {
    let mut request = Request::new("GET", "http://u:p%40@HOST/");
    let headers = value(r#"{"x-ODD-case": "v", "user-agent": "me", "Accept": null, "Host": "h"}"#);
    request.set_headers(&headers).expect("headers");
    let (got, _) = sent(request).await;
    let rest =
        "Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nx-ODD-case: v\r\nHost: h\r\n";
    assert_eq!(
        got,
        format!("GET / HTTP/1.1\r\nuser-agent: me\r\n{rest}Authorization: Basic dTpwQA==\r\n\r\n")
    );
}

#[tokio::test]
async fn names_of_headers_come_back_as_the_server_wrote_them() {
    let response = answered(
        b"HTTP/1.1 404 No\r\nX-a: 1\r\nx-A: 2\r\nset-cookie: a=b\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\na\xe9c",
    )
    .await
    .expect("an answer");
    let names: Vec<_> = response
        .headers
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        names,
        [
            "X-a=1, 2",
            "set-cookie=a=b",
            "Content-Type=text/plain",
            "Content-Length=3"
        ]
    );
    assert_eq!(
        (response.status, response.text()),
        (404, Decoded::Text("aéc".into()))
    );
}

#[tokio::test]
async fn text_is_decoded_by_the_content_type() {
    for (content_type, body, text) in [
        ("application/json", "é".as_bytes(), Some("é")),
        ("text/html; charset=\"UTF-8\"", "é".as_bytes(), Some("é")),
        ("text/html; charset=windows-1251", b"\xef\xf0", Some("пр")),
        ("text/html; charset=nonsense", "é".as_bytes(), Some("é")),
        (
            "application/octet-stream",
            b"plain text",
            Some("plain text"),
        ),
        ("application/octet-stream", "é".as_bytes(), None),
    ] {
        let mut answer =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n\r\n").into_bytes();
        answer.extend_from_slice(body);
        let decoded = answered(&answer).await.expect("an answer").text();
        assert_eq!(
            decoded,
            text.map_or(Decoded::Undecided, |text| Decoded::Text(text.into())),
            "{content_type}"
        );
    }
}

#[tokio::test]
async fn chunked_and_compressed_bodies_are_unpacked() {
    let response = answered(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nT: t\r\n\r\n").await;
    assert_eq!(response.expect("an answer").body, b"hello world");

    let plain = b"hello hello hello hello".as_slice();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
    for encoder in [&mut gzip as &mut dyn Write, &mut zlib, &mut deflate] {
        encoder.write_all(plain).expect("memory");
    }
    for (coding, packed) in [
        ("gzip", gzip.finish()),
        ("deflate", zlib.finish()),
        ("deflate", deflate.finish()),
    ] {
        let packed = packed.expect("memory");
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n",
            packed.len()
        )
        .into_bytes();
        answer.extend(packed);
        assert_eq!(
            answered(&answer).await.expect("an answer").body,
            plain,
            "{coding}"
        );
    }
}

#[tokio::test]
async fn what_is_too_much_is_counted_and_dropped() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&vec![b'a'; 20_000_000]).expect("memory");
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n".to_vec();
    answer.extend(packed.finish().expect("memory"));
    let server = Server::start(vec![answer]).await;
    let response = server
        .send(Request {
            keep: 10,
            ..Request::new("GET", "http://HOST/")
        })
        .await
        .expect("an answer");
    assert_eq!(
        (response.body.as_slice(), response.dropped),
        (b"aaaaaaaaaa".as_slice(), 19_999_990)
    );
}

#[tokio::test]
async fn redirects_change_method_body_and_cookies_as_in_requests() {
    for (status, method, then) in [
        (301, "POST", "GET"),
        (302, "PUT", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (301, "PUT", "PUT"),
    ] {
        let redirect = format!(
            "HTTP/1.1 {status} F\r\nLocation: x/y z\u{e9}\r\nSet-Cookie: a=b; Path=/\r\nSet-Cookie: p=q; Path=/zz\r\nContent-Length: 0\r\n\r\n"
        );
        let server = Server::start(vec![redirect.into_bytes(), OK.to_vec()]).await;
        let mut request = Request::new(method, "http://u:p@HOST/d/e#fr");
        request.headers = vec![
            ("Authorization".into(), "xx".into()),
            ("Cookie".into(), "mine=1".into()),
        ];
        request.body = Body::data(&value(r#"{"a": "1"}"#)).expect("a form");
        let response = server.send(request).await.expect("an answer");
        assert_eq!(response.url, "http://u:p@HOST/d/x/y%20z%C3%A9#fr");
        let second = server.received().remove(1);
        let form = "Content-Length: 3\r\nContent-Type: application/x-www-form-urlencoded\r\n";
        let (first, form, body) = match then {
            "POST" => ("", form, "a=1"),
            "PUT" => ("Content-Length: 0\r\n", "", ""),
            _ => ("", "", ""),
        };
        let login = "Authorization: Basic dTpw\r\n";
        let expected = format!(
            "{then} /d/x/y%20z%C3%A9 HTTP/1.1\r\nHost: HOST\r\n{first}{DEFAULTS}{login}{form}Cookie: a=b\r\n\r\n{body}"
        );
        assert_eq!(second, expected, "{status} {method}");
    }
}

#[tokio::test]
async fn credentials_stay_behind_when_a_redirect_leaves() {
    let there = Server::start(vec![OK.to_vec()]).await;
    let redirect = format!(
        "HTTP/1.1 302 F\r\nLocation: http://{}/\r\nContent-Length: 0\r\n\r\n",
        there.address
    );
    let here = Server::start(vec![redirect.into_bytes()]).await;
    let mut request = Request::new("GET", "http://HOST/");
    request.headers = vec![("Authorization".into(), "secret".into())];
    here.send(request).await.expect("an answer");
    assert!(here.received()[0].contains("secret"));
    assert!(!there.received()[0].contains("secret"));
}

#[tokio::test]
async fn redirects_end_somewhere() {
    let redirect = b"HTTP/1.1 302 F\r\nLocation: /\r\nContent-Length: 0\r\n\r\n".to_vec();
    let server = Server::start(vec![redirect; 40]).await;
    let failure = server
        .send(Request::new("GET", "http://HOST/"))
        .await
        .expect_err("no end");
    assert_eq!(
        failure.to_string(),
        "TooManyRedirects: Exceeded 30 redirects."
    );
    assert_eq!(server.received().len(), 31);
}

#[tokio::test]
async fn urls_and_headers_that_are_none_raise_as_in_requests() {
    for (url, expected) in [
        (
            "foo",
            "MissingSchema: Invalid URL 'foo': No scheme supplied. Perhaps you meant https://foo?",
        ),
        (
            "",
            "MissingSchema: Invalid URL '': No scheme supplied. Perhaps you meant https://?",
        ),
        (
            "//x/y",
            "MissingSchema: Invalid URL '//x/y': No scheme supplied. Perhaps you meant https:////x/y?",
        ),
        (
            "ftp://x",
            "InvalidSchema: No connection adapters were found for 'ftp://x'",
        ),
        (
            "localhost:8080/x",
            "InvalidSchema: No connection adapters were found for 'localhost:8080/x'",
        ),
        (
            "httpx://a",
            "InvalidSchema: No connection adapters were found for 'httpx://a/'",
        ),
        (
            "http:///x",
            "InvalidURL: Invalid URL 'http:///x': No host supplied",
        ),
        ("http://*.x/", "InvalidURL: URL has an invalid label."),
        (
            "http://a:b/",
            "InvalidURL: Failed to parse: 'a:b' is not a valid host or port",
        ),
        (
            "http://[::1",
            "InvalidURL: Failed to parse: '[::1' is not a valid host or port",
        ),
        (
            "http://127.0.0.1:99999/",
            "InvalidURL: Failed to parse: http://127.0.0.1:99999/",
        ),
    ] {
        let failure = Request::new("GET", url).send().await.expect_err(url);
        assert_eq!(failure.to_string(), expected);
    }
    for (name, text) in [("a:", "x"), ("x", " y"), ("x", "a\nb"), (" x", "y")] {
        let request = Request {
            headers: vec![(name.into(), text.into())],
            ..Request::new("GET", "http://127.0.0.1:1/")
        };
        assert_eq!(kind(request.send().await), "InvalidHeader");
    }
    let raised = Request::new("GET", "")
        .set_headers(&value(r#"{"x": 5}"#))
        .expect_err("no text");
    assert_eq!(
        raised.message,
        "Header part (5) from ('x', 5) must be of type str or bytes, not <class 'int'>"
    );
}

#[tokio::test]
async fn broken_answers_are_told_apart() {
    let connect = |outcome: Result<Response, HttpFailure>| match outcome {
        Err(HttpFailure::Connect { detail, .. }) => detail,
        other => panic!("not a connection failure: {other:?}"),
    };
    assert_eq!(
        connect(answered(b"").await),
        "('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))"
    );
    assert_eq!(
        connect(answered(b"garbage\r\n\r\n").await),
        "('Connection aborted.', BadStatusLine('garbage\\r\\n'))"
    );
    let refused = Request::new("GET", "http://127.83.12.1:1/").send().await;
    assert_eq!(
        connect(refused),
        "HTTPConnectionPool(host='127.83.12.1', port=1): Max retries exceeded with url: / (Caused by \
         NewConnectionError(\"HTTPConnection(host='127.83.12.1', port=1): Failed to establish a new connection: \
         [Errno 111] Connection refused\"))"
    );
    let failure = answered(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        .await
        .expect_err("too short");
    assert_eq!(
        failure.to_string(),
        "ChunkedEncodingError: ('Connection broken: IncompleteRead(3 bytes read, 7 more expected)', \
         IncompleteRead(3 bytes read, 7 more expected))"
    );
    for broken in ["5\r\nhel", "zz\r\nhel", ""] {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{broken}");
        assert_eq!(
            kind(answered(answer.as_bytes()).await),
            "ChunkedEncodingError"
        );
    }
    let packed =
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\nabcabcabcabc";
    assert_eq!(kind(answered(packed).await), "ContentDecodingError");
}

#[tokio::test]
async fn silence_is_a_timeout_before_the_answer_and_a_lost_connection_amid_it() {
    let silent = |start: &'static [u8]| async move {
        let server = Server::silent_after(start).await;
        let request = Request {
            read_timeout: Some(Duration::from_millis(100)),
            ..Request::new("GET", "http://HOST/")
        };
        server.send(request).await.expect_err("silence")
    };
    assert!(matches!(silent(b"").await, HttpFailure::TimedOut { .. }));
    assert!(matches!(
        silent(b"HTTP/1.1 200 OK\r\n").await,
        HttpFailure::TimedOut { .. }
    ));
    let amid = silent(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab").await;
    assert!(
        matches!(&amid, HttpFailure::Connect { detail, .. } if detail.ends_with("Read timed out.")),
        "{amid:?}"
    );
}

#[tokio::test]
async fn tls_needs_a_trusted_certificate_unless_told_otherwise() {
    let server = TlsServer::start(OK).await;
    let request = |verify_tls, ca_file| Request {
        verify_tls,
        ca_file,
        ..Request::new("GET", format!("https://{}/", server.address))
    };
    let trusted = request(true, Some(server.authority.path().to_owned()))
        .send()
        .await;
    assert_eq!(trusted.expect("trusted").body, b"ok");
    assert_eq!(
        request(false, None).send().await.expect("not asked").body,
        b"ok"
    );
    let untrusted = request(true, None).send().await.expect_err("not trusted");
    assert!(
        matches!(&untrusted, HttpFailure::Connect { detail, .. } if detail.contains("SSLError")),
        "{untrusted:?}"
    );
    let missing = request(true, Some("/no/such/file".into())).send().await;
    assert_eq!(kind(missing), "OSError");
}
