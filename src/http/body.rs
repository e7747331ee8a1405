//! Bodies and queries of the private API: JSON, strictly.

use super::problem::Problem;
use actix_web::{FromRequest, HttpRequest, dev::Payload, http::StatusCode, web};
use futures_util::future::LocalBoxFuture;
use model::{limits, text::printable};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long a caller may take to send a body.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// A body that was read whole. One that is too large, too slow, or breaks off, is a problem like any other.
pub(crate) struct Body(web::Bytes);

impl FromRequest for Body {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let reading = web::Bytes::from_request(request, payload);
        Box::pin(async move {
            match tokio::time::timeout(BODY_TIMEOUT, reading).await {
                Ok(read) => read.map(Self).map_err(|error| not_read(&error)),
                Err(_elapsed) => {
                    let detail = "The body did not arrive in time; nothing was done.";
                    Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", detail))
                }
            }
        })
    }
}

fn not_read(error: &actix_web::Error) -> Problem {
    if error.as_response_error().status_code() == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("A body has at most {} bytes; nothing was done.", limits::API_BODY_BYTES);
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail);
    }
    Problem::invalid("", "the body could not be read to its end")
}

/// Reads a JSON body. Unknown fields and wrong types are refused with the place where they stand.
pub(crate) fn json<T: DeserializeOwned>(request: &HttpRequest, body: &Body) -> Result<T, Problem> {
    if !is_json(request) {
        let detail = "Send the body as `Content-Type: application/json`.";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(&body.0);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let pointer = pointer_of(error.path());
        Problem::invalid(pointer, told(error.inner()))
    })?;
    deserializer.end().map_err(|error| Problem::invalid("", told(&error)))?;
    Ok(value)
}

/// As [`json`]; no body at all is an empty object.
pub(crate) fn json_or_default<T: DeserializeOwned + Default>(
    request: &HttpRequest,
    body: &Body,
) -> Result<T, Problem> {
    if body.0.is_empty() { Ok(T::default()) } else { json(request, body) }
}

/// Reads the query, strictly.
pub(crate) fn query<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Problem> {
    let query = web::Query::<T>::from_query(request.query_string());
    query.map(web::Query::into_inner).map_err(|error| {
        Problem::invalid("", format!("the query is not understood: {}", printable(&error.to_string(), 200)))
    })
}

/// `limit` of a list: 1 to 500, 50 if not given.
pub(crate) fn page_size(limit: Option<usize>) -> Result<usize, Problem> {
    const MOST: usize = 500;
    match limit.unwrap_or(50) {
        limit @ 1..=MOST => Ok(limit),
        _ => Err(Problem::invalid("/limit", "must be from 1 to 500")),
    }
}

/// The largest body that is read, in bytes.
pub(crate) fn limit() -> web::PayloadConfig {
    web::PayloadConfig::new(limits::API_BODY_BYTES)
}

fn is_json(request: &HttpRequest) -> bool {
    actix_web::HttpMessage::content_type(request).eq_ignore_ascii_case("application/json")
}

/// A JSON pointer (RFC 6901) from the path of a deserialiser.
fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", printable(&key.replace('~', "~0").replace('/', "~1"), 64)),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => String::new(),
        })
        .collect()
}

/// What is wrong, without the value: serde repeats a string that it did not expect.
fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    let Some(rest) = text.strip_prefix("invalid type: ") else { return printable(text, 200) };
    match rest.split_once(", expected ") {
        Some((_found, expected)) => format!("must be {}", printable(expected, 160)),
        None => "has the wrong type".to_owned(),
    }
}
