//! What happens around every request: time passes, faults act, rules are checked, the journal is written.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::answer::Answer;
use crate::core::Core;
use crate::credentials;
use crate::endpoint::Endpoint;
use crate::faults::{Fault, Moment};
use crate::journal::{EntryKind, Note};
use crate::limits::Broken;

/// Marks a response in whose place the connection is reset.
#[derive(Clone, Copy)]
pub(crate) struct Reset;

/// The middleware around one endpoint.
pub(crate) async fn guard(
    State((core, endpoint)): State<(Arc<Core>, Endpoint)>,
    request: Request,
    next: Next,
) -> Response {
    core.settle();
    let fault = core.world().faults.take(endpoint);
    let (before, after) = match fault {
        Some(fault) if fault.moment() == Moment::Before => (Some(fault), None),
        other => (None, other),
    };
    if let Some(fault) = &before {
        tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
        if fault.reset.is_some() || fault.replaces() {
            return act(&core, endpoint, fault);
        }
    }
    let response = match check(&core, endpoint, &request) {
        Ok(()) => next.run(request).await,
        Err(answer) => answer.into_response(),
    };
    let mut note = response.extensions().get::<Note>().cloned().unwrap_or_default();
    note.fault = before.or_else(|| after.clone()).map(|fault| fault.name());
    let Some(fault) = after else {
        note.status = Some(response.status().as_u16());
        core.journal.write(core.now(), EntryKind::Request, endpoint, note);
        return response;
    };
    strike(&core, endpoint, &fault, response, note).await
}

/// A fault that acts on an answer. The journal is written before it acts: the caller may not wait for it.
async fn strike(
    core: &Core,
    endpoint: Endpoint,
    fault: &Fault,
    response: Response,
    mut note: Note,
) -> Response {
    if fault.reset.is_none() {
        let status =
            if fault.replaces() { fault.status.or(fault.location.as_ref().map(|_| 302)) } else { None };
        note.status = status.or(Some(response.status().as_u16()));
    }
    core.journal.write(core.now(), EntryKind::Request, endpoint, note);
    tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
    if fault.reset.is_some() {
        return reset();
    }
    if !fault.replaces() {
        return response;
    }
    let (parts, body) = response.into_parts();
    // The body was made here, from memory; if it could not be read back it would only be empty.
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    fault.reshape(Some((parts.status, parts.headers, body)))
}

/// A fault that acts instead of the endpoint.
fn act(core: &Core, endpoint: Endpoint, fault: &Fault) -> Response {
    let mut note = Note { fault: Some(fault.name()), ..Note::default() };
    let response = if fault.reset.is_some() { reset() } else { fault.reshape(None) };
    note.status = fault.reset.is_none().then(|| response.status().as_u16());
    core.journal.write(core.now(), EntryKind::Request, endpoint, note);
    response
}

fn reset() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Reset);
    response
}

fn check(core: &Core, endpoint: Endpoint, request: &Request) -> Result<(), Box<Answer>> {
    credentials::check(&core.config, endpoint, request.headers())?;
    if !endpoint.is_initiate() {
        return Ok(());
    }
    let now = core.now();
    let mut world = core.world();
    let (per_second, per_minute) = (world.settings.initiate_per_second, world.settings.initiate_per_minute);
    let retry_after = world.settings.retry_after_seconds;
    let Err(broken) = world.limits.admit(now, per_second, per_minute) else { return Ok(()) };
    let detail = match broken {
        Broken::Second => "limit per second exceeded",
        Broken::Minute => "limit per minute exceeded",
    };
    let answer = Answer::refused(endpoint, StatusCode::TOO_MANY_REQUESTS, detail);
    Err(Box::new(match retry_after {
        Some(seconds) => answer.header(header::RETRY_AFTER, HeaderValue::from(seconds)),
        None => answer,
    }))
}
