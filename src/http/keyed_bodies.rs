//! The bodies of requests with keys: read before anything is done, or, where a route takes more than fits in memory, while
//! it is done.

use super::{
    body::{Body, BodyTimeout},
    problem::Problem,
};
use actix_web::{
    FromRequest as _, HttpRequest, dev::Payload, error::PayloadError, http::StatusCode, web::Bytes,
};
use futures_util::{Stream, StreamExt as _, stream};
use model::limits;
use queue::{BodyDigest, Idempotency, KeyedRequest};
use std::{cell::RefCell, future::ready, pin::Pin, rc::Rc, time::Duration};

/// The routes that read their body while they work on it, and do nothing before its end.
const STREAMED: [&str; 1] = ["/v1/batches"];

/// Whether this request's body is read only while it is carried out.
pub(super) fn is_streamed(request: &HttpRequest) -> bool {
    request.match_pattern().is_some_and(|route| STREAMED.contains(&route.as_str()))
}

/// A body on its way to its handler.
pub(super) enum OnItsWay {
    /// Read whole.
    Read(Bytes),
    /// Digested while it is read.
    Passing(Rc<RefCell<Passed>>),
}

type BoxedPayloadStream = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// What has passed of a body.
pub(super) struct Passed {
    digest: Option<BodyDigest>,
    is_whole: bool,
}

impl OnItsWay {
    /// What was read before, if anything was.
    pub(super) fn read(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            Self::Passing(_) => &[],
        }
    }

    /// Whether the handler has read it to its end.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Read(_) => true,
            Self::Passing(passed) => passed.borrow().is_whole,
        }
    }

    /// The digest of all that has passed, where it was not known before.
    pub(super) fn digest(&self) -> Option<BodyDigest> {
        match self {
            Self::Read(_) => None,
            Self::Passing(passed) => {
                let mut passed = passed.borrow_mut();
                if passed.is_whole { passed.digest.take() } else { None }
            }
        }
    }
}

/// Reads the whole body; the payload for the handler is the same once more.
pub(super) async fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    mut digest: BodyDigest,
    keyed: KeyedRequest,
) -> Result<(KeyedRequest, OnItsWay, Payload), Problem> {
    let body = Body::from_request(request, payload).await?.into_bytes();
    digest.update(&body);
    let again: BoxedPayloadStream = Box::pin(stream::once(ready(Ok(body.clone()))));
    Ok((keyed.with(digest), OnItsWay::Read(body), Payload::Stream { payload: again }))
}

/// Of a key that is not known yet: the body is digested while the handler reads it. Of one that is: it is read to its end
/// and digested, and never kept; there will be nothing to hand it to, as a rule.
pub(super) async fn streamed(
    book: &Idempotency,
    request: &HttpRequest,
    payload: Payload,
    mut digest: BodyDigest,
    keyed: KeyedRequest,
) -> Result<(KeyedRequest, OnItsWay, Payload), Problem> {
    if book.knows(&keyed).await.map_err(|error| Problem::from(&error))? {
        drain(payload, &mut digest, BodyTimeout::of(request)).await?;
        let passed = Passed { digest: None, is_whole: false };
        let on_its_way = OnItsWay::Passing(Rc::new(RefCell::new(passed)));
        return Ok((keyed.with(digest), on_its_way, Payload::None));
    }
    let passed = Rc::new(RefCell::new(Passed { digest: Some(digest), is_whole: false }));
    let watched = stream::unfold((payload, Rc::clone(&passed)), |(mut payload, passed)| async move {
        let next = payload.next().await;
        match &next {
            Some(Ok(bytes)) => {
                if let Some(digest) = &mut passed.borrow_mut().digest {
                    digest.update(bytes);
                }
            }
            Some(Err(_)) => {}
            None => passed.borrow_mut().is_whole = true,
        }
        Some((next?, (payload, passed)))
    });
    Ok((keyed, OnItsWay::Passing(passed), Payload::Stream { payload: Box::pin(watched) }))
}

async fn drain(mut payload: Payload, digest: &mut BodyDigest, patience: Duration) -> Result<(), Problem> {
    let mut total = 0;
    loop {
        let next = tokio::time::timeout(patience, payload.next()).await.map_err(|_elapsed| {
            let detail = "The body did not arrive in time; nothing was done.";
            Problem::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", detail)
        })?;
        let Some(bytes) = next else { return Ok(()) };
        let bytes = bytes.map_err(|_| Problem::invalid("", "the body could not be read to its end"))?;
        total += bytes.len();
        if total > limits::BATCH_FILE_BYTES {
            let detail = "The body is larger than any that could have come before; nothing was done.";
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail));
        }
        digest.update(&bytes);
    }
}
