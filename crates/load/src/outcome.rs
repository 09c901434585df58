//! The outcome of one exchange: acknowledged, failed, or indeterminate.
//!
//! `Failed` means that the request certainly had no effect. It is a whitelist:
//!
//! - nothing was sent: no connection could be made (refused, unreachable, name not found, timed
//!   out while connecting), or too many requests were in flight;
//! - the answer was one of [`REJECTED_BEFORE_ANY_EFFECT`]: statuses by which HTTP says that the
//!   request itself was turned down.
//!
//! `Acknowledged` is a 2xx answer, read to its end, that names one identity.
//! Everything else is `Indeterminate`: a 2xx without identity, any 3xx, any 5xx (503 too: a
//! service may say so after it acted), any other 4xx, a timeout, reset or end of the connection
//! after the request was handed to it.
//!
//! Reasons are stable texts without times or ports, so that a report can count them.

use bytes::Bytes;
use hyper::StatusCode;
use shaketable_ledger::Outcome;

use crate::identity::Identity;

/// The statuses that say that the request was rejected before it had any effect.
pub(crate) const REJECTED_BEFORE_ANY_EFFECT: [StatusCode; 7] = [
    StatusCode::BAD_REQUEST,
    StatusCode::NOT_FOUND,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
    StatusCode::TOO_MANY_REQUESTS,
];

/// What one exchange came to on the wire.
#[derive(Debug)]
pub(crate) enum Exchange {
    /// The request was never handed to a connection.
    NotSent(String),
    /// The request may have been sent; no answer's head came back.
    Unanswered(String),
    /// An answer came; its body may have broken off.
    Answered(StatusCode, Result<Bytes, String>),
}

impl Exchange {
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Answered(status, _) => Some(status.as_u16()),
            Self::NotSent(_) | Self::Unanswered(_) => None,
        }
    }

    pub(crate) fn outcome(self, identity: &Identity) -> Outcome {
        match self {
            Self::NotSent(reason) => Outcome::Failed { reason },
            Self::Unanswered(reason) => Outcome::Indeterminate { reason },
            Self::Answered(status, body) if status.is_success() => {
                match body.and_then(|body| identity.find(&body)) {
                    Ok(identity) => Outcome::Acknowledged { identity },
                    Err(problem) => Outcome::Indeterminate {
                        reason: format!("{} {problem}", status.as_u16()),
                    },
                }
            }
            Self::Answered(status, _) => {
                let reason = format!("HTTP {status}");
                match REJECTED_BEFORE_ANY_EFFECT.contains(&status) {
                    true => Outcome::Failed { reason },
                    false => Outcome::Indeterminate { reason },
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Exchange {
        Exchange::Answered(
            StatusCode::from_u16(status).expect("a status"),
            Ok(Bytes::copy_from_slice(body.as_bytes())),
        )
    }

    /// `K` and the identity, or `F`/`I` and the reason.
    fn told(exchange: Exchange) -> String {
        match exchange.outcome(&Identity::parse("$.id").expect("a path")) {
            Outcome::Acknowledged { identity } => format!("K {identity}"),
            Outcome::Failed { reason } => format!("F {reason}"),
            Outcome::Indeterminate { reason } => format!("I {reason}"),
        }
    }

    #[test]
    fn the_table() {
        let table = [
            (answered(200, r#"{"id":"a-1"}"#), "K a-1"),
            (answered(201, r#"{"id":4711}"#), "K 4711"),
            (answered(200, r#"{"id":-1}"#), "K -1"),
            (
                answered(299, r#"{"id":18446744073709551615}"#),
                "K 18446744073709551615",
            ),
            (answered(200, "{}"), "I 200 without identity at $.id"),
            (
                answered(204, ""),
                "I 204 without identity at $.id: the body is not JSON",
            ),
            (
                answered(200, r#"{"id":null}"#),
                "I 200 without identity at $.id: it is neither a string nor an integer",
            ),
            (
                answered(200, r#"{"id":""}"#),
                "I 200 without identity at $.id: it is neither a string nor an integer",
            ),
            (
                answered(200, r#"{"id":1.5}"#),
                "I 200 without identity at $.id: it is neither a string nor an integer",
            ),
            (
                Exchange::Answered(StatusCode::OK, Err("broken off".into())),
                "I 200 broken off",
            ),
            (Exchange::NotSent("no connection".into()), "F no connection"),
            (Exchange::Unanswered("reset".into()), "I reset"),
            // An identity in an answer that is no 2xx acknowledges nothing.
            (
                answered(500, r#"{"id":"a-1"}"#),
                "I HTTP 500 Internal Server Error",
            ),
            (answered(302, r#"{"id":"a-1"}"#), "I HTTP 302 Found"),
            (
                answered(422, r#"{"id":"a-1"}"#),
                "F HTTP 422 Unprocessable Entity",
            ),
            // A definite status needs no readable body.
            (
                Exchange::Answered(StatusCode::BAD_REQUEST, Err("broken off".into())),
                "F HTTP 400 Bad Request",
            ),
        ];
        for (exchange, expected) in table {
            assert_eq!(told(exchange), expected);
        }
    }

    #[test]
    fn of_all_statuses_only_the_whitelist_is_definite() {
        let definite: Vec<u16> = (100..=999)
            .filter(|&status| told(answered(status, r#"{"id":1}"#)).starts_with('F'))
            .collect();
        assert_eq!(definite, [400, 404, 405, 413, 415, 422, 429]);
        let acknowledged: Vec<u16> = (100..=999)
            .filter(|&status| told(answered(status, r#"{"id":1}"#)).starts_with('K'))
            .collect();
        assert_eq!(acknowledged, (200..=299).collect::<Vec<_>>());
    }

    #[test]
    fn several_matches_are_no_identity() {
        let many = Identity::parse("$..id").expect("a path");
        assert_eq!(
            many.find(br#"{"id":1,"order":{"id":2}}"#),
            Err("without identity at $..id: 2 values match".to_owned())
        );
    }
}
