//! What an answer, or its absence, means. Jumio's words are never carried along.

use crate::{JumioError, quirks};
use egress::{EgressError, Response, Unsent};
use http::header::{CONTENT_TYPE, DATE, RETRY_AFTER};
use model::Timestamp;
use std::time::Duration;

/// Seconds of a `Retry-After` at most that are believed.
const MAX_RETRY_AFTER: u64 = 3600;

/// What kind of call it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// Retrieval or deletion: doing it twice is doing it once.
    Repeatable,
    /// An initiate: doing it twice makes two transactions.
    Initiate,
}

/// Jumio's own clock when it answered.
pub(super) fn date(response: &Response) -> Option<Timestamp> {
    response.header(&DATE).and_then(quirks::http_date)
}

/// An answer that is no success.
pub(super) fn refused(response: &Response, call: Call) -> JumioError {
    by_status(response.status(), retry_after(response), call)
}

pub(super) fn by_status(status: u16, retry_after: Option<Duration>, call: Call) -> JumioError {
    match status {
        404 if call == Call::Repeatable => JumioError::NotFound,
        429 => JumioError::RateLimited { retry_after },
        // The server gave up on the request: whether before or after acting, it does not say.
        408 => JumioError::Ambiguous { what: "request timeout at Jumio", status: Some(status) },
        300..=499 => JumioError::Refused { status },
        _ => JumioError::Ambiguous { what: "server error at Jumio", status: Some(status) },
    }
}

/// `Retry-After` in seconds, or as a date beside Jumio's own `Date`: no clock of ours takes part.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.header(&RETRY_AFTER)?.trim();
    let from_date = || {
        let until = quirks::http_date(text)?;
        u64::try_from(until.as_second() - date(response)?.as_second()).ok()
    };
    let seconds = text.parse::<u64>().ok().or_else(from_date)?;
    Some(Duration::from_secs(seconds.min(MAX_RETRY_AFTER)))
}

/// No answer, or none that may be read.
pub(super) fn translate(error: &EgressError, call: Call) -> JumioError {
    let lost = |what| JumioError::Ambiguous { what, status: None };
    match (error, call) {
        (EgressError::Refused(_), _) => JumioError::Guarded { what: "the address" },
        (EgressError::NotSent(step), _) => JumioError::Unavailable {
            what: match step {
                Unsent::Dns => "name look-up",
                Unsent::Connect => "connection",
                Unsent::Tls => "TLS handshake",
            },
        },
        (EgressError::Lost, _) => lost("connection lost"),
        (EgressError::TimedOut, _) => lost("timeout"),
        (EgressError::Truncated, _) => lost("answer cut short"),
        (EgressError::TooLarge { .. }, Call::Repeatable) => {
            JumioError::Guarded { what: "the answer is larger than allowed" }
        }
        (EgressError::TooLarge { .. }, Call::Initiate) => lost("answer larger than allowed"),
        (EgressError::Encoded, _) => {
            JumioError::Malformed { what: "it is in an encoding that was not asked for" }
        }
        (EgressError::Request(_) | EgressError::Setup(_), _) => JumioError::Guarded { what: "the request" },
    }
}

/// What is wrong with a facemap, if anything is. Jumio's pages for people have come with status 200.
pub(super) fn refuse_facemap(response: &Response) -> Option<JumioError> {
    let body = response.body();
    let media_type = response.header(&CONTENT_TYPE).unwrap_or_default().trim().to_ascii_lowercase();
    let what = if body.is_empty() {
        "the facemap is empty"
    } else if media_type.starts_with("text/") || media_type.contains("html") || media_type.contains("xml") {
        "a page came in place of the facemap"
    } else if media_type.contains("json") {
        "JSON came in place of the facemap"
    } else if starts_like_a_page(body) {
        "the facemap looks like a page"
    } else {
        return None;
    };
    Some(JumioError::Malformed { what })
}

fn starts_like_a_page(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    [&b"<!doctype"[..], b"<html", b"<head", b"<body", b"<?xml", b"<!--"]
        .iter()
        .any(|tag| body.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag)))
}
