//! Faults to order: an endpoint that answers wrongly, late, or not at all.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;

/// One fault, as `PUT /_sandbox/faults` takes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Fault {
    /// Where it acts.
    pub endpoint: Endpoint,
    /// How many requests it hits; 0 means until it is removed.
    #[serde(default = "one")]
    pub count: u64,
    /// How many requests it lets pass first.
    #[serde(default)]
    pub skip: u64,
    /// Whether it acts before the request is processed (so that nothing happens) or after (so that it happened).
    #[serde(default)]
    pub at: Moment,
    /// Answers with this status. For a callback it has no meaning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Waits so long, in real milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
    /// Closes the connection (TCP reset) without an answer. For a callback: it is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<Moment>,
    /// What comes instead of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<FaultBody>,
    /// Size of an `oversized` body in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Redirects there, with 302 unless `status` says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The value of a `Retry-After` header, any text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
}

const fn one() -> u64 {
    1
}

/// When a fault acts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// Before the request is processed.
    #[default]
    Before,
    /// After it was processed.
    After,
}

/// What comes instead of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FaultBody {
    /// Half of the real body, then the connection ends: shorter than `Content-Length` says. Acts after processing.
    Truncated,
    /// Half of the real body with a `Content-Length` that fits the half. Acts after processing.
    Cut,
    /// Bytes without end.
    Endless,
    /// `size` zero bytes (32 MiB if absent).
    Oversized,
    /// An HTML page.
    Html,
    /// No body.
    Empty,
    /// Text that is not JSON.
    Malformed,
    /// Bytes without end that say they are packed with gzip, and unpack to 158 times as many.
    GzipBomb,
    /// A space a second, without end.
    Slow,
}

impl Fault {
    /// A fault of that endpoint that does nothing yet and hits one request.
    #[must_use]
    pub fn on(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            count: 1,
            skip: 0,
            at: Moment::Before,
            status: None,
            delay_ms: 0,
            reset: None,
            body: None,
            size: None,
            location: None,
            retry_after: None,
        }
    }

    /// When it acts; some faults need the real answer, whatever `at` says.
    pub(crate) fn moment(&self) -> Moment {
        match (self.reset, self.body) {
            (Some(moment), _) => moment,
            (None, Some(FaultBody::Truncated | FaultBody::Cut)) => Moment::After,
            // A header alone belongs on the real answer.
            (None, None)
                if self.retry_after.is_some() && self.status.is_none() && self.location.is_none() =>
            {
                Moment::After
            }
            (None, _) => self.at,
        }
    }

    /// Whether the answer is replaced or changed, rather than only delayed.
    pub(crate) fn replaces(&self) -> bool {
        self.status.is_some() || self.body.is_some() || self.location.is_some() || self.retry_after.is_some()
    }

    /// A word for the journal.
    pub(crate) fn name(&self) -> String {
        let what = if self.reset.is_some() {
            "reset".to_owned()
        } else if let Some(body) = self.body {
            format!("body {body:?}").to_lowercase()
        } else if self.location.is_some() {
            "redirect".to_owned()
        } else if let Some(status) = self.status {
            format!("status {status}")
        } else {
            "delay".to_owned()
        };
        let moment = if self.moment() == Moment::Before { "before" } else { "after" };
        format!("{what} {moment} processing")
    }

    /// The answer under this fault. `original` is there if the request was processed.
    pub(crate) fn reshape(&self, original: Option<(StatusCode, HeaderMap, Bytes)>) -> Response {
        let (real_status, mut headers, real_body) =
            original.unwrap_or((StatusCode::OK, HeaderMap::new(), Bytes::new()));
        headers.remove(header::CONTENT_LENGTH);
        let status = match (self.status, &self.location) {
            (Some(status), _) => StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            (None, Some(_)) => StatusCode::FOUND,
            (None, None) => real_status,
        };
        if let Some(place) = self.location.as_ref().and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(header::LOCATION, place);
        }
        if let Some(wait) = self.retry_after.as_ref().and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(header::RETRY_AFTER, wait);
        }
        let (body, content_type) = self.shape_body(status, &real_body, &mut headers);
        if let Some(content_type) = content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    fn shape_body(
        &self,
        status: StatusCode,
        real: &Bytes,
        headers: &mut HeaderMap,
    ) -> (Body, Option<&'static str>) {
        const JSON: Option<&str> = Some("application/json");
        const OCTETS: Option<&str> = Some("application/octet-stream");
        match self.body {
            Some(FaultBody::Truncated) => {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(real.len().max(2)));
                (broken_off(real.slice(..real.len() / 2)), None)
            }
            Some(FaultBody::Cut) => (Body::from(real.slice(..real.len() / 2)), None),
            Some(FaultBody::Endless) => (endless(), OCTETS),
            Some(FaultBody::Oversized) => (Body::from(vec![0_u8; self.size.unwrap_or(32 << 20)]), OCTETS),
            Some(FaultBody::Html) => {
                let page = "<!doctype html><html><head><title>Maintenance</title></head><body>Back soon</body></html>";
                (Body::from(page), Some("text/html; charset=utf-8"))
            }
            Some(FaultBody::Empty) => (Body::empty(), JSON),
            Some(FaultBody::GzipBomb) => {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                (gzip_bomb(), JSON)
            }
            Some(FaultBody::Slow) => (slow(), JSON),
            Some(FaultBody::Malformed) => (Body::from("{\"timestamp\": \"2026-"), JSON),
            None if self.status.is_some_and(|status| status >= 400) => {
                let title = status.canonical_reason().unwrap_or("Error");
                let body = serde_json::json!({"title": title, "status": status.as_str(), "detail": "a fault was ordered"});
                (Body::from(body.to_string()), JSON)
            }
            None => (Body::from(real.clone()), None),
        }
    }
}

