//! `Idempotency-Key`: a POST that is repeated with the same key is answered as before, and does nothing.

use super::{
    kept_answers::{self, Opened},
    keyed_bodies::{self, OnItsWay},
    private::Private,
    problem::Problem,
};
use crate::tokens::Identity;
use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, ResponseError,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{Method, StatusCode, header},
    middleware::Next,
    rt,
    web::Data,
};
use queue::{Begun, Finished, KeyedRequest, Running};
use std::time::Duration;

const HEADER: &str = "idempotency-key";
/// On an answer that was given before.
const REPLAYED: &str = "idempotency-replayed";
/// Characters of a key at most.
const KEY_CHARS: usize = 255;
/// Bytes of an answer's body that is kept, at most. Sealed and as text they are some 64 KiB.
const KEPT_BYTES: u64 = 32 * 1024;

/// Routes that deduplicate what they do by themselves, or do no harm when they do it twice. Where the process died that
/// was carrying such a request out, it is carried out again; any other might be done twice, and is refused.
const MAY_BE_REPEATED: [&str; 13] = [
    "/v1/authentications",
    "/v1/authentications/{id}/redeem",
    "/v1/enrollments",
    "/v1/enrollments/{reference}/release",
    "/v1/users/{user}/unlock",
    "/v1/batches/{id}/pause",
    "/v1/batches/{id}/resume",
    "/v1/batches/{id}/cancel",
    "/v1/events/{id}/replay",
    "/v1/callbacks/replay",
    "/v1/callbacks/{id}/replay",
    "/v1/integrity-checks",
    "/v1/recovery/acknowledge",
];

/// Carries a POST with a key out once. Everything else passes: a GET changes nothing, and PUT and DELETE come to the same
/// however often they are sent.
pub(crate) async fn once(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if request.method() != Method::POST || !request.headers().contains_key(HEADER) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let (http, payload) = request.into_parts();
    let (private, keyed, body, payload) = match keyed(&http, payload).await {
        Ok(all) => all,
        Err(problem) => return Ok(refused(http, &problem)),
    };
    let may_be_repeated = http.match_pattern().is_some_and(|route| MAY_BE_REPEATED.contains(&route.as_str()));
    let begun = private.idempotency.begin(&keyed, may_be_repeated).await;
    let begun = begun.map_err(|error| Problem::from(&error));
    let running = match begun {
        Ok(Begun::First(running)) => running,
        Ok(other) => {
            let answer = answered_before(&private, &keyed, other).await;
            let answer = answer.unwrap_or_else(|problem| problem.error_response());
            return Ok(ServiceResponse::new(http, answer));
        }
        Err(problem) => return Ok(refused(http, &problem)),
    };
    let carried_out = async move {
        let response = next.call(ServiceRequest::from_parts(http, payload)).await?;
        keep(&private, &keyed, running, &body, response).await
    };
    // A task of its own: it goes on when the caller goes away, and what came of it is kept.
    rt::spawn(carried_out).await.unwrap_or_else(|_stopping| {
        let detail = "The service is stopping; whether the request was carried out is not known.";
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", detail).into())
    })
}

fn refused(request: HttpRequest, problem: &Problem) -> ServiceResponse<BoxBody> {
    ServiceResponse::new(request, problem.error_response())
}

/// The request as the book knows it: of this caller, to this address, with this key; and all that it says.
async fn keyed(
    request: &HttpRequest,
    mut payload: Payload,
) -> Result<(Data<Private>, KeyedRequest, OnItsWay, Payload), Problem> {
    let unauthorized = || Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "This route needs a token.");
    let private = request.app_data::<Data<Private>>().cloned().ok_or_else(unauthorized)?;
    let caller = request.extensions().get::<Identity>().map(|identity| identity.name.clone());
    let book = &private.idempotency;
    let keyed = book.request(&caller.ok_or_else(unauthorized)?, request.path(), key_of(request)?);
    let content_type = request.headers().get(header::CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
    let digest = book.digest(&[request.query_string().as_bytes(), content_type]);
    let (keyed, body, payload) = if keyed_bodies::is_streamed(request) {
        keyed_bodies::streamed(book, request, payload, digest, keyed).await?
    } else {
        keyed_bodies::read(request, &mut payload, digest, keyed).await?
    };
    Ok((private, keyed, body, payload))
}

