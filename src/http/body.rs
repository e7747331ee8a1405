//! Bodies and queries of the private API: JSON, strictly.

use super::problem::Problem;
use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{StatusCode, header},
    web,
};
use futures_util::future::LocalBoxFuture;
use model::{limits, text::printable};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long a caller may take to send a body; of one that is worked on while it comes, a piece of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyTimeout(pub(crate) Duration);

impl BodyTimeout {
    /// The listener's.
    pub(crate) fn of(request: &HttpRequest) -> Duration {
        request.app_data::<Self>().map_or(Duration::from_secs(15), |timeout| timeout.0)
    }
}

/// A body that was read whole. One that is too large, too slow, or breaks off, is a problem like any other.
pub(crate) struct Body(web::Bytes);

impl Body {
    /// What was read.
    pub(crate) fn into_bytes(self) -> web::Bytes {
        self.0
    }
}

impl FromRequest for Body {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (most, timeout) = (most_bytes(request), BodyTimeout::of(request));
        let told = request.headers().get(header::CONTENT_LENGTH);
        let told = told.and_then(|told| told.to_str().ok()?.parse::<u64>().ok());
        let payload = web::Payload::from_request(request, payload).into_inner();
        Box::pin(async move {
            if told.is_some_and(|told| told > most as u64) {
                return Err(too_large(most));
            }
            let Ok(payload) = payload else { return Err(broken_off()) };
            match tokio::time::timeout(timeout, payload.to_bytes_limited(most)).await {
                Ok(Ok(Ok(read))) => Ok(Self(read)),
                Ok(Ok(Err(_broken_off))) => Err(broken_off()),
                Ok(Err(_larger)) => Err(too_large(most)),
                Err(_elapsed) => {
                    let detail = "The body did not arrive in time; nothing was done.";
                    Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", detail))
                }
            }
        })
    }
}

/// Bytes of a body at most, by the route.
fn most_bytes(request: &HttpRequest) -> usize {
    match request.match_pattern().as_deref() {
        Some("/v1/purges") => limits::PURGE_BODY_BYTES,
        _ => limits::API_BODY_BYTES,
    }
}

fn too_large(most: usize) -> Problem {
    let detail = format!("A body has at most {most} bytes here; nothing was done.");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
}

fn broken_off() -> Problem {
    Problem::invalid("", "the body could not be read to its end")
}

/// Reads a JSON body. Unknown fields and wrong types are refused with the place where they stand.
pub(crate) fn json<T: DeserializeOwned>(request: &HttpRequest, body: &Body) -> Result<T, Problem> {
    if !is_json(request) {
        let detail = "Send the body as `Content-Type: application/json`.";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail));
    }
    json_of(&body.0)
}

/// Reads JSON whose type was looked at before.
pub(crate) fn json_of<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // A list of values without names would be read as an object too, by the order of the fields.
    if bytes.trim_ascii_start().first().is_some_and(|first| *first == b'[') {
        return Err(Problem::invalid("", "must be a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let text = error.inner().to_string();
        refused(error.path(), text.split(" at line ").next().unwrap_or_default())
    })?;
    deserializer.end().map_err(|_| Problem::invalid("", "nothing may stand behind the JSON value"))?;
    Ok(value)
}

/// As [`json`]; no body at all is an empty object.
pub(crate) fn json_or_default<T: DeserializeOwned + Default>(
    request: &HttpRequest,
    body: &Body,
) -> Result<T, Problem> {
    if body.0.is_empty() { Ok(T::default()) } else { json(request, body) }
}

/// Reads the query, strictly. A field that is wrong is refused with its name, never with its value.
pub(crate) fn query<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Problem> {
    query_of(request.query_string())
}

fn query_of<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs))
        .map_err(|error| refused(error.path(), &error.inner().to_string()))
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

/// A refusal with the place and the rule. Of a field that is missing or stands twice the path says only where it should.
fn refused(path: &serde_path_to_error::Path, text: &str) -> Problem {
    let mut pointer = pointer_of(path);
    let named = |what: &str| text.strip_prefix(what)?.strip_prefix(" field `")?.strip_suffix('`');
    let (field, rule) = match (named("missing"), named("duplicate")) {
        (Some(field), _) => (field, "is missing".to_owned()),
        (_, Some(field)) => (field, "stands more than once".to_owned()),
        _ => ("", told(text)),
    };
    if !field.is_empty() && !pointer.ends_with(&format!("/{field}")) {
        pointer = format!("{pointer}/{field}");
    }
    Problem::invalid(pointer, rule)
}

/// What is wrong, without the value: serde repeats what it did not expect, and so do readers of times and numbers.
fn told(text: &str) -> String {
    let expected = |rest: &str| {
        rest.split_once(", expected ").map(|(_found, it)| printable(number(it).unwrap_or(it), 160))
    };
    for kind in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let Some(rest) = text.strip_prefix(kind) {
            return expected(rest)
                .map_or_else(|| "has the wrong type".to_owned(), |it| format!("must be {it}"));
        }
    }
    if let Some(rest) = text.strip_prefix("unknown variant ") {
        return expected(rest).map_or_else(|| "is not understood".to_owned(), |it| format!("must be {it}"));
    }
    if let Some(rest) = text.strip_prefix("unknown field ") {
        let known = expected(rest).map(|it| format!("; known are {it}"));
        return format!("is not known here{}", known.unwrap_or_default());
    }
    // Of a query, what the reader of numbers says.
    match text {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            return "must be a whole number".to_owned();
        }
        "number too large to fit in target type" => return "is too large a number".to_owned(),
        "number too small to fit in target type" => return "is too small a number".to_owned(),
        _ => {}
    }
    // Whoever quotes, quotes what was sent. Our own rules quote nothing.
    if text.contains(['"', '\'', '`']) { "is not understood".to_owned() } else { printable(text, 200) }
}

/// The range of a type of number, in words: callers do not write Rust.
fn number(expected: &str) -> Option<&'static str> {
    Some(match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        _ => return None,
    })
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