/// The faults in force, oldest first.
#[derive(Default)]
pub(crate) struct Faults {
    list: Vec<Fault>,
}

impl Faults {
    /// Replaces the faults of every endpoint that `faults` names.
    pub(crate) fn set(&mut self, faults: Vec<Fault>) {
        self.list.retain(|old| faults.iter().all(|new| new.endpoint != old.endpoint));
        self.list.extend(faults);
    }

    /// Removes the faults of one endpoint, or all.
    pub(crate) fn clear(&mut self, endpoint: Option<Endpoint>) {
        self.list.retain(|fault| endpoint.is_some_and(|endpoint| fault.endpoint != endpoint));
    }

    /// What is in force.
    pub(crate) fn list(&self) -> &[Fault] {
        &self.list
    }

    /// The fault that hits this request, if one does; its count goes down.
    pub(crate) fn take(&mut self, endpoint: Endpoint) -> Option<Fault> {
        let index = self.list.iter().position(|fault| fault.endpoint == endpoint)?;
        let fault = &mut self.list[index];
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        let hit = fault.clone();
        match fault.count {
            0 => {}
            1 => drop(self.list.remove(index)),
            _ => fault.count -= 1,
        }
        Some(hit)
    }
}

/// Some bytes, then an error: the server closes the connection in the middle of the body.
fn broken_off(part: Bytes) -> Body {
    let steps = stream::unfold(Some(part), |part| async move {
        if let Some(bytes) = part {
            return Some((Ok(bytes), None));
        }
        // Lets the part reach the wire before the connection ends.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        Some((Err(std::io::Error::other("broken off as ordered")), None))
    });
    Body::from_stream(steps)
}

fn endless() -> Body {
    let chunk = Bytes::from_static(&[b'x'; 16 * 1024]);
    Body::from_stream(stream::repeat_with(move || Ok::<_, std::convert::Infallible>(chunk.clone())))
}

/// A gzip stream (RFC 1952) of one block that never ends: a zero, and then "258 bytes from 1 byte ago" in every 13 bits.
fn gzip_bomb() -> Body {
    const HEAD: [u8; 12] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 0x63, 0x18];
    const AGAIN: [u8; 13] = [0x05, 0xa3, 0x60, 0x14, 0x8c, 0x82, 0x51, 0x30, 0x0a, 0x46, 0xc1, 0x28, 0x18];
    let again = Bytes::from(AGAIN.repeat(1000));
    let steps = stream::once(async { Bytes::from_static(&HEAD) }).chain(stream::repeat(again));
    Body::from_stream(steps.map(Ok::<_, std::convert::Infallible>))
}

fn slow() -> Body {
    let steps = stream::unfold((), |()| async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from_static(b" ")), ()))
    });
    Body::from_stream(steps)
}