fn key_of(request: &HttpRequest) -> Result<&str, Problem> {
    let wrong = || {
        let detail = "Idempotency-Key must be given once, and have 1 to 255 printable ASCII characters; nothing was done.";
        Problem::new(StatusCode::BAD_REQUEST, "idempotency-key-invalid", detail)
    };
    let mut values = request.headers().get_all(HEADER);
    let (Some(value), None) = (values.next(), values.next()) else { return Err(wrong()) };
    let key = value.to_str().map_err(|_not_ascii| wrong())?;
    let is_printable = key.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    if is_printable && (1..=KEY_CHARS).contains(&key.len()) { Ok(key) } else { Err(wrong()) }
}

async fn answered_before(
    private: &Private,
    keyed: &KeyedRequest,
    begun: Begun,
) -> Result<HttpResponse, Problem> {
    let kept = match begun {
        Begun::Answered(kept) => kept,
        Begun::Forgotten => return Err(purged()),
        Begun::InUse | Begun::First(_) => {
            let detail = "The first request with this Idempotency-Key is still being carried out.";
            let problem = Problem::new(StatusCode::CONFLICT, "idempotency-key-in-use", detail);
            return Err(problem.retry_after(Duration::from_secs(1)));
        }
        Begun::Differs => {
            let detail = "This Idempotency-Key came with another request before; nothing was done. A new request needs a new key.";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail));
        }
        Begun::Done(status) => {
            let detail = "The request with this Idempotency-Key was carried out, and its answer was not kept. Look up what \
                          came of it; nothing was done now.";
            let problem = Problem::new(StatusCode::CONFLICT, "idempotency-answer-not-kept", detail);
            return Err(problem.with("answeredStatus", status));
        }
        Begun::Interrupted => {
            let detail = "The service was interrupted while it carried the request with this Idempotency-Key out. Nobody \
                          was answered, and whether it was done is not known; nothing was done now. Look, then ask with \
                          a new key.";
            return Err(Problem::new(StatusCode::CONFLICT, "idempotency-outcome-unknown", detail));
        }
    };
    let opened = kept_answers::open(&private.register, keyed, &kept).await;
    match opened.map_err(|error| Problem::from(&error))? {
        Opened::Gone => Err(purged()),
        Opened::Answer(answer) => {
            let mut response = answer.into_response();
            let replayed = header::HeaderName::from_static(REPLAYED);
            response.headers_mut().insert(replayed, header::HeaderValue::from_static("true"));
            Ok(response)
        }
    }
}

fn purged() -> Problem {
    let detail = "The answer to this request named somebody who was purged since; nothing was done now.";
    Problem::new(StatusCode::GONE, "purged", detail)
}

/// Keeps the answer before anybody gets it. One that may be asked for again is not kept: those of 500 and more, and those
/// that say when to come again.
async fn keep<B: MessageBody + 'static>(
    private: &Private,
    keyed: &KeyedRequest,
    running: Running,
    body: &OnItsWay,
    response: ServiceResponse<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let (http, response) = response.into_parts();
    let status = response.status();
    let comes_again = status.is_server_error() || response.headers().contains_key(header::RETRY_AFTER);
    // A refusal before the end of a body: it is not known what else it would have said.
    let is_unread = !body.is_whole() && !status.is_success();
    if comes_again || is_unread {
        if let Err(error) = private.idempotency.free(running).await {
            tracing::warn!(%error, "an idempotency key could not be given free");
        }
        return Ok(ServiceResponse::new(http, response.map_into_boxed_body()));
    }
    let is_small = matches!(response.body().size(), BodySize::None | BodySize::Sized(0..=KEPT_BYTES));
    let (response, mut finished) = if is_small {
        let (head, answer) = response.into_parts();
        let answer = actix_web::body::to_bytes(answer).await.map_err(|_broken| no_body())?;
        let register = &private.register;
        let finished = kept_answers::seal(register, keyed, http.path(), body.read(), &head, &answer).await;
        (head.set_body(BoxBody::new(answer)), finished)
    } else {
        let finished = Finished { status: status.as_u16(), answer: None, about: Vec::new(), digest: None };
        (response.map_into_boxed_body(), finished)
    };
    finished.digest = body.digest();
    if let Err(error) = private.idempotency.finish(running, finished).await {
        // It was done, and the caller hears so. A repetition is told that it is not known.
        tracing::warn!(%error, "the answer to a request with an idempotency key could not be kept");
    }
    Ok(ServiceResponse::new(http, response))
}

fn no_body() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The answer could not be made.")
}
